"""Realistic facts in one line each, for tests and benchmarks. No recorded data, no randomness, no time.

Every builder takes the fields of what it builds as keywords. What is left out is that of a plausible app: an
agent that looks up orders, a chatflow around it. Ids are made of small numbers, so a failing test reads well.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec

from monitor.model import (
    Body,
    Event,
    Node,
    Recorded,
    Step,
    StepEnded,
    Tool,
    TurnEnded,
    TurnRef,
    TurnStarted,
    Usage,
)
from monitor.model.ids import step_key, turn_key

__all__ = [
    "BASE_NS",
    "MODEL",
    "MODEL_PROVIDER",
    "QUESTION",
    "SECOND",
    "agent_turn",
    "chatflow_ref",
    "event",
    "http_step",
    "llm_content",
    "llm_step",
    "node_step",
    "recorded",
    "retrieval_step",
    "stream",
    "tool_step",
    "turn_ended",
    "turn_ref",
    "turn_started",
    "usage",
    "uuid",
]

SECOND = 1_000_000_000
BASE_NS = 1_758_700_800 * SECOND
"""2025-09-24 08:00:00 UTC: when the first sample turn starts."""

MODEL = "gpt-4o-mini"
MODEL_PROVIDER = "langgenius/openai/openai"
QUESTION = "我的订单 #12345 到哪了？"
_ANSWER = "您的订单 #12345 已打包，待出库。预计 24 小时内出库 📦"
_ORDER = '{"order_id": "12345", "status": "已打包，待出库", "carrier": "顺丰"}'

_TURN, _MESSAGE, _RUN, _CONVERSATION, _STEP = 1, 2, 3, 4, 5
"""Spaces of `uuid`, so that a turn's ids never coincide."""


def uuid(number: int, space: int = 0) -> str:
    """A valid UUID text made of two small numbers."""
    return f"{space:08x}-0000-4000-8{space:03x}-{number:012x}"


def turn_ref(number: int = 1, **changes: Any) -> TurnRef:
    """Turn `number` of an agent-chat app; turns start a second apart."""
    message = uuid(number, _MESSAGE)
    ref = TurnRef(
        turn_id=message,
        tenant_id=uuid(1, 10),
        app_id=uuid(1, 11),
        app_name="客服 Agent",
        mode="agent-chat",
        started_at=BASE_NS + number * SECOND,
        invoke_from="service-api",
        conversation_id=uuid(number // 4, _CONVERSATION),
        message_id=message,
        user="u_5f1d7c0a9b3e",
    )
    return msgspec.structs.replace(ref, **changes)


def chatflow_ref(number: int = 1, **changes: Any) -> TurnRef:
    """Turn `number` of a chatflow: its id is its run's."""
    run = uuid(number, _RUN)
    flow: dict[str, Any] = {
        "turn_id": run,
        "run_id": run,
        "mode": "advanced-chat",
        "app_name": "客服 Chatflow",
        "app_id": uuid(2, 11),
        "workflow_id": uuid(1, 12),
        "workflow_version": "2025-09-22 10:15:00.123456",
    }
    return turn_ref(number, **(flow | changes))


def usage(input_tokens: int | None = 75, output_tokens: int | None = 18, **changes: Any) -> Usage:
    """Tokens and money of one model call."""
    total = (input_tokens or 0) + (output_tokens or 0)
    built = Usage(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        total_tokens=total,
        price="0.0003675",
        currency="USD",
    )
    return msgspec.structs.replace(built, **changes)


def _step(turn: TurnRef, position: int, fields: dict[str, Any], changes: dict[str, Any]) -> Step:
    """A step of half a second, the `position`th of its turn."""
    start = turn.started_at + position * SECOND // 2
    number = abs(turn.started_at - BASE_NS) // SECOND * 100 + position
    common: dict[str, Any] = {
        "id": uuid(number % 16**12, _STEP),
        "position": position,
        "started_at": start,
        "ended_at": start + SECOND // 2,
        "status": "succeeded",
    }
    return Step(**(common | fields | changes))


def tool_step(turn: TurnRef | None = None, position: int = 2, **changes: Any) -> Step:
    """A call of the order tool inside an agent's thought; `status="failed"` brings a plausible error type."""
    ref = turn or turn_ref()
    fields: dict[str, Any] = {
        "id": f"{ref.message_id}/{position}/query_order_status",
        "kind": "tool",
        "name": "query_order_status",
        "tool": Tool(name="query_order_status", provider=uuid(1, 13), provider_type="api"),
    }
    if changes.get("status") == "failed":
        fields["error_type"] = "tool_invoke_error"
    return _step(ref, position, fields, changes)


def llm_step(turn: TurnRef | None = None, position: int = 1, **changes: Any) -> Step:
    """A model call with usage: an agent's thought, or a chatflow's LLM node when given a `node`."""
    fields: dict[str, Any] = {
        "kind": "llm",
        "name": MODEL,
        "model_name": MODEL,
        "model_provider": MODEL_PROVIDER,
        "usage": usage(),
    }
    return _step(turn or turn_ref(), position, fields, changes)


def retrieval_step(turn: TurnRef | None = None, position: int = 1, **changes: Any) -> Step:
    """A search in one knowledge base."""
    fields: dict[str, Any] = {
        "kind": "retrieval",
        "name": "售后政策",
        "dataset_id": uuid(1, 14),
        "documents": 2,
    }
    return _step(turn or turn_ref(), position, fields, changes)


def node_step(turn: TurnRef | None = None, position: int = 1, node_type: str = "code", **changes: Any) -> Step:
    """A workflow node of any type but those with a builder of their own."""
    ref = turn or chatflow_ref()
    node = Node(
        node_id=f"node_{position}",
        node_type=node_type,
        title="提取订单号",
        index=position,
        predecessor=f"node_{position - 1}",
        status=changes.get("status", "succeeded"),
        elapsed_s=0.5,
    )
    return _step(ref, position, {"kind": "node", "name": node.title, "node": node}, changes)


def http_step(turn: TurnRef | None = None, position: int = 1, **changes: Any) -> Step:
    """An HTTP request node."""
    return node_step(turn, position, "http-request", **({"kind": "http", "name": "查询接口"} | changes))


def turn_started(turn: TurnRef | None = None) -> TurnStarted:
    """The start of a turn."""
    return TurnStarted(turn=turn or turn_ref())


def turn_ended(turn: TurnRef | None = None, **changes: Any) -> TurnEnded:
    """The end of a turn after two seconds, as Dify measured them."""
    ref = turn or turn_ref()
    ended = TurnEnded(
        turn=ref,
        started_at=ref.started_at,
        ended_at=ref.started_at + 2 * SECOND,
        status="succeeded",
        duration_ns=2 * SECOND,
        usage=usage(150, 36, price="0.000735"),
    )
    return msgspec.structs.replace(ended, **changes)


def llm_content() -> dict[str, str]:
    """What Dify keeps of an LLM node: prompts in `process`, the answer in `output`."""
    prompts = [{"role": "system", "text": "你是客服。", "files": []}, {"role": "user", "text": QUESTION}]
    process = {"model_mode": "chat", "prompts": prompts, "model_name": MODEL, "finish_reason": "stop"}
    return {"input": "{}", "process": json.dumps(process), "output": json.dumps({"text": _ANSWER})}


def _key(body: Body) -> tuple[str, int]:
    """A body's key and the time when it happened."""
    if isinstance(body, StepEnded):
        return step_key(body.turn.turn_id, body.step.id), body.step.ended_at
    if isinstance(body, TurnEnded):
        return turn_key(body.turn.turn_id, "ended"), body.ended_at
    if isinstance(body, TurnStarted):
        return turn_key(body.turn.turn_id, "started"), body.turn.started_at
    return f"other:{type(body).__name__}", BASE_NS


def event(body: Body, *, content: dict[str, str] | None = None, **changes: Any) -> Event:
    """The fact as a source hands it over, under its proper key."""
    key, at = _key(body)
    built = Event(key=key, rank=40, changed_at=at, occurred_at=at, body=body, content=content or {})
    return msgspec.structs.replace(built, **changes)


def recorded(
    body: Body,
    *,
    seq: int = 0,
    content: dict[str, str] | None = None,
    erased: tuple[str, ...] = (),
    revision: int = 0,
) -> Recorded:
    """The fact as the journal hands it on, recorded a second after it happened."""
    fact = event(body, content=content)
    at = fact.occurred_at + SECOND
    return Recorded(seq=seq, revision=revision, source="dify", recorded_at=at, event=fact, erased=erased)


def agent_turn(number: int = 1, *, seq: int = 0, failed: bool = False) -> list[Recorded]:
    """A whole agent turn, five facts: start, model call, tool call (failed on request), model call, end."""
    turn = turn_ref(number)
    tool = tool_step(turn, 2, status="failed" if failed else "succeeded")
    llm = [llm_step(turn, 1), llm_step(turn, 3)]
    end = turn_ended(turn, steps=(llm[0].id, tool.id, llm[1].id), failed_steps=int(failed))
    error = {"error": "tool invoke error: Reached maximum retries (3)"} if failed else {}
    facts: list[tuple[Body, dict[str, str]]] = [
        (TurnStarted(turn=turn), {"user": "alice@example.com", "input": QUESTION}),
        (StepEnded(turn=turn, step=llm[0]), {"output": "好的，我来帮您查询订单。"}),
        (StepEnded(turn=turn, step=tool), {"input": '{"order_id": "12345"}', "output": _ORDER} | error),
        (StepEnded(turn=turn, step=llm[1]), {"output": _ANSWER}),
        (end, {"input": QUESTION, "output": _ANSWER}),
    ]
    return [recorded(body, seq=seq + at, content=content) for at, (body, content) in enumerate(facts)]


def stream(turns: int) -> Iterator[Recorded]:
    """Agent turns one after another with dense positions; every fifth has a failed tool call."""
    for number in range(1, turns + 1):
        yield from agent_turn(number, seq=(number - 1) * 5, failed=number % 5 == 0)
