"""What a Dify database has and lets us read: tables, columns, indexes. Never asks for Dify's version.

A column that we don't know never matters; one that is missing is done without where that can be (`opt` in the .sql
files), and else named together with what to do. Called by `postgres` and `diagnosis`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

import msgspec

from monitor.errors import Auth

__all__ = ["MUST_HAVE", "Index", "Probe"]

MUST_HAVE: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "messages": (
            "id", "app_id", "conversation_id", "workflow_run_id", "created_at", "status", "error",
            "provider_response_latency", "query", "answer", "message_tokens", "answer_tokens", "total_price",
        ),
        "message_agent_thoughts": (
            "id", "message_id", "position", "created_at", "thought", "answer", "tool", "tool_input", "tool_meta_str",
            "observation", "message_token", "answer_token", "tokens", "total_price", "currency",
        ),
        "workflow_runs": (
            "id", "tenant_id", "app_id", "workflow_id", "type", "triggered_from", "version", "status", "inputs",
            "outputs", "error", "total_tokens", "created_by", "created_at", "finished_at",
        ),
        "workflow_node_executions": (
            "id", "tenant_id", "app_id", "workflow_id", "triggered_from", "workflow_run_id", "node_execution_id",
            "node_id", "node_type", "title", "index", "predecessor_node_id", "status", "error", "elapsed_time",
            "created_at", "finished_at", "inputs", "process_data", "outputs", "execution_metadata",
        ),
        "workflows": ("id", "tenant_id", "app_id", "version", "graph"),
        "apps": ("id", "tenant_id", "name", "mode"),
    }
)  # fmt: skip
"""Columns of every Dify from 0.15 on, without which turns can't be told."""

Index = tuple[str, ...]
"""The columns of an index, in its order."""


class Probe(msgspec.Struct, frozen=True):
    """What one database had and granted at one moment."""

    server_version: int
    """As PostgreSQL numbers itself: 150018 is 15.18."""
    role: str
    """Our own, quoted as SQL wants it."""
    columns: dict[str, dict[str, bool]]
    """Per table that is in the search path: its columns, and whether we may read them."""
    indexes: dict[str, list[Index]]
    """Per table; indexes of a part of the rows are left out."""

    def has(self, table: str) -> bool:
        """Whether there is such a table, readable or not."""
        return table in self.columns

    def may_read(self, what: str) -> bool:
        """Whether a column (`table.column`) may be read; of a `table`, whether any of its columns may."""
        table, _, column = what.partition(".")
        known = self.columns.get(table, {})
        return known.get(column, False) if column else any(known.values())

    def begins(self, table: str, *columns: str) -> bool:
        """Whether an index of the table begins with these columns."""
        return any(index[: len(columns)] == columns for index in self.indexes.get(table, ()))

    def demand(self, wanted: Mapping[str, Iterable[str]] = MUST_HAVE) -> None:
        """Raise Auth where a column is missing or may not be read, with what to do about it."""
        missing, forbidden = self.lacking(wanted)
        if missing:
            raise Auth(
                f"Dify's database lacks {_listed(missing)}. Check that the URL names Dify's database (0.15 or later),"
                " and that the role has USAGE on its schema (docs/howto/database-role.md)"
            )
        if forbidden:
            grants = "; ".join(self._grant(table, columns) for table, columns in forbidden.items())
            raise Auth(
                f"Dify's database: permission denied for {_listed(forbidden)}. As the tables' owner: {grants};"
                " (docs/howto/database-role.md)"
            )

    def lacking(self, wanted: Mapping[str, Iterable[str]]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
        """Of the wanted columns, those that do not exist and those that may not be read. An absent table has none."""
        missing: dict[str, list[str]] = {}
        forbidden: dict[str, list[str]] = {}
        for table, names in wanted.items():
            known = self.columns.get(table)
            if known is None:
                missing[table] = []
                continue
            absent = [name for name in names if name not in known]
            hidden = [name for name in names if known.get(name) is False]
            missing |= {table: absent} if absent else {}
            forbidden |= {table: hidden} if hidden else {}
        return missing, forbidden

    def _grant(self, table: str, columns: list[str]) -> str:
        return f"GRANT SELECT ({', '.join(columns)}) ON {table} TO {self.role}"


def _listed(tables: Mapping[str, list[str]]) -> str:
    return ", ".join(
        f"columns {', '.join(columns)} of table {table}" if columns else f"table {table}"
        for table, columns in tables.items()
    )
