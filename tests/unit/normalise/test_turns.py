"""One turn's rows to facts: whose it is, how it ended, how long it took, what it used.

Dify's apps differ. An agent, chat or completion turn is a message; a workflow turn is a run; a chatflow turn is both.
"""

from __future__ import annotations

import json

import pytest

from monitor.model import StepEnded, TurnEnded, TurnStarted
from monitor.normalise.rows import GraphNode
from monitor.normalise.turns import ref_of, run_was_stopped, single_step_events, turn_events
from tests.unit.normalise.dify import MESSAGE, RUN, message, node, ns, run, thought, turn, us


def _ref(rows):
    return ref_of(rows, lambda user: f"pseudonym of {user}")


def _events(rows, ended="final"):
    return turn_events(_ref(rows), rows, ended)


def _end(rows, ended="final") -> TurnEnded:
    (event,) = [event for event in _events(rows, ended) if isinstance(event.body, TurnEnded)]
    return event.body


def _content(rows, kind=TurnEnded, ended="final"):
    return next(event.content for event in _events(rows, ended) if isinstance(event.body, kind))


def _chatflow(**columns):
    return message(mode="advanced-chat", run_id=RUN, model_provider=None, model_id=None, **columns)


def _chat(**columns):
    return message(mode="chat", **columns)


_FAILED = {"status": "failed", "error": "status code: 500"}


# -- whose turn it is


@pytest.mark.parametrize(
    ("rows", "turn_id", "message_id", "run_id"),
    [
        (turn(message=_chat()), MESSAGE, MESSAGE, ""),
        (turn(run=run()), RUN, "", RUN),
        (turn(message=_chatflow(), run=run(type="chat")), RUN, MESSAGE, RUN),
        (turn(message=_chatflow()), RUN, MESSAGE, RUN),  # the run's row comes later, is kept elsewhere, or is deleted
    ],
)
def test_a_turn_is_called_by_its_run_else_by_its_message(rows, turn_id, message_id, run_id):
    ref = _ref(rows)
    assert (ref.turn_id, ref.message_id, ref.run_id) == (turn_id, message_id, run_id)


def test_a_turn_begins_with_its_first_row():
    """A message's creation is rounded to a second, so it can lie after its run's."""
    assert _ref(turn(message=_chatflow(at=2), run=run(at=1.6))).started_at == ns(1.6)


@pytest.mark.parametrize(
    ("columns", "user"),
    [
        ({}, "ann"),  # what the caller of the API names
        ({"session_id": None}, "end-user"),
        ({"session_id": None, "end_user_id": None, "account_id": "account"}, "account"),
        ({"session_id": None, "end_user_id": None}, None),
    ],
)
def test_the_user_is_a_pseudonym_in_the_fact_and_true_in_the_content(columns, user):
    rows = turn(message=_chat(**columns))
    assert _ref(rows).user == (f"pseudonym of {user}" if user else "")
    assert _content(rows, TurnStarted).get("user") == user


@pytest.mark.parametrize(
    ("rows", "mode", "invoke_from"),
    [
        (turn(message=message(mode="agent-chat", invoke_from="web-app")), "agent-chat", "web-app"),
        (turn(message=message(mode=None, invoke_from=None)), "unknown", ""),  # its app is deleted
        (turn(run=run(mode=None, type="chat", triggered_from="debugging")), "advanced-chat", "debugger"),
        (turn(run=run(mode=None, triggered_from="schedule")), "workflow", "schedule"),
        (turn(run=run(mode="rag-pipeline", triggered_from="rag-pipeline-debugging")), "rag-pipeline", "debugger"),
    ],
)
def test_mode_and_way_in_are_difys_own_words(rows, mode, invoke_from):
    ref = _ref(rows)
    assert (ref.mode, ref.invoke_from) == (mode, invoke_from)


# -- what is told when


def test_an_open_turn_is_told_without_an_end():
    rows = turn(run=run(), nodes=[node(1, at=1, end=2), node(2, at=2)])
    assert [type(event.body) for event in _events(rows, "no")] == [TurnStarted, StepEnded]


def test_an_ended_turn_names_its_steps_and_counts_those_that_failed():
    rows = turn(
        run=run(0, 3), nodes=[node(1, 0, 1), node(2, 1, 2, **_FAILED), node(3, 2, 3, status="exception", error="x")]
    )
    body = _end(rows)
    assert body.steps == tuple(each.id for each in rows.nodes)
    assert body.failed_steps == 2


def test_steps_come_in_the_order_in_which_they_ended():
    rows = turn(run=run(0, 9), nodes=[node(1, 0, 9), node(2, 1, 2), node(3, 1, 4)])
    assert [event.body.step.position for event in _events(rows) if isinstance(event.body, StepEnded)] == [2, 3, 1]


def test_a_better_end_ranks_above_a_given_up_one():
    rows = turn(message=message())
    given_up, final = (_events(rows, ended)[-1] for ended in ("abandoned", "final"))
    assert given_up.key == final.key
    assert given_up.rank < final.rank


# -- how a turn ended


@pytest.mark.parametrize(
    ("rows", "ended", "status", "error_type"),
    [
        (turn(message=_chat(latency_s=1.0)), "final", "succeeded", ""),
        (turn(message=_chat(status="error", error="status code: 429")), "final", "failed", "rate_limit"),
        (turn(message=message()), "abandoned", "abandoned", ""),
        (turn(run=run(0, 1)), "final", "succeeded", ""),
        (turn(run=run(0, 1, **_FAILED)), "final", "failed", "http_5xx"),
        (turn(run=run(0, 1, status="partial-succeeded")), "final", "partial", ""),
        (turn(run=run()), "abandoned", "abandoned", ""),
        # A chatflow's message repeats the run's error, and may stay open for ever when the client walked away.
        (turn(message=_chatflow(status="error", error="Run failed: timed out"), run=run(0, 1, **_FAILED)), "final", "failed", "timeout"),
        (turn(message=_chatflow(), run=run(0, 1)), "abandoned", "succeeded", ""),
        (turn(message=_chatflow(), run=run(0, 1, **_FAILED)), "abandoned", "failed", "http_5xx"),
        (turn(message=_chatflow(latency_s=1.0), run=run()), "final", "succeeded", ""),  # the run was never updated
    ],
)  # fmt: skip
def test_how_a_turn_ended(rows, ended, status, error_type):
    body = _end(rows, ended)
    assert (body.status, body.error_type) == (status, error_type)


_CANCELLED = node(1, 0, 1, status="failed", error="Execution cancelled")


@pytest.mark.parametrize(
    ("of", "nodes", "stopped"),
    [
        (run(0, 1, status="stopped", error="Stopped by user."), [], True),
        (run(0, 1, status="failed", error="Aborted: User requested stop"), [], True),  # 1.9 has this shape too
        (run(), [_CANCELLED], True),  # 1.12 leaves the run `running` for ever
        (run(), [node(1, 0, 1, **_FAILED)], False),
        (run(0, 1), [_CANCELLED], False),
        (run(0, 1, **_FAILED), [_CANCELLED], False),
        (None, [], False),
    ],
)
def test_the_shapes_of_a_stop(of, nodes, stopped):
    assert run_was_stopped(of, nodes) == stopped


def test_a_stopped_run_is_no_failure_and_keeps_its_reason():
    rows = turn(
        message=_chatflow(latency_s=1.0), run=run(0, 1, status="stopped", error="Stopped by user."), nodes=[node(1, 0)]
    )
    body = _end(rows)
    assert (body.status, body.error_type, body.failed_steps) == ("stopped", "", 0)
    assert _content(rows)["error"] == "Stopped by user."
    assert [event.body.step.status for event in _events(rows) if isinstance(event.body, StepEnded)] == ["stopped"]


# -- how long it took


@pytest.mark.parametrize(
    ("rows", "ended", "seconds"),
    [
        (turn(message=_chat(latency_s=1.5)), "final", 1.5),
        (turn(message=_chat(status="error", error="x")), "final", None),  # Dify measures no failed message
        (turn(message=message(), thoughts=[thought(5)]), "abandoned", None),
        (turn(run=run(0, 2)), "final", 2),
        (turn(run=run(0, 2, **_FAILED)), "final", 2),
        (turn(message=_chatflow(at=0, latency_s=3.0), run=run(0.5, 2)), "final", 2.5),  # run's start to the later end
        (turn(message=_chatflow(at=0, latency_s=1.0), run=run(0.5, 2)), "final", 1.5),
        (turn(message=_chatflow(latency_s=1.0), run=run()), "final", None),
        (turn(run=run(2, 1)), "final", None),
    ],
)
def test_a_duration_is_what_dify_measured_or_none(rows, ended, seconds):
    """Without one the turn stays out of the histogram of durations."""
    body = _end(rows, ended)
    assert body.duration_ns == (None if seconds is None else round(seconds * 1e9))
    assert body.estimated == (seconds is None)


@pytest.mark.parametrize(
    ("rows", "start", "end"),
    [
        (turn(message=_chat(at=1, latency_s=1.5)), 1, 2.5),
        (turn(message=_chat(at=1, status="error", error="x")), 1, 1),
        (
            turn(message=message(at=1, latency_s=1.0), thoughts=[thought(0.6), thought(2.4, 2)]),
            0.6,
            2.4,
        ),  # the rounding
        (turn(run=run(1, 2), nodes=[node(1, 0.9, 2.2)]), 0.9, 2.2),
        (turn(message=_chatflow(at=1, latency_s=4.0), run=run(1), nodes=[_CANCELLED]), 0, 5),
    ],
)
def test_a_turn_holds_its_steps_whatever_rounding_did_to_its_own_times(rows, start, end):
    body = _end(rows)
    assert (body.started_at, body.ended_at) == (ns(start), ns(end))


# -- what it used


def _llm(number, **usage):
    return node(number, 0, 1, node_type="llm", outputs=json.dumps({"usage": usage}))


_CALL = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, "total_price": "0.02", "currency": "USD"}
_SPENT = {"input_tokens": 10, "output_tokens": 5, "price": "0.02"}
_THOUGHT = thought(1, answer="x", input_tokens=10, output_tokens=5, total_tokens=15, price="0.02", currency="USD")


@pytest.mark.parametrize(
    ("rows", "ended", "totals", "counts"),
    [
        (turn(message=_chat(latency_s=1.0, **_SPENT)), "final", (10, 5, 15, "0.02"), True),
        (turn(message=_chat(status="error", error="x")), "final", None, True),  # a call all the same
        # An agent's message repeats its thoughts ...
        (turn(message=message(latency_s=1.0, **_SPENT), thoughts=[_THOUGHT]), "final", (10, 5, 15, "0.02"), False),
        # ... unless they kept nothing, and then only the message knows.
        (turn(message=message(latency_s=1.0, **_SPENT), thoughts=[thought(1)]), "final", (10, 5, 15, "0.02"), True),
        (turn(message=message(), thoughts=[_THOUGHT]), "abandoned", (10, 5, 15, "0.02"), False),
        # A chatflow's message, its run and its nodes say the same: counted at the nodes.
        (turn(message=_chatflow(latency_s=1.0, **_SPENT), run=run(0, 1, total_tokens=15), nodes=[_llm(1, **_CALL)]),
         "final", (10, 5, 15, "0.02"), False),
        (turn(message=_chatflow(status="error", error="x"), run=run(0, 1, total_tokens=15, **_FAILED), nodes=[_llm(1, **_CALL)]),
         "final", (10, 5, 15, "0.02"), False),
        (turn(run=run(0, 1, total_tokens=0), nodes=[_llm(1, **_CALL), _llm(2, **_CALL)]), "final", (20, 10, 30, "0.04"), False),
        # A run whose tokens no node has: those of a workflow that a tool called, counted in that one's run.
        (turn(run=run(0, 1, total_tokens=15), nodes=[node(1, 0, 1, node_type="tool")]), "final", (None, None, 15, "0"), False),
        # Where the run is kept elsewhere, the message is all there is.
        (turn(message=_chatflow(latency_s=1.0, **_SPENT)), "final", (10, 5, 15, "0.02"), True),
        (turn(run=run(0, 1)), "final", None, False),
    ],
)  # fmt: skip
def test_tokens_and_money_are_counted_once(rows, ended, totals, counts):
    body = _end(rows, ended)
    usage = body.usage
    assert (usage and (usage.input_tokens, usage.output_tokens, usage.total_tokens, usage.price)) == totals
    assert body.counts_usage == counts


def test_a_sum_keeps_what_is_not_split():
    whole = node(2, 0, 1, node_type="llm", metadata='{"total_tokens": 30}')
    usage = _end(turn(run=run(0, 1), nodes=[_llm(1, **_CALL), whole])).usage
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (None, None, 45)


def test_currencies_are_never_added_up():
    nodes = [_llm(1, **_CALL), _llm(2, **{**_CALL, "currency": "RMB"})]
    assert _end(turn(run=run(0, 1), nodes=nodes)).usage is None


@pytest.mark.parametrize(
    ("metadata", "is_call"),
    [(None, True), ('{"annotation_reply": null}', True), ('{"annotation_reply": {"id": "x"}}', False)],
)
def test_an_answer_from_an_annotation_is_no_model_call(metadata, is_call):
    assert _end(turn(message=_chat(latency_s=1.0, metadata=metadata))).counts_usage == is_call


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        (None, None),
        ('{"usage": null}', None),
        ('{"usage": {"time_to_first_token": 0.5}}', 500_000_000),
        ('{"time_to_first_token": 1', None),
    ],
)
def test_the_time_to_the_first_token(metadata, expected):
    assert _end(turn(message=_chat(latency_s=1.0, metadata=metadata))).time_to_first_token_ns == expected


# -- what was said


@pytest.mark.parametrize(
    ("rows", "asked", "answered"),
    [
        (turn(message=_chat(query="Hi", answer="Hello", latency_s=1.0)), "Hi", "Hello"),
        (turn(message=_chat(query="", inputs='{"topic": "x"}', answer="y", latency_s=1.0)), '{"topic":"x"}', "y"),
        (turn(run=run(0, 1, inputs='{"a": 1}', outputs='{"b": 2}')), '{"a":1}', '{"b":2}'),
        (turn(run=run(0, 1, inputs="{}", outputs=None)), None, None),
        (
            turn(message=message(), thoughts=[thought(2, 2, answer="world"), thought(1, thought="Hello ")]),
            "Where is my order?",
            "Hello world",
        ),
    ],
)
def test_question_and_answer(rows, asked, answered):
    """An agent whose client walked away has its answer in its thoughts only."""
    content = _content(rows)
    assert (content.get("input"), content.get("output")) == (asked, answered)
    assert _content(rows, TurnStarted).get("input") == asked


def test_credentials_do_not_pass():
    rows = turn(message=_chat(query="Authorization: Bearer hunter2xyz", answer='{"password": "hunter2xyz"}', prompt='{"api_key": "hunter2xyz"}',
                              status="error", error="x-api-key: hunter2xyz"))  # fmt: skip
    assert "hunter2xyz" not in str([event.content for event in _events(rows)])


# -- nodes tried out alone


def test_a_node_tried_out_alone_is_one_step_under_its_own_name():
    row = node(1, 0, 1, run_id=None, node_type="tool")
    ref = _ref(turn(run=run(id=row.id)))
    (event,) = single_step_events(ref, row, {"n1": GraphNode(tool="query_order")})
    assert (event.key, event.body.step.tool.name) == (f"{row.id}:step:{row.id}", "query_order")
    assert single_step_events(ref, node(2, 0, run_id=None), {}) == []


def test_times_beyond_every_clock_are_moved_into_what_can_be_written():
    rows = turn(message=_chat(latency_s=1e300), run=None)
    assert _end(rows).ended_at == 2**63 - 1
    assert _end(turn(run=run(0, finished_us=9_000_000_000_000_000_000, status="succeeded"))).ended_at == 2**63 - 1
    assert (
        _end(turn(run=run(created_us=-9_000_000_000_000_000_000), nodes=[node(1, 0, 1)]), "abandoned").started_at == 0
    )
    assert us(0) > 0
