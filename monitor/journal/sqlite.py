"""The journal on SQLite: a folder with one database, one writer, and as many readers as there are threads.

This module holds the transactions; what happens inside them stands in intake, reading, consumers, memories and parked,
and what can be asked without one in questions.py. The runtime opens it for writing. Beside a running sidecar, commands
that only look open it with `read_only`, and those that mark or drop parked events with `beside`.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Self

from monitor.errors import JournalError
from monitor.journal import consumers, memories, parked
from monitor.journal.bell import Bell
from monitor.journal.connections import Readers, Writer, open_beside, open_reader, open_writer
from monitor.journal.erasure import erase_content, erase_turns
from monitor.journal.folder import Folder
from monitor.journal.intake import Entropy, take_in
from monitor.journal.layout import check_layout
from monitor.journal.questions import Questions
from monitor.journal.reading import next_batch, read_events
from monitor.model import Event, Recorded
from monitor.model.answers import Lag, Stats
from monitor.ports import Appended, Batch, Clock, Memory, Projection, RejectedEvent

__all__ = ["BATCH_BYTES", "MIN_FREE_BYTES", "SqliteJournal"]

BATCH_BYTES = 4_000_000
"""Stored bytes of a batch, unless a consumer asks for less."""

MIN_FREE_BYTES = 64 * 1024**2
"""Room that appends leave on the disk, unless told otherwise."""

_NOTHING: Mapping[str, bytes] = MappingProxyType({})


class SqliteJournal(Questions):
    """Implements `monitor.ports.Journal`, and answers questions about ids. Safe to share between threads.

    Every method may raise Retryable (busy, or the disk fails) and JournalError (closed, damaged); those that write
    raise JournalError on a journal that was opened to read, all but `mark` and `drop` also on one opened beside.
    """

    def __init__(
        self,
        folder: Folder,
        readers: Readers,
        writer: Writer | None,
        clock: Clock,
        *,
        beside: bool = False,
        max_bytes: int | None = None,
        min_free_bytes: int = MIN_FREE_BYTES,
        entropy: Entropy = os.urandom,
    ) -> None:
        super().__init__(readers)
        self._owns = writer is not None and not beside
        self._folder, self._writer, self._clock = folder, writer, clock
        self._max_bytes, self._min_free_bytes, self._entropy = max_bytes, min_free_bytes, entropy
        self._bell = Bell(self.head)
        with readers.connection() as connection:
            check_layout(connection)
            self._head = _head(connection)

    @classmethod
    def open(
        cls,
        path: Path | str,
        clock: Clock,
        *,
        read_only: bool = False,
        beside: bool = False,
        max_bytes: int | None = None,
        min_free_bytes: int = MIN_FREE_BYTES,
        entropy: Entropy = os.urandom,
    ) -> Self:
        """The journal in the folder `path`, which is made where it is missing.

        `read_only` takes no lock and makes nothing: for looking into a journal that another process writes. `beside`
        is the same, but parked events may be marked and dropped; SQLite's own locks keep the two processes apart.
        `max_bytes` on disk and `min_free_bytes` on the disk bound what `append` takes. Raises ConfigError (the
        folder can't be used), JournalLocked, JournalDamaged.
        """
        folder = Folder(path)
        writer = None
        if read_only or beside:
            folder.expect()
        else:
            folder.claim(clock)
        readers = Readers(lambda: open_reader(folder, read_only=read_only or beside))
        try:
            if not read_only:
                writer = Writer(open_beside(folder) if beside else open_writer(folder))
            return cls(
                folder,
                readers,
                writer,
                clock,
                beside=beside,
                max_bytes=max_bytes,
                min_free_bytes=min_free_bytes,
                entropy=entropy,
            )
        except BaseException:
            _close(readers, writer, folder)
            raise

    def close(self) -> None:
        """Close the files and let the next writer in; safe twice. Threads that wait are woken."""
        self.ring()
        _close(self._readers, self._writer, self._folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Sources

    def append(
        self,
        source: str,
        events: Sequence[Event],
        position: bytes | None,
        *,
        remember: Mapping[str, bytes] = _NOTHING,
        forget: Collection[str] = (),
    ) -> Appended:
        """Commit events, the source's position and what it remembers together; `position` None leaves it as it is.

        What is both forgotten and remembered is remembered. Raises JournalFull, before anything is written, where the
        journal has no room for what is to be kept.
        """
        now_ns = self._clock.now_ns()
        if not events and self._is_said(source, position, now_ns, remember, forget):
            return Appended()
        if events or remember:
            self._folder.check_room(self._max_bytes, self._min_free_bytes)
        with self._writing().transaction() as connection:
            appended, head = take_in(connection, source, events, now_ns, self._entropy)
            memories.keep(connection, source, remember, forget)
            if position is not None and not consumers.is_said(connection, source, position, now_ns):
                consumers.set_position(connection, source, position, now_ns)
        self._grown(head)
        return appended

    def memory(self, source: str) -> Memory:
        """What the source remembers, as it is committed whenever it is asked."""
        return memories.SourceMemory(self._readers, source)

    def position(self, source: str) -> bytes | None:
        """The source's last committed position."""
        with self._readers.connection() as connection:
            return consumers.position_of(connection, source)

    def head(self) -> int:
        """The number of events ever appended."""
        if not self._owns:
            with self._readers.connection() as connection:
                return _head(connection)
        return self._head

    # Consumers

    def read(
        self,
        consumer: str,
        *,
        limit: int,
        kinds: Collection[str],
        content: bool,
        max_bytes: int = BATCH_BYTES,
    ) -> Batch:
        """The next events behind the consumer's cursor, at most `limit` and about `max_bytes`, but at least one.

        A batch may be empty and still move on, past events of other kinds.
        """
        start, _ = self.cursor(consumer)
        return self.scan(start, limit=limit, kinds=kinds, content=content, max_bytes=max_bytes)

    def scan(
        self, position: int, *, limit: int, kinds: Collection[str], content: bool, max_bytes: int = BATCH_BYTES
    ) -> Batch:
        """The events from a position on, as `read` gives them, for those who only look and have no cursor."""
        head = self.head()
        with self._readers.connection() as connection:
            return next_batch(
                connection, position, head, limit=limit, kinds=kinds, content=content, max_bytes=max_bytes
            )

    def cursor(self, consumer: str) -> tuple[int, str]:
        """Position and last committed state of a consumer; (0, '') when it is new."""
        with self._readers.connection() as connection:
            return consumers.cursor_of(connection, consumer)

    def advance(
        self,
        consumer: str,
        position: int,
        *,
        rejected: Sequence[RejectedEvent] = (),
        delivered: Sequence[int] = (),
        state: str = "",
    ) -> None:
        """Move the cursor on; in the same transaction events are parked, and parked ones forgotten that were delivered.

        Raises JournalError for a position behind the cursor or beyond the head.
        """
        if not (rejected or delivered) and self.cursor(consumer) == (position, state):
            return
        with self._writing().transaction() as connection:
            parked.forget(connection, consumer, delivered)
            parked.park(connection, consumer, rejected, self._clock.now_ns())
            consumers.move_cursor(connection, consumer, position, state, head=_head(connection))

    def marked(self, consumer: str, *, content: bool) -> Recorded | None:
        """The consumer's first parked event that a person marked for another delivery; None when there is none."""
        with self._readers.connection() as connection:
            seq = parked.marked_seq(connection, consumer)
            return None if seq is None else read_events(connection, [seq], content=content)[0]

    def project(
        self,
        consumer: str,
        *,
        limit: int,
        kinds: Collection[str],
        content: bool,
        apply: Callable[[Sequence[Recorded]], Projection],
    ) -> Batch:
        """Read on, let `apply` work out what changes, and commit that with the cursor. `apply` may see no events.

        `apply` runs before the transaction, so that appends need not wait for it. Nothing changes when it raises.
        """
        start, state = self.cursor(consumer)
        batch = self.read(consumer, limit=limit, kinds=kinds, content=content)
        change = apply(batch.events)
        if batch.position == start and not (change.puts or change.deletes or change.events):
            return batch
        with self._writing().transaction() as connection:
            if consumers.cursor_of(connection, consumer) != (start, state):
                raise JournalError(f"{consumer} is read by two at once")
            _, head = take_in(connection, consumer, change.events, self._clock.now_ns(), self._entropy)
            consumers.put_projection(connection, consumer, change.puts, change.deletes)
            consumers.move_cursor(connection, consumer, batch.position, state, head=head)
        self._grown(head)
        return batch

    def projected(self, consumer: str) -> dict[str, bytes]:
        """Everything that a projection has put and not deleted."""
        with self._readers.connection() as connection:
            return consumers.projected_by(connection, consumer)

    def wait(self, seen: int, stop: threading.Event, seconds: float) -> None:
        """Wait until `head() > seen`, `stop`, `ring()`, or the seconds are over."""
        self._bell.wait(seen, stop, seconds)

    def ring(self) -> None:
        """Wake all threads in `wait`, as at shutdown."""
        self._bell.ring()

    # Questions

    def lag(self, consumer: str) -> Lag:
        """How many events the consumer has not seen, of any kind, and how long the oldest has been there."""
        head = self.head()
        with self._readers.connection() as connection:
            start, _ = consumers.cursor_of(connection, consumer)
            if start >= head:
                return Lag(0, 0)
            oldest = read_events(connection, [start], content=False)[0]
        return Lag(head - start, max(0, self._clock.now_ns() - oldest.recorded_at))

    def stats(self) -> Stats:
        """Size and age of the whole."""
        head = self.head()
        with self._readers.connection() as connection:
            first = connection.execute("SELECT min(seq) FROM events").fetchone()[0]
            if first is None:
                return Stats(self._folder.bytes(), 0, None)
            oldest = read_events(connection, [first], content=False)[0]
        return Stats(self._folder.bytes(), head - first, oldest.recorded_at)

    # What consumers gave up on

    def mark(self, entries: Collection[tuple[str, int]]) -> int:
        """Mark parked events, by consumer and position, for another delivery; how many could be.

        Those that stand for events without a name (`UNNAMED`) can't.
        """
        with self._operating().transaction() as connection:
            return parked.mark(connection, entries, self._clock.now_ns())

    def drop(self, entries: Collection[tuple[str, int]]) -> int:
        """Give parked events up for good, by consumer and position, and count them; how many there were."""
        with self._operating().transaction() as connection:
            return parked.drop(connection, entries)

    def erase(self, key: str, fields: Collection[str] | None = None) -> int:
        """Delete content of an event in all its revisions, all fields or those named; how many values went.

        Facts and hashes stay, so what proves the journal whole still does. The fields are never filled in again.
        """
        writer = self._writing()
        with writer.transaction() as connection:
            erased = erase_content(connection, key, fields)
        writer.merge()
        return erased

    def erase_turns(self, turn_ids: Collection[str]) -> int:
        """As `erase`, for all events of these turns and the facts beside them; how many values went."""
        writer = self._writing()
        with writer.transaction() as connection:
            erased = erase_turns(connection, turn_ids)
        if erased:
            writer.merge()
        return erased

    def _writing(self) -> Writer:
        """The writer of everything. Raises JournalError where there is none."""
        writer = self._operating()
        if not self._owns:
            raise JournalError(
                f"the journal in {self._folder.path} was opened beside its sidecar, which alone may do that"
            )
        return writer

    def _operating(self) -> Writer:
        """The writer of the operators' tables. Raises JournalError where there is none."""
        if self._writer is None:
            raise JournalError(f"the journal in {self._folder.path} was opened to read")
        return self._writer

    def _is_said(
        self,
        source: str,
        position: bytes | None,
        now_ns: int,
        remember: Mapping[str, bytes],
        forget: Collection[str],
    ) -> bool:
        """Whether nothing need be written about a reading that found nothing."""
        with self._readers.connection() as connection:
            there = position is None or consumers.is_said(connection, source, position, now_ns)
            return there and memories.is_kept(connection, source, remember, forget)

    def _grown(self, head: int) -> None:
        """Tell those who wait of a commit. Commits may be told in another order than they were made."""
        if head > self._head:
            with self._bell.ringing():
                self._head = max(self._head, head)


def _head(connection: sqlite3.Connection) -> int:
    """The position of the next event."""
    return int(connection.execute("SELECT value FROM counters WHERE name = 'next_seq'").fetchone()[0])


def _close(readers: Readers, writer: Writer | None, folder: Folder) -> None:
    """Close the readers first, so that the writer is the last and merges its log; then let go of the lock."""
    readers.close()
    if writer is not None:
        writer.close()
    folder.release()
