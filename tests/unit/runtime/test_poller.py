"""The poller commits what a page holds with the position behind it, and takes every failure for what it is."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import msgspec
import pytest
import structlog

from monitor.errors import Auth, JournalFull, MonitorError, Permanent, Retryable
from monitor.metrics.own import SelfMetrics
from monitor.model import Diagnosis, Proof, StepEnded
from monitor.ports import Appended, Memory, Page
from monitor.runtime.poller import Poller
from monitor.testing.clock import HandClock
from monitor.testing.journal import MemoryJournal
from monitor.testing.samples import event, tool_step, turn_ref


class ScriptedSource:
    name = "dify"

    def __init__(self, *answers: Page | MonitorError) -> None:
        self._answers: Iterator[Page | MonitorError] = iter(answers)
        self.positions: list[bytes | None] = []
        self.remembered: list[dict[str, bytes]] = []

    def read(self, position: bytes | None, limit: int, memory: Memory) -> Page:
        self.positions.append(position)
        self.remembered.append(dict(memory.between("", "~", 100)))
        answer = next(self._answers)
        if isinstance(answer, MonitorError):
            raise answer
        return answer

    def check(self) -> None:
        """Always there."""

    def diagnose(self) -> list[Diagnosis]:
        return []

    def prove(self) -> list[Proof]:
        return []

    def close(self) -> None:
        """Nothing."""


def _page(number: int, *, more: bool) -> Page:
    return Page(
        events=[event(StepEnded(turn=turn_ref(), step=tool_step(id=f"s{number}")))], position=b"%d" % number, more=more
    )


def _poller(source: ScriptedSource, clock: HandClock, journal: MemoryJournal) -> Poller:
    return Poller(journal, source, clock, SelfMetrics(), random=lambda: 1.0, logger=structlog.get_logger())


def test_a_poll_reads_on_to_the_end_and_positions_follow() -> None:
    clock = HandClock()
    journal, source = (
        MemoryJournal(clock),
        ScriptedSource(_page(1, more=True), _page(2, more=True), _page(3, more=False)),
    )
    poller = _poller(source, clock, journal)
    assert poller.behind_s() is None
    poller.poll(threading.Event())
    assert source.positions == [None, b"1", b"2"]
    assert journal.position("dify") == b"3"
    assert journal.head() == 3
    assert poller.read_to_end
    clock.move(4)
    assert poller.behind_s() == 4


def test_what_a_source_remembers_is_there_at_its_next_reading_and_survives_a_failure() -> None:
    clock = HandClock()
    first = msgspec.structs.replace(_page(1, more=True), remember={"a": b"1", "b": b"2"})
    second = Page(events=[], position=b"2", more=False, remember={"c": b"3"}, forget=["a"])
    source = ScriptedSource(first, Retryable("x"), second, _page(3, more=False))
    poller = _poller(source, clock, MemoryJournal(clock))
    for _ in range(4):
        poller.step()
    assert source.remembered == [{}, {"a": b"1", "b": b"2"}, {"a": b"1", "b": b"2"}, {"b": b"2", "c": b"3"}]


class FullJournal(MemoryJournal):
    def append(self, *_: object, **__: object) -> Appended:
        raise JournalFull("no room")


def test_a_full_journal_takes_neither_position_nor_memory_and_the_page_is_read_again() -> None:
    clock = HandClock()
    page = Page(events=[], position=b"1", more=False, remember={"a": b"1"})
    source, journal = ScriptedSource(page, page), FullJournal(clock)
    poller = _poller(source, clock, journal)
    for _ in range(2):
        assert isinstance(poller.step().error, JournalFull)
    assert (source.positions, source.remembered) == ([None, None], [{}, {}])
    assert not poller.read_to_end


@pytest.mark.parametrize(
    "error",
    [Retryable("x", reason="database"), Auth("x"), Permanent("x"), JournalFull("x")],
    ids=lambda e: type(e).__name__,
)
def test_a_failure_is_waited_out_and_read_again_from_the_same_place(error: MonitorError) -> None:
    clock = HandClock()
    journal, source = MemoryJournal(clock), ScriptedSource(_page(1, more=True), error, _page(2, more=False))
    poller = _poller(source, clock, journal)
    poller.poll(threading.Event())
    assert not poller.read_to_end
    poller.poll(threading.Event())
    assert source.positions == [None, b"1"]
    clock.move(3600)
    poller.poll(threading.Event())
    assert source.positions == [None, b"1", b"1"]
    assert poller.read_to_end


def test_a_named_delay_is_kept() -> None:
    clock = HandClock()
    journal = MemoryJournal(clock)
    poller = _poller(ScriptedSource(Retryable("x", after_s=120)), clock, journal)
    outcome = poller.step()
    assert (outcome.retry_in_s or 0) >= 120


def test_stopping_ends_a_long_reading_between_two_pages() -> None:
    clock, stop = HandClock(), threading.Event()
    source = ScriptedSource(_page(1, more=True))
    stop.set()
    poller = _poller(source, clock, MemoryJournal(clock))
    poller.poll(stop)
    assert source.positions == []
