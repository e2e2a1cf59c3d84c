"""The recordings' row changes, played one by one and read at any moments whatever.

However the readings fall, and wherever a crash throws a page away: the same facts in the end, none premature, none
twice, and a failed tool call is told when its row says so, not when its turn ends.
"""

from __future__ import annotations

from functools import cache

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.model import COVERAGE_KEY, Coverage, StepEnded, TurnEnded, TurnStarted
from monitor.sources.dify_database.memory import MemoryTables
from tests.support.changes import Commit, MemoryPlayer, load_changes, moment_us
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
@given(data=st.data())
def test_turns_that_appear_late_and_between_others_are_all_told(version: str, data: st.DataObject) -> None:
    """A row's `created_at` is older than its commit: here by up to 100 s, each turn by its own, so that marks pass it."""
    commits = _commits(version, data.draw(st.sampled_from(_SCENARIOS)))
    scenarios = sorted({commit.scenario for commit in commits})
    late = {scenario: data.draw(st.sampled_from([0, 0, 5, 100])) * 1_000_000 for scenario in scenarios}
    seen = sorted(commits, key=lambda commit: commit.at_us + late[commit.scenario])
    moments = data.draw(st.sets(st.integers(0, max(0, len(commits) - 1)), max_size=20))
    world, live, position = _World(version), Ledger(), None
    for at, commit in enumerate(seen):
        world.apply(commit)
        world.now_us = commit.at_us + late[commit.scenario]
        if at in moments:
            position = read_to_end(world.tables, position, live, limit=data.draw(st.integers(1, 30)))
    _let_time_pass(world, position, live)
    assert live.facts() == _once(world).facts()
    assert [key for key in live.revisions if len(live.told(key)) != 1] == []


@pytest.mark.parametrize("version", _VERSIONS)
@given(data=st.data())
def test_turns_that_appear_half_an_hour_late_are_found_by_comparison(version: str, data: st.DataObject) -> None:
    """No sweep reaches back so far. All of their rows come at once, or nearly."""
    commits = _commits(version, data.draw(st.sampled_from(_SCENARIOS)))
    scenarios = sorted({commit.scenario for commit in commits})
    lost = data.draw(st.sets(st.sampled_from(scenarios))) if scenarios else set()
    moments = data.draw(st.sets(st.integers(0, max(0, len(commits) - 1)), max_size=20))
    world, live, position = _World(version), Ledger(), None
    for at, commit in enumerate(commits):
        if commit.scenario not in lost:
            world.apply(commit)
        position = read_to_end(world.tables, position, live) if at in moments else position
    world.now_us += 30 * _MINUTE_US
    position = read_to_end(world.tables, position, live)
    for commit in commits:
        if commit.scenario in lost:
            world.player.apply(commit)
    _let_time_pass(world, position, live)
    assert live.facts() == _once(world).facts()
    assert [key for key in live.revisions if len(live.told(key)) != 1] == []


_CHILDREN = [
    ("messages", "message_agent_thoughts", "message_id"), ("workflow_runs", "workflow_node_executions", "workflow_run_id"),
]  # fmt: skip


def _purge(world: _World, before_us: int) -> None:
    """What Dify's clean-up does: rows by age, and what belongs to them."""
    for table, below, column in _CHILDREN:
        rows = world.player.tables[table]
        old = {name for name, row in rows.items() if moment_us(row["created_at"] or "") < before_us}
        children = world.player.tables[below]
        for name in [name for name, row in children.items() if row.get(column) in old]:
            del children[name]
        for name in old:
            del rows[name]


@pytest.mark.parametrize("version", _VERSIONS)
@given(data=st.data())
def test_what_is_deleted_up_to_the_purge_safe_mark_changes_nothing_that_is_told(
    version: str, data: st.DataObject
) -> None:
    commits = _commits(version, data.draw(st.sampled_from(_SCENARIOS)))
    moments = data.draw(st.sets(st.integers(0, max(0, len(commits) - 1)), max_size=20))
    whole, world, live, position = _World(version), _World(version), Ledger(), None
    for at, commit in enumerate(commits):
        whole.apply(commit)
        world.apply(commit)
        if at in moments:
            position = read_to_end(world.tables, position, live, limit=data.draw(st.integers(1, 30)))
            coverage = msgspec.json.decode(live.memory.get([COVERAGE_KEY])[COVERAGE_KEY], type=Coverage)
            _purge(world, coverage.purge_safe_at // 1_000)
    _let_time_pass(world, position, live)
    whole.now_us = world.now_us
    assert live.facts() == _once(whole).facts()
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
