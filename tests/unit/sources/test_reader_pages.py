"""How the reader goes through the tables: mark and sweep, pages and their bounds, the order of what is told.

`a` are messages, `b` runs, `c` thoughts; times are seconds.
"""

from __future__ import annotations

import pytest

from monitor.sources.dify_database.reader import Limits
from monitor.testing.memory import DictMemory
from tests.unit.sources.world import DAY_US, S, Watcher, at, row_id, told

DONE = {"provider_response_latency": "1.5", "answer": "x"}
OVER = {"status": "succeeded", "finished_at": at(1)}


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


@pytest.mark.parametrize("created", ["2100-01-01 00:00:00", "infinity"])
def test_a_node_of_the_future_keeps_no_turn_open(dify, watcher, created):
    """Nor does it hold the purge-safe mark for ever."""
    run = dify.run(1, "workflow", created=0)
    dify.node(1, run, status="succeeded", created_at=created, finished_at=created)
    watcher.read(5)
    assert "ended b1 abandoned" not in told(watcher.read(1_799))
    assert told(watcher.read(2)) == ["ended b1 abandoned"]
    watcher.read(61)
    assert watcher.coverage.purge_safe_at // 1_000 > DAY_US + 1_700 * S
    for _ in range(200):
        watcher.read(3_600)
    assert watcher.state.watched == {}


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
    watcher.read(11)  # the runs without a message
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


def test_the_same_position_memory_and_world_give_the_same_page(dify, watcher):
    for number in range(5):
        dify.message(number, **DONE)
        dify.run(number, "workflow")
    watcher.page()
    position, memory = watcher.position, watcher.ledger.memory.kept
    pages = []
    dify.message(9, **DONE)
    for _ in range(2):
        watcher.position, watcher.ledger.memory = position, DictMemory(memory)
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
