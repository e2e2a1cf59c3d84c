"""What one recorded fact adds to which metric. Pure: no series, no store, no clock; `monitor.metrics` folds the result.

Only a key's first end counts (revision 0): a later revision improves spans and documents, and must not count twice.

What is counted where:

- Tokens and money once, at the model call: at the LLM or agent step that has usage, and at the turn's end where the
  turn itself carries it (`counts_usage`). An agent's turn that carries it is no model call all the same: its thoughts
  are.
- Every step that is a workflow node counts as a node, and besides as what else it is (model call, tool call, search).
- A failure once, under the most specific component. An agent or HTTP node is a `node`. A turn only where it failed and
  none of its steps did. Stopped is not failed.
- A duration only where one is known: see `_duration`.
- A rating each time it is given or changed, and apart from that each time it is withdrawn.
- A trigger when it is over; a document's indexing each time it changes for the worse, or comes through after that.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from functools import lru_cache
from typing import TypeGuard

import msgspec

from monitor.model import (
    AppRef,
    Body,
    ConfigChanged,
    FeedbackGiven,
    FeedbackWithdrawn,
    IndexingChanged,
    Recorded,
    Status,
    Step,
    StepEnded,
    TriggerLogged,
    TurnEnded,
    TurnRef,
    TurnStarted,
    TurnStatus,
    Usage,
)
from monitor.normalise.values import MAX_DURATION_NS

__all__ = [
    "CONFIG_PARTS",
    "INDEXING",
    "KINDS",
    "LABEL_CHARS",
    "OTHER",
    "PRICE_DECIMALS",
    "RATINGS",
    "TRIGGER_ENDS",
    "Measure",
    "label",
    "measures",
    "price_units",
]

KINDS = (
    "turn_started",
    "step_ended",
    "turn_ended",
    "feedback_given",
    "feedback_withdrawn",
    "config_changed",
    "trigger_logged",
    "indexing_changed",
)
"""The kinds of events that are measured."""

LABEL_CHARS = 120
"""Longest label value; what is longer is cut."""

PRICE_DECIMALS = 10
"""A stored unit of money is 10 to the minus this; Dify keeps seven decimals."""

OTHER = "other"
"""The label value that stands for those that get none of their own."""

_SEVERAL = "several"
"""The label value of a search in more than one knowledge base; which ones stands at its span and its hits."""

# What closed labels can say; a word of Dify's that is not among them is `other`.
RATINGS = ("like", "dislike", OTHER)
CONFIG_PARTS = ("prompt", "model", "tools", "datasets", "workflow", "features", "settings", OTHER)
TRIGGER_ENDS = ("succeeded", "failed", "rate_limited", OTHER)
INDEXING = ("failed", "stuck", "paused", "completed", "deleted", OTHER)

# Labels that are not closed, but bounded all the same.
_GIVEN_BY = ("user", "admin")
_TRIGGER_TYPES = ("trigger-webhook", "trigger-schedule", "trigger-plugin")

_NO_TYPE = "_OTHER"
_SOFT = "soft_failure"
_NOT_OVER = {"pending", "queued", "running", "paused", "retrying"}
_PRICE_CHARS = 64
_PRICE_LIMIT = Decimal(10) ** 18
_PRICE_CONTEXT = Context(prec=64, rounding=ROUND_HALF_EVEN)
_UNIT = Decimal(1).scaleb(-PRICE_DECIMALS)
_AGENTS = frozenset({"agent-chat", "agent"})
"""Modes whose messages are more than one model call."""
_CALL_STATUS: dict[TurnStatus, Status] = {
    "succeeded": "succeeded",
    "partial": "succeeded",
    "failed": "failed",
    "stopped": "stopped",
    "abandoned": "unknown",
}
_COMPONENTS = {"tool": "tool", "llm": "llm", "retrieval": "retrieval"}


class Measure(msgspec.Struct, frozen=True):
    """One observation for one series."""

    metric: str
    """A name of `monitor.metrics.catalogue`."""
    labels: dict[str, str]
    """Every label that the catalogue names for it."""
    value: int
    """Counter, gauge: what to add, 0 to make the series be there. Histogram: what was seen. Info: since when (ns).
    In stored units: ns for durations, 10^-10 for money."""


def measures(recorded: Recorded) -> tuple[Measure, ...]:
    """Everything that the fact adds; nothing for revisions and for kinds that are not measured."""
    if recorded.revision:
        return ()
    body = recorded.event.body
    match body:
        case TurnStarted(turn=turn):
            return tuple(_turn_started(turn))
        case StepEnded(turn=turn, step=step):
            return tuple(_step_ended(_app(turn), step))
        case TurnEnded():
            return tuple(_turn_ended(body))
        case _:
            return tuple(_beside(body, recorded.event.occurred_at))


def label(text: str) -> str:
    """The text as a label value: bounded, without control characters and other things that do not print."""
    return _printable(text[:LABEL_CHARS])


@lru_cache(maxsize=4096)
def _printable(text: str) -> str:
    """Remembered: the same few apps, models and tools are asked for with every fact."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else " " for each in text).strip()


def price_units(price: str) -> int | None:
    """Decimal text in units of 10^-10, half to even; None where it is no amount of money (NaN, below 0, absurd)."""
    try:
        amount = Decimal(price) if len(price) <= _PRICE_CHARS else None
    except InvalidOperation:
        return None
    if amount is None or not amount.is_finite() or not 0 <= amount < _PRICE_LIMIT:
        return None
    return int(amount.quantize(_UNIT, context=_PRICE_CONTEXT).scaleb(PRICE_DECIMALS, context=_PRICE_CONTEXT))


def _app(turn: TurnRef | AppRef) -> dict[str, str]:
    return {"tenant_id": label(turn.tenant_id), "app_id": label(turn.app_id)}


def _mode(turn: TurnRef) -> dict[str, str]:
    return {**_app(turn), "mode": label(turn.mode)}


def _info(turn: TurnRef) -> Iterator[Measure]:
    yield Measure("dify_app_info", {**_mode(turn), "app_name": label(turn.app_name)}, turn.started_at)
    yield from _workspace(turn.tenant_id, turn.tenant_name, turn.started_at)


def _workspace(tenant_id: str, name: str, at: int) -> Iterator[Measure]:
    if name:
        yield Measure("dify_workspace_info", {"tenant_id": label(tenant_id), "tenant_name": label(name)}, at)


def _turns(turn: TurnRef, status: TurnStatus, count: int) -> Measure:
    labels = {**_mode(turn), "invoke_from": label(turn.invoke_from), "status": status}
    return Measure("dify_turns_total", labels, count)


def _turn_started(turn: TurnRef) -> Iterator[Measure]:
    yield from _info(turn)
    yield Measure("dify_turns_in_flight", _mode(turn), 1)
    yield _turns(turn, "succeeded", 0)
    if turn.message_id:
        yield _rated("dify_feedback_total", turn, RATINGS[0], _GIVEN_BY[0], 0)


def _turn_ended(body: TurnEnded) -> Iterator[Measure]:
    turn, app = body.turn, _app(body.turn)
    yield from _info(turn)
    yield Measure("dify_turns_in_flight", _mode(turn), -1)
    yield _turns(turn, body.status, 1)
    if _is_duration(body.duration_ns):
        yield Measure("dify_turn_duration_seconds", _mode(turn), body.duration_ns)
    if body.counts_usage:
        model = {**app, **_model(body.model_provider, body.model_name)}
        yield from _usage(model, body.usage)
        if turn.mode not in _AGENTS:
            yield from _call(model, _CALL_STATUS[body.status], body.duration_ns, body.time_to_first_token_ns)
    if body.status == "failed" and not body.failed_steps:
        yield _failure(app, "turn", body.error_type)
    yield from _remarks(app, body)


def _remarks(app: dict[str, str], body: TurnEnded) -> Iterator[Measure]:
    """What else is to be said of a turn. Zeros make the series be there before the first one that counts."""
    yield Measure("dify_token_mismatch_total", app, int(body.tokens_disagree))
    if body.turn.message_id:
        yield Measure("dify_annotation_replies_total", app, int(bool(body.annotation_id)))
        yield Measure("dify_moderated_turns_total", app, int(body.moderated))


def _step_ended(app: dict[str, str], step: Step) -> Iterator[Measure]:
    duration = _duration(step)
    match step.kind:
        case "llm":
            model = {**app, **_model(step.model_provider, step.model_name)}
            yield from _call(model, step.status, duration, step.time_to_first_token_ns)
            yield from _usage(model, step.usage)
        case "agent":
            yield from _usage({**app, **_model(step.model_provider, step.model_name)}, step.usage)
        case "tool":
            yield from _tool(app, step, duration)
        case "retrieval":
            yield from _retrieval(app, step)
            yield from _usage({**app, **_model(step.model_provider, step.model_name)}, step.usage)
        case _:
            pass
    if step.node is not None:
        yield from _node({**app, "node_type": label(step.node.node_type)}, step.status, duration)
    if step.status == "failed":
        error_type = step.error_type or (_SOFT if step.soft else "")
        yield _failure(app, _COMPONENTS.get(step.kind, "node"), error_type)


def _duration(step: Step) -> int | None:
    """Nanoseconds that the step took, None where nobody knows.

    Estimated times still give a duration worth having: a tool call's is Dify's own (only its start is worked out), a
    thought's is bounded by its neighbours. They give none where the step has no end of its own (stopped, unknown: the
    end is then the turn's) or no length (Dify kept no time at all).
    """
    length = step.ended_at - step.started_at
    if not _is_duration(length):
        return None
    if step.estimated and (length == 0 or step.status not in {"succeeded", "failed"}):
        return None
    return length


def _is_duration(ns: int | None) -> TypeGuard[int]:
    """Whether something can have lasted so long: one absurd number would spoil a sum for ever."""
    return ns is not None and 0 <= ns <= MAX_DURATION_NS


def _model(provider: str, name: str) -> dict[str, str]:
    return {"model_provider": label(provider), "model_name": label(name)}


def _call(
    model: dict[str, str], status: Status, duration_ns: int | None, first_token_ns: int | None
) -> Iterator[Measure]:
    yield Measure("dify_llm_calls_total", {**model, "status": status}, 1)
    if _is_duration(duration_ns):
        yield Measure("dify_llm_call_duration_seconds", model, duration_ns)
    if _is_duration(first_token_ns):
        yield Measure("dify_time_to_first_token_seconds", model, first_token_ns)


def _usage(model: dict[str, str], usage: Usage | None) -> Iterator[Measure]:
    if usage is None:
        return
    for direction, tokens in _tokens(usage):
        yield Measure("dify_tokens_total", {**model, "direction": direction}, tokens)
    units = price_units(usage.price)
    if units is None:
        app = {name: model[name] for name in ("tenant_id", "app_id")}
        yield Measure("dify_cost_unreadable_total", app, 1)
    elif units or usage.currency:
        yield Measure("dify_cost_total", {**model, "currency": label(usage.currency)}, units)


def _tokens(usage: Usage) -> Iterator[tuple[str, int]]:
    """Tokens by direction; what of the sum is in neither is `unsplit`, so that all directions make the sum."""
    given, made = usage.input_tokens, usage.output_tokens
    for direction, tokens in (("input", given), ("output", made)):
        if tokens is not None and tokens >= 0:
            yield direction, tokens
    rest = usage.total_tokens - max(given or 0, 0) - max(made or 0, 0)
    if rest > 0 and (given is None or made is None):
        yield "unsplit", rest


def _tool(app: dict[str, str], step: Step, duration_ns: int | None) -> Iterator[Measure]:
    tool = step.tool
    name = label(tool.name) if tool is not None and tool.known else OTHER
    labels = {**app, "tool_provider": label(tool.provider) if tool is not None else "", "tool": name}
    yield Measure("dify_tool_calls_total", {**labels, "status": step.status}, 1)
    if duration_ns is not None:
        yield Measure("dify_tool_call_duration_seconds", labels, duration_ns)


def _retrieval(app: dict[str, str], step: Step) -> Iterator[Measure]:
    labels = {**app, "dataset_id": _dataset(step)}
    yield Measure("dify_retrievals_total", labels, 1)
    if step.documents is not None and step.documents >= 0:
        yield Measure("dify_retrieval_documents", labels, step.documents)


def _dataset(step: Step) -> str:
    """The knowledge base that was searched, else the one that all hits are of; empty where nothing says which.

    Several in one search get a name together: their ids in a row would be a series for each choice, cut in an id.
    """
    asked = step.dataset_id.split(",") if step.dataset_id else [hit.dataset_id for hit in step.hits]
    datasets = {dataset for dataset in asked if dataset}
    return _SEVERAL if len(datasets) > 1 else label("".join(datasets))


def _node(labels: dict[str, str], status: Status, duration_ns: int | None) -> Iterator[Measure]:
    yield Measure("dify_nodes_total", {**labels, "status": status}, 1)
    if duration_ns is not None:
        yield Measure("dify_node_duration_seconds", labels, duration_ns)


def _failure(app: dict[str, str], component: str, error_type: str) -> Measure:
    labels = {**app, "component": component, "error_type": label(error_type) or _NO_TYPE}
    return Measure("dify_failures_total", labels, 1)


def _beside(body: Body, at: int) -> Iterator[Measure]:
    """The facts beside the turns."""
    match body:
        case FeedbackGiven(turn=turn):
            yield _rated("dify_feedback_total", turn, body.rating, body.given_by, 1)
        case FeedbackWithdrawn(turn=turn):
            yield _rated("dify_feedback_withdrawn_total", turn, body.rating, body.given_by, 1)
        case ConfigChanged():
            yield from _config(body, at)
        case TriggerLogged(app=app) if body.status not in _NOT_OVER:
            words = {"trigger_type": _one_of(_TRIGGER_TYPES, body.trigger_type)}
            yield Measure(
                "dify_triggers_total", {**_app(app), **words, "status": _one_of(TRIGGER_ENDS, body.status)}, 1
            )
        case IndexingChanged():
            yield from _indexing(body, at)
        case _:
            pass


def _one_of(words: tuple[str, ...], word: str) -> str:
    return word if word in words else OTHER


def _rated(metric: str, turn: TurnRef, rating: str, given_by: str, count: int) -> Measure:
    words = {"rating": _one_of(RATINGS, rating), "source": _one_of(_GIVEN_BY, given_by)}
    return Measure(metric, {**_app(turn), **words}, count)


def _config(body: ConfigChanged, at: int) -> Iterator[Measure]:
    """Each part that a change touched; the first sight of a configuration is no change, and makes the zeros."""
    app = body.app
    yield from _workspace(app.tenant_id, app.tenant_name, at)
    is_change = body.was not in {"", body.hash}
    # a configuration that was rewritten in place does not say what is new
    for part in sorted({_one_of(CONFIG_PARTS, each) for each in body.what} or {OTHER}):
        yield Measure("dify_config_changes_total", {**_app(app), "what": part}, int(is_change))


def _indexing(body: IndexingChanged, at: int) -> Iterator[Measure]:
    yield from _workspace(body.tenant_id, body.tenant_name, at)
    labels = {"tenant_id": label(body.tenant_id), "dataset_id": label(body.dataset_id)}
    yield Measure("dify_indexing_changes_total", {**labels, "status": _one_of(INDEXING, body.status)}, 1)
