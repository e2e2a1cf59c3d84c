"""How comparisons go through time: windows, walks, what they cost, and where they begin. See test_compare.py.

`a` are messages, `b` runs; times are seconds.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec

from monitor.sources.dify_database.memory import MemoryTables
from monitor.sources.dify_database.reader import Limits
from monitor.sources.dify_database.tables import Digest
from tests.unit.sources.world import DAY_US, Dify, Watcher, at, told

DONE = {"provider_response_latency": "1.5", "answer": "x"}
OVER = {"status": "succeeded", "finished_at": at(1)}
HOUR, DAY = 3_600.0, 86_400.0


def walk(watcher: Watcher, readings: int = 4) -> list[str]:
    """Let the comparisons go round, and say what they told."""
    return [line for _ in range(readings) for line in told(watcher.read(61))]


# -- windows


class Counting(MemoryTables):
    """Counts what a comparison asks."""

    def __init__(self, dify: Dify) -> None:
        super().__init__(dify.rows, lambda: DAY_US + round(dify.now * 1_000_000))
        self.asked: Counter[str] = Counter()
        self.largest = 0
        self.most_ids = 0
        self.longest_us = 0

    def digests(self, table: Any, since_us: int, until_us: int) -> dict[str, Digest]:
        found = super().digests(table, since_us, until_us)
        self.asked["digests"] += 1
        count = sum(each.count for each in found.values())
        self.largest = max(self.largest, count)
        self.longest_us = max(self.longest_us, until_us - since_us) if count else self.longest_us
        return found

    def ids_between(self, *args: Any) -> Any:
        self.asked["ids"] += 1
        found = super().ids_between(*args)
        self.most_ids = max(self.most_ids, len(found))
        return found


def counted(dify: Dify, *, limit: int = 2_000) -> tuple[Watcher, Counting]:
    watcher, tables = Watcher(dify, limit=limit), Counting(dify)
    watcher.tables = tables
    return watcher, tables


def test_windows_hold_an_hour_and_two_thousand_rows_at_most(dify):
    watcher, tables = counted(dify)
    for number in range(5_000):
        dify.message(number, created=-20 * HOUR + number, **DONE)
    watcher.read(400)
    walk(watcher, 6)
    assert tables.largest <= 2_000
    assert tables.longest_us <= HOUR * 1_000_000
    assert tables.asked["ids"] == 0
    assert watcher.coverage.repaired == 0


def test_however_many_rows_share_a_moment(dify):
    watcher, tables = counted(dify)
    for number in range(2_100):
        dify.message(number, created=-HOUR, **DONE)
    watcher.read(400)
    tables.asked.clear()
    walk(watcher, 4)
    assert watcher.coverage.compared >= 4_200
    assert tables.asked["ids"] == 0


def test_where_much_is_missing_a_window_is_made_shorter(dify):
    watcher, tables = counted(dify)
    dify.message(0, created=-DAY, **DONE)
    dify.message(1, **DONE)
    watcher.read(400)
    for number in range(10, 9_010):
        dify.message(number, created=-HOUR + number * 0.3, **DONE)
    asked, sizes = tables.asked, []
    for _ in range(10):
        dify.now += 61
        for _ in range(20):
            page = watcher.page()
            sizes.append(len(page.events))
            if not page.more:
                break
    assert sum(sizes) == 2 * 9_000
    assert max(sizes) <= 2 * 4_000
    assert asked["ids"] < 20
    assert tables.most_ids <= 4_000


def test_a_year_without_a_turn_is_passed_in_one_step(dify):
    watcher, tables = counted(dify)
    dify.message(1, created=-400 * DAY, **DONE)
    dify.message(2, created=-2 * DAY, **DONE)
    watcher.read(400)
    tables.asked.clear()
    walk(watcher, 4)
    assert tables.asked["digests"] <= 4 * 2 * 24
    assert watcher.coverage.checked_since == (DAY_US - round(400 * DAY * 1_000_000)) * 1_000


def test_without_an_index_on_the_runs_a_window_is_as_long_as_it_can_be(dify):
    """Up to Dify 1.11.2 every look at the runs by their creation is one at all of them."""
    watcher, tables = counted(dify)
    watcher.runs_indexed = False
    for number in range(200):
        dify.run(number, "workflow", created=-10 * DAY + number * HOUR, **OVER)
    watcher.read(400)
    dify.run(500, "workflow", created=-5 * DAY, **OVER)
    tables.asked.clear()
    assert walk(watcher, 4) == ["started b500", "ended b500 succeeded"]
    assert tables.asked["digests"] <= 2 * 4
    tables.asked.clear()
    for _ in range(3):
        watcher.read(61, scan_runs=False)
    assert tables.asked == {}


def test_what_was_compared_is_said(dify, watcher):
    dify.message(1, created=-3 * DAY, **DONE)
    dify.message(2, **DONE)
    watcher.read(400)
    walk(watcher, 6)
    coverage = watcher.coverage
    now_ns = (DAY_US + round(dify.now * 1_000_000)) * 1_000
    assert coverage.checked_since == (DAY_US - round(3 * DAY * 1_000_000)) * 1_000
    assert now_ns - coverage.checked_until < 600 * 10**9
    assert now_ns - coverage.checked_at < 300 * 10**9


def test_it_is_compared_as_often_as_configured(dify):
    watcher = Watcher(dify, limits=Limits(reconcile_every_us=1_000 * 1_000_000))
    dify.message(1, created=-2_000, **DONE)
    dify.message(2, **DONE)
    watcher.read(400)
    dify.message(3, created=-1_000, **DONE)
    assert walk(watcher, 16) == []
    assert walk(watcher, 1) == ["started a3", "ended a3 succeeded"]


# -- positions of before there was a memory


def _forgotten(watcher: Watcher) -> None:
    """As a version left it that remembered nothing."""
    old = ("messages", "runs", "steps_us", "steps_next_us", "recent_steps", "since_us", "watched")
    state = msgspec.json.decode(watcher.position)
    state = {name: state[name] for name in old if name in state}
    for place in (state.get("messages"), state.get("runs")):
        if place:
            place.pop("end_us", None)
    watcher.position = msgspec.json.encode(state)
    watcher.ledger.memory = type(watcher.ledger.memory)()


def test_a_position_of_an_older_version_goes_on_and_takes_nothing_for_lost(dify, watcher):
    for number in range(20):
        dify.message(number, created=-number * HOUR, **DONE)
    dify.message(50, created=0)
    watcher.read(400)
    pages = len(watcher.ledger.order)
    _forgotten(watcher)
    dify.message(50, **DONE)
    dify.message(51, **DONE)
    assert told(watcher.read(5)) == ["ended a50 succeeded", "started a51", "ended a51 succeeded"]
    assert walk(watcher, 20) == []
    assert len(watcher.ledger.order) == pages + 3
    assert (watcher.coverage.repaired, watcher.coverage.deleted) == (0, 0)
    dify.message(60, created=dify.now, **DONE)
    watcher.read(500)
    dify.message(61, created=dify.now - 450, **DONE)
    assert walk(watcher, 6) == ["started a61", "ended a61 succeeded"]
