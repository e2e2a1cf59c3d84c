"""What `monitor doctor` hears from sources and sinks: one finding at a time, each with its remedy."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["Diagnosis", "Outcome", "Proof"]

Outcome = Literal["ok", "warning", "problem"]


class Diagnosis(msgspec.Struct, frozen=True):
    """One thing that was looked at."""

    what: str
    """A few words, such as `rights`, `indexes`, `clock`."""
    outcome: Outcome
    detail: str
    """What was found; never a secret."""
    remedy: str = ""
    """What to do, where something is to be done; may have several lines (SQL, for instance)."""


class Proof(msgspec.Struct, frozen=True):
    """One statement that we send to somebody's database, as its owner would want to see it."""

    name: str
    purpose: str
    sql: str
    plan: str
    """The server's own words."""
    blocks: int | None
    """Blocks that it read or found cached; None where the server does not say."""
    rows: int | None = None
