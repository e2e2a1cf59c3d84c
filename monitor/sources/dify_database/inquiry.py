"""How the doctor asks Dify's PostgreSQL: a statement of diagnosis.sql at a time, each in a short snapshot of its own.

One that fails (a right that is missing, a timeout) so never spoils the next. Called by the diagnosis, the proof, the
grants of `monitor doctor` and `monitor init`.
"""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Any, NamedTuple

from monitor.sources.dify_database.grants import identifier
from monitor.sources.dify_database.postgres import PostgresTables
from monitor.sources.dify_database.probe import Probe
from monitor.sources.dify_database.statements import Statement, fitted, statements

__all__ = ["Inquiry", "Server", "tables_of"]

_DRIVER = re.compile(r"^(\w+)\+\w+://")
_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)
_NEEDS = "-- needs:"
_TIMEOUT_MS = 10_000
"""No question of the doctor's is worth more of Dify's time."""


class Server(NamedTuple):
    """The server, and how it treats us."""

    version: str
    role: str
    database: str
    schema: str | None
    is_replica: bool
    backend: int
    read_only: bool
    """Whether the role's transactions only read unless they say otherwise."""
    timeouts: list[str]
    """The role's own `statement_timeout=...`; empty where it has none."""
    superuser: bool
    powerful: bool
    """May create databases or roles, replicate, or pass over row security."""
    connection_limit: int
    """-1: none."""
    connections: int
    """The role's connections now, with ours."""


def tables_of(url: str) -> PostgresTables:
    """The database of a URL, where there is no source of it yet. Opens nothing; close it."""
    return PostgresTables(_DRIVER.sub(r"\1://", url), statement_timeout_s=_TIMEOUT_MS / 1000)


class Inquiry:
    """One database that is being looked at."""

    def __init__(self, tables: PostgresTables) -> None:
        """Connect and look at what there is. Raises Retryable, Permanent or Auth."""
        self._tables = tables
        self._statements = {**statements(), **_statements()}
        self.probe: Probe = tables.probe()

    def rows(self, name: str, **values: Any) -> list[tuple[Any, ...]]:
        """All rows of a statement of diagnosis.sql or of the sidecar's own. Raises Retryable, Permanent or Auth."""
        text = fitted(self._statements[name], self.probe)
        if text is None:
            return []
        # Not a snapshot of the tables: that one asks for rights which may be what is missing.
        with self._tables._transaction() as (cursor, _):  # noqa: SLF001
            cursor.execute(f"SET LOCAL statement_timeout = {_TIMEOUT_MS:d}".encode())
            return cursor.execute(text, values or None).fetchall()

    def some_ids(self, table: str, limit: int) -> list[str]:
        """The first ids of a table that we may read."""
        if not self.probe.may_read(f"{table}.id"):
            return []
        text = f"SELECT x.id::text FROM {identifier(table)} x ORDER BY x.id LIMIT {limit:d}"  # noqa: S608 - quoted
        with self._tables._transaction() as (cursor, _):  # noqa: SLF001
            return [row[0] for row in cursor.execute(text.encode()).fetchall()]

    def server(self) -> Server:
        """Which server this is, and whether something stands between it and us."""
        (row,) = self.rows("server")
        return Server(*row)

    def is_pooled(self, server: Server) -> bool:
        """Whether a pooler stands in between: then the process we were told of is not the one that answers."""
        connection = self._tables._connection  # noqa: SLF001
        return connection is not None and connection.info.backend_pid != server.backend


def _statements() -> dict[str, Statement]:
    text = files("monitor.sources.dify_database").joinpath("diagnosis.sql").read_text(encoding="utf-8")
    blocks = _NAME.split(text)[1:]
    return {name: _statement(name, block) for name, block in zip(blocks[::2], blocks[1::2], strict=True)}


def _statement(name: str, block: str) -> Statement:
    lines = block.strip().splitlines()
    needs = tuple(line.removeprefix(_NEEDS).strip() for line in lines if line.startswith(_NEEDS))
    return Statement(name, "", "\n".join(line for line in lines if not line.startswith("--")), needs)
