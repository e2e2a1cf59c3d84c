"""Where a reading stands: stored with its events, opaque to everyone else.

Two positions per table (ADR 0001): the mark goes forward through (created_at, id); what lies within `sweep` behind it
is looked at again, because rows appear behind the mark (their `created_at` is older than their commit, and rounded).
"""

from __future__ import annotations

import msgspec

from monitor.model import TurnRef
from monitor.sources.dify_database.tables import Key

__all__ = ["Open", "State", "decode", "encode"]

_MAX_RECENT = 50_000
"""Ids remembered behind a mark; in a denser flood the sweep reaches less far back."""


class Open(msgspec.Struct, omit_defaults=True):
    """A turn that is watched: running, given up but perhaps not dead, or over so lately that rows may still come."""

    message_id: str = ""
    run_id: str = ""
    ref: TurnRef | None = None
    """Fixed when the turn was first told; None while a run waits for its message, or a message for its run."""
    signal: str = ""
    phase: str = "open"
    """open, abandoned, settling"""
    next_us: int = 0
    """Not looked at before (the database's time)."""
    wait_us: int = 0
    """The last pause; each is twice as long as the one before."""


class State(msgspec.Struct, omit_defaults=True):
    """One source's position."""

    messages: Key | None = None
    runs: Key | None = None
    steps_us: int = 0
    since_us: int = 0
    """Nothing created before is wanted."""
    recent_messages: dict[str, int] = {}
    recent_runs: dict[str, int] = {}
    recent_steps: dict[str, int] = {}
    watched: dict[str, Open] = {}
    """By turn id, or by message id where the run is not known yet."""

    def floor(self, recent: dict[str, int]) -> int:
        """Where the memory of what was seen begins, once it had to be cut; before it, known rows would look new."""
        return max(self.since_us, min(recent.values()) if len(recent) >= _MAX_RECENT else 0)

    def forget_before(self, sweep_us: int) -> None:
        """Drop what no sweep will ask for again."""
        self.recent_messages = _recent(self.recent_messages, self.messages, sweep_us)
        self.recent_runs = _recent(self.recent_runs, self.runs, sweep_us)


def _recent(seen: dict[str, int], mark: Key | None, sweep_us: int) -> dict[str, int]:
    floor = (mark.us if mark else 0) - sweep_us
    kept = {row_id: us for row_id, us in seen.items() if us >= floor}
    if len(kept) <= _MAX_RECENT:
        return kept
    return dict(sorted(kept.items(), key=lambda item: item[1])[-_MAX_RECENT:])


_decoder = msgspec.json.Decoder(State)
_encoder = msgspec.json.Encoder()


def decode(position: bytes | None) -> State:
    """The state in a stored position; the beginning where there is none."""
    return _decoder.decode(position) if position else State()


def encode(state: State) -> bytes:
    """The state as a position."""
    return _encoder.encode(state)
