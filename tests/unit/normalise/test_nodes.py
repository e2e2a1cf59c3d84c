"""A workflow run's node executions as steps."""

from __future__ import annotations

import json

import pytest

from monitor.model import Hit
from monitor.normalise.nodes import node_steps, single_step
from monitor.normalise.rows import GraphNode
from tests.unit.normalise.dify import node, ns, us


def _drafts(*rows, graph=None, stopped=False, ended=None):
    drafts = node_steps(list(rows), graph or {}, stopped=stopped, ended_us=us(ended) if ended is not None else None)
    return {draft.step.id: draft for draft in drafts}


def _step(row, **kwargs):
    return _drafts(row, **kwargs)[row.id].step


# -- when a step is told, and how it ended


@pytest.mark.parametrize("status", ["running", "retry", "paused", "pending", "a status of next year"])
def test_an_unfinished_node_is_told_only_when_its_run_is_over(status):
    row = node(1, at=1, status=status)
    assert _drafts(row) == {}
    assert _step(row, ended=9).status == "unknown"
    assert _step(row, ended=9, stopped=True).status == "stopped"
    assert _step(row, ended=9).ended_at == ns(9)


@pytest.mark.parametrize(
    ("columns", "status", "handled", "error_type"),
    [
        ({"status": "succeeded"}, "succeeded", False, ""),
        ({"status": "succeeded", "error": "the last attempt's"}, "succeeded", False, ""),  # 0.15 keeps it after a retry
        ({"status": "failed", "error": "status code: 500"}, "failed", False, "http_5xx"),
        (
            {"status": "exception", "error": "timed out"},
            "failed",
            True,
            "timeout",
        ),  # a fail branch or a default took over
        ({"status": "failed", "error": "Stopped by user."}, "stopped", False, ""),
        ({"status": "failed", "error": "Execution cancelled"}, "stopped", False, ""),
        ({"status": "failed", "error": "Aborted: User requested stop"}, "stopped", False, ""),
        ({"status": "stopped"}, "stopped", False, ""),
    ],
)
def test_how_a_node_ended(columns, status, handled, error_type):
    step = _step(node(1, at=1, end=2, **columns))
    assert (step.status, step.handled, step.error_type) == (status, handled, error_type)


def test_a_failure_in_a_stopped_run_stays_one():
    """Only what was still running when the run was stopped was stopped with it."""
    assert _step(node(1, at=1, end=2, status="failed", error="timed out"), stopped=True, ended=3).status == "failed"


def test_a_handled_failure_keeps_the_name_of_what_was_raised():
    outputs = json.dumps({"error_type": "ToolInvokeError", "error_message": "x"})
    step = _step(node(1, at=1, end=2, status="exception", error="order 7 is gone", outputs=outputs))
    assert step.error_type == "tool_invoke_error"


def test_the_error_of_a_success_is_not_kept():
    drafts = _drafts(node(1, at=1, end=2, error="old"), node(2, at=1, end=2, status="failed", error="new"))
    assert [draft.content.get("error") for draft in drafts.values()] == [None, "new"]


# -- times


@pytest.mark.parametrize(
    ("columns", "ended", "estimated"),
    [
        ({}, 2, False),
        ({"elapsed_s": 9}, 2, False),  # 1.9's elapsed_time is often longer than the node took
        ({"finished_us": us(0.5)}, 1, True),
        ({"finished_us": None, "elapsed_s": 0.25}, 1.25, True),
        ({"finished_us": None, "elapsed_s": None}, 1, True),
    ],
)
def test_a_nodes_times_are_its_rows(columns, ended, estimated):
    step = _step(node(1, at=1, end=2, **columns))
    assert (step.started_at, step.ended_at, step.estimated) == (ns(1), ns(ended), estimated)


# -- retries


def test_retries_that_are_rows_are_one_step():
    """Up to 1.8: the first row stays `running` for ever, each retry adds one, the last is rewritten to the outcome."""
    tries = [
        node(1, at=1, node_execution_id="x", index=2),
        node(2, at=0.9, end=2, node_execution_id="x", index=4, status="retry", error="status code: 500"),
        node(3, at=3, end=4, node_execution_id="x", index=5, status="failed", error="status code: 503"),
    ]
    (draft,) = _drafts(*reversed(tries)).values()
    step = draft.step
    assert (step.id, step.status, step.started_at, step.ended_at) == (tries[2].id, "failed", ns(1), ns(4))
    assert [(attempt.at, attempt.error) for attempt in step.attempts] == [(ns(1), ""), (ns(0.9), "http_5xx")]


def test_a_retry_under_way_is_not_told():
    first = node(1, at=1, node_execution_id="x", index=2)
    again = node(2, at=2, end=3, node_execution_id="x", index=4, status="retry", error="status code: 500")
    assert _drafts(first) == {}
    assert _drafts(first, again) == {}


def test_retries_that_the_row_remembers():
    """The newest versions rewrite the row and keep its earlier attempts in its `process_data`."""
    kept = [
        {"retry_index": 1, "error": "timed out", "created_at": 1_795_500_001, "finished_at": 1_795_500_002},
        "nonsense",
    ]
    step = _step(node(1, at=5, end=6, process_data=json.dumps({"__dify_retry_history": kept})))
    assert [(attempt.at, attempt.error) for attempt in step.attempts] == [(ns(1), "timeout")]


# -- kinds


@pytest.mark.parametrize(
    ("node_type", "kind"),
    [
        ("llm", "llm"), ("question-classifier", "llm"), ("parameter-extractor", "llm"), ("tool", "tool"), ("agent", "agent"),
        ("knowledge-retrieval", "retrieval"), ("http-request", "http"), ("code", "node"), ("a type of next year", "node"),
    ],
)  # fmt: skip
def test_kinds(node_type, kind):
    assert _step(node(1, at=1, end=2, node_type=node_type)).kind == kind


@pytest.mark.parametrize(
    ("definition", "metadata", "expected"),
    [
        (GraphNode(tool="query_order", provider_id="shop", provider_type="api"), None, ("query_order", "shop", "api")),
        (GraphNode(tool="query_order", provider_id="old"), '{"tool_info": {"provider_id": "shop", "provider_type": "mcp"}}',
         ("query_order", "shop", "mcp")),
        (None, None, ("查询订单", "", "")),  # the definition is gone: the title is all that is left
    ],
)  # fmt: skip
def test_a_tools_name_comes_from_the_definition(definition, metadata, expected):
    """The row has the node's title only, and a failed one not even the provider."""
    row = node(1, at=1, end=2, node_type="tool", title="查询订单", metadata=metadata)
    step = _step(row, graph={"n1": definition} if definition else {})
    assert (step.tool.name, step.tool.provider, step.tool.provider_type) == expected
    assert step.name == expected[0]


def test_a_failed_tool_node_without_a_known_text_is_a_tools_error():
    assert (
        _step(node(1, at=1, end=2, node_type="tool", status="failed", error="order 7 is gone")).error_type
        == "tool_invoke_error"
    )


@pytest.mark.parametrize(
    ("outputs", "status", "documents"),
    [
        ('{"result": [{}, {}]}', "succeeded", 2),
        ('{"result": []}', "succeeded", 0),
        ("{}", "succeeded", None),
        ('{"result": [{}]}', "failed", None),
    ],
)
def test_a_retrieval_has_its_datasets_from_the_definition(outputs, status, documents):
    """Without hits the row does not say what was searched."""
    row = node(1, at=1, end=2, node_type="knowledge-retrieval", outputs=outputs, status=status)
    step = _step(row, graph={"n1": GraphNode(datasets=("a", "b"))})
    assert (step.dataset_id, step.documents) == ("a,b", documents)


def test_a_retrieval_keeps_its_hits_in_order():
    """`outputs.result[].metadata` of a retrieval node."""
    facts = [
        {"dataset_id": "d", "document_id": "a", "segment_id": "s", "score": 0.9, "position": 1},
        {"dataset_id": "d", "document_id": "b", "score": "high", "position": -1},
    ]
    outputs = json.dumps({"result": [{"metadata": each, "title": "T", "content": "text"} for each in facts]})
    step = _step(node(1, at=1, end=2, node_type="knowledge-retrieval", outputs=outputs))
    assert step.hits == (Hit("d", "a", "s", 0.9, 1), Hit("d", "b"))
    assert (step.dataset_id, step.documents) == ("d", 2)  # the definition is gone: what was found says where


def test_many_hits_are_counted_and_the_best_kept():
    result = [{"metadata": {"segment_id": str(n)}} for n in range(250)]
    row = node(1, at=1, end=2, node_type="knowledge-retrieval", outputs=json.dumps({"result": result}))
    step = _step(row)
    assert (step.documents, len(step.hits), step.hits[-1].segment_id) == (250, 100, "99")


# -- HTTP nodes


def _http(status="succeeded", error=None, **outputs):
    return node(1, at=1, end=2, node_type="http-request", status=status, error=error, outputs=json.dumps(outputs))


@pytest.mark.parametrize(
    ("code", "status", "error_type"),
    [
        (200, "succeeded", ""),
        (302, "succeeded", ""),
        (404, "failed", "http_4xx"),
        (401, "failed", "auth"),
        (403, "failed", "auth"),
        (408, "failed", "timeout"),
        (429, "failed", "rate_limit"),
        (500, "failed", "http_5xx"),
        (599, "failed", "http_5xx"),
    ],
)
def test_an_http_node_that_was_refused_failed_whatever_dify_calls_it(code, status, error_type):
    """Dify: an answer of 400 and above is a success unless the node has retries or an error strategy."""
    step = _step(_http(status_code=code, body="x"))
    assert (step.http_status, step.status, step.error_type, step.handled) == (
        code,
        status,
        error_type,
        status == "failed",
    )


@pytest.mark.parametrize(
    ("row", "code", "handled"),
    [
        (_http("failed", "Request failed with status code 503"), 503, False),
        (_http("exception", "Request failed with status code 404", status_code=404), 404, True),
        (_http("failed", "timed out"), None, False),
        (_http(status_code=9000), None, False),
        (_http(status_code="no number"), None, False),
        (_http(), None, False),
    ],
)
def test_what_an_http_node_was_answered(row, code, handled):
    step = _step(row)
    assert (step.http_status, step.handled) == (code, handled)


def test_an_http_nodes_request_is_its_input():
    process = json.dumps({"request": "GET / HTTP/1.1\r\nX-Api-Key: hunter2xyz\r\n", "more": 1})
    row = node(1, at=1, end=2, node_type="http-request", inputs="{}", process_data=process, truncated=("process_data",))
    draft = _drafts(row)[row.id]
    assert draft.content == {"input": "GET / HTTP/1.1\r\nX-Api-Key: [credential]\r\n", "process": '{"more":1}'}
    assert draft.step.truncated == ("process", "input")


def test_an_http_node_with_inputs_keeps_them():
    row = node(1, at=1, end=2, node_type="http-request", inputs='{"a": 1}', process_data='{"request": "GET /"}')
    assert _drafts(row)[row.id].content == {"input": '{"a":1}', "process": '{"request":"GET /"}'}


# -- what was cut short


def test_shortened_columns_are_named_by_their_content():
    """1.9 and later move large values to object storage and leave a shortened one in the row."""
    row = node(1, at=1, end=2, outputs='{"a": "..."}', truncated=("inputs", "outputs", "a column of next year"))
    assert _step(row).truncated == ("input", "output")
    assert _step(node(1, at=1, end=2)).truncated == ()


# -- tokens and money: at the model call, once

_USAGE = {
    "prompt_tokens": 10,
    "completion_tokens": 5,
    "total_tokens": 15,
    "total_price": "0.02",
    "currency": "USD",
    "time_to_first_token": 0.25,
}


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"outputs": {"text": "x", "usage": _USAGE}}, (10, 5, 15, "0.02", "USD")),
        ({"process_data": {"usage": _USAGE}}, (10, 5, 15, "0.02", "USD")),
        (
            {"outputs": {"usage": "a parameter of the user's"}, "process_data": {"usage": _USAGE}},
            (10, 5, 15, "0.02", "USD"),
        ),
        ({"outputs": {"__usage": _USAGE}}, (10, 5, 15, "0.02", "USD")),
        ({"metadata": {"total_tokens": 30, "total_price": "0.05", "currency": "RMB"}}, (None, None, 30, "0.05", "RMB")),
        (
            {"outputs": {"usage": _USAGE}, "metadata": {"total_tokens": 15, "total_price": 0.03}},
            (10, 5, 15, "0.03", "USD"),
        ),
    ],
)
def test_where_a_model_nodes_usage_stands(columns, expected):
    step = _step(node(1, at=1, end=2, node_type="llm", **{name: json.dumps(value) for name, value in columns.items()}))
    usage = step.usage
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens, usage.price, usage.currency) == expected


@pytest.mark.parametrize(
    ("node_type", "counted"),
    [
        ("llm", True), ("agent", True), ("question-classifier", True), ("knowledge-retrieval", True),
        ("tool", False),  # repeats what the workflow that it called has counted
        ("iteration", False), ("loop", False),  # repeat their children
        ("code", False),
    ],
)  # fmt: skip
def test_containers_and_tools_repeat_what_others_have_counted(node_type, counted):
    metadata = json.dumps({"total_tokens": 15, "total_price": "0.02", "currency": "USD"})
    assert (_step(node(1, at=1, end=2, node_type=node_type, metadata=metadata)).usage is not None) == counted


def test_a_model_by_the_row_and_else_by_the_definition():
    graph = {"n1": GraphNode(model_provider="openai", model_name="gpt")}
    process = '{"model_provider": "azure", "model_name": "gpt-2", "model_mode": "chat"}'
    told = [_step(node(1, at=1, end=2, node_type="llm", process_data=each), graph=graph) for each in (process, "{}")]
    assert [(step.model_provider, step.model_name, step.name) for step in told] == [
        ("azure", "gpt-2", "gpt-2"),
        ("openai", "gpt", "gpt"),
    ]
    agent = _step(node(1, at=1, end=2, node_type="agent", title="Helper"), graph=graph)
    assert (agent.model_name, agent.name) == ("gpt", "Helper")


def test_the_time_to_the_first_token():
    step = _step(node(1, at=1, end=2, node_type="llm", outputs=json.dumps({"usage": _USAGE})))
    assert step.time_to_first_token_ns == 250_000_000


# -- content


def test_payloads_have_one_spelling_and_no_credentials():
    row = node(
        1,
        at=1,
        end=2,
        inputs='{"b": 1, "a": "\\u8ba2"}',
        process_data='{"request": "X-Api-Key: hunter2xyz"}',
        outputs="{}",
    )
    assert _drafts(row)[row.id].content == {
        "input": '{"a":"订","b":1}',
        "process": '{"request":"X-Api-Key: [credential]"}',
    }


# -- nodes tried out alone


@pytest.mark.parametrize(
    ("status", "told"), [("succeeded", True), ("failed", True), ("running", False), ("retry", False)]
)
def test_a_node_tried_out_alone(status, told):
    assert bool(single_step(node(1, at=1, end=2, status=status, run_id=None), {})) == told
