"""A workflow run's node executions as steps: a tree with iterations and loops, retries folded into one step.

Up to Dify 1.8 every retry is a row of its own under the same `node_execution_id`, the first one `running` for ever;
the row with the highest index is the step, the others are its attempts. From 1.9 on the row is rewritten in place;
the newest versions keep the attempts in the row's `process_data`.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from typing import Any

import msgspec

from monitor.model import Attempt, Node, Status, Step, StepKind, Tool, Usage
from monitor.normalise.failure import error_type, is_stop
from monitor.normalise.graph import CONTAINERS
from monitor.normalise.rows import Graph, GraphNode, NodeRow
from monitor.normalise.scrub import scrub
from monitor.normalise.text import canonical, clean, parse, parse_object, short, spelled
from monitor.normalise.thoughts import Draft
from monitor.normalise.values import MAX_NS, count, ns, ns_of_us, usage_of

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


_OUTER_INDEX = {"iteration": "loop_index", "loop": "iteration_index"}
"""Which pass of an outer container a container ran in: Dify writes one index of each kind."""

_Place = tuple[str, Any, Any]
"""A node's id, and in which pass of an iteration and of a loop it ran."""


class _Executions(msgspec.Struct):
    """A container's executions, in the order in which they began."""

    began: list[int]
    """us"""
    ids: list[str]

    def at(self, us: int) -> str:
        """The last one that had begun."""
        return self.ids[max(0, bisect_right(self.began, us) - 1)]


class _Scope(msgspec.Struct):
    """What a node's step needs to know of its run."""

    graph: Graph
    stopped: bool
    ended_us: int | None
    """When the run ended, once it has: what is still running then will never end."""
    containers: dict[str, _Executions] = {}
    """By node id."""
    nested: dict[tuple[str, str, int], _Executions] = {}
    """By node id and pass of the outer container (which kind of index, and the index), where there is one."""
    followers: dict[_Place, list[int]] = {}
    """When the nodes right behind a node began (us, ascending); only where there are containers."""


class _Facts(msgspec.Struct):
    """What `execution_metadata` says. Nothing else is read of it: an Agent node's whole log stands there."""

    iteration_id: Any = None
    iteration_index: Any = None
    loop_id: Any = None
    loop_index: Any = None
    total_tokens: Any = None
    total_price: Any = None
    currency: Any = None
    tool_info: Any = None


class _Known(msgspec.Struct):
    """What a node's row and definition say, once parsed."""

    facts: _Facts
    outputs: dict[str, Any]
    process: dict[str, Any]
    definition: GraphNode


def node_steps(rows: list[NodeRow], graph: Graph, *, stopped: bool, ended_us: int | None) -> list[Draft]:
    """The steps that are terminal, in no order.

    With `ended_us` (the run is over, or given up) every row is told, the unfinished ones as stopped or unknown.
    """
    groups = _attempts(rows)
    scope = _Scope(graph=graph, stopped=stopped, ended_us=ended_us)
    if any(group[-1].node_type in CONTAINERS for group in groups):
        _find_containers(scope, groups)
    drafts = (_draft(group, scope) for group in groups)
    return [draft for draft in drafts if draft is not None]


def single_step(row: NodeRow, graph: Graph) -> Draft | None:
    """A node that somebody tried out alone in the editor; None while it runs."""
    if row.status not in _STATUS:
        return None
    return _draft([row], _Scope(graph=graph, stopped=False, ended_us=row.finished_us or row.created_us))


def _attempts(rows: list[NodeRow]) -> list[list[NodeRow]]:
    """Rows that are one execution, the deciding one last."""
    groups: dict[str, list[NodeRow]] = {}
    for row in rows:
        groups.setdefault(row.node_execution_id or row.id, []).append(row)
    return [sorted(group, key=_attempt_order) if len(group) > 1 else group for group in groups.values()]


def _attempt_order(row: NodeRow) -> tuple[int, int, str]:
    return (row.index, row.created_us, row.id)


def _find_containers(scope: _Scope, groups: list[list[NodeRow]]) -> None:
    containers: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
    nested: defaultdict[tuple[str, str, int], list[tuple[int, str]]] = defaultdict(list)
    followers: defaultdict[_Place, list[int]] = defaultdict(list)
    for group in groups:
        row, facts = group[-1], _facts(group[-1].metadata)
        if row.predecessor:
            followers[_place(row.predecessor, facts)].append(group[0].created_us)
        if row.node_type in CONTAINERS:
            containers[row.node_id].append((row.created_us, row.id))
            index = _OUTER_INDEX[row.node_type]
            outer = count(getattr(facts, index))
            if outer is not None:
                nested[row.node_id, index, outer].append((row.created_us, row.id))
    scope.containers = {node_id: _executions(found) for node_id, found in containers.items()}
    scope.nested = {place: _executions(found) for place, found in nested.items()}
    scope.followers = {place: sorted(found) for place, found in followers.items()}


def _executions(found: list[tuple[int, str]]) -> _Executions:
    found.sort()
    return _Executions(began=[us for us, _ in found], ids=[row_id for _, row_id in found])


def _place(node_id: str, facts: _Facts) -> _Place:
    return (node_id, count(facts.iteration_index), count(facts.loop_index))


def _draft(group: list[NodeRow], scope: _Scope) -> Draft | None:
    row = group[-1]
    if row.status not in _STATUS and scope.ended_us is None:
        return None
    facts = _facts(row.metadata)
    definition = scope.graph.get(row.node_id, _NO_NODE)
    parent = _parent(row, facts, definition, scope)
    if parent is None:
        return None
    outputs, process = parse(row.outputs), parse(row.process_data)
    known = _Known(facts=facts, outputs=_object(outputs), process=_object(process), definition=definition)
    step = _step(group, known, scope, parent)
    return Draft(step, _content(row, step, spelled(outputs, row.outputs), spelled(process, row.process_data)))


_decode_facts = msgspec.json.Decoder(_Facts).decode


def _facts(text: str | None) -> _Facts:
    if not text:
        return _Facts()
    try:
        return _decode_facts(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return msgspec.convert(parse_object(text), _Facts)  # a spelling that only Python's json reads, or no object


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _parent(row: NodeRow, facts: _Facts, definition: GraphNode, scope: _Scope) -> str | None:
    """The container's row it ran in, "" for none; None: its container is not to be seen yet, so it waits.

    The rows name containers by node, and both of them where a loop lies in an iteration; the definition knows which
    one is the inner. Plain nodes may say `iteration_id: null`.
    """
    named = (definition.parent, facts.loop_id, facts.iteration_id)
    containers = [each for each in named if isinstance(each, str) and each and each != row.node_id]
    if not containers:
        return ""
    if scope.ended_us is None and containers[0] not in scope.containers:
        return None
    container = next((each for each in containers if each in scope.containers), None)
    return _execution(container, row, facts, scope) if container is not None else ""


def _execution(container: str, row: NodeRow, facts: _Facts, scope: _Scope) -> str:
    """The container's row that was running; within a parallel outer one several are, and the outer pass decides."""
    for index in _OUTER_INDEX.values():
        outer = count(getattr(facts, index))
        inner = scope.nested.get((container, index, outer)) if outer is not None else None
        if inner is not None:
            return inner.at(row.created_us)
    return scope.containers[container].at(row.created_us)


def _step(group: list[NodeRow], known: _Known, scope: _Scope, parent: str) -> Step:
    row, definition = group[-1], known.definition
    kind = _KINDS.get(row.node_type, "node")
    status = _status(row, scope)
    started, ended, estimated = _times(group, scope)
    if parent:
        ended, estimated = _within(row, known.facts, scope, (ended, estimated))
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
        error_type=_error_type(row, known.outputs, kind) if status == "failed" else "",
        handled=row.status == "exception",
        usage=_usage(known) if kind in _SPENDING else None,
        model_provider=provider,
        model_name=model,
        time_to_first_token_ns=_first_token(known) if kind == "llm" else None,
        tool=_tool(row, known.facts, definition) if kind == "tool" else None,
        dataset_id=",".join(definition.datasets) if kind == "retrieval" else "",
        documents=_documents(known.outputs, status) if kind == "retrieval" else None,
        node=_node(row, known.facts),
        attempts=_earlier(group, known.process),
    )


def _status(row: NodeRow, scope: _Scope) -> Status:
    if row.status not in _STATUS:
        return "stopped" if scope.stopped else "unknown"
    if row.status == "failed" and is_stop(row.error):
        return "stopped"
    return _STATUS[row.status]


def _times(group: list[NodeRow], scope: _Scope) -> tuple[int, int, bool]:
    """Start, end, and whether the end was worked out.

    Retries kept as rows begin with the first of them; those in between have times that Dify worked out backwards.
    """
    row = group[-1]
    started = ns_of_us(min(group[0].created_us, row.created_us))
    if row.finished_us is not None:
        ended = ns_of_us(row.finished_us)
        return started, max(started, ended), ended < started
    own = ns_of_us(row.created_us) + ns(row.elapsed_s) if row.status in _STATUS else ns_of_us(scope.ended_us)
    return started, max(started, min(own, MAX_NS)), True


def _within(row: NodeRow, facts: _Facts, scope: _Scope, told: tuple[int, bool]) -> tuple[int, bool]:
    """The end of a container's node, no later than the next one began: 1.12 writes it when the whole pass is over."""
    followers = scope.followers.get(_place(row.node_id, facts), [])
    following = bisect_left(followers, row.created_us)
    begun = ns_of_us(followers[following]) if following < len(followers) else MAX_NS
    return (begun, True) if begun < told[0] else told


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


def _tool(row: NodeRow, facts: _Facts, definition: GraphNode) -> Tool:
    info = _object(facts.tool_info)
    provider, kind = info.get("provider_id"), info.get("provider_type")
    return Tool(
        name=definition.tool or short(row.title),
        provider=clean(provider) if isinstance(provider, str) and provider else definition.provider_id,
        provider_type=clean(kind) if isinstance(kind, str) and kind else definition.provider_type,
    )


def _documents(outputs: dict[str, Any], status: Status) -> int | None:
    result = outputs.get("result")
    return len(result) if isinstance(result, list) and status == "succeeded" else None


def _error_type(row: NodeRow, outputs: dict[str, Any], kind: StepKind) -> str:
    """By the error's text; a handled failure also keeps the name of what was raised."""
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
    return tuple(_attempt(ns(each.get("created_at")), each.get("error")) for each in tries)


def _attempt(at: int, error: Any) -> Attempt:
    kept = error if isinstance(error, str) else ""
    return Attempt(at=min(max(0, at), MAX_NS), error=error_type(kept) if kept else "")


def _node(row: NodeRow, facts: _Facts) -> Node:
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


def _content(row: NodeRow, step: Step, outputs: str, process: str) -> dict[str, str]:
    fields = {
        "input": canonical(row.inputs),
        "process": process,
        "output": outputs,
        # A success after retries keeps the last attempt's error text in 0.15: the status decides.
        "error": clean(row.error) if step.status != "succeeded" else "",
    }
    return {field: scrub(text) for field, text in fields.items() if text not in {"", "{}", "null"}}
