"""Long texts in less room: how a content value is stored, and what was stored read back.

The commitment is over the text itself, so whether a value is packed proves nothing and changes nothing. The fastest
level is nearly as small as the best for what prompts and documents are made of, and cheaper than writing the text out.
"""

from __future__ import annotations

import zlib

from monitor.errors import JournalDamaged

__all__ = ["pack", "unpack"]

_SHORT_BYTES = 500
"""Shorter values hardly shrink."""
_LEVEL = 1


def pack(value: bytes) -> tuple[bytes, int]:
    """What to store of a value, and 1 where that is zlib's form of it, 0 where it is the value."""
    if len(value) <= _SHORT_BYTES:
        return value, 0
    packed = zlib.compress(value, _LEVEL)
    return (packed, 1) if len(packed) < len(value) else (value, 0)


def unpack(stored: bytes, packed: int) -> bytes:
    """The value that was stored. Raises JournalDamaged where it can't be had."""
    if not packed:
        return stored
    try:
        return zlib.decompress(stored)
    except zlib.error as exc:
        raise JournalDamaged(f"a text in the journal can't be read: {exc}. Restore it from a backup") from exc
