"""A workflow run's node executions as steps: a tree with iterations and loops, retries folded into one step.

Up to Dify 1.8 every retry is a row of its own under the same `node_execution_id`, the first one `running` for ever;
the row with the highest index is the step, the others are its attempts. From 1.9 on the row is rewritten in place;
the newest versions keep the attempts in the row's `process_data`.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from monitor.model import Attempt, Node, Status, Step, StepKind, Tool, Usage
from monitor.normalise.agent_log import agent_log
from monitor.normalise.containers import Execution, Facts, Scope, executions, scope_of
from monitor.normalise.draft import Draft
from monitor.normalise.failure import error_type, http_error_type, is_stop
from monitor.normalise.graph import CONTAINERS
from monitor.normalise.retrieval import hits_of_node
from monitor.normalise.rows import Graph, GraphNode, NodeRow
from monitor.normalise.scrub import scrub
from monitor.normalise.text import canonical, clean, dumps, parse, short, spelled
from monitor.normalise.values import MAX_NS, count, finish_us, ns, ns_of_s, ns_of_us, usage_of

__all__ = ["node_steps", "single_step"]

_KINDS: dict[str, StepKind] = {
    "llm": "llm",
    "question-classifier": "llm",
    "parameter-extractor": "llm",
    "agent": "agent",
    "tool": "tool",
    "knowledge-retrieval": "retrieval",
    "http-request": "http",
}
_STATUS: dict[str, Status] = {"succeeded": "succeeded", "failed": "failed", "exception": "failed", "stopped": "stopped"}
_SPENDING = frozenset({"llm", "agent", "retrieval"})
"""Kinds whose own model calls Dify counts at the node; the others repeat what inner calls or called workflows spent."""
_ATTEMPTS_KEPT = "__dify_retry_history"
_MAX_ATTEMPTS = 100
_NO_NODE = GraphNode()
_HTTP_ERROR = re.compile(r"status code:? {0,2}([1-5][0-9]{2})\b", re.IGNORECASE)
_HTTP_FAILED, _HTTP_STATUSES = 400, range(100, 600)
_TRUNCATED = {"inputs": "input", "process_data": "process", "outputs": "output"}
_NOTHING = frozenset({"", "{}", "null"})


class _Known(msgspec.Struct):
    """What a node's row and definition say, once parsed."""

    facts: Facts
    outputs: dict[str, Any]
    process: dict[str, Any]
    definition: GraphNode


def node_steps(rows: list[NodeRow], graph: Graph, *, stopped: bool, ended_us: int | None) -> list[Draft]:
    """The steps that are terminal, in no order.

    With `ended_us` (the run is over, or given up) every row is told, the unfinished ones as stopped or unknown.
    """
    found = executions(rows)
    scope = scope_of(found, graph, stopped=stopped, ended_us=ended_us)
    return [draft for each in found for draft in _drafts(each, scope)]


def single_step(row: NodeRow, graph: Graph) -> list[Draft]:
    """A node that somebody tried out alone in the editor, an Agent node with its log; nothing while it runs."""
    if row.status not in _STATUS:
        return []
    scope = Scope(graph=graph, stopped=False, ended_us=row.finished_us or row.created_us)
    return _drafts(executions([row])[0], scope)


def _drafts(each: Execution, scope: Scope) -> list[Draft]:
    row, facts = each.row, each.facts
    if row.status not in _STATUS and scope.ended_us is None:
        return []
    definition = scope.graph.get(row.node_id, _NO_NODE)
    parent = scope.parent(each, definition)
    if parent is None:
        return []
    outputs, process = _value(row.outputs), _value(row.process_data)
    known = _Known(facts=facts, outputs=_object(outputs), process=_object(process), definition=definition)
    step = _step(each, known, scope, parent)
    draft = Draft(step, {}, spent=step.usage, counted=_counted(row, known))
    inner = []
    if step.kind == "agent":
        log = agent_log(step, ns_of_us(row.created_us), row.metadata, known.outputs, definition.tools)
        inner, outputs = log.drafts, log.outputs if log.drafts else outputs
        draft.step = msgspec.structs.replace(
            step,
            usage=None if log.carries_usage else step.usage,
            truncated=step.truncated + (("calls",) if log.is_cut else ()),
        )
    draft.content = _content(row, step, outputs, process)
    return [*inner, draft]


def _value(text: str | None) -> Any:
    """`parse`, which most rows need not be asked."""
    return parse(text) if text and text not in _NOTHING else None


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _counted(row: NodeRow, known: _Known) -> int:
    """What the run's totals hold of this node; a container's tokens are those of its nodes."""
    if row.node_type in CONTAINERS:
        return 0
    return count(known.facts.total_tokens) or (
        count(_kept_usage(known).get("total_tokens")) or 0 if _KINDS.get(row.node_type) in _SPENDING else 0
    )


def _step(each: Execution, known: _Known, scope: Scope, parent: str) -> Step:
    row, definition = each.row, known.definition
    kind = _KINDS.get(row.node_type, "node")
    answered = _http_status(row, known.outputs) if kind == "http" else None
    refused = row.status == "succeeded" and (answered or 0) >= _HTTP_FAILED
    status = "failed" if refused else _status(row, scope)
    started, ended, estimated = _times(each, scope, inside=bool(parent))
    provider, model = _model(known.process, definition, kind)
    hits = hits_of_node(known.outputs.get("result")) if kind == "retrieval" and status == "succeeded" else ()
    return Step(
        id=row.id,
        kind=kind,
        name=_name(row, definition, kind, model),
        position=row.index,
        started_at=started,
        ended_at=ended,
        status=status,
        parent_id=parent,
        estimated=estimated,
        error_type=_error_type(row, known.outputs, kind, answered if refused else None) if status == "failed" else "",
        handled=row.status == "exception" or refused,
        usage=_usage(known) if kind in _SPENDING else None,
        model_provider=provider,
        model_name=model,
        time_to_first_token_ns=_first_token(known) if kind == "llm" else None,
        tool=_tool(row, known.facts, definition) if kind == "tool" else None,
        dataset_id=_datasets(definition, [hit.dataset_id for hit in hits]) if kind == "retrieval" else "",
        documents=_documents(known.outputs, status) if kind == "retrieval" else None,
        hits=hits,
        http_status=answered,
        truncated=_truncated(row, kind, known) if row.truncated else (),
        node=_node(row, known.facts),
        attempts=_earlier(each.rows, known.process),
    )


def _status(row: NodeRow, scope: Scope) -> Status:
    if row.status not in _STATUS:
        return "stopped" if scope.stopped else "unknown"
    if row.status == "failed" and is_stop(row.error):
        return "stopped"
    return _STATUS[row.status]


def _times(each: Execution, scope: Scope, *, inside: bool) -> tuple[int, int, bool]:
    """Start, end, and whether the end was worked out.

    Retries kept as rows begin with the first of them; those in between have times that Dify worked out backwards. A
    container's node ends no later than the next one began: 1.12 writes its end when the whole pass is over.
    """
    row = each.row
    started = ns_of_us(min(each.rows[0].created_us, row.created_us))
    ended, estimated = _end(row, scope, started)
    following = scope.next_us(each) if inside else None
    if following is not None and ns_of_us(following) < ended:
        return started, ns_of_us(following), True
    return started, ended, estimated


def _end(row: NodeRow, scope: Scope, started: int) -> tuple[int, bool]:
    finished = finish_us(row.created_us, row.finished_us)
    if finished is not None:
        ended = ns_of_us(finished)
        return max(started, ended), ended < started
    own = ns_of_us(row.created_us) + ns(row.elapsed_s) if row.status in _STATUS else ns_of_us(scope.ended_us)
    return max(started, min(own, MAX_NS)), True


def _name(row: NodeRow, definition: GraphNode, kind: StepKind, model: str) -> str:
    if kind == "tool":
        return definition.tool or short(row.title)
    return model or short(row.title) if kind == "llm" else short(row.title)


def _model(process: dict[str, Any], definition: GraphNode, kind: StepKind) -> tuple[str, str]:
    if kind not in {"llm", "agent"}:
        return "", ""
    provider, name = process.get("model_provider"), process.get("model_name")
    return (
        clean(provider) if isinstance(provider, str) and provider else definition.model_provider,
        clean(name) if isinstance(name, str) and name else definition.model_name,
    )


def _usage(known: _Known) -> Usage | None:
    facts, usage = known.facts, _kept_usage(known)
    price = facts.total_price
    return usage_of(
        given=usage.get("prompt_tokens"),
        produced=usage.get("completion_tokens"),
        total=facts.total_tokens or usage.get("total_tokens"),
        price=price if price is not None else usage.get("total_price"),
        currency=facts.currency or usage.get("currency"),
    )


def _kept_usage(known: _Known) -> dict[str, Any]:
    """Dify's usage object. A parameter extractor's outputs are the user's own names, `usage` among them perhaps."""
    for place in (known.outputs.get("usage"), known.process.get("usage"), known.outputs.get("__usage")):
        if isinstance(place, dict) and "total_tokens" in place:
            return place
    return {}


def _first_token(known: _Known) -> int | None:
    return ns(_kept_usage(known).get("time_to_first_token")) or None


def _tool(row: NodeRow, facts: Facts, definition: GraphNode) -> Tool:
    info = _object(facts.tool_info)
    provider, kind = info.get("provider_id"), info.get("provider_type")
    return Tool(
        name=definition.tool or short(row.title),
        provider=clean(provider) if isinstance(provider, str) and provider else definition.provider_id,
        provider_type=clean(kind) if isinstance(kind, str) and kind else definition.provider_type,
    )


def _datasets(definition: GraphNode, found: list[str]) -> str:
    """By the definition; without one, those that something was found in."""
    return ",".join(definition.datasets or dict.fromkeys(dataset for dataset in found if dataset))


def _documents(outputs: dict[str, Any], status: Status) -> int | None:
    result = outputs.get("result")
    return len(result) if isinstance(result, list) and status == "succeeded" else None


def _http_status(row: NodeRow, outputs: dict[str, Any]) -> int | None:
    """What the node was answered; one that failed for it has it in its error's text only."""
    status = count(outputs.get("status_code"))
    if status is None and row.error and row.status != "succeeded":
        said = _HTTP_ERROR.search(row.error)
        status = int(said[1]) if said else None
    return status if status in _HTTP_STATUSES else None


def _error_type(row: NodeRow, outputs: dict[str, Any], kind: StepKind, refused: int | None) -> str:
    """By the HTTP status or the error's text; a handled failure also keeps the name of what was raised."""
    if refused is not None:
        return http_error_type(refused)
    raised = outputs.get("error_type") if row.status == "exception" else None
    default = "tool_invoke_error" if kind == "tool" else "_OTHER"
    return error_type(row.error, default=error_type(raised, default=default) if isinstance(raised, str) else default)


def _earlier(group: list[NodeRow], process: dict[str, Any]) -> tuple[Attempt, ...]:
    """The failed tries before the deciding one, as rows or as the row remembers them."""
    if len(group) > 1:
        return tuple(_attempt(row.created_us * 1000, row.error) for row in group[:-1])
    kept = process.get(_ATTEMPTS_KEPT)
    if not isinstance(kept, list):
        return ()
    tries = [each for each in kept[:_MAX_ATTEMPTS] if isinstance(each, dict)]
    return tuple(_attempt(ns_of_s(each.get("created_at")), each.get("error")) for each in tries)


def _attempt(at: int, error: Any) -> Attempt:
    kept = error if isinstance(error, str) else ""
    return Attempt(at=min(max(0, at), MAX_NS), error=error_type(kept) if kept else "")


def _node(row: NodeRow, facts: Facts) -> Node:
    return Node(
        node_id=short(row.node_id),
        node_type=short(row.node_type),
        title=short(row.title),
        index=row.index,
        predecessor=short(row.predecessor),
        status=short(row.status),
        iteration_id=_id(facts.iteration_id),
        iteration_index=count(facts.iteration_index),
        loop_id=_id(facts.loop_id),
        loop_index=count(facts.loop_index),
        elapsed_s=ns(row.elapsed_s) / 1e9 if row.elapsed_s is not None else None,
    )


def _id(value: Any) -> str:
    return short(value) if isinstance(value, str) else ""


# -- content


def _request(row: NodeRow, kind: StepKind, process: dict[str, Any]) -> str:
    """What an HTTP node sent, which is its input; "" where it has inputs of its own."""
    request = process.get("request")
    return request if kind == "http" and isinstance(request, str) and (row.inputs or "") in _NOTHING else ""


def _truncated(row: NodeRow, kind: StepKind, known: _Known) -> tuple[str, ...]:
    """The content fields that hold a shortened value."""
    fields = [_TRUNCATED[column] for column in row.truncated if column in _TRUNCATED]
    if "process" in fields and _request(row, kind, known.process):
        fields.append("input")
    return tuple(dict.fromkeys(fields))


def _content(row: NodeRow, step: Step, outputs: Any, process: Any) -> dict[str, str]:
    given, worked = _given(row, step.kind, process)
    # A success after retries keeps the last attempt's error text in 0.15: the status decides.
    error = clean(row.error) if step.status != "succeeded" else ""
    fields = {"input": given, "process": worked, "output": spelled(outputs, row.outputs), "error": error}
    return {field: scrub(text) for field, text in fields.items() if text not in _NOTHING}


def _given(row: NodeRow, kind: StepKind, process: Any) -> tuple[str, str]:
    """Input and process data."""
    request = _request(row, kind, _object(process))
    if request:
        return clean(request), dumps({name: value for name, value in process.items() if name != "request"})
    given = row.inputs or ""
    return canonical(given) if given not in _NOTHING else "", spelled(process, row.process_data)
