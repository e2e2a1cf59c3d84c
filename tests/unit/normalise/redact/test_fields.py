"""Every content field of every fact is known to the policy, and leaves only as it says."""

from __future__ import annotations

import re
from typing import get_args

import pytest

from monitor.clock import SystemClock
from monitor.model import Body, Recorded, StepEnded, TurnEnded, TurnStarted, kind_of
from monitor.normalise.note_spans import note_record
from monitor.normalise.redact import FIELDS, PEOPLE
from monitor.normalise.spans import spans_of
from monitor.ports import Tools
from monitor.sinks import file, otlp
from monitor.testing import samples
from tests.support.leaving import apply
from tests.unit.noted import NOTES, note

BODIES = {str(kind.__struct_config__.tag): kind for kind in get_args(Body)}
POLICIES = ("none", "redacted", "full")


def fields_of(kind: type) -> set[str]:
    """The content fields that the body's docstring names."""
    said = (kind.__doc__ or "").partition("Content:")[2].partition(". ")[0]
    return set(re.findall(r"`([a-z_]+)`", said))


def every_fact() -> list[Recorded]:
    """One of each kind that can leave, each content field filled with a word that is its own."""
    turn = samples.turn_ref()
    steps = (samples.llm_step(turn), samples.tool_step(turn), samples.retrieval_step(turn), samples.node_step(turn))
    failed = samples.tool_step(turn, status="failed")
    bodies = [TurnStarted(turn), *(StepEnded(turn, step) for step in (*steps, failed))]
    bodies += [samples.turn_ended(turn), samples.turn_ended(turn, status="failed")]
    facts = [samples.recorded(body, content=filled(kind_of(body))) for body in bodies]
    return facts + [note(body, content=filled(kind_of(body))) for body in NOTES]


def filled(kind: str) -> dict[str, str]:
    return {field: word(kind, field) for field in fields_of(BODIES[kind])}


def word(kind: str, field: str) -> str:
    return f"secret of {kind} in {field}: mail bob@example.com"


def sinks(policy: str, folder):
    tools = Tools(clock=SystemClock(), logger=None, pseudonym=str)
    yield file.build(file.Config(type="file", path=str(folder / "x.jsonl"), content=policy), tools)
    yield otlp.build(otlp.Config(type="otlp", content=policy), tools, environ={})


def test_the_docstrings_are_read_as_they_are_meant():
    assert fields_of(TurnStarted) == {"user", "user_name", "input"}
    assert fields_of(StepEnded) == {"input", "output", "process", "error"}
    assert fields_of(BODIES["config_changed"]) == {"prompt", "config", "note", "user"}
    assert fields_of(BODIES["form_changed"]) == {"form", "answer", "user"}
    assert fields_of(BODIES["coverage_changed"]) == set()


def test_every_field_of_every_body_is_known():
    """A field that nobody thought of here would never leave; one that no body has should not stand here."""
    assert set().union(*map(fields_of, BODIES.values())) == FIELDS
    assert PEOPLE < FIELDS


def test_every_kind_is_in_the_walk():
    walked = {kind_of(fact.event.body) for fact in every_fact()}
    assert walked == set(BODIES) - {"alert_changed", "source_gap"}


@pytest.mark.parametrize("field", sorted(FIELDS))
def test_a_field_by_policy(field):
    content = {field: "mail bob@example.com"}
    assert apply("none", content) == {}
    assert apply("redacted", content) == ({} if field in PEOPLE else {field: "mail [email]"})
    assert apply("full", content) == content


@pytest.mark.parametrize("policy", POLICIES)
def test_a_field_that_nobody_knows_never_leaves(policy):
    assert apply(policy, {"token": "secret"}) == {}


@pytest.mark.parametrize("policy", POLICIES)
def test_nothing_leaves_by_a_sink_but_what_the_policy_lets_through(policy, tmp_path):
    """Under `none` not one word of any field of any fact; under `redacted` no address and nobody's name."""
    for sink in sinks(policy, tmp_path):
        told = b"".join(map(sink.encode, every_fact())).decode("utf-8", "replace")
        sink.close()
        assert ("secret of" in told) == (policy != "none")
        assert ("bob@example.com" in told) == (policy == "full")
        assert not [field for field in PEOPLE if f"in {field}:" in told], "people have pseudonyms"


def test_what_may_leave_does():
    """Each field of a fact beside the turns has a place in what is told; people, who have pseudonyms, have none."""
    for body in NOTES:
        fact = note(body, content=filled(kind_of(body)))
        content = apply("full", fact.event.content)
        told = repr(spans_of(fact, content) or note_record(fact, content))
        assert {field for field in content if word(kind_of(body), field) in told} == set(content) - PEOPLE


def test_a_turn_s_user_stays():
    """The start of a turn is no span, and its end has no user in its content."""
    assert spans_of(samples.recorded(samples.turn_started(), content={"user": "bob"}), {"user": "bob"}) is None
    assert "user" not in fields_of(TurnEnded)
