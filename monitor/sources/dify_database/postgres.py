"""Dify's tables in PostgreSQL: short read-only snapshots, no prepared statements (PgBouncer), every error by its kind.

One connection, kept between readings and thrown away after any error. Called by the reader only.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from typing import Any, LiteralString, cast

import msgspec
import psycopg
from psycopg import errors as pg

from monitor.errors import Auth, MonitorError, Permanent, Retryable
from monitor.normalise.failure import STOP_PATTERN
from monitor.normalise.graph import agent_tools_of, graph_of
from monitor.normalise.rows import AgentTool, Graph, MessageRow, NodeRow, RunRow, ThoughtRow
from monitor.sources.dify_database.tables import Key, MessageState, RunState, Signal

__all__ = ["PostgresTables"]

_US = re.compile(r"\bus\(([\w.]+)\)")
_US_SQL = (
    r"(CASE WHEN isfinite(\1) AND \1 < '287000-01-01'::timestamp THEN (extract(epoch FROM \1) * 1000000)::bigint"
    r" WHEN \1 > 'epoch'::timestamp THEN 9000000000000000000 WHEN \1 IS NOT NULL THEN -9000000000000000000 END)"
)
_KEYS_AHEAD = 20
"""Without an index on the runs' creation, one look at all of them brings the keys of this many pages."""
_KEYS_AHEAD_FOR_US = 60_000_000
_MAX_GRAPHS = 256
_ZERO = "00000000-0000-0000-0000-000000000000"
_IDLE_S, _INTERVAL_S, _PROBES = 15, 5, 3
"""A server that went away without a word is noticed in half a minute (libpq's own default is two hours)."""
_WRONG_SETUP = (
    pg.InsufficientPrivilege, pg.UndefinedTable, pg.UndefinedColumn, pg.InvalidPassword, pg.InvalidCatalogName,
    pg.InvalidAuthorizationSpecification,
)  # fmt: skip
_REFUSED_AT_THE_DOOR = re.compile(
    r"authentication failed|does not exist|no pg_hba\.conf entry|permission denied|no password", re.IGNORECASE
)
_PASSWORD = re.compile(r"^[^:]+://[^:@/]*:(.+)@")
_BARE = re.compile(r"[@/?#\s]")
_URL_UNREADABLE = (
    "Dify's database: the URL can't be read. Write it postgresql://user:password@host:5432/dify, and in the password"
    " %40 for @, %2F for /, %3A for :, %3F for ?, %23 for #, %25 for %"
)


def _statements() -> dict[str, LiteralString]:
    text = (files("monitor.sources.dify_database") / "postgres.sql").read_text(encoding="utf-8")
    blocks = re.split(r"^-- name: (\w+)\n", text, flags=re.MULTILINE)[1:]
    named = zip(blocks[::2], blocks[1::2], strict=True)
    # The file is part of the program, so its text is as literal as if it stood here.
    return {name: cast("LiteralString", _US.sub(_US_SQL, sql.strip())) for name, sql in named}  # type: ignore[redundant-cast]


class _Ahead(msgspec.Struct):
    """Keys of runs that one look at the whole table brought for several pages."""

    after: Key | None
    until_us: int
    """When it is too old (the database's time)."""
    keys: list[Key]

    def behind(self, after: Key | None, now_us: int) -> list[Key]:
        """Those behind a place; none where it does not know them all."""
        if now_us > self.until_us or (_place(after) < _place(self.after)):
            return []
        return [key for key in self.keys if _place(key) > _place(after)]


class PostgresTables:
    """Implements `Tables`. `url` is a libpq URI; `statement_timeout_s` bounds every statement."""

    def __init__(self, url: str, *, statement_timeout_s: float = 30.0, connect_timeout_s: int = 10) -> None:
        self._url = url
        self._statement_timeout_ms = max(1, int(statement_timeout_s * 1000))  # 0 would be no limit
        self._connect_timeout_s = connect_timeout_s
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None
        self._statements = _statements()
        self._graphs: dict[str, Graph] = {}
        self._ahead: _Ahead | None = None
        self._runs_indexed: bool | None = None

    @contextmanager
    def snapshot(self) -> Iterator[_PostgresSnapshot]:
        """One REPEATABLE READ READ ONLY transaction."""
        try:
            connection = self._connect()
            with connection.cursor() as cursor:
                cursor.execute(
                    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;"
                    f" SET LOCAL statement_timeout = {self._statement_timeout_ms:d}; SET LOCAL datestyle = 'ISO'"
                )
                yield _PostgresSnapshot(cursor, self)
                cursor.execute("COMMIT")
        except psycopg.Error as exc:
            refused = self._connection is None and _may_show_the_url(exc, self._url)
            self.close()
            if refused:
                raise Auth(_URL_UNREADABLE) from None
            raise _by_kind(exc) from exc
        except UnicodeDecodeError as exc:
            self.close()
            raise Permanent("Dify's database holds text that is not UTF-8", reason="database") from exc
        except BaseException:
            self.close()
            raise

    def _connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(
                self._url,
                autocommit=True,
                prepare_threshold=None,
                connect_timeout=self._connect_timeout_s,
                application_name="dify-monitor",
                client_encoding="utf8",
                keepalives_idle=_IDLE_S,
                keepalives_interval=_INTERVAL_S,
                keepalives_count=_PROBES,
            )
        return self._connection

    @property
    def runs_indexed(self) -> bool:
        """Whether workflow_runs has an index that begins with created_at (Dify 1.11.3 and later)."""
        if self._runs_indexed is None:
            with self.snapshot() as tables:
                return tables.runs_indexed()
        return self._runs_indexed

    def check(self) -> None:
        """Connect and touch every table that is read."""
        with self.snapshot() as tables:
            tables.ask("check")

    def close(self) -> None:
        """Drop the connection."""
        connection, self._connection = self._connection, None
        self._ahead = None
        if connection is not None:
            connection.close()


class _PostgresSnapshot:
    """Implements `Snapshot` within one transaction."""

    def __init__(self, cursor: psycopg.Cursor[tuple[Any, ...]], tables: PostgresTables) -> None:
        self._cursor, self._tables = cursor, tables

    def ask(self, name: str, **values: Any) -> list[tuple[Any, ...]]:
        """All rows of a named statement."""
        return self._cursor.execute(self._tables._statements[name], values or None).fetchall()  # noqa: SLF001

    def runs_indexed(self) -> bool:
        """As of the tables, asked once and remembered."""
        tables = self._tables
        if tables._runs_indexed is None:  # noqa: SLF001
            tables._runs_indexed = any("(created_at" in row[1] for row in self.ask("indexes"))  # noqa: SLF001
        return tables._runs_indexed  # noqa: SLF001

    def now_us(self) -> int:
        return int(self.ask("now")[0][0])

    def message_keys(self, after: Key | None, limit: int) -> Sequence[Key]:
        return self._keys("message_keys", after, limit)

    def message_keys_since(self, since_us: int, until: Key) -> Sequence[Key]:
        return self._keys_since("message_keys_since", since_us, until)

    def _keys(self, name: str, after: Key | None, limit: int) -> list[Key]:
        at, row_id = (after.at, after.id) if after else (None, _ZERO)
        return [Key(*row) for row in self.ask(name, at=at, id=row_id, limit=limit)]

    def _keys_since(self, name: str, since_us: int, until: Key) -> list[Key]:
        return [Key(*row) for row in self.ask(name, since_us=max(0, since_us), at=until.at, id=until.id)]

    def message_states(self, ids: Collection[str]) -> Sequence[MessageState]:
        return [MessageState(*row) for row in self._by_ids("message_states", ids)]

    def messages(self, ids: Collection[str]) -> Sequence[MessageRow]:
        return [MessageRow(*row) for row in self._by_ids("messages", ids)]

    def thought_signals(self, message_ids: Collection[str]) -> dict[str, Signal]:
        rows = self._by_ids("thought_signals", message_ids)
        return {row[0]: Signal(mark=row[1] or "", last_us=row[2], size=int(row[3])) for row in rows}

    def thoughts(self, message_ids: Collection[str]) -> Sequence[ThoughtRow]:
        return [ThoughtRow(*row) for row in self._by_ids("thoughts", message_ids)]

    def run_keys(self, after: Key | None, limit: int) -> Sequence[Key]:
        tables = self._tables
        if self.runs_indexed():
            return self._keys("run_keys", after, limit)
        # One look at the whole table serves many pages; what is missed in between is the sweep's business.
        now_us = self.now_us()
        keys = tables._ahead.behind(after, now_us) if tables._ahead is not None else []  # noqa: SLF001
        if len(keys) < limit:
            keys = self._keys("run_keys", after, limit * _KEYS_AHEAD)
            tables._ahead = _Ahead(after=after, until_us=now_us + _KEYS_AHEAD_FOR_US, keys=keys)  # noqa: SLF001
        return keys[:limit]

    def run_keys_since(self, since_us: int, until: Key) -> Sequence[Key]:
        return self._keys_since("run_keys_since", since_us, until)

    def run_states(self, ids: Collection[str]) -> Sequence[RunState]:
        return [RunState(*row) for row in self._by_ids("run_states", ids)]

    def runs(self, ids: Collection[str]) -> Sequence[RunRow]:
        return [RunRow(*row) for row in self._by_ids("runs", ids)]

    def runs_with_message(self, run_ids: Collection[str], since_us: int, until_us: int) -> set[str]:
        rows = self.ask("runs_with_message", ids=list(run_ids), since_us=max(0, since_us), until_us=until_us)
        return {row[0] for row in rows}

    def node_signals(self, runs: Sequence[RunState]) -> dict[str, Signal]:
        rows = self._by_runs("node_signals", runs, stop=STOP_PATTERN)
        return {
            row[0]: Signal(mark=f"{row[1]}.{row[2]}", last_us=row[3], size=int(row[4]), stop_evidence=bool(row[5]))
            for row in rows
        }

    def nodes(self, runs: Sequence[RunState]) -> Sequence[NodeRow]:
        return [NodeRow(*row) for row in self._by_runs("nodes", runs)]

    def single_step_keys(self, since_us: int, limit: int) -> Sequence[Key]:
        return [Key(*row) for row in self.ask("single_step_keys", since_us=max(0, since_us), limit=limit)]

    def single_steps(self, ids: Collection[str]) -> Sequence[NodeRow]:
        return [NodeRow(*row) for row in self._by_ids("single_steps", ids)]

    def graphs(self, workflow_ids: Collection[str]) -> dict[str, Graph]:
        """Published definitions never change and are remembered; drafts are read again."""
        known = self._tables._graphs  # noqa: SLF001
        missing = [each for each in workflow_ids if each not in known]
        found = {each: known[each] for each in workflow_ids if each in known}
        for row_id, version, text in self._by_ids("graphs", missing):
            found[row_id] = graph_of(text)
            if version != "draft":
                known[row_id] = found[row_id]
        while len(known) > _MAX_GRAPHS:
            del known[next(iter(known))]
        return found

    def agent_tools(self, model_config_ids: Collection[str]) -> dict[str, dict[str, AgentTool]]:
        return {row_id: agent_tools_of(text) for row_id, text in self._by_ids("agent_tools", model_config_ids)}

    def _by_ids(self, name: str, ids: Collection[str]) -> list[tuple[Any, ...]]:
        return self.ask(name, ids=list(ids)) if ids else []

    def _by_runs(self, name: str, runs: Sequence[RunState], **values: Any) -> list[tuple[Any, ...]]:
        """Up to Dify 1.11 the index of the nodes begins with tenant, app, workflow and trigger: name them all."""
        if not runs:
            return []
        groups: defaultdict[str, list[RunState]] = defaultdict(list)
        for run in runs:
            groups[_node_trigger(run)].append(run)
        # A plan by another way than the index would look at every node there is, whatever the statistics promise.
        self._cursor.execute(
            "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL enable_seqscan = off"
        )
        rows: list[tuple[Any, ...]] = []
        for triggered, group in groups.items():
            rows += self.ask(
                name,
                tenants=[run.tenant_id for run in group],
                apps=[run.app_id for run in group],
                workflows=[run.workflow_id for run in group],
                ids=[run.id for run in group],
                triggered=triggered,
                **values,
            )
        self._cursor.execute(
            "SET LOCAL enable_hashjoin = on; SET LOCAL enable_mergejoin = on; SET LOCAL enable_seqscan = on"
        )
        return rows


def _place(key: Key | None) -> tuple[int, str]:
    return (key.us, key.id) if key is not None else (-(2**63), "")


def _node_trigger(run: RunState) -> str:
    return "rag-pipeline-run" if run.triggered_from.startswith("rag-pipeline") else "workflow-run"


def _may_show_the_url(exc: psycopg.Error, url: str) -> bool:
    """Whether the error's text may hold a part of the password: what follows a bare `@` or `/` is taken for a host."""
    password = _PASSWORD.search(url)
    bare = password is not None and _BARE.search(password[1]) is not None
    return bare or isinstance(exc, psycopg.ProgrammingError)


def _by_kind(exc: psycopg.Error) -> MonitorError:
    """The error by what follows from it; its text never holds the URL or a password."""
    text = (exc.diag.message_primary or str(exc)).strip().splitlines()
    detail = f"Dify's database: {text[0] if text else type(exc).__name__}"
    if isinstance(exc, _WRONG_SETUP):
        return Auth(
            f"{detail}. Check the URL, and that the role may SELECT from Dify's tables (docs/howto/database-role.md)"
        )
    if isinstance(exc, psycopg.OperationalError) and exc.sqlstate is None and _REFUSED_AT_THE_DOOR.search(str(exc)):
        return Auth(f"{detail}. Check user, password and database name")
    if isinstance(exc, psycopg.OperationalError | psycopg.InterfaceError | psycopg.InternalError):
        return Retryable(detail, reason="database")
    return Permanent(detail, reason="database")
