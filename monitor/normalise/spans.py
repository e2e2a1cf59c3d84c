"""Recorded facts to OpenTelemetry spans: one step, one span; one turn, its root. Pure, and never raises.

Called by every sink that sends spans. What of the content may leave is not decided here: `content` holds what the
sink's policy lets through (`redact.apply`), and nothing else of the content is looked at.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

from monitor.model import Attempt, Recorded, Span, SpanEvent, Step, StepEnded, TurnEnded, TurnRef, Usage, ids
from monitor.model import semconv as s
from monitor.model.spans import SpanKind
from monitor.normalise.attributes import TURN_TEXTS, Attributes, numbers, provider_name, texts, within_time
from monitor.normalise.invented import step_id_of, tool_name_of
from monitor.normalise.note_spans import NOTE_SPANS, note_span
from monitor.normalise.span_content import documents, step_content, turn_content

__all__ = ["SPAN_KINDS", "spans_of"]

SPAN_KINDS = frozenset({"step_ended", "turn_ended"}) | NOTE_SPANS
"""The kinds of events that can have a span."""

_NS_IN_S = 1_000_000_000


class _Shape(NamedTuple):
    """How OpenTelemetry sees a step or a turn."""

    operation: str
    kind: SpanKind
    subject: str = ""
    """The attribute of what the span's name ends with; empty where another table has it."""


_CHAT = _Shape("chat", "CLIENT")
_COMPLETION = _Shape("text_completion", "CLIENT")
_AGENT = _Shape("invoke_agent", "INTERNAL", s.GEN_AI_AGENT_NAME)
_WORKFLOW = _Shape("invoke_workflow", "INTERNAL", s.GEN_AI_WORKFLOW_NAME)

_STEP_SHAPES = {
    "llm": _CHAT,
    "tool": _Shape("execute_tool", "INTERNAL", s.GEN_AI_TOOL_NAME),
    "retrieval": _Shape("retrieval", "CLIENT"),
    "agent": _AGENT,
    "http": _Shape("", "CLIENT"),
    "node": _Shape("", "INTERNAL"),
}
_TURN_SHAPES = {
    "chat": _CHAT,
    "completion": _COMPLETION,
    "agent-chat": _AGENT,
    "agent": _AGENT,
    "workflow": _WORKFLOW,
    "advanced-chat": _WORKFLOW,
    "rag-pipeline": _WORKFLOW,
}

# Field of the noun to attribute, as in `attributes.py`.
_STEP_TEXTS = ((s.DIFY_STEP_STATUS, "status"), (s.GEN_AI_DATA_SOURCE_ID, "dataset_id"))
_NODE_TEXTS = (
    (s.DIFY_NODE_ID, "node_id"),
    (s.DIFY_NODE_TYPE, "node_type"),
    (s.DIFY_NODE_TITLE, "title"),
    (s.DIFY_NODE_PREDECESSOR, "predecessor"),
    (s.DIFY_NODE_STATUS, "status"),
    (s.DIFY_NODE_ITERATION_ID, "iteration_id"),
    (s.DIFY_NODE_LOOP_ID, "loop_id"),
)
_NODE_NUMBERS = (
    (s.DIFY_NODE_INDEX, "index"),
    (s.DIFY_NODE_ITERATION_INDEX, "iteration_index"),
    (s.DIFY_NODE_LOOP_INDEX, "loop_index"),
    (s.DIFY_NODE_ELAPSED_TIME, "elapsed_s"),
)
_TOOL_TEXTS = ((s.DIFY_TOOL_PROVIDER, "provider"), (s.DIFY_TOOL_PROVIDER_TYPE, "provider_type"))


class _UsageNames(NamedTuple):
    """Under which names a usage stands."""

    tokens: tuple[tuple[str, str], ...]
    cost: str
    currency: str


_COUNTED = _UsageNames(
    (
        (s.GEN_AI_USAGE_INPUT_TOKENS, "input_tokens"),
        (s.GEN_AI_USAGE_OUTPUT_TOKENS, "output_tokens"),
        (s.GEN_AI_USAGE_TOTAL_TOKENS, "total_tokens"),
    ),
    s.DIFY_USAGE_COST,
    s.DIFY_USAGE_CURRENCY,
)
_TURN_TOTAL = _UsageNames(
    (
        (s.DIFY_TURN_USAGE_INPUT_TOKENS, "input_tokens"),
        (s.DIFY_TURN_USAGE_OUTPUT_TOKENS, "output_tokens"),
        (s.DIFY_TURN_USAGE_TOTAL_TOKENS, "total_tokens"),
    ),
    s.DIFY_TURN_USAGE_COST,
    s.DIFY_TURN_USAGE_CURRENCY,
)
"""A turn's totals where its steps carry what they add up to: the same tokens must not be counted twice."""


def spans_of(recorded: Recorded, content: dict[str, str]) -> Span | None:
    """The span of a recorded fact; None for every kind that is none (docs/explanation/what-leaves.md).

    `content` is what may leave of the fact's content. The same fact and content give the same span, whatever the
    revision, so that a repeat can be recognised. Times that no reader could hold are moved into what it can.
    """
    body = recorded.event.body
    if isinstance(body, StepEnded):
        return _step_span(body.turn, body.step, content)
    if isinstance(body, TurnEnded):
        return _turn_span(body, content)
    return note_span(recorded, content)


def _step_span(turn: TurnRef, step: Step, content: dict[str, str]) -> Span:
    trace, root = _turn_ids(turn.turn_id)
    shape = _STEP_SHAPES[step.kind]
    subject = _step_subject(step, content)
    start = within_time(step.started_at)
    return Span(
        trace_id=trace,
        span_id=ids.span_id(turn.turn_id, step.kind, step.id),
        parent_id=_parent(turn, step, root),
        name=f"{shape.operation} {subject}".strip() or step.kind,
        kind=shape.kind,
        start_ns=start,
        end_ns=max(start, within_time(step.ended_at)),
        attributes=_step_attributes(turn, step, shape, subject, content),
        error=_error(step.error_type, content) if step.status == "failed" else None,
        events=tuple(map(_attempt, step.attempts)),
    )


def _turn_span(ended: TurnEnded, content: dict[str, str]) -> Span:
    turn = ended.turn
    trace, root = _turn_ids(turn.turn_id)
    shape = _TURN_SHAPES.get(turn.mode) or (_WORKFLOW if turn.run_id else _CHAT)
    subject = turn.app_name if shape.subject else ended.model_name
    start = within_time(ended.started_at)
    return Span(
        trace_id=trace,
        span_id=root,
        parent_id="",
        name=f"{shape.operation} {subject}".strip(),
        kind=shape.kind,
        start_ns=start,
        end_ns=max(start, within_time(ended.ended_at)),
        attributes=_turn_attributes(ended, shape, content),
        error=_error(ended.error_type, content) if ended.status == "failed" else None,
    )


@lru_cache(maxsize=4096)
def _turn_ids(turn_id: str) -> tuple[str, str]:
    """A turn's trace id and the id of its root; remembered because all of a turn's spans ask for them."""
    return ids.trace_id(turn_id), ids.span_id(turn_id, "turn", turn_id)


def _parent(turn: TurnRef, step: Step, root: str) -> str:
    if turn.turn_id == step.id:
        return ""  # a node debugged alone has no turn around it
    return ids.span_id(turn.turn_id, "node", step.parent_id) if step.parent_id else root


def _step_subject(step: Step, content: dict[str, str]) -> str:
    if step.kind == "llm":
        return step.model_name or step.name
    if step.tool is not None:
        return tool_name_of(step, content)
    if step.node is not None and step.kind in {"http", "node"}:
        return f"{step.node.node_type} {step.node.title or step.name}".strip()
    return step.name or step.dataset_id


def _step_attributes(turn: TurnRef, step: Step, shape: _Shape, subject: str, content: dict[str, str]) -> Attributes:
    found = _of_turn(turn, shape, subject)
    texts(found, step, _STEP_TEXTS)
    numbers(found, step, ((s.DIFY_RETRIEVAL_DOCUMENT_COUNT, "documents"),))
    _of_model(found, step, s.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK)
    _of_tool(found, step)
    _of_node(found, step)
    _of_outcome(found, step)
    if step.usage is not None:
        _of_usage(found, step.usage, _COUNTED)
    _flags(found, estimated=step.estimated, failed=step.status == "failed", error_type=step.error_type)
    if step.hits:
        found[s.GEN_AI_RETRIEVAL_DOCUMENTS] = documents(step.hits)
    if content:
        found.update(step_content(step.kind, content, step.hits))
        if step.node is not None and step.status == "failed" and content.get("error"):
            found[s.DIFY_NODE_ERROR] = content["error"]
    return found


def _turn_attributes(ended: TurnEnded, shape: _Shape, content: dict[str, str]) -> Attributes:
    found = _of_turn(ended.turn, shape, ended.turn.app_name)
    found[s.DIFY_TURN_STATUS] = ended.status
    if ended.failed_steps:
        numbers(found, ended, ((s.DIFY_TURN_FAILED_STEPS, "failed_steps"),))
    is_call = shape in {_CHAT, _COMPLETION}
    _of_model(found, ended, s.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK if is_call else s.DIFY_TURN_TIME_TO_FIRST_TOKEN)
    if ended.usage is not None:
        _of_usage(found, ended.usage, _COUNTED if ended.counts_usage else _TURN_TOTAL)
    texts(found, ended, ((s.DIFY_TURN_ANNOTATION_ID, "annotation_id"),))
    if ended.moderated:
        found[s.DIFY_TURN_MODERATED] = True
    if ended.tokens_disagree:
        found[s.DIFY_TURN_TOKENS_DISAGREE] = True
    _flags(found, estimated=ended.estimated, failed=ended.status == "failed", error_type=ended.error_type)
    if content:
        found.update(turn_content(content))
    return found


def _of_turn(turn: TurnRef, shape: _Shape, subject: str) -> Attributes:
    found: Attributes = {}
    if shape.operation:
        found[s.GEN_AI_OPERATION_NAME] = shape.operation
    if shape.subject and subject:
        found[shape.subject] = subject
    texts(found, turn, TURN_TEXTS)
    return found


def _of_model(found: Attributes, noun: Step | TurnEnded, first_token: str) -> None:
    if noun.model_name:
        found[s.GEN_AI_REQUEST_MODEL] = noun.model_name
    if noun.model_provider:
        found[s.GEN_AI_PROVIDER_NAME] = provider_name(noun.model_provider)
    if noun.time_to_first_token_ns is not None:
        found[first_token] = within_time(noun.time_to_first_token_ns) / _NS_IN_S


def _of_tool(found: Attributes, step: Step) -> None:
    tool = step.tool
    if tool is None:
        return
    # In OpenTelemetry's words: what the agent's side executes is an extension, what it searches a datastore.
    found[s.GEN_AI_TOOL_TYPE] = "datastore" if tool.provider_type == "dataset-retrieval" else "extension"
    found[s.GEN_AI_TOOL_CALL_ID] = step_id_of(step)
    texts(found, tool, _TOOL_TEXTS)
    if not tool.known:
        found[s.DIFY_TOOL_KNOWN] = False
    if tool.calls > 1:
        numbers(found, tool, ((s.DIFY_TOOL_CALL_COUNT, "calls"),))


def _of_node(found: Attributes, step: Step) -> None:
    if step.node is None:
        return
    found[s.DIFY_NODE_EXECUTION_ID] = step_id_of(step)
    texts(found, step.node, _NODE_TEXTS)
    numbers(found, step.node, _NODE_NUMBERS)


def _of_outcome(found: Attributes, step: Step) -> None:
    numbers(found, step, ((s.HTTP_RESPONSE_STATUS_CODE, "http_status"),))
    if step.handled:
        found[s.DIFY_STEP_HANDLED] = True
    if step.soft:
        found[s.DIFY_STEP_SOFT] = True
    if step.truncated:
        found[s.DIFY_CONTENT_TRUNCATED] = ",".join(step.truncated)


def _of_usage(found: Attributes, usage: Usage, names: _UsageNames) -> None:
    numbers(found, usage, names.tokens)
    cost = _money(usage.price)
    if cost is not None and (cost or usage.currency):
        found[names.cost] = cost
        if usage.currency:
            found[names.currency] = usage.currency


def _money(price: str) -> float | None:
    try:
        value = float(price)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _flags(found: Attributes, *, estimated: bool, failed: bool, error_type: str) -> None:
    if failed:
        found[s.ERROR_TYPE] = error_type or s.ERROR_TYPE_OTHER
    if estimated:
        found[s.DIFY_TIME_ESTIMATED] = True


def _error(error_type: str, content: dict[str, str]) -> str:
    """The status description: the message where it may leave, else the type alone."""
    return content.get("error") or error_type or s.ERROR_TYPE_OTHER


def _attempt(attempt: Attempt) -> SpanEvent:
    attributes: Attributes = {s.ERROR_TYPE: attempt.error} if attempt.error else {}
    return SpanEvent(name=s.DIFY_STEP_ATTEMPT, at=within_time(attempt.at), attributes=attributes)
