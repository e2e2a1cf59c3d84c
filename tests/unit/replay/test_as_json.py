"""The published form of a replay."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec

from monitor.model import TurnStarted
from monitor.replay import Timeline, nouns
from monitor.replay.as_json import document, schema_text
from monitor.testing import samples
from tests.unit.replay.world import agent_turn, journal_of, replay

SCHEMA = Path(__file__).parents[3] / "docs/reference/replay.schema.json"
TURN = samples.turn_ref(1)


def told(*events) -> Timeline:
    return replay(journal_of(*events), TURN.turn_id)


def test_the_published_schema_is_current():
    """It is written by `python -m monitor.replay.as_json > docs/reference/replay.schema.json`."""
    assert SCHEMA.read_text("utf-8") == schema_text()


def test_every_field_is_described():
    schema = json.loads(schema_text())
    fields = [
        (name, field, rules)
        for name, definition in schema["$defs"].items()
        for field, rules in definition["properties"].items()
        if field != "moment"
    ]
    assert [(name, field) for name, field, rules in fields if not rules.get("description")] == []


def test_every_struct_of_the_form_is_in_the_schema():
    structs = {name for name in nouns.__all__ if isinstance(getattr(nouns, name), type)}
    assert structs == set(json.loads(schema_text())["$defs"])


def test_every_field_is_always_there():
    """So that a reader need not ask; what is not known is null or empty."""
    schema = json.loads(schema_text())
    for definition in schema["$defs"].values():
        assert set(definition["required"]) == set(definition["properties"])


def test_a_document_reads_back_as_the_timeline():
    timeline = told(*agent_turn(1, failed=True))
    assert msgspec.json.decode(document(timeline), type=Timeline) == timeline


def test_times_are_in_utc_and_moments_say_what_they_are():
    turn = json.loads(document(told(*agent_turn(1))))["turns"][0]
    assert turn["outcome"]["started_at"] == "2025-09-24T08:00:01Z"
    assert [moment["moment"] for moment in turn["moments"]] == ["step"] * 3
    assert turn["moments"][1]["tool"]["name"] == "query_order_status"


def test_nothing_in_it_can_act_on_a_terminal_and_all_of_it_reads_back():
    text = "\x1b[31m\x9b31m\x7f\u202eevil\u2066 我 \u2028"
    raw = document(told(samples.event(TurnStarted(turn=TURN), content={"input": text})))
    assert json.loads(raw)["turns"][0]["question"]["text"] == text
    assert not set(raw) & set("\x1b\x9b\x7f\u202e\u2066\u2028")
    assert "我" in raw


def test_long_texts_are_whole():
    raw = document(told(samples.event(TurnStarted(turn=TURN), content={"input": "x" * 10_000})))
    assert "x" * 10_000 in raw


def test_a_second_document_is_the_same():
    journal = journal_of(*agent_turn(1))
    assert document(replay(journal, TURN.turn_id)) == document(replay(journal, TURN.turn_id))
