"""Connections to the journal's database: one that writes, a few that read, and SQLite's errors in the house's words.

Settings: WAL with `synchronous=FULL`, so that a position once handed out survives a power cut; small page caches, as
there are many connections. Called by sqlite.py.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator

from monitor.errors import JournalDamaged, JournalError, JournalFull, Retryable
from monitor.journal.folder import Folder
from monitor.journal.layout import bring_up, check_layout

__all__ = [
    "Readers",
    "Writer",
    "open_beside",
    "open_reader",
    "open_writer",
    "plain_errors",
]

_BUSY_S = 5.0
"""How long a writer waits for one outside of this process, such as a `sqlite3` shell."""

_BESIDE_BUSY_S = 30.0
"""The same for a command beside a sidecar that reads a long past and writes all the time."""

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
_BESIDE = ("PRAGMA synchronous = FULL", "PRAGMA secure_delete = ON", "PRAGMA trusted_schema = OFF")
_READER = ("PRAGMA query_only = ON", "PRAGMA cache_size = -2000", "PRAGMA trusted_schema = OFF")


_OPERATORS = frozenset({"rejected", "dropped"})
"""The tables that a command may write to beside the sidecar."""

_WRITES = frozenset({sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE})
_READS = frozenset({sqlite3.SQLITE_READ, sqlite3.SQLITE_SELECT, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_TRANSACTION})

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
            bring_up(connection)
            check_layout(connection)
            _use_wal(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def open_beside(folder: Folder) -> sqlite3.Connection:
    """A connection that writes beside the one that holds the folder, and to the operators' tables alone.

    SQLite's own locks keep the two apart, and SQLite itself refuses every other write.
    """
    connection = _connect(folder.database.as_uri() + "?mode=rw", _BESIDE_BUSY_S)
    try:
        with plain_errors():
            for pragma in _BESIDE:
                connection.execute(pragma)
            check_layout(connection)
            connection.set_authorizer(_operators_alone)
    except BaseException:
        connection.close()
        raise
    return connection


def _operators_alone(action: int, table: str | None, *_: str | None) -> int:
    """SQLite asks this of all that a statement would do."""
    allowed = action in _READS or (action in _WRITES and table in _OPERATORS)
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY


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


def _connect(uri: str, busy_s: float | None = None) -> sqlite3.Connection:
    """A bare connection; transactions are ours to begin and end."""
    wait_s = _BUSY_S if busy_s is None else busy_s
    return sqlite3.connect(uri, uri=True, timeout=wait_s, isolation_level=None, check_same_thread=False)


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
