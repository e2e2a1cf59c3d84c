"""Sentry's envelopes as bytes: a line of headers, then one item. Pure; no time and no key stand in them.

Format: https://develop.sentry.dev/sdk/data-model/envelopes/. That an event lies alone in its envelope is Sentry's rule.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

import msgspec

from monitor import __version__

__all__ = ["Envelope", "derived_id", "json_bytes", "listed", "member"]

_NAMESPACE = uuid.UUID("5c0f3d52-0b1e-5f0a-9d3f-6b1f1f6a7c41")
"""Never to be changed: every event's id is made of it."""
_SDK = {"name": "dify.monitor", "version": __version__}

_encode = msgspec.json.Encoder().encode


class Envelope(msgspec.Struct, frozen=True):
    """One item on its way."""

    seq: int
    """Of the event in the journal that it is made of."""
    category: str
    """Under which name Sentry limits it: error, transaction, monitor, internal."""
    event_id: str
    """Empty where the item is no event."""
    item: str
    """The item's type: event, transaction, check_in, client_report."""
    payload: bytes

    def to_bytes(self) -> bytes:
        """The whole envelope. The same item gives the same bytes."""
        header: dict[str, Any] = {"event_id": self.event_id} if self.event_id else {}
        item = {"type": self.item, "length": len(self.payload), "content_type": "application/json"}
        return b"\n".join((_encode(header | {"sdk": _SDK}), _encode(item), self.payload, b""))


def derived_id(key: str, role: str = "") -> str:
    """The id of what is made of the fact under this key; `role` keeps several of one fact apart."""
    return uuid.uuid5(_NAMESPACE, f"{role}|{key}" if role else key).hex


def json_bytes(value: dict[str, Any]) -> bytes:
    """A JSON object as bytes."""
    return _encode(value)


def listed(values: Iterable[bytes]) -> bytes:
    """Values that are JSON already, as a JSON list."""
    return b"[" + b",".join(values) + b"]"


def member(whole: bytes, name: str, value: bytes) -> bytes:
    """The JSON object `whole`, which is not empty, with one more member, whose value is JSON already."""
    return whole[:-1] + b"," + _encode(name) + b":" + value + b"}"
