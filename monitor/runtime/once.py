"""`monitor run --once`: read every source to its end, deliver everything, and say with the exit code how it went.

Whoever wants to show how far it is may watch the crew meanwhile; nothing here waits for that.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext

import msgspec
import structlog

from monitor.errors import MonitorError, Retryable
from monitor.runtime.crew import Crew
from monitor.runtime.worker import Outcome, Worker

__all__ = ["DELIVERED", "NOT_DELIVERED", "NOT_READ", "Watch", "run_once"]

Watch = Callable[[Crew], AbstractContextManager[object]]
"""Entered before the work and left after it."""

DELIVERED, NOT_DELIVERED, NOT_READ = 0, 3, 4
"""Exit codes; a wrong configuration is 2, told before anything runs."""

_TRIES = 3
"""So many failures in a row, and a worker is left for the next time."""
_LONGEST_WAIT_S = 5.0


class _Unfinished(msgspec.Struct, frozen=True):
    """A worker that did not get to its end."""

    worker: str
    error: MonitorError | None


def run_once(crew: Crew, stop: threading.Event, watch: Watch = nullcontext) -> int:
    """Sources one after the other, so that a second run from nothing writes the same; then all sinks side by side.

    What is read is folded and delivered while more is being read: that changes the time it takes and nothing else.
    """
    with watch(crew):
        with _following(crew, stop):
            unread = _all_of(crew, crew.pollers, stop)
        undone = _all_of(crew, crew.folding(), stop)
        undone += _side_by_side(crew, crew.delivering(), stop)
        undone += _all_of(crew, crew.erasing(), stop)
    _say(crew, unread, undone)
    return NOT_READ if unread else NOT_DELIVERED if undone else DELIVERED


def _all_of(crew: Crew, workers: Sequence[Worker], stop: threading.Event) -> list[_Unfinished]:
    return [unfinished for worker in workers if (unfinished := _to_its_end(crew, worker, stop))]


def _side_by_side(crew: Crew, workers: Sequence[Worker], stop: threading.Event) -> list[_Unfinished]:
    """A worker that waits for its sink keeps no other waiting."""
    with ThreadPoolExecutor(max_workers=max(1, len(workers))) as threads:
        ends = threads.map(lambda worker: _to_its_end(crew, worker, stop), workers)
        return [unfinished for unfinished in ends if unfinished]


@contextmanager
def _following(crew: Crew, stop: threading.Event) -> Iterator[None]:
    """Inside the block everybody works on what is in the journal; leaving it waits for their last step."""
    workers = (*crew.folding(), *crew.delivering())
    read = threading.Event()
    with ThreadPoolExecutor(max_workers=len(workers)) as threads:
        followers = [threads.submit(_follow, crew, worker, read, stop) for worker in workers]
        try:
            yield
        finally:
            read.set()
            crew.journal.ring()
    for follower in followers:
        follower.result()


def _follow(crew: Crew, worker: Worker, read: threading.Event, stop: threading.Event) -> None:
    failures = 0
    while not (read.is_set() or stop.is_set()) and failures < _TRIES:
        seen = crew.journal.head()
        outcome = worker.step()
        if outcome.error is not None:
            failures += 1
            crew.clock.wait(read, _wait_s(outcome))
        elif not outcome.progressed:
            crew.journal.wait(seen, read, _LONGEST_WAIT_S)


def _to_its_end(crew: Crew, worker: Worker, stop: threading.Event) -> _Unfinished | None:
    """Step until there is nothing left to do; None when it got there."""
    failures = 0
    while not stop.is_set():
        outcome = worker.step()
        if outcome.progressed:
            failures = 0
        elif outcome.error is None:
            return None
        else:
            failures += 1
            if failures >= _TRIES or not isinstance(outcome.error, Retryable):  # rights and room do not come by waiting
                return _Unfinished(worker.name, outcome.error)
            crew.clock.wait(stop, _wait_s(outcome))
    return _Unfinished(worker.name, None)


def _wait_s(outcome: Outcome) -> float:
    """How long to wait after a failure: a run that is to end has less patience than the sidecar."""
    wait_s = outcome.due_in_s if outcome.retry_in_s is None else outcome.retry_in_s
    return min(wait_s or 0.0, _LONGEST_WAIT_S)


def _say(crew: Crew, unread: list[_Unfinished], undone: list[_Unfinished]) -> None:
    log = structlog.get_logger()
    for each in unread:
        log.error("source_unfinished", worker=each.worker, error=str(each.error or "interrupted"), action="run again")
    for each in undone:
        waiting, _ = crew.journal.lag(each.worker)
        action = "kept in the journal for the next run"
        log.error(
            "not_delivered", worker=each.worker, waiting=waiting, error=str(each.error or "interrupted"), action=action
        )
    log.info("once_done", events=crew.journal.head(), unread=len(unread), undelivered=len(undone))
