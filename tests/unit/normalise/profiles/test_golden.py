"""What each profile makes of known facts, word for word. A change that is meant: see `golden.py`."""

from __future__ import annotations

import json

import pytest

from monitor.normalise.profiles import PROFILES
from tests.unit.normalise.profiles.golden import FOLDER, facts, lines


@pytest.mark.parametrize("profile", PROFILES)
def test_the_spans_are_what_they_were(profile):
    assert lines(profile) == (FOLDER / f"{profile}.jsonl").read_text("utf-8").splitlines()


def test_every_kind_of_app_and_step_is_among_them():
    turns = [getattr(each.event.body, "turn", None) for each in facts()]
    assert {turn.mode for turn in turns if turn} == {"agent-chat", "chat", "completion", "advanced-chat", "workflow"}
    steps = [each.event.body.step for each in facts() if hasattr(each.event.body, "step")]
    assert {step.kind for step in steps} == {"llm", "tool", "retrieval", "agent", "http", "node"}
    assert any(step.parent_id and step.status == "failed" for step in steps)


def test_every_span_has_a_kind_and_no_turn_lacks_what_was_said():
    """What Phoenix's columns are made of."""
    spans = [json.loads(line) for line in lines("openinference")]
    assert {span["attributes"]["openinference.span.kind"] for span in spans} == {
        "AGENT", "CHAIN", "EVALUATOR", "LLM", "RETRIEVER", "TOOL",
    }  # fmt: skip
    said = [span for span in spans if not span["parent_id"] and not span["error"]]
    assert said
    assert all({"input.value", "output.value"} <= set(span["attributes"]) for span in said)
