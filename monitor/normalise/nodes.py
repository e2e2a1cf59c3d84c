"""A workflow run's node executions as steps: a tree with iterations and loops, retries folded into one step.

Up to Dify 1.8 every retry is a row of its own under the same `node_execution_id`, the first one `running` for ever;
the row with the highest index is the step, the others are its attempts. From 1.9 on the row is rewritten in place.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import msgspec

from monitor.model import Attempt, Node, Status, Step, StepKind, Tool, Usage
from monitor.normalise.failure import error_type, is_stop
from monitor.normalise.rows import Graph, GraphNode, NodeRow
from monitor.normalise.scrub import scrub
from monitor.normalise.text import canonical, clean, parse, parse_object, spelled
from monitor.normalise.thoughts import Draft
from monitor.normalise.values import MAX_NS, count, ns, ns_of_us, usage_of

__all__ = ["CONTAINERS", "is_terminal", "node_steps", "single_step"]

CONTAINERS = ("iteration", "loop")
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
_NAME_CHARS = 255
_NO_NODE = GraphNode()


class _Scope(msgspec.Struct):
    """What a node's step needs to know of its run."""

    graph: Graph
    containers: dict[str, list[NodeRow]]
    stopped: bool
    ended_us: int | None
    """When the run ended, once it has: what is still running then will never end."""


class _Known(msgspec.Struct):
    """What a node's row and definition say, once parsed."""

    facts: dict[str, Any]
    """`execution_metadata`"""
    outputs: dict[str, Any]
    process: dict[str, Any]
    definition: GraphNode


def is_terminal(row: NodeRow) -> bool:
    """Whether Dify will not change the row's outcome any more."""
    return row.status in _STATUS


def node_steps(rows: list[NodeRow], graph: Graph, *, stopped: bool, ended_us: int | None) -> list[Draft]:
    """The steps that are terminal, in the order in which they ended.

    With `ended_us` (the run is over, or given up) every row is told, the unfinished ones as stopped or unknown.
    """
    scope = _Scope(graph=graph, containers=_containers(rows), stopped=stopped, ended_us=ended_us)
    drafts = (_draft(group, scope) for group in _attempts(rows))
    return sorted((draft for draft in drafts if draft), key=_when)


def single_step(row: NodeRow, graph: Graph) -> Draft | None:
    """A node that somebody tried out alone in the editor; None while it runs."""
    return _draft([row], _Scope(graph=graph, containers={}, stopped=False, ended_us=None))


def _when(draft: Draft) -> tuple[int, int, str]:
    return (draft.step.ended_at, draft.step.position, draft.step.id)


def _attempts(rows: list[NodeRow]) -> list[list[NodeRow]]:
    """Rows that are one execution, the deciding one last."""
    groups: defaultdict[str, list[NodeRow]] = defaultdict(list)
    for row in rows:
        groups[row.node_execution_id or row.id].append(row)
    return [sorted(group, key=_attempt_order) for group in groups.values()]


def _attempt_order(row: NodeRow) -> tuple[int, int, str]:
    return (row.index, row.created_us, row.id)


def _containers(rows: list[NodeRow]) -> dict[str, list[NodeRow]]:
    found: defaultdict[str, list[NodeRow]] = defaultdict(list)
    for row in rows:
        if row.node_type in CONTAINERS:
            found[row.node_id].append(row)
    return found


def _draft(group: list[NodeRow], scope: _Scope) -> Draft | None:
    row = group[-1]
    if not is_terminal(row) and scope.ended_us is None:
        return None
    facts = parse_object(row.metadata)
    definition = scope.graph.get(row.node_id, _NO_NODE)
    parent = _parent(row, facts, definition, scope)
    if parent is None:
        return None
    outputs, process = parse(row.outputs), parse(row.process_data)
    known = _Known(facts=facts, outputs=_object(outputs), process=_object(process), definition=definition)
    step = _step(group, known, scope, parent)
    return Draft(step, _content(row, step, spelled(outputs, row.outputs), spelled(process, row.process_data)))


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _parent(row: NodeRow, facts: dict[str, Any], definition: GraphNode, scope: _Scope) -> str | None:
    """The container's row it ran in, "" for none; None: its container is not to be seen yet, so it waits."""
    container = facts.get("iteration_id") or facts.get("loop_id") or definition.parent
    if not isinstance(container, str) or not container or container == row.node_id:
        return ""
    candidates = scope.containers.get(container, [])
    if not candidates:
        return "" if scope.ended_us is not None else None
    begun = [each for each in candidates if each.created_us <= row.created_us]
    return (max(begun, key=lambda each: each.created_us) if begun else candidates[0]).id


def _step(group: list[NodeRow], known: _Known, scope: _Scope, parent: str) -> Step:
    row, facts, definition = group[-1], known.facts, known.definition
    kind = _KINDS.get(row.node_type, "node")
    status = _status(row, scope)
    started, ended, estimated = _times(row, scope)
    provider, model = _model(known.process, definition, kind)
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
        error_type=_error_type(row, kind) if status == "failed" else "",
        handled=row.status == "exception",
        usage=_usage(known, kind),
        model_provider=provider,
        model_name=model,
        time_to_first_token_ns=_first_token(known) if kind == "llm" else None,
        tool=_tool(row, facts, definition) if kind == "tool" else None,
        dataset_id=",".join(definition.datasets) if kind == "retrieval" else "",
        documents=_documents(known.outputs, status) if kind == "retrieval" else None,
        node=_node(row, facts),
        attempts=tuple(_attempt(each) for each in group[:-1]),
    )


def _status(row: NodeRow, scope: _Scope) -> Status:
    if row.status not in _STATUS:
        return "stopped" if scope.stopped else "unknown"
    if row.status == "failed" and is_stop(row.error):
        return "stopped"
    return _STATUS[row.status]


def _times(row: NodeRow, scope: _Scope) -> tuple[int, int, bool]:
    started = ns_of_us(row.created_us)
    if row.finished_us is not None:
        ended = ns_of_us(row.finished_us)
        return started, max(started, ended), ended < started
    known = is_terminal(row)
    ended = started + ns(row.elapsed_s) if known else ns_of_us(scope.ended_us)
    return started, max(started, min(ended, MAX_NS)), True


def _name(row: NodeRow, definition: GraphNode, kind: StepKind, model: str) -> str:
    title = clean(row.title)[:_NAME_CHARS]
    if kind == "tool":
        return definition.tool or title
    return model or title if kind == "llm" else title


def _model(process: dict[str, Any], definition: GraphNode, kind: StepKind) -> tuple[str, str]:
    if kind != "llm":
        return "", ""
    provider, name = process.get("model_provider"), process.get("model_name")
    return (
        clean(provider) if isinstance(provider, str) and provider else definition.model_provider,
        clean(name) if isinstance(name, str) and name else definition.model_name,
    )


def _usage(known: _Known, kind: StepKind) -> Usage | None:
    """Counted at model calls only: a tool or container node repeats what its inner calls have counted."""
    if kind not in {"llm", "agent"}:
        return None
    facts, usage = known.facts, _kept_usage(known)
    return usage_of(
        given=usage.get("prompt_tokens"),
        produced=usage.get("completion_tokens"),
        total=facts.get("total_tokens") or usage.get("total_tokens"),
        price=facts.get("total_price") if facts.get("total_price") is not None else usage.get("total_price"),
        currency=facts.get("currency") or usage.get("currency"),
    )


def _kept_usage(known: _Known) -> dict[str, Any]:
    return _object(known.outputs.get("usage") or known.process.get("usage"))


def _first_token(known: _Known) -> int | None:
    return ns(_kept_usage(known).get("time_to_first_token")) or None


def _tool(row: NodeRow, facts: dict[str, Any], definition: GraphNode) -> Tool:
    info = facts.get("tool_info")
    info = info if isinstance(info, dict) else {}
    provider, kind = info.get("provider_id"), info.get("provider_type")
    return Tool(
        name=definition.tool or clean(row.title)[:_NAME_CHARS],
        provider=clean(provider) if isinstance(provider, str) and provider else definition.provider_id,
        provider_type=clean(kind) if isinstance(kind, str) and kind else definition.provider_type,
    )


def _documents(outputs: dict[str, Any], status: Status) -> int | None:
    result = outputs.get("result")
    return len(result) if isinstance(result, list) and status == "succeeded" else None


def _error_type(row: NodeRow, kind: StepKind) -> str:
    return error_type(row.error, default="tool_invoke_error" if kind == "tool" else "_OTHER")


def _attempt(row: NodeRow) -> Attempt:
    return Attempt(at=ns_of_us(row.created_us), error=error_type(row.error) if row.error else "")


def _node(row: NodeRow, facts: dict[str, Any]) -> Node:
    return Node(
        node_id=clean(row.node_id)[:_NAME_CHARS],
        node_type=clean(row.node_type)[:_NAME_CHARS],
        title=clean(row.title)[:_NAME_CHARS],
        index=row.index,
        predecessor=clean(row.predecessor)[:_NAME_CHARS],
        status=clean(row.status)[:_NAME_CHARS],
        iteration_id=_id(facts.get("iteration_id")),
        iteration_index=count(facts.get("iteration_index")),
        loop_id=_id(facts.get("loop_id")),
        loop_index=count(facts.get("loop_index")),
        elapsed_s=ns(row.elapsed_s) / 1e9 if row.elapsed_s is not None else None,
    )


def _id(value: Any) -> str:
    return clean(value)[:_NAME_CHARS] if isinstance(value, str) else ""


def _content(row: NodeRow, step: Step, outputs: str, process: str) -> dict[str, str]:
    fields = {
        "input": canonical(row.inputs),
        "process": process,
        "output": outputs,
        # A success after retries keeps the last attempt's error text in 0.15: the status decides.
        "error": clean(row.error) if step.status != "succeeded" else "",
    }
    return {field: scrub(text) for field, text in fields.items() if text not in {"", "{}", "null"}}
