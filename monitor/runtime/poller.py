"""Reads one source into the journal: a page and the position behind it commit together, or not at all.

A page is its events and what the source wants to remember of them. The scheduler fires `poll`; everything that can go
wrong with a source ends here, in a word for the metrics and a wait.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from monitor.errors import Auth, JournalFull, MonitorError, Permanent, Retryable
from monitor.metrics.own import SelfMetrics
from monitor.ports import Appended, Clock, Journal, Page, Source
from monitor.runtime.backoff import AUTH_RETRY_S, delay_s
from monitor.runtime.worker import Outcome

__all__ = ["Poller"]

_FULL_RETRY_S = 30.0


class Poller:
    """Implements `monitor.runtime.worker.Worker`; `poll` is a whole scheduled reading."""

    def __init__(
        self,
        journal: Journal,
        source: Source,
        clock: Clock,
        own: SelfMetrics,
        *,
        random: Callable[[], float],
        logger: Any,
        page_turns: int = 500,
    ) -> None:
        self.name = f"source:{source.name}"
        self._journal, self._source, self._clock, self._own = journal, source, clock, own
        self._random, self._logger, self._page_turns = random, logger, page_turns
        self._failures = 0
        self._not_before = 0.0
        self._read_at: float | None = None
        self.polled_at = clock.monotonic()

    @property
    def read_to_end(self) -> bool:
        """Whether the source has been read to its end once since the start."""
        return self._read_at is not None

    def behind_s(self) -> float | None:
        """Seconds since the source was last read to its end; None before the first time."""
        return None if self._read_at is None else self._clock.monotonic() - self._read_at

    def poll(self, stop: threading.Event) -> None:
        """Read on to the end, unless a failure's wait is not over yet."""
        try:
            while self._clock.monotonic() >= self._not_before and not stop.is_set() and self.step().progressed:
                pass
        finally:
            self.polled_at = self._clock.monotonic()

    def step(self) -> Outcome:
        """Read one page."""
        started = self._clock.monotonic()
        try:
            page, appended = self._page()
        except MonitorError as exc:
            return self._failed(exc)
        finally:
            self._own.source_poll_seconds.labels(self._source.name).observe(self._clock.monotonic() - started)
        self._own.source_events.labels(self._source.name).inc(appended.new + appended.revised)
        return self._read(page)

    def _page(self) -> tuple[Page, Appended]:
        """Read, and commit what the page holds, what the source remembers of it, and the position behind it."""
        name = self._source.name
        page = self._source.read(self._journal.position(name), self._page_turns, self._journal.memory(name))
        appended = self._journal.append(name, page.events, page.position, remember=page.remember, forget=page.forget)
        return page, appended

    def _read(self, page: Page) -> Outcome:
        if self._failures:
            self._logger.info("source_recovered", action="reading on", failures=self._failures)
        self._failures = 0
        if not page.more:
            self._read_at = self._clock.monotonic()
        return Outcome(progressed=page.more)

    def _failed(self, error: MonitorError) -> Outcome:
        self._failures += 1
        reason, wait_s, action = self._judge(error)
        self._own.source_errors.labels(self._source.name, reason).inc()
        self._not_before = self._clock.monotonic() + wait_s
        log = self._logger.warning if isinstance(error, Retryable) else self._logger.error
        log("source_not_read", error=str(error), reason=reason, action=action, retry_in_s=round(wait_s, 1))
        return Outcome(retry_in_s=wait_s, error=error)

    def _judge(self, error: MonitorError) -> tuple[str, float, str]:
        if isinstance(error, JournalFull):
            return "journal_full", _FULL_RETRY_S, "make room: reading waits, and Dify keeps the records meanwhile"
        if isinstance(error, Auth):
            return "auth", AUTH_RETRY_S, "correct the source's address and rights"
        if isinstance(error, Permanent):
            return error.reason, AUTH_RETRY_S, "this needs a person: see the error"
        after_s = error.after_s if isinstance(error, Retryable) else None
        reason = error.reason if isinstance(error, Retryable) else "journal"
        return reason, delay_s(self._failures, self._random, after_s), "trying again"
