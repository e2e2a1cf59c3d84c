"""From an id to turns: which one a term means, and what is shown of it. In both journals."""

from __future__ import annotations

import pytest

from monitor.journal import SqliteJournal
from monitor.model import AnnotationMade, AppRef, ConfigChanged, Event, FeedbackGiven, TurnStarted
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


# -- what is beside the turns, and what was live


APP = samples.turn_ref().app_id
HASH, OTHER = "a" * 16, "b" * 16
BASE = samples.BASE_NS


def config(number, hash_, at):
    app = AppRef(samples.uuid(1, 10), APP)
    body = ConfigChanged(app, f"c{number}", hash_)
    return Event(f"app:{APP}:config:c{number}:0", 40, at, at, body, {"prompt": f"prompt {number}"})


def live(number, hash_):
    """A turn's start under that configuration."""
    return samples.event(TurnStarted(turn=samples.turn_ref(number, config_hash=hash_)))


def test_a_turn_names_the_configuration_that_was_live(journal):
    journal.append("dify", [config(1, HASH, BASE), config(2, OTHER, BASE + 5), live(8, HASH), live(9, OTHER)], None)
    timeline = replay(journal, samples.uuid(2, 4))
    assert [each.prompt.text for each in timeline.configs] == ["prompt 1", "prompt 2"]
    assert [turn.config_seq for turn in timeline.turns] == [each.seq for each in timeline.configs]
    assert replay(journal, samples.uuid(2, 4), content=False).configs[0].prompt.state == "withheld"


def test_of_equal_configurations_the_last_before_the_turn_was_live(journal):
    """Somebody went back to the prompt of last week."""
    start = samples.turn_ref(8).started_at
    journal.append("dify", [config(n, HASH, start + at) for n, at in ((1, -20), (2, -10), (3, 10))], None)
    journal.append("dify", [live(8, HASH)], None)
    (shown,) = replay(journal, samples.uuid(2, 4)).configs
    assert shown.config_id == "c2"


def test_a_configuration_that_was_seen_later_is_better_than_none(journal):
    journal.append("dify", [config(1, HASH, samples.turn_ref(8).started_at + 10), live(8, HASH)], None)
    assert [each.config_id for each in replay(journal, samples.uuid(2, 4)).configs] == ["c1"]


def test_a_configuration_that_is_not_recorded_is_not_invented(journal):
    journal.append("dify", [config(1, OTHER, BASE), live(8, HASH)], None)
    timeline = replay(journal, samples.uuid(2, 4))
    assert timeline.configs == ()
    assert [(turn.config_seq, turn.whose.config_hash) for turn in timeline.turns] == [(None, HASH)]


def test_what_is_beside_a_turn_is_shown_with_it(journal):
    turn = samples.turn_ref(5)
    rated = FeedbackGiven(turn, "f", "like", "user")
    annotated = AnnotationMade(AppRef(turn.tenant_id, APP), "a", turn.message_id, turn.turn_id)
    at = turn.started_at + 60 * samples.SECOND
    notes = [
        Event(f"{turn.turn_id}:feedback:f:0", 40, at, at, rated),
        Event(f"app:{APP}:annotation:a:0", 40, at + 1_000, at + 1_000, annotated),
    ]
    journal.append("dify", notes, None)
    _, second, third = replay(journal, CONVERSATION).turns
    assert [type(moment).__name__ for moment in second.afterwards] == ["Feedback", "Annotation"]
    assert third.afterwards == ()
    assert set(second.provenance.seqs) >= {moment.seq for moment in second.afterwards}
