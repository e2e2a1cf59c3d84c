"""Agent nodes: their log of model calls and tool calls becomes steps below the node's.

Dify writes it to `execution_metadata.agent_log` and repeats it in the node's outputs under `json`.
"""

from __future__ import annotations

import json

import pytest

from monitor.model import Tool
from monitor.normalise.nodes import node_steps, single_step
from monitor.normalise.rows import AgentTool, GraphNode
from tests.unit.normalise.dify import node, ns, us

_COUNTER = 1_734.25
"""The strategies' clock is a process's own counter: it says nothing but how far apart two readings are."""


def _id(number):
    return f"e1f0c2de-0000-4000-8000-{number:012d}"


def _entry(number, label, at=None, took=None, data=None, status="success", error=None, **metadata):
    times = {"started_at": _COUNTER + at, "elapsed_time": took} if at is not None else {}
    return {
        "message_id": _id(number), "label": label, "node_execution_id": "agent", "parent_id": None, "error": error,
        "status": status, "data": data or {}, "metadata": {**times, **metadata}, "node_id": "agent",
    }  # fmt: skip


def _call(number, name="query_order", at=0.5, took=0.25, answer="ok", given=None, meta=None, provider="shop", **entry):
    """A tool call as the strategy `function_calling` writes it."""
    output = {
        "tool_call_id": "c1",
        "tool_call_name": name,
        "tool_call_input": given or {"id": 7},
        "tool_response": answer,
    }
    output |= {"meta": meta} if meta else {}
    return _entry(number, f"CALL {name}", at, took, {"output": output}, provider=provider, **entry)


def _thought(number, at=0.1, took=0.25, output="Let me look.", **metadata):
    metadata = {"provider": "openai", "total_tokens": 10, "total_price": "0.001", "currency": "USD", **metadata}
    return _entry(number, "gpt Thought", at, took, {"output": output, "tool_name": "", "tool_input": []}, **metadata)


def _agent(log, total=None, outputs=None, **columns):
    metadata = {"agent_log": log, **(total or {"total_tokens": 10, "total_price": 0.001, "currency": "USD"})}
    given = {
        "node_type": "agent",
        "title": "Helper",
        "metadata": json.dumps(metadata),
        "outputs": json.dumps(outputs or {}),
    }
    return node(1, **({"at": 1, "end": 3} | given | columns))


def _drafts(row, graph=None):
    drafts = node_steps([row], graph or {}, stopped=False, ended_us=us(9))
    return [draft for draft in drafts if draft.step.id != row.id], next(d for d in drafts if d.step.id == row.id)


def _only(entry):
    (draft,), _ = _drafts(_agent([entry]))
    return draft


# -- what becomes a step


def test_calls_and_thoughts_are_steps_of_the_agent_and_rounds_are_not():
    log = [_entry(1, "ROUND 1", 0, 1), _thought(2), _call(3), _entry(4, "ROUND 2", 1, 1), _thought(5, at=1)]
    inner, own = _drafts(_agent(log))
    assert [(draft.step.id, draft.step.kind, draft.step.name) for draft in inner] == [
        (_id(2), "llm", "gpt"),
        (_id(3), "tool", "query_order"),
        (_id(5), "llm", "gpt"),
    ]
    assert {draft.step.parent_id for draft in inner} == {own.step.id}
    assert own.step.kind == "agent"


def test_without_a_log_in_the_metadata_the_outputs_copy_is_read():
    entries = [{"id": each.pop("message_id"), **each} for each in (_thought(1), _call(2))]
    inner, _ = _drafts(_agent([], outputs={"json": [*entries, {"data": []}]}))
    assert [draft.step.id for draft in inner] == [_id(1), _id(2)]


@pytest.mark.parametrize("log", [None, [], "x", {}, [None, 5, {}, {"label": 5}, {"label": "Quality Check: PASS"}]])
def test_a_log_without_calls_leaves_the_agent_one_step(log):
    inner, own = _drafts(_agent(log, outputs={"text": "x", "json": [{"label": "Quality Check: PASS"}]}))
    assert inner == []
    assert own.step.usage.total_tokens == 10
    assert own.content["output"] == '{"json":[{"label":"Quality Check: PASS"}],"text":"x"}'


def test_entries_without_an_id_or_with_a_known_one_are_called_by_their_place():
    entries = [_call(1), _call(1), {**_call(3), "message_id": "no uuid"}, {**_call(4), "message_id": None}]
    inner, own = _drafts(_agent(entries))
    assert [draft.step.id for draft in inner] == [_id(1), *(f"{own.step.id}/{n}" for n in (2, 3, 4))]


def test_an_agent_tried_out_alone_shows_its_calls_too():
    row = _agent([_thought(1), _call(2)], run_id=None)
    assert [draft.step.parent_id for draft in single_step(row, {})] == [row.id, row.id, ""]


def test_what_the_steps_tell_is_not_kept_twice():
    log = [_entry(1, "ROUND 1", 0, 1), _thought(2), _call(3)]
    copy = [{"id": each["message_id"], **each} for each in log]
    outputs = {"text": "Done", "json": [*copy, {"label": "A note"}, {"data": []}]}
    _, own = _drafts(_agent(log, outputs=outputs))
    assert json.loads(own.content["output"]) == {"text": "Done", "json": [{"label": "A note"}, {"data": []}]}


# -- when


def test_times_are_the_nodes_start_and_the_distance_in_the_log():
    inner, _ = _drafts(
        _agent([_entry(1, "ROUND 1", 0, 1), _thought(2, at=0.125, took=0.25), _call(3, at=0.5, took=1.0)])
    )
    assert [(draft.step.started_at, draft.step.ended_at) for draft in inner] == [
        (ns(1.125), ns(1.375)),
        (ns(1.5), ns(2.5)),
    ]
    assert all(draft.step.estimated for draft in inner)


def test_steps_never_leave_their_agent():
    inner, _ = _drafts(_agent([_entry(1, "ROUND 1", 0, 1), _call(2, at=1.5, took=9.0), _call(3, at=60, took=1.0)]))
    assert [(draft.step.started_at, draft.step.ended_at) for draft in inner] == [(ns(2.5), ns(3)), (ns(3), ns(3))]


def test_an_entry_without_times_follows_the_one_before():
    odd = {**_entry(3, "CALL b"), "metadata": {"started_at": "soon", "elapsed_time": "long"}}
    inner, _ = _drafts(_agent([_thought(1, at=0, took=0.5), _entry(2, "CALL a"), odd]))
    assert {(draft.step.started_at, draft.step.ended_at) for draft in inner[1:]} == {(ns(1.5), ns(1.5))}


def test_a_repeated_agents_log_is_that_of_its_last_try():
    tries = [
        _agent([], id=_id(90), node_execution_id="x", index=1, status="running", finished_us=None),
        _agent([_call(1, at=0)], id=_id(91), node_execution_id="x", index=2, at=2, end=3),
    ]
    drafts = node_steps(tries, {}, stopped=False, ended_us=us(9))
    assert [draft.step.started_at for draft in drafts] == [ns(2), ns(1)]


# -- what failed

_META = {"error": "status code: 500", "tool_config": {"tool_provider": "shop", "tool_provider_type": "api"}}


@pytest.mark.parametrize(
    ("entry", "status", "error_type", "soft"),
    [
        (_call(1), "succeeded", "", False),
        # Dify and the strategy write `success` over a tool that failed: only the answer says so.
        (_call(1, answer="tool invoke error: timed out"), "failed", "timeout", True),
        (_call(1, answer="there is not a tool named x"), "failed", "tool_invoke_error", True),
        (_call(1, answer="Maximum iteration limit (3) reached. Cannot call tool 'x'."), "failed", "max_iterations", True),
        (_call(1, answer="The guide says: tool invoke error: x"), "succeeded", "", False),
        (_call(1, meta=_META), "failed", "http_5xx", False),
        (_call(1, error="no such order"), "failed", "tool_invoke_error", False),
        (_call(1, status="error"), "failed", "tool_invoke_error", False),
        (_call(1, status="start"), "unknown", "", False),
        (_entry(1, "CALL x", 0, 1, {"tool_name": "x", "tool_call_args": {}, "output": "tool invoke error: y"}),
         "failed", "tool_invoke_error", True),
    ],
)  # fmt: skip
def test_how_a_call_ended(entry, status, error_type, soft):
    step = _only(entry).step
    assert (step.status, step.error_type, step.soft) == (status, error_type, soft)
    assert step.handled == (status == "failed")


def test_a_failed_thought_is_the_agents_to_handle():
    draft = _only(_entry(1, "gpt Thought", 0, 1, error="status code: 429"))
    assert (draft.step.status, draft.step.error_type, draft.step.handled) == ("failed", "rate_limit", True)
    assert draft.content["error"] == "status code: 429"


# -- which tool, what was said


@pytest.mark.parametrize(
    ("entry", "known", "expected"),
    [
        (_call(1), None, Tool("query_order", "shop", "")),
        (_call(1), AgentTool("query_order", "other", "api"), Tool("query_order", "shop", "api")),
        (_call(1, provider="", meta=_META), None, Tool("query_order", "shop", "api")),
        (_call(1, provider=""), AgentTool("query_order", "shop", "workflow"), Tool("query_order", "shop", "workflow")),
        (
            _call(1, "invented", provider="", answer="there is not a tool named invented"),
            None,
            Tool("invented", known=False),
        ),
        (_entry(1, "CALL query_order", 0, 1), None, Tool("query_order")),
    ],
)
def test_which_tool_was_called(entry, known, expected):
    graph = {"n1": GraphNode(tools={known.name: known})} if known else {}
    (draft,), _ = _drafts(_agent([entry]), graph)
    assert draft.step.tool == expected


def test_a_knowledge_base_is_a_retrieval():
    draft = _only(_call(1, "dataset_6c1cf83e_6961_48a0_97d6_d6d98d0cd6bd"))
    assert (draft.step.kind, draft.step.dataset_id, draft.step.tool) == (
        "retrieval", "6c1cf83e-6961-48a0-97d6-d6d98d0cd6bd", None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("entry", "content"),
    [
        (_call(1, given={"b": 1, "a": "订"}, answer="found"), {"input": '{"a":"订","b":1}', "output": "found"}),
        (_call(1, answer="Unknown error: x"), {"input": '{"id":7}', "output": "Unknown error: x", "error": "Unknown error: x"}),
        # ReAct writes the call flat.
        (_entry(1, "CALL x", 0, 1, {"tool_name": "x", "tool_call_args": {"q": 1}, "output": "y"}), {"input": '{"q":1}', "output": "y"}),
        (_entry(1, "gpt Thought", 0, 1, {"output": "Hm."}), {"output": "Hm."}),
        (_entry(1, "gpt Thought", 0, 1, {"output": "", "tool_name": "x"}), {"output": '{"tool_name":"x"}'}),
        (_entry(1, "gpt Thought", 0, 1, {"thought": "I look", "action": "x", "action_input": {}}), {"output": '{"action":"x","thought":"I look"}'}),
        (_call(1, given={"api_key": "hunter2xyz"}), {"input": '{"api_key":"[credential]"}', "output": "ok"}),
    ],
)  # fmt: skip
def test_what_was_said(entry, content):
    assert _only(entry).content == content


# -- tokens and money, once


def _spent(drafts):
    return [draft.step.usage and draft.step.usage.total_tokens for draft in drafts]


def test_usage_stands_on_the_model_calls_where_they_make_up_the_nodes():
    total = {"total_tokens": 30, "total_price": 0.003, "currency": "USD"}
    inner, own = _drafts(_agent([_thought(1), _call(2), _thought(3, total_tokens=20, total_price="0.002")], total))
    assert _spent([*inner, own]) == [10, None, 20, None]
    assert (own.spent.total_tokens, own.spent.price, [draft.spent for draft in inner]) == (30, "0.003", [None] * 3)


@pytest.mark.parametrize(
    "thought",
    [
        {"total_tokens": 11},
        {"total_price": "0.002"},
        {"currency": "RMB"},
    ],
)
def test_usage_stands_on_the_node_where_the_model_calls_do_not_make_it_up(thought):
    inner, own = _drafts(_agent([_thought(1, **thought), _call(2)]))
    assert _spent([*inner, own]) == [None, None, 10]


def test_usage_of_several_calls_stays_where_both_directions_are_known():
    """The log has only sums, the node's outputs what went in and what came out."""
    usage = {"prompt_tokens": 15, "completion_tokens": 5, "total_tokens": 20}
    inner, own = _drafts(
        _agent(
            [_thought(1), _thought(2)],
            {"total_tokens": 20, "total_price": "0.002", "currency": "USD"},
            outputs={"usage": usage},
        )
    )
    assert _spent([*inner, own]) == [None, None, 20]
    assert (own.step.usage.input_tokens, own.step.usage.output_tokens) == (15, 5)


def test_model_calls_keep_what_the_node_did_not():
    inner, own = _drafts(_agent([_thought(1), _thought(2)], {"total_tokens": 0}))
    assert _spent([*inner, own]) == [10, 10, None]


def test_a_single_model_call_has_both_directions_of_the_nodes():
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    inner, _ = _drafts(_agent([_thought(1)], outputs={"usage": usage}))
    assert (inner[0].step.usage.input_tokens, inner[0].step.usage.output_tokens) == (7, 3)


def test_a_model_is_the_logs_and_else_the_definitions():
    graph = {"n1": GraphNode(model_provider="azure", model_name="gpt-5")}
    inner, _ = _drafts(_agent([_thought(1), _entry(2, "Thought", 0, 1)]), graph)
    assert [(draft.step.model_provider, draft.step.model_name) for draft in inner] == [
        ("openai", "gpt"),
        ("azure", "gpt-5"),
    ]


def test_a_log_that_is_longer_than_what_is_told_says_so_and_keeps_the_rest():
    """More than 2,000 entries are no steps. They must not go from the output, too."""
    log = [_call(number) for number in range(1, 2_003)]
    inner, own = _drafts(_agent(log, outputs={"json": log}))
    assert len(inner) == 2_000
    assert own.step.truncated == ("calls",)
    assert [entry["message_id"] for entry in json.loads(own.content["output"])["json"]] == [_id(2_001), _id(2_002)]


def test_a_log_of_which_only_rounds_are_left_over_is_whole():
    log = [_call(number) for number in range(1, 2_001)]
    _, own = _drafts(_agent([*log, _entry(2_001, "ROUND 9", 0, 1)]))
    assert own.step.truncated == ()
