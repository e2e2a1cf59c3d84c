"""The poller commits what a page holds with the position behind it, and takes every failure for what it is."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import structlog

from monitor.errors import Auth, JournalFull, MonitorError, Permanent, Retryable
from monitor.metrics.own import SelfMetrics
from monitor.model import StepEnded
from monitor.ports import Page
from monitor.runtime.poller import Poller
from monitor.testing.clock import HandClock
from monitor.testing.journal import MemoryJournal
from monitor.testing.samples import event, tool_step, turn_ref


class ScriptedSource:
    name = "dify"

    def __init__(self, *answers: Page | MonitorError) -> None:
        self._answers: Iterator[Page | MonitorError] = iter(answers)
        self.positions: list[bytes | None] = []

    def read(self, position: bytes | None, limit: int) -> Page:
        self.positions.append(position)
        answer = next(self._answers)
        if isinstance(answer, MonitorError):
            raise answer
        return answer

    def check(self) -> None:
        """Always there."""

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
