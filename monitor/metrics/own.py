"""The sidecar's own health, under the names of the catalogue.

Workers hold a `SelfMetrics` and count as they go; these counters begin at 0 with each start, which is the truth. What
must be asked for (how far consumers lag, how large the journal is) is asked when somebody scrapes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Protocol, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from monitor import __version__
from monitor.errors import MonitorError
from monitor.metrics.catalogue import OWN_CATALOGUE, Definition
from monitor.model import Coverage
from monitor.model.answers import Lag, Stats
from monitor.ports import Clock

__all__ = ["SelfMetrics", "WatchedJournal"]

_NS = 1_000_000_000
_MOMENTS: Mapping[str, Callable[[Coverage], int]] = {
    "source_purge_safe_timestamp_seconds": lambda said: said.purge_safe_at,
    "source_oldest_row_timestamp_seconds": lambda said: said.oldest_at,
    "source_checked_timestamp_seconds": lambda said: said.checked_at,
}
"""Left out while they are not known."""
_NUMBERS: Mapping[str, Callable[[Coverage], int]] = {
    "source_missing_rows": lambda said: said.missing,
    "source_external_runs": lambda said: int(said.external_runs),
}
_COUNTS: Mapping[str, Callable[[Coverage], int]] = {
    "source_compared_rows_total": lambda said: said.compared,
    "source_repaired_total": lambda said: said.repaired,
    "source_gaps_total": lambda said: said.gaps,
    "source_deleted_total": lambda said: said.deleted,
    "source_left_out_total": lambda said: said.left_out,
}
_STATES = ("safe", "at_risk", "overtaken")
_DEFINITIONS = {each.name: each for each in OWN_CATALOGUE}


_Family = TypeVar("_Family", CounterMetricFamily, GaugeMetricFamily)


class WatchedJournal(Protocol):
    """A journal that can be asked how it is. Every method may raise MonitorError."""

    def lag(self, consumer: str) -> Lag:
        """How far the consumer is behind."""
        ...

    def stats(self) -> Stats:
        """The journal as a whole."""
        ...

    def dropped_counts(self) -> dict[tuple[str, str], int]:
        """How many parked events were ever dropped, by consumer and reason."""
        ...


class SelfMetrics:
    """One set of metrics in a registry of its own. Every method may be called from any thread."""

    def __init__(self, version: str = __version__) -> None:
        self.registry = CollectorRegistry()
        self.source_events = self._counter("source_events_total")
        self.source_poll_seconds = self._histogram("source_poll_seconds")
        self.source_errors = self._counter("source_errors_total")
        self.sink_events = self._counter("sink_events_total")
        self.sink_left_out = self._counter("sink_left_out_total")
        self.sink_write_seconds = self._histogram("sink_write_seconds")
        self.sink_retries = self._counter("sink_retries_total")
        self.rejected = self._counter("rejected_total")
        self.notifications = self._counter("notifications_total")
        self.rule_evaluation_seconds = self._histogram("rule_evaluation_seconds")
        self.rule_errors = self._counter("rule_errors_total")
        self.worker_restarts = self._counter("worker_restarts_total")
        self.content_erased = self._counter("content_erased_total")
        self.series_folded = self._counter("series_folded_total")
        self.build_info = self._gauge("build_info")
        self.build_info.labels(version).set(1)

    def watch_journal(self, journal: WatchedJournal, consumers: Collection[str], clock: Clock) -> None:
        """From now on ask the journal at each scrape. To be called once."""
        self.registry.register(_JournalMetrics(journal, tuple(consumers), clock))

    def watch_sources(self, ages_s: Callable[[], dict[str, float]]) -> None:
        """From now on ask at each scrape how many seconds each source is behind; what is not known is left out."""
        self.registry.register(_SourceGauges(ages_s))

    def watch_coverage(self, coverages: Callable[[], Mapping[str, Coverage]], sources: Collection[str]) -> None:
        """From now on ask at each scrape how much of what Dify holds is here. Of other sources nothing is shown."""
        self.registry.register(_CoverageMetrics(coverages, tuple(sources)))

    def _counter(self, name: str) -> Counter:
        definition = _definition(name)
        return Counter(definition.name, definition.help, definition.labels, registry=self.registry)

    def _gauge(self, name: str) -> Gauge:
        definition = _definition(name)
        return Gauge(definition.name, definition.help, definition.labels, registry=self.registry)

    def _histogram(self, name: str) -> Histogram:
        definition = _definition(name)
        return Histogram(
            definition.name,
            definition.help,
            definition.labels,
            buckets=definition.buckets,
            registry=self.registry,
        )


class _JournalMetrics(Collector):
    """Asked at scrape time. Where the journal can't answer, its metrics are left out and nothing else."""

    def __init__(self, journal: WatchedJournal, consumers: tuple[str, ...], clock: Clock) -> None:
        self._journal = journal
        self._consumers = consumers
        self._clock = clock

    def describe(self) -> Iterator[Metric]:
        """The names, so that registering asks nothing of the journal."""
        for name in ("sink_lag_events", "sink_lag_seconds", "journal_bytes", "journal_oldest_seconds"):
            yield _gauge_family(name)
        yield _counter_family("dropped_total")

    def collect(self) -> Iterator[Metric]:
        """The metrics as they are now."""
        try:
            lags = {consumer: self._journal.lag(consumer) for consumer in self._consumers}
            stats, dropped = self._journal.stats(), self._journal.dropped_counts()
        except MonitorError:
            return
        yield from _lags(lags)
        yield _single("journal_bytes", stats.bytes)
        yield _single("journal_oldest_seconds", self._age_s(stats))
        family = _counter_family("dropped_total")
        for labels, count in dropped.items():
            family.add_metric(labels, count)
        yield family

    def _age_s(self, stats: Stats) -> float:
        if stats.oldest_recorded_at is None:
            return 0.0
        return max(0, self._clock.now_ns() - stats.oldest_recorded_at) / _NS


class _SourceGauges(Collector):
    def __init__(self, ages_s: Callable[[], dict[str, float]]) -> None:
        self._ages_s = ages_s

    def describe(self) -> Iterator[Metric]:
        yield _gauge_family("source_cursor_age_seconds")

    def collect(self) -> Iterator[Metric]:
        family = _gauge_family("source_cursor_age_seconds")
        for source, age_s in self._ages_s().items():
            family.add_metric((source,), age_s)
        yield family


class _CoverageMetrics(Collector):
    """What sources said last, as they remember it: it is there again after a restart, counters included."""

    def __init__(self, coverages: Callable[[], Mapping[str, Coverage]], sources: tuple[str, ...]) -> None:
        self._coverages, self._sources = coverages, sources

    def describe(self) -> Iterator[Metric]:
        """The names, so that registering asks nothing of the journal."""
        for name in (*_MOMENTS, *_NUMBERS, "source_state"):
            yield _gauge_family(name)
        for name in _COUNTS:
            yield _counter_family(name)

    def collect(self) -> Iterator[Metric]:
        """What is known of each source. Where the journal can't answer, nothing."""
        try:
            told = self._coverages()
        except MonitorError:
            return
        known = {source: told[source] for source in self._sources if source in told}
        for name, moment in _MOMENTS.items():
            seconds = {source: moment(said) / _NS for source, said in known.items() if moment(said)}
            yield _filled(_gauge_family(name), seconds)
        for name, number in _NUMBERS.items():
            yield _filled(_gauge_family(name), {source: number(said) for source, said in known.items()})
        for name, count in _COUNTS.items():
            yield _filled(_counter_family(name), {source: count(said) for source, said in known.items()})
        yield _states(known)


def _definition(name: str) -> Definition:
    return _DEFINITIONS[f"dify_monitor_{name}"]


def _gauge_family(name: str) -> GaugeMetricFamily:
    definition = _definition(name)
    return GaugeMetricFamily(definition.name, definition.help, labels=definition.labels)


def _counter_family(name: str) -> CounterMetricFamily:
    definition = _definition(name)
    return CounterMetricFamily(definition.name, definition.help, labels=definition.labels)


def _lags(lags: Mapping[str, Lag]) -> Iterator[Metric]:
    events, seconds = _gauge_family("sink_lag_events"), _gauge_family("sink_lag_seconds")
    for consumer, lag in lags.items():
        events.add_metric((consumer,), lag.events)
        seconds.add_metric((consumer,), lag.age_ns / _NS)
    yield events
    yield seconds


def _filled(family: _Family, values: Mapping[str, float]) -> _Family:
    """The family with a sample for each source."""
    for source, value in values.items():
        family.add_metric((source,), value)
    return family


def _states(known: Mapping[str, Coverage]) -> Metric:
    family = _gauge_family("source_state")
    for source, said in known.items():
        for state in dict.fromkeys((*_STATES, said.state)):
            family.add_metric((source, state), float(state == said.state))
    return family


def _single(name: str, value: float) -> Metric:
    family = _gauge_family(name)
    family.add_metric((), value)
    return family
