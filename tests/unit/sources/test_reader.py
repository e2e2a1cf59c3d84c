"""What the reader tells when: each test is a small history of Dify's rows, and what was told at each look at them.

`a` are messages, `b` runs, `c` thoughts, `d` node executions; times are seconds.
"""

from __future__ import annotations

import pytest

from monitor.model import SourceGap, StepEnded, TurnEnded, TurnStarted
from tests.unit.sources.world import Dify, S, Watcher, at, row_id, told

DONE = {"provider_response_latency": "1.5", "answer": "x"}
OVER = {"status": "succeeded", "finished_at": at(1)}


# -- messages


def test_a_message_is_told_when_it_begins_and_when_it_ends(dify, watcher):
    dify.message(1)
    assert told(watcher.read()) == ["started a1"]
    assert told(watcher.read(5)) == []
    dify.message(1, **DONE)
    assert told(watcher.read(5)) == ["ended a1 succeeded"]
    assert told(watcher.read(5)) == []


def test_a_message_that_is_over_at_the_first_look_is_told_whole(dify, watcher):
    dify.message(1, **DONE)
    assert told(watcher.read()) == ["started a1", "ended a1 succeeded"]


def test_an_error_ends_a_message(dify, watcher):
    dify.message(1, status="error", error="timed out")
    assert told(watcher.read()) == ["started a1", "ended a1 failed"]


def test_a_tool_call_is_told_while_its_turn_runs(dify, watcher):
    message = dify.message(1, "agent-chat")
    dify.thought(1, message)
    assert told(watcher.read()) == ["started a1"]
    dify.thought(
        1, message, tool="query", observation="down", tool_meta_str='{"query": {"error": "tool invoke error: down"}}'
    )
    assert told(watcher.read(5)) == [f"step {message}/1/query failed"]


# -- a turn that nobody ended


def test_a_silent_turn_is_given_up_and_told_again_should_it_end(dify, watcher):
    dify.message(1)
    watcher.read()
    assert told(watcher.read(1_799)) == []
    assert told(watcher.read(2)) == ["ended a1 abandoned"]
    dify.message(1, **DONE)
    assert told(watcher.read(120)) == ["ended a1 succeeded"]


def test_a_sign_of_life_keeps_a_turn_open(dify, watcher):
    message = dify.message(1, "agent-chat")
    for position in range(1, 5):
        dify.now = position * 1_500.0
        dify.thought(position, message)
        watcher.read()
    assert "ended a1 abandoned" not in told(watcher.ledger.order)


def test_a_given_up_turn_is_looked_at_ever_less_often_and_at_last_no_more(dify, watcher):
    dify.message(1)
    watcher.read()
    watcher.read(1_801)
    (entry,) = watcher.state.watched.values()
    assert (entry.phase, entry.wait_us) == ("abandoned", 60 * S)
    watcher.read(61)
    (entry,) = watcher.state.watched.values()
    assert entry.wait_us == 120 * S
    for _ in range(200):
        watcher.read(3_600)
    assert watcher.state.watched == {}


def test_at_most_a_thousand_given_up_turns_are_watched(dify):
    watcher = Watcher(dify, limit=500)
    for number in range(1_100):
        dify.message(number, created=0)
    watcher.read(1_801)
    assert len(watcher.ledger.order) == 2_200
    assert len(watcher.state.watched) == 1_000


# -- runs


def test_a_workflows_run_is_told_step_by_step(dify, watcher):
    run = dify.run(1, "workflow")
    dify.node(1, run, status="succeeded", finished_at=at(1))
    dify.node(2, run)
    assert told(watcher.read(2)) == ["started b1", "step d1 succeeded"]
    dify.node(2, run, status="failed", error="x", finished_at=at(3))
    assert told(watcher.read(2)) == ["step d2 failed"]
    dify.run(1, "workflow", status="failed", error="x", finished_at=at(4))
    assert told(watcher.read(2)) == ["ended b1 failed"]


def test_a_node_that_appears_after_its_run_is_over_still_comes(dify, watcher):
    """Dify can be set up to write nodes through a queue, out of order."""
    run = dify.run(1, "workflow", **OVER)
    assert told(watcher.read(2)) == ["started b1", "ended b1 succeeded"]
    dify.node(1, run, status="succeeded", created=0.5, finished_at=at(1))
    assert told(watcher.read(20))[0] == "step d1 succeeded"


def test_a_run_that_was_stopped_but_stays_running(dify, watcher):
    """1.12 never updates the run, 1.9 a moment later: so the first ten seconds are waited for."""
    run = dify.run(1, "workflow")
    dify.node(1, run, status="failed", error="Execution cancelled", finished_at=at(0))
    assert told(watcher.read(5)) == ["started b1", "step d1 stopped"]
    assert told(watcher.read(6)) == []
    assert told(watcher.read(5)) == ["ended b1 stopped"]


def test_what_lies_back_ten_minutes_waits_for_nothing(dify, watcher):
    """One reading of an old database tells all that can be told of it."""
    dify.node(1, dify.run(1, "workflow"), status="failed", error="Execution cancelled", finished_at=at(0))
    dify.run(2, **OVER)  # its message is deleted
    dify.message(3, "advanced-chat", workflow_run_id=dify.run(3), **DONE)  # the run was never updated
    dify.message(4, "advanced-chat", workflow_run_id=row_id("b", 4), **DONE)  # the run is kept elsewhere
    dify.now = 601.6
    ends = [line for line in told(watcher.read()) if line.startswith("ended")]
    assert sorted(ends) == ["ended b1 stopped", "ended b2 succeeded", "ended b3 succeeded", "ended b4 succeeded"]


# -- chatflows: a message and a run


def _both(dify: Dify, first: str, **columns: str) -> None:
    if first == "run":
        dify.run(1, **columns)
    else:
        dify.message(1, "advanced-chat", workflow_run_id=None)


@pytest.mark.parametrize("first", ["run", "message"])
def test_a_chatflow_is_one_turn_whichever_row_comes_first(dify, watcher, first):
    _both(dify, first)
    assert told(watcher.read(1)) == []
    dify.run(1)
    assert told(watcher.read(1)) == []
    dify.message(1, "advanced-chat", workflow_run_id=row_id("b", 1))
    (started,) = watcher.read(1)
    assert isinstance(started.body, TurnStarted)
    assert (started.body.turn.turn_id, started.body.turn.message_id) == (row_id("b", 1), row_id("a", 1))
    dify.run(1, **OVER)
    assert told(watcher.read(1)) == []  # the message follows within a second
    dify.message(1, "advanced-chat", **DONE)
    assert told(watcher.read(1)) == ["ended b1 succeeded"]
    assert told(watcher.read(500)) == []


def test_a_run_of_a_type_that_nobody_knows_yet_is_not_told_beside_its_message(dify, watcher):
    dify.run(1, type="of-next-year")
    assert told(watcher.read(1)) == []
    dify.message(1, "advanced-chat", workflow_run_id=row_id("b", 1))
    assert told(watcher.read(1)) == ["started b1"]
    dify.run(1, **OVER)
    dify.message(1, **DONE)
    assert told(watcher.read(1)) == ["ended b1 succeeded"]
    assert [line for _ in range(6) for line in told(watcher.read(200))] == []


def test_a_run_whose_message_was_deleted_is_told_alone_after_a_minute(dify, watcher):
    dify.run(1, **OVER)
    assert told(watcher.read(5)) == []
    assert told(watcher.read(54)) == []
    assert told(watcher.read(2)) == ["started b1", "ended b1 succeeded"]
    assert told(watcher.read(500)) == []


def test_a_run_of_a_slow_clock_waits_for_its_message_too(dify, watcher):
    """Its creation lies back two minutes already when it appears; its message names it a moment later."""
    dify.run(1, created=-120)
    dify.message(1, "advanced-chat")
    assert told(watcher.read(1)) == []
    dify.message(1, "advanced-chat", workflow_run_id=row_id("b", 1))
    (started,) = watcher.read(5)
    assert isinstance(started.body, TurnStarted)
    assert started.body.turn.message_id == row_id("a", 1)


def test_a_message_that_comes_after_its_run_was_told_alone_changes_nothing_that_was_told(dify, watcher):
    dify.run(1)
    watcher.read(1)
    started = watcher.read(60)[0]
    dify.message(1, "advanced-chat", created=1, workflow_run_id=row_id("b", 1), **DONE)
    dify.run(1, **OVER)
    events = watcher.read(5)
    assert told(events) == ["ended b1 succeeded"]
    assert isinstance(events[0].body, TurnEnded)
    assert isinstance(started.body, TurnStarted)
    assert events[0].body.turn == started.body.turn


def test_a_chatflows_message_without_a_run_is_told_when_it_ends(dify, watcher):
    """An answer from an annotation, or a blocked question, starts no run."""
    dify.message(1, "advanced-chat")
    assert told(watcher.read(5)) == []
    dify.message(1, "advanced-chat", **DONE)
    assert told(watcher.read(5)) == ["started a1", "ended a1 succeeded"]


def test_a_message_whose_run_is_kept_elsewhere_is_told_under_the_runs_name(dify, watcher):
    """Runs can be kept outside of the database, or be written late; their message names them all the same."""
    dify.message(1, "advanced-chat", workflow_run_id=row_id("b", 1), **DONE)
    assert told(watcher.read(5)) == []
    assert told(watcher.read(7)) == []
    assert told(watcher.read(4)) == ["started b1", "ended b1 succeeded"]
    run = dify.run(1, created=0, **OVER)
    dify.node(1, run, status="succeeded", created=0.5, finished_at=at(1))
    assert "step d1 succeeded" in told(watcher.read(20))
    assert [event.body.turn.turn_id for event in watcher.ledger.order] == [run] * len(watcher.ledger.order)


def test_a_final_message_waits_ten_seconds_for_what_its_run_says(dify, watcher):
    """Else a stop that shows a moment later would first be told as a success."""
    run = dify.run(1)
    dify.message(1, "advanced-chat", workflow_run_id=run, **DONE)
    assert told(watcher.read(3)) == ["started b1"]
    dify.node(1, run, created=0, status="failed", error="Execution cancelled", finished_at=at(3))
    assert told(watcher.read(3)) == ["step d1 stopped", "ended b1 stopped"]


def test_a_final_message_ends_its_turn_though_its_run_never_does(dify, watcher):
    dify.message(1, "advanced-chat", workflow_run_id=dify.run(1), **DONE)
    assert told(watcher.read(3)) == ["started b1"]
    assert told(watcher.read(11)) == ["ended b1 succeeded"]


def test_a_message_that_never_ends_beside_a_run_that_did(dify, watcher):
    """The client walked away: the run's own word counts, once the message was given up."""
    dify.message(1, "advanced-chat", workflow_run_id=dify.run(1, **OVER))
    assert told(watcher.read(60)) == ["started b1"]
    assert told(watcher.read(1_800)) == ["ended b1 succeeded"]


# -- waiting for a person (from 1.13 on)

_PAUSED = {"status": "paused", "provider_response_latency": "2.5"}


def test_a_paused_turn_is_neither_over_nor_given_up(dify, watcher):
    """Its message has a duration already: that of the part until the pause."""
    run = dify.run(1, status="paused")
    dify.message(1, "advanced-chat", workflow_run_id=run, **_PAUSED)
    assert told(watcher.read(5)) == ["started b1"]
    assert told(watcher.read(86_400)) == []
    dify.run(1, status="succeeded", finished_at=at(90_000))
    dify.message(1, "advanced-chat", status="normal", provider_response_latency="4")
    dify.now = 90_000
    assert told(watcher.read()) == ["ended b1 succeeded"]


def test_a_paused_turn_is_looked_at_once_a_minute_at_the_least(dify, watcher):
    dify.run(1, "workflow", status="paused")
    for _ in range(20):
        watcher.read(70)
    (entry,) = watcher.state.watched.values()
    assert (entry.phase, entry.wait_us) == ("paused", 60 * S)
    dify.run(1, "workflow", status="running")
    dify.node(1, row_id("b", 1), status="succeeded", finished_at=at(dify.now))
    assert told(watcher.read(61)) == ["step d1 succeeded"]
    (entry,) = watcher.state.watched.values()
    assert (entry.phase, entry.next_us) == ("open", 0)


def test_a_turn_that_nobody_answers_for_a_month_is_given_up(dify, watcher):
    dify.run(1, "workflow", status="paused")
    watcher.read()
    assert told(watcher.read(29 * 86_400)) == []
    assert told(watcher.read(2 * 86_400)) == ["ended b1 abandoned"]
    assert watcher.state.watched == {}


# -- deleted in Dify


def test_a_turn_deleted_while_it_runs_is_given_up_at_once(dify, watcher):
    """Else it would count as running for ever."""
    dify.message(1)
    watcher.read()
    dify.delete("messages", row_id("a", 1))
    assert told(watcher.read(5)) == ["ended a1 abandoned"]
    assert watcher.state.watched == {}


@pytest.mark.parametrize("keep_run", [True, False])
def test_what_was_told_of_a_deleted_turn_stands(dify, watcher, keep_run):
    """Deleting a conversation removes its messages and leaves their runs behind."""
    dify.message(1, "advanced-chat", workflow_run_id=dify.run(1, **OVER), **DONE)
    assert told(watcher.read(5)) == ["started b1", "ended b1 succeeded"]
    dify.delete("messages", row_id("a", 1))
    if not keep_run:
        dify.delete("workflow_runs", row_id("b", 1))
    assert told(watcher.read(20)) == []
    assert watcher.state.watched == {}


def test_a_run_goes_on_without_its_deleted_message(dify, watcher):
    dify.message(1, "advanced-chat", workflow_run_id=dify.run(1))
    watcher.read(1)
    dify.delete("messages", row_id("a", 1))
    dify.run(1, **OVER)
    (ended,) = watcher.read(5)
    assert told([ended]) == ["ended b1 succeeded"]
    assert isinstance(ended.body, TurnEnded)
    assert ended.body.turn.message_id == row_id("a", 1)


# -- holes


def _poisoned(user: str) -> str:
    if user == "poison":
        raise ValueError(user)
    return user


def test_a_row_that_nobody_foresaw_is_a_gap_and_stops_nothing(dify, watcher):
    """What needs no understanding is told: so the gap is found in the replay of its conversation."""
    dify.message(1, **DONE)
    dify.message(2, conversation_id="c", from_account_id="poison", **DONE)
    events = watcher.read(5, pseudonym=_poisoned)
    assert sorted(told(events)) == ["ended a1 succeeded", "gap a2", "started a1", "started a2"]
    assert "poison" not in str([event.body for event in events])
    (gap,) = (event for event in events if isinstance(event.body, SourceGap))
    assert gap.key == f"source:dify_database:gap:turn {row_id('a', 2)}:0"
    assert (gap.body.turn_id, gap.body.app_id) == (row_id("a", 2), "chat")
    (start,) = (event.body.turn for event in events if event.key.startswith(row_id("a", 2)))
    assert (start.conversation_id, start.message_id, start.app_name) == ("c", row_id("a", 2), "chat")
    for _ in range(40):
        dify.now += 5
        assert watcher.page(pseudonym=_poisoned).events == []
    assert watcher.state.watched == {}
    assert (watcher.coverage.gaps, watcher.coverage.missing) == (1, 1)


def test_a_gap_is_filled_when_its_rows_are_understood_at_last(dify, watcher):
    """By a newer version of ours, say: a comparison tries them again."""
    dify.message(1, from_account_id="poison", **DONE)
    watcher.read(5, pseudonym=_poisoned)
    assert watcher.read(400, pseudonym=_poisoned) == []
    dify.now += 61
    page = watcher.page(pseudonym=_poisoned)
    assert [event.key for event in page.events if "gap" in event.key]  # tried again, and nothing new is remembered
    assert page.remember.keys() <= {"coverage"}
    assert told(watcher.read(61)) == ["started a1", "ended a1 succeeded"]
    assert (watcher.coverage.gaps, watcher.coverage.missing, watcher.coverage.repaired) == (0, 0, 1)


def test_an_open_turn_that_is_not_understood_is_tried_again_whenever_it_changes(dify, watcher):
    message = dify.message(1, "agent-chat", from_account_id="poison")
    assert told(watcher.read(1, pseudonym=_poisoned)) == ["started a1", "gap a1"]
    assert watcher.read(5, pseudonym=_poisoned) == []
    dify.message(1, from_account_id="x")
    dify.thought(1, message)
    watcher.read(5)
    dify.message(1, **DONE)
    assert told(watcher.read(5))[-1] == "ended a1 succeeded"
    assert watcher.coverage.gaps == 0


# -- nodes tried out alone


def test_a_node_tried_out_alone_is_told_once_it_is_over(dify, watcher):
    dify.node(1, None)
    assert told(watcher.read()) == []
    dify.node(1, None, status="succeeded", finished_at=at(3))
    (event,) = watcher.read(30)
    assert isinstance(event.body, StepEnded)
    assert (event.body.turn.turn_id, event.body.turn.invoke_from) == (row_id("d", 1), "debugger")
    assert watcher.read(30) == []


def test_a_slow_node_tried_out_alone_is_not_overtaken(dify, watcher):
    dify.node(1, None, created=0)
    dify.node(2, None, created=600, status="succeeded", finished_at=at(601))
    dify.now = 700
    assert told(watcher.read()) == ["step d2 succeeded"]
    dify.node(1, None, status="failed", error="timed out", finished_at=at(1_000))
    assert told(watcher.read(300)) == ["step d1 failed"]


def test_nodes_tried_out_alone_come_in_pages_too(dify):
    watcher = Watcher(dify, limit=2)
    for number in range(9):
        dify.node(number, None, created=number, status="succeeded", finished_at=at(number))
    assert len(watcher.read(20)) == 9
    assert watcher.read(20) == []
