"""A small journal to replay: turns of the samples, alerts and gaps about them, and a page to draw on."""

from __future__ import annotations

import io
import threading
from collections.abc import Sequence
from datetime import UTC

from rich.console import Console

from monitor.model import Alert, AlertChanged, Event, Evidence, Recorded, SourceGap, Step, StepEnded, TurnRef
from monitor.replay import Found, Timeline, look_up, timeline_of
from monitor.replay.terminal import LONGEST, draw
from monitor.replay.turns import Records, turn_of
from monitor.testing import samples
from monitor.testing.journal import MemoryJournal

SECOND = samples.SECOND
NOW = samples.BASE_NS + 3_600 * SECOND


class HandClock:
    """A clock that stands."""

    def now_ns(self) -> int:
        return NOW

    def monotonic(self) -> float:
        return NOW / 1e9

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        return stop.is_set()


def journal_of(*events: Event) -> MemoryJournal:
    journal = MemoryJournal(HandClock())
    journal.append("dify", events, None)
    return journal


def agent_turn(number: int = 1, **asked) -> list[Event]:
    return [recorded.event for recorded in samples.agent_turn(number, **asked)]


def alert_event(*steps: tuple[str, str, int], now: str = "firing", at: int, **changes) -> Event:
    """An alert's change at `at` that rests on (turn id, step id, end) of steps."""
    proofs = tuple(Evidence(f"{turn}:step:{step}", turn, step, end, "failed") for turn, step, end in steps)
    alert = Alert(
        fingerprint="f0",
        rule="tool_failed_five_times",
        labels={"tool": "query_order_status"},
        severity="page",
        summary="query_order_status failed 5 times in a row",
        state=now,
        since=at,
        changes=1,
        value=5.0,
        evidence=proofs,
    )
    body = AlertChanged(alert, "inactive", now, changes.pop("reason", "condition_met"), **changes)
    return Event(f"alert:f0:{now}", 100, at, at, body)


def gap_event(turn_id: str, at: int = NOW) -> Event:
    return Event(f"{turn_id}:gap", 40, at, at, SourceGap(f"turn {turn_id}", "ValueError", turn_id))


def step_event(turn: TurnRef, step: Step, **content: str) -> Event:
    return samples.event(StepEnded(turn=turn, step=step), content=content)


def shown(records: Sequence[Recorded], *, content: bool = True, alerts: Sequence[Recorded] = ()):
    """The turn that these records make."""
    return turn_of(Records(records, alerts), 1, content=content)


def replay(journal, term: str, *, content: bool = True) -> Timeline:
    found = look_up(journal, term)
    assert isinstance(found, Found), found
    return timeline_of(journal, found, content=content)


def page_of(
    timeline: Timeline, *, width: int = 80, zone=UTC, longest: int | None = LONGEST, terminal: bool = False, **console
) -> str:
    """The timeline as a terminal of that width shows it."""
    out = io.StringIO()
    asked = {"file": out, "width": width, "force_terminal": terminal, "markup": False, "_environ": {}} | console
    draw(timeline, Console(**asked), zone=zone, longest=longest)
    return out.getvalue()


def lines_of(page: str) -> list[str]:
    """Lines without what surrounds them, for reading what is said."""
    return [" ".join(line.split()) for line in page.splitlines()]
