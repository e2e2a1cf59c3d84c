"""What of long lists is shown where not all of it was asked for: the first ones, and whatever failed. Pure.

Called by terminal.py, which says how many it leaves out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeVar

from monitor.replay.figures import steps_in
from monitor.replay.nouns import Moment, Round, Step

__all__ = ["QuietRounds", "first_of", "without_quiet_rounds"]

_T = TypeVar("_T")

_MOST, _GRACE = 5, 2
"""How many of a list are shown; as few more as these are not worth leaving out."""


class QuietRounds(NamedTuple):
    """Rounds of an iteration or a loop, one behind the other, in which all succeeded."""

    rounds: int
    last: int
    """Dify's number of the last one."""
    steps: int


def first_of(items: Sequence[_T]) -> Sequence[_T]:
    """Those that are shown."""
    return items if len(items) <= _MOST + _GRACE else items[:_MOST]


def without_quiet_rounds(moments: Sequence[Moment]) -> Iterator[Moment | QuietRounds]:
    """The moments inside of something; behind the first ones, rounds in which all succeeded are only counted."""
    quiet: list[Round] = []
    for number, moment in enumerate(moments):
        if number >= _MOST and isinstance(moment, Round) and _is_quiet(moment):
            quiet.append(moment)
            continue
        yield from _counted(quiet)
        yield moment
        quiet = []
    yield from _counted(quiet)


def _counted(rounds: Sequence[Round]) -> Sequence[Moment | QuietRounds]:
    if len(rounds) <= _GRACE:
        return rounds
    return [QuietRounds(len(rounds), rounds[-1].index, sum(1 for _ in steps_in(rounds)))]


def _is_quiet(moment: Moment) -> bool:
    """Whether there is nothing to be seen in it but successes."""
    if isinstance(moment, Round):
        return all(map(_is_quiet, moment.moments))
    return isinstance(moment, Step) and moment.status == "succeeded" and all(map(_is_quiet, moment.moments))
