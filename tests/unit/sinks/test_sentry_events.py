"""What failures, turns and alerts look like in Sentry: how they group, what they carry, and what never leaves."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from monitor.model import Alert, AlertChanged, Attempt, Evidence, Redaction, StepEnded, Tool
from monitor.model.ids import span_id, trace_id
from monitor.normalise.redact import Leaving
from monitor.sinks.sentry import Config
from monitor.sinks.sentry.encoding import Encoder
from monitor.sinks.sentry.parts import Part, unpack
from monitor.testing import samples

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


class TestContent:
    def test_nothing_that_anybody_wrote_leaves_by_default(self):
        whole = json.dumps(event(failed(), SECRET_WORDS), ensure_ascii=False)
        assert not [text for text in SECRET_WORDS.values() if text in whole]
        assert "tool query_order_status failed" in whole

    def test_redacted_masks(self):
        found = event(failed(), SECRET_WORDS, content="redacted")
        assert found["exception"]["values"][0]["value"] == "failed for [email]"
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
        assert found["contexts"]["alert"]["turns"] == [
            {"turn_id": samples.turn_ref().turn_id, "replay": "monitor replay c-1"}
        ]

    @pytest.mark.parametrize("changes", [{"now": "resolved"}, {"now": "pending"}, {"history": True}])
    def test_only_a_firing_alert_is_an_issue(self, changes):
        encoder = encoder_of(Config(type="sentry", dsn=DSN, what=["alerts"]))
        assert encoder.encode(samples.recorded(alert(**changes))) == b""


def test_parts_are_read_back():
    whole = part(failed(), what=["failures", "transactions"])
    assert msgspec.structs.asdict(whole)["turn"] == samples.turn_ref().turn_id
