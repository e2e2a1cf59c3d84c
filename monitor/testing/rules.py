"""Stories for alert rules: a line of letters becomes the events that a rule is tested with.

`FFF S F` is three failed tool calls, a success and a failure, each a call in a turn of its own, a second apart. For the
tests of rule kinds and for trying out one's own rules; knows rules through their port alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from monitor.model import Finding, Recorded, Status, StepEnded
from monitor.ports import Rule
from monitor.testing.samples import BASE_NS, SECOND, recorded, tool_step, turn_ref

__all__ = ["RuleCase", "findings", "story", "told"]

Labels = tuple[tuple[str, str], ...]
"""Sorted."""

_STATUS: dict[str, Status] = {"F": "failed", "S": "succeeded", "X": "stopped", "?": "unknown"}


@dataclass(frozen=True)
class RuleCase:
    """One kind of rule for the laws (`monitor.testing.rule_laws`), with stories that end in each of its verdicts."""

    rule: Rule
    holds: Sequence[Recorded]
    clear: Sequence[Recorded]
    no_data: Sequence[Recorded] = ()


def told(
    status: Status, number: int, *, delay_ns: int = SECOND, turn: dict[str, Any] | None = None, **step: Any
) -> Recorded:
    """One call that ended `number` seconds into the story, read `delay_ns` later. `step` and `turn` change fields."""
    ref = turn_ref(number, **(turn or {}))
    end = BASE_NS + number * SECOND
    times = {"started_at": end - SECOND // 2, "ended_at": end}
    body = StepEnded(turn=ref, step=tool_step(ref, status=status, **(times | step)))
    fact = recorded(body, seq=number)
    return msgspec.structs.replace(fact, recorded_at=body.step.ended_at + delay_ns)


def story(letters: str, *, first: int = 0, **fields: Any) -> list[Recorded]:
    """`F` failed, `S` succeeded, `X` stopped, `?` unknown; spaces mean nothing. `fields` as for `told`."""
    marks = [letter for letter in letters if not letter.isspace()]
    return [told(_STATUS[letter], first + at, **fields) for at, letter in enumerate(marks)]


def findings(rule: Rule, events: Iterable[Recorded], now_ns: int = BASE_NS) -> dict[Labels, Finding]:
    """What the rule says of each group, by its sorted labels, after all the events."""
    states: dict[Labels, bytes] = {}
    for event in events:
        labels = rule.group(event)
        if labels is not None:
            group = tuple(sorted(labels.items()))
            states[group] = rule.fold(states.get(group, rule.start()), event)
    return {group: rule.judge(state, now_ns) for group, state in states.items()}
