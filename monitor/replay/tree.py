"""Steps and what else came on the way as a tree, in the order of time: what ran inside of what, round by round.

Dify's parents are only believed where they lead to the turn: a lost or circular parent never hides a step. Pure;
called by timeline.py.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import groupby

import msgspec

from monitor.replay.nouns import Alert, Form, Moment, Round, Step, Trigger

__all__ = ["DEEPEST", "Leaf", "Passing", "strays", "tree_of"]

DEEPEST = 16
"""Levels of steps inside of steps; what claims to be deeper stands at the top."""

Passing = Alert | Form | Trigger
"""What came on the way and is no step."""


class Leaf(msgspec.Struct, frozen=True):
    """A step that does not know yet what happened inside of it."""

    step: Step
    order: tuple[int, int, int, str]
    """Start (ns), Dify's position, end (ns) and id: by which it is sorted."""
    round: int | None
    """The round of its parent in which it ran."""


def strays(leaves: Sequence[Leaf]) -> frozenset[str]:
    """Ids of the steps whose parents do not lead to the turn."""
    parents = {leaf.step.id: leaf.step.parent_id for leaf in leaves}
    return frozenset(step_id for step_id in parents if not _leads_to_the_turn(step_id, parents))


def tree_of(leaves: Sequence[Leaf], passing: Sequence[Passing]) -> tuple[Moment, ...]:
    """All of it. An alert change stands right behind the step that caused it, else where its time puts it."""
    astray = strays(leaves)
    top: list[Leaf] = []
    inside: defaultdict[str, list[Leaf]] = defaultdict(list)
    for leaf in sorted(leaves, key=lambda leaf: leaf.order):
        stands_at_top = not leaf.step.parent_id or leaf.step.id in astray
        (top if stands_at_top else inside[leaf.step.parent_id]).append(leaf)
    caused, others = _by_cause(leaves, passing)
    return tuple(_merged(top, _Branches(inside, caused), others))


class _Branches:
    """Makes steps with all that is inside of them."""

    def __init__(self, inside: Mapping[str, list[Leaf]], caused: Mapping[str, list[Alert]]) -> None:
        self._inside, self._caused = inside, caused

    def grown(self, leaf: Leaf) -> list[Moment]:
        """The step, and behind it the alert changes that it caused."""
        moments = self._rounds(self._inside.get(leaf.step.id, []))
        return [msgspec.structs.replace(leaf.step, moments=tuple(moments)), *self._caused.get(leaf.step.id, [])]

    def _rounds(self, leaves: list[Leaf]) -> list[Moment]:
        """Rounds one after the other, even where they ran side by side; first what belongs to none."""
        moments: list[Moment] = []
        by_round = sorted(leaves, key=lambda leaf: -1 if leaf.round is None else leaf.round)
        for number, group in groupby(by_round, key=lambda leaf: leaf.round):
            grown = [moment for leaf in group for moment in self.grown(leaf)]
            moments += grown if number is None else [Round(number, tuple(grown))]
        return moments


def _merged(leaves: list[Leaf], branches: _Branches, passing: list[Passing]) -> list[Moment]:
    """The top level, with what no step here caused put in by its time."""
    waiting = list(passing)
    moments: list[Moment] = []
    for leaf in leaves:
        while waiting and waiting[0].at < leaf.step.started_at:
            moments.append(waiting.pop(0))
        moments += branches.grown(leaf)
    return [*moments, *waiting]


def _by_cause(leaves: Sequence[Leaf], passing: Sequence[Passing]) -> tuple[dict[str, list[Alert]], list[Passing]]:
    """The alert changes by the step here that caused them, and the rest; each by time."""
    ends = {leaf.step.id: leaf.step.ended_at for leaf in leaves}
    caused: defaultdict[str, list[Alert]] = defaultdict(list)
    others: list[Passing] = []
    for each in sorted(passing, key=lambda each: (each.at, each.seq)):
        causes = _causes(each, ends) if isinstance(each, Alert) else []
        if causes and isinstance(each, Alert):
            caused[causes[-1]].append(each)
        else:
            others.append(each)
    return caused, others


def _causes(alert: Alert, ends: Mapping[str, datetime]) -> list[str]:
    return [step_id for step_id in alert.steps if ends.get(step_id) == alert.at] if alert.caused_here else []


def _leads_to_the_turn(step_id: str, parents: Mapping[str, str]) -> bool:
    at = step_id
    for _ in range(DEEPEST):
        at = parents[at]
        if not at:
            return True
        if at not in parents:
            return False
    return False
