"""What is said when Dify's clean-up takes rows that were not read: a gap with its two ends, once, and none for nothing."""

from __future__ import annotations

from itertools import accumulate

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from monitor.model import ContentDeleted, SourceGap, TurnStarted
from monitor.sources.dify_database.reader import Limits, Reader
from monitor.sources.dify_database.state import decode
from tests.support.reading import pseudonym
from tests.unit.sources.test_coverage import DAY, DAY_LONG_US, DONE, OVER, changes, gaps, purge, safe_s
from tests.unit.sources.world import DAY_US, Dify, S, Watcher, row_id

INDEXED = [("messages", True), ("workflow_runs", True), ("workflow_runs", False)]


def _away_for_forty_days(dify: Dify, watcher: Watcher, last: float) -> None:
    """Read to the end, then not for forty days, in which Dify deleted all that is older than thirty."""
    for number in range(5):
        dify.message(number, created=last - number * 100, **DONE)
    dify.now = 1_000
    watcher.read()
    for number in range(100, 140):
        dify.message(number, created=number * DAY - 100 * DAY + 5_000, **DONE)
    dify.now = 40 * DAY
    purge(dify, 10 * DAY)


@pytest.mark.parametrize(("retention_days", "last"), [(30, 999), (30, 0), (0, 999), (0, 0)])
def test_who_was_overtaken_says_so_once(dify, retention_days, last):
    watcher = Watcher(dify, limit=10, limits=Limits(dify_retention_us=retention_days * DAY_LONG_US))
    _away_for_forty_days(dify, watcher, last)
    assert watcher.page().more
    assert watcher.coverage.state == "overtaken"
    watcher.read()
    for _ in range(20):
        watcher.read(61)
    (gap,) = gaps(watcher)
    assert gap.reason == "rows were deleted before they were read"
    assert (gap.what, gap.turn_id) == ("messages", "")
    assert (gap.since // 1_000 - DAY_US) / S == 1_000
    assert (gap.until // 1_000 - DAY_US) / S == 10 * DAY + 5_000
    assert changes(watcher)[0] == "overtaken"
    assert changes(watcher)[-1] == "safe"
    assert (watcher.coverage.gaps, watcher.coverage.state) == (1, "safe")
    (key,) = (key for key, held in watcher.ledger.revisions.items() if isinstance(held[0].body, SourceGap))
    assert key.startswith("source:dify_database:gap:messages ")


def test_who_is_overtaken_while_reading_history_says_so(dify):
    watcher = Watcher(dify, limit=3)
    for number in range(40):
        dify.message(number, created=-40 * DAY + number * DAY, **DONE)
    watcher.page()
    purge(dify, -30 * DAY)
    watcher.read(61)
    (gap,) = gaps(watcher)
    assert gap.since < gap.until
    assert "overtaken" in changes(watcher)


class History(Watcher):
    """Reads a table in which much was written before the first reading; `created` are its rows and their creation."""

    def __init__(self, dify: Dify, table: str, creations: list[float], limit: int, *, indexed: bool = True) -> None:
        super().__init__(dify, limit=limit)
        self.runs_indexed = dify.tables.runs_indexed = indexed
        self.created: dict[str, int] = {}
        for number, created in enumerate(creations):
            if table == "messages":
                name = dify.message(number, created=created, **DONE)
            else:
                name = dify.run(number, "workflow", created=created, **OVER)
            self.created[name] = DAY_US + round(created * S)

    @property
    def untold(self) -> list[int]:
        """Creation (us) of what was never told."""
        known = {event.body.turn.turn_id for event in self.ledger.order if isinstance(event.body, TurnStarted)}
        return [us for name, us in self.created.items() if name not in known]

    def loses_only_in_gaps(self) -> bool:
        """Whether all of that lies in a gap."""
        spans = [(gap.since // 1_000, gap.until // 1_000) for gap in gaps(self)]
        return all(any(since <= us <= until for since, until in spans) for us in self.untold)


@pytest.mark.parametrize(("table", "indexed"), INDEXED)
@pytest.mark.parametrize("pages", [1, 4, 20])
def test_what_the_clean_up_takes_between_two_pages_of_history_is_a_gap(dify, table, indexed, pages):
    """However soon after the last look at the oldest row: the next page begins beyond what went."""
    watcher = History(dify, table, [-33 * DAY + n * 31 * DAY / 300 for n in range(300)], 5, indexed=indexed)
    for _ in range(pages):
        watcher.page()
        dify.now += 1
    purge(dify, -5 * DAY)
    watcher.page()
    assert watcher.coverage.state == "overtaken"
    watcher.read()
    for _ in range(4):
        watcher.read(61)
    (gap,) = gaps(watcher)
    assert gap.what == table
    assert len(watcher.untold) > 150
    assert watcher.loses_only_in_gaps()
    assert changes(watcher) == ["overtaken", "safe"]


@pytest.mark.parametrize(("table", "indexed"), INDEXED)
def test_a_history_of_which_nothing_is_left_is_a_gap_up_to_now(dify, table, indexed):
    watcher = History(dify, table, [-33 * DAY + n * DAY for n in range(20)], 5, indexed=indexed)
    watcher.page()
    purge(dify, 0)
    watcher.read(1)
    watcher.read(61)
    (gap,) = gaps(watcher)
    assert gap.until // 1_000 == DAY_US + S
    assert watcher.loses_only_in_gaps()
    assert changes(watcher) == ["overtaken", "safe"]


def test_the_first_page_after_a_start_looks_at_the_oldest_row(dify, watcher):
    dify.message(1, **DONE)
    watcher.read(1_000)
    dify.message(2, created=dify.now, **DONE)
    dify.delete("messages", row_id("a", 1))
    dify.now += 5
    reader = Reader(Limits(), pseudonym, structlog.get_logger())
    page = reader.read(dify.tables, watcher.position, 20, watcher.ledger.memory, whole=True)
    assert decode(page.position).oldest["messages"] == DAY_US + 1_000 * S


_STEPS_S = st.sampled_from([0.0, 1.0, 100.0, 3_600.0, DAY])
_TABLES = st.sampled_from(["messages", "workflow_runs"])


@given(
    table=_TABLES,
    indexed=st.booleans(),
    steps=st.lists(_STEPS_S, min_size=1, max_size=25),
    limit=st.integers(1, 6),
    readings=st.lists(st.tuples(st.sampled_from([0.0, 1.0, 61.0, 1_000.0]), st.booleans()), max_size=15),
)
def test_where_only_what_is_safe_goes_there_is_no_gap_however_far_apart_the_rows_are(
    table, indexed, steps, limit, readings
):
    dify = Dify()
    creations = list(accumulate(steps))
    watcher = History(dify, table, creations, limit, indexed=indexed)
    dify.now = creations[-1] + 300
    for after, purged in readings:
        watcher.page()
        if purged:
            purge(dify, safe_s(watcher))
        dify.now += after
    watcher.read()
    watcher.read(61)
    assert (gaps(watcher), watcher.untold) == ([], [])
    assert "overtaken" not in changes(watcher)


@given(
    table=_TABLES,
    indexed=st.booleans(),
    steps=st.lists(_STEPS_S, min_size=1, max_size=25),
    limit=st.integers(1, 6),
    pages=st.integers(1, 12),
    share=st.floats(0, 1),
    after=st.sampled_from([0.0, 1.0, 61.0]),
)
def test_whatever_went_unread_out_of_a_history_lies_in_a_gap(table, indexed, steps, limit, pages, share, after):
    dify = Dify()
    creations = list(accumulate(steps))
    watcher = History(dify, table, creations, limit, indexed=indexed)
    dify.now = creations[-1] + 300
    for _ in range(pages):
        watcher.page()
    dify.now += after
    purge(dify, share * creations[-1])
    watcher.read()
    watcher.read(61)
    assert watcher.loses_only_in_gaps()
    assert len(gaps(watcher)) <= 1


def test_a_quiet_dify_from_which_all_was_deleted_is_not_overtaken(dify, watcher):
    dify.message(1, **DONE)
    watcher.read(1_000)
    dify.delete("messages", row_id("a", 1))
    watcher.read(500)
    dify.message(2, created=dify.now, **DONE)
    watcher.read(61)
    assert (gaps(watcher), changes(watcher)) == ([], [])
    assert not [event for event in watcher.ledger.order if isinstance(event.body, ContentDeleted)]
