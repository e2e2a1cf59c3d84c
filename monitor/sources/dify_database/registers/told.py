"""What the memory keeps of a row that was told: enough to see that it changed or went, in a few dozen bytes."""

from __future__ import annotations

from typing import TypeVar

import msgspec

__all__ = [
    "AnnotationTold", "ConfigTold", "DocumentTold", "FeedbackTold", "Held", "HiddenTold", "StatusTold", "pack",
    "unpack",
]  # fmt: skip

T = TypeVar("T")

_encode = msgspec.msgpack.Encoder().encode


class FeedbackTold(msgspec.Struct, frozen=True, array_like=True):
    """A rating; `mark` covers rating, comment and who gave it."""

    mark: str
    number: int
    """The number of the next fact about this row."""
    message_id: str = ""
    rating: str = ""
    given_by: str = ""


class Held(msgspec.Struct, frozen=True, array_like=True):
    """A row that has something to tell, once its turn in the order of time comes."""

    size: int
    """About how many bytes its texts hold."""


class AnnotationTold(msgspec.Struct, frozen=True, array_like=True):
    """An annotation; `mark` covers question, answer, author and message."""

    mark: str
    number: int
    app_id: str = ""
    tenant_id: str = ""
    turn_id: str = ""


class ConfigTold(msgspec.Struct, frozen=True, array_like=True):
    """A configuration or published workflow."""

    updated_us: int
    number: int
    hash: str = ""


class DocumentTold(msgspec.Struct, frozen=True, array_like=True):
    """A document that failed, was stuck or paused once; one that was always fine is not remembered."""

    status: str
    since_us: int
    number: int
    dataset_id: str = ""
    tenant_id: str = ""
    dataset_name: str = ""
    tenant_name: str = ""
    """Whose it was: once it is deleted nothing else says so."""


class StatusTold(msgspec.Struct, frozen=True, array_like=True):
    """A trigger's row or a form that is open, or so young that it is looked at again."""

    status: str
    """As it was told; empty: nothing was told yet."""
    number: int
    open: bool
    """Whether it may still change."""


class HiddenTold(msgspec.Struct, frozen=True, array_like=True):
    """A conversation that is marked as deleted, all its turns told."""

    at_us: int


def pack(value: msgspec.Struct) -> bytes:
    """The value as the memory holds it."""
    return _encode(value)


def unpack(value: bytes | None, kind: type[T]) -> T | None:
    """What `pack` wrote; None where there is nothing."""
    return msgspec.msgpack.decode(value, type=kind) if value is not None else None
