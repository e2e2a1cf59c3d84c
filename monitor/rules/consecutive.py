"""The rule kind `consecutive`: so many failures in a row, with no success between them.

Counts ended steps, or facts beside the turns where a matcher asks for their kind, in the order in which the journal has
them. A failure makes the streak longer, a success ends it (`subject.outcome_of` says which is which: a dislike is a
failure, a like a success); a step that was stopped, or of which Dify does not say how it ended, does neither. Only a
step's first end counts: a later revision of it corrects times or texts. Registered under `consecutive` in the table of
rule kinds.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Literal

import msgspec
from pydantic import Field, model_validator

from monitor.model import Evidence, Finding, Recorded
from monitor.ports import Rule
from monitor.rules.definition import Definition, wrong
from monitor.rules.matcher import kinds_wanted
from monitor.rules.subject import FIELDS, JUDGED, KINDS, evidence_of, outcome_of, subject_of

__all__ = ["Config", "Consecutive", "build"]

_NEWEST = 10
"""How many failures after the first `count` are remembered."""


class Config(Definition):
    """Settings of a `consecutive` rule."""

    kind: Literal["consecutive"]
    """Failures in a row."""
    count: Annotated[int, Field(ge=1, le=100, strict=True)]
    """How many failures in a row there must be, 1 to 100."""

    @model_validator(mode="after")
    def _can_fail(self) -> Config:
        kinds = kinds_wanted(self.matchers)
        if not kinds & JUDGED:
            problem = f"nothing of kind {', '.join(sorted(kinds))} fails" if kinds else "no kind fulfils it"
            raise wrong(problem, f"Kinds that fail and succeed: {', '.join(sorted(JUDGED))}", "where")
        return self


class _Streak(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    length: int = 0
    first: tuple[Evidence, ...] = ()
    """The failures up to `count`."""
    newest: tuple[Evidence, ...] = ()
    """The newest of those after them."""


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(_Streak)
_BROKEN = _ENCODER.encode(_Streak())
"""A streak that a success ended, which is more than knowing nothing."""


class Consecutive:
    """Implements `monitor.ports.Rule`. Its state is the streak's length and at most `count` + 10 pieces of evidence."""

    kind = "consecutive"

    def __init__(self, config: Config) -> None:
        self.name = config.name
        self._kinds = kinds_wanted(config.matchers) & JUDGED
        self.needs: Collection[str] = frozenset(event for kind in self._kinds for event in KINDS[kind])
        self._count = config.count
        self._matchers = config.matchers
        self._fields = [(field, FIELDS[field]) for field in config.group_by]

    def group(self, recorded: Recorded) -> dict[str, str] | None:
        """The fact's labels; None for one that neither counts nor resets."""
        body = subject_of(recorded)
        if body is None or recorded.revision > 0 or outcome_of(body) is None:
            return None
        if FIELDS["kind"](body) not in self._kinds:
            return None
        if not all(matcher.matches(body) for matcher in self._matchers):
            return None
        return {field: read(body) for field, read in self._fields}

    def start(self) -> bytes:
        """Nothing was seen."""
        return b""

    def fold(self, state: bytes, recorded: Recorded) -> bytes:
        """The streak after one more fact that `group` gave labels to."""
        body = subject_of(recorded)
        if body is None or outcome_of(body) != "failed":
            return _BROKEN
        streak = _DECODER.decode(state) if state else _Streak()
        return _ENCODER.encode(self._longer(streak, evidence_of(recorded, body)))

    def judge(self, state: bytes, now_ns: int) -> Finding:  # noqa: ARG002 - a streak does not age
        """Holds from `count` failures on; the value is the streak's length."""
        if not state:
            return Finding("no_data")
        streak = _DECODER.decode(state)
        if streak.length < self._count:
            return Finding("clear", float(streak.length))
        return Finding("holds", float(streak.length), streak.first + streak.newest)

    def _longer(self, streak: _Streak, evidence: Evidence) -> _Streak:
        length = streak.length + 1
        if length <= self._count:
            return _Streak(length, (*streak.first, evidence))
        return _Streak(length, streak.first, (*streak.newest, evidence)[-_NEWEST:])


def build(config: Config) -> Rule:
    """The rule that the settings describe."""
    return Consecutive(config)
