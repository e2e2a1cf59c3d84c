"""The recorded changes hold together, and play to what the recordings end with."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.changes import (
    Change,
    Commit,
    MemoryPlayer,
    load_changes,
    moment_us,
    shift_row,
    shift_to,
    shifted,
)
from tests.support.recordings import EVENT_TABLES, LOOKUP_TABLES, VERSIONS, final_rows

# What became of rows after the last change that was recorded, by table, column and number of rows.
LATER = {
    "1.9": {("conversations", "read_at"): 84, ("conversations", "read_account_id"): 84}
    | {("messages", "status"): 1, ("messages", "error"): 1},
    "0.15": {("conversations", "read_at"): 78, ("conversations", "read_account_id"): 78},
}
# A conversation that was made before the changes were recorded.
SOFTLY_DELETED = ("conversations", "1abde2d7-fa73-4159-b4b4-e569386f9bd5")
# Rows whose INSERT was recorded, of all rows at the end.
COVERED = {
    "1.9": {"end_users": (11, 58), "conversations": (85, 139), "messages": (99, 153)}
    | {"message_agent_thoughts": (71, 126), "message_feedbacks": (1, 8), "message_annotations": (1, 1)}
    | {"workflow_runs": (61, 84), "workflow_node_executions": (361, 515), "workflow_app_logs": (25, 38)},
    "0.15": {"end_users": (15, 47), "conversations": (79, 101), "messages": (93, 115)}
    | {"message_agent_thoughts": (65, 97), "message_feedbacks": (1, 8), "message_annotations": (1, 1)}
    | {"workflow_runs": (66, 66), "workflow_node_executions": (415, 415), "workflow_app_logs": (36, 36)}
    | {"dataset_retriever_resources": (5, 5)},
}


def inserted(commits):
    return {(c.table, c.row_id) for commit in commits for c in commit.changes if c.op == "insert"}


@pytest.mark.parametrize("version", VERSIONS)
def test_playing_ends_at_the_recorded_rows(version):
    """Every played row ends as the dump has it, but for what Dify did after the last recorded change."""
    commits = load_changes(version)
    player = MemoryPlayer()
    player.play(commits)
    differ: Counter[tuple[str, str]] = Counter()
    final = final_rows(version)
    for table, row_id in inserted(commits):
        played, row = player.tables[table][row_id], final[table][row_id]
        assert played.keys() == row.keys()
        differ.update((table, name) for name in row if row[name] != played[name])
    assert differ == LATER[version]


@pytest.mark.parametrize("version", VERSIONS)
def test_how_many_rows_are_covered(version):
    counts: dict[str, tuple[int, int]] = {}
    seen = Counter(table for table, _ in inserted(load_changes(version)))
    for table, rows in final_rows(version).items():
        if seen[table]:
            counts[table] = (seen[table], len(rows))
    assert counts == COVERED[version]


@pytest.mark.parametrize("version", VERSIONS)
def test_commits_are_in_order_and_changes_whole(version):
    """Times never go back; an INSERT comes first and once; every change but a DELETE has all columns."""
    commits = load_changes(version)
    assert [c.at_us for c in commits] == sorted(c.at_us for c in commits)
    columns = {table: next(iter(rows.values())).keys() for table, rows in final_rows(version).items() if rows}
    seen = set()
    for change in (change for commit in commits for change in commit.changes):
        key = change.table, change.row_id
        if change.op == "delete" or key == SOFTLY_DELETED:
            continue
        assert (key in seen) == (change.op == "update")
        assert change.row.keys() == columns[change.table]
        seen.add(key)


@pytest.mark.parametrize("version", VERSIONS)
def test_rows_begin_as_dify_inserts_them(version):
    """Where the recording's INSERT was cut off, the row must not know its end from the start."""
    for change in (change for commit in load_changes(version) for change in commit.changes):
        if change.op == "insert" and change.table == "workflow_runs":
            assert change.row["status"] == "running"
            assert change.row["outputs"] in (None, "{}")
            assert (change.row["error"], change.row["finished_at"]) == (None, None)
            assert (change.row["elapsed_time"], change.row["total_tokens"]) == ("0", "0")
        if change.op == "insert" and change.table == "messages":
            assert (change.row["status"], change.row["answer"], change.row["error"]) == ("normal", "", None)
            assert change.row["provider_response_latency"] == "0"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_row_is_written_before_it_can_be_seen(version):
    """No run or node is seen before its own `created_at`, nor ended before its `finished_at`."""
    for commit in load_changes(version):
        for change in commit.changes:
            if change.table in ("workflow_runs", "workflow_node_executions") and change.op != "delete":
                for name in ("created_at", "finished_at"):
                    if moment := change.row[name]:
                        assert moment_us(moment) <= commit.at_us


def test_scenarios_are_chosen_by_pattern():
    names = {commit.scenario for commit in load_changes("1.9", "agent/05_*")}
    assert names == {f"agent/05_tool_500_consecutive_{n}" for n in range(1, 7)}
    assert load_changes("1.9", "nothing/*") == []


def test_memory_player_has_the_lookup_rows_and_no_events():
    player = MemoryPlayer("0.15")
    final = final_rows("0.15")
    assert all(player.tables[table] == final[table] for table in LOOKUP_TABLES)
    assert not any(player.tables[table] for table in EVENT_TABLES)


def test_memory_player_deletes():
    player = MemoryPlayer()
    player.apply(Commit(1, "s", (Change("messages", "insert", {"id": "a", "answer": ""}),)))
    player.apply(Commit(2, "s", (Change("messages", "delete", {"id": "a"}), Change("messages", "delete", {"id": "b"}))))
    assert player.tables["messages"] == {}


MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1))  # noqa: DTZ001 - as Dify's columns are
SHIFTS = st.integers(-(10**15), 10**15)


@given(MOMENTS, SHIFTS)
def test_shifting_is_exact_and_prints_as_postgresql(moment, by_us):
    text = moment.isoformat(" ")
    text = text.rstrip("0") if "." in text else text
    row = {"created_at": text, "finished_at": None, "name": "2026-11-24 05:54:43", "version": text}
    moved = shift_row(row, by_us)
    assert moment_us(moved["created_at"]) - moment_us(text) == by_us
    assert shift_row(moved, -by_us) == row
    assert not ("." in moved["created_at"] and moved["created_at"].endswith("0"))
    assert {name: moved[name] for name in ("finished_at", "name", "version")} == {
        name: row[name] for name in ("finished_at", "name", "version")
    }


@pytest.fixture(scope="module")
def commits():
    return load_changes("1.9", "agent/01_order_ok")


@given(by_us=SHIFTS)
def test_shifting_commits_moves_rows_along(commits, by_us):
    moved = shifted(commits, by_us)
    assert [c.at_us for c in moved] == [c.at_us + by_us for c in commits]
    ages = [
        [c.at_us - moment_us(change.row["created_at"]) for c in cs for change in c.changes] for cs in (commits, moved)
    ]
    assert ages[0] == ages[1]


def test_a_recording_ends_now_and_keeps_whole_seconds():
    """Dify rounds a message's creation to the second; the shift must not make fractions of it."""
    now_us = 1_800_000_000_123_456
    commits = shift_to(load_changes("1.9", "chat/*"), now_us)
    assert now_us - 1_000_000 < commits[-1].at_us <= now_us
    created = [
        c.row["created_at"] for commit in commits for c in commit.changes if c.table == "messages" and c.op == "insert"
    ]
    assert created
    assert not any("." in text for text in created)
    assert shift_to([], now_us) == []
