"""The journal's events as lines of JSON: the stored leaf byte for byte, its hash, and its content where that is wanted.

Reads on from event to event without holding the journal up, and keeps one event in memory at a time. Events never
change, so the lines are those of the moment at which it began. Called by `monitor journal export`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import msgspec

from monitor.errors import JournalDamaged
from monitor.journal import find
from monitor.journal.connections import open_reader, plain_errors
from monitor.journal.folder import Folder
from monitor.journal.intake import FIELDS_BITS
from monitor.journal.layout import check_layout
from monitor.journal.packing import unpack

__all__ = ["Line", "Selection", "export"]

_AT_ONCE = 500
_SOME = """
SELECT seq, leaf, leaf_hash FROM events WHERE seq >= ? AND seq < ? ORDER BY seq
"""
_NAMED = """
SELECT seq, leaf, leaf_hash FROM events WHERE seq IN (SELECT value FROM json_each(?)) ORDER BY seq
"""
_CONTENT = "SELECT field, salt, value, packed FROM content WHERE id >= ? AND id < ? ORDER BY id"


class Selection(msgspec.Struct, frozen=True):
    """Which events."""

    since_ns: int | None = None
    """Those that happened in Dify then or later."""
    until_ns: int | None = None
    """Those that happened before."""
    conversation: str | None = None
    """Those of this conversation's turns, with the alerts and gaps that name them."""


class Line(msgspec.Struct, frozen=True):
    """One event, and how far the journal was read."""

    text: bytes
    """JSON and a line feed; empty where the event was not wanted."""
    done: int
    total: int


class _Value(msgspec.Struct):
    """What a commitment in the leaf is checked with."""

    salt: str
    value: str


class _Written(msgspec.Struct, omit_defaults=True):
    """A line."""

    seq: int
    leaf_hash: str
    leaf: msgspec.Raw
    content: dict[str, _Value] | None = None


class _Dated(msgspec.Struct):
    """Of a leaf, what is selected by."""

    occurred_at: int


_encode = msgspec.json.Encoder(order="deterministic").encode
_dated = msgspec.json.Decoder(_Dated).decode


def export(path: Path | str, selection: Selection, *, content: bool) -> Generator[Line, None, None]:
    """The lines of the selected events, in the journal's order. `content` adds texts and the salts of their hashes.

    Raises ConfigError (there is no journal), Retryable and JournalError.
    """
    folder = Folder(path)
    folder.expect()
    with closing(open_reader(folder, read_only=True)) as connection, plain_errors():
        check_layout(connection)
        for done, total, (seq, leaf, leaf_hash) in _rows(connection, selection.conversation):
            wanted = _is_wanted(selection, seq, leaf)
            yield Line(_line(connection, seq, leaf, leaf_hash, content=content) if wanted else b"", done, total)


_Row = tuple[int, bytes, bytes]
"""Position, leaf and hash."""


def _rows(connection: sqlite3.Connection, conversation: str | None) -> Iterator[tuple[int, int, _Row]]:
    """Each event, behind how many of how many were looked at."""
    if conversation is not None:
        yield from _named(connection, find.events_of_conversation(connection, conversation))
        return
    first, last = connection.execute("SELECT min(seq), max(seq) FROM events").fetchone()
    if first is None:
        return
    total = last + 1 - first
    for start in range(first, last + 1, _AT_ONCE):
        for row in connection.execute(_SOME, (start, min(last + 1, start + _AT_ONCE))):
            yield row[0] + 1 - first, total, row


def _named(connection: sqlite3.Connection, seqs: Sequence[int]) -> Iterator[tuple[int, int, _Row]]:
    for start in range(0, len(seqs), _AT_ONCE):
        asked = msgspec.json.encode(seqs[start : start + _AT_ONCE]).decode()
        for place, row in enumerate(connection.execute(_NAMED, (asked,)), start + 1):
            yield place, len(seqs), row


def _is_wanted(selection: Selection, seq: int, leaf: bytes) -> bool:
    if selection.since_ns is None and selection.until_ns is None:
        return True
    try:
        at = _dated(leaf).occurred_at
    except msgspec.DecodeError as exc:
        raise JournalDamaged(f"event {seq} can't be read: {exc}") from exc
    since, until = selection.since_ns, selection.until_ns
    return (since is None or at >= since) and (until is None or at < until)


def _line(connection: sqlite3.Connection, seq: int, leaf: bytes, leaf_hash: bytes, *, content: bool) -> bytes:
    texts = _content(connection, seq) if content else None
    return _encode(_Written(seq, leaf_hash.hex(), msgspec.Raw(leaf), texts)) + b"\n"


def _content(connection: sqlite3.Connection, seq: int) -> dict[str, _Value]:
    """By field, the text that is still kept, and its salt."""
    rows = connection.execute(_CONTENT, (seq << FIELDS_BITS, (seq + 1) << FIELDS_BITS))
    return {
        field: _Value(salt.hex(), unpack(value, packed).decode("utf-8", "replace"))
        for field, salt, value, packed in rows
    }
