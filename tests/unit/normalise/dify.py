"""Rows as Dify writes them, for tests that care about two or three columns each. Times are seconds after a fixed day."""

from __future__ import annotations

from typing import Any

from monitor.model import TurnEnded
from monitor.normalise.rows import MessageRow, NodeRow, RunRow, ThoughtRow, TurnRows
from monitor.normalise.turns import ref_of, turn_events

DAY_US = 1_795_500_000_000_000
S = 1_000_000
NS = 1_000_000_000
MESSAGE, RUN = "a1f0c2de-0000-4000-8000-000000000001", "b1f0c2de-0000-4000-8000-000000000001"


def us(seconds: float) -> int:
    """A column's time."""
    return DAY_US + round(seconds * S)


def ns(seconds: float) -> int:
    """An event's time."""
    return us(seconds) * 1000


def message(at: float = 0, **columns: Any) -> MessageRow:
    """A message as it is inserted: `normal`, no answer, no duration."""
    given: dict[str, Any] = {
        "id": MESSAGE, "app_id": "app", "tenant_id": "tenant", "app_name": "Orders", "mode": "agent-chat",
        "conversation_id": "conversation", "run_id": None, "created_us": us(at), "status": "normal", "error": None,
        "latency_s": 0.0, "query": "Where is my order?", "inputs": "{}", "answer": "", "prompt": "[]",
        "model_provider": "openai", "model_id": "gpt", "input_tokens": 0, "output_tokens": 0, "price": "0", "currency": "USD",
        "metadata": None, "invoke_from": "service-api", "end_user_id": "end-user", "account_id": None, "session_id": "ann",
        "model_config_id": "config",
    }  # fmt: skip
    return MessageRow(**(given | columns))


def thought(at: float, position: int = 1, **columns: Any) -> ThoughtRow:
    """A thought as it is inserted: empty."""
    given: dict[str, Any] = {
        "id": f"c1f0c2de-0000-4000-8000-{position:012d}", "message_id": MESSAGE, "position": position, "created_us": us(at),
        "thought": "", "answer": "", "tool": None, "tool_input": None, "tool_meta": "{}", "observation": None,
        "input_tokens": None, "output_tokens": None, "total_tokens": None, "price": None, "currency": None,
    }  # fmt: skip
    return ThoughtRow(**(given | columns))


def run(at: float = 0, end: float | None = None, **columns: Any) -> RunRow:
    """A workflow run; `end` makes it a succeeded one."""
    given: dict[str, Any] = {
        "id": RUN, "tenant_id": "tenant", "app_id": "app", "app_name": "Orders", "mode": "workflow",
        "workflow_id": "workflow", "version": "2026-01-01", "type": "workflow", "triggered_from": "app-run",
        "status": "running" if end is None else "succeeded", "created_us": us(at),
        "finished_us": None if end is None else us(end), "error": None, "inputs": "{}", "outputs": None, "total_tokens": 0,
        "created_by": "end-user", "session_id": "ann",
    }  # fmt: skip
    return RunRow(**(given | columns))


def node(number: int, at: float, end: float | None = None, **columns: Any) -> NodeRow:
    """A node execution; `end` makes it a succeeded one."""
    row_id = f"d1f0c2de-0000-4000-8000-{number:012d}"
    given: dict[str, Any] = {
        "id": row_id, "run_id": RUN, "node_execution_id": row_id, "node_id": f"n{number}", "node_type": "code",
        "title": f"Node {number}", "index": number, "predecessor": None,
        "status": "running" if end is None else "succeeded", "error": None,
        "elapsed_s": 0.0 if end is None else end - at, "created_us": us(at), "finished_us": None if end is None else us(end),
    }  # fmt: skip
    return NodeRow(**(given | columns))


def turn(**rows: Any) -> TurnRows:
    """One turn's rows."""
    return TurnRows(**rows)


def told_ref(rows):
    return ref_of(rows, lambda user: f"pseudonym of {user}")


def told_events(rows, ended="final"):
    return turn_events(told_ref(rows), rows, ended)


def told_end(rows, ended="final") -> TurnEnded:
    (event,) = [event for event in told_events(rows, ended) if isinstance(event.body, TurnEnded)]
    return event.body


def told_content(rows, kind=TurnEnded, ended="final"):
    return next(event.content for event in told_events(rows, ended) if isinstance(event.body, kind))


def chatflow(**columns):
    return message(mode="advanced-chat", run_id=RUN, model_provider=None, model_id=None, **columns)


def chat(**columns):
    return message(mode="chat", **columns)
