"""What takes how much room in a journal: by kind, by day, by event. Walks through all of it, and says how far it is.

Runs on a connection that may read, for a command that waits for the answer. Called by survey.py.
"""

from __future__ import annotations

import heapq
import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import msgspec

from monitor.errors import JournalDamaged
from monitor.journal.intake import FIELDS_BITS
from monitor.model.answers import Large, Weighed, Weight

__all__ = ["Tell", "weigh"]

Tell = Callable[[int, int], None]
"""Hears how much of how much is done."""

_DAY_NS = 86_400_000_000_000
_STEP = 5_000
"""Events between two words on how far it is."""

_EVENTS = "SELECT seq, key, kind, content_bytes, leaf FROM events WHERE seq >= ? AND seq < ? ORDER BY seq"
_CONTENT = "SELECT total(length(value) + length(salt)) FROM content WHERE id >= ? AND id < ?"
_MEMORY = "SELECT total(length(key) + length(value)) FROM memories"


class _Dated(msgspec.Struct):
    """Of a leaf, what is wanted here; the rest is not even parsed into values."""

    recorded_at: int


_dated = msgspec.json.Decoder(_Dated).decode


class _Scales:
    """Takes events one by one."""

    def __init__(self, largest: int) -> None:
        self.leaf_bytes = 0
        self._kinds: dict[str, list[int]] = {}
        self._days: dict[int, list[int]] = {}
        self._largest: list[tuple[int, Large]] = []
        self._most = largest

    def take(self, seq: int, key: str, kind: str, content_bytes: int, leaf: bytes) -> None:
        """Add one event."""
        kind_sums = self._kinds.setdefault(kind, [0, 0, 0])
        day_sums = self._days.setdefault(_day(seq, leaf), [0, 0, 0])
        for sums in (kind_sums, day_sums):
            sums[0] += 1
            sums[1] += len(leaf)
            sums[2] += content_bytes
        self.leaf_bytes += len(leaf)
        self._keep(Large(seq, key, len(leaf), content_bytes))

    def _keep(self, event: Large) -> None:
        weight = event.leaf_bytes + event.content_bytes
        if len(self._largest) < self._most:
            heapq.heappush(self._largest, (weight, event))
        elif self._largest and weight > self._largest[0][0]:
            heapq.heapreplace(self._largest, (weight, event))

    def kinds(self) -> Iterator[Weight]:
        """The heaviest first."""
        for kind, sums in sorted(self._kinds.items(), key=lambda each: -each[1][1] - each[1][2]):
            yield Weight(kind, *sums)

    def days(self) -> Iterator[Weight]:
        """In order."""
        for day, sums in sorted(self._days.items()):
            yield Weight(datetime.fromtimestamp(day * _DAY_NS / 1e9, UTC).strftime("%Y-%m-%d"), *sums)

    def largest(self) -> Iterator[Large]:
        """The largest first."""
        return (event for _, event in sorted(self._largest, reverse=True))


def weigh(
    connection: sqlite3.Connection, first: int, head: int, file_bytes: int, *, largest: int, tell: Tell
) -> Weighed:
    """Weigh the events from `first` to before `head`. Raises JournalDamaged for one that can't be read."""
    scales = _Scales(largest)
    content_bytes = 0
    for start in range(first, head, _STEP):
        stop = min(head, start + _STEP)
        for row in connection.execute(_EVENTS, (start, stop)):
            scales.take(*row)
        ids = (start << FIELDS_BITS, stop << FIELDS_BITS)
        content_bytes += int(connection.execute(_CONTENT, ids).fetchone()[0])
        tell(stop - first, head - first)
    pages = connection.execute("PRAGMA freelist_count").fetchone()[0]
    return Weighed(
        kinds=tuple(scales.kinds()),
        days=tuple(scales.days()),
        largest=tuple(scales.largest()),
        leaf_bytes=scales.leaf_bytes,
        content_bytes=content_bytes,
        memory_bytes=int(connection.execute(_MEMORY).fetchone()[0]),
        file_bytes=file_bytes,
        free_bytes=int(pages * connection.execute("PRAGMA page_size").fetchone()[0]),
    )


def _day(seq: int, leaf: bytes) -> int:
    """The day on which the event was recorded."""
    try:
        return _dated(leaf).recorded_at // _DAY_NS
    except msgspec.DecodeError as exc:
        raise JournalDamaged(f"event {seq} can't be read: {exc}") from exc
