"""What `monitor metrics` prints: Dify's metrics out of a journal, for cron and node_exporter's textfile collector.

The journal is only read, beside a running sidecar or without one. What the sidecar had not yet counted is counted here,
in memory, so that the text is what a caught-up sidecar would show. The command that calls it opens the journal.
"""

from __future__ import annotations

from typing import TextIO

from monitor.errors import Retryable
from monitor.metrics.exposition import dify_text
from monitor.metrics.projection import CONSUMER, MAX_SERIES, MetricsProjection
from monitor.normalise.measures import KINDS
from monitor.ports import Journal

__all__ = ["print_metrics"]

_ATTEMPTS = 20
_EVENTS = 2_000


def print_metrics(journal: Journal, out: TextIO, *, max_series: int = MAX_SERIES) -> None:
    """Write Dify's metrics in Prometheus's text format. `max_series` must be the sidecar's.

    Raises Retryable where the sidecar is only just catching up, and JournalError.
    """
    series = MetricsProjection(max_series=max_series)
    position = _load(journal, series)
    behind = True
    while behind:
        batch = journal.scan(position, limit=_EVENTS, kinds=KINDS, content=False)
        series.apply(batch.events)
        series.adopt()
        position, behind = batch.position, batch.behind
    out.write(dify_text(series.snapshot(), openmetrics=False))


def _load(journal: Journal, series: MetricsProjection) -> int:
    """Load what was counted, and return up to where: both as of one moment, though a sidecar may commit between."""
    for _ in range(_ATTEMPTS):
        before, _state = journal.cursor(CONSUMER)
        series.load(journal.projected(CONSUMER))
        if journal.cursor(CONSUMER)[0] == before:
            return before
    raise Retryable("the sidecar is catching up too fast to be read beside it: ask again in a moment")
