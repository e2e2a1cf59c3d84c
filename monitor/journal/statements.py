"""How this room talks to SQLite: few long statements instead of many short ones.

Python lets go of its lock at every step of a statement, and takes up to 5 ms to get it back while another thread
computes. A statement that yields a row per step is then slowed to some hundred rows a second (measured: 60 turns/s
instead of 4,400). So rows go in many at a time, and come out joined into one row.
"""

from __future__ import annotations

import functools
import itertools
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

__all__ = ["as_json", "insert_many", "joined_numbers", "numbers"]

_MOST_ROWS = 512


def as_json(values: Iterable[str | int]) -> str:
    """The values as a JSON array, for `json_each(?)`: a list of any length in one parameter."""
    return msgspec.json.encode(list(values)).decode()


def joined_numbers(joined: str | None) -> list[int]:
    """What `group_concat` made of integers; empty for no rows."""
    return [] if joined is None else [int(number) for number in joined.split(",")]


def numbers(row: Sequence[Any]) -> list[list[int]]:
    """Each column of a row of joined integers."""
    return [joined_numbers(column) for column in row]


def insert_many(connection: sqlite3.Connection, insert: str, rows: Sequence[Sequence[Any]]) -> None:
    """Run `insert` (such as `INSERT INTO t (a, b)`) for all rows, in chunks that are powers of two.

    So each text occurs again and again and SQLite's compiled form of it is re-used.
    """
    at = 0
    while at < len(rows):
        size = min(_MOST_ROWS, 1 << ((len(rows) - at).bit_length() - 1))
        chunk = rows[at : at + size]
        connection.execute(_insert_text(insert, len(chunk[0]), size), list(itertools.chain.from_iterable(chunk)))
        at += size


@functools.cache
def _insert_text(insert: str, columns: int, rows: int) -> str:
    """The statement with a place for every value."""
    row = f"({','.join('?' * columns)})"
    return f"{insert} VALUES {','.join([row] * rows)}"
