"""Rows that Dify never writes and that somebody will have: broken by hand, by bugs, by other versions, on purpose.

Each case is a copy of a recorded turn (an agent's message with its thoughts, or a chatflow's message with its run and
nodes) with other values in some columns. Copies keep their turn's conversation, so that one replay shows them all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import psycopg
from psycopg import sql

from tests.support.recordings import Row, final_rows

__all__ = ["AGENT_CONVERSATION", "CASES", "CHATFLOW_CONVERSATION", "LONG_CONVERSATION", "Case", "plant"]

_AGENT_MESSAGE = "a9511a15-0f04-4155-b15c-00eef752f9b8"  # agent/03_tool_500
AGENT_CONVERSATION = "1b4e4a3c-df24-4676-b26d-20148f322fe3"
_CHATFLOW_MESSAGE = "dc5d2c49-d238-4c22-baee-1c8bb9d88417"  # chatflow/01_order_ok
_CHATFLOW_RUN = "5fa34ec0-654c-41bc-b6c5-5d50028710be"
LONG_CONVERSATION = "1096a45e-0000-4000-8000-00000000beef"
CHATFLOW_CONVERSATION = "6d2f047c-da63-437d-8843-968f31ce8df7"
_LOST_RUN = "10570000-0000-4000-8000-00000000beef"
_NOBODY = "dead0000-0000-4000-8000-00000000beef"
_ESCAPES = "\x1b]0;owned\x07\x1b[2J\x1b[31mred\x1b[0m \x9b31m bell\x07 back\x08\x08 cr\roverwritten \x7f"
_WORDS = "你好，世界 👩‍👩‍👧‍👦 \u202eright to left\u202c \u2066isolated\u2069 مرحبا \U0010ffff \ufeff"
_BROKEN_JSON = '{"a": [1, 2'
_DEEP_JSON = "[" * 20_000
_HUGE = "9" * 5_000
_SURROGATE = r'{"a": "\ud83d", "b\udc00": "\ud83d\ud83d", "c": "\u0000 nul \u0000"}'
_TIMES = {
    "1970": "1970-01-01 00:00:00", "2100": "2100-01-01 00:00:00", "the end of time": "infinity",
    "the beginning of time": "-infinity", "the ides of March": "0044-03-15 12:00:00 BC", "as far as it goes": "294276-12-31 23:59:59.999999",
}  # fmt: skip


_Rows = Mapping[str, Mapping[str, Row]]


class Case(NamedTuple):
    """One hostile turn: what to change in the copies of its rows, by table."""

    what: str
    changes: Mapping[str, Mapping[str, str | None]]

    @property
    def of_run(self) -> bool:
        """Whether it is a copy of the chatflow's turn."""
        return bool(self.changes.keys() & {"workflow_runs", "workflow_node_executions"})


def _message(what: str, **columns: str | None) -> Case:
    return Case(f"message: {what}", {"messages": columns})


def _thought(what: str, **columns: str | None) -> Case:
    return Case(f"thought: {what}", {"message_agent_thoughts": columns})


def _run(what: str, **columns: str | None) -> Case:
    return Case(f"run: {what}", {"workflow_runs": columns})


def _node(what: str, **columns: str | None) -> Case:
    return Case(f"node: {what}", {"workflow_node_executions": columns})


CASES: Sequence[Case] = (
    *(_message(f"created at {name}", created_at=at) for name, at in _TIMES.items()),
    *(_run(f"created at {name}", created_at=at) for name, at in _TIMES.items()),
    *(_run(f"finished at {name}", finished_at=at) for name, at in _TIMES.items()),
    *(_node(f"created at {name}", created_at=at) for name, at in _TIMES.items()),
    *(_node(f"finished at {name}", finished_at=at) for name, at in _TIMES.items()),
    *(_thought(f"created at {name}", created_at=at) for name, at in _TIMES.items()),
    _message("escapes that no text can hold", inputs=_SURROGATE, message=_SURROGATE, message_metadata=_SURROGATE),
    _message("broken metadata", message_metadata=_BROKEN_JSON),
    _message("deep metadata", message_metadata=_DEEP_JSON),
    _message("huge numbers", message_metadata=f'{{"usage": {{"latency": {_HUGE}, "x": 1e999}}}}', inputs=f'{{"n": {_HUGE}}}'),
    _message("an answer of ten megabytes", conversation_id=LONG_CONVERSATION, answer="一千零一夜 " * 625_000),
    _message("no conversation", conversation_id=_NOBODY),
    _message("no app", app_id=_NOBODY),
    _message("no end user", from_end_user_id=_NOBODY),
    _message("nobody", from_end_user_id=None, from_account_id=None, from_source="the moon"),
    _message("no run", workflow_run_id=_LOST_RUN),
    _message("an unknown status", status="quantum", invoke_from="a teapot"),
    _message("a latency that is none", provider_response_latency="NaN"),
    _message("an endless latency", provider_response_latency="Infinity"),
    _message("a negative latency", provider_response_latency="-5"),
    _message("the longest latency", provider_response_latency="1e300"),
    _message("a price that is none", total_price="NaN", currency=_ESCAPES[:200]),
    _message("negative tokens", message_tokens="-2147483648", answer_tokens="2147483647"),
    _message("control characters", query=_ESCAPES, answer=_ESCAPES, error=_ESCAPES, status="error", model_id=_ESCAPES),
    _message("every script", query=_WORDS, answer=_WORDS, model_provider=_WORDS),
    _thought("no tool's name", tool=";;;"),
    _thought("a tool of spaces", tool="   "),
    _thought("a tool's name of ten thousand characters", tool="x" * 10_000, tool_meta_str=f'{{"{"x" * 10_000}": {{"error": "e"}}}}'),
    _thought("a thousand tools", tool=";".join(f"tool_{n}" for n in range(1_000))),
    _thought("a tool of control characters", tool=_ESCAPES, observation=_ESCAPES, thought=_ESCAPES, tool_input=_ESCAPES),
    _thought("every script", tool=_WORDS, observation=_WORDS, thought=_WORDS, tool_input=_WORDS),
    _thought("broken JSON", tool_input=_BROKEN_JSON, observation=_BROKEN_JSON, tool_meta_str=_BROKEN_JSON, tool_labels_str=""),
    _thought("deep JSON", tool_input=_DEEP_JSON, observation=_DEEP_JSON, tool_meta_str=_DEEP_JSON),
    _thought("JSON of another shape", tool_input="[1]", observation='"x"', tool_meta_str='{"query_order_status": [1]}'),
    _thought("escapes that no text can hold", tool_input=_SURROGATE, observation=_SURROGATE, tool_meta_str=_SURROGATE),
    _thought("prices and tokens that are none", total_price="NaN", message_token="-1", answer_token="-1", tokens="-1"),
    _thought("prices without end", total_price="1e400"),
    _thought("all at one place", position="-2147483648"),
    _run("an unknown status", status="quantum", type="a teapot", triggered_from="the moon"),
    _run("no workflow", workflow_id=_NOBODY),
    _run("no app", app_id=_NOBODY, tenant_id=_NOBODY),
    _run("no user", created_by=_NOBODY, created_by_role="nobody"),
    _run("broken JSON", inputs=_BROKEN_JSON, outputs=_BROKEN_JSON, graph=_BROKEN_JSON),
    _run("escapes that no text can hold", inputs=_SURROGATE, outputs=_SURROGATE),
    _run("control characters", error=_ESCAPES, status="failed", version=_ESCAPES[:100], outputs=_ESCAPES),
    _run("huge numbers", total_tokens="9223372036854775807", elapsed_time="NaN", exceptions_count="-2147483648"),
    _node("an unknown status", status="quantum"),
    _node("an unknown type", node_type="teapot"),
    _node("finished before it began", finished_at="2025-09-01 00:00:00", elapsed_time="-7"),
    _node("no times", finished_at=None, elapsed_time="NaN"),
    _node("endless", elapsed_time="Infinity", index="-2147483648"),
    _node("control characters", title=_ESCAPES[:200], error=_ESCAPES, status="failed", node_id=_ESCAPES[:100], outputs=_ESCAPES),
    _node("every script", title=_WORDS, error=_WORDS, status="failed"),
    _node("no names", title="", node_id="", node_type=""),
    _node("broken JSON", inputs=_BROKEN_JSON, outputs=_BROKEN_JSON, process_data=_BROKEN_JSON, execution_metadata=_BROKEN_JSON),
    _node("deep JSON", inputs=_DEEP_JSON, outputs=_DEEP_JSON, process_data=_DEEP_JSON, execution_metadata=_DEEP_JSON),
    _node("escapes that no text can hold", inputs=_SURROGATE, outputs=_SURROGATE, process_data=_SURROGATE, execution_metadata=_SURROGATE),
    _node("money that is none", execution_metadata='{"total_price": NaN, "total_tokens": -Infinity, "currency": 7}'),
    _node("huge numbers", execution_metadata=f'{{"total_price": "{_HUGE}", "total_tokens": {_HUGE}, "iteration_index": {_HUGE}}}'),
    _node("its own parent", node_id="round", execution_metadata='{"iteration_id": "round", "loop_id": "round", "iteration_index": -1}'),
    _node("one execution for all", node_execution_id="one for all"),
    _node("no execution's id", node_execution_id=None),
    _node("a predecessor that is nobody", predecessor_node_id=_WORDS),
)  # fmt: skip


def _id(sort: int, number: int, part: int = 0) -> str:
    """Span ids are the lower halves of ids, so those must differ."""
    return f"badbadba-dbad-4bad-8{sort:x}{part:02x}-{number:012x}"


def plant(connection: psycopg.Connection[Any]) -> dict[str, Case]:
    """Put the turns of all cases into a database with the tables of 1.9; the cases by turn id."""
    rows = final_rows("1.9", ("messages", "message_agent_thoughts", "workflow_runs", "workflow_node_executions"))
    for number, case in enumerate(CASES):
        for table, row in _of_chatflow(rows, number) if case.of_run else _of_agent(rows, number):
            _insert(connection, table, {**row, **case.changes.get(table, {})})
    return {_turn_id(number): case for number, case in enumerate(CASES)}


def _turn_id(number: int) -> str:
    """What the turn of a case is called: as its run, be it lost, or as its message where it has none."""
    return CASES[number].changes.get("messages", {}).get("workflow_run_id") or _id(0, number)


def _of_agent(rows: _Rows, number: int) -> Iterator[tuple[str, Row]]:
    """A copy of the agent's message and its thoughts."""
    yield "messages", {**rows["messages"][_AGENT_MESSAGE], "id": _id(0, number)}
    thoughts = [row for row in rows["message_agent_thoughts"].values() if row["message_id"] == _AGENT_MESSAGE]
    for part, row in enumerate(thoughts):
        yield "message_agent_thoughts", {**row, "id": _id(1, number, part), "message_id": _id(0, number)}


def _of_chatflow(rows: _Rows, number: int) -> Iterator[tuple[str, Row]]:
    """A copy of the chatflow's run, nodes and message."""
    run = _id(0, number)
    yield "workflow_runs", {**rows["workflow_runs"][_CHATFLOW_RUN], "id": run}
    nodes = [row for row in rows["workflow_node_executions"].values() if row["workflow_run_id"] == _CHATFLOW_RUN]
    for part, row in enumerate(nodes):
        node = _id(2, number, part)
        yield "workflow_node_executions", {**row, "id": node, "workflow_run_id": run, "node_execution_id": node}
    yield "messages", {**rows["messages"][_CHATFLOW_MESSAGE], "id": _id(3, number), "workflow_run_id": run}


def _insert(connection: psycopg.Connection[Any], table: str, row: Row) -> None:
    names = [sql.Identifier(name) for name in row]
    statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
        sql.Identifier(table), sql.SQL(", ").join(names), sql.SQL(", ").join([sql.Placeholder()] * len(names))
    )
    connection.execute(statement, tuple(row.values()))
