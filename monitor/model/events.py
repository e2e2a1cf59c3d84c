"""The facts that the journal holds: immutable, past tense, each under its own key.

An Event is what a source or the evaluator hands over; a Recorded is the same with the journal's own words on it.
Personal or confidential text never stands in a body: it is `content`, stored beside the fact and committed to by a
salted hash, so that it can be erased and the proof stays whole.
"""

from __future__ import annotations

import msgspec

from monitor.model.alerts import Alert
from monitor.model.trace import Step, TurnRef, TurnStatus, Usage

__all__ = [
    "AlertChanged",
    "Body",
    "Event",
    "Recorded",
    "SourceGap",
    "StepEnded",
    "TurnEnded",
    "TurnStarted",
    "kind_of",
]


class TurnStarted(msgspec.Struct, frozen=True, omit_defaults=True, tag="turn_started"):
    """A turn was seen for the first time. Content: `user` (the true id), `input`."""

    turn: TurnRef


class StepEnded(msgspec.Struct, frozen=True, omit_defaults=True, tag="step_ended"):
    """A step became terminal. Content: `input`, `output`, `process`, `error` (each where Dify kept it)."""

    turn: TurnRef
    step: Step


class TurnEnded(msgspec.Struct, frozen=True, omit_defaults=True, tag="turn_ended"):
    """A turn ended, or was given up. Content: `input`, `output`, `error`."""

    turn: TurnRef
    started_at: int
    """The root's start: no later than its steps'."""
    ended_at: int
    """The root's end: no earlier than its steps'."""
    status: TurnStatus
    duration_ns: int | None = None
    """What Dify measured; None where it did not, and then the turn stays out of the duration histogram."""
    estimated: bool = False
    error_type: str = ""
    usage: Usage | None = None
    """Dify's totals for the turn."""
    counts_usage: bool = False
    """The turn itself is the model call: its usage is counted here because no step carries it."""
    model_provider: str = ""
    model_name: str = ""
    time_to_first_token_ns: int | None = None
    steps: tuple[str, ...] = ()
    """Ids of the turn's steps, so that a reader can tell when one is missing."""
    failed_steps: int = 0


class AlertChanged(msgspec.Struct, frozen=True, omit_defaults=True, tag="alert_changed"):
    """An alert changed its state."""

    alert: Alert
    was: str
    now: str
    reason: str
    """A bounded word: condition_met, held_for, condition_cleared, ..."""
    late: bool = False
    """The fact that caused it belongs before one that was already judged."""
    history: bool = False
    """It ended longer than `rules.max_age` before we read it: recorded, never notified."""


class SourceGap(msgspec.Struct, frozen=True, omit_defaults=True, tag="source_gap"):
    """Something that the source holds could not be read. Honesty: a hole is an event."""

    what: str
    """Table and row, or turn."""
    reason: str
    turn_id: str = ""


Body = TurnStarted | StepEnded | TurnEnded | AlertChanged | SourceGap


class Event(msgspec.Struct, frozen=True):
    """A fact on its way into the journal."""

    key: str
    """Same key, same fact: a second event under it is at most a revision."""
    rank: int
    """How good the way in is, and whether the end was observed; a poorer one never hides a better one."""
    changed_at: int
    """When it last changed in Dify (ns); orders revisions of equal rank."""
    occurred_at: int
    """When it happened in Dify (ns)."""
    body: Body
    content: dict[str, str] = {}
    """Field to text. Never a None, a NUL or a lone surrogate: sources clean what they read."""


class Recorded(msgspec.Struct, frozen=True):
    """An event that the journal has accepted."""

    seq: int
    """Dense position in the journal from 0, and leaf index of the Merkle log."""
    revision: int
    source: str
    recorded_at: int
    event: Event
    erased: tuple[str, ...] = ()
    """Content fields that were committed to and are no longer kept."""


def kind_of(body: Body) -> str:
    """The kind's stored word, such as `step_ended`."""
    return str(body.__struct_config__.tag)
