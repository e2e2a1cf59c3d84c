from __future__ import annotations

import json
import math
import re

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from monitor.model import AlertChanged, Attempt, Recorded, SourceGap, Span, StepEnded, TurnStarted, Usage, ids
from monitor.model import semconv as s
from monitor.normalise.spans import spans_of
from monitor.testing import samples, strategies

STEPS = {
    "llm": samples.llm_step,
    "tool": samples.tool_step,
    "retrieval": samples.retrieval_step,
    "http": samples.http_step,
    "node": samples.node_step,
}


def of_step(step, turn=None, content=None) -> Span:
    span = spans_of(samples.recorded(StepEnded(turn=turn or samples.turn_ref(), step=step)), content or {})
    assert span is not None
    return span


def of_turn(ended, content=None) -> Span:
    span = spans_of(samples.recorded(ended), content or {})
    assert span is not None
    return span


def messages(role, text) -> list:
    return [{"role": role, "parts": [{"type": "text", "content": text}]}]


def loaded(text):
    """The JSON list in an attribute, the attribute's text where it is none."""
    return json.loads(text) if text and text.startswith("[") else text


# --- which facts become spans, and under which ids


@pytest.mark.parametrize(
    "body",
    [
        samples.turn_started(),
        SourceGap(what="messages", reason="unreadable"),
        AlertChanged(alert=None, was="inactive", now="firing", reason="condition_met"),
    ],
)
def test_other_facts_are_no_spans(body):
    assert spans_of(samples.recorded(body), {}) is None


def test_ids_and_parents_follow_the_turn():
    turn = samples.turn_ref()
    root = of_turn(samples.turn_ended(turn))
    step = of_step(samples.tool_step(turn), turn)
    assert root.trace_id == step.trace_id == ids.trace_id(turn.turn_id)
    assert root.span_id == ids.span_id(turn.turn_id, "turn", turn.turn_id)
    assert root.parent_id == ""
    assert step.span_id == ids.span_id(turn.turn_id, "tool", samples.tool_step(turn).id)
    assert step.parent_id == root.span_id


def test_a_step_in_a_container_hangs_below_it():
    turn = samples.chatflow_ref()
    container = samples.node_step(turn, 2, "iteration")
    child = samples.node_step(turn, 3, parent_id=container.id)
    assert of_step(child, turn).parent_id == of_step(container, turn).span_id


def test_a_node_debugged_alone_is_a_root():
    step = samples.node_step()
    span = of_step(step, samples.turn_ref(turn_id=step.id, message_id="", conversation_id=""))
    assert (span.parent_id, span.trace_id) == ("", ids.trace_id(step.id))


def test_a_turns_spans_are_one_tree():
    spans = [span for recorded in samples.agent_turn() if (span := spans_of(recorded, {}))]
    known = {span.span_id for span in spans}
    assert len(known) == len(spans) == 4
    assert [span.parent_id for span in spans if span.parent_id not in known] == [""]


# --- names, kinds, operations


@pytest.mark.parametrize(
    ("step", "name", "kind", "operation"),
    [
        (samples.llm_step(), "chat gpt-4o-mini", "CLIENT", "chat"),
        (samples.tool_step(), "execute_tool query_order_status", "INTERNAL", "execute_tool"),
        (samples.retrieval_step(), "retrieval 售后政策", "CLIENT", "retrieval"),
        (samples.node_step(kind="agent", name="助手"), "invoke_agent 助手", "INTERNAL", "invoke_agent"),
        (samples.http_step(), "http-request 提取订单号", "CLIENT", None),
        (samples.node_step(), "code 提取订单号", "INTERNAL", None),
        (samples.node_step(name="", node=None), "node", "INTERNAL", None),
        (samples.llm_step(name="", model_name=""), "chat", "CLIENT", "chat"),
        (samples.retrieval_step(name=""), f"retrieval {samples.retrieval_step().dataset_id}", "CLIENT", "retrieval"),
    ],
)
def test_a_steps_name_kind_and_operation(step, name, kind, operation):
    span = of_step(step)
    assert (span.name, span.kind, span.attributes.get(s.GEN_AI_OPERATION_NAME)) == (name, kind, operation)


@pytest.mark.parametrize(
    ("mode", "name", "kind", "operation"),
    [
        ("chat", "chat gpt-4o-mini", "CLIENT", "chat"),
        ("completion", "text_completion gpt-4o-mini", "CLIENT", "text_completion"),
        ("agent-chat", "invoke_agent 客服 Agent", "INTERNAL", "invoke_agent"),
        ("agent", "invoke_agent 客服 Agent", "INTERNAL", "invoke_agent"),
        ("workflow", "invoke_workflow 客服 Agent", "INTERNAL", "invoke_workflow"),
        ("advanced-chat", "invoke_workflow 客服 Agent", "INTERNAL", "invoke_workflow"),
        ("rag-pipeline", "invoke_workflow 客服 Agent", "INTERNAL", "invoke_workflow"),
        ("of-tomorrow", "chat gpt-4o-mini", "CLIENT", "chat"),
    ],
)
def test_a_turns_name_kind_and_operation(mode, name, kind, operation):
    span = of_turn(samples.turn_ended(samples.turn_ref(mode=mode), model_name=samples.MODEL))
    assert (span.name, span.kind, span.attributes[s.GEN_AI_OPERATION_NAME]) == (name, kind, operation)


def test_an_unknown_mode_with_a_run_is_a_workflow():
    assert of_turn(samples.turn_ended(samples.chatflow_ref(mode="of-tomorrow"))).name == "invoke_workflow 客服 Chatflow"


# --- attributes


def test_whose_it_is_stands_on_every_span():
    turn = samples.chatflow_ref()
    spans = [of_turn(samples.turn_ended(turn)), *(of_step(build(turn), turn) for build in STEPS.values())]
    for span in spans:
        assert (
            span.attributes.items()
            >= {
                s.DIFY_TRACE_ID: turn.turn_id,
                s.DIFY_TENANT_ID: turn.tenant_id,
                s.DIFY_APP_ID: turn.app_id,
                s.DIFY_APP_NAME: turn.app_name,
                s.DIFY_APP_MODE: "advanced-chat",
                s.DIFY_INVOKE_FROM: "service-api",
                s.DIFY_CONVERSATION_ID: turn.conversation_id,
                s.GEN_AI_CONVERSATION_ID: turn.conversation_id,
                s.DIFY_MESSAGE_ID: turn.message_id,
                s.DIFY_WORKFLOW_RUN_ID: turn.run_id,
                s.DIFY_WORKFLOW_ID: turn.workflow_id,
                s.DIFY_WORKFLOW_VERSION: turn.workflow_version,
                s.USER_ID: turn.user,
            }.items()
        )


def test_a_nodes_own_attributes():
    step = samples.node_step(samples.chatflow_ref(), 2)
    node = msgspec.structs.replace(step.node, index=0, iteration_id="it", iteration_index=0, loop_id="lo", loop_index=3)
    found = of_step(msgspec.structs.replace(step, node=node)).attributes
    assert (
        found.items()
        >= {
            s.DIFY_NODE_ID: "node_2",
            s.DIFY_NODE_EXECUTION_ID: step.id,
            s.DIFY_NODE_TYPE: "code",
            s.DIFY_NODE_TITLE: "提取订单号",
            s.DIFY_NODE_INDEX: 0,
            s.DIFY_NODE_PREDECESSOR: "node_1",
            s.DIFY_NODE_STATUS: "succeeded",
            s.DIFY_NODE_ELAPSED_TIME: 0.5,
            s.DIFY_NODE_ITERATION_ID: "it",
            s.DIFY_NODE_ITERATION_INDEX: 0,
            s.DIFY_NODE_LOOP_ID: "lo",
            s.DIFY_NODE_LOOP_INDEX: 3,
        }.items()
    )


def test_a_tools_own_attributes():
    step = samples.tool_step()
    found = of_step(step).attributes
    assert (
        found.items()
        >= {
            s.GEN_AI_TOOL_NAME: "query_order_status",
            s.GEN_AI_TOOL_TYPE: "extension",
            s.GEN_AI_TOOL_CALL_ID: step.id,
            s.DIFY_TOOL_PROVIDER_TYPE: "api",
        }.items()
    )
    assert s.DIFY_TOOL_KNOWN not in found
    assert s.DIFY_TOOL_CALL_COUNT not in found


def test_a_tool_called_twice_that_the_model_made_up():
    step = samples.tool_step()
    tool = msgspec.structs.replace(step.tool, known=False, calls=2, provider_type="dataset-retrieval")
    found = of_step(msgspec.structs.replace(step, tool=tool)).attributes
    assert (found[s.DIFY_TOOL_KNOWN], found[s.DIFY_TOOL_CALL_COUNT]) == (False, 2)
    assert found[s.GEN_AI_TOOL_TYPE] == "datastore"


def test_a_retrievals_own_attributes():
    found = of_step(samples.retrieval_step(documents=0)).attributes
    assert found[s.GEN_AI_DATA_SOURCE_ID] == samples.retrieval_step().dataset_id
    assert found[s.DIFY_RETRIEVAL_DOCUMENT_COUNT] == 0


@pytest.mark.parametrize(
    ("provider", "name"),
    [
        ("langgenius/openai/openai", "openai"),
        ("langgenius/azure_openai/azure_openai", "azure.ai.openai"),
        ("openai_api_compatible", "openai_api_compatible"),
        ("langgenius/bedrock/bedrock", "aws.bedrock"),
        ("odd/", "odd/"),
    ],
)
def test_a_provider_has_opentelemetrys_name_where_it_has_one(provider, name):
    assert of_step(samples.llm_step(model_provider=provider)).attributes[s.GEN_AI_PROVIDER_NAME] == name


def test_the_first_tokens_time_is_in_seconds():
    first = {"time_to_first_token_ns": 250_000_000}
    assert of_step(samples.llm_step(**first)).attributes[s.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK] == 0.25
    call = samples.turn_ended(samples.turn_ref(mode="chat"), **first)
    assert of_turn(call).attributes[s.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK] == 0.25
    assert of_turn(samples.turn_ended(**first)).attributes[s.DIFY_TURN_TIME_TO_FIRST_TOKEN] == 0.25


# --- usage is counted once


def test_summing_usage_over_a_turn_counts_it_once():
    spans = [span for recorded in samples.agent_turn() if (span := spans_of(recorded, {}))]
    assert sum(span.attributes.get(s.GEN_AI_USAGE_INPUT_TOKENS, 0) for span in spans) == 150
    assert sum(span.attributes.get(s.GEN_AI_USAGE_OUTPUT_TOKENS, 0) for span in spans) == 36
    assert sum(span.attributes.get(s.DIFY_USAGE_COST, 0) for span in spans) == pytest.approx(0.000735)
    assert (
        spans[-1].attributes.items()
        >= {
            s.DIFY_TURN_USAGE_INPUT_TOKENS: 150,
            s.DIFY_TURN_USAGE_OUTPUT_TOKENS: 36,
            s.DIFY_TURN_USAGE_TOTAL_TOKENS: 186,
            s.DIFY_TURN_USAGE_COST: 0.000735,
            s.DIFY_TURN_USAGE_CURRENCY: "USD",
        }.items()
    )


def test_a_turn_that_is_the_call_counts_it_itself():
    span = of_turn(samples.turn_ended(samples.turn_ref(mode="chat"), counts_usage=True))
    assert span.attributes[s.GEN_AI_USAGE_TOTAL_TOKENS] == 186
    assert span.attributes[s.DIFY_USAGE_CURRENCY] == "USD"
    assert not [name for name in span.attributes if name.startswith("dify.turn.usage")]


def test_tokens_that_are_not_split_stand_as_their_sum():
    found = of_step(samples.llm_step(usage=Usage(total_tokens=93))).attributes
    assert found[s.GEN_AI_USAGE_TOTAL_TOKENS] == 93
    assert not {s.GEN_AI_USAGE_INPUT_TOKENS, s.GEN_AI_USAGE_OUTPUT_TOKENS, s.DIFY_USAGE_COST} & found.keys()


@pytest.mark.parametrize("price", ["NaN", "Infinity", "", "free"])
def test_a_price_that_is_none_is_left_out(price):
    assert s.DIFY_USAGE_COST not in of_step(samples.llm_step(usage=samples.usage(price=price))).attributes


# --- status


@pytest.mark.parametrize("status", ["succeeded", "stopped", "unknown"])
def test_only_a_failed_step_is_an_error(status):
    span = of_step(samples.tool_step(status=status, error_type="timeout"), content={"error": "old words"})
    assert span.error is None
    assert s.ERROR_TYPE not in span.attributes
    assert span.attributes[s.DIFY_STEP_STATUS] == status


@pytest.mark.parametrize("status", ["succeeded", "stopped", "partial", "abandoned"])
def test_only_a_failed_turn_is_an_error(status):
    span = of_turn(samples.turn_ended(status=status, error_type="timeout", failed_steps=2))
    assert span.error is None
    assert s.ERROR_TYPE not in span.attributes
    assert span.attributes[s.DIFY_TURN_STATUS] == status
    assert span.attributes[s.DIFY_TURN_FAILED_STEPS] == 2


@pytest.mark.parametrize(
    ("error_type", "content", "description"),
    [("timeout", {}, "timeout"), ("timeout", {"error": "no answer"}, "no answer"), ("", {}, "_OTHER")],
)
def test_an_errors_words_leave_only_with_the_content(error_type, content, description):
    step = of_step(samples.node_step(status="failed", error_type=error_type), content=content)
    turn = of_turn(samples.turn_ended(status="failed", error_type=error_type), content)
    assert step.error == turn.error == description
    assert step.attributes[s.ERROR_TYPE] == turn.attributes[s.ERROR_TYPE] == (error_type or "_OTHER")
    assert step.attributes.get(s.DIFY_NODE_ERROR) == content.get("error")


def test_what_was_handled_and_what_was_estimated_is_marked():
    found = of_step(samples.tool_step(status="failed", handled=True, estimated=True)).attributes
    assert (found[s.DIFY_STEP_HANDLED], found[s.DIFY_TIME_ESTIMATED]) == (True, True)
    assert of_turn(samples.turn_ended(estimated=True)).attributes[s.DIFY_TIME_ESTIMATED] is True
    assert s.DIFY_TIME_ESTIMATED not in of_step(samples.tool_step()).attributes


def test_attempts_are_span_events():
    span = of_step(samples.node_step(attempts=(Attempt(at=samples.BASE_NS, error="timeout"), Attempt(at=-1))))
    assert [(event.name, event.at, event.attributes) for event in span.events] == [
        (s.DIFY_STEP_ATTEMPT, samples.BASE_NS, {s.ERROR_TYPE: "timeout"}),
        (s.DIFY_STEP_ATTEMPT, 0, {}),
    ]


# --- content


def test_no_content_leaves_that_was_not_handed_in():
    """The event's own content is never looked at: what may leave is the policy's matter."""
    content = dict.fromkeys(("input", "output", "process", "error", "user"), "SECRET")
    for body in [StepEnded(turn=samples.turn_ref(), step=build(status="failed")) for build in STEPS.values()] + [
        samples.turn_ended(status="failed")
    ]:
        assert "SECRET" not in repr(spans_of(samples.recorded(body, content=content), {}))


def test_a_model_calls_content():
    found = of_step(samples.llm_step(node=samples.node_step().node), content=samples.llm_content()).attributes
    assert json.loads(found[s.GEN_AI_INPUT_MESSAGES]) == [
        {"role": "system", "parts": [{"type": "text", "content": "你是客服。"}]},
        {"role": "user", "parts": [{"type": "text", "content": samples.QUESTION}]},
    ]
    assert json.loads(found[s.GEN_AI_OUTPUT_MESSAGES])[0]["role"] == "assistant"
    assert s.DIFY_NODE_PROCESS_DATA not in found


@pytest.mark.parametrize(
    ("content", "attribute", "value"),
    [
        ({"output": "查询中"}, s.GEN_AI_OUTPUT_MESSAGES, messages("assistant", "查询中")),
        ({"output": '{"text": "yes", "usage": {}}'}, s.GEN_AI_OUTPUT_MESSAGES, messages("assistant", "yes")),
        ({"output": '{"text": {"a": 1}}'}, s.GEN_AI_OUTPUT_MESSAGES, messages("assistant", '{"a":1}')),
        ({"output": '{"class": "x"}'}, s.GEN_AI_OUTPUT_MESSAGES, messages("assistant", '{"class": "x"}')),
        ({"input": "hi"}, s.GEN_AI_INPUT_MESSAGES, messages("user", "hi")),
        ({"input": " {} "}, s.GEN_AI_INPUT_MESSAGES, None),
        ({"process": "{broken"}, s.DIFY_NODE_PROCESS_DATA, "{broken"),
        ({"process": '{"prompts": [1, {"text": null}]}'}, s.GEN_AI_INPUT_MESSAGES, messages("user", "")),
        (
            {"process": '{"prompts": [{"role": "tool", "text": "\\ud83d"}]}'},
            s.GEN_AI_INPUT_MESSAGES,
            messages("tool", "\ufffd"),
        ),
    ],
)
def test_a_model_calls_content_in_every_shape(content, attribute, value):
    assert loaded(of_step(samples.llm_step(), content=content).attributes.get(attribute)) == value


def test_a_tools_content_stays_as_it_is():
    found = of_step(samples.tool_step(), content={"input": '{"order_id": 1}', "output": "not found"}).attributes
    assert found[s.GEN_AI_TOOL_CALL_ARGUMENTS] == '{"order_id": 1}'
    assert found[s.GEN_AI_TOOL_CALL_RESULT] == "not found"


def test_a_retrievals_content():
    result = [{"metadata": {"segment_id": "s1", "score": 0.9}, "title": "t", "content": "c"}, "odd"]
    found = of_step(
        samples.retrieval_step(), content={"input": '{"query": "退货"}', "output": json.dumps({"result": result})}
    ).attributes
    assert found[s.GEN_AI_RETRIEVAL_QUERY_TEXT] == "退货"
    assert json.loads(found[s.GEN_AI_RETRIEVAL_DOCUMENTS]) == [
        {"id": "s1", "score": 0.9, "title": "t", "content": "c"},
        {"content": "odd"},
    ]


def test_a_retrieval_that_an_agent_was_given_as_text():
    found = of_step(samples.retrieval_step(), content={"input": "退货", "output": "七天"}).attributes
    assert found[s.GEN_AI_RETRIEVAL_QUERY_TEXT] == "退货"
    assert json.loads(found[s.GEN_AI_RETRIEVAL_DOCUMENTS]) == [{"content": "七天"}]


@pytest.mark.parametrize("step", [samples.node_step(), samples.http_step(), samples.node_step(kind="agent")])
def test_other_nodes_content(step):
    found = of_step(step, content={"input": '{"a":1}', "output": "[1]", "process": "p"}).attributes
    assert found.items() >= {
        s.DIFY_NODE_INPUTS: '{"a":1}', s.DIFY_NODE_OUTPUTS: "[1]", s.DIFY_NODE_PROCESS_DATA: "p",
    }.items()  # fmt: skip


def test_a_turns_content():
    found = of_turn(samples.turn_ended(), {"input": "hi", "output": '{"a": 1}', "user": "alice"}).attributes
    assert loaded(found[s.GEN_AI_INPUT_MESSAGES]) == messages("user", "hi")
    assert loaded(found[s.GEN_AI_OUTPUT_MESSAGES]) == messages("assistant", '{"a": 1}')
    assert "alice" not in repr(found)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"prompts":' * 20_000, '{"a":' + "9" * 5000 + "}"])
def test_content_that_breaks_json_readers_is_text(text):
    content = {"input": text, "output": text, "process": text}
    for build in STEPS.values():
        assert of_step(build(), content=content)


# --- nothing breaks it


HEX_32, HEX_16 = re.compile("[0-9a-f]{32}"), re.compile("[0-9a-f]{16}")


@given(strategies.recordeds, strategies.contents)
def test_every_fact_gives_a_sound_span(recorded: Recorded, content):
    """Ids of the right form, times in order and in 64 bits, attributes that the wire can hold; twice the same."""
    span = spans_of(recorded, content)
    if isinstance(recorded.event.body, TurnStarted):
        assert span is None
        return
    assert span is not None
    assert span == spans_of(recorded, dict(content))
    assert HEX_32.fullmatch(span.trace_id)
    assert HEX_16.fullmatch(span.span_id)
    assert span.parent_id == "" or HEX_16.fullmatch(span.parent_id)
    assert 0 <= span.start_ns <= span.end_ns < 2**63
    assert span.name
    for value in [*span.attributes.values(), *(value for event in span.events for value in event.attributes.values())]:
        assert isinstance(value, str | bool | int | float)
        if isinstance(value, str):
            value.encode()
        elif isinstance(value, float):
            assert math.isfinite(value)
        else:
            assert -(2**63) <= value < 2**63


@given(st.integers(), st.integers())
@example(-1, -5)
@example(2**63, 2**64)
@example(samples.BASE_NS, 0)
def test_times_are_moved_into_what_readers_can_hold(started_at, ended_at):
    span = of_turn(samples.turn_ended(started_at=started_at, ended_at=ended_at))
    assert span.start_ns == min(max(started_at, 0), 2**63 - 1)
    assert span.end_ns == min(max(ended_at, span.start_ns), 2**63 - 1)
