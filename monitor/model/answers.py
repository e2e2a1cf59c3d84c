"""What a journal answers when it is asked about itself or about an id. Plain data for the CLI, replay and metrics."""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec

from monitor.model.trace import TurnRef

__all__ = [
    "UNNAMED",
    "Backlog",
    "Gaps",
    "Holder",
    "Lag",
    "Large",
    "Match",
    "Matched",
    "Parked",
    "Reading",
    "Rejection",
    "Stats",
    "Turns",
    "Weighed",
    "Weight",
]

UNNAMED = "partial_success"
"""Reason of an entry for events that were refused without being named: the first of its batch stands for all."""

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


class Holder(NamedTuple):
    """The process that writes a journal."""

    pid: int
    """0 where it is not known."""
    host: str
    since: int
    """When it took the journal (ns)."""


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
    retry_at: int | None = None
    """When a person asked for another delivery (ns); None: nobody did, or it was tried since."""


class Stats(msgspec.Struct, frozen=True):
    """The journal as a whole."""

    bytes: int
    """Bytes on disk, with what is not yet merged into the main file."""
    events: int
    """Events that it holds, revisions included."""
    oldest_recorded_at: int | None
    """When the oldest of them was recorded (ns); None when it is empty."""


class Reading(NamedTuple):
    """A source that the journal knows."""

    source: str
    committed_at: int | None
    """When its position was committed last, to the minute (ns); None: that was not written down then."""


class Backlog(NamedTuple):
    """What a consumer has still to see."""

    consumer: str
    events: int
    oldest_at: int | None
    """When the oldest of them was recorded (ns); None where nothing waits."""


class Parked(NamedTuple):
    """Events that a consumer gave up on for one reason."""

    consumer: str
    reason: str
    events: int
    marked: int
    """How many of them are to be delivered again."""


class Turns(NamedTuple):
    """The turns whose beginning the journal has."""

    begun: int
    open: int
    """How many of them have not ended."""
    oldest_started_at: int | None
    """When the oldest of those started in Dify (ns)."""


class Gaps(NamedTuple):
    """What could not be read from Dify."""

    total: int
    newest_at: int | None
    """When the newest was recorded (ns); None where there is none."""
    newest_what: str = ""
    newest_reason: str = ""


class Weight(NamedTuple):
    """Events of one kind or of one day."""

    name: str
    events: int
    leaf_bytes: int
    content_bytes: int
    """What their content weighed when it came, before it was packed; what was erased since is in it."""


class Large(NamedTuple):
    """An event that takes much room."""

    seq: int
    key: str
    leaf_bytes: int
    content_bytes: int


class Weighed(msgspec.Struct, frozen=True):
    """What takes how much room in a journal."""

    kinds: tuple[Weight, ...]
    """The heaviest first."""
    days: tuple[Weight, ...]
    """By the day (UTC) on which they were recorded, in order."""
    largest: tuple[Large, ...]
    leaf_bytes: int
    content_bytes: int
    """Content that is still kept, as it is stored (long texts are packed), with its salts."""
    memory_bytes: int
    """What sources remember of what they told."""
    file_bytes: int
    """The main file, and what is not yet merged into it."""
    free_bytes: int
    """Pages of the file that hold nothing now and are used for what comes."""

    @property
    def other_bytes(self) -> int:
        """Keys, hashes, indexes, names, projections, and the rests of pages."""
        told = self.leaf_bytes + self.content_bytes + self.memory_bytes + self.free_bytes
        return max(0, self.file_bytes - told)
