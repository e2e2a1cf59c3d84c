"""Where the recordings of real Dify databases are, and how to put them into a PostgreSQL without psql.

`tests/recordings/README.md` says where they come from. Callers: the PostgreSQL backend (its templates), the players
of `tests.support.changes`, and tests that want the rows themselves.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from tests.support.dump import CopyBlock, copy_blocks

__all__ = [
    "EVENT_TABLES",
    "LOOKUP_TABLES",
    "OTHER_TABLES",
    "VERSIONS",
    "Row",
    "final_rows",
    "load_rows",
    "load_schema",
    "recording_path",
    "schema",
]

VERSIONS = ("1.9", "0.15")
"""Versions with rows and changes; of 1.12 there is the schema only."""

LOOKUP_TABLES = (
    "alembic_version",
    "tenants",
    "apps",
    "app_model_configs",
    "workflows",
    "datasets",
    "end_users",
    "conversations",
)
"""What stands around turns: players put these in first."""

EVENT_TABLES = (
    "messages",
    "message_agent_thoughts",
    "message_feedbacks",
    "message_annotations",
    "app_annotation_hit_histories",
    "message_files",
    "dataset_retriever_resources",
    "workflow_runs",
    "workflow_node_executions",
    "workflow_node_execution_offload",
    "workflow_app_logs",
)
"""What happens in turns: players begin with these empty."""

OTHER_TABLES = (
    "dataset_keyword_tables",
    "dataset_queries",
    "document_segments",
    "documents",
    "message_chains",
    "operation_logs",
    "sites",
    "tool_api_providers",
    "trace_app_config",
    "upload_files",
    "workflow_conversation_variables",
)
"""What else was recorded: knowledge, and what nobody reads."""

Row = dict[str, str | None]
"""Column to value; values are PostgreSQL's text, `t` and `f` for booleans, None for NULL."""


def recording_path(version: str) -> Path:
    """The folder of a version."""
    return Path(__file__).parent.parent / "recordings" / version


def schema(version: str) -> str:
    """The statements that make the version's tables and indexes."""
    return (recording_path(version) / "schema.sql").read_text()


def load_schema(connection: psycopg.Connection[Any], version: str) -> None:
    """Make the version's tables in an empty database."""
    connection.execute(schema(version).encode())
    connection.execute("SELECT set_config('search_path', 'public', false)")


def load_rows(connection: psycopg.Connection[Any], version: str, tables: Iterable[str]) -> None:
    """Put the recorded rows of these tables into a database that has the schema."""
    wanted = set(tables)
    for block in _blocks(version):
        if block.table in wanted:
            _copy(connection, block)


def _copy(connection: psycopg.Connection[Any], block: CopyBlock) -> None:
    names = sql.SQL(", ").join(map(sql.Identifier, block.columns))
    statement = sql.SQL("COPY public.{} ({}) FROM STDIN").format(sql.Identifier(block.table), names)
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in block.rows:
            copy.write_row(row)


def final_rows(version: str, tables: Iterable[str] = LOOKUP_TABLES + EVENT_TABLES) -> dict[str, dict[str, Row]]:
    """The rows as they were when the recording ended: table to id to row."""
    wanted = set(tables)
    found = {block.table: block for block in _blocks(version) if block.table in wanted}
    return {table: {row.get("id") or "": row for row in block.dicts()} for table, block in found.items()}


def _blocks(version: str) -> Iterator[CopyBlock]:
    packed = (recording_path(version) / "data.sql.gz").read_bytes()
    return copy_blocks(gzip.decompress(packed).decode())
