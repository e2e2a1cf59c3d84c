"""What Dify still holds against what is recorded: rows that were missed, rows that can't be had, rows that are gone."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from monitor.model import SourceGap, TurnStarted
from tests.support.sidecar import Running, Series, Sidecar

pytestmark = pytest.mark.backend("postgres")
_RECONCILING = [
    {"type": "dify_database", "url": "${DIFY_DB_URL}", "poll_interval": "100ms", "reconcile_every": "100ms"},
]
_ROWS_OF_TURNS = (
    ("message_feedbacks", "created_at"),
    ("message_agent_thoughts", "created_at"),
    ("messages", "created_at"),
    ("workflow_node_executions", "created_at"),
    ("workflow_app_logs", "created_at"),
    ("workflow_runs", "created_at"),
)


def _of_dify(metrics: Series) -> Series:
    return {key: value for key, value in metrics.items() if not key[0].startswith("dify_monitor_")}


def _own(running: Running, name: str) -> float:
    found = [value for (sample, _), value in running.metrics().items() if sample == name]
    return found[0] if found else 0.0


def _coverage(sidecar: Sidecar) -> dict[str, Any]:
    """What `monitor status` says of it."""
    done = sidecar.command("status", "--json")
    assert done.returncode in (0, 1), done.stderr
    (coverage,) = json.loads(done.stdout)["coverage"]
    return dict(coverage)


def _conversations(database: Any) -> list[str]:
    with database.connection() as connection:
        return [str(row[0]) for row in connection.execute("SELECT DISTINCT conversation_id FROM messages ORDER BY 1")]


def _replays(sidecar: Sidecar, names: list[str]) -> dict[str, str]:
    return {name: sidecar.command("replay", "--full", name).stdout for name in names}


def _started(sidecar: Sidecar) -> set[str]:
    bodies = (recorded.event.body for recorded in sidecar.events("turn_started"))
    return {body.turn.message_id for body in bodies if isinstance(body, TurnStarted)}


@pytest.mark.parametrize("version", ["1.9", "0.15"])
def test_what_is_deleted_up_to_the_purge_safe_mark_changes_no_report(
    fresh_database: Callable[..., Any], tmp_path: Path, version: str
) -> None:
    database = fresh_database(version)
    sidecar = Sidecar(tmp_path, database.url, sources=_RECONCILING)
    sidecar.once()
    names = _conversations(database)[::25]
    before = (_of_dify(sidecar.metrics()), _replays(sidecar, names), sidecar.lines())
    safe = datetime.fromisoformat(_coverage(sidecar)["purge_safe_at"]).astimezone(UTC).replace(tzinfo=None)
    with database.connection() as connection:
        for table, column in _ROWS_OF_TURNS:
            connection.execute(
                f"DELETE FROM {table} WHERE {column} <= %s",  # type: ignore[arg-type]
                (safe,),
            )
        connection.execute("DELETE FROM conversations")
        assert connection.execute("SELECT count(*) FROM messages").fetchone() == (0,)
    with sidecar.running() as running:
        running.wait_until_shown()
        running.wait_for(lambda: len(running.said("serving")) > 0, "it does not serve")
        running.wait_for(
            lambda: _own(running, "dify_monitor_source_compared_rows_total") >= 0, "it shows no comparison"
        )
    sidecar.once()
    assert (_of_dify(sidecar.metrics()), _replays(sidecar, names), sidecar.lines()) == before


def test_a_row_that_was_lost_behind_the_mark_is_found_and_read(
    fresh_database: Callable[..., Any], tmp_path: Path
) -> None:
    """It was not there when its time was read: its transaction was open longer than the sweep reaches back."""
    database = fresh_database("1.9")
    with database.connection() as connection:
        connection.execute(
            "CREATE TABLE late AS SELECT * FROM messages WHERE workflow_run_id IS NULL ORDER BY created_at LIMIT 1 OFFSET 20"
        )
        (message_id,) = connection.execute("SELECT id::text FROM late").fetchone()
        connection.execute("DELETE FROM messages WHERE id IN (SELECT id FROM late)")
    sidecar = Sidecar(tmp_path, database.url, sources=_RECONCILING)
    sidecar.once()
    assert message_id not in _started(sidecar)
    with sidecar.running() as running:
        running.wait_until_shown()
        with database.connection() as connection:
            connection.execute("INSERT INTO messages SELECT * FROM late")
        running.wait_for(lambda: message_id in _started(sidecar), "the row is not found")
        running.wait_for(lambda: _own(running, "dify_monitor_source_repaired_total") == 1, "the repair is not counted")
    assert _coverage(sidecar)["repaired"] == 1
    assert sum(span["attributes"].get("dify.message.id") == message_id for span in sidecar.spans().all) >= 1
    assert max(sidecar.spans().ids.values()) == 1


def test_a_row_that_can_not_be_read_is_a_gap_that_everybody_is_shown(
    fresh_database: Callable[..., Any], tmp_path: Path
) -> None:
    """As where a page of the table is damaged: every statement that reads the row's text fails, whatever it asks."""
    database = fresh_database("1.9")
    with database.connection() as connection:
        conversation, message_id = connection.execute(
            "SELECT conversation_id::text, max(id::text) FROM messages WHERE workflow_run_id IS NULL"
            " GROUP BY 1 HAVING count(*) > 1 ORDER BY 1 LIMIT 1"
        ).fetchone()
        columns = [
            str(row[0])
            for row in connection.execute(
                "SELECT column_name FROM information_schema.columns WHERE table_name = 'messages' ORDER BY ordinal_position"
            )
        ]
        broken = (
            f"CASE WHEN id = '{message_id}' THEN (1 / (length(status) - length(status)))::text ELSE error END AS error"
        )
        listed = ", ".join(broken if name == "error" else f'"{name}"' for name in columns)
        connection.execute(
            f"ALTER TABLE messages RENAME TO messages_kept; CREATE VIEW messages AS SELECT {listed} FROM messages_kept"
        )  # type: ignore[arg-type]
    sidecar = Sidecar(tmp_path, database.url, sources=_RECONCILING)
    with sidecar.running() as running:
        running.wait_until_shown()
        running.wait_for(lambda: _own(running, "dify_monitor_source_gaps_total") == 1, "the gap is not counted")
    assert len(_started(sidecar) - {""}) == 153  # of the damaged one, that it began
    gaps = [recorded.event.body for recorded in sidecar.events("source_gap")]
    assert [gap.turn_id for gap in gaps if isinstance(gap, SourceGap)] == [message_id]
    status = sidecar.command("status")
    assert status.returncode == 1
    assert message_id in status.stdout
    assert _coverage(sidecar)["gaps"] == 1
    told = sidecar.command("replay", conversation).stdout
    assert "could not be read" in told
