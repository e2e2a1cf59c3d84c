"""Salted hashes of content: a leaf commits to what was said without holding it.

A salt is 16 random bytes of its own for each value. Whoever is given a salt and a value can check them against the
leaf; once both are deleted, the hash tells nothing, however short the value was.
"""

from __future__ import annotations

import hashlib

__all__ = ["SALT_BYTES", "commitment", "value_bytes"]

SALT_BYTES = 16

_PIECE_BYTES = 2047
"""From 2048 bytes on, hashlib lets go of Python's lock, which costs more than the hash (statements.py says why)."""


def value_bytes(text: str) -> bytes:
    """The bytes that are stored and committed to. Lone surrogates, which no UTF-8 holds, become question marks."""
    return text.encode("utf-8", "replace")


def commitment(salt: bytes, field: str, value: bytes) -> str:
    """Hex of SHA-256 over salt, field name, a zero byte, and value: a value can't be passed off as another field's."""
    start = salt + field.encode("utf-8", "replace") + b"\x00"
    if len(start) + len(value) <= _PIECE_BYTES:
        return hashlib.sha256(start + value).hexdigest()
    digest = hashlib.sha256(start)
    pieces = memoryview(value)
    for at in range(0, len(value), _PIECE_BYTES):
        digest.update(pieces[at : at + _PIECE_BYTES])
    return digest.hexdigest()
