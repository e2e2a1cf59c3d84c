"""The hash of a configuration: the same for the same settings, however Dify spells them."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from monitor.normalise.config_hash import APP_CONFIG_COLUMNS, WORKFLOW_COLUMNS, config_hash

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(st.text(max_size=5), values, max_size=4)


@given(objects, st.booleans(), st.sampled_from([None, 1]))
def test_the_spelling_of_json_does_not_matter(value, ascii_only, indent):
    turned = dict(reversed(value.items()))
    first = json.dumps(value)
    second = json.dumps(turned, ensure_ascii=ascii_only, indent=indent)
    assert config_hash({"model": first}) == config_hash({"model": second})


@given(st.lists(objects, min_size=2, max_size=2, unique_by=lambda value: json.dumps(value, sort_keys=True)))
def test_what_a_person_changes_changes_it(pair):
    one, other = (json.dumps(value) for value in pair)
    assert config_hash({"model": one}) != config_hash({"model": other})
    assert config_hash({"model": one}) != config_hash({"agent_mode": one})


@given(st.dictionaries(st.sampled_from(APP_CONFIG_COLUMNS), st.none() | st.text(max_size=9)))
def test_a_column_that_is_absent_null_or_empty_is_the_same(columns):
    """So an update of Dify that brings a new column changes no hash."""
    filled = dict.fromkeys(APP_CONFIG_COLUMNS) | columns
    assert config_hash(filled) == config_hash({name: text for name, text in columns.items() if text})
    assert config_hash(columns | {"created_at": "2026-01-01", "id": "x"}) == config_hash(columns)


@given(st.text(min_size=1))
def test_any_text_has_a_hash_of_16_digits(text):
    for column in (*APP_CONFIG_COLUMNS, *WORKFLOW_COLUMNS):
        found = config_hash({column: text})
        assert len(found) == 16
        assert int(found, 16) >= 0


def test_a_prompt_is_text_and_never_json():
    assert config_hash({"pre_prompt": "[1, 2]"}) != config_hash({"pre_prompt": "[1,2]"})
    assert config_hash({"model": "[1, 2]"}) == config_hash({"model": "[1,2]"})


def test_nothing_has_no_hash():
    assert config_hash({}) == config_hash({"graph": None, "features": ""}) == ""


def test_looking_at_a_workflow_in_the_editor_changes_nothing_but_changing_it_does():
    """The editor saves where nodes are drawn, which is selected, and the part of the canvas that one sees."""
    node = {"id": "n", "data": {"type": "llm", "title": "LLM", "selected": False}, "position": {"x": 1, "y": 2}}
    looked_at = node | {"position": {"x": 9, "y": 9}, "selected": True, "width": 244}
    looked_at["data"] = node["data"] | {"selected": True}
    before = config_hash({"graph": json.dumps({"nodes": [node], "edges": [], "viewport": {"zoom": 1}})})
    after = config_hash({"graph": json.dumps({"nodes": [looked_at], "edges": [], "viewport": {"zoom": 2}})})
    assert before == after
    renamed = node | {"data": node["data"] | {"title": "Model"}}
    assert config_hash({"graph": json.dumps({"nodes": [renamed], "edges": []})}) != before


@given(st.text())
def test_a_graph_that_is_none_is_hashed_as_it_is(text):
    assert config_hash({"graph": json.dumps({"nodes": text, "edges": [text, 1, None, {"data": text}]})})
