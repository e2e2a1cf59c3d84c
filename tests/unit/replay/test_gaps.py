"""A replay says where it has holes."""

from __future__ import annotations

import json

import pytest

from monitor.model import Event, FeedbackGiven, SourceGap, TurnStarted
from monitor.replay.as_json import document
from monitor.testing import samples
from tests.unit.replay.world import NOW, agent_turn, gap_event, journal_of, lines_of, page_of, replay, shown, step_event

TURN = samples.turn_ref(1)


def gaps(records):
    return [(gap.kind, gap.steps) for gap in shown(records).gaps]


def test_a_whole_turn_has_none():
    assert gaps(samples.agent_turn(1)) == []


def test_a_missing_start():
    assert gaps(samples.agent_turn(1)[1:]) == [("no_start", ())]


def test_a_missing_end_tells_until_when_it_was_awaited():
    (gap,) = shown(samples.agent_turn(1)[:-1]).gaps
    assert gap.kind == "no_end"
    assert gap.at.isoformat() == "2025-09-24T08:00:04+00:00"


def test_steps_that_the_end_lists_and_the_journal_lacks():
    records = samples.agent_turn(1)
    lost = [records.pop(2), records.pop(1)]
    ids = tuple(one.event.body.step.id for one in reversed(lost))
    assert gaps(records) == [("missing_steps", ids)]


def test_steps_that_came_after_the_end():
    late = samples.tool_step(TURN, 9)
    (turn,) = replay(journal_of(*agent_turn(1), step_event(TURN, late)), TURN.turn_id).turns
    assert [(gap.kind, gap.steps) for gap in turn.gaps] == [("late_steps", (late.id,))]


def test_a_step_whose_parent_is_missing():
    records = samples.agent_turn(1)[:-1]
    child = step_event(TURN, samples.tool_step(TURN, 5, parent_id="lost"))
    (turn,) = replay(journal_of(*(one.event for one in records), child), TURN.turn_id).turns
    assert [gap.kind for gap in turn.gaps] == ["lost_parent", "no_end"]


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        ("chat", "steps_not_told"),
        ("completion", "steps_not_told"),
        ("workflow", "no_steps"),
        ("agent-chat", "no_steps"),
    ],
)
def test_a_turn_without_steps_says_why(mode, kind):
    ref = samples.turn_ref(1, mode=mode)
    records = [samples.recorded(TurnStarted(turn=ref)), samples.recorded(samples.turn_ended(ref), seq=1)]
    assert gaps(records) == [(kind, ())]


def test_what_could_not_be_read():
    journal = journal_of(*agent_turn(1), gap_event(TURN.turn_id))
    (turn,) = replay(journal, TURN.turn_id).turns
    (gap,) = turn.gaps
    assert (gap.kind, gap.what, gap.reason) == ("unreadable", f"turn {TURN.turn_id}", "ValueError")
    assert gap.at.timestamp() * 1e9 == NOW


def test_no_steps_are_missed_where_no_model_was_asked():
    """An annotation, or a moderation, answered in its place."""
    chat = samples.turn_ref(1, mode="chat")
    for how in ({"annotation_id": "a"}, {"moderated": True}):
        end = samples.recorded(samples.turn_ended(chat, **how))
        assert gaps([samples.recorded(TurnStarted(turn=chat)), end]) == []


def test_a_turn_of_which_only_a_rating_is_known():
    """Its message was deleted before it could be read."""
    rated = Event(f"{TURN.turn_id}:feedback:f:0", 40, NOW, NOW, FeedbackGiven(TURN, "f", "like", "user"))
    (turn,) = replay(journal_of(rated), TURN.turn_id).turns
    assert [gap.kind for gap in turn.gaps] == ["no_records"]
    assert [moment.rating for moment in turn.afterwards] == ["like"]
    assert turn.whose.app_id == TURN.app_id


def test_a_stretch_of_time_that_could_not_be_read():
    since, until = TURN.started_at, TURN.started_at + samples.SECOND
    body = SourceGap("message x", "gone", TURN.turn_id, TURN.app_id, since, until)
    lost = Event(f"{TURN.turn_id}:gap:x", 40, NOW, NOW, body)
    (turn,) = replay(journal_of(*agent_turn(1), lost), TURN.turn_id).turns
    (gap,) = turn.gaps
    assert (gap.kind, (gap.until - gap.since).total_seconds()) == ("unreadable", 1.0)


def hole(since_s: float, until_s: float, *, source: str = "", app_id: str = "") -> Event:
    """A stretch of Dify's time, in seconds of the samples, of which the rows were gone before they were read."""
    since, until = (int(samples.BASE_NS + at * samples.SECOND) for at in (since_s, until_s))
    body = SourceGap("messages", "rows were deleted before they were read", "", app_id, since, until)
    return Event(f"source:dify:gap:messages {since_s}{source}:0", 40, NOW, NOW, body)


def holes(*events: Event, term: str = samples.uuid(1, 4)):
    """What a conversation of the turns that last from second 4 to 6, 5 to 7 and 6 to 8 says of holes in time."""
    turns = [event for number in (4, 5, 6) for event in agent_turn(number)]
    found = replay(journal_of(*turns, *events), term).time_gaps
    return [(gap.turns_before, gap.since.second, gap.until.second) for gap in found]


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        (1, 3, []), (9, 12, []), (1, 4, [(0, 1, 4)]), (8, 12, [(3, 8, 12)]), (5.5, 5.6, [(2, 5, 5)]),
        (1, 12, [(0, 1, 12)]), (4, 5, [(0, 4, 5)]), (6.5, 7, [(3, 6, 7)]),
    ],
)  # fmt: skip
def test_a_hole_in_time_stands_in_its_place_in_the_conversations_that_it_cuts(since, until, expected):
    assert holes(hole(since, until)) == expected


def test_a_single_turn_shows_the_holes_within_its_own_time():
    assert holes(hole(7, 7.5), term=samples.uuid(4, 2)) == []
    assert holes(hole(5, 5.5), term=samples.uuid(4, 2)) == [(1, 5, 5)]


def test_a_hole_of_another_app_or_of_another_dify_is_not_shown():
    assert holes(hole(5, 6, app_id="another")) == []
    journal = journal_of(*agent_turn(4))
    journal.append("other", [hole(5, 6)], None)
    assert replay(journal, samples.uuid(4, 2)).time_gaps == ()


def test_several_holes_stand_in_the_order_of_time():
    assert holes(hole(6.5, 7), hole(4.5, 5)) == [(1, 4, 5), (3, 6, 7)]


def test_a_turn_without_an_end_lasts_until_its_last_step():
    events = agent_turn(4)[:-1]
    assert replay(journal_of(*events, hole(60, 70)), samples.uuid(4, 2)).time_gaps == ()
    assert replay(journal_of(*events, hole(4.5, 70)), samples.uuid(4, 2)).time_gaps


def test_a_hole_is_told_between_the_turns_and_in_json():
    events = [event for number in (4, 5, 6) for event in agent_turn(number)]
    timeline = replay(journal_of(*events, hole(4.5, 5)), samples.uuid(1, 4))
    page = " ".join(lines_of(page_of(timeline)))
    said = (
        "? Between 2025-09-24 08:00:04.500 UTC and 2025-09-24 08:00:05.000 UTC, in Dify's messages: "
        "rows were deleted before they were read. Turns may be missing here."
    )
    assert page.count(said) == 1
    assert page.index("Turn 1 of 3") < page.index(said) < page.index("Turn 2 of 3")
    (told,) = json.loads(document(timeline))["time_gaps"]
    assert (told["since"], told["until"]) == ("2025-09-24T08:00:04.500000Z", "2025-09-24T08:00:05Z")
    assert (told["what"], told["turns_before"]) == ("messages", 1)
