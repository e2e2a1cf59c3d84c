"""One turn's rows to facts: whose it is, what is told of it and when, what was said.

Dify's apps differ. An agent, chat or completion turn is a message; a workflow turn is a run; a chatflow turn is both.
"""

from __future__ import annotations

import pytest

from monitor.model import StepEnded, TurnStarted
from monitor.normalise.rows import GraphNode
from monitor.normalise.soft import Soft, SoftFailure
from monitor.normalise.turns import single_step_events, turn_events
from tests.unit.normalise.dify import (
    MESSAGE,
    RUN,
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
    told_ref,
    turn,
    us,
)


def _told(rows):
    return [event.body.step for event in told_events(rows) if isinstance(event.body, StepEnded)]


_FAILED = {"status": "failed", "error": "status code: 500"}


# -- whose turn it is


@pytest.mark.parametrize(
    ("rows", "turn_id", "message_id", "run_id"),
    [
        (turn(message=chat()), MESSAGE, MESSAGE, ""),
        (turn(run=run()), RUN, "", RUN),
        (turn(message=chatflow(), run=run(type="chat")), RUN, MESSAGE, RUN),
        (turn(message=chatflow()), RUN, MESSAGE, RUN),  # the run's row comes later, is kept elsewhere, or is deleted
    ],
)
def test_a_turn_is_called_by_its_run_else_by_its_message(rows, turn_id, message_id, run_id):
    ref = told_ref(rows)
    assert (ref.turn_id, ref.message_id, ref.run_id) == (turn_id, message_id, run_id)


def test_a_turn_begins_with_its_first_row():
    """A message's creation is rounded to a second, so it can lie after its run's."""
    assert told_ref(turn(message=chatflow(at=2), run=run(at=1.6))).started_at == ns(1.6)


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
    rows = turn(message=chat(**columns))
    assert told_ref(rows).user == (f"pseudonym of {user}" if user else "")
    assert told_content(rows, TurnStarted).get("user") == user


@pytest.mark.parametrize(
    ("rows", "mode", "invoke_from"),
    [
        (turn(message=message(mode="agent-chat", invoke_from="web-app")), "agent-chat", "web-app"),
        (turn(message=message(mode=None, invoke_from=None)), "unknown", ""),  # its app is deleted
        (turn(run=run(mode=None, type="chat", triggered_from="debugging")), "advanced-chat", "debugger"),
        (turn(run=run(mode=None, triggered_from="schedule")), "workflow", "schedule"),
        (turn(run=run(mode="rag-pipeline", triggered_from="rag-pipeline-debugging")), "rag-pipeline", "debugger"),
        (
            turn(run=run(mode=None, type="rag-pipeline", triggered_from="rag-pipeline-run")),
            "rag-pipeline",
            "rag-pipeline-run",
        ),
        (turn(run=run(mode=None, type="", triggered_from="plugin")), "unknown", "plugin"),
        (turn(message=message(mode=None, run_id=RUN)), "advanced-chat", "service-api"),  # only chatflows name a run
        (turn(message=message(mode="a mode of next year")), "a mode of next year", "service-api"),
    ],
)
def test_mode_and_way_in_are_difys_own_words(rows, mode, invoke_from):
    ref = told_ref(rows)
    assert (ref.mode, ref.invoke_from) == (mode, invoke_from)


def test_names_and_the_configuration_stand_on_the_turn():
    rows = turn(run=run(tenant_name="Shop", user_name="Ann"), config_hash="0123456789abcdef")
    ref = told_ref(rows)
    assert (ref.tenant_name, ref.config_hash) == ("Shop", "0123456789abcdef")
    assert told_content(rows, TurnStarted)["user_name"] == "Ann"
    assert "Ann" not in str(ref)
    nameless = turn(message=chat(tenant_name="Shop", user_name=None))
    assert told_ref(nameless).tenant_name == "Shop"
    assert "user_name" not in told_content(nameless, TurnStarted)


# -- what is told when


def test_an_open_turn_is_told_without_an_end():
    rows = turn(run=run(), nodes=[node(1, at=1, end=2), node(2, at=2)])
    assert [type(event.body) for event in told_events(rows, "no")] == [TurnStarted, StepEnded]


def test_an_ended_turn_names_its_steps_and_counts_those_that_failed():
    rows = turn(
        run=run(0, 3), nodes=[node(1, 0, 1), node(2, 1, 2, **_FAILED), node(3, 2, 3, status="exception", error="x")]
    )
    body = told_end(rows)
    assert body.steps == tuple(each.id for each in rows.nodes)
    assert body.failed_steps == 2


def test_steps_come_in_the_order_in_which_they_ended():
    rows = turn(run=run(0, 9), nodes=[node(1, 0, 9), node(2, 1, 2), node(3, 1, 4)])
    assert [event.body.step.position for event in told_events(rows) if isinstance(event.body, StepEnded)] == [2, 3, 1]


def test_a_better_end_ranks_above_a_given_up_one():
    rows = turn(message=message())
    given_up, final = (told_events(rows, ended)[-1] for ended in ("abandoned", "final"))
    assert given_up.key == final.key
    assert given_up.rank < final.rank


# -- what the configuration calls a failure

_SOFT = Soft([SoftFailure(pattern='"code":4')])


def test_a_success_that_a_pattern_knows_is_a_handled_failure():
    rows = turn(
        run=run(0, 4),
        nodes=[
            node(1, 0, 1, node_type="tool", title="Order", outputs='{"json": [{"code": 404}]}'),
            node(2, 1, 2, node_type="http-request", outputs='{"status_code": 200, "body": "{\\"code\\":404}"}'),
            node(3, 2, 3, node_type="answer", outputs='{"answer": {"code": 404}}'),
            node(4, 3, 4, node_type="tool", outputs='{"code": 404}', **_FAILED),
        ],
    )
    events = turn_events(told_ref(rows), rows, "final", _SOFT)
    steps = [event.body.step for event in events if isinstance(event.body, StepEnded)]
    assert [(step.status, step.soft, step.handled, step.error_type) for step in steps] == [
        ("failed", True, True, "soft_failure"),
        ("failed", True, True, "soft_failure"),
        ("succeeded", False, False, ""),
        ("failed", False, False, "http_5xx"),
    ]
    assert (events[-1].body.status, events[-1].body.failed_steps) == ("succeeded", 3)


def test_an_agents_observation_is_looked_at_too():
    asked = thought(1, tool="order", observation='{"order": "{\\"code\\":404}"}', answer="x")
    rows = turn(message=message(latency_s=3.0), thoughts=[asked])
    (step,) = [
        event.body.step
        for event in turn_events(told_ref(rows), rows, "final", _SOFT)
        if isinstance(event.body, StepEnded) and event.body.step.kind == "tool"
    ]
    assert (step.status, step.error_type) == ("failed", "soft_failure")


# -- modes that nobody has seen yet


@pytest.mark.parametrize("mode", ["agent", "agent-chat", "a mode of next year"])
def test_thoughts_are_steps_in_every_mode(mode):
    """From 1.16 on there is a second kind of agent app, whose messages have thoughts as well."""
    asked = thought(
        1, tool="order", observation='{"order": "ok"}', tool_meta='{"order": {"time_cost": 1}}', total_tokens=15
    )
    rows = turn(
        message=message(mode=mode, latency_s=3.0), thoughts=[asked, thought(2, 2, answer="Done", total_tokens=5)]
    )
    assert [step.kind for step in _told(rows)] == ["llm", "tool", "llm"]
    assert not told_end(rows).counts_usage


def test_a_run_of_an_unknown_kind_has_its_nodes():
    model = node(2, 0, 1, node_type="llm", metadata='{"total_tokens": 15}')
    rows = turn(
        run=run(0, 1, type="datasource", mode="rag-pipeline"), nodes=[node(1, 0, 1, node_type="datasource"), model]
    )
    assert [step.kind for step in _told(rows)] == ["node", "llm"]
    assert told_end(rows).usage.total_tokens == 15


# -- paused and resumed


def test_a_paused_run_waits_and_goes_on():
    """From 1.13 on a run can wait for a person: run and node are `paused`, and on going on the run begins anew."""
    form = node(2, 1, node_type="human-input", status="paused")
    paused = turn(run=run(0, status="paused"), nodes=[node(1, 0, 1), form])
    ref = told_ref(paused)
    assert [
        event.body.step.node.status for event in turn_events(ref, paused, "no") if isinstance(event.body, StepEnded)
    ] == ["succeeded"]
    resumed = turn(
        run=run(600, 602), nodes=[node(1, 0, 1), node(2, 1, 601, node_type="human-input"), node(3, 601, 602)]
    )
    end = turn_events(ref, resumed, "final")[-1].body
    assert (end.status, len(end.steps), end.started_at, end.ended_at) == ("succeeded", 3, ns(0), ns(602))


def test_a_turn_given_up_that_ends_after_all_is_told_better():
    rows = turn(run=run(0), nodes=[node(1, 0)])
    given_up = {event.key: event for event in told_events(rows, "abandoned")}
    finished = turn(run=run(0, 900), nodes=[node(1, 0, 900)])
    for event in turn_events(told_ref(rows), finished, "final")[1:]:
        assert event.rank > given_up[event.key].rank
    assert given_up[f"{RUN}:turn:ended"].body.status == "abandoned"


# -- what was said


@pytest.mark.parametrize(
    ("rows", "asked", "answered"),
    [
        (turn(message=chat(query="Hi", answer="Hello", latency_s=1.0)), "Hi", "Hello"),
        (turn(message=chat(query="", inputs='{"topic": "x"}', answer="y", latency_s=1.0)), '{"topic":"x"}', "y"),
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
    content = told_content(rows)
    assert (content.get("input"), content.get("output")) == (asked, answered)
    assert told_content(rows, TurnStarted).get("input") == asked


def test_credentials_do_not_pass():
    rows = turn(message=chat(query="Authorization: Bearer hunter2xyz", answer='{"password": "hunter2xyz"}', prompt='{"api_key": "hunter2xyz"}',
                              status="error", error="x-api-key: hunter2xyz"))  # fmt: skip
    assert "hunter2xyz" not in str([event.content for event in told_events(rows)])


# -- nodes tried out alone


def test_a_node_tried_out_alone_is_one_step_under_its_own_name():
    row = node(1, 0, 1, run_id=None, node_type="tool")
    ref = told_ref(turn(run=run(id=row.id)))
    (event,) = single_step_events(ref, row, {"n1": GraphNode(tool="query_order")})
    assert (event.key, event.body.step.tool.name) == (f"{row.id}:step:{row.id}", "query_order")
    assert single_step_events(ref, node(2, 0, run_id=None), {}) == []


def test_times_beyond_every_clock_are_moved_into_what_can_be_written():
    assert told_end(turn(run=run(created_us=9_000_000_000_000_000_000, status="succeeded"))).ended_at == 2**63 - 1
    assert (
        told_end(turn(run=run(created_us=-9_000_000_000_000_000_000), nodes=[node(1, 0, 1)]), "abandoned").started_at
        == 0
    )
    assert us(0) > 0


def test_a_finish_that_no_run_can_have_is_not_believed():
    """Where a row was written as finished in the year 9999, turns and steps end with what else the rows show."""
    late = 9_000_000_000_000_000_000
    row = node(1, 0, finished_us=late, elapsed_s=0.5, status="succeeded")
    rows = turn(run=run(0, finished_us=late, status="succeeded"), nodes=[row])
    end = told_end(rows)
    assert (end.ended_at, end.duration_ns, end.estimated) == (ns(0.5), None, True)
    step = next(each.body.step for each in told_events(rows, "final") if isinstance(each.body, StepEnded))
    assert (step.ended_at, step.estimated) == (ns(0.5), True)
    assert told_end(turn(message=chat(latency_s=1e300))).duration_ns is None
