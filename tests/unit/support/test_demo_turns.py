"""The demo's turns are what their script makes of the recording, and tell a whole story."""

from __future__ import annotations

import gzip
import json

import pytest

from tests.recordings import make_demo


@pytest.fixture(scope="module")
def demo():
    return json.loads(gzip.decompress(make_demo.TARGET.read_bytes()))


def test_the_file_is_up_to_date(demo):
    """Else run `python -m tests.recordings.make_demo`."""
    assert demo == json.loads(gzip.decompress(make_demo.packed()))
    assert make_demo.TARGET.stat().st_size <= make_demo.MOST_BYTES


def test_times_begin_at_zero_and_never_go_back(demo):
    times = [commit["at_us"] for commit in demo["commits"]]
    assert times == sorted(times)
    assert 0 <= times[0] < 1_000_000
    assert times[-1] < 60_000_000


def test_every_reference_is_among_the_rows(demo):
    """Whoever reads the demo finds each app, workflow, user and conversation that a turn names."""
    rows = {table: {row["id"] for row in rows} for table, rows in demo["lookups"].items()}
    for change in (change for commit in demo["commits"] for change in commit["changes"]):
        rows.setdefault(change["table"], set()).add(change["row"]["id"])
    columns = {
        "app_id": "apps",
        "tenant_id": "tenants",
        "workflow_id": "workflows",
        "from_end_user_id": "end_users",
        "conversation_id": "conversations",
        "message_id": "messages",
        "workflow_run_id": "workflow_runs",
        "app_model_config_id": "app_model_configs",
    }
    every = [change["row"] for commit in demo["commits"] for change in commit["changes"]]
    every += [row for rows in demo["lookups"].values() for row in rows]
    for row in every:
        for column, table in columns.items():
            assert row.get(column) is None or row[column] in rows[table], (column, row["id"])


def test_rows_are_inserted_once_and_first(demo):
    seen = {row["id"] for rows in demo["lookups"].values() for row in rows}
    for change in (change for commit in demo["commits"] for change in commit["changes"]):
        assert (change["row"]["id"] in seen) == (change["op"] == "update")
        seen.add(change["row"]["id"])


def test_it_tells_of_success_and_failure(demo):
    """A lookup, a retrieval, six failures in a row, a success after them; runs that succeed and one that fails."""
    final = {}
    for change in (change for commit in demo["commits"] for change in commit["changes"]):
        final[change["row"]["id"]] = change["table"], change["row"]
    thoughts = [row for table, row in final.values() if table == "message_agent_thoughts" and row["tool"]]
    thoughts.sort(key=lambda row: row["created_at"])
    failed = [bool(json.loads(row["tool_meta_str"])[row["tool"]]["error"]) for row in thoughts]
    assert failed == [False, False, *[True] * 6, False]
    runs = sorted(row["status"] for table, row in final.values() if table == "workflow_runs")
    assert runs == ["failed", "succeeded", "succeeded"]
    nodes = {row["node_type"] for table, row in final.values() if table == "workflow_node_executions"}
    assert {"iteration", "llm", "tool"} <= nodes
