"""Identities: derived from Dify's own, never drawn, so that a repeat is the same (docs/explanation/identities.md).

Trace and span ids follow the rule that Dify Enterprise's telemetry uses: a trace is the UUID of the workflow run,
or of the message where there is no run; a span is the low 64 bits of the UUID of its row.
"""

from __future__ import annotations

import re
from hashlib import blake2b

__all__ = ["is_uuid", "note_key", "span_id", "step_key", "trace_id", "turn_key"]

_PERSON = b"difymon-span-v1"
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_NO_TRACE, _NO_SPAN = "0" * 32, "0" * 16


def is_uuid(text: str) -> bool:
    """Whether the text is a UUID in its usual 36 characters."""
    return _UUID.fullmatch(text) is not None


def trace_id(turn_id: str) -> str:
    """The 32 hex digits of the turn's trace; never all zero."""
    if is_uuid(turn_id):
        digits = turn_id.replace("-", "").lower()
    else:
        digits = blake2b(turn_id.encode("utf-8", "replace"), digest_size=16, person=_PERSON).hexdigest()
    return digits if digits != _NO_TRACE else "0" * 31 + "1"


def span_id(turn_id: str, role: str, row_id: str) -> str:
    """The 16 hex digits of a span.

    `row_id` is the UUID of the span's own row in Dify, or, for a span that has none (one tool call of a thought),
    any text that names it within the turn; `role` then keeps the kinds apart.
    """
    if is_uuid(row_id):
        digits = row_id.replace("-", "")[16:].lower()
    else:
        text = f"{trace_id(turn_id)}|{role}|{row_id}"
        digits = blake2b(text.encode("utf-8", "replace"), digest_size=8, person=_PERSON).hexdigest()
    return digits if digits != _NO_SPAN else "0" * 15 + "1"


def turn_key(turn_id: str, what: str) -> str:
    """The key of a turn's own event; `what` is `started` or `ended`. A turn's keys sort together."""
    return f"{turn_id}:turn:{what}"


def step_key(turn_id: str, step_id: str) -> str:
    """The key of a step's event. It begins with its turn, so that a turn's events lie together on disk."""
    return f"{turn_id}:step:{step_id}"


def note_key(owner: str, what: str, row_id: str, number: int = 0) -> str:
    """The key of a fact beside the turns: the `number`th one about that row (given, changed, withdrawn, ...).

    `owner` is a turn's id, else `app:{id}`, `dataset:{id}` or `source:{name}`, so that an owner's facts lie together.
    """
    return f"{owner}:{what}:{row_id}:{number}"
