"""How far each source and consumer is, and what projections hold. Statements on a connection.

Called by sqlite.py, those that write inside its transactions.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping

from monitor.errors import JournalError
from monitor.journal.statements import as_json, insert_many

__all__ = [
    "cursor_of",
    "is_said",
    "move_cursor",
    "position_of",
    "projected_by",
    "put_projection",
    "set_position",
]

_MOVE = """
INSERT INTO cursors (consumer, position, state) VALUES (?, ?, ?)
    ON CONFLICT (consumer) DO UPDATE SET position = excluded.position, state = excluded.state
"""
_POSITION = """
INSERT INTO sources (name, position, committed_at) VALUES (?, ?, ?)
    ON CONFLICT (name) DO UPDATE SET position = excluded.position, committed_at = excluded.committed_at
"""
_DELETE = "DELETE FROM projections WHERE consumer = ? AND key IN (SELECT value FROM json_each(?))"
_SAID_FOR_NS = 60_000_000_000
"""How often it is written down that a source was read, while its position stays the same."""


def position_of(connection: sqlite3.Connection, source: str) -> bytes | None:
    """Where the source stands; None when it has never been read."""
    row = connection.execute("SELECT position FROM sources WHERE name = ?", (source,)).fetchone()
    return None if row is None else bytes(row[0])


def is_said(connection: sqlite3.Connection, source: str, position: bytes, now_ns: int) -> bool:
    """Whether the journal has the position already, and said so just now."""
    row = connection.execute("SELECT position, committed_at FROM sources WHERE name = ?", (source,)).fetchone()
    return bool(row and row[0] == position and row[1] is not None and 0 <= now_ns - row[1] < _SAID_FOR_NS)


def set_position(connection: sqlite3.Connection, source: str, position: bytes, now_ns: int) -> None:
    """Say where the source stands, and when that was."""
    connection.execute(_POSITION, (source, position, now_ns))


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
