"""How far each source and consumer is, what projections hold, and what was given up. Statements on a connection.

Called by sqlite.py, those that write inside its transactions.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping, Sequence

from monitor.errors import JournalError
from monitor.journal.statements import as_json, insert_many
from monitor.model.answers import Rejection
from monitor.model.stored import clean
from monitor.ports import RejectedEvent

__all__ = [
    "cursor_of",
    "move_cursor",
    "park",
    "position_of",
    "projected_by",
    "put_projection",
    "rejected_counts",
    "rejections",
    "set_position",
]

_MOVE = """
INSERT INTO cursors (consumer, position, state) VALUES (?, ?, ?)
    ON CONFLICT (consumer) DO UPDATE SET position = excluded.position, state = excluded.state
"""
_PARK = """
INSERT INTO rejected (consumer, seq, reason, detail, attempts, at) VALUES (?, ?, ?, ?, 1, ?)
    ON CONFLICT (consumer, seq) DO UPDATE
   SET reason = excluded.reason, detail = excluded.detail, attempts = attempts + 1, at = excluded.at
"""
_POSITION = """
INSERT INTO sources (name, position) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET position = excluded.position
"""
_DELETE = "DELETE FROM projections WHERE consumer = ? AND key IN (SELECT value FROM json_each(?))"
_REJECTIONS = """
SELECT consumer, seq, reason, detail, attempts, at FROM rejected
 WHERE :consumer IS NULL OR consumer = :consumer ORDER BY at DESC, consumer, seq LIMIT :limit
"""


def position_of(connection: sqlite3.Connection, source: str) -> bytes | None:
    """Where the source stands; None when it has never been read."""
    row = connection.execute("SELECT position FROM sources WHERE name = ?", (source,)).fetchone()
    return None if row is None else bytes(row[0])


def set_position(connection: sqlite3.Connection, source: str, position: bytes) -> None:
    """Say where the source stands."""
    connection.execute(_POSITION, (source, position))


def cursor_of(connection: sqlite3.Connection, consumer: str) -> tuple[int, str]:
    """Where the consumer stands, and its state."""
    row = connection.execute("SELECT position, state FROM cursors WHERE consumer = ?", (consumer,)).fetchone()
    return (0, "") if row is None else (int(row[0]), str(row[1]))


def move_cursor(connection: sqlite3.Connection, consumer: str, position: int, state: str, *, head: int) -> None:
    """Say where the consumer stands. Raises JournalError where that would repeat or skip events."""
    at, _ = cursor_of(connection, consumer)
    if not at <= position <= head:
        raise JournalError(f"{consumer} can't go from {at} to {position} in a journal of {head} events")
    connection.execute(_MOVE, (consumer, position, state))


def park(connection: sqlite3.Connection, consumer: str, rejected: Sequence[RejectedEvent], now_ns: int) -> None:
    """Write down events that the consumer gives up on."""
    for event in rejected:
        connection.execute(_PARK, (consumer, event.seq, clean(event.reason), clean(event.detail), now_ns))


def rejections(connection: sqlite3.Connection, consumer: str | None, limit: int) -> list[Rejection]:
    """What consumers gave up on, the latest first."""
    rows = connection.execute(_REJECTIONS, {"consumer": consumer, "limit": limit})
    return [Rejection(*row) for row in rows]


def rejected_counts(connection: sqlite3.Connection) -> dict[tuple[str, str], int]:
    """How many events each consumer gave up on, by reason."""
    rows = connection.execute("SELECT consumer, reason, count(*) FROM rejected GROUP BY consumer, reason")
    return {(consumer, reason): count for consumer, reason, count in rows}


def put_projection(
    connection: sqlite3.Connection, consumer: str, puts: Mapping[str, bytes], deletes: Collection[str]
) -> None:
    """Delete, then put."""
    if deletes:
        connection.execute(_DELETE, (consumer, as_json(deletes)))
    rows = [(consumer, key, value) for key, value in puts.items()]
    insert_many(connection, "INSERT OR REPLACE INTO projections (consumer, key, value)", rows)


def projected_by(connection: sqlite3.Connection, consumer: str) -> dict[str, bytes]:
    """All that the projection holds."""
    rows = connection.execute("SELECT key, value FROM projections WHERE consumer = ?", (consumer,))
    return {key: bytes(value) for key, value in rows}
