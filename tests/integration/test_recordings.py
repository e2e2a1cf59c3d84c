"""The recordings in a real PostgreSQL: both players end alike, and the truth is what is known of the recordings."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

import pytest

from tests.support import truth
from tests.support.changes import MemoryPlayer, PgPlayer, load_changes, shift_database, shift_row
from tests.support.recordings import EVENT_TABLES, VERSIONS, final_rows


def rows_of(connection, table):
    """A table as text, as the players have it."""
    columns = [c.name for c in connection.execute(f'SELECT * FROM "{table}" LIMIT 0').description]
    texts = ", ".join(
        f"CASE WHEN \"{name}\"::text IN ('true', 'false') AND pg_typeof(\"{name}\") = 'boolean'::regtype"
        f' THEN left("{name}"::text, 1) ELSE "{name}"::text END'
        for name in columns
    )
    found = connection.execute(f'SELECT {texts} FROM "{table}"').fetchall()
    return {row["id"]: row for row in (dict(zip(columns, values, strict=True)) for values in found)}


@pytest.mark.parametrize("version", VERSIONS)
def test_both_players_end_alike(fresh_database, version):
    commits, memory = load_changes(version), MemoryPlayer(version)
    database = fresh_database(version, rows="lookups")
    with PgPlayer(database.url) as player:
        player.play(commits)
    memory.play(commits)
    tables = final_rows(version, [*EVENT_TABLES, "conversations", "end_users"])
    with database.connection() as connection:
        for table in tables:
            assert rows_of(connection, table) == memory.tables[table], table


def test_a_player_prepares_an_empty_database(fresh_database):
    commits = load_changes("1.9", "agent/01_order_ok")
    database = fresh_database()
    with PgPlayer(database.url) as player, database.connection() as connection:
        player.prepare("1.9")
        assert truth.turn_ids(connection) == set()
        player.play(commits)
        assert len(truth.turn_ids(connection)) == 1
        assert truth.thoughts(connection) == 2


def test_each_commit_is_seen_at_once(fresh_database):
    """A test may look between any two commits."""
    commits = load_changes("1.9", "workflow/01_ok_tool")
    database = fresh_database("1.9", rows="lookups")
    memory = MemoryPlayer("1.9")
    with PgPlayer(database.url) as player, database.connection() as connection:
        for commit in commits:
            player.apply(commit)
            memory.apply(commit)
            seen = {row_id: row["status"] for row_id, row in memory.tables["workflow_node_executions"].items()}
            assert truth.node_steps(connection) == seen


def test_a_loaded_database_can_be_shifted(fresh_database):
    by_us = 86_400_000_000
    with fresh_database("0.15").connection() as connection:
        shift_database(connection, by_us)
        moved = {row_id: shift_row(row, by_us) for row_id, row in final_rows("0.15", ["messages"])["messages"].items()}
        assert rows_of(connection, "messages") == moved


COUNTS = {
    "1.9": {"messages": 153, "runs": 84, "node_rows": 515, "steps": 514, "thoughts": 126, "turns": 194},
    "0.15": {"messages": 115, "runs": 66, "node_rows": 415, "steps": 395, "thoughts": 97, "turns": 154},
}


@pytest.mark.parametrize("version", VERSIONS)
def test_truth_counts(fresh_database, version):
    """As the recordings' own counts say; retries (0.15) and a debugged single node (1.9) are rows, not steps."""
    with fresh_database(version).connection() as connection:
        assert COUNTS[version] == {
            "messages": truth.messages(connection),
            "runs": truth.runs(connection),
            "node_rows": truth.node_rows(connection),
            "steps": len(truth.node_steps(connection)),
            "thoughts": truth.thoughts(connection),
            "turns": len(truth.turn_ids(connection)),
        }


def outcomes(calls):
    total = Counter()
    for (_, tool, outcome), count in calls.items():
        total[tool, outcome] += count
    return dict(total)


def test_truth_of_tool_calls(fresh_database):
    tool = "query_order_status"
    with fresh_database("1.9").connection() as connection:
        assert outcomes(truth.agent_tool_calls(connection)) == {(tool, "succeeded"): 16, (tool, "failed"): 32}
        assert outcomes(truth.node_tool_calls(connection)) == {
            (tool, "succeeded"): 55,
            (tool, "failed"): 23,
            (tool, "stopped"): 2,
        }
        assert outcomes(truth.agent_node_tool_calls(connection)) == {(tool, "succeeded"): 4, (tool, "failed"): 3}
        assert list(truth.agent_retrievals(connection).values()) == [9]
    with fresh_database("0.15").connection() as connection:
        assert outcomes(truth.agent_tool_calls(connection)) == {(tool, "succeeded"): 12, (tool, "failed"): 23}
        assert outcomes(truth.node_tool_calls(connection)) == {(tool, "succeeded"): 39, (tool, "failed"): 20}


def test_truth_of_tokens_and_money(fresh_database):
    """Checked against other places where Dify keeps the same: chatflow messages (0.15) and agents' messages."""
    with fresh_database("1.9").connection() as connection:
        tokens, cost = truth.tokens(connection), truth.cost(connection)
        assert (sum(t.input for t in tokens.values()), sum(t.output for t in tokens.values())) == (64938, 313425)
        assert sum(t.unsplit for t in tokens.values()) == 0
        assert {currency for _, currency in cost} == {"USD"}
        assert sum(cost.values()) == Decimal("3.2965950")
    with fresh_database("0.15").connection() as connection:
        tokens = truth.tokens(connection)
        ((app, *sums),) = connection.execute(
            "SELECT app_id::text, sum(message_tokens), sum(answer_tokens) FROM messages m"
            " JOIN apps a ON a.id = m.app_id WHERE a.mode = 'advanced-chat' GROUP BY app_id"
        ).fetchall()
        assert [tokens[app].input, tokens[app].output] == sums
        assert truth.cost(connection) == {}
