"""Plays a recording: every INSERT, UPDATE and DELETE of a real Dify, commit by commit, at the pace of the caller.

A test takes commits from `load_changes` and applies them, one by one, to a real database (`PgPlayer`) or to plain
dicts (`MemoryPlayer`), and looks in between at what a sidecar makes of the world as it stands. Both players do the
same to the same rows. Turns that the recording has only as final rows are not played.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from functools import cache
from typing import Any, Literal, Self

import msgspec
import psycopg
from psycopg import sql

from tests.support.recordings import (
    EVENT_TABLES,
    LOOKUP_TABLES,
    Row,
    final_rows,
    load_rows,
    load_schema,
    recording_path,
)

__all__ = [
    "Change",
    "Commit",
    "MemoryPlayer",
    "PgPlayer",
    "load_changes",
    "moment_us",
    "shift_database",
    "shift_row",
    "shift_to",
    "shifted",
]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND_US = 1_000_000


@dataclass(frozen=True, slots=True)
class Change:
    """One row, as the change left it; of a deleted row, its id."""

    table: str
    op: Literal["insert", "update", "delete"]
    row: Mapping[str, str | None]
    """All columns; values are PostgreSQL's text."""
    filled: tuple[str, ...] = ()
    """Columns whose values the recording had cut off and that were worked out (tests/recordings/README.md)."""

    @property
    def row_id(self) -> str:
        """The primary key."""
        return self.row["id"] or ""


@dataclass(frozen=True, slots=True)
class Commit:
    """One transaction: what became visible at once."""

    at_us: int
    """When, in microseconds since 1970 UTC."""
    scenario: str
    """Which recorded scenario it belongs to, such as `agent/03_tool_500`."""
    changes: tuple[Change, ...]


def load_changes(version: str, scenario_glob: str = "*") -> list[Commit]:
    """The commits of all scenarios whose name fits the pattern (`agent/*`, `*/0[1-5]*`), in the order of time."""
    lines = gzip.decompress((recording_path(version) / "changes.jsonl.gz").read_bytes()).splitlines()
    decoder = msgspec.json.Decoder(Commit)
    commits = [decoder.decode(line) for line in lines]
    return [commit for commit in commits if fnmatchcase(commit.scenario, scenario_glob)]


def moment_us(text: str) -> int:
    """A database time, naive UTC, in microseconds since 1970."""
    return (datetime.fromisoformat(text).replace(tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)


def shift_row(row: Mapping[str, str | None], by_us: int) -> Row:
    """The row with every time (`*_at`) moved by so many microseconds, exactly."""
    return {name: _shift_text(value, by_us) if value and name.endswith("_at") else value for name, value in row.items()}


def _shift_text(text: str, by_us: int) -> str:
    moved = (datetime.fromisoformat(text) + timedelta(microseconds=by_us)).isoformat(" ")
    return moved.rstrip("0") if "." in moved else moved  # as PostgreSQL prints it


def shifted(commits: Iterable[Commit], by_us: int) -> list[Commit]:
    """The same commits, so many microseconds later."""
    return [
        Commit(
            commit.at_us + by_us,
            commit.scenario,
            tuple(replace(change, row=shift_row(change.row, by_us)) for change in commit.changes),
        )
        for commit in commits
    ]


def shift_to(commits: Sequence[Commit], now_us: int) -> list[Commit]:
    """The same commits, the last of them now, or less than a second before.

    The shift is whole seconds, so that times which Dify rounded to the second stay rounded.
    """
    if not commits:
        return []
    return shifted(commits, (now_us - commits[-1].at_us) // _SECOND_US * _SECOND_US)


def shift_database(connection: psycopg.Connection[Any], by_us: int) -> None:
    """Move every time of every recorded row in a loaded database; give whole seconds for the reason above."""
    for table, column in _time_columns(connection):
        statement = sql.SQL("UPDATE {} SET {} = {} + %s").format(
            sql.Identifier(table), sql.Identifier(column), sql.Identifier(column)
        )
        connection.execute(statement, (timedelta(microseconds=by_us),))


def _time_columns(connection: psycopg.Connection[Any]) -> list[tuple[str, str]]:
    rows = connection.execute(
        "SELECT table_name, column_name FROM information_schema.columns"
        " WHERE table_schema = 'public' AND data_type LIKE 'timestamp%%' AND table_name = ANY(%s)",
        ([*LOOKUP_TABLES, *EVENT_TABLES],),
    )
    return [(str(table), str(column)) for table, column in rows]


@cache
def _lookups(version: str) -> dict[str, dict[str, Row]]:
    """The version's lookup rows; whoever changes one puts another in its place."""
    return final_rows(version, LOOKUP_TABLES)


class MemoryPlayer:
    """Plays on plain dicts: `tables[table][id]` is the row as it stands."""

    def __init__(self, version: str | None = None) -> None:
        """Begin with the version's lookup rows, or with nothing."""
        self.tables: dict[str, dict[str, Row]] = {table: {} for table in (*LOOKUP_TABLES, *EVENT_TABLES)}
        if version is not None:
            self.tables.update({table: dict(rows) for table, rows in _lookups(version).items()})

    def apply(self, commit: Commit) -> None:
        """Make the commit's changes."""
        for change in commit.changes:
            rows = self.tables[change.table]
            if change.op == "delete":
                rows.pop(change.row_id, None)
            else:
                rows[change.row_id] = {**rows.get(change.row_id, {}), **change.row}

    def play(self, commits: Iterable[Commit]) -> None:
        """Apply them all."""
        for commit in commits:
            self.apply(commit)


class PgPlayer:
    """Plays on a PostgreSQL database, each commit in a transaction of its own.

    The database has the schema and the lookup rows already (`fresh_database(recording="1.9", rows="lookups")` of the
    backend), or is empty and gets them by `prepare`. Close it, or use it in a `with`.
    """

    def __init__(self, conninfo: str) -> None:
        self._connection = psycopg.connect(conninfo, autocommit=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connection; safe twice."""
        self._connection.close()

    def prepare(self, version: str) -> None:
        """Make an empty database what it was before the first turn."""
        with self._connection.transaction():
            load_schema(self._connection, version)
            load_rows(self._connection, version, LOOKUP_TABLES)

    def apply(self, commit: Commit) -> None:
        """Make the commit's changes."""
        with self._connection.transaction():
            for change in commit.changes:
                self._change(change)

    def play(self, commits: Iterable[Commit]) -> None:
        """Apply them all."""
        for commit in commits:
            self.apply(commit)

    def _change(self, change: Change) -> None:
        if change.op == "delete":
            statement = sql.SQL("DELETE FROM {} WHERE id = %s").format(sql.Identifier(change.table))
            self._connection.execute(statement, (change.row_id,))
        else:
            # Lookup rows may stand there already, and a subset of scenarios may lack a row's INSERT.
            self._connection.execute(_upsert(change.table, tuple(change.row)), tuple(change.row.values()))


def _upsert(table: str, columns: Sequence[str]) -> sql.Composed:
    names = [sql.Identifier(name) for name in columns]
    assignments = [sql.SQL("{0} = EXCLUDED.{0}").format(name) for name in names]
    return sql.SQL("INSERT INTO {} ({}) VALUES ({}) ON CONFLICT (id) DO UPDATE SET {}").format(
        sql.Identifier(table),
        sql.SQL(", ").join(names),
        sql.SQL(", ").join([sql.Placeholder()] * len(names)),
        sql.SQL(", ").join(assignments),
    )
