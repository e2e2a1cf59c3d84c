"""Prometheus metrics: what Dify did, projected from the journal, and how the sidecar itself is.

`catalogue` (the one table), `projection` (facts to series), `exposition` (series to text), `own` (the sidecar's
health). `monitor.runtime.projector` drives it, `monitor.server` and `monitor metrics` show it.
"""

from __future__ import annotations

from monitor.metrics.catalogue import CATALOGUE, OWN_CATALOGUE, Definition, reference_markdown
from monitor.metrics.exposition import Exposition, Scrape, dify_text
from monitor.metrics.own import SelfMetrics
from monitor.metrics.projection import CONSUMER, MAX_SERIES, MetricsProjection, Snapshot

__all__ = [
    "CATALOGUE",
    "CONSUMER",
    "MAX_SERIES",
    "OWN_CATALOGUE",
    "Definition",
    "Exposition",
    "MetricsProjection",
    "Scrape",
    "SelfMetrics",
    "Snapshot",
    "dify_text",
    "reference_markdown",
]
