"""Runs a house: one thread per worker, a scheduler for what has a period, a server, and an end in good order.

A worker that fails in a way nobody foresaw is logged with its traceback, counted, and started again with a growing
pause; it never takes the others with it. Nothing is lost by killing the process; ending it in order only saves a few
repetitions.
"""

from __future__ import annotations

import gc
import logging
import random
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from datetime import UTC, datetime
from types import FrameType
from typing import Any, Self

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from monitor.errors import JournalError
from monitor.metrics.exposition import Exposition
from monitor.ports import Heartbeat
from monitor.runtime.backoff import delay_s
from monitor.runtime.crew import Crew, crew_of
from monitor.runtime.once import DELIVERED, Watch, run_once
from monitor.runtime.poller import Poller
from monitor.runtime.wiring import House
from monitor.runtime.worker import Worker
from monitor.server.app import HttpServer, build_app

__all__ = ["Supervisor", "run"]

_IDLE_S = 5.0
"""How long a worker with nothing to do waits for the journal at most."""
_GUARD_S = 1.0
_SWITCH_S = 0.0005
_GC_PACE = (50_000, 20, 50)
_OVERDUE = 3.0
"""A poll later than so many of its periods is armed again: a wall clock set back stalls the scheduler."""
_JOIN_S = 30.0


def run(
    house: House,
    *,
    once: bool,
    on_start: Callable[[Supervisor], None] = lambda _running: None,
    watch: Watch = nullcontext,
) -> int:
    """Run until a signal (or, with `once`, to the end); the process's exit code. Raises MonitorError at start only.

    `on_start` is handed the running house once it works and serves; not with `once`. `watch` is for `once` alone.
    """
    _tune_interpreter()
    stop = threading.Event()
    with crew_of(house) as crew, _signals(stop, crew.journal.ring):
        if once:
            return run_once(crew, stop, watch)
        with Supervisor(crew, house, stop) as running:
            on_start(running)
            _wait(stop)
        return DELIVERED


def _tune_interpreter() -> None:
    """For many threads around one database file, and a stream of small nouns that never form cycles.

    SQLite lets go of the interpreter at every step, and by default the way back beside a busy thread takes 5 ms. The
    cycle collector's default pace costs a tenth of the whole and finds nothing; what is loaded at the start stays.
    """
    sys.setswitchinterval(_SWITCH_S)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_PACE)


def _wait(stop: threading.Event) -> None:
    while not stop.wait(3600.0):
        pass


@contextmanager
def _signals(stop: threading.Event, ring: Callable[[], None]) -> Iterator[None]:
    """SIGTERM and SIGINT set `stop`; a second one has its usual effect. Only the main thread can do that."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ended(signum: int, _frame: FrameType | None) -> None:
        signal.signal(signum, before[signal.Signals(signum)])
        stop.set()
        ring()

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    for number in before:
        signal.signal(number, ended)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Supervisor:
    """The running house, as a context: entered it works, left it has ended."""

    def __init__(self, crew: Crew, house: House, stop: threading.Event) -> None:
        self._crew, self._house, self._stop = crew, house, stop
        self._log = structlog.get_logger()
        workers = (*crew.folding(), *crew.delivering(), *crew.erasing())
        self._threads = [
            threading.Thread(target=self._supervise, args=(worker,), name=worker.name, daemon=True)
            for worker in workers
        ]
        self._guard = threading.Thread(target=self._watch_polls, name="guard", daemon=True)
        self._hearts: list[Heartbeat] = [
            heart for sink in house.sinks if (heart := getattr(sink, "heartbeat", None)) is not None
        ]
        self._scheduler = BackgroundScheduler(
            executors={"default": ThreadPoolExecutor(max(1, len(crew.pollers) + len(self._hearts)))}, timezone=UTC
        )
        self.server = self._server()

    def _server(self) -> HttpServer | None:
        address = self._house.settings.server.address
        if address is None:
            return None
        exposition = Exposition(self._crew.own.registry, self._crew.projector.shown)
        return HttpServer(build_app(exposition.render, alive=self.problems, ready=self.not_ready), *address)

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            if self.server is not None:
                self.server.start()
                undo.callback(self.server.stop)
                self._log.info(
                    "serving", address="http://{}:{}".format(*self.server.address), action="/metrics /healthz /readyz"
                )
            for thread in (*self._threads, self._guard):
                thread.start()
            self._schedule()
            undo.pop_all()
        names = {"sources": len(self._crew.pollers), "sinks": len(self._crew.shippers), "rules": len(self._house.rules)}
        self._log.info("running", journal=str(self._house.journal_path), **names)
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stop.set()
        self._crew.journal.ring()
        self._scheduler.shutdown(wait=True)
        for thread in (*self._threads, self._guard):
            thread.join(_JOIN_S)
            if thread.is_alive():
                self._log.error("worker_did_not_end", worker=thread.name, action="ending without it; nothing is lost")
        if self.server is not None:
            self.server.stop()
        self._log.info("ended", events=self._crew.journal.head())

    # -- what has a period

    def _schedule(self) -> None:
        # It warns of each poll that outlasts its period, which is a first reading's or a busy database's way of life.
        logging.getLogger("apscheduler.scheduler").setLevel(logging.ERROR)
        for poller, every_s in zip(self._crew.pollers, self._crew.poll_every_s, strict=True):
            self._scheduler.add_job(
                self._poll,
                "interval",
                args=[poller],
                id=poller.name,
                seconds=every_s,
                max_instances=1,
                coalesce=True,
                misfire_grace_time=None,
                next_run_time=self._now(),
            )
        for place, heart in enumerate(self._hearts):
            self._scheduler.add_job(
                self._beat,
                "interval",
                args=[heart],
                id=f"heartbeat:{place}",
                seconds=heart.every_s,
                max_instances=1,
                coalesce=True,
                misfire_grace_time=None,
                next_run_time=self._now(),
            )
        self._scheduler.start()

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._crew.clock.now_ns() / 1e9, UTC)

    def _poll(self, poller: Poller) -> None:
        try:
            poller.poll(self._stop)
        except Exception:  # noqa: BLE001 - one poll must not end the polling
            self._crew.own.worker_restarts.labels(poller.name).inc()
            self._log.exception("poll_failed", worker=poller.name, action="tried again at its next time")

    def _beat(self, heart: Heartbeat) -> None:
        """Alive, and well as long as every thread runs."""
        heart.beat(well=not self.problems())

    def _watch_polls(self) -> None:
        while not self._crew.clock.wait(self._stop, _GUARD_S):
            for poller, every_s in zip(self._crew.pollers, self._crew.poll_every_s, strict=True):
                if self._crew.clock.monotonic() - poller.polled_at > max(_OVERDUE * every_s, _OVERDUE * _GUARD_S):
                    self._arm_again(poller)

    def _arm_again(self, poller: Poller) -> None:
        """Harmless while the poll is merely long: the scheduler runs one of a kind at a time."""
        job: Any = self._scheduler.get_job(poller.name)
        if job is not None and job.next_run_time is not None and job.next_run_time > self._now():
            self._scheduler.modify_job(poller.name, next_run_time=self._now())
            self._scheduler.wakeup()
            poller.polled_at = self._crew.clock.monotonic()

    # -- what is continuous

    def _supervise(self, worker: Worker) -> None:
        crashes = 0
        while not self._stop.is_set():
            try:
                self._work(worker)
            except Exception:  # noqa: BLE001 - a worker must come back, whatever it was
                crashes += 1
                wait_s = delay_s(crashes, random.random)
                self._crew.own.worker_restarts.labels(worker.name).inc()
                self._log.exception("worker_failed", worker=worker.name, action="started again", retry_in_s=wait_s)
                self._crew.clock.wait(self._stop, wait_s)

    def _work(self, worker: Worker) -> None:
        while not self._stop.is_set():
            seen = self._crew.journal.head()
            outcome = worker.step()
            if outcome.progressed:
                continue
            if isinstance(outcome.error, JournalError):
                self._log.error("journal_refuses", worker=worker.name, error=str(outcome.error), action="trying again")
            if outcome.retry_in_s is not None:
                self._crew.clock.wait(self._stop, outcome.retry_in_s)
            else:
                due_s = _IDLE_S if outcome.due_in_s is None else outcome.due_in_s
                self._crew.journal.wait(seen, self._stop, min(_IDLE_S, due_s))

    # -- how it is

    def problems(self) -> list[str]:
        """Why the process is not healthy: threads that ended though nobody stopped them."""
        return [f"worker {thread.name} is not running" for thread in self._threads if not thread.is_alive()]

    def not_ready(self) -> list[str]:
        """Why it does not yet show the whole truth."""
        waiting = [
            f"{poller.name} is not yet read to its end" for poller in self._crew.pollers if not poller.read_to_end
        ]
        if not self._crew.projector.caught_up:
            waiting.append("the metrics are still catching up with the journal")
        return waiting
