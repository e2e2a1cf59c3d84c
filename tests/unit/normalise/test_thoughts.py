"""An agent app's turn: its thoughts become model calls and tool calls.

A thought row is inserted empty, updated when the model has answered, and once more when all its tools have returned.
"""

from __future__ import annotations

import json

import pytest

from monitor.normalise.rows import AgentTool
from monitor.normalise.thoughts import thought_steps
from tests.unit.normalise.dify import MESSAGE, message, ns, thought

TOOLS = {"query": AgentTool("query", "shop", "api")}


def _meta(**tools: dict) -> str:
    return json.dumps(
        {name: {"time_cost": 0.5, "error": None, "tool_config": {}} | facts for name, facts in tools.items()}
    )


def _called(at: float = 1, position: int = 1, **columns):
    """A thought whose tool has returned."""
    given = {
        "tool": "query", "tool_input": '{"query": {"id": 7}}', "observation": '{"query": "shipped"}', "tool_meta": _meta(query={}),
        "input_tokens": 10, "output_tokens": 5, "total_tokens": 15, "price": "0.01", "currency": "USD",
    }  # fmt: skip
    return thought(at, position, **(given | columns))


def _steps(*thoughts, end: float | None = None, of=None, tools=TOOLS):
    return [
        draft.step
        for draft in thought_steps(of or message(), list(thoughts), tools, ns(end) if end is not None else None)
    ]


def test_a_cost_that_no_call_may_have_is_no_cost():
    call = _steps(_called(tool_meta=_meta(query={"time_cost": 1e308})), end=5)[1]
    assert (call.started_at, call.ended_at) == (ns(5), ns(5))


def test_however_many_calls_end_within_what_can_be_written():
    names = [f"t{number}" for number in range(400)]
    meta = _meta(**{name: {"time_cost": 366 * 86_400} for name in names})
    steps = _steps(_called(tool=";".join(names), tool_meta=meta), end=5)
    assert max(step.ended_at for step in steps) == 2**63 - 1


# -- when a step is told


def test_nothing_is_told_while_the_model_thinks():
    assert _steps(thought(1)) == []
    assert _steps(thought(1, tool="query", tool_input="{}", total_tokens=15)) == []


def test_a_tool_call_is_told_as_soon_as_it_returned_with_provisional_times():
    """Its model call waits: when it ended is known only when the next thought, or the turn's end, is."""
    (step,) = _steps(_called())
    assert (step.kind, step.name, step.status, step.provisional) == ("tool", "query", "succeeded", True)
    assert (step.started_at, step.ended_at) == (ns(1), ns(1.5))


def test_the_next_thought_settles_both():
    """The tool ends where the next thought begins, and the model call where the tool begins."""
    model, tool = _steps(_called(1), thought(3, 2))
    assert (model.kind, model.started_at, model.ended_at) == ("llm", ns(1), ns(2.5))
    assert (tool.started_at, tool.ended_at, tool.provisional) == (ns(2.5), ns(3), False)
    assert model.estimated
    assert tool.estimated


def test_the_turns_end_settles_the_last_thought():
    (model,) = _steps(thought(1, answer="done", total_tokens=3), end=4)
    assert (model.status, model.ended_at) == ("succeeded", ns(4))


def test_tools_of_one_thought_run_one_after_the_other():
    both = _called(
        tool="query;pay", tool_meta=_meta(query={}, pay={"time_cost": 1}), observation='{"query": "a", "pay": "b"}'
    )
    model, query, pay = _steps(both, end=5)
    assert (model.ended_at, query.ended_at, pay.started_at, pay.ended_at) == (ns(3.5), ns(4), ns(4), ns(5))


@pytest.mark.parametrize("end", [1.2, 0.5])
def test_no_step_begins_before_its_thought(end):
    """A message's times are rounded to a second, so its end can lie before what happened in it."""
    model, tool = _steps(_called(1), end=end)
    assert (model.started_at, model.ended_at) == (ns(1), ns(1))
    assert (tool.started_at, tool.ended_at) == (ns(1), ns(1.5))


def test_thoughts_are_ordered_by_position_however_the_rows_come():
    assert _steps(thought(3, 2, answer="x"), _called(1), end=4) == _steps(_called(1), thought(3, 2, answer="x"), end=4)


# -- how a tool call went


@pytest.mark.parametrize(
    ("columns", "status", "error_type"),
    [
        ({}, "succeeded", ""),
        ({"tool_meta": _meta(query={"error": "tool invoke error: down"})}, "failed", "tool_invoke_error"),
        (
            {"tool_meta": _meta(query={"error": "tool parameters validation error: id"})},
            "failed",
            "tool_parameter_error",
        ),
        ({"tool_meta": _meta(query={"error": "something new"})}, "failed", "tool_invoke_error"),
        ({"tool_meta": _meta(query={"error": {"code": 5}})}, "failed", "tool_invoke_error"),
        ({"tool_meta": _meta(query={"error": ""})}, "succeeded", ""),
        # The meta decides; the observation's prefix only where there is none.
        ({"tool_meta": _meta(query={}), "observation": '{"query": "tool invoke error: quoted"}'}, "succeeded", ""),
        ({"tool_meta": "{}", "observation": '{"query": "tool invoke error: down"}'}, "failed", "tool_invoke_error"),
        ({"tool_meta": "{}", "observation": "there is not a tool named query"}, "failed", "tool_invoke_error"),
        ({"tool_meta": "{}", "observation": "not found"}, "succeeded", ""),
        # Dify broke off between the call and its result.
        ({"tool_meta": "{}", "observation": None}, "unknown", ""),
        ({"tool_meta": None, "observation": ""}, "unknown", ""),
    ],
)
def test_the_outcome_of_a_tool_call(columns, status, error_type):
    tool = _steps(_called(**columns), end=5)[1]
    assert (tool.status, tool.error_type, tool.handled) == (status, error_type, status == "failed")


def test_a_tool_called_twice_in_one_thought_is_one_step():
    """Dify's JSON is keyed by the tool's name and keeps the last result only."""
    (step,) = _steps(_called(tool="query;query"))
    assert step.tool.calls == 2
    assert step.id == f"{MESSAGE}/1/query"


@pytest.mark.parametrize(
    ("facts", "tools", "expected"),
    [
        ({"tool_config": {"tool_provider": "shop", "tool_provider_type": "api"}}, {}, ("shop", "api", True)),
        ({}, TOOLS, ("shop", "api", True)),  # an error outside of the tool leaves no configuration behind
        ({"error": "there is not a tool named query"}, {}, ("", "", False)),  # models invent names
    ],
)
def test_a_tools_provider(facts, tools, expected):
    tool = _steps(_called(tool_meta=_meta(query=facts)), tools=tools)[0].tool
    assert (tool.provider, tool.provider_type, tool.known) == expected


@pytest.mark.parametrize(("tools", "name"), [(TOOLS, None), ({}, "query")])
def test_the_name_of_a_tool_that_there_is_not_is_content(tools, name):
    """A model wrote it: whether it leaves is for each sink's policy to say."""
    (draft,) = thought_steps(message(), [_called(tool_meta=_meta(query={"tool_config": {}}))], tools, None)
    assert draft.content.get("name") == name


_DATASET = "dataset_0f0f0f0f_0000_4000_8000_000000000001"


@pytest.mark.parametrize(
    ("name", "config", "kind", "dataset"),
    [
        (_DATASET, {}, "retrieval", "0f0f0f0f-0000-4000-8000-000000000001"),
        ("search", {"tool_provider_type": "dataset-retrieval", "tool_provider": "kb"}, "retrieval", "kb"),
        ("dataset_export", {"tool_provider_type": "api"}, "tool", ""),  # a tool of the user's own
    ],
)
def test_a_knowledge_base_is_a_retrieval(name, config, kind, dataset):
    row = _called(
        tool=name, tool_meta=_meta(**{name: {"tool_config": config}}), observation=json.dumps({name: "found"})
    )
    (step,) = _steps(row)
    assert (step.kind, step.dataset_id, step.tool is None) == (kind, dataset, kind == "retrieval")


@pytest.mark.parametrize(
    ("tool", "given", "expected"),
    [
        ("query", '{"query": {"id": 7}}', '{"id":7}'),
        ("query", '{"query": "plain"}', "plain"),
        ("query", '{"id": 7}', '{"id": 7}'),  # not keyed by the tool: the whole text is its
        ("query", "no json", "no json"),
        ("query;pay", '{"id": 7}', None),  # whose it is, nobody can tell
    ],
)
def test_the_arguments_of_a_call(tool, given, expected):
    drafts = thought_steps(message(), [_called(tool=tool, tool_input=given)], TOOLS, None)
    assert drafts[0].content.get("input") == expected


def test_credentials_do_not_pass():
    (draft,) = thought_steps(message(), [_called(tool_input='{"query": {"api_key": "hunter2xyz"}}')], TOOLS, None)
    assert "hunter2xyz" not in str(draft.content)


# -- how a model call went


@pytest.mark.parametrize(
    ("of", "columns", "status"),
    [
        ({}, {"answer": "hello"}, "succeeded"),
        ({}, {"total_tokens": 5}, "succeeded"),
        ({"status": "error", "error": "status code: 429"}, {}, "failed"),  # a model's error leaves its thought empty
        ({"status": "error", "error": "maximum iteration"}, {"thought": "I try again"}, "succeeded"),
        ({}, {}, "unknown"),  # the client walked away
    ],
)
def test_the_outcome_of_the_last_model_call(of, columns, status):
    (step,) = _steps(thought(1, **columns), end=2, of=message(**of))
    assert step.status == status
    assert step.error_type == ("rate_limit" if status == "failed" else "")


def test_an_empty_thought_that_others_follow_was_answered():
    first, last = _steps(thought(1), thought(2, 2), end=3, of=message(status="error", error="status code: 500"))
    assert (first.status, last.status) == ("succeeded", "failed")


def test_tokens_and_money_stand_on_the_model_call_only():
    model, tool = _steps(_called(), end=5)
    assert (model.usage.input_tokens, model.usage.output_tokens, model.usage.total_tokens, model.usage.price) == (
        10,
        5,
        15,
        "0.01",
    )
    assert tool.usage is None
    assert (model.model_provider, model.model_name) == ("openai", "gpt")
