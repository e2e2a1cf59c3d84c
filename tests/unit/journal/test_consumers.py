"""Cursors, parked events, projections and lag; in both journals."""

from __future__ import annotations

import threading

import pytest

from monitor.errors import JournalError
from monitor.model.answers import Lag, Rejection
from monitor.ports import Projection, RejectedEvent
from monitor.testing import samples
from tests.unit.journal.conftest import KINDS
from tests.unit.journal.test_append import everything, step_event


@pytest.fixture
def filled(journal):
    journal.append("dify", [recorded.event for recorded in samples.stream(2)], b"")
    return journal


def projecting(journal, apply, **changes):
    asked = {"limit": 4, "kinds": KINDS, "content": False} | changes
    return journal.project("p", apply=apply, **asked)


@pytest.mark.parametrize("position", [2, 11])
def test_a_cursor_neither_repeats_nor_skips(filled, position):
    filled.advance("c", 3)
    with pytest.raises(JournalError):
        filled.advance("c", position, rejected=[RejectedEvent(0, "r", "d")])
    assert filled.cursor("c") == (3, "")
    assert filled.rejected() == []


def test_the_state_is_that_of_the_last_advance(filled):
    filled.advance("c", 3, state="file 1")
    filled.advance("c", 3, state="file 2")
    assert filled.cursor("c") == (3, "file 2")
    filled.advance("c", 3)
    assert filled.cursor("c") == (3, "")


def test_rejected_events_are_parked_and_counted(filled, clock):
    at = clock.now_ns()
    filled.advance("a", 3, rejected=[RejectedEvent(0, "too_large", "no"), RejectedEvent(2, "refused", "bad \ud800")])
    clock.ns += 1
    filled.advance("b", 1, rejected=[RejectedEvent(0, "refused", "")])
    filled.advance("a", 3, rejected=[RejectedEvent(2, "refused", "again")])
    assert filled.rejected() == [
        Rejection("a", 2, "refused", "again", 2, at + 1),
        Rejection("b", 0, "refused", "", 1, at + 1),
        Rejection("a", 0, "too_large", "no", 1, at),
    ]
    assert [entry.seq for entry in filled.rejected("a")] == [2, 0]
    assert len(filled.rejected(limit=1)) == 1
    assert filled.rejected_counts() == {("a", "refused"): 1, ("a", "too_large"): 1, ("b", "refused"): 1}


def test_a_projection_and_its_cursor_move_together(filled):
    seen = []

    def count(events):
        seen.extend(recorded.seq for recorded in events)
        return Projection(puts={"count": str(len(seen)).encode()})

    batch = projecting(filled, count)
    assert (len(batch.events), batch.position, batch.behind) == (4, 4, True)
    while projecting(filled, count).behind:
        pass
    assert seen == list(range(10))
    assert filled.cursor("p") == (10, "")
    assert filled.projected("p") == {"count": b"10"}
    assert filled.projected("other") == {}


def test_a_projection_puts_and_deletes(filled):
    projecting(filled, lambda _: Projection(puts={"a": b"1", "b": b"2", "c": b"\x00"}))
    projecting(filled, lambda _: Projection(puts={"b": b"3"}, deletes=["a", "missing", "b"]))
    assert filled.projected("p") == {"b": b"3", "c": b"\x00"}


def test_a_projection_that_raises_changes_nothing(filled):
    def fail(_):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        projecting(filled, fail)
    assert (filled.cursor("p"), filled.projected("p")) == ((0, ""), {})


def test_a_projection_may_append_events_once(filled):
    def alert(events):
        return Projection(events=[step_event(key="derived", rank=1)] if events else [])

    while projecting(filled, alert, limit=100).behind:
        pass
    assert filled.head() == 11
    assert (everything(filled)[-1].source, everything(filled)[-1].event.key) == ("p", "derived")
    assert filled.position("p") is None


def test_a_projection_is_asked_also_when_nothing_happened(filled):
    projecting(filled, lambda _: Projection(), limit=100)
    seen = []
    projecting(filled, lambda events: seen.append(list(events)) or Projection(puts={"due": b"now"}))
    assert seen == [[]]
    assert filled.projected("p") == {"due": b"now"}
    assert filled.cursor("p") == (10, "")


def test_a_projection_that_has_nothing_to_say_writes_nothing(disk):
    disk.append("dify", [step_event()], None)
    projecting(disk, lambda _: Projection())
    assert disk.cursor("p") == (1, "")
    with disk._readers.connection() as connection:
        before = connection.execute("PRAGMA data_version").fetchone()
        projecting(disk, lambda _: Projection())
        disk.advance("p", 1)
        disk.append("dify", [], None)
        disk.append("dify", [step_event()], None)
        assert connection.execute("PRAGMA data_version").fetchone() == before


def test_a_projection_keeps_the_state_that_advance_gave(filled):
    filled.advance("p", 1, state="s")
    projecting(filled, lambda _: Projection(puts={"a": b""}))
    assert filled.cursor("p") == (5, "s")


def test_two_at_once_under_one_name_are_refused(filled):
    """The second would count the same events again."""

    def meddle(_):
        filled.advance("p", 2)
        return Projection(puts={"a": b""})

    with pytest.raises(JournalError, match="two at once"):
        projecting(filled, meddle)
    assert (filled.cursor("p"), filled.projected("p")) == ((2, ""), {})


def test_lag_counts_events_and_the_age_of_the_oldest(filled, clock):
    clock.ns += 7
    filled.append("dify", [step_event(key="later")], None)
    clock.ns += 5
    assert filled.lag("c") == Lag(11, 12)
    filled.advance("c", 10)
    assert filled.lag("c") == Lag(1, 5)
    filled.advance("c", 11)
    assert filled.lag("c") == Lag(0, 0)


def test_a_clock_set_back_makes_no_negative_age(filled, clock):
    clock.ns -= 10**12
    assert filled.lag("c").age_ns == 0


def test_stats(journal, clock):
    assert (journal.stats().events, journal.stats().oldest_recorded_at) == (0, None)
    first = clock.now_ns()
    journal.append("dify", [step_event(key="a")], None)
    clock.ns += 1
    journal.append("dify", [step_event(key="b")], None)
    assert (journal.stats().events, journal.stats().oldest_recorded_at) == (2, first)
    assert journal.stats().bytes > 0


def waiter(journal, seen, stop):
    """A thread in `wait` for longer than any test lasts, and whether it came back."""
    back = threading.Event()

    def wait():
        journal.wait(seen, stop, 3600)
        back.set()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread, back


def test_wait_ends_when_an_event_arrives(filled):
    thread, back = waiter(filled, 10, threading.Event())
    filled.append("dify", [step_event(key="new")], None)
    assert back.wait(10)
    thread.join(10)


def test_wait_ends_at_once_when_there_is_more_already(filled):
    filled.wait(9, threading.Event(), 3600)


def test_wait_ends_when_stopped_also_without_a_ring(filled):
    stop = threading.Event()
    thread, back = waiter(filled, 10, stop)
    stop.set()
    assert back.wait(10)
    thread.join(10)
    filled.wait(10, stop, 3600)


def test_ring_wakes_who_waits(filled):
    thread, back = waiter(filled, 10, threading.Event())
    while not back.wait(0.01):
        filled.ring()
    thread.join(10)


def test_wait_ends_when_its_time_is_over(filled):
    filled.wait(10, threading.Event(), 0.01)
    filled.wait(10, threading.Event(), 0)
