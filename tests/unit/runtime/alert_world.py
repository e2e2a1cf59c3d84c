"""A small Dify for tests of rules and alerts: stories go into a journal, alert changes come out."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress

import msgspec

from monitor.model import AlertChanged, Recorded
from monitor.ports import Journal, Projection
from monitor.rules import LoadedRule, consecutive, parse_rules
from monitor.runtime.evaluator import Evaluator
from monitor.testing.rules import story
from monitor.testing.samples import BASE_NS, SECOND

RULE = """\
  - name: tool_failed
    kind: consecutive
    count: 5
    where: {kind: tool}
    group_by: [app_id, tool]
    summary: "{tool} failed {value} times in {app_name}"
    description: "last error {error_type}"
    severity: page
    runbook: https://wiki.example/tools
"""


def rules(*texts: str) -> tuple[LoadedRule, ...]:
    return parse_rules("rules:\n" + "".join(texts or (RULE,)), where="t.yaml", kinds={"consecutive": consecutive})


class FakeClock:
    """Time that stands still until a test moves it."""

    def __init__(self, now_ns: int = BASE_NS) -> None:
        self.time_ns = now_ns

    def now_ns(self) -> int:
        return self.time_ns

    def monotonic(self) -> float:
        return self.time_ns / SECOND

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        self.time_ns += int(seconds * SECOND)
        return stop.is_set()


class World:
    """One journal, one evaluator over it, and a clock."""

    def __init__(
        self, journal: Journal, clock: FakeClock, loaded: Sequence[LoadedRule] | None = None, **settings
    ) -> None:
        self.journal, self.clock = journal, clock
        self.rules = rules() if loaded is None else tuple(loaded)
        self.settings = settings
        self.errors: list[tuple[str, Exception]] = []
        self.told = 0
        self.evaluator = self.restarted()

    def restarted(self) -> Evaluator:
        self.evaluator = Evaluator(
            self.journal,
            self.rules,
            self.clock,
            on_error=lambda rule, exc: self.errors.append((rule, exc)),
            **self.settings,
        )
        return self.evaluator

    def feed(self, letters: str, *, age_s: int = 1, **fields) -> None:
        """The story happens from the second on at which the last one ended; it is read `age_s` after its last call."""
        events = [recorded.event for recorded in story(letters, first=self.told, **fields)]
        self.told += len(events)
        self.clock.time_ns = max(self.clock.time_ns, BASE_NS + (self.told + age_s) * SECOND)
        self.append(events)

    def append(self, events) -> None:
        self.journal.append("dify", list(events), None)

    def settle(self) -> None:
        """Judge until nothing is left."""
        while self.evaluator.step().progressed:
            pass

    def recorded(self) -> list[Recorded]:
        """All alert changes in the journal, read through a projection that never moves on."""
        seen: list[Recorded] = []

        def look(events: Sequence[Recorded]) -> Projection:
            seen.extend(events)
            raise LookedEnoughError

        with suppress(LookedEnoughError):
            self.journal.project("test", limit=100_000, kinds=("alert_changed",), content=False, apply=look)
        return seen

    def changes(self) -> list[AlertChanged]:
        return [recorded.event.body for recorded in self.recorded() if isinstance(recorded.event.body, AlertChanged)]

    def story(self) -> list[str]:
        """Each change in short: `firing condition_met 5`, with `history` and `late` where they are."""
        marks = [(change, " history" * change.history + " late" * change.late) for change in self.changes()]
        return [f"{change.now} {change.reason} {change.alert.value:.0f}{mark}" for change, mark in marks]


class LookedEnoughError(Exception):
    pass


def moved(recorded: Recorded, seconds: int):
    """The event as it would be had it ended some seconds later."""
    body = recorded.event.body
    step = msgspec.structs.replace(body.step, ended_at=body.step.ended_at + seconds * SECOND)
    at = step.ended_at
    return msgspec.structs.replace(
        recorded.event, body=msgspec.structs.replace(body, step=step), occurred_at=at, changed_at=at
    )
