"""Where a reading stands: stored with its events, opaque to everyone else.

Two positions per table (ADR 0001): the mark goes forward through (created_at, id); what lies within `sweep` behind it
is looked at again, because rows appear behind the mark (their `created_at` is older than their commit, and rounded).
Beside them: the turns that are watched, and how far the comparisons are (ADR 0013).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

import msgspec

from monitor.model import TurnRef
from monitor.sources.dify_database.registers.page import Round
from monitor.sources.dify_database.tables import Key

__all__ = ["Open", "Phase", "Place", "State", "Walk", "decode", "encode", "key_at"]

_MAX_RECENT = 50_000
"""Ids remembered behind a mark; in a denser flood the sweep reaches less far back."""
_MIN_ID = "00000000-0000-0000-0000-000000000000"
_DAY_US = 86_400_000_000

Phase = Literal["open", "paused", "abandoned", "settling"]
"""Running; waiting for a person; given up but perhaps not dead; over so lately that rows may still come."""


def key_at(us: int) -> Key:
    """The place before all rows created at that moment (a time of the years 1970 to 9999)."""
    moment = datetime.fromtimestamp(us // 1_000_000, UTC).replace(tzinfo=None, microsecond=us % 1_000_000)
    return Key(id=_MIN_ID, at=moment.isoformat(sep=" "), us=us)


class Open(msgspec.Struct, omit_defaults=True):
    """A turn that is watched."""

    message_id: str = ""
    run_id: str = ""
    ref: TurnRef | None = None
    """Fixed when the turn was first told; None while a run waits for its message, or a message for its run."""
    signal: str = ""
    lagging_us: int = 0
    """Since when one of its rows is seen to wait for the other (the database's time); 0: it does not."""
    seen_us: int = 0
    """When its last sign of life was seen (the database's time), where that claims to be from the future; else 0."""
    phase: Phase = "open"
    next_us: int = 0
    """Not looked at before (the database's time)."""
    wait_us: int = 0
    """The last pause; each is twice as long as the one before."""
    created_us: int = 0
    """Creation of its first row; 0: written by a version that did not keep it."""

    @property
    def since_us(self) -> int:
        """When the turn began."""
        return self.created_us or (self.ref.started_at // 1000 if self.ref is not None else 0)


class Place(msgspec.Struct, omit_defaults=True):
    """How far one table was read."""

    mark: Key | None = None
    recent: dict[str, int] = {}
    """Rows that were seen, with their creation: those that the sweep meets again, and those ahead of the mark."""
    live: bool = False
    """Rows may still appear behind the mark: it came to the table's end, or near it. Nobody knows when the next reading
    is and how far it goes, so that one sweeps first."""
    end_us: int = 0
    """When the table's end was reached last (the database's time); 0: never."""
    behind: bool = False
    """The last scan moved the mark and did not come to the table's end: there are rows ahead that nobody read."""

    @property
    def seen_a_row(self) -> bool:
        """Whether the mark is a row's own place."""
        return self.mark is not None and self.mark.id != _MIN_ID

    @property
    def reached_us(self) -> int:
        """Up to here every row was seen, but for those that come late."""
        return max(self.end_us, self.mark.us if self.mark is not None else 0)

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


class Walk(msgspec.Struct, omit_defaults=True):
    """One pass of comparisons, window by window."""

    since_us: int = 0
    """Where it began; 0: the next one has not begun."""
    at_us: int = 0
    """Compared up to here."""


class State(msgspec.Struct, omit_defaults=True):
    """One source's position. Every field has a default, so that positions of older versions still read."""

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
    rounds: dict[str, Round] = {}
    """How far the registers were looked over."""
    registered: bool = False
    """All registers were looked over once."""

    # -- comparisons
    remembers: bool = False
    """What is told goes into the memory. Absent in positions from before there was one."""
    compared_from_us: int = 0
    """Rows created before were told without being remembered, so they are not compared; 0: all are."""
    recent: Walk = msgspec.field(default_factory=Walk)
    older: Walk = msgspec.field(default_factory=Walk)
    older_next: bool = False
    """Which of the two walks goes on next."""
    compare_next_us: int = 0
    """Nothing is compared before (the database's time)."""
    checked_since_us: int = 0
    checked_until_us: int = 0
    checked_at_us: int = 0
    compared: int = 0
    repaired: int = 0
    deleted: int = 0
    left_out: int = 0
    unread: int = 0
    """Rows that Dify holds and that could not be understood."""
    lost: int = 0
    """Such rows that Dify holds no longer, and spans of time that were deleted before they were read."""
    missing: int = 0
    """Rows that a comparison found and that did not fit into its page."""

    # -- Dify's clean-up
    catching_up_us: int = 0
    """Since when reading has not come to its end (the database's time); 0: it has."""
    coverage: str = "safe"
    """The state that was told last."""
    coverage_told: int = 0
    """How often it was told."""
    oldest: dict[str, int] = {}
    """By table, creation of the oldest row that Dify held when it was last asked; absent: unknown, or none."""
    oldest_next_us: int = 0
    """Not asked again before (the database's time)."""
    external_runs: bool = False
    """As in `Coverage`."""
    external_next_us: int = 0
    """Not asked again before (the database's time)."""
    retention: dict[str, int] = {}
    """By table, how long Dify keeps rows (microseconds), where one saw them go."""

    @property
    def oldest_us(self) -> int:
        """Creation of the oldest row of any table; 0: unknown, or none."""
        return max(0, min(self.oldest.values(), default=0))

    def look_at_everything(self) -> None:
        """Make due what waits for its time: the registers, and the nodes that people try out."""
        self.rounds = {name: msgspec.structs.replace(round_, next_us=0) for name, round_ in self.rounds.items()}
        self.steps_next_us = 0

    def begin_to_remember(self, now_us: int) -> None:
        """Make a position from before there was a memory one that has it; others stay as they are."""
        places = (self.messages, self.runs)
        used = bool(self.watched) or any(place.seen_a_row or place.recent for place in places)
        if not self.remembers and used:
            ahead = [us for place in places for us in place.recent.values() if us < now_us + _DAY_US]
            self.compared_from_us = max(now_us, *ahead, *(place.reached_us for place in places)) + 1
        self.remembers = True


_decoder = msgspec.json.Decoder(State)
_encoder = msgspec.json.Encoder()


def decode(position: bytes | None) -> State:
    """The state in a stored position; the beginning where there is none."""
    return _decoder.decode(position) if position else State()


def encode(state: State) -> bytes:
    """The state as a position."""
    return _encoder.encode(state)
