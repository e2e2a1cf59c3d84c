"""docs/explanation/what-leaves.md says what a line has: every attribute of every record, and every kind."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from monitor.model import AnnotationMade, AnnotationRemoved, FormChanged, TriggerLogged, kind_of
from monitor.normalise.note_spans import note_record
from monitor.rules.subject import FIELDS, KINDS
from tests.support.leaving import apply
from tests.unit.noted import NOTES, changed, note

PAGE = (Path(__file__).parents[3] / "docs" / "explanation" / "what-leaves.md").read_text("utf-8")
EVERYWHERE = {"dify.tenant_id", "dify.tenant.name", "dify.app_id", "dify.app.name", "dify.app.mode"}
CONTENT = ("comment", "question", "answer", "prompt", "config", "note", "form", "name", "error", "input")
RECORDS: tuple[Any, ...] = (
    *(body for body in NOTES if note_record(note(body), {})),
    changed(TriggerLogged, status="failed", turn_id="t", error_type="quota"),
    changed(AnnotationMade, turn_id=""),
    changed(AnnotationRemoved, turn_id=""),
    changed(FormChanged, turn_id=""),
)


@pytest.mark.parametrize("body", RECORDS, ids=kind_of)
def test_every_attribute_of_a_record_is_documented(body):
    row = next(line for line in PAGE.splitlines() if line.startswith("| `dify.") and f"`dify.{kind_of(body)}`" in line)
    record = note_record(note(body), apply("full", dict.fromkeys(CONTENT, "said")))
    assert set(record.attributes) - EVERYWHERE <= set(re.findall(r"`([a-z_.]+)`", row))
    assert set(re.findall(r"`([a-z_.]+)`", PAGE)) >= EVERYWHERE


def test_every_kind_and_field_of_rules_is_documented():
    chapter = set(re.findall(r"`([a-z_]+)`", PAGE.partition("## Alerts")[2]))
    steps = {name for name, events in KINDS.items() if events == ("step_ended",)}
    assert set(KINDS) - steps <= chapter
    of_notes = {name for name in FIELDS if any(FIELDS[name](body) for body in NOTES)}
    assert of_notes <= chapter | {"kind"}
