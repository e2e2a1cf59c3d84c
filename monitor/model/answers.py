"""What a journal answers when it is asked about itself or about an id. Plain data for the CLI, replay and metrics."""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec

from monitor.model.trace import TurnRef

__all__ = ["Lag", "Match", "Matched", "Rejection", "Stats"]

Matched = Literal["turn", "conversation", "message", "run"]
"""Which id of a turn a search term agreed with. A trace id is a turn's id without its dashes."""


class Match(msgspec.Struct, frozen=True):
    """A turn that a search term leads to."""

    turn: TurnRef
    matched: Matched
    id: str
    """The whole id that the term is, or begins. Matches with more than one `id` are ambiguous."""


class Lag(NamedTuple):
    """How far a consumer is behind."""

    events: int
    age_ns: int
    """Time since the oldest unread event was recorded; 0 when there is none."""


class Rejection(msgspec.Struct, frozen=True):
    """An event that a consumer gave up on."""

    consumer: str
    seq: int
    reason: str
    detail: str
    attempts: int
    """How often it was given up."""
    at: int
    """When it was given up last (ns)."""


class Stats(msgspec.Struct, frozen=True):
    """The journal as a whole."""

    bytes: int
    """Bytes on disk, with what is not yet merged into the main file."""
    events: int
    """Events that it holds, revisions included."""
    oldest_recorded_at: int | None
    """When the oldest of them was recorded (ns); None when it is empty."""
