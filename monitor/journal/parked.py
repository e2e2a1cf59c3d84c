"""What consumers gave up on: parked with the reason, marked by a person for another delivery, or dropped and counted.

Statements on a connection, as in consumers.py. Called by sqlite.py, inside its transactions where they write; marking
and dropping also beside the process that holds the journal, so they touch the tables `rejected` and `dropped` alone.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Sequence

from monitor.journal.statements import as_json
from monitor.model.answers import UNNAMED, Rejection
from monitor.model.stored import clean
from monitor.ports import RejectedEvent

__all__ = [
    "drop",
    "dropped_counts",
    "forget",
    "mark",
    "marked_seq",
    "park",
    "rejected_counts",
    "rejections",
]

_PARK = """
INSERT INTO rejected (consumer, seq, reason, detail, attempts, at) VALUES (?, ?, ?, ?, 1, ?)
    ON CONFLICT (consumer, seq) DO UPDATE
   SET reason = excluded.reason, detail = excluded.detail, attempts = attempts + 1, at = excluded.at, retry_at = NULL
"""
_FORGET = "DELETE FROM rejected WHERE consumer = ? AND seq IN (SELECT value FROM json_each(?))"
_REJECTIONS = """
SELECT consumer, seq, reason, detail, attempts, at, retry_at FROM rejected
 WHERE (:consumer IS NULL OR consumer = :consumer) AND (:reason IS NULL OR reason = :reason)
 ORDER BY at DESC, consumer, seq LIMIT :limit
"""
_MARKED = """
SELECT seq FROM rejected
 WHERE consumer = ? AND retry_at IS NOT NULL AND EXISTS (SELECT 1 FROM events WHERE events.seq = rejected.seq)
 ORDER BY seq LIMIT 1
"""
_MARK = "UPDATE rejected SET retry_at = ? WHERE reason <> ? AND consumer = ? AND seq = ?"
_COUNT = """
INSERT INTO dropped (consumer, reason, events)
SELECT consumer, reason, 1 FROM rejected WHERE consumer = ? AND seq = ?
    ON CONFLICT (consumer, reason) DO UPDATE SET events = events + 1
"""
_DROP = "DELETE FROM rejected WHERE consumer = ? AND seq = ?"


def park(connection: sqlite3.Connection, consumer: str, rejected: Sequence[RejectedEvent], now_ns: int) -> None:
    """Write down events that the consumer gives up on. A mark for another delivery goes: it was tried."""
    for event in rejected:
        connection.execute(_PARK, (consumer, event.seq, clean(event.reason), clean(event.detail), now_ns))


def forget(connection: sqlite3.Connection, consumer: str, seqs: Collection[int]) -> None:
    """Parked events were delivered after all."""
    if seqs:
        connection.execute(_FORGET, (consumer, as_json(seqs)))


def rejections(connection: sqlite3.Connection, consumer: str | None, reason: str | None, limit: int) -> list[Rejection]:
    """What consumers gave up on, the latest first."""
    rows = connection.execute(_REJECTIONS, {"consumer": consumer, "reason": reason, "limit": limit})
    return [Rejection(*row) for row in rows]


def rejected_counts(connection: sqlite3.Connection) -> dict[tuple[str, str], int]:
    """How many events each consumer gave up on, by reason."""
    rows = connection.execute("SELECT consumer, reason, count(*) FROM rejected GROUP BY consumer, reason")
    return {(consumer, reason): count for consumer, reason, count in rows}


def marked_seq(connection: sqlite3.Connection, consumer: str) -> int | None:
    """Position of the first event that is to be delivered again; None when there is none."""
    row = connection.execute(_MARKED, (consumer,)).fetchone()
    return None if row is None else int(row[0])


def mark(connection: sqlite3.Connection, entries: Iterable[tuple[str, int]], now_ns: int) -> int:
    """Mark parked events, by consumer and position, for another delivery; how many. Unnamed ones can't be."""
    rows = [(now_ns, UNNAMED, clean(consumer), seq) for consumer, seq in set(entries)]
    return sum(connection.execute(_MARK, row).rowcount for row in rows)


def drop(connection: sqlite3.Connection, entries: Iterable[tuple[str, int]]) -> int:
    """Forget parked events, by consumer and position, and count them; how many."""
    gone = 0
    for consumer, seq in set(entries):
        connection.execute(_COUNT, (clean(consumer), seq))
        gone += connection.execute(_DROP, (clean(consumer), seq)).rowcount
    return gone


def dropped_counts(connection: sqlite3.Connection) -> dict[tuple[str, str], int]:
    """How many were ever dropped, by consumer and reason."""
    return {(consumer, reason): count for consumer, reason, count in connection.execute("SELECT * FROM dropped")}
