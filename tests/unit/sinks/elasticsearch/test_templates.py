"""What is installed: names, order, and that a change is seen."""

from __future__ import annotations

import pytest

from monitor.normalise.document_fields import CONTENT, FIELDS
from monitor.sinks.elasticsearch import Config
from monitor.sinks.elasticsearch.templates import VERSION, mappings, resources, role, setup_role


def config(**settings):
    return Config(type="elasticsearch", **settings)


def by_name(**settings):
    return {each.name: each for each in resources(config(**settings))}


def leaves(properties, before=""):
    for name, node in properties.items():
        if "properties" in node:
            assert node["dynamic"] is False
            yield from leaves(node["properties"], f"{before}{name}.")
        else:
            yield f"{before}{name}", node


def test_what_is_needed_comes_first():
    assert [(each.kind, each.name) for each in resources(config(prefix="acme"))] == [
        ("policy", "acme-lifecycle"),
        ("component", "acme-settings"),
        ("component", "acme-mappings"),
        ("template", "acme-turns"),
        ("template", "acme-steps"),
        ("template", "acme-notes"),
        ("template", "acme-alerts"),
    ]


def test_the_mapping_has_every_field_and_takes_no_other():
    found = mappings(config())
    assert found["dynamic"] is False
    assert set(dict(leaves(found["properties"]))) == {*FIELDS, *CONTENT}
    assert len(FIELDS) + len(CONTENT) < 500, "Elasticsearch's default limit is 1,000, objects between included"


def test_an_index_template_covers_its_months_and_gives_the_alias():
    body = by_name()["dify-steps"].body
    assert body["index_patterns"] == ["dify-steps-*"]
    assert body["template"] == {"aliases": {"dify-steps": {}}}
    assert body["composed_of"] == ["dify-settings", "dify-mappings"]
    assert body["version"] == body["_meta"]["version"] == VERSION


def test_nothing_in_the_lifecycle_keeps_late_facts_out():
    """Neither read-only nor shrunk nor force-merged; deleted only when a retention is set."""
    policy = by_name()["dify-lifecycle"].body["policy"]
    assert {action for phase in policy["phases"].values() for action in phase["actions"]} == {"set_priority"}
    kept = by_name(retention="90d")["dify-lifecycle"].body["policy"]
    assert kept["phases"]["delete"] == {"min_age": "7776000s", "actions": {"delete": {}}}


@pytest.mark.parametrize(
    ("settings", "changed"),
    [
        ({"shards": 2}, {"dify-settings"}),
        ({"replicas": 0}, {"dify-settings"}),
        ({"retention": "90d"}, {"dify-lifecycle"}),
        ({"content_index": "text"}, {"dify-mappings"}),
        ({"timeout_s": 5, "content": "full", "labels": {"a": "b"}}, set()),
    ],
)
def test_a_digest_changes_with_what_it_stands_for(settings, changed):
    """A template's with all that it is composed of: the sink may see templates alone."""
    before, after = by_name(), by_name(**settings)
    templates = {name for name in before if before[name].kind == "template"} if changed else set()
    assert {name for name in before if before[name].digest != after[name].digest} == changed | templates


def test_roles_name_only_our_indices():
    names = ["acme-turns-*", "acme-steps-*", "acme-notes-*", "acme-alerts-*"]
    for found in (role(config(prefix="acme")), setup_role(config(prefix="acme"))):
        assert found["indices"][0]["names"] == names
    assert role(config())["cluster"] == ["monitor"]
