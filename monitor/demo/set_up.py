"""How the small Dify's apps are set up, as the registers of the source `dify_database` ask for it.

Of the small tables beside the turns the recording has these two: configurations of agents, and published workflows. All
other statements are answered by no row at all, which means that such a table can't be read. Called by world.py.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from monitor.demo.recording import Row
from monitor.normalise.config_hash import APP_CONFIG_COLUMNS, WORKFLOW_COLUMNS
from monitor.sources.dify_database.memory_rows import us_of

__all__ = ["answer"]

Tables = Mapping[str, Mapping[str, Row]]
Answer = list[tuple[Any, ...]]

_SLICES = {"app_config_slice": "app_model_configs", "workflow_slice": "workflows"}
_STATES = {"app_config_states": "app_model_configs", "workflow_states": "workflows"}
_APP_CONFIG = ("id", "app_id", "created_at", "updated_at", "created_by", "provider", "model_id")
_WORKFLOW = (
    *("id", "tenant_id", "app_id", "type", "version", "created_at", "updated_at"),
    *("created_by", "marked_name", "marked_comment"),
)
_WHOLE = {
    "app_configs": ("app_model_configs", _APP_CONFIG, APP_CONFIG_COLUMNS),
    "workflow_versions": ("workflows", _WORKFLOW, WORKFLOW_COLUMNS),
}


def answer(tables: Tables, statement: str, values: Mapping[str, Any]) -> Answer:
    """What a statement of registers.sql brings."""
    if statement in _SLICES:
        rows = tables.get(_SLICES[statement], {})
        behind = sorted(row_id for row_id in rows if row_id > values["after"])
        return [_state(rows[row_id]) for row_id in behind[: values["limit"]]] or [(None, None, None)]
    if statement in _STATES:
        return [_state(row) for row in _named(tables, _STATES[statement], values["ids"])]
    if statement in _WHOLE:
        table, first, rest = _WHOLE[statement]
        return [_whole(row, first, rest) for row in _named(tables, table, values["ids"])]
    return []


def _named(tables: Tables, table: str, ids: Collection[str]) -> Sequence[Row]:
    rows = tables.get(table, {})
    return [rows[row_id] for row_id in ids if row_id in rows]


def _state(row: Row) -> tuple[Any, ...]:
    """Its id, when it changed, and about how large it is."""
    return row["id"], us_of(row, "updated_at"), sum(len(value) for value in row.values() if value)


def _whole(row: Row, first: Sequence[str], rest: Sequence[str]) -> tuple[Any, ...]:
    """What it is, that none came before it, and what it says."""
    what = (us_of(row, name) if name.endswith("_at") else row.get(name) for name in first)
    return (*what, None, *(row.get(name) for name in rest))
