"""Dify's tables in memory: the demo's small built-in Dify, and the tests' world that is written while it is read.

Rows are mappings of column to PostgreSQL's text of the value (None for NULL), under their id, under their table.
Answers the reader's questions as `postgres.sql` does; a test holds the two against each other.
"""

# ruff: noqa: D102 - what each question means is said in tables.py
from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from monitor.normalise.failure import is_stop
from monitor.normalise.graph import agent_tools_of, graph_of
from monitor.normalise.rows import (
    AgentTool,
    Graph,
    MessageRow,
    NodeRow,
    RunRow,
    ThoughtRow,
    message_is_final,
)
from monitor.normalise.values import ns
from monitor.sources.dify_database.tables import Key, MessageState, RunState, Signal

__all__ = ["MemoryTables", "Row", "World"]

Row = Mapping[str, str | None]
World = Mapping[str, Mapping[str, Row]]

_TERMINAL = frozenset({"succeeded", "failed", "exception", "stopped"})
_FAR_US = 9_000_000_000_000_000_000


class MemoryTables:
    """Implements `Tables` and `Snapshot` over a world that somebody else may change between two readings."""

    runs_indexed = True

    def __init__(self, world: World, now_us: Callable[[], int]) -> None:
        self._world, self._now_us = world, now_us

    @contextmanager
    def snapshot(self) -> Iterator[MemoryTables]:
        """The world as it is; the caller does not change it meanwhile."""
        yield self

    def check(self) -> None:
        """Memory is always there."""

    def close(self) -> None:
        """Nothing to let go of."""

    def now_us(self) -> int:
        return self._now_us()

    def _table(self, name: str) -> Mapping[str, Row]:
        return self._world.get(name, {})

    def _rows(self, name: str, ids: Collection[str]) -> list[Row]:
        table = self._table(name)
        return [table[row_id] for row_id in ids if row_id in table]

    def _sorted_keys(self, name: str) -> list[Key]:
        rows = self._table(name).values()
        keys = [Key(id=_text(row, "id"), at=_text(row, "created_at"), us=_us(row, "created_at") or 0) for row in rows]
        return sorted(keys, key=lambda key: (key.us, key.id))

    def _keys_after(self, name: str, after: Key | None, limit: int) -> list[Key]:
        keys = self._sorted_keys(name)
        return [key for key in keys if after is None or (key.us, key.id) > (after.us, after.id)][:limit]

    def _keys_since(self, name: str, since_us: int, until: Key) -> list[Key]:
        return [
            key for key in self._sorted_keys(name) if since_us <= key.us and (key.us, key.id) <= (until.us, until.id)
        ]

    def message_keys(self, after: Key | None, limit: int) -> Sequence[Key]:
        return self._keys_after("messages", after, limit)

    def message_keys_since(self, since_us: int, until: Key) -> Sequence[Key]:
        return self._keys_since("messages", since_us, until)

    def message_states(self, ids: Collection[str]) -> Sequence[MessageState]:
        return [
            MessageState(
                id=_text(row, "id"),
                created_us=_us(row, "created_at") or 0,
                ended_us=(_us(row, "created_at") or 0) + round(ns(row.get("provider_response_latency")) / 1000),
                mode=self._app(row).get("mode"),
                run_id=row.get("workflow_run_id"),
                final=message_is_final(_float(row, "provider_response_latency"), _text(row, "status")),
                size=_size(row, "query", "answer", "message", "inputs", "message_metadata"),
            )
            for row in self._rows("messages", ids)
        ]

    def _app(self, row: Row) -> Row:
        return self._table("apps").get(_text(row, "app_id"), {})

    def messages(self, ids: Collection[str]) -> Sequence[MessageRow]:
        return [self._message(row) for row in self._rows("messages", ids)]

    def _message(self, row: Row) -> MessageRow:
        app = self._app(row)
        return MessageRow(
            id=_text(row, "id"),
            app_id=_text(row, "app_id"),
            tenant_id=app.get("tenant_id"),
            app_name=app.get("name"),
            mode=app.get("mode"),
            conversation_id=row.get("conversation_id"),
            run_id=row.get("workflow_run_id"),
            created_us=_us(row, "created_at") or 0,
            status=_text(row, "status"),
            error=row.get("error"),
            latency_s=_float(row, "provider_response_latency"),
            query=row.get("query"),
            inputs=row.get("inputs"),
            answer=row.get("answer"),
            prompt=row.get("message"),
            model_provider=row.get("model_provider"),
            model_id=row.get("model_id"),
            input_tokens=_int(row, "message_tokens") or 0,
            output_tokens=_int(row, "answer_tokens") or 0,
            price=row.get("total_price"),
            currency=row.get("currency"),
            metadata=row.get("message_metadata"),
            invoke_from=row.get("invoke_from"),
            end_user_id=row.get("from_end_user_id"),
            account_id=row.get("from_account_id"),
            session_id=self._table("end_users").get(_text(row, "from_end_user_id"), {}).get("session_id"),
            model_config_id=self._table("conversations")
            .get(_text(row, "conversation_id"), {})
            .get("app_model_config_id"),
        )

    def _thought_rows(self, message_ids: Collection[str]) -> list[Row]:
        wanted = set(message_ids)
        return [row for row in self._table("message_agent_thoughts").values() if row.get("message_id") in wanted]

    def thought_signals(self, message_ids: Collection[str]) -> dict[str, Signal]:
        found: dict[str, Signal] = {}
        for row in sorted(
            self._thought_rows(message_ids), key=lambda row: (_int(row, "position") or 0, _text(row, "id"))
        ):
            watched = ("position", "tool", "observation", "tool_meta_str", "tokens", "thought", "answer")
            mark = ",".join(str(len(row.get(name) or "")) for name in watched) + (row.get("tokens") or "")
            found[_text(row, "message_id")] = _joined(found.get(_text(row, "message_id")), row, mark)
        return found

    def thoughts(self, message_ids: Collection[str]) -> Sequence[ThoughtRow]:
        return [
            ThoughtRow(
                id=_text(row, "id"),
                message_id=_text(row, "message_id"),
                position=_int(row, "position") or 0,
                created_us=_us(row, "created_at") or 0,
                thought=row.get("thought"),
                answer=row.get("answer"),
                tool=row.get("tool"),
                tool_input=row.get("tool_input"),
                tool_meta=row.get("tool_meta_str"),
                observation=row.get("observation"),
                input_tokens=_int(row, "message_token"),
                output_tokens=_int(row, "answer_token"),
                total_tokens=_int(row, "tokens"),
                price=row.get("total_price"),
                currency=row.get("currency"),
            )
            for row in self._thought_rows(message_ids)
        ]

    def run_keys(self, after: Key | None, limit: int) -> Sequence[Key]:
        return self._keys_after("workflow_runs", after, limit)

    def run_keys_since(self, since_us: int, until: Key) -> Sequence[Key]:
        return self._keys_since("workflow_runs", since_us, until)

    def run_states(self, ids: Collection[str]) -> Sequence[RunState]:
        return [
            RunState(
                id=_text(row, "id"),
                created_us=_us(row, "created_at") or 0,
                type=_text(row, "type"),
                status=_text(row, "status"),
                size=_size(row, "inputs", "outputs"),
                tenant_id=_text(row, "tenant_id"),
                app_id=_text(row, "app_id"),
                workflow_id=_text(row, "workflow_id"),
                triggered_from=_text(row, "triggered_from"),
            )
            for row in self._rows("workflow_runs", ids)
        ]

    def runs(self, ids: Collection[str]) -> Sequence[RunRow]:
        return [self._run(row) for row in self._rows("workflow_runs", ids)]

    def _run(self, row: Row) -> RunRow:
        app = self._app(row)
        return RunRow(
            id=_text(row, "id"),
            tenant_id=_text(row, "tenant_id"),
            app_id=_text(row, "app_id"),
            app_name=app.get("name"),
            mode=app.get("mode"),
            workflow_id=_text(row, "workflow_id"),
            version=_text(row, "version"),
            type=_text(row, "type"),
            triggered_from=_text(row, "triggered_from"),
            status=_text(row, "status"),
            created_us=_us(row, "created_at") or 0,
            finished_us=_us(row, "finished_at"),
            error=row.get("error"),
            inputs=row.get("inputs"),
            outputs=row.get("outputs"),
            total_tokens=_int(row, "total_tokens"),
            created_by=_text(row, "created_by"),
            session_id=self._table("end_users").get(_text(row, "created_by"), {}).get("session_id"),
        )

    def runs_with_message(self, run_ids: Collection[str], since_us: int, until_us: int) -> set[str]:
        wanted = set(run_ids)
        return {
            _text(row, "workflow_run_id")
            for row in self._table("messages").values()
            if row.get("workflow_run_id") in wanted and since_us <= (_us(row, "created_at") or 0) <= until_us
        }

    def _node_rows(self, runs: Sequence[RunState]) -> list[Row]:
        wanted = {run.id for run in runs}
        return [row for row in self._table("workflow_node_executions").values() if row.get("workflow_run_id") in wanted]

    def node_signals(self, runs: Sequence[RunState]) -> dict[str, Signal]:
        found: dict[str, Signal] = {}
        for row in sorted(self._node_rows(runs), key=lambda row: _text(row, "id")):
            mark = ",".join(_text(row, name) for name in ("id", "status", "index", "finished_at"))
            stop = row.get("status") == "failed" and is_stop(row.get("error"))
            run_id = _text(row, "workflow_run_id")
            found[run_id] = _joined(found.get(run_id), row, mark, stop=stop)
        return found

    def nodes(self, runs: Sequence[RunState]) -> Sequence[NodeRow]:
        return [self._node(row) for row in self._node_rows(runs)]

    def _node(self, row: Row) -> NodeRow:
        app = self._app(row)
        return NodeRow(
            id=_text(row, "id"),
            run_id=row.get("workflow_run_id"),
            tenant_id=_text(row, "tenant_id"),
            app_id=_text(row, "app_id"),
            workflow_id=_text(row, "workflow_id"),
            node_execution_id=row.get("node_execution_id"),
            node_id=_text(row, "node_id"),
            node_type=_text(row, "node_type"),
            title=_text(row, "title"),
            index=_int(row, "index") or 0,
            predecessor=row.get("predecessor_node_id"),
            status=_text(row, "status"),
            error=row.get("error"),
            elapsed_s=_float(row, "elapsed_time"),
            created_us=_us(row, "created_at") or 0,
            finished_us=_us(row, "finished_at"),
            inputs=row.get("inputs"),
            process_data=row.get("process_data"),
            outputs=row.get("outputs"),
            metadata=row.get("execution_metadata"),
            app_name=app.get("name"),
            mode=app.get("mode"),
        )

    def single_step_keys(self, since_us: int, limit: int) -> Sequence[Key]:
        table = self._table("workflow_node_executions")
        alone = [
            row
            for row in table.values()
            if row.get("triggered_from") == "single-step" and row.get("status") in _TERMINAL
        ]
        keys = [Key(id=_text(row, "id"), at=_text(row, "created_at"), us=_us(row, "created_at") or 0) for row in alone]
        return sorted((key for key in keys if key.us >= since_us), key=lambda key: (key.us, key.id))[:limit]

    def single_steps(self, ids: Collection[str]) -> Sequence[NodeRow]:
        return [self._node(row) for row in self._rows("workflow_node_executions", ids)]

    def graphs(self, workflow_ids: Collection[str]) -> dict[str, Graph]:
        return {_text(row, "id"): graph_of(row.get("graph")) for row in self._rows("workflows", workflow_ids)}

    def agent_tools(self, model_config_ids: Collection[str]) -> dict[str, dict[str, AgentTool]]:
        rows = self._rows("app_model_configs", model_config_ids)
        return {_text(row, "id"): agent_tools_of(row.get("agent_mode")) for row in rows}


def _joined(before: Signal | None, row: Row, mark: str, *, stop: bool = False) -> Signal:
    last = max(_us(row, "created_at") or 0, _us(row, "finished_at") or 0)
    size = _size(
        row,
        *("inputs", "process_data", "outputs", "execution_metadata"),
        *("thought", "answer", "tool_input", "observation"),
    )
    if before is None:
        return Signal(mark=mark, last_us=last, size=size, stop_evidence=stop)
    return Signal(
        mark=f"{before.mark};{mark}",
        last_us=max(before.last_us, last),
        size=before.size + size,
        stop_evidence=before.stop_evidence or stop,
    )


def _text(row: Row, column: str) -> str:
    return row.get(column) or ""


def _int(row: Row, column: str) -> int | None:
    value = row.get(column)
    return int(value) if value not in {None, ""} and value is not None else None


def _float(row: Row, column: str) -> float:
    return float(row.get(column) or 0)


def _size(row: Row, *columns: str) -> int:
    return sum(len((row.get(column) or "").encode()) for column in columns)


def _us(row: Row, column: str) -> int | None:
    text = row.get(column)
    if not text:
        return None
    if text in {"infinity", "-infinity"}:
        return _FAR_US if text == "infinity" else -_FAR_US
    try:
        moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        return 0
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
