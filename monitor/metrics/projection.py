"""Metric series as a projection of the journal: facts in, whole numbers out, committed together with the cursor.

`MetricsProjection` holds the series that were committed, and beside them at most one draft that is not yet. The journal
calls `apply` inside its transaction and the projector calls `adopt` once that transaction is through; what was never
adopted is forgotten by the next `apply`. So nothing is counted twice, whatever crashes when. It does no I/O and knows
no cursor: `monitor.runtime.projector` drives it, `monitor.metrics.exposition` shows its snapshots.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from monitor.errors import JournalDamaged
from monitor.metrics.catalogue import APP_LABELS, CATALOGUE, Definition
from monitor.model import Recorded, StepEnded, TurnEnded
from monitor.normalise.measures import Measure, measures
from monitor.ports import Projection

__all__ = ["CONSUMER", "MAX_SERIES", "Exemplar", "Labels", "MetricsProjection", "Numbers", "Snapshot"]

CONSUMER = "metrics"
"""The projection's name in the journal."""

MAX_SERIES = 2_000
"""Label sets that a metric may have, unless told otherwise."""

Labels = tuple[str, ...]
"""Label values in the catalogue's order."""

Numbers = Sequence[int]
"""What a series holds, in stored units. Counter, gauge, info: one number. Histogram: the sum, then each bucket's own
count, +Inf last."""

_RESERVE = 10
"""One in so many places of a metric is kept for what is folded within its app."""


class Exemplar(msgspec.Struct, frozen=True):
    """The turn behind the newest observation of a bucket. A hint: kept in memory, gone after a restart."""

    turn_id: str
    value: int
    at: int


_Exemplars = dict[tuple[str, Labels, int], Exemplar]


class Snapshot(msgspec.Struct, frozen=True):
    """All series at one moment. Never changes; not to be changed."""

    series: Mapping[str, Mapping[Labels, Numbers]]
    """By metric, then by label set."""
    exemplars: Mapping[tuple[str, Labels, int], Exemplar]
    """By metric, label set and number of the bucket."""


_NOTHING: Mapping[Labels, list[int]] = {}


class _Draft:
    """What the facts of one batch change. Lists in here are its own and may be added to."""

    def __init__(self) -> None:
        self.series: dict[str, dict[Labels, list[int]]] = {}
        self.groups: dict[str, set[Labels]] = {}
        self.exemplars: _Exemplars = {}
        self.folded: Counter[str] = Counter()


class MetricsProjection:
    """The series of all metrics. One thread writes (`load`, `apply`, `adopt`); any thread may take a `snapshot`.

    `max_series` bounds each metric's label sets, closed labels aside. Once nine tenths of them are taken, a new label
    set goes to its app's `other`; once all are taken, to one `other` for all apps. As label sets never go away, the
    same facts fold in the same way after any restart.
    """

    def __init__(self, *, max_series: int = MAX_SERIES, catalogue: Iterable[Definition] = CATALOGUE) -> None:
        self._definitions = {each.name: each for each in catalogue}
        self._places = (max_series - max_series // _RESERVE, max_series)
        self._lock = threading.Lock()
        self._series: dict[str, dict[Labels, Numbers]] = {name: {} for name in self._definitions}
        self._groups: dict[str, set[Labels]] = {name: set() for name in self._definitions}
        self._exemplars: _Exemplars = {}
        self._draft = _Draft()

    def load(self, stored: Mapping[str, bytes]) -> None:
        """Take what the journal holds for the truth. Raises JournalDamaged for a series that can't be read.

        Series of metrics that the catalogue does not have are left alone: another version wrote them.
        """
        series: dict[str, dict[Labels, Numbers]] = {name: {} for name in self._definitions}
        for key, value in stored.items():
            name, labels = _read_key(key)
            definition = self._definitions.get(name)
            if definition is not None:
                series[name][labels] = _read_numbers(definition, key, labels, value)
        groups = {name: {self._definitions[name].group(each) for each in held} for name, held in series.items()}
        with self._lock:
            self._series, self._groups, self._draft = series, groups, _Draft()

    def apply(self, events: Sequence[Recorded]) -> Projection:
        """What the events change, on top of what was adopted. Changes nothing itself; may be called again."""
        self._draft = _Draft()
        for recorded in events:
            for measure in measures(recorded):
                self._fold(recorded, measure)
        return Projection(puts=dict(_puts(self._draft)))

    def adopt(self) -> Mapping[str, int]:
        """The draft was committed. Returns how many measures of which metric were folded in it."""
        draft, self._draft = self._draft, _Draft()
        with self._lock:
            for name, changed in draft.series.items():
                self._series[name].update(changed)
            for name, groups in draft.groups.items():
                self._groups[name] |= groups
            for place, exemplar in draft.exemplars.items():
                _keep_newest(self._exemplars, place, exemplar)
        return draft.folded

    def snapshot(self) -> Snapshot:
        """Everything that was adopted, as of one moment."""
        with self._lock:
            series = {name: dict(held) for name, held in self._series.items()}
            return Snapshot(series=series, exemplars=dict(self._exemplars))

    def _fold(self, recorded: Recorded, measure: Measure) -> None:
        definition = self._definitions[measure.metric]
        labels = tuple([measure.labels[name] for name in definition.labels])
        numbers = self._draft.series.get(measure.metric, _NOTHING).get(labels)
        if numbers is None:
            labels = self._place(definition, labels)
            numbers = self._numbers(definition, labels)
        bucket = _add(definition, numbers, measure.value)
        body = recorded.event.body
        if bucket is not None and isinstance(body, StepEnded | TurnEnded):
            seen = Exemplar(body.turn.turn_id, measure.value, recorded.event.occurred_at)
            _keep_newest(self._draft.exemplars, (measure.metric, labels, bucket), seen)

    def _place(self, definition: Definition, labels: Labels) -> Labels:
        """The label set that takes the measure: its own while there is room, else a folded one."""
        if labels in self._draft.series.get(definition.name, ()) or labels in self._series[definition.name]:
            return labels
        within_app = definition.fold(labels, keep=APP_LABELS)
        for candidate, room in zip((labels, within_app), self._places, strict=True):
            if self._claim(definition, candidate, room):
                break
        else:
            candidate = definition.fold(labels, keep=())
            self._claim(definition, candidate, room=None)
        if candidate != labels:
            self._draft.folded[definition.name] += 1
        return candidate

    def _claim(self, definition: Definition, labels: Labels, room: int | None) -> bool:
        """Whether the label set has a place, or gets one: among `room` of them, or without a bound."""
        group = definition.group(labels)
        held, fresh = self._groups[definition.name], self._draft.groups.setdefault(definition.name, set())
        if group in held or group in fresh:
            return True
        if room is not None and len(held) + len(fresh) >= room:
            return False
        fresh.add(group)
        if definition.zeros:
            for each in definition.siblings(labels):
                self._numbers(definition, each)
        return True

    def _numbers(self, definition: Definition, labels: Labels) -> list[int]:
        """The draft's numbers of a series, begun from what was adopted."""
        changed = self._draft.series.setdefault(definition.name, {})
        if labels not in changed:
            changed[labels] = list(self._series[definition.name].get(labels) or _start(definition))
        return changed[labels]


def _start(definition: Definition) -> list[int]:
    return [0] * _width(definition)


def _width(definition: Definition) -> int:
    return len(definition.buckets) + 2 if definition.type == "histogram" else 1


def _add(definition: Definition, numbers: list[int], value: int) -> int | None:
    """Fold one observation in; the number of its bucket, if it has one."""
    if definition.type == "histogram":
        bucket = bisect_left(definition.buckets, value)
        numbers[0] += value
        numbers[bucket + 1] += 1
        return bucket
    if definition.type == "info":
        numbers[0] = max(numbers[0], value)
    else:
        numbers[0] += value
    return None


def _keep_newest(held: _Exemplars, place: tuple[str, Labels, int], seen: Exemplar) -> None:
    # Prometheus refuses an exemplar that is older than the one before.
    known = held.get(place)
    if known is None or known.at <= seen.at:
        held[place] = seen


def _puts(draft: _Draft) -> Iterable[tuple[str, bytes]]:
    for name, changed in draft.series.items():
        for labels, numbers in changed.items():
            # Decimal text: no number is too large for it, and every version of every tool reads it.
            yield _key(name, labels), " ".join(map(str, numbers)).encode()


def _key(name: str, labels: Labels) -> str:
    return msgspec.json.encode((name, *labels)).decode()


def _read_key(key: str) -> tuple[str, Labels]:
    try:
        name, *labels = msgspec.json.decode(key, type=list[str])
    except (msgspec.DecodeError, ValueError) as exc:
        raise JournalDamaged(f"the metric series {key!r} has no readable name") from exc
    return name, tuple(labels)


def _read_numbers(definition: Definition, key: str, labels: Labels, value: bytes) -> Numbers:
    try:
        numbers = [int(part) for part in value.split()]
    except ValueError as exc:
        raise JournalDamaged(f"the metric series {key!r} does not hold whole numbers") from exc
    if len(numbers) != _width(definition) or len(labels) != len(definition.labels):
        raise JournalDamaged(f"the metric series {key!r} has another shape than this version's")
    return numbers
