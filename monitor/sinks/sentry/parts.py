"""What the `sentry` sink's `encode` makes of one fact, and its `send` understands. Pure; JSON lies in it ready made."""

from __future__ import annotations

import msgspec

__all__ = ["Part", "pack", "unpack"]


class Part(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """One fact: what it adds to its turn, and what may be sent because of it."""

    at: int
    """When it happened (ns)."""
    turn: str = ""
    step: str = ""
    ends: bool = False
    """Whether the turn ended with it."""
    parent: str = ""
    """The step that it ran in; empty: the turn itself."""
    causes: bool = False
    """Whether what it ran in may have failed because of it: a failure that nobody handled."""
    follows: bool = False
    """Whether its event is left out where a step in it has failed: that step's event tells of it."""
    crumb: bytes = b""
    """What it adds to the breadcrumbs of later failures."""
    span: bytes = b""
    """What it adds to the turn's transaction."""
    event: bytes = b""
    """An event of its own, without breadcrumbs."""
    event_id: str = ""
    group: str = ""
    """Short for the event's fingerprint; empty: it is never sampled."""
    first: int = 0
    """So many of this group in an hour are sent, whatever `chosen` says."""
    chosen: bool = True
    """Whether the event belongs to the share of others that is sent."""
    transaction: bytes = b""
    """The turn as a transaction, without its spans."""
    transaction_id: str = ""
    began: int = 0
    """When the turn began (ns)."""
    steps: int = 0
    """How many steps the turn had."""
    sampled: int = 0
    """How many items are left out already because they do not belong to the share that is sent."""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Part)


def pack(part: Part) -> bytes:
    """The part as bytes."""
    return _encoder.encode(part)


def unpack(data: bytes) -> Part:
    """What `pack` made."""
    return _decoder.decode(data)
