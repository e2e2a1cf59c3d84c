"""What one reading of the registers hands to the reader, and what it must be handed again next time. Plain data."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import msgspec

from monitor.model import Event

__all__ = ["RegisterPage", "Round"]


class Round(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far the present pass over one register is. Part of the source's position (JSON or msgpack alike)."""

    after: str = ""
    """The id of the last row that was looked at; empty: a pass begins."""
    next_us: int = 0
    """When the next pass may begin (the database's time)."""
    history_told: bool = False
    """A pass came to its end once: from now on a reading costs one slice, and the rest can wait."""
    since_us: int = 0
    """Registers with ids in the order of time: up to which moment everything was seen."""
    began_us: int = 0
    """Registers that hold back: when the present pass began."""
    until_us: int = 0
    """Registers that hold back: what happened before this moment is told now; 0: the pass is still under way."""
    within: str = ""
    """A second place: the last of the open rows that was looked at, or the last turn told of a conversation that alone
    fills a page."""


class RegisterPage(msgspec.Struct, frozen=True):
    """What the registers have to say at one reading."""

    events: Sequence[Event] = ()
    """In the order they happened."""
    remember: Mapping[str, bytes] = {}
    """Keys begin with `n/{register}/`."""
    forget: Collection[str] = ()
    rounds: dict[str, Round] = {}
    """By register; goes into the next position and from there into the next `read`."""
    more: bool = False
    """There is untold history: read on at once."""
