"""Connections to the journal's database: one that writes, a few that read, and SQLite's errors in the house's words.

Settings: WAL with `synchronous=FULL`, so that a position once handed out survives a power cut; small page caches, as
there are many connections. Called by sqlite.py.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator
from importlib import resources

from monitor.errors import JournalDamaged, JournalError, JournalFull, Retryable
from monitor.journal.folder import Folder

__all__ = [
    "APPLICATION_ID",
    "LAYOUT",
    "Readers",
    "Writer",
    "check_layout",
    "open_reader",
    "open_writer",
    "plain_errors",
]

APPLICATION_ID = 0x4D4F4E4A
"""`MONJ`: what makes a database file one of ours."""

LAYOUT = 1
"""Version of schema.sql."""

_BUSY_S = 5.0
"""How long a writer waits for one outside of this process, such as a `sqlite3` shell."""

_IDLE_READERS = 8
_PAGE_BYTES = 8192
"""Between what suits small facts (4 kB) and long answers (16 kB); measured."""

_WRITER = (
    f"PRAGMA page_size = {_PAGE_BYTES}",
    "PRAGMA synchronous = FULL",
    "PRAGMA wal_autocheckpoint = 2000",
    "PRAGMA journal_size_limit = 33554432",
    "PRAGMA cache_size = -16000",
    "PRAGMA foreign_keys = OFF",
    "PRAGMA secure_delete = ON",
    "PRAGMA trusted_schema = OFF",
)
_READER = ("PRAGMA query_only = ON", "PRAGMA cache_size = -2000", "PRAGMA trusted_schema = OFF")


_NO_PLACE_FOR_A_LOG = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)


@contextlib.contextmanager
def plain_errors() -> Iterator[None]:
    """Raise SQLite's errors as the house's."""
    try:
        yield
    except sqlite3.Error as exc:
        raise _plain(exc) from exc


def _plain(error: sqlite3.Error) -> Exception:
    """What an error of SQLite means for the caller."""
    code = _code(error)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return Retryable(f"the journal is busy: {error}", reason="journal_busy")
    if code == sqlite3.SQLITE_FULL:
        return JournalFull(f"the journal's disk is full: {error}")
    if code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOMEM):
        return Retryable(f"the journal's disk does not answer as it should: {error}", reason="journal_io")
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return JournalDamaged(f"the journal's file is damaged or not a journal: {error}. Restore it from a backup")
    return JournalError(f"the journal can't do that: {error}")


def _code(error: sqlite3.Error) -> int:
    """SQLite's primary code; 0 for the errors that Python's module raises by itself."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def open_writer(folder: Folder) -> sqlite3.Connection:
    """The connection that writes, on a database that has our layout. The folder must be claimed."""
    connection = _connect(folder.database.as_uri() + "?mode=rw")
    try:
        with plain_errors():
            for pragma in _WRITER:
                connection.execute(pragma)
            if _is_empty(connection):
                _create(connection)
            check_layout(connection)
            _use_wal(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def open_reader(folder: Folder, *, read_only: bool) -> sqlite3.Connection:
    """A connection that reads. `read_only`: without touching the folder, as this process does not own it."""
    uri = folder.database.as_uri()
    with plain_errors():
        try:
            return _readable(f"{uri}?mode={'ro' if read_only else 'rw'}")
        except sqlite3.OperationalError as exc:
            if not read_only or folder.has_wal() or _code(exc) not in _NO_PLACE_FOR_A_LOG:
                raise
        # A closed journal in a folder that can't be written to, such as a copy on a read-only disk.
        return _readable(f"{uri}?immutable=1")


def _readable(uri: str) -> sqlite3.Connection:
    """A connection with the settings of a reader, after a first look into the file."""
    connection = _connect(uri)
    try:
        for pragma in _READER:
            connection.execute(pragma)
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _connect(uri: str) -> sqlite3.Connection:
    """A bare connection; transactions are ours to begin and end."""
    return sqlite3.connect(uri, uri=True, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)


def _is_empty(connection: sqlite3.Connection) -> bool:
    """Whether nothing was ever put into the database."""
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    return bool(tables == 0 and _pragma(connection, "application_id") == 0)


def _create(connection: sqlite3.Connection) -> None:
    """Lay out a new database, wholly or not at all."""
    schema = resources.files("monitor.journal").joinpath("schema.sql").read_text(encoding="utf-8")
    marks = f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {LAYOUT};"
    connection.executescript(f"BEGIN IMMEDIATE; {schema} {marks} COMMIT;")


def check_layout(connection: sqlite3.Connection) -> None:
    """Raise JournalDamaged unless the database is a journal that this version can read."""
    if _pragma(connection, "application_id") != APPLICATION_ID:
        raise JournalDamaged("journal.db is a database of another program. Give `monitor` a folder of its own")
    layout = _pragma(connection, "user_version")
    if layout != LAYOUT:
        raise JournalDamaged(
            f"the journal has layout {layout}, this version knows layout {LAYOUT}. "
            f"Use {'a newer' if layout > LAYOUT else 'an older'} version of `monitor`, or another folder"
        )
    head = connection.execute("SELECT value FROM counters WHERE name = 'next_seq'").fetchone()
    last = connection.execute("SELECT max(seq) FROM events").fetchone()[0]
    if head is None or (last is not None and last != head[0] - 1):
        raise JournalDamaged(f"the journal's last event is {last}, its counter says {head}. Restore it from a backup")


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    """The value of a numeric pragma."""
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def _use_wal(connection: sqlite3.Connection) -> None:
    """Readers beside a writer need WAL; a file system without shared memory refuses it."""
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise JournalError(f"SQLite can't use its write-ahead log here, only {mode!r}. Name a folder on a local disk")


class Writer:
    """The one connection that writes, for one thread at a time."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection, self._lock, self._closed = connection, threading.Lock(), False

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Commit what happens inside, or nothing of it when it raises."""
        with self._lock, plain_errors():
            if self._closed:
                raise JournalError("the journal is closed")
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                self._roll_back()
                raise

    def merge(self) -> None:
        """Merge the write-ahead log into the main file as far as readers allow."""
        with self._lock, plain_errors():
            if not self._closed:
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Close; safe twice. The last connection to close merges the log."""
        with self._lock:
            self._closed = True
            self._connection.close()

    def _roll_back(self) -> None:
        """Take back what was begun; SQLite has already done so after some errors."""
        with contextlib.suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")


class Readers:
    """Connections that read, lent to one thread at a time and kept for the next."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect, self._lock, self._closed = connect, threading.Lock(), False
        self._idle: list[sqlite3.Connection] = []

    @contextlib.contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """A connection for the time of the `with` block."""
        connection = self._take()
        try:
            with plain_errors():
                yield connection
        finally:
            self._give_back(connection)

    def close(self) -> None:
        """Close the idle ones now and the others when they come back; safe twice."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _take(self) -> sqlite3.Connection:
        """An idle connection or a new one."""
        with self._lock:
            if self._closed:
                raise JournalError("the journal is closed")
            if self._idle:
                return self._idle.pop()
        return self._connect()

    def _give_back(self, connection: sqlite3.Connection) -> None:
        """Keep it for the next, unless there are enough."""
        with self._lock:
            if not self._closed and len(self._idle) < _IDLE_READERS:
                self._idle.append(connection)
                return
        connection.close()
