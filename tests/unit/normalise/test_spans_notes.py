"""Facts beside the turns as spans and log records."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.model import (
    AnnotationMade,
    AnnotationRemoved,
    ConfigChanged,
    ContentDeleted,
    CoverageChanged,
    FeedbackGiven,
    FeedbackWithdrawn,
    FormChanged,
    Hit,
    IndexingChanged,
    Span,
    StepEnded,
    TriggerLogged,
    ids,
    kind_of,
)
from monitor.model import semconv as s
from monitor.normalise.note_spans import NOTE_KINDS, NOTE_SPANS, NoteRecord, note_record
from monitor.normalise.spans import SPAN_KINDS, spans_of
from monitor.testing import samples, strategies
from monitor.testing.samples import BASE_NS, uuid
from tests.unit.noted import FLOW, NOTES, RATED, any_recorded, changed, note


def span(body: Any, content: dict[str, str] | None = None, number: int = 0) -> Span:
    found = spans_of(note(body, number), content or {})
    assert found is not None
    return found


def record(body: Any, content: dict[str, str] | None = None) -> NoteRecord:
    found = note_record(note(body), content or {})
    assert found is not None
    return found


def evaluation(body: Any, content: dict[str, str] | None = None) -> dict[str, Any]:
    (event,) = span(body, content).events
    assert (event.name, event.at) == ("gen_ai.evaluation.result", BASE_NS)
    return {name.removeprefix("gen_ai.evaluation."): value for name, value in event.attributes.items()}


# --- which facts are which


@pytest.mark.parametrize("body", NOTES, ids=kind_of)
def test_every_fact_is_a_span_or_a_record_and_never_both(body):
    found, other = spans_of(note(body), {}), note_record(note(body), {})
    assert (found is None) != (other is None)
    assert kind_of(body) in NOTE_KINDS
    assert found is None or kind_of(body) in NOTE_SPANS <= SPAN_KINDS


@pytest.mark.parametrize(
    "body",
    [
        changed(ConfigChanged),
        changed(ContentDeleted),
        changed(IndexingChanged),
        changed(CoverageChanged),
        changed(AnnotationMade, turn_id=""),
        changed(AnnotationRemoved, turn_id=""),
        changed(FormChanged, turn_id=""),
        changed(TriggerLogged, status="succeeded", turn_id=FLOW.turn_id),
        changed(TriggerLogged, status="failed", turn_id=FLOW.turn_id),
        changed(TriggerLogged, status="pending"),
    ],
)
def test_what_no_trace_would_show_is_a_record(body):
    """A trigger with a run has the run's own trace; one that is under way has not ended."""
    assert spans_of(note(body), {}) is None
    assert record(body).name == f"dify.{kind_of(body)}"


@pytest.mark.parametrize("body", [samples.turn_started(), samples.turn_ended()])
def test_turns_are_no_records(body):
    assert note_record(samples.recorded(body), {}) is None


@given(any_recorded, strategies.contents)
def test_any_fact_is_told_whatever_it_says(fact, content):
    """Spans are strict about times; nothing is lost, nothing raises, and the same fact is told the same."""
    found, other = spans_of(fact, content), note_record(fact, content)
    assert (found is None) != (other is None)
    assert (found, other) == (spans_of(fact, content), note_record(fact, content))


# --- ratings


@pytest.mark.parametrize("number", [0, 1])
def test_a_rating_hangs_below_the_root_of_its_turn(number):
    found = span(changed(FeedbackGiven), number=number)
    root = spans_of(samples.recorded(samples.turn_ended(RATED)), {})
    assert (found.trace_id, found.parent_id) == (root.trace_id, root.span_id)
    assert (found.name, found.kind, found.error) == ("feedback dislike", "INTERNAL", None)
    assert found.start_ns == found.end_ns == note(changed(FeedbackGiven), number).event.occurred_at


def test_each_fact_about_a_rating_is_a_span_of_its_own():
    """Given, changed, withdrawn: three events of one row of Dify's, and a repeat of one is the same span."""
    told = [span(changed(FeedbackGiven), number=0), span(changed(FeedbackGiven, rating="like"), number=1)]
    told += [span(changed(FeedbackWithdrawn), number=2), span(changed(FeedbackGiven), number=0)]
    assert len({each.span_id for each in told}) == 3
    assert told[0] == told[3]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            changed(FeedbackGiven, rating="like"),
            {"name": "user_feedback", "score.value": 1.0, "score.label": "like"},
        ),
        (
            changed(FeedbackGiven, given_by="admin"),
            {"name": "admin_feedback", "score.value": 0.0, "score.label": "dislike"},
        ),
        (changed(FeedbackGiven, rating="meh"), {"name": "user_feedback", "score.label": "meh"}),
        (changed(FeedbackWithdrawn), {"name": "user_feedback", "score.label": "withdrawn"}),
        (changed(AnnotationMade), {"name": "annotation", "score.label": "changed"}),
        (changed(AnnotationMade, changed=False), {"name": "annotation", "score.label": "made"}),
        (changed(AnnotationRemoved), {"name": "annotation", "score.label": "removed"}),
    ],
)
def test_people_s_judgements_in_opentelemetry_s_words(body, expected):
    """A score only where there is one: what was withdrawn or rated otherwise must not move an average."""
    assert evaluation(body) == expected


def test_a_comment_leaves_with_the_event_and_only_as_content():
    assert evaluation(changed(FeedbackGiven), {"comment": "太慢", "user": "bob"})["explanation"] == "太慢"
    assert "explanation" not in evaluation(changed(FeedbackGiven))
    assert s.GEN_AI_EVALUATION_EXPLANATION not in span(changed(FeedbackGiven), {"comment": "太慢"}).attributes


def test_whose_turn_and_who_rated():
    """The turn's user and the person who rated are two: an admin rates other people's turns."""
    found = span(changed(FeedbackGiven)).attributes
    assert found[s.USER_ID] == "pseudonym of who rated"
    assert found[s.DIFY_CONVERSATION_ID] == RATED.conversation_id
    assert found[s.DIFY_TENANT_NAME] == "Acme"
    assert found[s.DIFY_CONFIG_HASH] == "0123456789abcdef"
    assert (found[s.DIFY_FEEDBACK_RATING], found[s.DIFY_FEEDBACK_WAS]) == ("dislike", "like")
    assert s.USER_ID not in span(changed(FeedbackGiven, user="")).attributes


def test_a_withdrawal_is_marked():
    found = span(changed(FeedbackWithdrawn))
    assert found.name == "feedback withdrawn"
    assert found.attributes[s.DIFY_FEEDBACK_WITHDRAWN] is True
    assert found.attributes[s.DIFY_FEEDBACK_RATING] == "dislike"


# --- annotations


def test_an_annotation_hangs_below_the_turn_that_it_was_made_of():
    found = span(changed(AnnotationMade), {"question": "退货？", "answer": "七天"})
    assert found.parent_id == ids.span_id(RATED.turn_id, "turn", RATED.turn_id)
    assert found.attributes[s.DIFY_ANNOTATION_QUESTION] == "退货？"
    assert found.attributes[s.DIFY_ANNOTATION_ID] == uuid(1, 21)
    assert found.events[0].attributes[s.GEN_AI_EVALUATION_EXPLANATION] == "七天"


# --- triggers and forms


def test_a_trigger_without_a_run_is_a_failed_trace_of_its_own():
    """Dify 1.10 and later: `rate_limited` stands in the trigger's log and nowhere else."""
    found = span(changed(TriggerLogged), {"error": "Rate limit exceeded", "input": "{}"})
    assert (found.trace_id, found.parent_id) == (ids.trace_id(uuid(1, 23)), "")
    assert (found.name, found.error) == ("trigger trigger-webhook", "Rate limit exceeded")
    assert found.attributes[s.ERROR_TYPE] == "rate_limited"
    assert found.attributes[s.DIFY_TRIGGER_RETRIES] == 2
    assert s.ERROR_MESSAGE not in found.attributes
    assert span(changed(TriggerLogged, error_type="quota")).error == "quota"


def test_a_trigger_with_a_run_names_its_trace():
    found = record(changed(TriggerLogged, status="failed", turn_id=FLOW.turn_id), {"error": "no quota"})
    assert found.trace_id == ids.trace_id(FLOW.turn_id)
    assert found.span_id == ids.span_id(FLOW.turn_id, "turn", FLOW.turn_id)
    assert (found.severity, found.attributes[s.ERROR_MESSAGE]) == ("ERROR", "no quota")


def test_a_form_hangs_below_its_run():
    """Dify 1.13 and later: a workflow asks a person; who waited for whom is part of the turn's story."""
    found = span(changed(FormChanged), {"form": "Refund?", "answer": '{"ok":true}'})
    assert (found.name, found.trace_id) == ("human_input submitted", ids.trace_id(FLOW.turn_id))
    assert found.parent_id == ids.span_id(FLOW.turn_id, "turn", FLOW.turn_id)
    assert (found.attributes[s.DIFY_FORM_CONTENT], found.attributes[s.DIFY_FORM_ANSWER]) == ("Refund?", '{"ok":true}')
    assert found.attributes[s.DIFY_FORM_EXPIRES_AT] == BASE_NS


# --- records


def test_a_changed_configuration():
    found = record(changed(ConfigChanged), {"prompt": "你是客服", "config": "{}x", "note": "v2", "user": "bob"})
    assert found.attributes == {
        s.DIFY_TENANT_ID: uuid(1, 10),
        s.DIFY_TENANT_NAME: "Acme",
        s.DIFY_APP_ID: uuid(1, 11),
        s.DIFY_APP_NAME: "客服 Agent",
        s.DIFY_APP_MODE: "agent-chat",
        s.DIFY_CONFIG_ID: uuid(1, 22),
        s.DIFY_CONFIG_HASH: "fedcba9876543210",
        s.DIFY_CONFIG_WAS: "0123456789abcdef",
        s.DIFY_CONFIG_WHAT: "prompt,model",
        s.GEN_AI_PROVIDER_NAME: "gcp.gemini",
        s.GEN_AI_REQUEST_MODEL: "gemini-2.5-pro",
        s.USER_ID: "publisher",
        s.DIFY_CONFIG_PROMPT: "你是客服",
        s.DIFY_CONFIG_CONTENT: "{}x",
        s.DIFY_CONFIG_NOTE: "v2",
    }
    assert (found.severity, found.trace_id) == ("INFO", "")


@pytest.mark.parametrize(
    ("body", "severity"),
    [
        (changed(IndexingChanged), "ERROR"),
        (changed(IndexingChanged, status="stuck"), "WARN"),
        (changed(IndexingChanged, status="completed"), "INFO"),
        (changed(CoverageChanged), "WARN"),
        (changed(CoverageChanged, state="overtaken"), "ERROR"),
        (changed(CoverageChanged, state="safe"), "INFO"),
        (changed(ContentDeleted), "INFO"),
    ],
)
def test_how_grave_a_record_is(body, severity):
    assert record(body).severity == severity


def test_a_document_and_its_error_are_content():
    found = record(changed(IndexingChanged), {"name": "退货政策.pdf", "error": "quota exceeded"}).attributes
    assert (found[s.DIFY_DOCUMENT_NAME], found[s.ERROR_MESSAGE]) == ("退货政策.pdf", "quota exceeded")
    bare = record(changed(IndexingChanged)).attributes
    assert not {s.DIFY_DOCUMENT_NAME, s.ERROR_MESSAGE} & set(bare)
    assert (bare[s.DIFY_DATASET_NAME], bare[s.DIFY_INDEXING_STAGE], bare[s.ERROR_TYPE]) == (
        "售后政策",
        "error",
        "quota",
    )


def test_what_is_unknown_is_left_out():
    """0 stands for an unknown time."""
    assert s.DIFY_INDEXING_SINCE not in record(changed(IndexingChanged, since=0)).attributes
    assert s.DIFY_COVERAGE_OLDEST_AT not in record(changed(CoverageChanged, oldest_at=0)).attributes


# --- what turns and steps have gained


def test_what_a_root_has_gained():
    turn = samples.turn_ref(tenant_name="Acme", config_hash="0123456789abcdef")
    ended = samples.turn_ended(turn, annotation_id="a1", moderated=True, tokens_disagree=True)
    found = spans_of(samples.recorded(ended), {}).attributes
    assert (found[s.DIFY_TENANT_NAME], found[s.DIFY_CONFIG_HASH]) == ("Acme", "0123456789abcdef")
    assert found[s.DIFY_TURN_ANNOTATION_ID] == "a1"
    assert found[s.DIFY_TURN_MODERATED] is found[s.DIFY_TURN_TOKENS_DISAGREE] is True
    plain = spans_of(samples.recorded(samples.turn_ended()), {}).attributes
    new = {s.DIFY_TURN_ANNOTATION_ID, s.DIFY_TURN_MODERATED, s.DIFY_TURN_TOKENS_DISAGREE, s.DIFY_CONFIG_HASH}
    assert not new & set(plain)


def of_step(step: Any, content: dict[str, str] | None = None) -> dict[str, Any]:
    return spans_of(samples.recorded(StepEnded(samples.chatflow_ref(), step)), content or {}).attributes


def test_what_a_step_has_gained():
    step = samples.http_step(status="failed", http_status=503, soft=True, truncated=("input", "output"))
    found = of_step(step)
    assert found[s.HTTP_RESPONSE_STATUS_CODE] == 503
    assert found[s.DIFY_STEP_SOFT] is True
    assert found[s.DIFY_CONTENT_TRUNCATED] == "input,output"
    new = {s.HTTP_RESPONSE_STATUS_CODE, s.DIFY_STEP_SOFT, s.DIFY_CONTENT_TRUNCATED}
    assert not new & set(of_step(samples.http_step()))


def test_a_call_of_an_agent_node_hangs_below_the_node():
    """Its log names no rows: ids are made up of the node's, and the node's own id is its row's."""
    flow = samples.chatflow_ref()
    agent = samples.node_step(flow, 1, "agent", kind="agent")
    for call in (
        samples.tool_step(flow, 2, id=f"{agent.id}/3", parent_id=agent.id),
        samples.llm_step(flow, 3, id=uuid(9, 9), parent_id=agent.id),
    ):
        found = [spans_of(samples.recorded(StepEnded(flow, step)), {}) for step in (agent, call)]
        assert found[1].parent_id == found[0].span_id
        assert found[1].trace_id == found[0].trace_id


HITS = (
    Hit(dataset_id="d1", document_id="doc1", segment_id="s1", score=0.9, position=1),
    Hit(dataset_id="d2", document_id="doc2", score=math.nan, position=2),
)
FACTS = [
    {"id": "s1", "score": 0.9, "document_id": "doc1", "dataset_id": "d1"},
    {"id": "doc2", "document_id": "doc2", "dataset_id": "d2"},
]


def documents(output: str = "") -> list[dict[str, Any]]:
    found = of_step(samples.retrieval_step(hits=HITS), {"output": output} if output else {})
    return json.loads(found[s.GEN_AI_RETRIEVAL_DOCUMENTS])


def test_what_a_retrieval_found_are_facts():
    """Ids and scores leave always, a score that is no number never."""
    assert documents() == FACTS
    assert s.GEN_AI_RETRIEVAL_DOCUMENTS not in of_step(samples.retrieval_step())


def test_names_and_texts_come_with_the_content():
    """Each document once; what the output does not list is listed by its facts."""
    metadata = {"segment_id": "s1", "document_id": "doc1", "dataset_id": "d1", "document_name": "退货", "score": 0.9}
    output = json.dumps({"result": [{"metadata": metadata, "content": "七天"}]})
    assert documents(output) == [FACTS[0] | {"title": "退货", "content": "七天"}, FACTS[1]]
    assert documents("七天") == [{"content": "七天"}, *FACTS]
    assert documents('{"result": []}') == FACTS


def test_what_a_message_cites_is_one_entry_a_hit():
    """Dify keeps a message's citations in the hits' order; their words alone are content."""
    output = json.dumps([{"document_name": "退货", "content": "七天"}, {"content": "三天"}])
    assert documents(output) == [FACTS[0] | {"title": "退货", "content": "七天"}, FACTS[1] | {"content": "三天"}]


@given(st.sampled_from(NOTES))
def test_no_attribute_is_empty(body):
    found = spans_of(note(body), {}) or note_record(note(body), {})
    assert all(value not in {"", None} for value in found.attributes.values())
    json.dumps(found.attributes)
