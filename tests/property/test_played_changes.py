"""The recordings' row changes, played one by one and read at any moments whatever.

However the readings fall, and wherever a crash throws a page away: the same facts in the end, none premature, none
twice, and a failed tool call is told when its row says so, not when its turn ends.
"""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.model import StepEnded, TurnEnded, TurnStarted
from monitor.sources.dify_database.memory import MemoryTables
from tests.support.changes import Commit, MemoryPlayer, load_changes
from tests.support.reading import Ledger, read_to_end

_MINUTE_US = 60_000_000
_SCENARIOS = [
    "agent/0[0-5]*", "agent/0[6-9]*", "agent/1*", "agent/2*", "workflow/0*", "workflow/1*", "chatflow/0*", "chatflow/1*",
    "chat/*", "completion/*", "wf*/*", "agentflow/*",
]  # fmt: skip
_VERSIONS = ["1.9", "0.15"]


@cache
def _commits(version: str, scenarios: str) -> tuple[Commit, ...]:
    return tuple(load_changes(version, scenarios))


class _World:
    """Dify's tables and its clock, under the test's hand."""

    def __init__(self, version: str) -> None:
        self.player = MemoryPlayer(version)
        self.now_us = 0
        self.tables = MemoryTables(self.player.tables, lambda: self.now_us)

    def apply(self, commit: Commit) -> None:
        self.player.apply(commit)
        self.now_us = commit.at_us


def _once(world: _World) -> Ledger:
    ledger = Ledger()
    read_to_end(world.tables, None, ledger)
    return ledger


def _let_time_pass(world: _World, position: bytes | None, ledger: Ledger) -> bytes | None:
    for _ in range(16):
        world.now_us += 5 * _MINUTE_US
        position = read_to_end(world.tables, position, ledger)
    return position


@pytest.mark.parametrize("version", _VERSIONS)
@given(data=st.data())
def test_readings_at_any_moments_tell_the_same_facts_once(version: str, data: st.DataObject) -> None:
    scenarios = data.draw(st.sampled_from(_SCENARIOS))
    commits = _commits(version, scenarios)
    moments = data.draw(st.sets(st.integers(0, max(0, len(commits) - 1)), max_size=40))
    crashes = iter(data.draw(st.lists(st.booleans(), max_size=20)))
    world, live, position = _World(version), Ledger(), None
    for at, commit in enumerate(commits):
        world.apply(commit)
        if at in moments:
            position = read_to_end(
                world.tables, position, live, limit=data.draw(st.integers(1, 30)), crash=lambda: next(crashes, False)
            )
    _let_time_pass(world, position, live)
    once = _once(world)
    assert live.facts() == once.facts()
    assert [key for key in live.revisions if len(live.told(key)) != 1] == []


@pytest.mark.parametrize("version", _VERSIONS)
def test_reading_after_every_single_change_tells_nothing_early(version: str) -> None:
    """Whatever was told at once, unmarked, was never taken back, and every step came after its turn's start."""
    world, live, position = _World(version), Ledger(), None
    for commit in _commits(version, "*"):
        world.apply(commit)
        position = read_to_end(world.tables, position, live)
    _let_time_pass(world, position, live)
    assert live.facts() == _once(world).facts()
    assert [key for key in live.revisions if len(live.told(key)) != 1] == []
    started: set[str] = set()
    for event in live.order:
        if isinstance(event.body, TurnStarted):
            started.add(event.body.turn.turn_id)
        elif isinstance(event.body, StepEnded | TurnEnded) and event.body.turn.invoke_from != "debugger":
            assert event.body.turn.turn_id in started


def _observed(commit: Commit) -> bool:
    return any(c.table == "message_agent_thoughts" and c.row.get("observation") for c in commit.changes)


@pytest.mark.parametrize(("version", "calls"), [("1.9", 6), ("0.15", 5)])
def test_a_failed_tool_call_is_told_at_the_reading_after_its_row(version: str, calls: int) -> None:
    """Not at the end of its turn: the calls of one message fail one after the other, each is told on its own."""
    world, live, position = _World(version), Ledger(), None
    told_at, ends = [], []
    for at, commit in enumerate(_commits(version, "agent/04_tool_500_x6_one_message")):
        world.apply(commit)
        before = len(live.order)
        position = read_to_end(world.tables, position, live)
        for event in live.order[before:]:
            if isinstance(event.body, TurnEnded):
                ends.append(at)
            elif isinstance(event.body, StepEnded) and event.body.step.kind == "tool":
                first = len([e for e in live.order if e.key == event.key]) == 1
                assert _observed(commit) or not first
                told_at += [at] if first else []
    assert len(set(told_at)) == calls
    assert ends == [max(ends)]
    assert told_at[4] < ends[0]
