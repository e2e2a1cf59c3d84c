"""Rows of tables in memory as the rows that any source hands over. Called by `memory` only.

A column's value is PostgreSQL's text of it, None for NULL; a column that is not there is NULL as well.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime

from monitor.normalise.rows import AppRow, MessageRow, NodeRow, ResourceRow, RunRow, ThoughtRow, message_is_final
from monitor.normalise.values import ns
from monitor.sources.dify_database.tables import Key, MessageState, RunState, Signal

__all__ = [
    "Row",
    "Rows",
    "World",
    "joined",
    "key_of",
    "resource_of",
    "run_state_of",
    "text_of",
    "thought_of",
    "us_of",
]

Row = Mapping[str, str | None]
World = Mapping[str, Mapping[str, Row]]

_SHORTENED = ("inputs", "process_data", "outputs")
_FAR_US = 9_000_000_000_000_000_000


class Rows:
    """The rows that need others to be understood."""

    def __init__(self, world: World) -> None:
        self._world = world

    def table(self, name: str) -> Mapping[str, Row]:
        """A table's rows by id; none where there is no such table."""
        return self._world.get(name, {})

    def _of(self, table: str, row: Row, column: str) -> Row:
        return self.table(table).get(text_of(row, column), {})

    def _mode(self, row: Row) -> str | None:
        conversation = self._of("conversations", row, "conversation_id")
        return self._of("apps", row, "app_id").get("mode") or row.get("app_mode") or conversation.get("mode")

    def _user_name(self, end_user: Row, row: Row, account: str) -> str | None:
        return end_user.get("name") or self._of("accounts", row, account).get("name")

    def message_state(self, row: Row) -> MessageState:
        """How far a message is."""
        return MessageState(
            id=text_of(row, "id"),
            created_us=us_of(row, "created_at") or 0,
            ended_us=(us_of(row, "created_at") or 0) + round(ns(row.get("provider_response_latency")) / 1000),
            mode=self._mode(row),
            run_id=row.get("workflow_run_id"),
            final=message_is_final(_float(row, "provider_response_latency"), text_of(row, "status")),
            size=_size(row, "query", "answer", "message", "inputs", "message_metadata", "override_model_configs"),
            app_id=text_of(row, "app_id"),
            invoke_from=text_of(row, "invoke_from"),
            conversation_id=text_of(row, "conversation_id"),
        )

    def message(self, row: Row) -> MessageRow:
        """A row of `messages`."""
        app, end_user = self._of("apps", row, "app_id"), self._of("end_users", row, "from_end_user_id")
        conversation, tried = self._of("conversations", row, "conversation_id"), "override_model_configs"
        return MessageRow(
            id=text_of(row, "id"),
            app_id=text_of(row, "app_id"),
            tenant_id=app.get("tenant_id"),
            app_name=app.get("name"),
            mode=self._mode(row),
            conversation_id=row.get("conversation_id"),
            run_id=row.get("workflow_run_id"),
            created_us=us_of(row, "created_at") or 0,
            status=text_of(row, "status"),
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
            session_id=end_user.get("session_id"),
            model_config_id=conversation.get("app_model_config_id"),
            tenant_name=self._of("tenants", app, "tenant_id").get("name"),
            user_name=self._user_name(end_user, row, "from_account_id"),
            override=row.get(tried) if row.get(tried) is not None else conversation.get(tried),
        )

    def run(self, row: Row) -> RunRow:
        """A row of `workflow_runs`."""
        app, end_user = self._of("apps", row, "app_id"), self._of("end_users", row, "created_by")
        return RunRow(
            id=text_of(row, "id"),
            tenant_id=text_of(row, "tenant_id"),
            app_id=text_of(row, "app_id"),
            app_name=app.get("name"),
            mode=app.get("mode"),
            workflow_id=text_of(row, "workflow_id"),
            version=text_of(row, "version"),
            type=text_of(row, "type"),
            triggered_from=text_of(row, "triggered_from"),
            status=text_of(row, "status"),
            created_us=us_of(row, "created_at") or 0,
            finished_us=us_of(row, "finished_at"),
            error=row.get("error"),
            inputs=row.get("inputs"),
            outputs=row.get("outputs"),
            total_tokens=_int(row, "total_tokens"),
            created_by=text_of(row, "created_by"),
            session_id=end_user.get("session_id"),
            tenant_name=self._of("tenants", row, "tenant_id").get("name"),
            user_name=self._user_name(end_user, row, "created_by"),
        )

    def nodes(self, rows: Sequence[Row]) -> list[NodeRow]:
        """Rows of `workflow_node_executions`, with the names of their shortened columns."""
        shortened: defaultdict[str, set[str]] = defaultdict(set)
        for mark in self.table("workflow_node_execution_offload").values() if rows else ():
            shortened[text_of(mark, "node_execution_id")].add(text_of(mark, "type"))
        return [self._node(row, shortened) for row in rows]

    def _node(self, row: Row, shortened: Mapping[str, Collection[str]]) -> NodeRow:
        app = self._of("apps", row, "app_id")
        names = {text_of(row, "id"), text_of(row, "node_execution_id")} - {""}
        columns = {column for name in names for column in shortened.get(name, ())}
        return NodeRow(
            id=text_of(row, "id"),
            run_id=row.get("workflow_run_id"),
            tenant_id=text_of(row, "tenant_id"),
            app_id=text_of(row, "app_id"),
            workflow_id=text_of(row, "workflow_id"),
            node_execution_id=row.get("node_execution_id"),
            node_id=text_of(row, "node_id"),
            node_type=text_of(row, "node_type"),
            title=text_of(row, "title"),
            index=_int(row, "index") or 0,
            predecessor=row.get("predecessor_node_id"),
            status=text_of(row, "status"),
            error=row.get("error"),
            elapsed_s=_float(row, "elapsed_time"),
            created_us=us_of(row, "created_at") or 0,
            finished_us=us_of(row, "finished_at"),
            inputs=row.get("inputs"),
            process_data=row.get("process_data"),
            outputs=row.get("outputs"),
            metadata=row.get("execution_metadata"),
            app_name=app.get("name"),
            mode=app.get("mode"),
            tenant_name=self._of("tenants", row, "tenant_id").get("name"),
            truncated=tuple(column for column in _SHORTENED if column in columns),
        )

    def app(self, row: Row, mode: str | None = None) -> AppRow:
        """A row of `apps`; or one of `pipelines`, whose mode is given."""
        return AppRow(
            id=text_of(row, "id"),
            tenant_id=text_of(row, "tenant_id"),
            name=text_of(row, "name"),
            mode=mode or text_of(row, "mode"),
            tenant_name=self._of("tenants", row, "tenant_id").get("name") or "",
            config_id=text_of(row, "app_model_config_id"),
            workflow_id=text_of(row, "workflow_id"),
        )


def key_of(row: Row) -> Key:
    """A row's place in the order of creation."""
    return Key(id=text_of(row, "id"), at=text_of(row, "created_at"), us=us_of(row, "created_at") or 0)


def thought_of(row: Row) -> ThoughtRow:
    """A row of `message_agent_thoughts`."""
    return ThoughtRow(
        id=text_of(row, "id"),
        message_id=text_of(row, "message_id"),
        position=_int(row, "position") or 0,
        created_us=us_of(row, "created_at") or 0,
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


def resource_of(row: Row) -> ResourceRow:
    """A row of `dataset_retriever_resources`."""
    return ResourceRow(
        message_id=text_of(row, "message_id"),
        position=_int(row, "position") or 0,
        dataset_id=text_of(row, "dataset_id"),
        dataset_name=row.get("dataset_name"),
        document_id=row.get("document_id"),
        document_name=row.get("document_name"),
        segment_id=row.get("segment_id"),
        score=_float(row, "score") if row.get("score") is not None else None,
        content=row.get("content"),
        created_us=us_of(row, "created_at") or 0,
    )


def run_state_of(row: Row) -> RunState:
    """How far a run is."""
    return RunState(
        id=text_of(row, "id"),
        created_us=us_of(row, "created_at") or 0,
        type=text_of(row, "type"),
        status=text_of(row, "status"),
        size=_size(row, "inputs", "outputs"),
        tenant_id=text_of(row, "tenant_id"),
        app_id=text_of(row, "app_id"),
        workflow_id=text_of(row, "workflow_id"),
        triggered_from=text_of(row, "triggered_from"),
    )


def joined(before: Signal | None, row: Row, mark: str, *, stop: bool = False) -> Signal:
    """A turn's signal with one more thought or node."""
    last = max(us_of(row, "created_at") or 0, us_of(row, "finished_at") or 0)
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


def text_of(row: Row, column: str) -> str:
    """A column's text, empty for NULL."""
    return row.get(column) or ""


def us_of(row: Row, column: str) -> int | None:
    """A timestamp in microseconds; one that Python can't hold is 0, the infinite ones are far away."""
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


def _int(row: Row, column: str) -> int | None:
    value = row.get(column)
    return int(value) if value not in {None, ""} and value is not None else None


def _float(row: Row, column: str) -> float:
    return float(row.get(column) or 0)


def _size(row: Row, *columns: str) -> int:
    return sum(len((row.get(column) or "").encode()) for column in columns)
