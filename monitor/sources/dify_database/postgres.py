"""Dify's tables in PostgreSQL: short read-only snapshots, no prepared statements (PgBouncer), every error by its kind.

One connection, kept between readings and thrown away after any error. Called by the reader only.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import psycopg
from psycopg import errors as pg

from monitor.errors import Auth, MonitorError, Permanent, Retryable
from monitor.sources.dify_database.probe import Index, Probe
from monitor.sources.dify_database.snapshot import Explained, Kept, PostgresSnapshot
from monitor.sources.dify_database.statements import fitted, statements

__all__ = ["PostgresTables"]

_PROBE_EVERY_US = 600_000_000
_NOTHING = Probe(server_version=0, role="", columns={}, indexes={})
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


class PostgresTables:
    """Implements `Tables`. `url` is a libpq URI; `statement_timeout_s` bounds every statement."""

    def __init__(self, url: str, *, statement_timeout_s: float = 30.0, connect_timeout_s: int = 10) -> None:
        self._url = url
        self._statement_timeout_ms = max(1, int(statement_timeout_s * 1000))  # 0 would be no limit
        self._connect_timeout_s = connect_timeout_s
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None
        self._statements = statements()
        self._kept: Kept | None = None
        self._stale = True
        """Whether to probe before the next question."""

    @contextmanager
    def snapshot(self) -> Iterator[PostgresSnapshot]:
        """One REPEATABLE READ READ ONLY transaction."""
        with self._transaction() as (cursor, now_us):
            kept = self._known(cursor, now_us)
            snapshot = PostgresSnapshot(cursor, kept, now_us)
            try:
                yield snapshot
            except _WRONG_SETUP as exc:
                self._stale = True
                again = self._how_to_go_on(kept, snapshot.asked, now_us)
                if not again:
                    raise
                raise Retryable(f"Dify's database: {_first_line(exc)}; {again}", reason="database") from exc

    def _known(self, cursor: psycopg.Cursor[tuple[Any, ...]], now_us: int) -> Kept:
        """What the database has; it is looked at again now and then. Raises Auth where it does not suffice."""
        if self._kept is None or self._stale or now_us > self._kept.probed_us + _PROBE_EVERY_US:
            self._kept = self._probed(cursor, now_us)
            self._kept.probe.demand()
            self._stale = False
        return self._kept

    def _how_to_go_on(self, kept: Kept, asked: str, now_us: int) -> str:
        """After a statement that does not fit the database; empty where a person must set something right."""
        statement = self._statements.get(asked)
        if statement is not None and kept.probed_us < now_us:
            return "looking again at what there is"  # Dify was updated, or our rights changed
        if statement is None or not statement.optional:
            return ""
        kept.broken[statement.name] = now_us + _PROBE_EVERY_US
        return f"reading on without {statement.name}"

    @contextmanager
    def _transaction(self) -> Iterator[tuple[psycopg.Cursor[tuple[Any, ...]], int]]:
        """A transaction and the database's time; every error by its kind."""
        try:
            connection = self._connect()
            with connection.cursor() as cursor:
                cursor.execute(
                    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;"
                    f" SET LOCAL statement_timeout = {self._statement_timeout_ms:d}; SET LOCAL datestyle = 'ISO'"
                )
                ((now_us,),) = self._asked(cursor, "now")
                yield cursor, int(now_us)
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

    def _asked(self, cursor: psycopg.Cursor[tuple[Any, ...]], name: str) -> list[tuple[Any, ...]]:
        """The rows of a statement that needs nothing of Dify's."""
        text = fitted(self._statements[name], _NOTHING)
        return cursor.execute(text).fetchall() if text is not None else []

    def _probed(self, cursor: psycopg.Cursor[tuple[Any, ...]], now_us: int) -> Kept:
        """What the database is now; of what was kept, that which is still right."""
        ((version, role),) = self._asked(cursor, "probed_server")
        indexes: defaultdict[str, list[Index]] = defaultdict(list)
        for table, names in self._asked(cursor, "probed_indexes"):
            indexes[table].append(tuple(names))
        columns = {row[0]: dict(zip(row[1], row[2], strict=True)) for row in self._asked(cursor, "probed_columns")}
        probe = Probe(version, role, columns, dict(indexes))
        before = self._kept
        if before is not None and before.probe == probe:
            return msgspec.structs.replace(before, probed_us=now_us, any_resources=None)
        texts = {name: fitted(each, probe) for name, each in self._statements.items()}
        return Kept(probe, now_us, self._statements, texts, explained=before.explained if before is not None else None)

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
        if self._kept is not None:
            return self._kept.probe.begins("workflow_runs", "created_at")
        with self.snapshot() as tables:
            return tables.runs_indexed()

    def probe(self) -> Probe:
        """What the database has and grants, whether that suffices or not. Raises Retryable, Permanent or Auth."""
        with self._transaction() as (cursor, now_us):
            return self._probed(cursor, now_us).probe

    @contextmanager
    def explaining(self) -> Iterator[list[Explained]]:
        """While it lasts, every statement is explained as well as asked, once more; the list grows."""
        with self.snapshot():
            pass
        found: list[Explained] = []
        kept = self._kept
        if kept is None:
            raise Retryable("Dify's database: not probed", reason="database")
        kept.explained = found
        try:
            yield found
        finally:
            for each in (kept, self._kept):
                if each is not None:
                    each.explained = None

    def check(self) -> None:
        """Connect and touch every table that is read."""
        with self.snapshot() as tables:
            tables.ask("check")

    def close(self) -> None:
        """Drop the connection."""
        connection, self._connection = self._connection, None
        self._stale = True
        if self._kept is not None:
            self._kept.ahead = None
        if connection is not None:
            connection.close()


def _may_show_the_url(exc: psycopg.Error, url: str) -> bool:
    """Whether the error's text may hold a part of the password: what follows a bare `@` or `/` is taken for a host."""
    password = _PASSWORD.search(url)
    bare = password is not None and _BARE.search(password[1]) is not None
    return bare or isinstance(exc, psycopg.ProgrammingError)


def _by_kind(exc: psycopg.Error) -> MonitorError:
    """The error by what follows from it; its text never holds the URL or a password."""
    detail = f"Dify's database: {_first_line(exc)}"
    if isinstance(exc, _WRONG_SETUP):
        return Auth(
            f"{detail}. Check the URL, and that the role may SELECT from Dify's tables (docs/howto/database-role.md)"
        )
    if isinstance(exc, psycopg.OperationalError) and exc.sqlstate is None and _REFUSED_AT_THE_DOOR.search(str(exc)):
        return Auth(f"{detail}. Check user, password and database name")
    if isinstance(exc, psycopg.OperationalError | psycopg.InterfaceError | psycopg.InternalError):
        return Retryable(detail, reason="database")
    return Permanent(detail, reason="database")


def _first_line(exc: psycopg.Error) -> str:
    lines = (exc.diag.message_primary or str(exc)).strip().splitlines()
    return lines[0] if lines else type(exc).__name__
