"""Every row of every recorded table: the fact that it became, or why it became none. Prints the table (`pytest -s`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import psycopg
import pytest

from monitor.model import (
    AnnotationMade,
    ConfigChanged,
    Event,
    FeedbackGiven,
    IndexingChanged,
    StepEnded,
    TurnEnded,
    TurnStarted,
)
from monitor.sources.dify_database.accounting import ACCOUNTED
from tests.support.facts import facts_of
from tests.support.recordings import EVENT_TABLES, LOOKUP_TABLES, OTHER_TABLES, VERSIONS, schema

_TABLES = (*LOOKUP_TABLES, *EVENT_TABLES, *OTHER_TABLES)

_EARLIER_ATTEMPTS = """
    SELECT n.id FROM workflow_node_executions n WHERE n.workflow_run_id IS NOT NULL AND EXISTS (
        SELECT FROM workflow_node_executions later WHERE later.workflow_run_id = n.workflow_run_id
        AND later.node_execution_id = n.node_execution_id AND later.index > n.index
    )
"""
_SILENT_USERS = """
    SELECT u.id FROM end_users u WHERE NOT EXISTS (SELECT FROM messages m WHERE m.from_end_user_id = u.id)
    AND NOT EXISTS (SELECT FROM workflow_runs r WHERE r.created_by = u.id)
"""

# Rows of tables that are read, and yet became no fact of their own: SQL for their ids, and why.
_EXPLAINED: dict[str, list[tuple[str, str]]] = {
    "workflow_node_executions": [
        (
            _EARLIER_ATTEMPTS,
            "an earlier attempt of a retried node: an attempt of the step that the last row became",
        ),
    ],
    "workflows": [("SELECT id FROM workflows WHERE version = 'draft'", "a draft is nobody's configuration yet")],
    "conversations": [
        (
            "SELECT c.id FROM conversations c WHERE NOT EXISTS (SELECT FROM messages m WHERE m.conversation_id = c.id)",
            "nothing was said in it",
        ),
    ],
    "end_users": [
        (
            _SILENT_USERS,
            "asked nothing",
        ),
    ],
    "documents": [
        ("SELECT id FROM documents WHERE indexing_status = 'completed'", "indexed without trouble: nothing to tell"),
    ],
    "datasets": [("SELECT id FROM datasets", "its name stands on documents and hits")],
    "tenants": [("SELECT id FROM tenants", "its name stands on every turn")],
    "apps": [("SELECT id FROM apps", "its name and mode stand on every turn")],
    "workflow_app_logs": [("SELECT id FROM workflow_app_logs", "repeats its run")],
    "dataset_retriever_resources": [],
}


class _Facts:
    """The ids of rows that became facts, by table."""

    def __init__(self, events: Iterable[Event]) -> None:
        self.ids: dict[str, set[str]] = {table: set() for table in _TABLES}
        self.users: set[str] = set()
        for event in events:
            self._add(event)

    def _add(self, event: Event) -> None:
        body, ids = event.body, self.ids
        if isinstance(body, TurnStarted | TurnEnded | StepEnded):
            turn = body.turn
            ids["messages"].add(turn.message_id)
            ids["workflow_runs"].add(turn.run_id)
            ids["conversations"].add(turn.conversation_id)
        if isinstance(body, TurnStarted):
            self.users.add(body.turn.user)
        if isinstance(body, StepEnded):
            ids["workflow_node_executions"].add(body.step.id)
            ids["message_agent_thoughts"].add(body.step.id)
            ids["dataset_retriever_resources"].update(
                f"{body.turn.message_id}/{hit.segment_id}" for hit in body.step.hits
            )
        if isinstance(body, FeedbackGiven):
            ids["message_feedbacks"].add(body.feedback_id)
        if isinstance(body, AnnotationMade):
            ids["message_annotations"].add(body.annotation_id)
        if isinstance(body, ConfigChanged):
            ids["app_model_configs"].add(body.config_id)
            ids["workflows"].add(body.config_id)
        if isinstance(body, IndexingChanged):
            ids["documents"].add(body.document_id)


def _row_ids(connection: psycopg.Connection[Any], table: str, facts: _Facts) -> dict[str, bool]:
    """Each row's name, and whether it became a fact."""
    if table == "dataset_retriever_resources":
        names = [f"{m}/{s}" for m, s in connection.execute(f"SELECT message_id, segment_id FROM {table}")]
    elif table == "end_users":
        rows = connection.execute("SELECT id::text, session_id FROM end_users").fetchall()
        return {row_id: f"p-{session or row_id}" in facts.users for row_id, session in rows}
    else:
        names = [str(row[0]) for row in connection.execute(f"SELECT id FROM {table}")]  # type: ignore[arg-type]
    return {name: name in facts.ids[table] for name in names}


@pytest.mark.backend("postgres")
@pytest.mark.parametrize("version", VERSIONS)
def test_every_recorded_row_is_a_fact_or_has_a_reason(fresh_database: Callable[..., Any], version: str) -> None:
    database = fresh_database(version)
    facts = _Facts(facts_of(database.url).values())
    lines, left = [], {}
    with database.connection() as connection:
        there = {row[0] for row in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}
        for table in [table for table in _TABLES if table in there]:
            reason = ACCOUNTED[table]
            if table == "alembic_version":
                lines.append((table, 1, 0, reason))
                continue
            told = _row_ids(connection, table, facts)
            explained = _explained(connection, table, told)
            if not reason.startswith("not read"):
                left[table] = {name for name, is_told in told.items() if not is_told and name not in explained}
            lines.append((table, len(told), sum(told.values()), reason))
    print(f"\nDify {version}")
    for table, rows, told_rows, reason in lines:
        print(f"{table:34}{rows:6} rows {told_rows:6} facts  {reason}")
    assert {table: names for table, names in left.items() if names} == {}


def _explained(connection: psycopg.Connection[Any], table: str, told: dict[str, bool]) -> set[str]:
    found: set[str] = set()
    for statement, _why in _EXPLAINED.get(table, []):
        found |= {str(row[0]) for row in connection.execute(statement)}  # type: ignore[arg-type]
    return found & told.keys()


@pytest.mark.parametrize("version", [*VERSIONS, "1.12"])
def test_every_table_of_dify_is_read_or_has_a_reason(version: str) -> None:
    tables = {
        line.split("public.")[1].split(" ")[0]
        for line in schema(version).splitlines()
        if line.startswith("CREATE TABLE")
    }
    assert tables - ACCOUNTED.keys() == set()
