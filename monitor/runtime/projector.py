"""Keeps the metric series up to date with the journal: a worker. The supervisor calls `step`, scrapes take `shown`.

The series, and the cursor that says what is in them, commit in one transaction. What is in memory follows the commit,
never the other way round; after any failure the journal is asked again what was committed.
"""

from __future__ import annotations

from collections.abc import Callable

from monitor.errors import MonitorError
from monitor.metrics.own import SelfMetrics
from monitor.metrics.projection import CONSUMER, MAX_SERIES, MetricsProjection, Snapshot
from monitor.normalise.measures import KINDS
from monitor.ports import Batch, Journal
from monitor.runtime.worker import Outcome

__all__ = ["Projector"]

_RETRY_S = 5.0
_LOOK_AGAIN_S = 1.0
"""Until they are shown: sources may come to their end without a new event."""


class Projector:
    """The worker of the metrics projection.

    `sources_read` says whether every source has been read to its end once since the start: until then the journal's end
    is not the world's, and counters shown now would jump when the rest arrives.
    """

    name = CONSUMER

    def __init__(
        self,
        journal: Journal,
        own: SelfMetrics,
        *,
        max_series: int = MAX_SERIES,
        limit: int = 1_000,
        sources_read: Callable[[], bool] = lambda: True,
    ) -> None:
        self._journal = journal
        self._own = own
        self._limit = limit
        self._sources_read = sources_read
        self._series = MetricsProjection(max_series=max_series)
        self._loaded = False
        self._caught_up = False

    @property
    def caught_up(self) -> bool:
        """Whether the series have held everything once since the start. From then on it stays True."""
        return self._caught_up

    def shown(self) -> Snapshot | None:
        """The series for a scrape; None until they have caught up, so that the first scrape is a baseline."""
        return self._series.snapshot() if self._caught_up else None

    def step(self) -> Outcome:
        """Fold in the next events of the journal. What an error stopped is tried again from the last commit."""
        read_before = self._sources_read()
        try:
            batch = self._advance()
        except MonitorError as exc:
            return Outcome(retry_in_s=_RETRY_S, error=exc)
        if read_before and not batch.behind:
            self._caught_up = True
        return Outcome(progressed=batch.behind, due_in_s=None if self._caught_up else _LOOK_AGAIN_S)

    def _advance(self) -> Batch:
        if not self._loaded:
            self._series.load(self._journal.projected(CONSUMER))
        # Until the commit is known to be through, the memory may be behind the disk.
        self._loaded = False
        batch = self._journal.project(CONSUMER, limit=self._limit, kinds=KINDS, content=False, apply=self._series.apply)
        for metric, measures in self._series.adopt().items():
            self._own.series_folded.labels(metric).inc(measures)
        self._loaded = True
        return batch
