"""What a source remembers of every row that it told or left out, so that comparisons know it again (ADR 0013).

One entry a row under `m/{creation}/{app}/{id}` (messages) or `r/...` (runs), so that a span of time is a span of keys.
One of a turn's rows owns the turn: its run's, else its message's; that entry holds what every event of the turn says
of whose it is, so that what is told later of the turn says the same. Pure; called by the reader and the comparisons.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import NamedTuple

import msgspec

from monitor.model import TurnRef
from monitor.sources.dify_database.tables import Table

__all__ = ["Remembered", "Row", "edge", "gone_key", "mark_of", "recalled", "row_at", "stored"]

_LETTER: dict[Table, str] = {"messages": "m", "workflow_runs": "r"}
_TABLE: dict[str, Table] = {letter: table for table, letter in _LETTER.items()}
_LATEST_US = 9_999_999_999_999_999
"""Creations are written with sixteen digits; what lies outside is put to the edges and never compared."""


class Row(NamedTuple):
    """A row's place in the memory."""

    table: Table
    us: int
    app_id: str
    id: str

    @property
    def key(self) -> str:
        """Under which it is remembered."""
        return f"{edge(self.table, self.us)}{self.app_id}/{self.id}"


class _Whose(TurnRef, frozen=True, array_like=True):
    """A turn's reference without its fields' names: an entry is written for every row there is."""


class Remembered(msgspec.Struct, frozen=True, array_like=True):
    """What is known of a row."""

    ref: _Whose
    """Whole in the entry that owns the turn, else only what names the turn."""
    mark: str = ""
    """Of the turn's fingerprint when it was told last; only in the entry that owns the turn."""
    message_id: str = ""
    """The message that was told with the run; only in the entry of a run."""
    owner: bool = False
    ended: bool = False
    left_out: bool = False
    """The configuration leaves it out."""
    unread: bool = False
    """It could not be understood, which was told as a gap."""

    @property
    def turn(self) -> TurnRef:
        """The turn's reference."""
        return TurnRef(*msgspec.structs.astuple(self.ref))


_decoder = msgspec.msgpack.Decoder(Remembered)
_encoder = msgspec.msgpack.Encoder()


def edge(table: Table, us: int) -> str:
    """The beginning of all keys of rows created at that moment."""
    return f"{_LETTER[table]}/{min(max(us, 0), _LATEST_US):016d}/"


def row_at(key: str) -> Row:
    """The row of a key."""
    letter, us, app_id, row_id = key.split("/", 3)
    return Row(_TABLE[letter], int(us), app_id, row_id)


def gone_key(turn_id: str) -> str:
    """Under which it stands that a turn's deletion was told while another of its rows is still remembered."""
    return f"d/{turn_id}"


def mark_of(fingerprint: str) -> str:
    """A fingerprint in brief."""
    return blake2b(fingerprint.encode("utf-8", "replace"), digest_size=6).hexdigest()


def stored(row: Row, ref: TurnRef, **known: object) -> bytes:
    """An entry as it is stored: what its key says already is left out."""
    of_message = row.table == "messages" and ref.message_id == row.id
    whose = msgspec.structs.replace(
        ref,
        turn_id=ref.turn_id if ref.turn_id != row.id else "",
        app_id=ref.app_id if ref.app_id != row.app_id else "",
        message_id=ref.message_id if not of_message else "",
        run_id="" if ref.run_id == ref.turn_id else ref.run_id or "-",
    )
    told = Remembered(_Whose(*msgspec.structs.astuple(whose)), **known)  # type: ignore[arg-type]
    return _encoder.encode(told)


def recalled(row: Row, entry: bytes) -> Remembered:
    """What was stored. Raises msgspec.DecodeError."""
    told = _decoder.decode(entry)
    ref = told.ref
    turn_id = ref.turn_id or row.id
    whole = msgspec.structs.replace(
        ref,
        turn_id=turn_id,
        app_id=ref.app_id or row.app_id,
        message_id=ref.message_id or (row.id if told.owner and row.table == "messages" else ""),
        run_id="" if ref.run_id == "-" else ref.run_id or turn_id,
    )
    return msgspec.structs.replace(told, ref=whole)
