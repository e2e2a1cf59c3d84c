"""What holds for every fact, in every profile."""

from __future__ import annotations

import math
import re
from typing import get_args

import msgspec
import pytest
from hypothesis import given

from monitor.model import FeedbackGiven, FeedbackWithdrawn, Recorded, Span, StepEnded, Usage, semconv
from monitor.model.spans import AttributeValue
from monitor.normalise.attributes import within_time
from monitor.normalise.document_fields import CONTENT as ALL_CONTENT
from monitor.normalise.profiles import PROFILES, ProfileName, openinference
from monitor.normalise.profiles.openinference_content import CONTENT
from monitor.normalise.spans import spans_of
from monitor.sinks.otlp_encoding import message
from monitor.testing import samples, strategies

MARK = "PLANTED-7f3a"
FACTS = strategies.recordeds | strategies.recorded_notes
NAMES = {value for name, value in vars(semconv).items() if name.startswith(("DIFY_", "GEN_AI_", "ERROR_", "HTTP_"))}

OPENINFERENCE = re.compile(
    r"openinference\.span\.kind|(input|output)\.(value|mime_type)|metadata|session\.id|user\.id|agent\.name"
    r"|llm\.(model_name|provider|system|cost\.total|token_count\.(prompt|completion|total))"
    r"|llm\.(input|output)_messages\.\d+\.message\.(role|content)|tool\.(name|id|parameters)"
    r"|retrieval\.documents\.\d+\.document\.(id|score|content|metadata)|graph\.node\.(id|name|parent_id)"
    r"|trace\.annotations\.0\.annotation\.(name|score|label|explanation|annotator_kind|identifier)"
    r"|dify\.node\.process_data"
)
"""Names of its conventions, and the one of ours that has no place in them."""


def spans(recorded: Recorded, content: dict[str, str]) -> dict[ProfileName, Span]:
    """The fact in every profile; empty where it is no span."""
    span = spans_of(recorded, content)
    return {} if span is None else {name: each.span(span, recorded.event.body) for name, each in PROFILES.items()}


def is_sound(value: AttributeValue) -> bool:
    if isinstance(value, bool):
        return True
    if isinstance(value, int):
        return -(2**63) <= value < 2**63
    return math.isfinite(value) if isinstance(value, float) else value.encode() is not None


def test_a_setting_names_each_profile():
    assert set(get_args(ProfileName)) == set(PROFILES)


@given(FACTS)
def test_every_fact_is_a_sound_span_in_every_profile(recorded):
    for span in spans(recorded, recorded.event.content).values():
        assert all(map(is_sound, span.attributes.values()))
        assert message(span).SerializeToString()


@given(FACTS)
def test_the_same_span_in_every_profile(recorded):
    """Ids, parent, kind, status and times. Only a rating stands elsewhere in OpenInference: at its turn's start."""
    found = spans(recorded, recorded.event.content)
    rated = isinstance(recorded.event.body, FeedbackGiven | FeedbackWithdrawn)
    for name, span in found.items():
        same = {"attributes": {}}
        if rated and name == "openinference":
            at = within_time(recorded.event.body.turn.started_at)
            assert (span.start_ns, span.end_ns) == (at, at)
            same |= {"start_ns": 0, "end_ns": 0}
        assert msgspec.structs.replace(span, **same) == msgspec.structs.replace(found["otel"], **same)


@given(FACTS)
def test_a_profile_is_pure(recorded):
    first, second = (spans(recorded, recorded.event.content) for _ in range(2))
    assert first == second


@given(FACTS)
def test_what_may_not_leave_is_in_none(recorded):
    """Under `none` nothing of the content is handed on, and a profile must not look for it in the fact itself."""
    content = dict.fromkeys((*recorded.event.content, "input", "output", "error", "comment"), MARK)
    event = msgspec.structs.replace(recorded.event, content=content)
    for span in spans(msgspec.structs.replace(recorded, event=event), {}).values():
        assert MARK not in repr(span)


@pytest.mark.parametrize("field", ["input", "output", "process", "error"])
@pytest.mark.parametrize("kind", ["llm", "tool", "retrieval", "agent", "http", "node"])
def test_what_may_leave_is_in_all(kind, field):
    step = samples.tool_step(kind=kind, status="failed")
    facts = samples.recorded(StepEnded(turn=samples.turn_ref(), step=step), content={field: MARK})
    assert all(MARK in repr(span) for span in spans(facts, {field: MARK}).values())


@given(FACTS)
def test_no_fact_is_lost_in_openinference(recorded):
    """Every value of the default profile stands in an attribute or in the metadata, but for what the kind says."""
    found = spans(recorded, {})
    if found:
        theirs = found["openinference"].attributes
        told = [*theirs.values(), *msgspec.json.decode(str(theirs.get("metadata", "{}"))).values()]
        ours = {
            name: value
            for name, value in found["otel"].attributes.items()
            if name not in {"gen_ai.operation.name", "gen_ai.workflow.name", "gen_ai.provider.name"}
            and name not in CONTENT
        }
        assert [name for name, value in ours.items() if value not in told] == []


def test_no_two_facts_share_a_key_of_the_metadata():
    rest = NAMES - set(openinference._names("TOOL")) - {semconv.GEN_AI_CONVERSATION_ID}
    keys = [openinference._key(name) for name in rest]
    assert sorted(keys) == sorted(set(keys))


def test_content_never_stands_in_the_metadata():
    """What spans can have of it; the rest stands in log records, or in a span's status or event."""
    elsewhere = {semconv.ERROR_MESSAGE, semconv.GEN_AI_EVALUATION_EXPLANATION, semconv.DIFY_DOCUMENT_NAME}
    others = {name for name in ALL_CONTENT if name.startswith("dify.config.")} | elsewhere
    assert set(ALL_CONTENT) - others == CONTENT


@pytest.mark.parametrize(("currency", "told"), [("USD", True), ("RMB", False), ("", False)])
def test_only_dollars_are_a_cost_to_those_who_count_in_dollars(currency, told):
    step = samples.llm_step(usage=Usage(1, 2, 3, price="0.5", currency=currency))
    found = spans(samples.recorded(StepEnded(turn=samples.turn_ref(), step=step)), {})
    assert ("llm.cost.total" in found["openinference"].attributes) is told
    assert ("gen_ai.cost.total_tokens" in found["sentry"].attributes) is told


@given(FACTS)
def test_openinference_has_its_own_names_alone(recorded):
    found = spans(recorded, recorded.event.content)
    names = found["openinference"].attributes if found else {}
    assert [name for name in names if not OPENINFERENCE.fullmatch(name)] == []
