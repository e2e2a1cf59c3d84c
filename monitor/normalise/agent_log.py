"""An Agent node's log: the model calls and tool calls inside of it, as steps of their own below the node's step.

Dify stores the log once the node has succeeded, in `execution_metadata.agent_log`, and once more among its outputs
(`json`). The official strategies write `ROUND n`, in it `<model> Thought` and `CALL <tool>`; a round repeats what its
parts say, and what other strategies write under names of their own stays in the node's output. Times in the log are
readings of a process's own counter, so only their differences count. Called by `nodes`.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec

from monitor.model import Status, Step, Tool, Usage
from monitor.model.ids import is_uuid
from monitor.normalise.draft import Draft, content_of
from monitor.normalise.failure import error_type, is_failed_answer
from monitor.normalise.invented import is_invented
from monitor.normalise.retrieval import dataset_of_tool
from monitor.normalise.rows import AgentTool
from monitor.normalise.text import clean, dumps, reading, short
from monitor.normalise.values import MAX_NS, ns, usage_of

__all__ = ["AgentLog", "agent_log"]

_CALL, _THOUGHT, _ROUND = "CALL ", "Thought", "ROUND "
_MAX_ITEMS = 2_000
"""More entries of one log are not told as steps; they stay in the node's output."""
_NO_TOOL = "there is not a tool named"
_PRICE_ROUNDING = Decimal("0.0000001")
"""Dify keeps seven decimals of a price."""
_UNFINISHED = "start"


class AgentLog(msgspec.Struct):
    """What an Agent node did."""

    drafts: list[Draft]
    carries_usage: bool
    """The model calls carry the node's usage, so that the node must not."""
    outputs: dict[str, Any]
    """The node's outputs without what the drafts tell."""
    is_cut: bool
    """The log is longer than what the drafts tell of it."""


class _Kept(msgspec.Struct):
    agent_log: Any = None


class _Item(msgspec.Struct):
    """One entry of the log."""

    number: int
    id: str
    label: str
    error: str
    status: str
    data: dict[str, Any]
    metadata: dict[str, Any]

    @property
    def is_call(self) -> bool:
        return self.label.startswith(_CALL)

    @property
    def is_thought(self) -> bool:
        return _is_thought(self.label)


class _Clock(msgspec.Struct):
    """From the log's counter to real time, within the node."""

    node: Step
    began: int
    """When the node's deciding attempt began (ns)."""
    first: float

    def span(self, item: _Item, before: int) -> tuple[int, int]:
        """When an entry began and ended; it follows the one before where it has no time."""
        at = _seconds(item.metadata.get("started_at"))
        started = self._inside(self.began + ns(at - self.first) if at is not None else before)
        return started, self._inside(started + ns(item.metadata.get("elapsed_time")))

    def _inside(self, at: int) -> int:
        return min(max(at, self.node.started_at), self.node.ended_at)


_kept = reading(_Kept)


def agent_log(
    node: Step, began: int, metadata: str | None, outputs: dict[str, Any], tools: dict[str, AgentTool]
) -> AgentLog:
    """The steps inside of an Agent node, in the order of the log.

    `began` is when its deciding attempt did (ns), `node.usage` its total, `tools` what its definition gives it.
    """
    kept = _kept(metadata).agent_log
    log = kept if isinstance(kept, list) and kept else outputs.get("json")
    items = list(_items(log, node.id))
    clock = _Clock(node, began, min(_starts(items), default=0.0))
    drafts, before = [], node.started_at
    for item in items:
        if item.is_call or item.is_thought:
            started, before = clock.span(item, before)
            span = (started, before)
            drafts.append(_call(node, item, span, tools) if item.is_call else _thought(node, item, span))
    carries = _settle_usage(drafts, node.usage)
    is_cut = isinstance(log, list) and any(map(_is_call, log[_MAX_ITEMS:]))
    return AgentLog(drafts, carries, _without_log(outputs) if drafts else outputs, is_cut)


def _is_call(entry: Any) -> bool:
    """Whether an entry is the model's call or a tool's."""
    label = entry.get("label") if isinstance(entry, dict) else None
    return isinstance(label, str) and (label.startswith(_CALL) or _is_thought(label))


def _is_thought(label: str) -> bool:
    return label == _THOUGHT or label.endswith(f" {_THOUGHT}")


def _items(log: Any, node_id: str) -> Iterator[_Item]:
    if not isinstance(log, list):
        return
    seen: set[str] = set()
    for number, entry in enumerate(log[:_MAX_ITEMS], start=1):
        if isinstance(entry, dict) and isinstance(entry.get("label"), str):
            item = _item(number, entry, node_id)
            if item.id in seen:
                item.id = f"{node_id}/{number}"
            seen.add(item.id)
            yield item


def _item(number: int, entry: dict[str, Any], node_id: str) -> _Item:
    own = entry.get("message_id") or entry.get("id")
    return _Item(
        number=number,
        id=own.lower() if isinstance(own, str) and is_uuid(own) and own.lower() != node_id else f"{node_id}/{number}",
        label=short(entry["label"]),
        error=_text(entry.get("error")),
        status=_text(entry.get("status")),
        data=_object(entry.get("data")),
        metadata=_object(entry.get("metadata")),
    )


def _starts(items: list[_Item]) -> Iterator[float]:
    for item in items:
        at = _seconds(item.metadata.get("started_at"))
        if at is not None:
            yield at


def _seconds(value: Any) -> float | None:
    """A reading of the counter, none where it is no such number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if -MAX_NS < value < MAX_NS else None


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    """A value as text: a string is itself, nothing is empty."""
    if isinstance(value, str):
        return clean(value)
    return dumps(value) if value else ""


# -- model calls


def _thought(node: Step, item: _Item, span: tuple[int, int]) -> Draft:
    model = item.label.removesuffix(_THOUGHT).strip() or node.model_name
    provider = item.metadata.get("provider")
    status, usage = _status(item, item.error), _usage(item.metadata)
    step = Step(
        id=item.id,
        kind="llm",
        name=model,
        position=node.position + item.number,
        started_at=span[0],
        ended_at=span[1],
        status=status,
        parent_id=node.id,
        estimated=True,
        error_type=error_type(item.error) if status == "failed" else "",
        handled=status == "failed",
        usage=usage,
        model_provider=short(provider) if isinstance(provider, str) and provider else node.model_provider,
        model_name=model,
    )
    return Draft(step, content_of(output=_said(item.data), error=item.error if status == "failed" else ""))


def _status(item: _Item, error: str) -> Status:
    if error or item.status == "error":
        return "failed"
    return "unknown" if item.status == _UNFINISHED else "succeeded"


def _said(data: dict[str, Any]) -> str:
    """What the model said: its words, and where it said none, the tools that it chose."""
    output = data.get("output")
    if isinstance(output, str) and output:
        return output
    chosen = {name: value for name, value in data.items() if value}
    return dumps(chosen) if chosen else ""


def _usage(metadata: dict[str, Any]) -> Usage | None:
    return usage_of(
        given=None,
        produced=None,
        total=metadata.get("total_tokens"),
        price=metadata.get("total_price"),
        currency=metadata.get("currency"),
    )


def _settle_usage(drafts: list[Draft], total: Usage | None) -> bool:
    """Whether the model calls carry the usage; where they don't make up the node's total, it stays at the node.

    There it stays, too, where only the node knows how much of it went in and how much came out of several calls.
    """
    used = [draft for draft in drafts if draft.step.usage is not None]
    if not used:
        return False
    if total is None:
        for draft in used:
            draft.spent = draft.step.usage
        return True
    only_the_node_knows = len(used) > 1 and total.input_tokens is not None
    if only_the_node_knows or not _makes(total, [draft.step.usage for draft in used if draft.step.usage is not None]):
        for draft in used:
            draft.step = msgspec.structs.replace(draft.step, usage=None)
        return False
    if len(used) == 1:  # then it has both directions too
        used[0].step = msgspec.structs.replace(used[0].step, usage=total)
    return True


def _makes(total: Usage, parts: list[Usage]) -> bool:
    price = sum((Decimal(part.price) for part in parts), Decimal(0))
    return (
        sum(part.total_tokens for part in parts) == total.total_tokens
        and abs(price - Decimal(total.price)) <= _PRICE_ROUNDING
        and {part.currency for part in parts if part.price != "0"} <= {total.currency}
    )


# -- tool calls


class _Said(msgspec.Struct):
    """What an entry says of a tool call: function calling nests it, ReAct does not."""

    name: str
    given: str
    answer: str
    error: str
    """What the call itself names as its error."""
    config: dict[str, Any]


def _said_of_call(item: _Item) -> _Said:
    output = item.data.get("output")
    nested = output if isinstance(output, dict) else {}
    meta = _object(nested.get("meta"))
    return _Said(
        name=short(_text(nested.get("tool_call_name") or item.data.get("tool_name")))
        or item.label.removeprefix(_CALL).strip(),
        given=_text(nested.get("tool_call_input") if nested else item.data.get("tool_call_args")),
        answer=_text(nested.get("tool_response") if nested else output),
        error=item.error or _text(meta.get("error")),
        config=_object(meta.get("tool_config")),
    )


def _call(node: Step, item: _Item, span: tuple[int, int], tools: dict[str, AgentTool]) -> Draft:
    said = _said_of_call(item)
    # Both official strategies write `success` over a tool that failed: then only its answer says so.
    soft = not said.error and item.status != "error" and is_failed_answer(said.answer)
    error = said.error or (said.answer if soft or item.status == "error" else "")
    status = _status(item, error)
    tool = _tool(said, item, tools.get(said.name))
    dataset = dataset_of_tool(said.name, provider=tool.provider, provider_type=tool.provider_type)
    step = Step(
        id=item.id,
        kind="retrieval" if dataset else "tool",
        name=dataset or said.name,
        position=node.position + item.number,
        started_at=span[0],
        ended_at=span[1],
        status=status,
        parent_id=node.id,
        estimated=True,
        error_type=error_type(error, default="tool_invoke_error") if status == "failed" else "",
        handled=status == "failed",
        soft=soft,
        tool=None if dataset else tool,
        dataset_id=dataset,
    )
    error = error if status == "failed" else ""
    invented = said.name if is_invented(step) else ""  # what a model wrote: it leaves as content or not at all
    return Draft(step, content_of(name=invented, input=said.given, output=said.answer, error=error))


def _tool(said: _Said, item: _Item, known: AgentTool | None) -> Tool:
    named = item.metadata.get("provider") or said.config.get("tool_provider")
    kind = said.config.get("tool_provider_type")
    # The official strategies name the provider of every tool that there is, and leave it empty for an invented one.
    invented = "provider" in item.metadata and not named
    return Tool(
        name=said.name,
        provider=short(named) if isinstance(named, str) and named else known.provider_id if known else "",
        provider_type=short(kind) if isinstance(kind, str) and kind else known.provider_type if known else "",
        known=known is not None or not (invented or said.answer.lower().startswith(_NO_TOOL)),
    )


# -- what is left of the node's outputs


def _without_log(outputs: dict[str, Any]) -> dict[str, Any]:
    """The outputs without the entries that are steps now, and without the rounds that repeat them."""
    listed = outputs.get("json")
    if not isinstance(listed, list):
        return outputs
    told, rest = listed[:_MAX_ITEMS], listed[_MAX_ITEMS:]
    return {**outputs, "json": [*(entry for entry in told if not _is_told(entry)), *rest]}


def _is_told(entry: Any) -> bool:
    label = entry.get("label") if isinstance(entry, dict) else None
    if not isinstance(label, str) or "metadata" not in entry:
        return False
    return label.startswith((_CALL, _ROUND)) or _is_thought(label)
