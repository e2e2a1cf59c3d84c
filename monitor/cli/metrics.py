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
from monitor.ports import Batch, Journal

__all__ = ["print_metrics"]

_ATTEMPTS = 20
_MAX_BYTES = 1 << 40
"""No bound: one reading is all there is, as the cursor stays where it is."""


def print_metrics(journal: Journal, out: TextIO, *, max_series: int = MAX_SERIES) -> None:
    """Write Dify's metrics in Prometheus's text format. `max_series` must be the sidecar's.

    Raises Retryable where the sidecar is only just catching up, and JournalError.
    """
    series = MetricsProjection(max_series=max_series)
    batch = _read(journal, series)
    if batch.behind:
        raise Retryable("the metrics are far behind the journal: let `monitor run --once` catch up, then ask again")
    series.apply(batch.events)
    series.adopt()
    out.write(dify_text(series.snapshot(), openmetrics=False))


def _read(journal: Journal, series: MetricsProjection) -> Batch:
    """Load what was counted, and return what was not: both as of one moment, though a sidecar may commit between."""
    for _ in range(_ATTEMPTS):
        before = journal.cursor(CONSUMER)
        series.load(journal.projected(CONSUMER))
        room = max(1, journal.head() - before[0])
        batch = journal.read(CONSUMER, limit=room, kinds=KINDS, content=False, max_bytes=_MAX_BYTES)
        if journal.cursor(CONSUMER) == before:
            return batch
    raise Retryable("the sidecar is catching up too fast to be read beside it: ask again in a moment")
