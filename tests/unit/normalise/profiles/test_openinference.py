from __future__ import annotations

import json

import msgspec
import pytest

from monitor.model import Hit, Span, StepEnded
from monitor.normalise.profiles import PROFILES
from monitor.normalise.spans import spans_of
from monitor.testing import notes, samples


def of(body, content=None) -> Span:
    recorded = samples.recorded(body)
    span = spans_of(recorded, content or {})
    assert span is not None
    return PROFILES["openinference"].span(span, body)


def of_step(step, content=None, turn=None):
    return of(StepEnded(turn=turn or samples.turn_ref(), step=step), content).attributes


def of_event(event):
    span = spans_of(samples.recorded(event.body), event.content)
    assert span is not None
    return PROFILES["openinference"].span(span, event.body)


def kind(attributes):
    return attributes["openinference.span.kind"]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("agent-chat", "AGENT"),
        ("agent", "AGENT"),
        ("chat", "LLM"),
        ("completion", "LLM"),
        ("advanced-chat", "CHAIN"),
        ("workflow", "CHAIN"),
        ("rag-pipeline", "CHAIN"),
    ],
)
def test_the_kind_of_a_turn_is_its_app_s(mode, expected):
    assert kind(of(samples.turn_ended(samples.turn_ref(mode=mode))).attributes) == expected


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (samples.llm_step(), "LLM"),
        (samples.tool_step(), "TOOL"),
        (samples.retrieval_step(), "RETRIEVER"),
        (samples.node_step(kind="agent"), "AGENT"),
        (samples.http_step(), "CHAIN"),
        (samples.node_step(), "CHAIN"),
        (samples.node_step(node_type="iteration"), "CHAIN"),
    ],
)
def test_the_kind_of_a_step_is_what_it_does(step, expected):
    assert kind(of_step(step)) == expected


def test_a_conversation_is_a_session():
    turn = samples.turn_ref()
    assert of(samples.turn_ended(turn)).attributes["session.id"] == turn.conversation_id
    assert of_step(samples.tool_step(turn), turn=turn)["session.id"] == turn.conversation_id
    alone = samples.chatflow_ref(mode="workflow", conversation_id="", message_id="")
    assert "session.id" not in of(samples.turn_ended(alone)).attributes


def test_a_turn_says_what_was_asked_and_answered():
    found = of(samples.turn_ended(), {"input": "where is it?", "output": "on its way"}).attributes
    assert (found["input.value"], found["output.value"]) == ("where is it?", "on its way")
    assert (found["input.mime_type"], found["output.mime_type"]) == ("text/plain", "text/plain")
    assert "llm.input_messages.0.message.content" not in found


def test_a_workflow_s_inputs_are_json():
    turn = samples.chatflow_ref(mode="workflow")
    found = of(samples.turn_ended(turn), {"input": '{"order": 1}', "output": '{"text": "x"}'}).attributes
    assert (found["input.value"], found["input.mime_type"]) == ('{"order": 1}', "application/json")


def test_a_model_call_has_its_messages_tokens_and_price():
    found = of_step(samples.llm_step(), samples.llm_content())
    assert [found[f"llm.input_messages.{number}.message.role"] for number in (0, 1)] == ["system", "user"]
    assert found["llm.input_messages.1.message.content"] == found["input.value"] == samples.QUESTION
    assert found["llm.output_messages.0.message.content"] == found["output.value"]
    assert (found["llm.model_name"], found["llm.provider"], found["llm.system"]) == (samples.MODEL, "openai", "openai")
    counts = [found[f"llm.token_count.{name}"] for name in ("prompt", "completion", "total")]
    assert counts == [75, 18, 93]
    assert found["llm.cost.total"] == 0.0003675


@pytest.mark.parametrize(
    ("provider", "expected"),
    [
        ("langgenius/azure_openai/azure_openai", ("azure", "openai")),
        ("langgenius/gemini/google", ("google", None)),
        ("langgenius/tongyi/tongyi", ("tongyi", None)),
    ],
)
def test_providers_have_openinference_s_names(provider, expected):
    found = of_step(samples.llm_step(model_provider=provider))
    assert (found["llm.provider"], found.get("llm.system")) == expected


def test_a_turn_s_total_is_not_counted_again():
    """The steps count it: Phoenix adds up every span that has these."""
    found = of(samples.turn_ended()).attributes
    assert not any(name.startswith(("llm.token_count", "llm.cost")) for name in found)
    assert json.loads(found["metadata"])["turn_usage_total_tokens"] == 186


def test_a_tool_has_arguments_and_result():
    found = of_step(samples.tool_step(), {"input": '{"order_id": "1"}', "output": "packed"})
    assert found["tool.name"] == "query_order_status"
    assert found["tool.parameters"] == found["input.value"] == '{"order_id": "1"}'
    assert found["output.value"] == "packed"
    assert "tool.parameters" not in of_step(samples.tool_step(), {"input": "order 1"})


def test_a_search_lists_its_documents_and_only_what_may_leave_of_them():
    hits = (Hit("kb", "doc", "seg", 0.9, 1), Hit("kb", "doc2", "", None, 2))
    step = samples.retrieval_step(hits=hits)
    output = json.dumps({"result": [{"content": "7 days", "title": "returns", "metadata": {"segment_id": "seg"}}]})
    bare, full = of_step(step), of_step(step, {"input": '{"query": "how?"}', "output": output})
    prefix = "retrieval.documents.0.document"
    assert (bare[f"{prefix}.id"], bare[f"{prefix}.score"]) == ("seg", 0.9)
    assert (bare["retrieval.documents.1.document.id"], bare.get("retrieval.documents.1.document.score")) == (
        "doc2",
        None,
    )
    assert json.loads(bare[f"{prefix}.metadata"]) == {"document_id": "doc", "dataset_id": "kb"}
    assert f"{prefix}.content" not in bare
    assert (full[f"{prefix}.content"], full["input.value"]) == ("7 days", "how?")
    assert json.loads(full[f"{prefix}.metadata"])["title"] == "returns"


def test_a_node_has_its_place_in_the_graph():
    found = of_step(samples.node_step(position=2), {"input": '{"a": 1}', "output": '{"b": 2}'})
    assert (found["graph.node.id"], found["graph.node.name"], found["graph.node.parent_id"]) == (
        "node_2",
        "提取订单号",
        "node_1",
    )
    assert (found["input.value"], found["output.value"]) == ('{"a": 1}', '{"b": 2}')


def test_the_metadata_has_dify_s_own_keys():
    turn = samples.chatflow_ref()
    metadata = json.loads(of(samples.turn_ended(turn)).attributes["metadata"])
    for key, value in {
        "message_id": turn.message_id,
        "workflow_run_id": turn.run_id,
        "conversation_id": turn.conversation_id,
        "app_id": turn.app_id,
        "tenant_id": turn.tenant_id,
    }.items():
        assert metadata[key] == value


def test_a_rating_is_an_annotation_of_its_trace():
    event = notes.feedback()
    span = of_event(event)
    said = {name.removeprefix("trace.annotations.0.annotation."): value for name, value in span.attributes.items()}
    assert (said["name"], said["label"], said["score"], said["annotator_kind"]) == (
        "user_feedback",
        "dislike",
        0.0,
        "HUMAN",
    )
    assert said["explanation"] == event.content["comment"]
    assert said["identifier"] == event.body.feedback_id
    assert span.attributes["output.value"] == f"dislike: {event.content['comment']}"
    assert kind(span.attributes) == "EVALUATOR"


def test_a_rating_does_not_make_its_turn_longer():
    event = notes.feedback()
    event = msgspec.structs.replace(event, occurred_at=event.body.turn.started_at + 86_400 * samples.SECOND)
    recorded = msgspec.structs.replace(samples.recorded(event.body), event=event)
    span = PROFILES["openinference"].span(spans_of(recorded, {}), event.body)
    assert span.start_ns == span.end_ns == event.body.turn.started_at
    assert json.loads(span.attributes["metadata"])["rated_at"] == "2025-09-25T08:00:01.000+00:00"


def test_the_project_is_the_service():
    resource = {"service.name": "dify", "deployment.environment.name": "production"}
    assert PROFILES["openinference"].resource(resource) == resource | {"openinference.project.name": "dify"}
    assert PROFILES["otel"].resource(resource) == PROFILES["sentry"].resource(resource) == resource
