"""A real PostgreSQL (13 or later) with databases that are copies of a recorded Dify's.

Started from the installed programs; or, where the environment variable MONITOR_TEST_PG_URL names one, a server that
runs already and whose role may create databases. Each `fresh_database` is a copy of a template that is loaded once a
server, which takes a fraction of a second.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from tests.backends.process import ServerProcess, Unavailable, as_account, free_port, program
from tests.support.recordings import EVENT_TABLES, LOOKUP_TABLES, OTHER_TABLES, VERSIONS, load_rows, load_schema

__all__ = ["Database", "Postgres", "Rows"]

Rows = Literal["all", "lookups", "none"]
"""Which recorded rows a database holds: all, those around turns only, or just the schema."""

_TABLES: dict[Rows, tuple[str, ...]] = {
    "all": LOOKUP_TABLES + EVENT_TABLES + OTHER_TABLES,
    "lookups": LOOKUP_TABLES,
    "none": (),
}
_OLDEST = 13
_READY_S = 60.0
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "timezone": "UTC",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "shared_buffers": "64MB",
    "max_connections": "100",
    "log_min_messages": "warning",
}


class Database:
    """One database of a server; drop it, or use it in a `with`."""

    def __init__(self, url: str, drop: Any) -> None:
        self.url, self._drop = url, drop

    @property
    def name(self) -> str:
        """Its name on the server."""
        return urlsplit(self.url).path.removeprefix("/")

    @contextmanager
    def connection(self, *, autocommit: bool = True) -> Iterator[psycopg.Connection[Any]]:
        """A connection as the owner, closed at the end."""
        with psycopg.connect(self.url, autocommit=autocommit) as connection:
            yield connection

    def drop(self) -> None:
        """Remove it, whoever is connected; safe twice."""
        self._drop(self.name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.drop()


class Postgres:
    """A server; use it in a `with`. `restart`, `stop` and `start` are for tests of what happens when it is away."""

    def __init__(self) -> None:
        """Find out how it can be had; raises Unavailable."""
        self._url = os.environ.get("MONITOR_TEST_PG_URL", "")
        self._external = bool(self._url)
        self._numbers = count()
        self._made: list[str] = []
        self._templates: dict[tuple[str, Rows], str] = {}
        self._process: ServerProcess | None = None
        self._folder: Path | None = None
        if not self._external:
            self._bin = _binaries()
            self._account = _unprivileged()

    def __enter__(self) -> Self:
        if self._external:
            return self
        # Not pytest's folder: the server's user must be able to walk into it.
        self._folder = Path(tempfile.mkdtemp(prefix="dify-monitor-pg-"))
        try:
            self._initialise(self._folder)
            self.start()
        except BaseException:
            self._clear()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._external:
            for name in list(self._made):
                self._drop(name)
        self._clear()

    def _clear(self) -> None:
        if self._process is not None:
            self._process.stop(signal.SIGQUIT)  # at once: the data are thrown away
            self._process = None
        if self._folder is not None:
            shutil.rmtree(self._folder)
            self._folder = None

    def _initialise(self, folder: Path) -> None:
        if self._account:
            os.chown(folder, self._account.pw_uid, self._account.pw_gid)
        self._port = free_port()
        self._url = f"postgresql://postgres@127.0.0.1:{self._port}/postgres"
        command = [self._bin / "initdb", "-D", folder / "data", "-U", "postgres", "-A", "trust", "-E", "UTF8"]
        done = subprocess.run(
            [*map(str, command), "--locale=C", "--no-sync"],
            capture_output=True,
            text=True,
            check=False,
            cwd=folder,
            **as_account(self._account),
        )
        if done.returncode:
            raise RuntimeError(f"initdb failed:\n{done.stdout}\n{done.stderr}")

    def start(self) -> None:
        """Start our server (again, on the same port and data)."""
        assert self._folder is not None, "this server is not ours to start"
        preloaded = {"shared_preload_libraries": "pg_stat_statements"} if _has_statistics(self._bin) else {}
        settings = {**_SETTINGS, **preloaded, "port": str(self._port), "unix_socket_directories": str(self._folder)}
        flags = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        command: list[str | Path] = [self._bin / "postgres", "-D", self._folder / "data", *flags]
        self._process = ServerProcess(command, self._folder / "log", account=self._account)
        self._process.wait_until(self._accepts, _READY_S)

    def stop(self) -> None:
        """Stop our server, breaking its connections off; its data stay. Safe twice."""
        if self._process is not None:
            self._process.stop(signal.SIGINT)
            self._process = None

    def restart(self) -> None:
        """Stop and start it."""
        self.stop()
        self.start()

    def _accepts(self) -> bool:
        try:
            psycopg.connect(self._url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def url(self, database: str) -> str:
        """The address of a database, for libpq and for the sidecar's configuration."""
        parts = urlsplit(self._url)
        return urlunsplit(parts._replace(path=f"/{database}"))

    @property
    def counts_statements(self) -> bool:
        """Whether pg_stat_statements is loaded."""
        with psycopg.connect(self._url) as connection:
            row = connection.execute("SHOW shared_preload_libraries").fetchone()
        return row is not None and "pg_stat_statements" in row[0]

    def fresh_database(self, recording: str | None = None, *, rows: Rows = "all") -> Database:
        """A database nobody else uses: empty, or as a recorded version's (`1.9`, `0.15`; `1.12` without rows)."""
        name = self._name("db")
        self._create(name, None if recording is None else self._template(recording, rows))
        return Database(self.url(name), self._drop)

    def _template(self, recording: str, rows: Rows) -> str:
        if (recording, rows) not in self._templates:
            name = self._name("template")
            self._create(name, None)
            with psycopg.connect(self.url(name), autocommit=True) as connection:
                load_schema(connection, recording)
                if recording in VERSIONS:
                    load_rows(connection, recording, _TABLES[rows])
                connection.execute("ANALYZE")
            self._templates[recording, rows] = name
        return self._templates[recording, rows]

    def _name(self, kind: str) -> str:
        return f"monitor_test_{os.getpid()}_{kind}_{next(self._numbers)}"

    def _create(self, name: str, template: str | None) -> None:
        create = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
            sql.Identifier(name), sql.Identifier(template or "template0")
        )
        empty = sql.SQL(" ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'")
        self._admin(create if template else create + empty)
        self._made.append(name)

    def _drop(self, name: str) -> None:
        if name in self._made:
            self._admin(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
            self._made.remove(name)

    def _admin(self, statement: sql.Composed) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(statement)


def _binaries() -> Path:
    """The folder of the newest server programs, 13 or later."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: _major(path.parent.name))
    remedy = "install PostgreSQL 13 or later (Debian: apt-get install postgresql), or set MONITOR_TEST_PG_URL"
    server = program("postgres", installed[::-1], remedy=remedy).resolve()
    said = subprocess.run([server, "--version"], capture_output=True, text=True, check=True).stdout
    if _major(said) < _OLDEST:
        raise Unavailable(f"{said.strip()} is too old: {remedy}")
    if not (server.parent / "initdb").exists():
        raise Unavailable(f"there is no initdb beside {server}: {remedy}")
    return server.parent


def _has_statistics(binaries: Path) -> bool:
    """Whether the server's programs came with pg_stat_statements (Debian's do)."""
    done = (
        subprocess.run([binaries / "pg_config", "--pkglibdir"], capture_output=True, text=True, check=False)
        if (binaries / "pg_config").exists()
        else None
    )
    folders = [Path(done.stdout.strip())] if done is not None and done.returncode == 0 else [binaries.parent / "lib"]
    return any((folder / "pg_stat_statements.so").exists() for folder in folders)


def _major(text: str) -> int:
    found = re.search(r"\d+", text)
    return int(found[0]) if found else 0


def _unprivileged() -> pwd.struct_passwd | None:
    """Whom to run the server as: it refuses root. None: as ourselves."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise Unavailable("PostgreSQL refuses to run as root, and there is no user postgres or nobody")
