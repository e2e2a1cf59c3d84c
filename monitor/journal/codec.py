"""Events to bytes and back: the leaf of the Merkle log is the stored form, byte for byte.

A leaf holds everything that was recorded about an event but its content, of which it holds commitments. It is JSON
with its fields in the order of `Leaf` and its maps sorted, so the same event always gives the same bytes. Called by
the rest of this room, and by whoever proves that nothing was changed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import msgspec

from monitor.errors import JournalDamaged
from monitor.model import Body, Event, Recorded, kind_of
from monitor.model.stored import canonical

__all__ = ["ALGORITHM", "SCHEMA", "Leaf", "decode_leaves", "encode_leaf", "leaf_hash", "recorded_of"]

ALGORITHM = "sha256"
"""The hash of the commitments and of the leaf, named in each leaf so that a later one can stand beside it."""

SCHEMA = 1
"""Version of the leaf's fields. Fields may be added with a default under the same number."""


class Leaf(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is stored of an event, in this order."""

    alg: str
    schema: int
    key: str
    revision: int
    kind: str
    source: str
    rank: int
    changed_at: int
    occurred_at: int
    recorded_at: int
    body: Body
    commitments: dict[str, str] = {}
    """Content field to the hash of its salt, name and value (commitments.py)."""
    erased: tuple[str, ...] = ()
    """Content fields that had been erased from the key before this revision came, and were not let in again."""


_ENCODER = msgspec.json.Encoder(order="deterministic")
_DECODER = msgspec.json.Decoder(list[Leaf])


def encode_leaf(leaf: Leaf) -> bytes:
    """The stored bytes. A body that UTF-8 can't hold is stored cleaned."""
    try:
        return _ENCODER.encode(leaf)
    except UnicodeEncodeError:
        return _ENCODER.encode(msgspec.structs.replace(leaf, body=canonical(leaf.body)))


def decode_leaves(joined: bytes) -> list[Leaf]:
    """Leaves that were joined by commas. Raises JournalDamaged when one can't be read."""
    try:
        return _DECODER.decode(b"[" + joined + b"]")
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise JournalDamaged(f"an event in the journal can't be read: {exc}") from exc


def leaf_hash(leaf: bytes) -> bytes:
    """The leaf's hash in the Merkle log (RFC 6962, section 2.1)."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def recorded_of(seq: int, leaf: Leaf, content: Mapping[str, str] | None) -> Recorded:
    """The event as consumers see it; `content` None: it was not asked for, so nothing is said of erasure."""
    event = Event(
        leaf.key, leaf.rank, leaf.changed_at, leaf.occurred_at, leaf.body, {} if content is None else dict(content)
    )
    erased = () if content is None else _erased(leaf, content)
    return Recorded(seq, leaf.revision, leaf.source, leaf.recorded_at, event, erased)


def _erased(leaf: Leaf, content: Mapping[str, str]) -> tuple[str, ...]:
    """Fields that were once committed to under the key and are no longer kept."""
    if not leaf.erased and len(leaf.commitments) == len(content):
        return ()
    return tuple(sorted({*leaf.erased, *leaf.commitments} - content.keys()))


def new_leaf(
    event: Event, revision: int, source: str, recorded_at: int, *, commitments: dict[str, str], erased: tuple[str, ...]
) -> Leaf:
    """The leaf of an event that is about to be appended."""
    return Leaf(
        ALGORITHM, SCHEMA, event.key, revision, kind_of(event.body), source, event.rank, event.changed_at,
        event.occurred_at, recorded_at, event.body, commitments, erased,
    )  # fmt: skip
