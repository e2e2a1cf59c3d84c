"""The least that a backfill could cost: the same rows by COPY, parsed, as OTLP/JSON in memory, and nothing else.

One process, no journal, no file, no metrics, no rules, no second look at anything. What it leaves out is what a sidecar
is for; the share of it that the product reaches says how much of its time is not spent on that. Part of backfill;
nothing of the package `monitor` is used. Spans carry the attributes that the product's carry without content.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import msgspec
import psycopg

__all__ = ["Limit"]

_US = "(extract(epoch FROM {}) * 1000000)::bigint"
_MESSAGES = f"""
    SELECT m.id, m.app_id, a.tenant_id, a.name, a.mode, m.conversation_id, m.workflow_run_id, {_US.format("m.created_at")},
           m.provider_response_latency, m.status, m.error, m.query, m.answer, m.inputs, m.message, m.message_metadata,
           m.model_provider, m.model_id, m.message_tokens, m.answer_tokens, m.total_price, m.currency, m.invoke_from,
           m.from_end_user_id
    FROM messages m LEFT JOIN apps a ON a.id = m.app_id
"""
_RUNS = f"""
    SELECT r.id, r.tenant_id, r.app_id, a.name, a.mode, r.workflow_id, r.version, r.triggered_from, r.status,
           {_US.format("r.created_at")}, {_US.format("r.finished_at")}, r.error, r.inputs, r.outputs, r.created_by
    FROM workflow_runs r LEFT JOIN apps a ON a.id = r.app_id
"""
_THOUGHTS = f"""
    SELECT id, message_id, position, {_US.format("created_at")}, thought, answer, tool, tool_input, observation,
           tool_meta_str, message_token, answer_token, tokens, total_price, currency
    FROM message_agent_thoughts
"""
_NODES = f"""
    SELECT id, workflow_run_id, node_id, node_type, title, index, status, error, elapsed_time, {_US.format("created_at")},
           {_US.format("finished_at")}, inputs, process_data, outputs, execution_metadata
    FROM workflow_node_executions
"""
_RATINGS = f"""
    SELECT id, message_id, rating, from_source, content, {_US.format("created_at")} FROM message_feedbacks
"""
_SPANS_A_REQUEST = 512
_BEFORE = (
    '{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"dify"}}]},'
    '"scopeSpans":[{"scope":{"name":"limit"},"spans":['
)
_AFTER = "]}]}]}\n"
_OPERATIONS = {"chat": "chat", "completion": "text_completion", "agent-chat": "invoke_agent"}
_SEARCHING_MODES = frozenset({"chat", "completion"})
_KINDS = {"llm": "chat", "tool": "execute_tool", "knowledge-retrieval": "retrieval"}
_parse = msgspec.json.decode
_write = msgspec.json.encode


class Limit:
    """Reads and encodes everything once."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self._waiting: list[str] = []
        self._of_message: dict[str, tuple[str, str, str]] = {}
        self._of_run: dict[str, tuple[str, str]] = {}
        self._turn_of: dict[str, tuple[str, str, str]] = {}
        """By message, the trace, the root and the attributes of its turn."""
        self.turns = self.spans = self.bytes = 0

    def run(self) -> None:
        """The whole of it; `turns`, `spans` and `bytes` then tell how much that was."""
        for work, statement in (
            (self._message, _MESSAGES),
            (self._run, _RUNS),
            (self._thought, _THOUGHTS),
            (self._node, _NODES),
            (self._rating, _RATINGS),
        ):
            for row in self._rows(statement):
                work(*row)
        self._encode()

    def _rows(self, statement: str) -> Iterator[tuple[str | None, ...]]:
        with self._connection.cursor() as cursor, cursor.copy(f"COPY ({statement}) TO STDOUT".encode()) as copy:
            yield from copy.rows()

    def _message(self, *row: Any) -> None:
        (
            row_id, app, tenant, app_name, mode, conversation, run, created, latency, status, error, _, _, inputs, prompt,
            metadata, provider, model, given, produced, price, currency, invoked, user,
        ) = row  # fmt: skip
        *_, kept = _parsed(inputs, prompt, metadata)
        common = (
            _of_app(tenant, app, app_name, mode)
            + f",{_text('dify.invoke_from', invoked)},{_text('dify.conversation.id', conversation)}"
            f",{_text('gen_ai.conversation.id', conversation)},{_text('dify.message.id', row_id)},{_text('user.id', user)}"
        )
        trace, root = _hex(run or row_id), _low(run or row_id)
        self._turn_of[row_id] = (trace, root, common)
        if run is not None:
            self._of_run[run] = (common, "")
            return
        operation = _OPERATIONS[mode]
        self._of_message[row_id] = (trace, root, f"{common},{_model(provider, model)}")
        start = int(created)
        own = (
            f"{_text('gen_ai.operation.name', operation)},{_text('dify.trace_id', row_id)}"
            f",{_text('dify.turn.status', status)},{_model(provider, model)},{_usage(given, produced, price, currency)}"
        )
        name = f"{operation} {app_name if mode == 'agent-chat' else model}"
        end = start + int(float(latency) * 1_000_000)
        self._span((trace, root, ""), name, (start, end), f"{own},{common}", error if status == "error" else None)
        self.turns += 1
        if mode in _SEARCHING_MODES and kept:
            self._searches(row_id, kept["retriever_resources"], start, (trace, root, common))

    def _searches(self, message: str, hits: list[dict[str, Any]], at: int, turn: tuple[str, str, str]) -> None:
        """What a chat's searches found; one for each knowledge base."""
        trace, root, common = turn
        for dataset in dict.fromkeys(hit["dataset_id"] for hit in hits):
            own = f"{_text('gen_ai.operation.name', 'retrieval')},{_text('gen_ai.data_source.id', dataset)}"
            span = hashlib.blake2b(f"{message}/{dataset}".encode(), digest_size=8).hexdigest()
            self._span((trace, span, root), f"retrieval {dataset}", (at, at), f"{own},{common}", None)

    def _run(self, *row: Any) -> None:
        row_id, tenant, app, name, mode, workflow, version, trigger, status, created, finished, error, *rest = row
        inputs, outputs, user = rest
        _parsed(inputs, outputs)
        common, _ = self._of_run.get(row_id) or (
            f"{_of_app(tenant, app, name, mode)},{_text('dify.invoke_from', trigger)},{_text('user.id', user)}",
            "",
        )
        common += (
            f",{_text('dify.workflow.run_id', row_id)},{_text('dify.workflow.id', workflow)}"
            f",{_text('dify.workflow.version', version)},{_text('dify.trace_id', row_id)}"
        )
        trace, root = _hex(row_id), _low(row_id)
        self._of_run[row_id] = (common, root)
        own = f"{_text('gen_ai.operation.name', 'invoke_workflow')},{_text('dify.turn.status', status)}"
        times = int(created), int(finished)
        failed = error if status == "failed" else None
        self._span((trace, root, ""), f"invoke_workflow {name}", times, f"{own},{common}", failed)
        self.turns += 1

    def _thought(self, *row: Any) -> None:
        row_id, message, position, created, _, _, tool, given, seen, meta, *used = row
        asked, prompt_tokens, answer_tokens, _, price, currency = _parsed(given, seen, meta), *used
        trace, root, common = self._of_message[message]
        at, span = int(created), _low(row_id)
        own = f"{_text('gen_ai.operation.name', 'chat')},{_usage(prompt_tokens, answer_tokens, price, currency)}"
        self._span((trace, span, root), "chat", (at, at), f"{own},{common}", None)
        if tool:
            self._tool_call(f"{message}/{position}/{tool}", tool, asked[2][tool], at, (trace, root, common))

    def _tool_call(self, call: str, tool: str, facts: dict[str, Any], at: int, turn: tuple[str, str, str]) -> None:
        trace, root, common = turn
        config, error = facts["tool_config"], facts["error"]
        own = (
            f"{_text('gen_ai.operation.name', 'execute_tool')},{_text('gen_ai.tool.name', tool)}"
            f",{_text('gen_ai.tool.call.id', call)},{_text('dify.tool.provider', config['tool_provider'])}"
            f",{_text('dify.tool.provider_type', config['tool_provider_type'])}"
        )
        span = hashlib.blake2b(call.encode(), digest_size=8).hexdigest()
        times = at, at + int(facts["time_cost"] * 1_000_000)
        self._span((trace, span, root), f"execute_tool {tool}", times, f"{own},{common}", error)

    def _node(self, *row: Any) -> None:
        row_id, run, node, kind, title, index, status, error, elapsed, created, finished, *texts = row
        process, outputs, facts = _parsed(*texts)[1:]
        common, root = self._of_run[run]
        own = (
            f"{_text('gen_ai.operation.name', _KINDS.get(kind, ''))},{_text('dify.step.status', status)}"
            f",{_text('dify.node.execution_id', row_id)},{_text('dify.node.id', node)},{_text('dify.node.type', kind)}"
            f",{_text('dify.node.title', title)},{_text('dify.node.status', status)},{_number('dify.node.index', index)}"
            f",{_float('dify.node.elapsed_time', elapsed)}"
        )
        if kind == "llm" and facts:
            used = outputs["usage"]
            own += f",{_model(process['model_provider'], process['model_name'])}," + _usage(
                used["prompt_tokens"], used["completion_tokens"], facts["total_price"], facts["currency"]
            )  # fmt: skip
        times = int(created), int(finished)
        failed = error if status == "failed" else None
        self._span((_hex(run), _low(row_id), root), f"{kind} {title}", times, f"{own},{common}", failed)

    def _rating(self, *row: Any) -> None:
        row_id, message, rating, given_by, _, created = row
        trace, root, common = self._turn_of[message]
        own = f"{_text('dify.feedback.rating', rating)},{_text('dify.feedback.given_by', given_by)}"
        self._span(
            (trace, _low(row_id), root), f"feedback {rating}", (int(created), int(created)), f"{own},{common}", None
        )

    def _span(
        self, ids: tuple[str, str, str], name: str, times: tuple[int, int], attributes: str, error: str | None
    ) -> None:
        (trace, span, parent), status = ids, "{}"
        if error is not None:
            attributes += ',{"key":"error.type","value":{"stringValue":"_OTHER"}}'
            status = '{"code":2,"message":"_OTHER"}'
        above = f'"parentSpanId":"{parent}",' if parent else ""
        self._waiting.append(
            f'{{"traceId":"{trace}","spanId":"{span}",{above}"name":{_quoted(name)},"kind":1,"startTimeUnixNano":"'
            f'{times[0]}000","endTimeUnixNano":"{times[1]}000","attributes":[{attributes}],"status":{status},"flags":256}}'
        )
        self.spans += 1
        if len(self._waiting) == _SPANS_A_REQUEST:
            self._encode()

    def _encode(self) -> None:
        """The waiting spans as one request."""
        self.bytes += len(f"{_BEFORE}{','.join(self._waiting)}{_AFTER}".encode())
        self._waiting.clear()


def _parsed(*texts: str | None) -> list[Any]:
    return [_parse(text) if text else None for text in texts]


def _hex(row_id: str) -> str:
    return row_id.replace("-", "")


def _low(row_id: str) -> str:
    """The low 64 bits of a UUID."""
    return row_id[19:23] + row_id[24:]


def _quoted(text: str) -> str:
    return _write(text).decode()


def _text(key: str, value: str) -> str:
    return f'{{"key":"{key}","value":{{"stringValue":{_quoted(value)}}}}}'


def _number(key: str, value: object) -> str:
    return f'{{"key":"{key}","value":{{"intValue":"{value}"}}}}'


def _float(key: str, value: object) -> str:
    return f'{{"key":"{key}","value":{{"doubleValue":{value}}}}}'


def _of_app(tenant: str, app: str, name: str, mode: str) -> str:
    return (
        f"{_text('dify.tenant_id', tenant)},{_text('dify.app_id', app)},{_text('dify.app.name', name)}"
        f",{_text('dify.app.mode', mode)}"
    )


def _model(provider: str, name: str) -> str:
    short = provider.rpartition("/")[2]
    return f"{_text('gen_ai.provider.name', short)},{_text('gen_ai.request.model', name)}"


def _usage(given: object, produced: object, price: object, currency: str) -> str:
    return (
        f"{_number('gen_ai.usage.input_tokens', given)},{_number('gen_ai.usage.output_tokens', produced)}"
        f",{_float('dify.usage.cost', price)},{_text('dify.usage.currency', currency)}"
    )
