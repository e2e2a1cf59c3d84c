"""From an id to turns, and from a turn to what is known of it; in both journals."""

from __future__ import annotations

import pytest

from monitor.model import Alert, AlertChanged, Event, Evidence, SourceGap, StepEnded, TurnStarted
from monitor.model.ids import trace_id
from monitor.testing import samples
from tests.unit.journal.test_append import step_event

CHAT = samples.turn_ref(1)
FLOW = samples.chatflow_ref(2, conversation_id="c0ffee00-0000-4000-8000-000000000001")
OTHER = samples.chatflow_ref(3, conversation_id="c0ffee11-0000-4000-8000-000000000001")


def started(turn, **changes) -> Event:
    return samples.event(TurnStarted(turn), **changes)


def changed(key: str, *turn_ids: str) -> Event:
    proofs = tuple(Evidence(f"{turn_id}:e", turn_id, "s", 0, "failed") for turn_id in turn_ids)
    alert = Alert("f", "r", {}, "page", "s", "firing", 0, 1, evidence=proofs)
    return Event(key, 1, 0, 0, AlertChanged(alert, "pending", "firing", "held_for"))


def gap(key: str, turn_id: str) -> Event:
    return Event(key, 1, 0, 0, SourceGap("messages", "ValueError", turn_id))


@pytest.fixture
def filled(journal):
    page = [started(OTHER), started(FLOW), started(CHAT), samples.event(samples.turn_ended(CHAT))]
    journal.append("dify", page, None)
    return journal


def found(journal, term, **asked):
    return [(match.turn.turn_id, match.matched, match.id) for match in journal.find(term, **asked)]


def test_each_id_of_a_turn_leads_to_it(filled):
    assert found(filled, CHAT.turn_id) == [(CHAT.turn_id, "turn", CHAT.turn_id)]
    assert found(filled, FLOW.run_id) == [(FLOW.turn_id, "turn", FLOW.turn_id)]
    assert found(filled, FLOW.message_id) == [(FLOW.turn_id, "message", FLOW.message_id)]
    assert found(filled, FLOW.conversation_id) == [(FLOW.turn_id, "conversation", FLOW.conversation_id)]


def test_a_run_that_is_not_the_turn_leads_to_it(journal):
    turn = samples.turn_ref(1, run_id="a-run")
    journal.append("dify", [started(turn)], None)
    assert found(journal, "a-run") == [(turn.turn_id, "run", "a-run")]


def test_a_match_tells_enough_to_choose(filled):
    (match,) = filled.find(FLOW.conversation_id)
    assert match.turn == FLOW


@pytest.mark.parametrize("length", [4, 8, 35])
def test_the_beginning_of_an_id_is_enough(filled, length):
    assert (FLOW.turn_id, "turn", FLOW.turn_id) in found(filled, FLOW.turn_id[:length])
    assert found(filled, FLOW.message_id[:length])


def test_a_beginning_that_fits_several_shows_them_all_by_time(filled):
    assert found(filled, "c0ff") == [
        (FLOW.turn_id, "conversation", FLOW.conversation_id),
        (OTHER.turn_id, "conversation", OTHER.conversation_id),
    ]
    assert len(found(filled, "c0ff", limit=1)) == 1


def test_too_short_a_beginning_finds_nothing(filled):
    assert found(filled, "c0f") == []
    assert found(filled, "") == []


def test_a_whole_id_is_not_taken_for_a_beginning(journal):
    short, long = samples.turn_ref(1, turn_id="abcd"), samples.turn_ref(2, turn_id="abcdef")
    journal.append("dify", [started(short), started(long)], None)
    assert found(journal, "abcd") == [("abcd", "turn", "abcd")]
    assert [turn_id for turn_id, *_ in found(journal, "abcde")] == ["abcdef"]


def test_people_paste_with_spaces_capitals_and_without_dashes(filled):
    expected = [(FLOW.turn_id, "turn", FLOW.turn_id)]
    assert found(filled, f"  {FLOW.turn_id.upper()}\n") == expected
    assert found(filled, trace_id(FLOW.turn_id)) == expected
    assert found(filled, "z" * 32) == []


@pytest.mark.parametrize("term", ["%", "____", "c0ff%", "c0ff*", "\x00\x00\x00\x00", "\U0010ffff" * 4, "alert"])
def test_nothing_in_a_term_is_special(filled, term):
    filled.append("rules", [changed("alert:f:1", CHAT.turn_id)], None)
    assert found(filled, term) == []


def test_a_gap_under_a_turns_key_does_not_hide_the_turn(journal):
    journal.append("dify", [gap(f"{CHAT.turn_id}:gap:x", CHAT.turn_id), started(CHAT)], None)
    assert found(journal, CHAT.turn_id[:20]) == [(CHAT.turn_id, "turn", CHAT.turn_id)]


def test_a_turn_whose_start_was_lost_is_found_by_its_other_events(journal):
    journal.append("dify", [samples.event(samples.turn_ended(CHAT)), step_event()], None)
    assert found(journal, CHAT.turn_id) == [(CHAT.turn_id, "turn", CHAT.turn_id)]
    assert journal.turns_of(CHAT.conversation_id) == [CHAT.turn_id]


def test_turns_of_a_conversation_are_in_the_order_they_began(journal):
    turns = [samples.turn_ref(number, conversation_id="c") for number in (3, 1, 2)]
    journal.append("dify", [started(turn) for turn in turns], None)
    assert journal.turns_of("c") == [turns[1].turn_id, turns[2].turn_id, turns[0].turn_id]
    assert journal.turns_of("missing") == []
    assert [turn_id for turn_id, *_ in found(journal, "c", limit=2)] == [turns[1].turn_id, turns[2].turn_id]


def test_a_conversation_that_another_id_spells_too_has_only_its_own_turns(journal):
    journal.append("dify", [started(samples.turn_ref(1, message_id="x", conversation_id=""))], None)
    assert journal.turns_of("x") == []


def test_a_turns_events_come_in_their_newest_revision_with_content(filled):
    filled.append("dify", [step_event(content={"input": "a"}), step_event(key=f"{CHAT.turn_id}:step:2")], None)
    filled.append("dify", [step_event("failed", content={"input": "b"}), started(FLOW, rank=99)], None)
    read = filled.turn_events(CHAT.turn_id)
    assert [(r.seq, r.revision, type(r.event.body).__name__) for r in read] == [
        (2, 0, "TurnStarted"),
        (3, 0, "TurnEnded"),
        (5, 0, "StepEnded"),
        (6, 1, "StepEnded"),
    ]
    assert read[-1].event.content == {"input": "b"}
    assert filled.turn_events("missing") == []


def test_a_turn_whose_id_begins_another_has_only_its_own_events(journal):
    one, two = samples.turn_ref(1, turn_id="a"), samples.turn_ref(2, turn_id="a:step:b")
    journal.append("dify", [started(one), started(two)], None)
    assert [r.event.body.turn.turn_id for r in journal.turn_events("a")] == ["a"]


def test_alerts_are_found_by_the_turns_that_prove_them(filled):
    filled.append("rules", [changed("alert:1", CHAT.turn_id, CHAT.turn_id, FLOW.turn_id), changed("alert:2", "")], None)
    filled.append("rules", [changed("alert:3", CHAT.turn_id)], None)
    assert [r.event.key for r in filled.alerts_of(CHAT.turn_id)] == ["alert:1", "alert:3"]
    assert [r.event.key for r in filled.alerts_of(FLOW.turn_id)] == ["alert:1"]
    assert filled.alerts_of("") == []


def test_gaps_are_found_by_their_turn(filled):
    filled.append("dify", [gap("gap:1", CHAT.turn_id), gap("gap:2", "")], None)
    assert [r.event.body.what for r in filled.gaps_of(CHAT.turn_id)] == ["messages"]
    assert filled.gaps_of("") == filled.gaps_of(FLOW.turn_id) == []


def test_steps_alone_do_not_make_names(journal):
    """A name costs a row at a random place of an index; a turn's start and end are enough."""
    journal.append("dify", [samples.event(StepEnded(FLOW, samples.node_step(FLOW)))], None)
    assert found(journal, FLOW.message_id) == []
    assert len(found(journal, FLOW.turn_id)) == 1


def test_stretches_of_time_are_found_and_gaps_of_turns_and_rows_are_not(filled):
    """A hole in time is of no turn, so that nothing but time leads to it."""
    hole = Event("source:dify:gap:messages 5:0", 1, 0, 0, SourceGap("messages", "deleted", since=5, until=9))
    of_turn = Event("g", 1, 0, 0, SourceGap("messages", "deleted", CHAT.turn_id, since=5, until=9))
    of_row = Event("source:dify:gap:feedback x:0", 1, 0, 0, SourceGap("feedback x", "unreadable"))
    filled.append("dify", [of_turn, hole, of_row], None)
    assert [r.event for r in filled.time_gaps()] == [hole]
    longer = Event(hole.key, 1, 0, 0, SourceGap("messages", "deleted", since=5, until=10))
    filled.append("dify", [longer], None)
    assert [(r.revision, r.event) for r in filled.time_gaps()] == [(1, longer)]
