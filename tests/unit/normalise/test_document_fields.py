"""Every name that a document can have is mapped, and no two stand in each other's way."""

from __future__ import annotations

import pytest

from monitor.model import semconv
from monitor.normalise.document_fields import ALERT_FIELDS, CONTENT, FIELDS, content_mapping, nested

_NO_FIELDS = {
    semconv.SCOPE_NAME,
    semconv.SCHEMA_URL,
    semconv.ERROR_TYPE_OTHER,
    semconv.GEN_AI_EVALUATION_RESULT,
    semconv.DIFY_STEP_ATTEMPT,
    semconv.DEPLOYMENT_ENVIRONMENT_NAME,
}
"""Names of events, values, and what the Elastic Common Schema calls otherwise."""


def test_every_attribute_has_a_type():
    """Whoever adds one to semconv.py is told here."""
    names = {value for name, value in vars(semconv).items() if name.isupper() and not name.startswith("LABEL_")}
    assert names - _NO_FIELDS - set(FIELDS) - set(CONTENT) == set()


def test_no_field_is_both_a_value_and_the_parent_of_another():
    """`flattened` fields hold whatever is below them by themselves."""
    names = {*FIELDS, *CONTENT}
    parents = {name.rpartition(".")[0] for name in names}
    above = {parent for name in parents for parent in _upwards(name)}
    assert names & above == set()


def _upwards(name):
    while name:
        yield name
        name = name.rpartition(".")[0]


def test_content_and_facts_are_apart():
    assert set(FIELDS) & set(CONTENT) == set()


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_no_type_can_refuse_a_long_text(name):
    """Lucene refuses terms of more than 32,766 bytes: what is longer than any id stays out of the index."""
    mapping = FIELDS[name]
    assert mapping["type"] not in {"keyword", "flattened"} or mapping["ignore_above"] * 4 < 32_766


def test_content_can_be_searched_only_when_asked_for():
    assert content_mapping("text") == {"type": "text"}
    assert content_mapping("unindexed") == {"type": "text", "index": False}


def test_nested_keeps_every_value():
    assert nested({"a": 1, "b.c": 2, "b.d.e": {"x.y": 3}}) == {"a": 1, "b": {"c": 2, "d": {"e": {"x.y": 3}}}}
    assert "labels" in ALERT_FIELDS
