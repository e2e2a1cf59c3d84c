"""Recorded turns into a real Arize Phoenix: conversations are sessions, steps have their kinds, a repeat changes nothing."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import structlog

from monitor.clock import SystemClock
from monitor.model import Recorded, Span, StepEnded
from monitor.ports import Tools
from monitor.sinks import otlp
from monitor.sinks.otlp_encoding import Encoder
from monitor.testing import samples
from tests.backends.phoenix import Phoenix
from tests.unit.normalise.profiles.golden import facts

pytestmark = pytest.mark.backend("phoenix")

AGENT, RATED = "84da57e0-1f68-4405-bba4-55ef4e110546", "6d2f047c-da63-437d-8843-968f31ce8df7"
"""An agent's conversation of four turns; a chatflow's, rated."""
_COSTS = """query($id: ID!) { node(id: $id) { ... on Project { costSummary { total { cost tokens } } } } }"""


def send(phoenix: Phoenix, project: str, recorded: Sequence[Recorded], profile: str = "openinference") -> int:
    """All of it through the sink, in one request; how many spans there were. The default profile names no project."""
    headers = {} if profile == "openinference" else {"x-project-name": project}
    config = otlp.Config(
        type="otlp", endpoint=phoenix.url, profile=profile, content="full", service_name=project, headers=headers
    )
    sink = otlp.build(config, Tools(clock=SystemClock(), logger=structlog.get_logger(), pseudonym=str), environ={})
    sink.check()
    parts = [part for each in recorded if (part := sink.encode(each))]
    report = sink.send(parts, range(len(parts)))
    sink.close()
    assert (report.accepted, report.rejected_unknown) == (len(parts), 0)
    return len(parts)


@pytest.fixture(scope="module")
def sent(phoenix: Phoenix) -> dict[str, Any]:
    """Everything, twice, and what Phoenix then has of it."""
    count = send(phoenix, "dify", facts())
    phoenix.wait_for(lambda phoenix: len(phoenix.spans("dify")) == count)
    before = {each["session_id"]: each for each in phoenix.sessions("dify")}
    send(phoenix, "dify", [*facts(), _last()])
    phoenix.wait_for(lambda phoenix: len(phoenix.spans("dify")) > count)
    spans = [each for each in phoenix.spans("dify") if each["name"] != "chat the-last"]
    return {"count": count, "before": before, "spans": spans}


def _last() -> Recorded:
    """Behind the repeat, so that it is known to be over."""
    turn = samples.turn_ref(99)
    return samples.recorded(StepEnded(turn=turn, step=samples.llm_step(turn, model_name="the-last", usage=None)))


def of(sent: Mapping[str, Any], conversation: str) -> list[dict[str, Any]]:
    return [each for each in sent["spans"] if each["attributes"].get("session.id") == conversation]


def test_a_repeat_doubles_nothing(phoenix: Phoenix, sent: Mapping[str, Any]) -> None:
    assert len(sent["spans"]) == sent["count"]
    after = {each["session_id"]: each for each in phoenix.sessions("dify")}
    assert {name: after[name] for name in sent["before"]} == sent["before"]


def test_a_conversation_is_a_session_with_its_turns_as_traces(sent: Mapping[str, Any]) -> None:
    session = sent["before"][AGENT]
    spans = of(sent, AGENT)
    assert {each["trace_id"] for each in session["traces"]} == {each["context"]["trace_id"] for each in spans}
    assert len(session["traces"]) == 4
    kinds = Counter(each["span_kind"] for each in spans)
    assert kinds == {"AGENT": 4, "LLM": 6, "TOOL": 1, "RETRIEVER": 1}
    llm = [each["attributes"] for each in spans if each["span_kind"] == "LLM"]
    assert session["token_count_prompt"] == sum(each["llm.token_count.prompt"] for each in llm)
    assert session["token_count_total"] == sum(each["llm.token_count.total"] for each in llm) == 2620


def test_every_turn_shows_what_was_asked_and_answered(sent: Mapping[str, Any]) -> None:
    roots = [each["attributes"] for each in of(sent, AGENT) if not each["parent_id"]]
    assert "我的订单 #12345 到哪了？" in {each["input.value"] for each in roots}
    assert all(each["output.value"] for each in roots)


def test_steps_show_what_they_did(sent: Mapping[str, Any]) -> None:
    (tool,) = [each["attributes"] for each in of(sent, AGENT) if each["span_kind"] == "TOOL"]
    assert (tool["tool.name"], tool["input.value"]) == ("query_order_status", '{"order_id":"12345"}')
    assert "已打包" in tool["output.value"]
    (found,) = [each["attributes"] for each in of(sent, AGENT) if each["span_kind"] == "RETRIEVER"]
    assert "发货" in found["input.value"]
    assert "48 小时" in found["retrieval.documents.0.document.content"]


def test_no_span_is_of_a_kind_that_phoenix_does_not_know(sent: Mapping[str, Any]) -> None:
    assert "UNKNOWN" not in {each["span_kind"] for each in sent["spans"]}
    failed = [each for each in sent["spans"] if each["status_code"] == "ERROR"]
    assert "Reached maximum retries" in " ".join(each["status_message"] for each in failed)


def test_a_chatflow_s_run_is_a_tree_with_its_rating(sent: Mapping[str, Any]) -> None:
    """And not as long as until it was rated, minutes later: a message's time of creation is cut to the second."""
    spans = of(sent, RATED)
    assert Counter(each["span_kind"] for each in spans) == {
        "CHAIN": 6, "LLM": 1, "TOOL": 1, "RETRIEVER": 1, "EVALUATOR": 1,
    }  # fmt: skip
    (root,) = [each for each in spans if not each["parent_id"]]
    assert {each["parent_id"] for each in spans if each is not root} == {root["context"]["span_id"]}
    (trace,) = sent["before"][RATED]["traces"]
    assert trace["end_time"] == root["end_time"]
    assert trace["start_time"][:19] == root["start_time"][:19]


def test_a_model_with_a_price_has_a_cost(phoenix: Phoenix) -> None:
    """Phoenix works it out by its own prices, and finds the model by our names for it.

    A trace stays in the project that had it first, so every test has turns of its own.
    """
    count = send(phoenix, "priced", samples.agent_turn(300))
    phoenix.wait_for(lambda phoenix: len(phoenix.spans("priced")) == count)
    (project,) = [each for each in phoenix.projects() if each["name"] == "priced"]
    phoenix.wait_for(
        lambda phoenix: (phoenix.asked(_COSTS, id=project["id"])["node"]["costSummary"]["total"]["cost"] or 0) > 0
    )


def test_the_default_profile_has_sessions_and_neither_all_kinds_nor_inputs(phoenix: Phoenix) -> None:
    """Why the page says which profile to choose."""
    turn = samples.chatflow_ref(7, conversation_id=samples.uuid(7, 77))
    recorded = [
        samples.recorded(
            StepEnded(turn=turn, step=samples.node_step(turn)), content={"input": "{}", "output": '{"a": 1}'}
        ),
        samples.recorded(samples.turn_ended(turn), content={"input": "hello", "output": "hi"}),
    ]
    count = send(phoenix, "default-profile", recorded, profile="otel")
    phoenix.wait_for(lambda phoenix: len(phoenix.spans("default-profile")) == count)
    spans = phoenix.spans("default-profile")
    assert [each["session_id"] for each in phoenix.sessions("default-profile")] == [turn.conversation_id]
    assert {each["span_kind"] for each in spans} == {"UNKNOWN"}
    assert not any("input.value" in each["attributes"] for each in spans)


def test_a_turn_that_dify_pushes_as_well_stands_twice_in_its_session(phoenix: Phoenix) -> None:
    """Dify's Phoenix tracing makes the trace's id of the message's by SHA-256, in a project of its own."""
    turn = samples.turn_ref(500, conversation_id=samples.uuid(500, 77))
    ours = [samples.recorded(samples.turn_ended(turn))]
    send(phoenix, "ours", ours)
    trace = hashlib.sha256(turn.message_id.encode()).hexdigest()[:32]
    pushed = Span(
        trace,
        trace[:16],
        "",
        "message",
        "INTERNAL",
        turn.started_at,
        turn.started_at + 1,
        {"session.id": turn.conversation_id},
    )
    body = Encoder({"openinference.project.name": "theirs"}).encode(pushed)
    phoenix.post("/v1/traces", body, {"content-type": "application/x-protobuf"})
    phoenix.wait_for(lambda phoenix: len(phoenix.spans("ours")) == len(phoenix.spans("theirs")) == 1)
    sessions = [each for name in ("ours", "theirs") for each in phoenix.sessions(name)]
    assert [len(each["traces"]) for each in sessions] == [2]
