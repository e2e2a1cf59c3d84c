"""Where a reading stands: stored with its events, opaque to everyone else.

Two positions per table (ADR 0001): the mark goes forward through (created_at, id); what lies within `sweep` behind it
is looked at again, because rows appear behind the mark (their `created_at` is older than their commit, and rounded).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from monitor.model import TurnRef
from monitor.sources.dify_database.tables import Key

__all__ = ["Open", "Phase", "Place", "State", "decode", "encode"]

_MAX_RECENT = 50_000
"""Ids remembered behind a mark; in a denser flood the sweep reaches less far back."""

Phase = Literal["open", "paused", "abandoned", "settling"]
"""Running; waiting for a person; given up but perhaps not dead; over so lately that rows may still come."""


class Open(msgspec.Struct, omit_defaults=True):
    """A turn that is watched."""

    message_id: str = ""
    run_id: str = ""
    ref: TurnRef | None = None
    """Fixed when the turn was first told; None while a run waits for its message, or a message for its run."""
    signal: str = ""
    phase: Phase = "open"
    next_us: int = 0
    """Not looked at before (the database's time)."""
    wait_us: int = 0
    """The last pause; each is twice as long as the one before."""


class Place(msgspec.Struct, omit_defaults=True):
    """How far one table was read."""

    mark: Key | None = None
    recent: dict[str, int] = {}
    """Rows that were seen, with their creation: those that the sweep meets again, and those ahead of the mark."""
    live: bool = False
    """Rows may still appear behind the mark: it came to the table's end, or near it. Nobody knows when the next reading
    is and how far it goes, so that one sweeps first."""

    def ahead(self) -> int:
        """How many of the rows that were seen may lie ahead of the mark, at most."""
        mark = self.mark
        return sum(us >= mark.us for us in self.recent.values()) if mark is not None else len(self.recent)

    def floor(self, sweep_us: int, since_us: int) -> int:
        """Where the sweep begins: not where the memory was cut, for there known rows would look new."""
        cut = min(self.recent.values()) + 1 if len(self.recent) >= _MAX_RECENT else 0
        return max((self.mark.us if self.mark else 0) - sweep_us, since_us, cut)

    def passed(self, keys: Sequence[Key], latest_us: int) -> None:
        """Remember the rows; the mark goes to the last one that is not from the future.

        A row of the year 2100 must not hide what comes before it.
        """
        self.recent.update((key.id, key.us) for key in keys)
        mark = self.mark
        past = [key for key in keys if key.us <= latest_us]
        ahead = [key for key in past if mark is None or (key.us, key.id) > (mark.us, mark.id)]
        if ahead:
            self.mark = max(ahead, key=lambda key: (key.us, key.id))

    def forget(self, sweep_us: int) -> None:
        """Drop what no sweep will ask for again."""
        floor = (self.mark.us if self.mark else 0) - sweep_us
        kept = {row_id: us for row_id, us in self.recent.items() if us >= floor}
        if len(kept) > _MAX_RECENT:
            kept = dict(sorted(kept.items(), key=lambda item: item[1])[-_MAX_RECENT:])
        self.recent = kept


class State(msgspec.Struct, omit_defaults=True):
    """One source's position."""

    messages: Place = msgspec.field(default_factory=Place)
    runs: Place = msgspec.field(default_factory=Place)
    steps_us: int = 0
    """The newest node tried out alone that was told."""
    steps_next_us: int = 0
    """Not looked for before (the database's time)."""
    recent_steps: dict[str, int] = {}
    since_us: int = 0
    """Nothing created before is wanted."""
    watched: dict[str, Open] = {}
    """By turn id, or by the row's id while the turn is not told."""


_decoder = msgspec.json.Decoder(State)
_encoder = msgspec.json.Encoder()


def decode(position: bytes | None) -> State:
    """The state in a stored position; the beginning where there is none."""
    return _decoder.decode(position) if position else State()


def encode(state: State) -> bytes:
    """The state as a position."""
    return _encoder.encode(state)
