"""What each source remembers: committed with its events, read back by key or by a stretch of keys.

Statements on a connection, as in consumers.py, and `SourceMemory`, which lends itself a connection. Values come out
joined into one row, for the reason that statements.py gives. Called by sqlite.py, questions.py and
survey.py.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec

from monitor.journal.connections import Readers
from monitor.journal.statements import as_json, insert_many, joined_numbers
from monitor.model import COVERAGE_KEY, Coverage

__all__ = ["SourceMemory", "coverages", "is_kept", "keep"]

_JOINED = """
json_group_array(key), group_concat(length(value)), CAST(group_concat(CAST(value AS TEXT), '') AS BLOB)
"""
_GET = f"""
SELECT {_JOINED} FROM memories WHERE source = :source AND key IN (SELECT value FROM json_each(:keys))
"""  # noqa: S608 - no value goes into the text
_BETWEEN = f"""
SELECT {_JOINED} FROM (
  SELECT key, value FROM memories WHERE source = :source AND key >= :first AND key < :last ORDER BY key LIMIT :limit)
"""  # noqa: S608 - the same
_FORGET = "DELETE FROM memories WHERE source = ? AND key IN (SELECT value FROM json_each(?))"
_REMEMBER = "INSERT OR REPLACE INTO memories (source, key, value)"
_OF_ALL = """
SELECT memories.source, memories.value FROM sources CROSS JOIN memories
    ON memories.source = sources.name AND memories.key = ?
"""

_coverage_of = msgspec.json.Decoder(Coverage).decode
_keys_of = msgspec.json.Decoder(list[str]).decode


class SourceMemory:
    """Implements `monitor.ports.Memory` for one source: what is committed now. May raise Retryable, JournalError."""

    def __init__(self, readers: Readers, source: str) -> None:
        self._readers, self._source = readers, source

    def get(self, keys: Collection[str]) -> dict[str, bytes]:
        """What is remembered under these keys."""
        if not keys:
            return {}
        with self._readers.connection() as connection:
            return _get(connection, self._source, keys)

    def between(self, first: str, last: str, limit: int) -> list[tuple[str, bytes]]:
        """What is remembered under `first <= key < last`, in the order of the keys, at most `limit`."""
        asked = {"source": self._source, "first": first, "last": last, "limit": max(0, limit)}
        with self._readers.connection() as connection:
            return sorted(_pairs(connection.execute(_BETWEEN, asked).fetchone()))


def keep(connection: sqlite3.Connection, source: str, remember: Mapping[str, bytes], forget: Collection[str]) -> None:
    """Forget, then remember: a key in both is remembered."""
    if forget:
        connection.execute(_FORGET, (source, as_json(forget)))
    insert_many(connection, _REMEMBER, [(source, key, value) for key, value in remember.items()])


def is_kept(
    connection: sqlite3.Connection, source: str, remember: Mapping[str, bytes], forget: Collection[str]
) -> bool:
    """Whether nothing need be written to remember this and forget that."""
    asked = {*remember, *forget}
    return not asked or _get(connection, source, asked) == dict(remember)


def coverages(connection: sqlite3.Connection) -> dict[str, Coverage]:
    """What each source that was ever read says of its coverage; those that say nothing readable are left out."""
    found: dict[str, Coverage] = {}
    for source, value in connection.execute(_OF_ALL, (COVERAGE_KEY,)):
        with contextlib.suppress(msgspec.DecodeError):
            found[source] = _coverage_of(value)
    return found


def _get(connection: sqlite3.Connection, source: str, keys: Collection[str]) -> dict[str, bytes]:
    asked = {"source": source, "keys": as_json(keys)}
    return dict(_pairs(connection.execute(_GET, asked).fetchone()))


def _pairs(row: Sequence[Any]) -> list[tuple[str, bytes]]:
    """Keys and values of a joined row."""
    names, lengths, values = row
    pairs, at = [], 0
    for key, length in zip(_keys_of(names), joined_numbers(lengths), strict=True):
        pairs.append((key, values[at : at + length]))
        at += length
    return pairs
