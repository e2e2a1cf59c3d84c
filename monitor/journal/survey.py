"""One look at a journal as a whole: how old, how far, how much, what is parked, what is open. Changes nothing.

Everything that a `Survey` answers is as of one moment, whatever a sidecar commits beside it. Called by `monitor status`
and `monitor journal stats`; a running sidecar asks its own journal (sqlite.py).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Self

from monitor.journal import consumers, memories, parked
from monitor.journal.connections import open_reader, plain_errors
from monitor.journal.folder import Folder
from monitor.journal.layout import check_layout
from monitor.journal.reading import read_events
from monitor.journal.weights import Tell, weigh
from monitor.model import Coverage, SourceGap
from monitor.model.answers import Backlog, Gaps, Holder, Parked, Reading, Turns, Weighed

__all__ = ["Survey"]

_TURNS = """
SELECT count(*), json_group_array(key) FILTER (WHERE open) FROM (
  SELECT key, NOT EXISTS (SELECT 1 FROM events AS ended
                           WHERE ended.key = substr(begun.key, 1, length(begun.key) - 7) || 'ended') AS open
    FROM events AS begun INDEXED BY events_by_key WHERE revision = 0 AND key LIKE '%:turn:started' LIMIT -1)
"""
_OLDEST = """
SELECT min(json_extract(CAST(leaf AS TEXT), '$.body.turn.started_at'))
  FROM events WHERE key IN (SELECT value FROM json_each(?))
"""
_GAPS = "SELECT count(*), max(seq) FROM events WHERE kind = 'source_gap'"
_PARKED = """
SELECT consumer, reason, count(*), count(retry_at) FROM rejected GROUP BY consumer, reason ORDER BY consumer, reason
"""


class Survey:
    """A journal as of one moment. Every method may raise Retryable and JournalError."""

    def __init__(self, folder: Folder, connection: sqlite3.Connection) -> None:
        self._folder, self._connection = folder, connection
        self.path = folder.path

    @classmethod
    @contextmanager
    def open(cls, path: Path | str) -> Iterator[Self]:
        """The journal in the folder, for the time of the `with` block. Raises ConfigError, JournalDamaged."""
        folder = Folder(path)
        folder.expect()
        with closing(open_reader(folder, read_only=True)) as connection, plain_errors():
            connection.execute("BEGIN")
            check_layout(connection)
            yield cls(folder, connection)

    def holder(self) -> Holder | None:
        """The process that writes the journal now; None when nobody does."""
        return self._folder.holder()

    def check_room(self, max_bytes: int | None, min_free_bytes: int) -> None:
        """Raise JournalFull where a sidecar with these settings would read no more."""
        self._folder.check_room(max_bytes, min_free_bytes)

    def size_bytes(self) -> int:
        """Bytes on disk."""
        return self._folder.bytes()

    def events(self) -> int:
        """Events that the journal holds, revisions included."""
        first, head = self._bounds()
        return head - first

    def recorded_at(self) -> tuple[int, int] | None:
        """When the oldest and the newest event were recorded (ns); None for an empty journal."""
        first, head = self._bounds()
        if first == head:
            return None
        oldest, newest = (read_events(self._connection, [seq], content=False)[0] for seq in (first, head - 1))
        return oldest.recorded_at, newest.recorded_at

    def readings(self) -> list[Reading]:
        """The sources, and when each was read last."""
        return [Reading(*row) for row in self._connection.execute("SELECT name, committed_at FROM sources")]

    def coverages(self) -> dict[str, Coverage]:
        """How much of what Dify holds is here, by source, as each said last; those that never said it are left out."""
        return memories.coverages(self._connection)

    def consumers(self) -> list[str]:
        """Those who have a cursor."""
        return [name for (name,) in self._connection.execute("SELECT consumer FROM cursors ORDER BY consumer")]

    def backlog(self, consumer: str) -> Backlog:
        """What a consumer has still to see; all of it where nobody of that name was ever heard of."""
        first, head = self._bounds()
        at = max(first, consumers.cursor_of(self._connection, consumer)[0])
        if at >= head:
            return Backlog(consumer, 0, None)
        oldest = read_events(self._connection, [at], content=False)[0]
        return Backlog(consumer, head - at, oldest.recorded_at)

    def turns(self) -> Turns:
        """How many turns began and how many of them are open. Walks through the keys: a second for a million events."""
        begun, keys = self._connection.execute(_TURNS).fetchone()
        oldest = self._connection.execute(_OLDEST, (keys,)).fetchone()[0]
        still_open = self._connection.execute("SELECT json_array_length(?)", (keys,)).fetchone()[0]
        return Turns(begun, still_open, oldest)

    def gaps(self) -> Gaps:
        """What could not be read from Dify."""
        count, newest = self._connection.execute(_GAPS).fetchone()
        if newest is None:
            return Gaps(0, None)
        recorded = read_events(self._connection, [newest], content=False)[0]
        body = recorded.event.body
        what, reason = (body.what, body.reason) if isinstance(body, SourceGap) else ("", "")
        return Gaps(count, recorded.recorded_at, what, reason)

    def parked(self) -> list[Parked]:
        """What consumers gave up on, by consumer and reason."""
        return [Parked(*row) for row in self._connection.execute(_PARKED)]

    def dropped(self) -> dict[tuple[str, str], int]:
        """How many parked events were ever dropped, by consumer and reason."""
        return parked.dropped_counts(self._connection)

    def projected(self, consumer: str) -> dict[str, bytes]:
        """Everything that a projection has put and not deleted."""
        return consumers.projected_by(self._connection, consumer)

    def weigh(self, largest: int, tell: Tell) -> Weighed:
        """What takes how much room, with so many of the largest events. Reads all of it; `tell` hears how far it is."""
        first, head = self._bounds()
        return weigh(self._connection, first, head, self.size_bytes(), largest=largest, tell=tell)

    def _bounds(self) -> tuple[int, int]:
        """Position of the first event and the one after the last."""
        head = int(self._connection.execute("SELECT value FROM counters WHERE name = 'next_seq'").fetchone()[0])
        first = self._connection.execute("SELECT min(seq) FROM events").fetchone()[0]
        return (head if first is None else int(first)), head
