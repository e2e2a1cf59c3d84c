"""What failures, turns and alerts look like in Sentry: how they group, what they carry, and what never leaves."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.model import Alert, AlertChanged, Attempt, Evidence, IndexingChanged, Redaction, StepEnded, Tool
from monitor.model.ids import span_id, trace_id
from monitor.normalise.redact import Leaving
from monitor.sinks.sentry import Config
from monitor.sinks.sentry.encoding import Encoder
from monitor.sinks.sentry.parts import Part, unpack
from monitor.sinks.sentry.transactions import fit
from monitor.testing import notes, samples

DSN = "https://3b1c5e0f9a7d4e6f8b2a1c0d9e8f7a6b@sentry.example.com/42"
SECRET_WORDS = {
    "input": '{"q": "user wrote alice@example.com"}',
    "output": "tool said this",
    "error": "failed for alice@example.com",
    "user": "alice",
}


def encoder_of(config: Config) -> Encoder:
    return Encoder(config, Leaving(config.label, config.content, Redaction()))


def part(body: Any, words: dict[str, str] | None = None, revision: int = 0, **settings: Any) -> Part:
    encoder = encoder_of(Config(type="sentry", dsn=DSN, **settings))
    return unpack(encoder.encode(samples.recorded(body, content=words, revision=revision)))


def event(body: Any, words: dict[str, str] | None = None, **settings: Any) -> dict[str, Any]:
    return json.loads(part(body, words, **settings).event)


def failed(step: Any = None, **changes: Any) -> StepEnded:
    return StepEnded(turn=samples.turn_ref(), step=step or samples.tool_step(status="failed", **changes))


def alert(**changes: Any) -> AlertChanged:
    turn = samples.turn_ref()
    evidence = Evidence(
        key="k", turn_id=turn.turn_id, step_id="s", at=samples.BASE_NS, status="failed", conversation_id="c-1"
    )
    raised = Alert(
        fingerprint="f00d", rule="tool_failures", labels={"app_id": turn.app_id, "tool": "search"}, severity="page",
        summary="search fails in 客服 Agent", state="firing", since=samples.BASE_NS, changes=2, value=5.0,
        evidence=(evidence, evidence),
    )  # fmt: skip
    return AlertChanged(**({"alert": raised, "was": "pending", "now": "firing", "reason": "held_for"} | changes))


def trigger(**changes: Any) -> Any:
    return notes.trigger(**changes).body


def indexing(**changes: Any) -> IndexingChanged:
    told = IndexingChanged(
        "t", samples.uuid(1, 14), "d-1", "failed", "error", dataset_name="售后政策", error_type="auth"
    )
    return msgspec.structs.replace(told, **changes)


class TestGrouping:
    def test_a_tool_groups_by_app_tool_and_error(self):
        app = samples.turn_ref().app_id
        wanted = ["dify", app, "tool query_order_status", "tool_invoke_error"]
        assert event(failed())["fingerprint"] == wanted

    @pytest.mark.parametrize("policy", ["none", "redacted", "full"])
    def test_what_people_wrote_changes_no_group(self, policy):
        """Two failures whose texts have nothing in common are one issue, whatever content leaves."""
        one = event(failed(), {"error": "timeout for Alice", "input": "a"}, content=policy)
        other = event(failed(), {"error": "boom 4711", "output": "b"}, content=policy)
        assert one["fingerprint"] == other["fingerprint"]

    @pytest.mark.parametrize("policy", ["none", "redacted", "full"])
    def test_a_name_that_a_model_invented_leaves_as_content_alone(self, policy):
        """Not in titles, tags, breadcrumbs or ids; where content may leave it stands there."""
        tool = Tool(name="delete_alices_order", known=False)
        step = samples.tool_step(id=f"{samples.uuid(1, 1)}/1/{tool.name}", name=tool.name, tool=tool, status="failed")
        made = part(
            StepEnded(turn=samples.turn_ref(), step=step),
            {"name": tool.name},
            content=policy,
            what=["failures", "transactions"],
        )
        found = json.loads(made.event)
        content = found["contexts"].pop("content", {})
        assert "alice" not in json.dumps(found) + made.crumb.decode()
        assert "(unknown)" in found["transaction"]
        assert ("name" in content) == (policy != "none")
        assert ("alice" in made.span.decode()) == (policy != "none")

    def test_a_tool_that_a_model_invented_does_not_group_by_its_name(self):
        """Models invent names, out of what users wrote; each would be an issue of its own."""
        tools = [Tool(name=name, known=False) for name in ("delete_alices_order", "search2")]
        found = [event(failed(samples.tool_step(status="failed", tool=tool)))["fingerprint"] for tool in tools]
        assert found[0] == found[1]
        assert found[0][2] == "tool (unknown)"

    @pytest.mark.parametrize(
        ("step", "subject"),
        [
            (samples.node_step(status="failed"), "node node_1"),
            (samples.http_step(status="failed"), "node node_1"),
            (samples.llm_step(status="failed"), "model gpt-4o-mini"),
            (samples.retrieval_step(status="failed"), f"dataset {samples.uuid(1, 14)}"),
            (samples.llm_step(status="failed", node=samples.node_step().node), "node node_1"),
        ],
    )
    def test_every_kind_of_step_groups_by_what_it_is(self, step, subject):
        assert event(failed(step))["fingerprint"][2] == subject

    def test_a_turn_groups_by_app_and_error(self):
        found = event(samples.turn_ended(status="failed", error_type="quota"))
        assert found["fingerprint"] == ["dify", samples.turn_ref().app_id, "turn", "quota"]

    def test_an_error_without_a_type_has_one(self):
        assert event(failed(error_type=""))["fingerprint"][3] == "_OTHER"

    @pytest.mark.parametrize("status", ["failed", "rate_limited"])
    def test_a_trigger_that_never_became_a_run_groups_by_app_and_kind(self, status):
        found = event(trigger(status=status, turn_id="", error_type="rate_limit"))
        app = samples.chatflow_ref().app_id
        assert found["fingerprint"] == ["dify", app, "trigger trigger-webhook", "rate_limit"]

    @pytest.mark.parametrize(("status", "kind", "level"), [("failed", "auth", "error"), ("stuck", "stuck", "warning")])
    def test_indexing_groups_by_knowledge_base(self, status, kind, level):
        found = event(indexing(status=status, error_type="auth" if status == "failed" else ""))
        assert found["fingerprint"] == ["dify", "", f"indexing {samples.uuid(1, 14)}", kind]
        assert found["level"] == level

    def test_an_alert_groups_by_rule_and_labels(self):
        found = event(alert(), what=["alerts"])
        assert found["fingerprint"] == ["dify", "alert", "tool_failures", "f00d"]


class TestFailures:
    def test_ids_follow_from_the_key(self):
        """The same fact has the same id in every process; a turn's failure and its transaction have two."""
        one, again = part(failed(), {"error": "a"}), part(failed(), {"error": "b"})
        assert one.event_id == again.event_id == json.loads(one.event)["event_id"]
        both = part(samples.turn_ended(status="failed"), what=["failures", "transactions"])
        assert len({one.event_id, both.event_id, both.transaction_id}) == 3
        assert one.event_id == "54e802d3d62457b58b83c05616e52dab"

    def test_carries_whose_it_is_and_where_to_look(self):
        turn = samples.turn_ref()
        found = event(failed(), deployment_environment="prod", release="dify@1.9.2")
        assert (found["environment"], found["release"], found["level"]) == ("prod", "dify@1.9.2", "error")
        assert found["tags"]["dify.app_id"] == turn.app_id
        assert found["tags"]["gen_ai.tool.name"] == "query_order_status"
        assert found["tags"]["error.type"] == "tool_invoke_error"
        assert found["user"] == {"id": turn.user}
        assert found["contexts"]["trace"]["trace_id"] == trace_id(turn.turn_id)
        assert found["contexts"]["trace"]["parent_span_id"] == span_id(turn.turn_id, "turn", turn.turn_id)
        assert found["contexts"]["dify"]["dify.conversation.id"] == turn.conversation_id
        assert found["timestamp"] == pytest.approx(samples.BASE_NS / 1e9 + 2.5)

    def test_names_the_replay(self):
        turn = samples.turn_ref()
        by_command = event(failed())["contexts"]["dify"]["replay"]
        assert by_command == f"monitor replay {turn.conversation_id}"
        by_link = event(failed(), replay_url="https://r.example/{conversation_id}?at={turn_id}")["contexts"]["dify"]
        assert by_link["replay"] == f"https://r.example/{turn.conversation_id}?at={turn.turn_id}"

    def test_a_replay_link_holds_any_id_safely(self):
        turn = samples.turn_ref(conversation_id="a/b?c#d {x}")
        body = StepEnded(turn=turn, step=samples.tool_step(turn, status="failed"))
        found = event(body, replay_url="https://r.example/{conversation_id}")
        assert found["contexts"]["dify"]["replay"] == "https://r.example/a%2Fb%3Fc%23d%20%7Bx%7D"

    def test_a_handled_failure_is_a_warning(self):
        found = event(failed(handled=True))
        assert found["level"] == "warning"
        assert found["exception"]["values"][0]["mechanism"]["handled"] is True

    def test_tells_earlier_attempts(self):
        step = samples.node_step(status="failed", attempts=(Attempt(at=1, error="timeout"),))
        assert event(failed(step))["contexts"]["dify"]["dify.step.attempts"] == 2

    @pytest.mark.parametrize("status", ["succeeded", "stopped", "unknown"])
    def test_what_did_not_fail_is_but_a_breadcrumb(self, status):
        found = part(StepEnded(turn=samples.turn_ref(), step=samples.tool_step(status=status)))
        assert not found.event
        assert json.loads(found.crumb)["level"] == "info"

    @pytest.mark.parametrize("status", ["succeeded", "partial", "stopped", "abandoned"])
    def test_only_a_failed_turn_is_an_event(self, status):
        assert not part(samples.turn_ended(status=status)).event

    def test_a_provisional_failure_waits_for_its_better_times(self):
        found = part(failed(provisional=True), what=["failures", "transactions"])
        assert found.crumb
        assert not found.event
        assert not found.span

    def test_tags_fit(self):
        """Sentry drops tags that are empty, longer than 200 characters or hold a line break."""
        turn = samples.turn_ref(app_name="a\nb" * 200, invoke_from="")
        tags = event(StepEnded(turn=turn, step=samples.tool_step(turn, status="failed")))["tags"]
        assert all(value and len(value) <= 200 and "\n" not in value for value in tags.values())


class TestTitles:
    """A list of issues shows type, value and `transaction`: what failed, where, and how."""

    @pytest.mark.parametrize(
        ("body", "title", "culprit"),
        [
            (failed(), "tool_invoke_error: tool query_order_status failed in 客服 Agent: 超时",
             "客服 Agent: tool query_order_status"),
            (StepEnded(samples.chatflow_ref(), samples.node_step(status="failed", error_type="timeout")),
             "timeout: code 提取订单号 failed in 客服 Chatflow: 超时", "客服 Chatflow: code 提取订单号"),
            (samples.turn_ended(status="failed", error_type=""), "error: turn failed in 客服 Agent: 超时",
             "客服 Agent: turn"),
            (trigger(status="rate_limited", turn_id="", error_type="rate_limit"),
             "rate_limit: trigger-webhook failed in 客服 Chatflow: 超时", "客服 Chatflow: trigger-webhook"),
            (indexing(), "auth: indexing failed in 售后政策: 超时", "售后政策: indexing"),
        ],
    )  # fmt: skip
    def test_says_what_failed_and_where(self, body, title, culprit):
        found = event(body, {"error": "超时"}, content="full")
        (exception,) = found["exception"]["values"]
        assert f"{exception['type']}: {exception['value']}" == title
        assert found["transaction"] == culprit
        bare = event(body, {"error": "超时"})["exception"]["values"][0]
        assert f"{bare['type']}: {bare['value']}: 超时" == title

    def test_the_replay_comes_first(self):
        """Of what a reader may show shortened."""
        assert next(iter(event(failed())["contexts"]["dify"])) == "replay"
        assert next(iter(event(alert(), what=["alerts"])["contexts"]["alert"])) == "replay"

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({}, "tool query_order_status"),
            ({"status": "failed"}, "tool query_order_status failed: tool_invoke_error"),
            ({"status": "failed", "handled": True}, "tool query_order_status failed: tool_invoke_error (handled)"),
            ({"status": "stopped"}, "tool query_order_status stopped"),
        ],
    )
    def test_a_breadcrumb_says_how_its_step_ended(self, changes, said):
        assert json.loads(part(failed(samples.tool_step(**changes))).crumb)["message"] == said


class TestBesideTheTurns:
    @pytest.mark.parametrize(
        "body",
        [
            trigger(status="failed"),
            trigger(status="succeeded", turn_id=""),
            indexing(status="completed"),
            indexing(status="paused"),
            indexing(status="deleted"),
        ],
    )
    def test_what_a_turn_tells_or_no_failure_is_no_event(self, body):
        encoder = encoder_of(Config(type="sentry", dsn=DSN))
        assert encoder.encode(samples.recorded(body)) == b""

    def test_they_are_failures_and_nothing_else(self):
        encoder = encoder_of(Config(type="sentry", dsn=DSN, what=["transactions", "alerts"]))
        assert encoder.encode(samples.recorded(trigger(status="failed", turn_id=""))) == b""

    def test_a_trigger_says_whose_it_is(self):
        found = event(trigger(status="failed", turn_id="", retries=2))
        assert found["tags"]["dify.app.name"] == "客服 Chatflow"
        assert found["tags"]["dify.trigger.type"] == "trigger-webhook"
        assert found["contexts"]["dify"]["dify.trigger.retries"] == 2
        assert "trace" not in found["contexts"]
        assert "user" not in found

    def test_a_documents_name_is_content(self):
        words = {"name": "张三的合同.pdf", "error": "no model"}
        assert "张三" not in json.dumps(event(indexing(), words), ensure_ascii=False)
        found = event(indexing(), words, content="full")
        assert found["contexts"]["content"] == {"name": "张三的合同.pdf"}
        assert found["contexts"]["dify"]["dify.document.id"] == "d-1"


class TestContent:
    def test_nothing_that_anybody_wrote_leaves_by_default(self):
        whole = json.dumps(event(failed(), SECRET_WORDS), ensure_ascii=False)
        assert not [text for text in SECRET_WORDS.values() if text in whole]
        assert "tool query_order_status failed" in whole

    def test_redacted_masks(self):
        found = event(failed(), SECRET_WORDS, content="redacted")
        value = found["exception"]["values"][0]["value"]
        assert value == "tool query_order_status failed in 客服 Agent: failed for [email]"
        assert "[email]" in found["contexts"]["content"]["input"]
        assert "alice" not in json.dumps(found)

    def test_full_is_whole_but_bounded(self):
        found = event(failed(), {"error": "x" * 10_000_000, "output": "y" * 10_000_000}, content="full")
        assert len(json.dumps(found)) < 20_000

    def test_transactions_hold_content_only_when_asked(self):
        body = samples.turn_ended()
        for policy, there in (("none", False), ("full", True)):
            found = part(body, {"output": "the answer"}, content=policy, what=["transactions"])
            assert (b"the answer" in found.transaction) == there


class TestTransactions:
    def test_a_turn_is_a_transaction_in_sentrys_words(self):
        ended = samples.turn_ended(status="failed", error_type="quota")
        found = json.loads(part(ended, what=["transactions"]).transaction)
        trace = found["contexts"]["trace"]
        assert (found["type"], found["transaction"]) == ("transaction", "invoke_agent 客服 Agent")
        assert (trace["op"], trace["status"]) == ("gen_ai.invoke_agent", "internal_error")
        assert found["timestamp"] - found["start_timestamp"] == pytest.approx(2)
        assert trace["trace_id"] == trace_id(ended.turn.turn_id)

    def test_steps_are_its_spans(self):
        found = part(StepEnded(turn=samples.turn_ref(), step=samples.llm_step()), what=["transactions"])
        span = json.loads(found.span)
        assert (span["op"], span["description"]) == ("gen_ai.chat", "chat gpt-4o-mini")
        assert span["data"]["gen_ai.usage.input_tokens"] == 75
        assert span["parent_span_id"] == span_id(samples.turn_ref().turn_id, "turn", samples.turn_ref().turn_id)

    def test_what_sentrys_pages_for_agents_want_is_there(self):
        """https://develop.sentry.dev/sdk/telemetry/traces/modules/ai-agents/: MUST and SHOULD of each kind of span."""
        turn, flow = samples.turn_ref(), samples.chatflow_ref()
        chat, tool = samples.llm_step(turn), samples.tool_step(turn)
        spans = [part(StepEnded(turn=turn, step=step), what=["transactions"]).span for step in (chat, tool)]
        of_chat, of_tool = (json.loads(span)["data"] for span in spans)
        assert of_chat["gen_ai.operation.name"] == "chat"
        assert of_chat["gen_ai.provider.name"] == "openai"
        assert of_chat["gen_ai.request.model"] == of_chat["gen_ai.response.model"] == "gpt-4o-mini"
        assert of_chat["gen_ai.conversation.id"] == turn.conversation_id
        assert of_tool["gen_ai.operation.name"] == "execute_tool"
        assert of_tool["gen_ai.tool.name"] == "query_order_status"
        assert of_chat["gen_ai.agent.name"] == of_tool["gen_ai.agent.name"] == "客服 Agent"
        whole = json.loads(part(samples.turn_ended(turn), what=["transactions"]).transaction)["contexts"]["trace"]
        assert whole["data"]["gen_ai.operation.name"] == "invoke_agent"
        assert whole["data"]["gen_ai.agent.name"] == "客服 Agent"
        span = part(StepEnded(turn=flow, step=samples.llm_step(flow)), what=["transactions"]).span
        assert json.loads(span)["data"]["gen_ai.pipeline.name"] == "客服 Chatflow"

    def test_long_messages_stay_json(self):
        """Sentry shows no conversation whose messages it can't parse."""
        step = samples.llm_step()
        words = {"output": "很长的回答。" * 5000, "input": "问" * 50_000}
        span = part(StepEnded(turn=samples.turn_ref(), step=step), words, content="full", what=["transactions"]).span
        data = json.loads(span)["data"]
        assert len(span) < 40_000
        (message,) = json.loads(data["gen_ai.output.messages"])
        assert message["role"] == "assistant"
        assert "很长的回答。" in json.dumps(message, ensure_ascii=False)

    @given(st.lists(st.text(max_size=3000), max_size=300).map(json.dumps) | st.text('[]{}":,a', max_size=9000))
    def test_a_text_fits_and_what_was_json_still_is(self, text):
        found = fit(text)
        assert len(found) <= 4096
        with contextlib.suppress(ValueError):
            json.loads(text)
            if text.startswith(("[", "{")):
                json.loads(found)

    def test_other_nodes_have_an_op_too(self):
        spans = [part(failed(step), what=["transactions"]).span for step in (samples.node_step(), samples.http_step())]
        assert [json.loads(span)["op"] for span in spans] == ["dify.node", "http.client"]

    def test_a_revised_end_is_no_second_transaction(self):
        """Sentry keeps what it has."""
        assert not part(samples.turn_ended(), revision=1, what=["transactions"]).transaction


class TestAlerts:
    def test_says_what_a_channel_would(self):
        found = event(alert(), what=["alerts"])
        assert found["logentry"] == {"formatted": "search fails in 客服 Agent"}
        assert (found["level"], found["logger"]) == ("error", "dify.alerts")
        assert found["tags"] == {
            "alert.rule": "tool_failures", "alert.severity": "page", "alert.tool": "search",
            "alert.app_id": samples.turn_ref().app_id,
        }  # fmt: skip
        context = found["contexts"]["alert"]
        assert context["replay"] == "monitor replay c-1"
        assert context["replays"] == ["monitor replay c-1"]
        assert context["alert.since"] == "2025-09-24T08:00:00Z"

    @pytest.mark.parametrize("changes", [{"now": "resolved"}, {"now": "pending"}, {"history": True}])
    def test_only_a_firing_alert_is_an_issue(self, changes):
        encoder = encoder_of(Config(type="sentry", dsn=DSN, what=["alerts"]))
        assert encoder.encode(samples.recorded(alert(**changes))) == b""


def test_parts_are_read_back():
    whole = part(failed(), what=["failures", "transactions"])
    assert msgspec.structs.asdict(whole)["turn"] == samples.turn_ref().turn_id
