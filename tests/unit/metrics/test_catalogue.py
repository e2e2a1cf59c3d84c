from __future__ import annotations

import math
from typing import get_args

import pytest

from monitor.metrics.catalogue import APP_LABELS, CATALOGUE, OWN_CATALOGUE, Definition, reference_markdown
from monitor.model import Status, TurnStatus

EVERY = (*CATALOGUE, *OWN_CATALOGUE)
BY_NAME = {each.name: each for each in EVERY}
TOOLS = BY_NAME["dify_tool_calls_total"]


def test_every_name_is_there_once():
    assert len(BY_NAME) == len(EVERY)


@pytest.mark.parametrize("definition", EVERY, ids=lambda each: each.name)
def test_names_follow_the_rules(definition: Definition):
    """Prefix and suffix say whose it is and what it is; promtool checks the rest."""
    assert definition.name.startswith("dify_monitor_" if definition in OWN_CATALOGUE else "dify_")
    assert definition.name.endswith("_total") == (definition.type == "counter")
    assert definition.name.endswith("_info") == (definition.type == "info")
    assert definition.help.endswith(".")
    assert bool(definition.buckets) == (definition.type == "histogram")
    assert list(definition.buckets) == sorted(set(definition.buckets))
    assert len(set(definition.labels)) == len(definition.labels)
    assert set(definition.closed) <= set(definition.labels)


@pytest.mark.parametrize("definition", CATALOGUE, ids=lambda each: each.name)
def test_everything_about_dify_has_tenant_and_app(definition: Definition):
    """But for what belongs to a workspace: its name, and documents, whose dataset serves any number of apps."""
    no_app = {"dify_workspace_info", "dify_indexing_changes_total"}
    owner = APP_LABELS[:1] if definition.name in no_app else APP_LABELS
    assert definition.owner == len(owner)
    assert definition.labels[: definition.owner] == owner


def test_statuses_are_the_models():
    assert BY_NAME["dify_turns_total"].closed["status"] == get_args(TurnStatus)
    assert TOOLS.closed["status"] == get_args(Status)


def test_buckets_in_shown_units():
    turns = BY_NAME["dify_turn_duration_seconds"].upper_bounds()
    calls = BY_NAME["dify_llm_call_duration_seconds"].upper_bounds()
    assert (turns[0], turns[1], turns[-2], turns[-1]) == (0.1, 0.2, 409.6, math.inf)
    assert (calls[0], calls[1], calls[-2], calls[-1]) == (0.01, 0.02, 81.92, math.inf)


def test_a_group_is_the_label_set_without_closed_labels():
    assert TOOLS.group(("t", "a", "p", "search", "failed")) == ("t", "a", "p", "search")


def test_folding_spares_closed_labels_and_what_is_kept():
    labels = ("t", "a", "p", "search", "failed")
    assert TOOLS.fold(labels, keep=APP_LABELS) == ("t", "a", "other", "other", "failed")
    assert TOOLS.fold(labels, keep=()) == ("other", "other", "other", "other", "failed")


def test_siblings_differ_in_the_closed_label_only():
    siblings = list(TOOLS.siblings(("t", "a", "p", "search", "failed")))
    assert [each[-1] for each in siblings] == list(get_args(Status))
    assert {each[:-1] for each in siblings} == {("t", "a", "p", "search")}


class TestReference:
    def test_names_every_metric_with_its_help(self):
        text = reference_markdown()
        for each in EVERY:
            assert f"| `{each.name}` | {each.type} |" in text
            assert each.help in text

    def test_is_markdown_that_a_linter_takes(self):
        text = reference_markdown()
        assert text.endswith("\n")
        assert not text.endswith("\n\n")
        assert not any(line != line.rstrip() for line in text.splitlines())
        assert "\n\n\n" not in text
