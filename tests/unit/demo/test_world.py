"""The small Dify: what its tables hold at which time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.demo.recording import load
from monitor.demo.world import LiveTables, Play, World, beginning_at
from monitor.sources.dify_database.memory import MemoryTables

SECOND_US = 1_000_000
RECORDING = load()
BEGIN_US = 1_800_000_000_250_000
HAPPENING = ("conversations", "messages", "message_agent_thoughts", "workflow_runs", "workflow_node_executions")


@pytest.fixture(scope="module")
def recording():
    return RECORDING


def play(recording, rounds=None):
    return Play(recording, BEGIN_US, lambda round_: str(round_ or ""), rounds)


def count(world: World):
    return {name: len(world.tables.get(name, {})) for name in HAPPENING}


def whole(recording):
    world = World()
    for commit in recording.commits:
        world.apply(commit)
    return count(world)


def test_before_the_beginning_there_are_apps_and_nothing_happened(recording):
    playing = play(recording)
    playing.go_to(BEGIN_US - 1)
    assert set(count(playing.world).values()) == {0}
    assert playing.world.tables["apps"]


def test_a_round_over_it_is_all_there(recording):
    playing = play(recording, rounds=1)
    playing.go_to(BEGIN_US)
    playing.go_to(BEGIN_US + 60 * SECOND_US)
    assert count(playing.world) == whole(recording)


@given(looks=st.lists(st.integers(0, 60 * SECOND_US), max_size=30))
def test_whoever_looks_finds_what_was_committed_by_then(looks):
    """However often somebody looked before."""
    recording = RECORDING
    playing = play(recording, rounds=1)
    for look in [0, *sorted(looks)]:
        playing.go_to(BEGIN_US + look)
        expected = World()
        begun = beginning_at(recording, BEGIN_US)
        expected.settle(begun)
        for commit in begun.commits:
            if commit.at_us <= BEGIN_US + look:
                expected.apply(commit)
        assert {name: rows for name, rows in playing.world.tables.items() if rows} == expected.tables


@pytest.mark.parametrize("begin_us", [BEGIN_US, BEGIN_US // SECOND_US * SECOND_US, 1])
def test_the_beginning_is_within_a_second_and_by_whole_seconds(recording, begin_us):
    begun = beginning_at(recording, begin_us)
    assert 0 <= begun.begins_us - begin_us < SECOND_US
    assert (begun.begins_us - recording.begins_us) % SECOND_US == 0


def test_rounds_follow_each_other_with_ids_of_their_own(recording):
    editions = []
    playing = Play(recording, BEGIN_US, lambda round_: editions.append(round_) or str(round_), None)
    for second in range(200):
        playing.go_to(BEGIN_US + second * SECOND_US)
    assert editions == [0, 1, 2, 3]
    assert len(playing.world.tables["messages"]) > 3 * whole(recording)["messages"]


def test_it_does_not_grow_without_end(recording):
    playing = play(recording)
    for second in range(0, 3_600, 20):
        playing.go_to(BEGIN_US + second * SECOND_US)
    assert 0 < count(playing.world)["messages"] <= 5 * whole(recording)["messages"]


def test_rounds_that_nobody_looked_at_are_left_out(recording):
    """As while a laptop slept: the next one begins now, not hours ago."""
    playing = play(recording)
    playing.go_to(BEGIN_US)
    late_us = BEGIN_US + 10 * 3_600 * SECOND_US
    playing.go_to(late_us)
    playing.go_to(late_us + 55 * SECOND_US)
    assert count(playing.world)["messages"] == 2 * whole(recording)["messages"]


def test_tables_go_on_when_somebody_looks_and_only_then(recording):
    now = [BEGIN_US - 1]
    tables = LiveTables(play(recording, rounds=1), lambda: now[0])
    assert isinstance(tables, MemoryTables)
    with tables.snapshot() as snapshot:
        assert snapshot.run_keys(None, 1) == []
    now[0] = BEGIN_US
    with tables.snapshot():
        now[0] += 60 * SECOND_US
    assert not tables.message_keys(None, 10)
    with tables.snapshot() as snapshot:
        assert len(snapshot.message_keys(None, 100)) == whole(recording)["messages"]
