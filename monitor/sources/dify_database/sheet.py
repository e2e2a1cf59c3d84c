"""What one reading has in hand: what it may ask, where it stands, and what it has to say so far.

The reader makes one for each reading and hands it to those who do a part of it (comparisons, coverage, steps tried out
alone). It judges nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable

import msgspec

from monitor.model import Event, TurnRef
from monitor.normalise.turns import DATABASE_RANK
from monitor.ports import Memory
from monitor.sources.dify_database.remembered import Remembered, Row, edge, recalled, row_at, stored
from monitor.sources.dify_database.state import State
from monitor.sources.dify_database.tables import Snapshot, Table

__all__ = ["Limits", "Sheet"]

_S = 1_000_000


class Limits(msgspec.Struct, frozen=True):
    """How a source may read. Times in microseconds."""

    abandon_after_us: int = 1_800 * _S
    sweep_us: int = 120 * _S
    max_page_bytes: int = 16 << 20
    reconcile_every_us: int = 60 * _S
    """How often a stretch of what was told is compared with what Dify holds."""
    dify_retention_us: int = 0
    """What Dify's clean-up keeps; 0: unknown, and taken from what one sees go."""
    erase_deleted: bool = False
    """Content that Dify deleted is to be erased here too: so what its clean-up took is told as well."""


class Sheet:
    """One reading's. `events`, `remember`, `forget` and `more` become the page."""

    def __init__(
        self, tables: Snapshot, memory: Memory, state: State, limits: Limits, limit: int, *, source_name: str
    ) -> None:
        self.source_name, self.tables, self.memory = source_name, tables, memory
        self.state, self.limits, self.limit = state, limits, limit
        self.now_us = tables.now_us()
        self.events: list[Event] = []
        self.remember: dict[str, bytes] = {}
        self.forget: set[str] = set()
        self.more = False
        self._known: dict[str, bytes | None] = {}

    # -- telling

    def tell(self, key: str, body: object, occurred_at: int | None = None) -> None:
        """Add an event that the reading itself knows of; at this moment, where no other is given (ns)."""
        at = self.now_us * 1000 if occurred_at is None else occurred_at
        self.events.append(
            Event(key=key, rank=DATABASE_RANK, changed_at=at, occurred_at=at, body=body)  # type: ignore[arg-type]
        )

    # -- the memory, as it will be once this page is committed

    def held(self, rows: Iterable[Row]) -> dict[Row, Remembered]:
        """What is remembered of these rows."""
        wanted = {row.key: row for row in rows}
        entries = self.entries(wanted)
        found = {wanted[key]: _recalled(wanted[key], entry) for key, entry in entries.items()}
        return {row: known for row, known in found.items() if known is not None}

    def entries(self, keys: Collection[str]) -> dict[str, bytes]:
        """What is remembered under these keys."""
        missing = [key for key in keys if key not in self._known]
        if missing:
            self._known.update(dict.fromkeys(missing))
            self._known.update(self.memory.get(missing))
        return {key: entry for key in keys if (entry := self._known[key]) is not None}

    def held_between(self, table: Table, since_us: int, until_us: int, limit: int) -> dict[Row, Remembered]:
        """What was remembered before this reading of rows created in that time, in order, at most `limit`."""
        entries = self.memory.between(edge(table, since_us), edge(table, until_us), limit)
        self._known.update({key: entry for key, entry in entries if key not in self._known})
        found = {(row := row_at(key)): _recalled(row, entry) for key, entry in entries}
        return {row: known for row, known in found.items() if known is not None}

    def keep(self, row: Row, ref: TurnRef, **known: object) -> None:
        """Remember a row; written only where it says something new."""
        self.put(row.key, stored(row, ref, **known))

    def put(self, key: str, entry: bytes) -> None:
        """Remember something under a key of one's own."""
        if self.entries([key]).get(key) != entry:
            self._known[key] = self.remember[key] = entry
            self.forget.discard(key)

    def drop(self, key: str) -> None:
        """Forget what stands under the key."""
        self.remember.pop(key, None)
        self.forget.add(key)
        self._known[key] = None


def _recalled(row: Row, entry: bytes) -> Remembered | None:
    """The entry; None where no version of ours would have written it so, for then it must be told again."""
    with contextlib.suppress(msgspec.DecodeError):
        return recalled(row, entry)
    return None
