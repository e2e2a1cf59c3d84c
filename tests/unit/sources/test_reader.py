"""What the reader tells when: each test is a small history of Dify's rows, and what was told at each look at them.

`a` are messages, `b` runs, `c` thoughts, `d` node executions; times are seconds.
"""

from __future__ import annotations

import pytest

from monitor.model import StepEnded, TurnEnded, TurnStarted
from monitor.sources.dify_database.reader import Limits
from tests.unit.sources.world import DAY_US, Dify, S, Watcher, at, row_id, told

DONE = {"provider_response_latency": "1.5", "answer": "x"}
OVER = {"status": "succeeded", "finished_at": at(1)}


@pytest.fixture
def dify() -> Dify:
    return Dify()


@pytest.fixture
def watcher(dify: Dify) -> Watcher:
    return Watcher(dify)


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
    assert told(watcher.read(6)) == ["ended b1 stopped"]


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


def test_a_run_whose_message_was_deleted_is_told_alone_after_a_minute(dify, watcher):
    dify.run(1, **OVER)
    assert told(watcher.read(59)) == []
    assert told(watcher.read(2)) == ["started b1", "ended b1 succeeded"]
    assert told(watcher.read(500)) == []


def test_a_message_that_comes_after_its_run_was_told_alone_changes_nothing_that_was_told(dify, watcher):
    dify.run(1)
    started = watcher.read(61)[0]
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
    assert told(watcher.read(7)) == ["started b1", "ended b1 succeeded"]
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
    watcher.read(3)
    assert told(watcher.read(10)) == ["ended b1 succeeded"]


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


# -- mark and sweep


def test_a_row_that_appears_behind_the_mark_is_found(dify, watcher):
    """`created_at` is the transaction's start: a slow one shows up behind quick ones."""
    dify.message(1, created=100, **DONE)
    dify.now = 110
    watcher.read()
    dify.message(2, created=20, **DONE)
    assert told(watcher.read(5)) == ["started a2", "ended a2 succeeded"]
    dify.message(3, created=-100, **DONE)  # more than two minutes behind: given up knowingly
    assert told(watcher.read(5)) == []


def test_a_row_behind_the_mark_is_found_although_much_more_lies_ahead(dify):
    """After an outage the first pages are full; the rows that came late lie behind the mark of before."""
    watcher = Watcher(dify, limit=5)
    dify.message(1, created=0, **DONE)
    watcher.read(1)
    dify.message(2, created=-3, **DONE)
    for number in range(10, 60):
        dify.message(number, created=60.0 * number, **DONE)
    dify.now = 10_000
    assert "ended a2 succeeded" in told(watcher.read())


@pytest.mark.parametrize("limit", [1, 2, 3, 50])
def test_equal_times_lose_and_repeat_nothing(dify, limit):
    """Messages are created on whole seconds, so many share one."""
    watcher = Watcher(dify, limit=limit)
    for number in range(20):
        dify.message(number, created=number // 7, **DONE)
    watcher.read(30)
    assert len(watcher.ledger.order) == 40
    assert all(len(held) == 1 for held in watcher.ledger.revisions.values())


def test_a_row_of_the_year_2100_hides_nothing(dify, watcher):
    dify.message(1, created_at="2100-01-01 00:00:00", **DONE)
    dify.message(2, created_at="infinity", **DONE)
    dify.message(3, created_at="-infinity", **DONE)
    dify.message(4, created_at="0001-01-01 00:00:00 BC", **DONE)
    first = watcher.read(5)
    assert len(first) == 8
    dify.message(5, **DONE)
    assert told(watcher.read(5)) == ["started a5", "ended a5 succeeded"]
    assert watcher.read(5) == []


def test_a_clock_that_runs_ahead_does_not_hold_the_mark_back_for_ever(dify, watcher):
    """Runs have the time of Dify's own process: five minutes ahead of the database's, say."""
    for number in range(30):
        dify.run(number, "workflow", created=dify.now + 300, **OVER)
        assert len(watcher.read(60)) == 2
    place = watcher.state.runs
    assert place.mark is not None
    assert place.mark.us > DAY_US + 1_500 * S
    assert len(place.recent) < 12


def test_the_memory_of_what_was_seen_is_that_of_the_sweep(dify, watcher):
    for number in range(100):
        dify.message(number, created=10.0 * number, **DONE)
    watcher.read(2_000)
    assert len(watcher.state.messages.recent) == 13


def test_a_row_deleted_at_the_mark_is_no_hole(dify, watcher):
    dify.message(1, created=1, **DONE)
    watcher.read(2)
    dify.delete("messages", row_id("a", 1))
    dify.message(2, created=3, **DONE)
    assert told(watcher.read(2)) == ["started a2", "ended a2 succeeded"]


# -- pages


def test_a_page_is_bounded_by_bytes_but_has_at_least_one_turn(dify):
    watcher = Watcher(dify, limits=Limits(max_page_bytes=1_000))
    for number in range(5):
        dify.message(number, **{**DONE, "answer": "x" * 700})
    sizes = []
    for _ in range(5):
        page = watcher.page()
        sizes.append(len(page.events))
        assert page.more == (len(sizes) < 5)
    assert sizes == [2] * 5


@pytest.mark.parametrize("limit", [1, 3])
@pytest.mark.parametrize("max_page_bytes", [1, 1 << 20])
def test_however_small_the_pages_all_is_told_once(dify, limit, max_page_bytes):
    watcher = Watcher(dify, limit=limit, limits=Limits(max_page_bytes=max_page_bytes))
    for number in range(12):
        run = dify.run(number, created=number, **OVER)
        dify.message(number, "advanced-chat", created=number, workflow_run_id=run if number % 3 else None, **DONE)
        dify.run(100 + number, "workflow", created=number, **OVER)
        dify.message(200 + number, created=number)
    watcher.read(90)
    order = told(watcher.ledger.order)
    assert len(order) == len(set(order)) == 2 * (12 + 12 + 4) + 12
    assert all(len(held) == 1 for held in watcher.ledger.revisions.values())


def test_a_thousand_open_turns_are_asked_at_each_look_and_told_nothing_new(dify):
    watcher = Watcher(dify, limit=100)
    for number in range(1_000):
        dify.message(number, created=0)
    assert len(watcher.read(5)) == 1_000
    page = watcher.page()
    assert (list(page.events), page.more) == ([], False)


def test_the_same_position_and_world_give_the_same_page(dify, watcher):
    for number in range(5):
        dify.message(number, **DONE)
        dify.run(number, "workflow")
    watcher.page()
    position = watcher.position
    pages = []
    dify.message(9, **DONE)
    for _ in range(2):
        watcher.position = position
        pages.append(watcher.page())
    assert pages[0] == pages[1]


def test_events_are_in_the_order_they_happened_and_a_start_before_its_steps(dify, watcher):
    """A thought can be older than its message, whose creation is rounded."""
    message = dify.message(1, "agent-chat", created=1, **DONE)
    dify.thought(1, message, created_at=at(0.6), answer="x")
    dify.thought(2, message, created_at=at(0.8), answer="x")
    dify.run(1, "workflow", created=0.7, status="succeeded", finished_at=at(0.9))
    order = [
        "started b1",
        "started a1",
        "step c1 succeeded",
        "ended b1 succeeded",
        "step c2 succeeded",
        "ended a1 succeeded",
    ]
    assert told(watcher.read(5)) == order


def test_without_a_scan_runs_are_known_by_their_messages_only(dify, watcher):
    """Where runs have no index on their creation, their table is not looked through at every reading."""
    dify.run(1, "workflow")
    dify.message(1, "advanced-chat", workflow_run_id=dify.run(2))
    assert told(watcher.read(1, scan_runs=False)) == ["started b2"]
    assert told(watcher.read(1)) == ["started b1"]


# -- holes


def test_a_row_that_nobody_foresaw_is_a_gap_and_stops_nothing(dify, watcher):
    dify.message(1, **DONE)
    dify.message(2, from_account_id="poison", **DONE)

    def pseudonym(user: str) -> str:
        if user == "poison":
            raise ValueError(user)
        return user

    events = watcher.read(5, pseudonym=pseudonym)
    assert sorted(told(events)) == ["ended a1 succeeded", "gap a2", "started a1"]
    assert "poison" not in str([event.body for event in events])
    for _ in range(40):
        assert watcher.read(5, pseudonym=pseudonym) == []
    assert watcher.state.watched == {}


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
