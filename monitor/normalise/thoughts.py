"""An agent app's thoughts: each is one model call, then the tools that it chose (docs/explanation/dify-rows.md).

A thought row is inserted empty, updated when the model has answered (tool, input, tokens), and once more when all its
tools have returned (observation, tool_meta). It has one time only, its creation, so ends are worked out: the next
thought, or the turn's end, comes right after the last tool.
"""

from __future__ import annotations

from typing import Any

import msgspec

from monitor.model import Status, Step, Tool
from monitor.normalise.draft import Draft, content_of
from monitor.normalise.failure import error_type, is_failed_answer
from monitor.normalise.invented import is_invented
from monitor.normalise.retrieval import dataset_of_tool
from monitor.normalise.rows import AgentTool, MessageRow, ThoughtRow
from monitor.normalise.text import clean, dumps, parse, parse_object
from monitor.normalise.values import MAX_NS, ns, ns_of_us, usage_of

__all__ = ["thought_steps"]

_TOOL_NAME_CHARS = 200


class _Call(msgspec.Struct):
    """One tool call of a thought, before it has a time."""

    name: str
    calls: int
    cost_ns: int
    error: str
    config: dict[str, Any]
    arguments: str
    result: str
    returned: bool


def thought_steps(
    message: MessageRow, thoughts: list[ThoughtRow], tools: dict[str, AgentTool], end_ns: int | None
) -> list[Draft]:
    """The terminal steps of an agent's message, in the order they happened.

    `end_ns` is the turn's end once it is known (final or given up), else None: then the last thought's model call is
    held back until its end can be told, while its tool calls are given at once, marked provisional.
    """
    rows = sorted(thoughts, key=lambda row: (row.position, row.created_us, row.id))
    drafts: list[Draft] = []
    for row, following in zip(rows, [*rows[1:], None], strict=True):
        until = ns_of_us(following.created_us) if following else end_ns
        drafts.extend(_steps_of(message, row, tools, until, last=following is None))
    return drafts


def _steps_of(
    message: MessageRow, row: ThoughtRow, tools: dict[str, AgentTool], until: int | None, *, last: bool
) -> list[Draft]:
    start = ns_of_us(row.created_us)
    calls = _calls(row)
    returned = _returned(row)
    spent = sum(call.cost_ns for call in calls) if returned else 0
    answered_at = max(start, (until if until is not None else start + spent) - spent)
    drafts = []
    if until is not None:
        drafts.append(_model_call(message, row, start, answered_at, last=last))
    if returned or until is not None:
        drafts.extend(_tool_calls(message, row, calls, tools, answered_at, provisional=until is None))
    return drafts


def _answered(row: ThoughtRow) -> bool:
    return bool(row.tool or row.total_tokens or row.output_tokens or row.thought or row.answer)


def _returned(row: ThoughtRow) -> bool:
    return bool(row.observation) or (row.tool_meta or "{}").strip() not in {"{}", ""}


def _model_status(message: MessageRow, row: ThoughtRow, *, last: bool) -> Status:
    """An agent's model error leaves its last thought empty; an empty one that others follow was answered."""
    if _answered(row) or not last:
        return "succeeded"
    return "failed" if message.status == "error" else "unknown"


def _model_call(message: MessageRow, row: ThoughtRow, start: int, end: int, *, last: bool) -> Draft:
    status = _model_status(message, row, last=last)
    error = message.error if status == "failed" else None
    text = row.answer or row.thought
    step = Step(
        id=row.id,
        kind="llm",
        name=clean(message.model_id),
        position=row.position * 2,
        started_at=start,
        ended_at=end,
        status=status,
        estimated=True,
        error_type=error_type(error) if status == "failed" else "",
        usage=usage_of(
            given=row.input_tokens,
            produced=row.output_tokens,
            total=row.total_tokens,
            price=row.price,
            currency=row.currency,
        ),
        model_provider=clean(message.model_provider),
        model_name=clean(message.model_id),
    )
    tokens = step.usage.total_tokens if step.usage is not None else 0
    return Draft(step, content_of(output=text, error=error), spent=step.usage, counted=tokens)


def _tool_calls(
    message: MessageRow, row: ThoughtRow, calls: list[_Call], tools: dict[str, AgentTool], at: int, *, provisional: bool
) -> list[Draft]:
    drafts = []
    for call in calls:
        drafts.append(_tool_call(message, row, call, tools.get(call.name), at, provisional=provisional))
        at = min(at + call.cost_ns, MAX_NS)
    return drafts


def _tool_call(
    message: MessageRow, row: ThoughtRow, call: _Call, known: AgentTool | None, at: int, *, provisional: bool
) -> Draft:
    status: Status = "unknown" if not call.returned else "failed" if call.error else "succeeded"
    provider, kind = call.config.get("tool_provider"), call.config.get("tool_provider_type")
    dataset = dataset_of_tool(call.name, provider=provider, provider_type=kind)
    step = Step(
        id=f"{message.id}/{row.position}/{call.name}",
        kind="retrieval" if dataset else "tool",
        name=dataset or call.name,
        position=row.position * 2 + 1,
        started_at=at,
        ended_at=min(at + call.cost_ns, MAX_NS),
        status=status,
        estimated=True,
        provisional=provisional,
        error_type=error_type(call.error, default="tool_invoke_error") if status == "failed" else "",
        handled=status == "failed",
        tool=None if dataset else _tool(call, known),
        dataset_id=dataset,
    )
    invented = call.name if is_invented(step) else ""  # what a model wrote: it leaves as content or not at all
    return Draft(step, content_of(name=invented, input=call.arguments, output=call.result, error=call.error))


def _tool(call: _Call, known: AgentTool | None) -> Tool:
    provider, kind = call.config.get("tool_provider"), call.config.get("tool_provider_type")
    return Tool(
        name=call.name,
        provider=clean(provider) if isinstance(provider, str) and provider else known.provider_id if known else "",
        provider_type=clean(kind) if isinstance(kind, str) and kind else known.provider_type if known else "",
        known=bool(call.config) or known is not None,
        calls=call.calls,
    )


def _calls(row: ThoughtRow) -> list[_Call]:
    names = [clean(name)[:_TOOL_NAME_CHARS] for name in (row.tool or "").split(";") if name.strip()]
    inputs, observations, meta = parse(row.tool_input), parse(row.observation), parse_object(row.tool_meta)
    distinct = list(dict.fromkeys(names))
    alone = len(distinct) == 1
    returned = _returned(row)
    return [
        _call(
            name,
            names.count(name),
            meta.get(name),
            _of(inputs, name, row.tool_input, alone=alone),
            _of(observations, name, row.observation, alone=alone),
            returned=returned,
        )
        for name in distinct
    ]


def _call(name: str, calls: int, meta: Any, arguments: str, result: str, *, returned: bool) -> _Call:
    facts = meta if isinstance(meta, dict) else {}
    config = facts.get("tool_config")
    error = facts.get("error")
    text = clean(error) if isinstance(error, str) else dumps(error) if error else ""
    if not text and not facts and is_failed_answer(result):
        text = result
    return _Call(
        name=name,
        calls=calls,
        cost_ns=ns(facts.get("time_cost")),
        error=text,
        config=config if isinstance(config, dict) else {},
        arguments=arguments,
        result=result,
        returned=returned,
    )


def _of(value: Any, name: str, text: str | None, *, alone: bool) -> str:
    """One tool's part of a JSON object keyed by tool name; the whole text where it is keyed otherwise."""
    if isinstance(value, dict) and name in value:
        part = value[name]
        return clean(part) if isinstance(part, str) else dumps(part)
    return clean(text) if alone else ""
