"""How a turn ended, how long it took, what it used: the numbers of its end.

Dify's apps differ. An agent, chat or completion turn is a message; a workflow turn is a run; a chatflow turn is both.
"""

from __future__ import annotations

import json

import pytest

from monitor.model import StepEnded
from monitor.normalise.turns import run_was_stopped
from tests.unit.normalise.dify import (
    chat,
    chatflow,
    message,
    node,
    ns,
    run,
    thought,
    told_content,
    told_end,
    told_events,
    turn,
)

_FAILED = {"status": "failed", "error": "status code: 500"}


# -- how a turn ended


@pytest.mark.parametrize(
    ("rows", "ended", "status", "error_type"),
    [
        (turn(message=chat(latency_s=1.0)), "final", "succeeded", ""),
        (turn(message=chat(status="error", error="status code: 429")), "final", "failed", "rate_limit"),
        (turn(message=message()), "abandoned", "abandoned", ""),
        (turn(run=run(0, 1)), "final", "succeeded", ""),
        (turn(run=run(0, 1, **_FAILED)), "final", "failed", "http_5xx"),
        (turn(run=run(0, 1, status="partial-succeeded")), "final", "partial", ""),
        (turn(run=run()), "abandoned", "abandoned", ""),
        # A chatflow's message repeats the run's error, and may stay open for ever when the client walked away.
        (turn(message=chatflow(status="error", error="Run failed: timed out"), run=run(0, 1, **_FAILED)), "final", "failed", "timeout"),
        (turn(message=chatflow(), run=run(0, 1)), "abandoned", "succeeded", ""),
        (turn(message=chatflow(), run=run(0, 1, **_FAILED)), "abandoned", "failed", "http_5xx"),
        (turn(message=chatflow(latency_s=1.0), run=run()), "final", "succeeded", ""),  # the run was never updated
    ],
)  # fmt: skip
def test_how_a_turn_ended(rows, ended, status, error_type):
    body = told_end(rows, ended)
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
        message=chatflow(latency_s=1.0), run=run(0, 1, status="stopped", error="Stopped by user."), nodes=[node(1, 0)]
    )
    body = told_end(rows)
    assert (body.status, body.error_type, body.failed_steps) == ("stopped", "", 0)
    assert told_content(rows)["error"] == "Stopped by user."
    assert [event.body.step.status for event in told_events(rows) if isinstance(event.body, StepEnded)] == ["stopped"]


# -- annotations and moderation


@pytest.mark.parametrize(
    ("metadata", "annotation"),
    [
        ('{"annotation_reply": {"id": "anno", "account": {"id": "x", "name": "Ann"}}}', "anno"),
        ('{"annotation_reply": {"annotation_id": "x"}}', ""),
        ('{"annotation_reply": null}', ""),
        ('{"annotation_reply": "x"}', ""),
        (None, ""),
    ],
)
def test_an_annotation_that_answered_is_named(metadata, annotation):
    assert told_end(turn(message=chat(latency_s=1.0, metadata=metadata))).annotation_id == annotation


_STOPPED = {"status": "stopped", "error": "Stopped by output moderation."}


@pytest.mark.parametrize(
    ("rows", "moderated"),
    [
        (turn(message=chatflow(latency_s=1.0), run=run(0, 1, **_STOPPED)), True),
        (turn(run=run(0, 1, status="failed", error="Workflow execution stopped by input moderation")), True),
        (turn(message=chatflow(latency_s=1.0), run=run(0, 1, status="stopped", error="Stopped by user.")), False),
        (turn(message=chat(status="error", error="Content moderation failed")), True),
        (turn(message=chat(status="error", error="Incorrect API key provided")), False),
        # A node of a workflow may be about moderation.
        (turn(run=run(0, 1, status="failed", error="moderation-tool: timed out")), False),
        # A chatflow that answers without a run was answered by an annotation or a moderation of the question.
        (turn(message=message(mode="advanced-chat", answer="I can't talk about that.", latency_s=1.0)), True),
        (turn(message=message(mode="advanced-chat", answer="Yes.", latency_s=1.0, metadata='{"annotation_reply": {"id": "x"}}')), False),
        (turn(message=message(mode="advanced-chat", answer="", latency_s=1.0)), False),
        (turn(message=chatflow(latency_s=1.0, answer="x")), False),
        (turn(message=chat(latency_s=1.0, answer="x")), False),
    ],
)  # fmt: skip
def test_a_moderation_that_the_rows_show(rows, moderated):
    assert told_end(rows).moderated == moderated


# -- how long it took


@pytest.mark.parametrize(
    ("rows", "ended", "seconds"),
    [
        (turn(message=chat(latency_s=1.5)), "final", 1.5),
        (turn(message=chat(status="error", error="x")), "final", None),  # Dify measures no failed message
        (turn(message=message(), thoughts=[thought(5)]), "abandoned", None),
        (turn(run=run(0, 2)), "final", 2),
        (turn(run=run(0, 2, **_FAILED)), "final", 2),
        (turn(message=chatflow(at=0, latency_s=3.0), run=run(0.5, 2)), "final", 2.5),  # run's start to the later end
        (turn(message=chatflow(at=0, latency_s=1.0), run=run(0.5, 2)), "final", 1.5),
        (turn(message=chatflow(latency_s=1.0), run=run()), "final", None),
        (turn(run=run(2, 1)), "final", None),
        (turn(message=chat(latency_s=1e300)), "final", None),
        (turn(run=run(0, 8_000 * 366 * 86_400)), "final", None),  # the year 9999
        (turn(message=chatflow(at=0, latency_s=1e300), run=run(0, 2)), "final", 2),
    ],
)
def test_a_duration_is_what_dify_measured_or_none(rows, ended, seconds):
    """Without one the turn stays out of the histogram of durations."""
    body = told_end(rows, ended)
    assert body.duration_ns == (None if seconds is None else round(seconds * 1e9))
    assert body.estimated == (seconds is None)


@pytest.mark.parametrize(
    ("rows", "start", "end"),
    [
        (turn(message=chat(at=1, latency_s=1.5)), 1, 2.5),
        (turn(message=chat(at=1, status="error", error="x")), 1, 1),
        (
            turn(message=message(at=1, latency_s=1.0), thoughts=[thought(0.6), thought(2.4, 2)]),
            0.6,
            2.4,
        ),  # the rounding
        (turn(run=run(1, 2), nodes=[node(1, 0.9, 2.2)]), 0.9, 2.2),
        (turn(message=chatflow(at=1, latency_s=4.0), run=run(1), nodes=[_CANCELLED]), 0, 5),
    ],
)
def test_a_turn_holds_its_steps_whatever_rounding_did_to_its_own_times(rows, start, end):
    body = told_end(rows)
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
        (turn(message=chat(latency_s=1.0, **_SPENT)), "final", (10, 5, 15, "0.02"), True),
        (turn(message=chat(status="error", error="x")), "final", None, True),  # a call all the same
        # An agent's message repeats its thoughts ...
        (turn(message=message(latency_s=1.0, **_SPENT), thoughts=[_THOUGHT]), "final", (10, 5, 15, "0.02"), False),
        # ... unless they kept nothing, and then only the message knows.
        (turn(message=message(latency_s=1.0, **_SPENT), thoughts=[thought(1)]), "final", (10, 5, 15, "0.02"), True),
        (turn(message=message(), thoughts=[_THOUGHT]), "abandoned", (10, 5, 15, "0.02"), False),
        # A chatflow's message, its run and its nodes say the same: counted at the nodes.
        (turn(message=chatflow(latency_s=1.0, **_SPENT), run=run(0, 1, total_tokens=15), nodes=[_llm(1, **_CALL)]),
         "final", (10, 5, 15, "0.02"), False),
        (turn(message=chatflow(status="error", error="x"), run=run(0, 1, total_tokens=15, **_FAILED), nodes=[_llm(1, **_CALL)]),
         "final", (10, 5, 15, "0.02"), False),
        (turn(run=run(0, 1, total_tokens=0), nodes=[_llm(1, **_CALL), _llm(2, **_CALL)]), "final", (20, 10, 30, "0.04"), False),
        # A run whose tokens no node has: those of a workflow that a tool called, counted in that one's run.
        (turn(run=run(0, 1, total_tokens=15), nodes=[node(1, 0, 1, node_type="tool")]), "final", (None, None, 15, "0"), False),
        # Where the run is kept elsewhere, the message is all there is.
        (turn(message=chatflow(latency_s=1.0, **_SPENT)), "final", (10, 5, 15, "0.02"), True),
        (turn(run=run(0, 1)), "final", None, False),
    ],
)  # fmt: skip
def test_tokens_and_money_are_counted_once(rows, ended, totals, counts):
    body = told_end(rows, ended)
    usage = body.usage
    assert (usage and (usage.input_tokens, usage.output_tokens, usage.total_tokens, usage.price)) == totals
    assert body.counts_usage == counts


def test_a_sum_keeps_what_is_not_split():
    whole = node(2, 0, 1, node_type="llm", metadata='{"total_tokens": 30}')
    usage = told_end(turn(run=run(0, 1), nodes=[_llm(1, **_CALL), whole])).usage
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (None, None, 45)


def test_currencies_are_never_added_up():
    nodes = [_llm(1, **_CALL), _llm(2, **{**_CALL, "currency": "RMB"})]
    assert told_end(turn(run=run(0, 1), nodes=nodes)).usage is None


@pytest.mark.parametrize(
    ("metadata", "is_call"),
    [(None, True), ('{"annotation_reply": null}', True), ('{"annotation_reply": {"id": "x"}}', False)],
)
def test_an_answer_from_an_annotation_is_no_model_call(metadata, is_call):
    assert told_end(turn(message=chat(latency_s=1.0, metadata=metadata))).counts_usage == is_call


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
    assert told_end(turn(message=chat(latency_s=1.0, metadata=metadata))).time_to_first_token_ns == expected


def _told(rows):
    return [event.body.step for event in told_events(rows) if isinstance(event.body, StepEnded)]


def test_what_a_workflow_spent_that_a_tool_called_is_counted_in_that_ones_run():
    """From 1.9.2 on a tool's node repeats the tokens of the run that it started, and so do its own run's totals."""
    tool = node(1, 0, 1, node_type="tool", metadata=json.dumps({**_SUM, "tool_info": {"provider_type": "workflow"}}))
    calling = turn(run=run(0, 1, total_tokens=30), nodes=[tool, _llm(2, **_CALL)])
    steps = {step.kind: step for step in _told(calling)}
    assert (steps["tool"].usage, steps["tool"].tool.provider_type) == (None, "workflow")
    assert (steps["llm"].usage.total_tokens, told_end(calling).tokens_disagree) == (15, False)
    called = turn(run=run(0, 1, id="e1f0c2de-0000-4000-8000-000000000001", total_tokens=15), nodes=[_llm(3, **_CALL)])
    assert [step.usage.total_tokens for step in _told(called)] == [15]


_SUM = {"total_tokens": 15, "total_price": "0.02", "currency": "USD"}
_CONTAINER = node(2, 0, 1, node_type="iteration", node_id="iter", metadata=json.dumps(_SUM))
_INSIDE = node(3, 0, 1, node_type="llm", metadata=json.dumps({**_SUM, "iteration_id": "iter", "iteration_index": 0}))
_RETRIED = node(
    4, 0, 1, node_type="llm", metadata=json.dumps(_SUM), process_data='{"__dify_retry_history": [{"error": "x"}]}'
)


@pytest.mark.parametrize(
    ("rows", "disagree"),
    [
        (turn(message=message(latency_s=1.0, **_SPENT), thoughts=[_THOUGHT]), False),
        # Seen in 0.15: a message that has its prompt's tokens twice.
        (turn(message=message(latency_s=1.0, input_tokens=20, output_tokens=5), thoughts=[_THOUGHT]), True),
        (turn(message=message(latency_s=1.0, input_tokens=20, output_tokens=5), thoughts=[_THOUGHT, thought(2, 2, answer="x")]), False),
        (turn(message=message(status="error", error="x", **_SPENT), thoughts=[_THOUGHT, _THOUGHT]), False),
        (turn(run=run(0, 1, total_tokens=15), nodes=[_llm(1, **_CALL)]), False),
        (turn(run=run(0, 1, total_tokens=16), nodes=[_llm(1, **_CALL)]), True),
        (turn(run=run(0, 1, total_tokens=0), nodes=[_llm(1, **_CALL)]), False),  # 1.9 leaves a run's totals 0
        (turn(run=run(0, 1, total_tokens=16, **_FAILED), nodes=[_llm(1, **_CALL)]), False),
        (turn(run=run(0, 1, total_tokens=16)), False),  # its nodes are kept elsewhere
        (turn(message=chatflow(latency_s=1.0, **_SPENT), run=run(0, 1), nodes=[_llm(1, **_CALL)]), False),
        (turn(message=chatflow(latency_s=1.0, **_SPENT), run=run(0, 1), nodes=[_llm(1, **_CALL), _llm(2, **_CALL)]), True),
        (turn(run=run(0, 1, total_tokens=15), nodes=[_CONTAINER, _INSIDE]), False),  # a container repeats its nodes
        (turn(run=run(0, 1, total_tokens=30), nodes=[_CONTAINER, _INSIDE]), True),
        (turn(run=run(0, 1, total_tokens=99), nodes=[_RETRIED]), False),  # what a lost try spent, nobody knows
        (turn(run=run(0, 1, total_tokens=99, status="partial-succeeded"),
              nodes=[_llm(1, **_CALL), node(2, 0, 1, node_type="tool", status="exception", error="x")]), False),
    ],
)  # fmt: skip
def test_totals_that_are_not_what_the_steps_add_up_to(rows, disagree):
    assert told_end(rows).tokens_disagree == disagree


def test_an_agents_log_does_not_count_again_what_its_node_has():
    entry = {"label": "gpt Thought", "status": "success", "data": {}, "metadata": {**_SUM, "started_at": 1.5}}
    row = node(
        1,
        0,
        1,
        node_type="agent",
        metadata=json.dumps({**_SUM, "agent_log": [entry]}),
        outputs=json.dumps({"usage": _CALL}),
    )
    rows = turn(message=chatflow(latency_s=1.0, **_SPENT), run=run(0, 1, total_tokens=15), nodes=[row])
    end = told_end(rows)
    assert [step.usage and step.usage.total_tokens for step in _told(rows)] == [15, None]
    assert (end.usage.input_tokens, end.usage.total_tokens, end.tokens_disagree) == (10, 15, False)
