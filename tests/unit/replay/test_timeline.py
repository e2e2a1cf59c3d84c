"""From an id to turns: which one a term means, and what is shown of it. In both journals."""

from __future__ import annotations

import pytest

from monitor.journal import SqliteJournal
from monitor.model import TurnStarted
from monitor.model.ids import trace_id
from monitor.replay import Ambiguous, Found, look_up, timeline_of
from monitor.testing import samples
from monitor.testing.journal import MemoryJournal
from tests.unit.replay.world import HandClock, agent_turn, journal_of, replay

CONVERSATION = samples.uuid(1, 4)
FLOW = samples.chatflow_ref(40, conversation_id=samples.uuid(9, 4))


@pytest.fixture(params=["memory", "disk"])
def journal(request, tmp_path):
    """Turns 4 to 6 of one conversation, and a chatflow's turn in another."""
    events = [event for number in (5, 4, 6) for event in agent_turn(number)] + [samples.event(TurnStarted(turn=FLOW))]
    if request.param == "memory":
        made = MemoryJournal(HandClock())
        made.append("dify", events, None)
        yield made
    else:
        with SqliteJournal.open(tmp_path / "journal", HandClock(), min_free_bytes=0) as made:
            made.append("dify", events, None)
            yield made


def numbers(timeline):
    return [turn.number for turn in timeline.turns]


def test_a_conversation_shows_all_its_turns_in_order(journal):
    timeline = replay(journal, CONVERSATION)
    assert (timeline.matched, timeline.id) == ("conversation", CONVERSATION)
    assert [turn.whose.turn_id for turn in timeline.turns] == [samples.uuid(number, 2) for number in (4, 5, 6)]
    assert numbers(timeline) == [1, 2, 3]
    assert timeline.conversation_turns == 3


@pytest.mark.parametrize("term", [samples.uuid(5, 2), samples.uuid(5, 2).replace("-", ""), samples.uuid(5, 2).upper()])
def test_a_message_shows_its_turn_and_tells_its_conversation(journal, term):
    """However the id is written: a trace's id is the same without dashes."""
    timeline = replay(journal, term)
    assert (timeline.matched, timeline.id) == ("message", samples.uuid(5, 2))
    assert numbers(timeline) == [2]
    assert (timeline.conversation_id, timeline.conversation_turns) == (CONVERSATION, 3)


def test_a_run_is_called_a_run_though_it_is_the_turns_id_too(journal):
    timeline = replay(journal, FLOW.run_id)
    assert (timeline.matched, numbers(timeline)) == ("run", [1])
    assert timeline.turns[0].whose.trace_id == trace_id(FLOW.run_id)


def test_a_chatflows_message_leads_to_its_run(journal):
    timeline = replay(journal, FLOW.message_id)
    assert timeline.matched == "message"
    assert [turn.whose.run_id for turn in timeline.turns] == [FLOW.run_id]


def test_the_beginning_of_an_id_will_do_where_it_is_the_only_one(journal):
    found = look_up(journal, FLOW.run_id[:8])
    assert isinstance(found, Found)
    assert (found.matched, found.id) == ("run", FLOW.run_id)


def test_nothing_is_found_for_another_id(journal):
    assert look_up(journal, samples.uuid(1, 99)) is None
    assert look_up(journal, FLOW.run_id[:3]) is None


def test_the_beginning_of_several_ids_lists_them(journal):
    found = look_up(journal, "00000002")
    assert isinstance(found, Ambiguous)
    assert [candidate.matched for candidate in found.candidates] == ["message"] * 4
    assert [candidate.id for candidate in found.candidates] == [samples.uuid(n, 2) for n in (4, 5, 6, 40)]
    first = found.candidates[0]
    assert (first.app_name, first.turns, first.question.text) == ("客服 Agent", 1, samples.QUESTION)
    assert first.started_at.isoformat() == "2025-09-24T08:00:04+00:00"
    assert found.more == 0


def test_candidates_keep_their_questions_to_themselves_where_content_is_not_wanted(journal):
    found = look_up(journal, "00000002", content=False)
    assert [candidate.question for candidate in found.candidates] == [None] * 4


def test_a_candidate_that_is_a_conversation_tells_how_many_turns_it_has(journal):
    found = look_up(journal, "00000004-0000-4000-8004")
    assert [(one.matched, one.turns) for one in found.candidates] == [("conversation", 3), ("conversation", 1)]


def test_a_long_conversation_does_not_hide_that_its_beginning_is_ambiguous():
    """The first look may be filled by the turns of one of the two."""
    one, other = "abcd0000-0000-4000-8000-000000000001", "abcd0000-0000-4000-8000-000000000002"
    refs = [samples.turn_ref(number, conversation_id=one) for number in range(1, 200)]
    refs.append(samples.turn_ref(500, conversation_id=other))
    journal = journal_of(*(samples.event(TurnStarted(turn=ref)) for ref in refs))
    found = look_up(journal, "abcd")
    assert isinstance(found, Ambiguous)
    assert {candidate.id for candidate in found.candidates} == {one, other}


def test_only_so_many_candidates_are_listed():
    journal = journal_of(*(samples.event(TurnStarted(turn=samples.turn_ref(n))) for n in range(1, 31)))
    found = look_up(journal, "00000002")
    assert (len(found.candidates), found.more) == (20, 10)


def test_a_message_that_got_its_run_late_shows_both_turns():
    """Its first turn was told under the message's id, before the run was known."""
    early = samples.turn_ref(1, mode="advanced-chat")
    late = samples.chatflow_ref(1, message_id=early.message_id)
    journal = journal_of(samples.event(TurnStarted(turn=early)), samples.event(TurnStarted(turn=late)))
    timeline = replay(journal, early.message_id)
    assert {turn.whose.turn_id for turn in timeline.turns} == {early.turn_id, late.turn_id}


def test_a_turn_that_is_gone_meanwhile_is_left_out():
    """Retention may take a turn between two questions."""
    journal = journal_of(*agent_turn(1))
    found = Found("x", "turn", "x", "", (samples.uuid(1, 2), "gone"), ("gone", samples.uuid(1, 2)))
    assert numbers(timeline_of(journal, found)) == [2]


def test_totals_are_those_of_all_turns(journal):
    totals = replay(journal, CONVERSATION).totals
    assert (totals.turns, totals.steps, totals.model_calls, totals.tool_calls) == (3, 9, 6, 3)
    assert (totals.used.input_tokens, totals.used.output_tokens, totals.used.total_tokens) == (450, 108, 558)
    assert [(money.amount, money.currency) for money in totals.used.cost] == [("0.002205", "USD")]


def test_a_second_replay_is_the_same(journal):
    assert replay(journal, CONVERSATION) == replay(journal, CONVERSATION)
