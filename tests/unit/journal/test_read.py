"""What a consumer is given: bounds, kinds, content, positions; in both journals."""

from __future__ import annotations

import pytest

from monitor.errors import JournalDamaged
from monitor.journal import reading
from monitor.model import Event, SourceGap
from monitor.testing import samples
from tests.unit.journal.conftest import KINDS
from tests.unit.journal.test_append import everything, step_event


@pytest.fixture
def filled(journal):
    journal.append("dify", [recorded.event for recorded in samples.stream(4)], b"")
    return journal


def drained(journal, consumer="c", **asked):
    """Everything the consumer is ever given, and the sizes of its batches."""
    events, sizes = [], []
    while True:
        batch = journal.read(consumer, **asked)
        events += batch.events
        sizes.append(len(batch.events))
        journal.advance(consumer, batch.position)
        if not batch.behind:
            return events, sizes


def test_an_empty_journal_gives_an_empty_batch(journal):
    batch = journal.read("c", limit=5, kinds=KINDS, content=True)
    assert (list(batch.events), batch.position, batch.behind) == ([], 0, False)


def test_reading_again_without_advance_gives_the_same(filled):
    first = filled.read("c", limit=3, kinds=KINDS, content=True)
    assert filled.read("c", limit=3, kinds=KINDS, content=True) == first
    assert (len(first.events), first.position, first.behind) == (3, 3, True)


@pytest.mark.parametrize("limit", [1, 3, 20, 1000])
def test_batches_cover_everything_once_in_order(filled, limit):
    events, sizes = drained(filled, limit=limit, kinds=KINDS, content=True)
    assert [recorded.seq for recorded in events] == list(range(20))
    assert max(sizes) <= limit
    assert filled.read("c", limit=limit, kinds=KINDS, content=True).events in ((), [])


def test_other_kinds_are_passed_over(filled):
    events, _ = drained(filled, limit=2, kinds=("turn_ended",), content=False)
    assert [recorded.seq for recorded in events] == [4, 9, 14, 19]
    assert filled.cursor("c") == (20, "")


def test_no_kinds_pass_over_all(filled):
    batch = filled.read("c", limit=2, kinds=(), content=False)
    assert (list(batch.events), batch.position, batch.behind) == ([], 20, False)


def test_each_consumer_has_its_own_place(filled):
    filled.advance("a", 7, state="s")
    assert filled.cursor("a") == (7, "s")
    assert filled.cursor("b") == (0, "")
    assert filled.read("b", limit=1, kinds=KINDS, content=False).events[0].seq == 0


def test_bytes_bound_a_batch_but_never_below_one_event(journal):
    big = "x" * 100_000
    journal.append("dify", [step_event(key=str(n), content={"output": big}) for n in range(5)], None)
    _, sizes = drained(journal, limit=100, kinds=KINDS, content=True, max_bytes=250_000)
    assert sizes == [2, 2, 1]
    _, sizes = drained(journal, "tiny", limit=100, kinds=KINDS, content=True, max_bytes=1)
    assert sizes == [1, 1, 1, 1, 1]
    _, sizes = drained(journal, "bare", limit=100, kinds=KINDS, content=False, max_bytes=250_000)
    assert sizes == [5]


def test_content_is_loaded_only_on_request(filled):
    for recorded in filled.read("c", limit=100, kinds=KINDS, content=False).events:
        assert recorded.event.content == {}
    assert all(r.event.content for r in filled.read("c", limit=100, kinds=KINDS, content=True).events)


def test_content_belongs_to_its_own_event(journal):
    """Also where some events have none, some fields are empty, and kinds in between are left out."""
    events = [step_event(key=f"s{n}", content={"a": "é" * n, "b": str(n)} if n % 3 else {}) for n in range(9)]
    gaps = [Event(f"g{n}", 1, 0, 0, SourceGap("w", "r"), {"a": "gap"}) for n in range(9)]
    journal.append("dify", [event for pair in zip(events, gaps, strict=True) for event in pair], None)
    read, _ = drained(journal, limit=4, kinds=("step_ended",), content=True)
    assert [recorded.event for recorded in read] == events


def test_a_rare_kind_is_looked_for_in_bounded_steps(disk, monkeypatch):
    """Each read looks through so many events, moves on, and says that it is behind."""
    monkeypatch.setattr(reading, "SCAN_EVENTS", 6)
    disk.append("dify", [recorded.event for recorded in samples.stream(2)], None)
    disk.append("dify", [Event("g", 1, 0, 0, SourceGap("w", "r"))], None)
    events, sizes = drained(disk, limit=10, kinds=("source_gap",), content=False)
    assert [recorded.seq for recorded in events] == [10]
    assert sizes == [0, 1]


def test_a_leaf_that_is_no_event_is_damage(disk):
    disk.append("dify", [step_event()], None)
    with disk._writer.transaction() as connection:
        connection.execute("UPDATE events SET leaf = '{\"alg\":1}'")
    with pytest.raises(JournalDamaged):
        everything(disk)
