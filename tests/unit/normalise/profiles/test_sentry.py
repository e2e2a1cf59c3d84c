from __future__ import annotations

import pytest

from monitor.model import Attempt, Hit, Span, StepEnded
from monitor.normalise.profiles import PROFILES
from monitor.normalise.spans import spans_of
from monitor.testing import notes, samples

_KNOWN = {"chat", "text_completion", "invoke_agent", "execute_tool"}
"""Operations of ours that Sentry tells apart; every other one it takes for a call of a model."""


def of(body, content=None) -> Span:
    span = spans_of(samples.recorded(body), content or {})
    assert span is not None
    return PROFILES["sentry"].span(span, body)


def of_step(step, content=None):
    return of(StepEnded(turn=samples.turn_ref(), step=step), content).attributes


@pytest.mark.parametrize(
    ("attributes", "op"),
    [
        (of(samples.turn_ended()).attributes, "gen_ai.invoke_agent"),
        (of(samples.turn_ended(samples.turn_ref(mode="chat"))).attributes, "gen_ai.chat"),
        (of(samples.turn_ended(samples.turn_ref(mode="completion"))).attributes, "gen_ai.text_completion"),
        (of(samples.turn_ended(samples.chatflow_ref())).attributes, "gen_ai.invoke_agent"),
        (of_step(samples.llm_step()), "gen_ai.chat"),
        (of_step(samples.tool_step(status="failed")), "gen_ai.execute_tool"),
        (of_step(samples.retrieval_step()), "gen_ai.execute_tool"),
        (of_step(samples.node_step(kind="agent")), "gen_ai.invoke_agent"),
        (of_step(samples.http_step()), "http.client"),
        (of_step(samples.node_step()), "dify.node"),
        (of(notes.feedback().body).attributes, "dify.note"),
    ],
)
def test_the_op_is_one_that_sentry_knows(attributes, op):
    assert attributes["sentry.op"] == op
    operation = attributes.get("gen_ai.operation.name")
    assert operation is None or (operation in _KNOWN and op == f"gen_ai.{operation}")


def test_a_workflow_is_the_agent_and_the_pipeline_of_its_calls():
    turn = samples.chatflow_ref()
    root = of(samples.turn_ended(turn)).attributes
    call = of(StepEnded(turn=turn, step=samples.tool_step(turn))).attributes
    for found in (root, call):
        assert (found["gen_ai.agent.name"], found["gen_ai.pipeline.name"]) == (turn.app_name, turn.app_name)
    assert root["gen_ai.workflow.name"] == turn.app_name


def test_an_agent_node_keeps_its_own_name():
    turn = samples.chatflow_ref()
    found = of(StepEnded(turn=turn, step=samples.node_step(turn, kind="agent", name="booker"))).attributes
    assert (found["gen_ai.agent.name"], found["gen_ai.pipeline.name"]) == ("booker", turn.app_name)


def test_a_search_is_a_tool_that_searches():
    found = of_step(samples.retrieval_step(hits=(Hit("kb", "doc", "seg", 0.5),)), {"input": '{"query": "how?"}'})
    assert (found["gen_ai.tool.name"], found["gen_ai.tool.type"]) == ("售后政策", "datastore")
    assert found["gen_ai.tool.call.arguments"] == "how?"
    assert '"id":"seg"' in found["gen_ai.tool.call.result"]


def test_what_events_say_stands_on_the_span():
    """Sentry drops the events of spans."""
    rated = of(notes.feedback().body, {"comment": "wrong"}).attributes
    assert (rated["gen_ai.evaluation.score.label"], rated["gen_ai.evaluation.explanation"]) == ("dislike", "wrong")
    tries = (Attempt(at=1, error="timeout"), Attempt(at=2))
    retried = of_step(samples.llm_step(attempts=tries))
    assert (retried["dify.step.attempts"], retried["dify.step.attempt_errors"]) == (2, "timeout,_OTHER")


def test_the_default_profile_s_facts_are_all_there():
    step = samples.tool_step(status="failed")
    ours = spans_of(samples.recorded(StepEnded(turn=samples.turn_ref(), step=step)), {}).attributes
    assert ours.items() <= of_step(step).items()
