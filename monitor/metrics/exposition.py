"""Series as text: Prometheus's and OpenMetrics', as the scraper asks. No state of its own, no HTTP.

The sidecar's own metrics are written by prometheus_client. Dify's, which are a thousand times as many, are written
here: its encoders take ten to twenty microseconds and an object for each line, which is seconds for two hundred apps.
A test holds both to the same reading of the same series.

There are no `_created` samples: they would nearly double the series, and what they are good for, seeing a counter begin
at 0, the zeros of the catalogue and counters that never restart give already. Exemplars (the trace behind a bucket's
newest observation) stand in OpenMetrics only; the other format has no place for them.
"""

from __future__ import annotations

import gzip
import math
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import accumulate

import msgspec
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder, gzip_accepted
from prometheus_client.registry import Collector

from monitor.metrics.catalogue import CATALOGUE, Definition
from monitor.metrics.projection import Exemplar, Labels, Numbers, Snapshot
from monitor.model.ids import trace_id

__all__ = ["Exposition", "Scrape", "dify_text"]

_NS = 1_000_000_000
_OPENMETRICS = "application/openmetrics-text"
_END = b"# EOF\n"
_FASTEST = 1
_CREATED = "_created"
_TOTAL = "_total"


class Scrape(msgspec.Struct, frozen=True):
    """One answer to a scraper."""

    body: bytes
    headers: dict[str, str]


class Exposition:
    """What `/metrics` says: the sidecar's own metrics always, Dify's from the first caught-up snapshot on."""

    def __init__(self, own: Collector, dify: Callable[[], Snapshot | None]) -> None:
        self._own = _WithoutCreated(own)
        self._dify = dify
        # One at a time: a text of 100,000 lines takes a third of a second and tens of megabytes while it is made.
        self._rendering = threading.Lock()

    def render(self, accept: str = "", accept_encoding: str = "") -> Scrape:
        """The text in the best format that `accept` (the HTTP header) allows, compressed where that is accepted.

        Any thread may call it.
        """
        encode, content_type = choose_encoder(accept)
        headers = {"Content-Type": content_type, "Vary": "Accept, Accept-Encoding"}
        with self._rendering:
            body = self._body(encode, openmetrics=content_type.startswith(_OPENMETRICS))
            if gzip_accepted(accept_encoding):
                headers["Content-Encoding"] = "gzip"
                body = gzip.compress(body, _FASTEST, mtime=0)
        return Scrape(body, headers)

    def _body(self, encode: Callable[[Collector], bytes], *, openmetrics: bool) -> bytes:
        parts = [encode(self._own).removesuffix(_END)]
        snapshot = self._dify()
        if snapshot is not None:
            parts.append(dify_text(snapshot, openmetrics=openmetrics).encode())
        if openmetrics:
            parts.append(_END)
        return b"".join(parts)


def dify_text(snapshot: Snapshot, *, openmetrics: bool) -> str:
    """Dify's series: metrics in the catalogue's order, label sets sorted, so that equal series are equal text.

    Metrics without any series are left out. OpenMetrics' end mark is left to the caller.
    """
    return "".join(_lines(snapshot, openmetrics=openmetrics))


def _lines(snapshot: Snapshot, *, openmetrics: bool) -> Iterator[str]:
    for definition in CATALOGUE:
        series = snapshot.series.get(definition.name)
        if not series:
            continue
        yield _head(definition, openmetrics=openmetrics)
        if definition.type == "histogram":
            yield from _histogram(definition, series, snapshot.exemplars if openmetrics else {})
        else:
            shown = _newest(definition, series) if definition.type == "info" else series
            yield from _plain(definition, shown)


def _head(definition: Definition, *, openmetrics: bool) -> str:
    # OpenMetrics names a counter's family without the suffix of its samples.
    name = definition.name.removesuffix(_TOTAL) if openmetrics else definition.name
    kind = "gauge" if definition.type == "info" else definition.type
    return f"# HELP {name} {definition.help}\n# TYPE {name} {kind}\n"


def _plain(definition: Definition, series: Mapping[Labels, Numbers]) -> Iterator[str]:
    for labels in sorted(series):
        yield f"{definition.name}{{{_pairs(definition, labels)}}} {_number(definition, series[labels][0])}\n"


def _newest(definition: Definition, series: Mapping[Labels, Numbers]) -> dict[Labels, Numbers]:
    """Of several label sets of one app or workspace the newest alone, as 1: two would make every join ambiguous."""
    newest: dict[Labels, Labels] = {}
    for labels in sorted(series, key=lambda each: (series[each][0], each)):
        newest[labels[: definition.owner]] = labels
    return dict.fromkeys(newest.values(), (1,))


def _histogram(
    definition: Definition,
    series: Mapping[Labels, Numbers],
    exemplars: Mapping[tuple[str, Labels, int], Exemplar],
) -> Iterator[str]:
    name = definition.name
    bounds = [_bound(each) for each in definition.upper_bounds()]
    for labels in sorted(series):
        pairs = _pairs(definition, labels)
        total, *counts = series[labels]
        for at, count in enumerate(accumulate(counts)):
            seen = exemplars.get((name, labels, at)) if exemplars else None
            hint = _hint(definition, seen) if seen else ""
            yield f'{name}_bucket{{{pairs},le="{bounds[at]}"}} {count}{hint}\n'
        yield f"{name}_count{{{pairs}}} {sum(counts)}\n{name}_sum{{{pairs}}} {_number(definition, total)}\n"


def _hint(definition: Definition, seen: Exemplar) -> str:
    value = _number(definition, seen.value)
    return f' # {{trace_id="{trace_id(seen.turn_id)}"}} {value} {seen.at / _NS!r}'


def _pairs(definition: Definition, labels: Iterable[str]) -> str:
    return ",".join([f'{name}="{_escaped(value)}"' for name, value in zip(definition.labels, labels, strict=True)])


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(definition: Definition, stored: int) -> str:
    return str(stored) if definition.scale == 1 else repr(stored / definition.scale)


def _bound(bound: float) -> str:
    return "+Inf" if bound == math.inf else repr(bound)


class _WithoutCreated(Collector):
    """A collector's families without their `_created` samples."""

    def __init__(self, collector: Collector) -> None:
        self._collector = collector

    def collect(self) -> Iterator[Metric]:
        for family in self._collector.collect():
            family.samples = [each for each in family.samples if not each.name.endswith(_CREATED)]
            yield family
