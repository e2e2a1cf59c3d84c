"""Dify's tables in memory: the demo's small built-in Dify, and the tests' world that is written while it is read.

Rows are mappings of column to PostgreSQL's text of the value (None for NULL), under their id, under their table.
Answers the reader's questions as `postgres.sql` does; a test holds the two against each other.
"""

# ruff: noqa: D102 - what each question means is said in tables.py
from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from hashlib import md5
from typing import Any

from monitor.normalise.config_hash import APP_CONFIG_COLUMNS, WORKFLOW_COLUMNS, config_hash
from monitor.normalise.failure import is_stop
from monitor.normalise.graph import agent_tools_of, graph_of
from monitor.normalise.rows import (
    AppConfig,
    AppRow,
    Definition,
    MessageRow,
    NodeRow,
    ResourceRow,
    RunRow,
    ThoughtRow,
)
from monitor.sources.dify_database.memory_rows import (
    Row,
    Rows,
    World,
    joined,
    key_of,
    resource_of,
    run_state_of,
    text_of,
    thought_of,
    us_of,
)
from monitor.sources.dify_database.tables import Digest, Key, MessageState, RunState, Signal, Table

__all__ = ["MemoryTables", "Row", "World"]

_TERMINAL = frozenset({"succeeded", "failed", "exception", "stopped"})
_NEWEST = 500
_GRACE_US = 300_000_000
_FEW_RUNS = 10
_HASHED_DIGITS = 15


class MemoryTables:
    """Implements `Tables` and `Snapshot` over a world that somebody else may change between two readings."""

    runs_indexed = True

    def __init__(self, world: World, now_us: Callable[[], int]) -> None:
        self._world, self._now_us, self._as = world, now_us, Rows(world)

    @contextmanager
    def snapshot(self) -> Iterator[MemoryTables]:
        """The world as it is; the caller does not change it meanwhile."""
        yield self

    def check(self) -> None:
        """Memory is always there."""

    def close(self) -> None:
        """Nothing to let go of."""

    def apart(self) -> AbstractContextManager[None]:
        """Memory is whole."""
        return nullcontext()

    def now_us(self) -> int:
        return self._now_us()

    def ask(self, name: str, **values: Any) -> list[tuple[Any, ...]]:
        """No rows: nothing beside the turns is kept in memory."""
        del name, values
        return []

    def _rows(self, name: str, ids: Collection[str]) -> list[Row]:
        table = self._as.table(name)
        return [table[row_id] for row_id in ids if row_id in table]

    def _belonging(self, name: str, column: str, ids: Collection[str]) -> list[Row]:
        wanted = set(ids)
        return [row for row in self._as.table(name).values() if row.get(column) in wanted]

    def _keys(self, name: str, *, where: Callable[[Key], bool]) -> list[Key]:
        keys = (key_of(row) for row in self._as.table(name).values())
        return sorted((key for key in keys if where(key)), key=lambda key: (key.us, key.id))

    def _keys_after(self, name: str, after: Key | None, limit: int) -> list[Key]:
        return self._keys(name, where=lambda key: after is None or (key.us, key.id) > (after.us, after.id))[:limit]

    def _keys_since(self, name: str, since_us: int, until: Key) -> list[Key]:
        return self._keys(name, where=lambda key: since_us <= key.us and (key.us, key.id) <= (until.us, until.id))

    # -- messages

    def message_keys(self, after: Key | None, limit: int) -> Sequence[Key]:
        return self._keys_after("messages", after, limit)

    def message_keys_since(self, since_us: int, until: Key) -> Sequence[Key]:
        return self._keys_since("messages", since_us, until)

    def message_states(self, ids: Collection[str]) -> Sequence[MessageState]:
        return [self._as.message_state(row) for row in self._rows("messages", ids)]

    def messages(self, ids: Collection[str]) -> Sequence[MessageRow]:
        return [self._as.message(row) for row in self._rows("messages", ids)]

    def _thought_rows(self, message_ids: Collection[str]) -> list[Row]:
        return self._belonging("message_agent_thoughts", "message_id", message_ids)

    def thought_signals(self, message_ids: Collection[str]) -> dict[str, Signal]:
        found: dict[str, Signal] = {}
        rows = self._thought_rows(message_ids)
        for row in sorted(rows, key=lambda row: (int(row.get("position") or 0), text_of(row, "id"))):
            watched = ("position", "tool", "observation", "tool_meta_str", "tokens", "thought", "answer")
            mark = ",".join(str(len(row.get(name) or "")) for name in watched) + (row.get("tokens") or "")
            found[text_of(row, "message_id")] = joined(found.get(text_of(row, "message_id")), row, mark)
        return found

    def thoughts(self, message_ids: Collection[str]) -> Sequence[ThoughtRow]:
        return [thought_of(row) for row in self._thought_rows(message_ids)]

    def resources(self, message_ids: Collection[str]) -> Sequence[ResourceRow]:
        rows = self._belonging("dataset_retriever_resources", "message_id", message_ids)
        return sorted(map(resource_of, rows), key=lambda row: (row.message_id, row.position))

    # -- runs and their nodes

    def run_keys(self, after: Key | None, limit: int) -> Sequence[Key]:
        return self._keys_after("workflow_runs", after, limit)

    def run_keys_since(self, since_us: int, until: Key) -> Sequence[Key]:
        return self._keys_since("workflow_runs", since_us, until)

    def newest_run_keys(self, since_us: int, limit: int) -> Sequence[Key]:
        """As if there were no index; the runs of chatflows are left out, as they have messages."""
        if self.runs_indexed:
            return []
        chats = {row_id for row_id, row in self._as.table("workflow_runs").items() if row.get("type") == "chat"}
        return self._keys("workflow_runs", where=lambda key: key.us >= since_us and key.id not in chats)[-limit:]

    def run_states(self, ids: Collection[str]) -> Sequence[RunState]:
        return [run_state_of(row) for row in self._rows("workflow_runs", ids)]

    def runs(self, ids: Collection[str]) -> Sequence[RunRow]:
        return [self._as.run(row) for row in self._rows("workflow_runs", ids)]

    def runs_with_message(self, run_ids: Collection[str], since_us: int, until_us: int) -> set[str]:
        rows = self._belonging("messages", "workflow_run_id", run_ids)
        return {
            text_of(row, "workflow_run_id") for row in rows if since_us <= (us_of(row, "created_at") or 0) <= until_us
        }

    def external_runs(self) -> bool:
        messages, runs = self._as.table("messages"), self._as.table("workflow_runs")
        newest = self._keys("messages", where=lambda key: key.us < self.now_us() - _GRACE_US)[-_NEWEST:]
        named = [run for key in newest if (run := messages[key.id].get("workflow_run_id"))]
        return bool(named) and not any(run in runs for run in named) and (not runs or len(named) >= _FEW_RUNS)

    def _node_rows(self, runs: Sequence[RunState]) -> list[Row]:
        return self._belonging("workflow_node_executions", "workflow_run_id", [run.id for run in runs])

    def node_signals(self, runs: Sequence[RunState]) -> dict[str, Signal]:
        found: dict[str, Signal] = {}
        for row in sorted(self._node_rows(runs), key=lambda row: text_of(row, "id")):
            mark = ",".join(text_of(row, name) for name in ("id", "status", "index", "finished_at"))
            stop = row.get("status") == "failed" and is_stop(row.get("error"))
            run_id = text_of(row, "workflow_run_id")
            found[run_id] = joined(found.get(run_id), row, mark, stop=stop)
        return found

    def nodes(self, runs: Sequence[RunState]) -> Sequence[NodeRow]:
        return self._as.nodes(self._node_rows(runs))

    def single_step_keys(self, since_us: int, limit: int) -> Sequence[Key]:
        table = self._as.table("workflow_node_executions")
        alone = {
            row_id
            for row_id, row in table.items()
            if row.get("triggered_from") == "single-step" and row.get("status") in _TERMINAL
        }
        return self._keys("workflow_node_executions", where=lambda key: key.id in alone and key.us >= since_us)[:limit]

    def single_steps(self, ids: Collection[str]) -> Sequence[NodeRow]:
        return self._as.nodes(self._rows("workflow_node_executions", ids))

    # -- what stands around turns

    def definitions(self, workflow_ids: Collection[str]) -> dict[str, Definition]:
        return {
            text_of(row, "id"): Definition(
                graph_of(row.get("graph")), _hash_of(row, WORKFLOW_COLUMNS), us_of(row, "created_at")
            )
            for row in self._rows("workflows", workflow_ids)
        }

    def configs(self, model_config_ids: Collection[str]) -> dict[str, AppConfig]:
        return {
            text_of(row, "id"): AppConfig(
                agent_tools_of(row.get("agent_mode")), _hash_of(row, APP_CONFIG_COLUMNS), us_of(row, "created_at")
            )
            for row in self._rows("app_model_configs", model_config_ids)
        }

    def apps(self) -> Mapping[str, AppRow]:
        pipelines = {row_id: self._as.app(row, "rag-pipeline") for row_id, row in self._as.table("pipelines").items()}
        return pipelines | {row_id: self._as.app(row) for row_id, row in self._as.table("apps").items()}

    # -- comparing

    def oldest_us(self, table: Table) -> int | None:
        if table == "workflow_runs" and not self.runs_indexed:
            return None
        return min((key.us for key in self._keys(table, where=lambda key: key.us > 0)), default=None)

    def digests(self, table: Table, since_us: int, until_us: int) -> dict[str, Digest]:
        hashes: defaultdict[str, list[int]] = defaultdict(list)
        for key in self._keys(table, where=lambda key: since_us <= key.us < until_us):
            name = md5(key.id.encode(), usedforsecurity=False).hexdigest()[:_HASHED_DIGITS]
            hashes[text_of(self._as.table(table)[key.id], "app_id")].append(int(name, 16))
        return {app_id: Digest(len(each), sum(each)) for app_id, each in hashes.items()}

    def ids_between(self, table: Table, app_id: str, since_us: int, until_us: int) -> Sequence[Key]:
        rows = self._as.table(table)
        return self._keys(
            table, where=lambda key: since_us <= key.us < until_us and rows[key.id].get("app_id") == app_id
        )


def _hash_of(row: Row, columns: Collection[str]) -> str:
    return config_hash({column: row.get(column) for column in columns})
