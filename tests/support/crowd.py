"""Makes a recorded database large: copies of all its turns, each further in the past, payloads left out.

For tests of what a reading costs at different sizes. Copies keep their relations (ids are derived from the original's
and the copy's number), so they are turns like any other. Needs a database that has the recording's rows.
"""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import sql

__all__ = ["multiply"]

_TABLES = (
    "conversations",
    "messages",
    "message_agent_thoughts",
    "message_feedbacks",
    "message_annotations",
    "workflow_runs",
    "workflow_node_executions",
    "workflow_app_logs",
)
_OWN_IDS = {"id", "message_id", "conversation_id", "workflow_run_id", "parent_message_id", "annotation_id"}
_EMPTIED = {
    "workflow_runs": {"graph": "{}", "inputs": "{}", "outputs": "{}"},
    "workflow_node_executions": {"inputs": "{}", "process_data": "{}", "outputs": "{}"},
    "messages": {"message": "[]", "query": "?", "answer": "!"},
    "message_agent_thoughts": {"message": "[]", "thought": ".", "observation": "{}"},
}


def multiply(connection: psycopg.Connection[Any], copies: int, *, apart: str = "1 hour") -> None:
    """Add `copies` copies of every turn, the nth n times `apart` further in the past, and ANALYZE."""
    for table in _TABLES:
        _multiply(connection, table, copies, apart)
    connection.execute("ANALYZE")


def _multiply(connection: psycopg.Connection[Any], table: str, copies: int, apart: str) -> None:
    columns = connection.execute(
        "SELECT column_name, data_type FROM information_schema.columns"
        " WHERE table_schema = 'public' AND table_name = %s ORDER BY ordinal_position",
        (table,),
    ).fetchall()
    values = sql.SQL(", ").join(_value(table, name, kind, apart) for name, kind in columns)
    names = sql.SQL(", ").join(sql.Identifier(name) for name, _ in columns)
    # In the order of the copies' time, as Dify would have written them; the originals lie before them on disk.
    connection.execute(
        sql.SQL(
            "INSERT INTO {table} ({names}) SELECT {values} FROM {table} t CROSS JOIN generate_series({n}, 1, -1) k"
        ).format(table=sql.Identifier(table), names=names, values=values, n=sql.Literal(copies))
    )


def _value(table: str, name: str, kind: str, apart: str) -> sql.Composable:
    column = sql.SQL("t.{}").format(sql.Identifier(name))
    emptied = _EMPTIED.get(table, {}).get(name)
    if emptied is not None:
        return sql.SQL("CASE WHEN {} IS NULL THEN NULL ELSE {} END").format(
            column,
            sql.SQL("{}::{}").format(sql.Literal(emptied), sql.SQL(kind)),  # type: ignore[arg-type]
        )
    if name in _OWN_IDS and kind == "uuid":
        return sql.SQL("md5({}::text || k)::uuid").format(column)
    if name == "node_execution_id":
        return sql.SQL("md5({} || k)::uuid::text").format(column)
    if kind.startswith("timestamp"):
        return sql.SQL("{} - k * {}::interval").format(column, sql.Literal(apart))
    return column
