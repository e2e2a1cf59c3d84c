"""Rules as their authors write them, and what they are told when they write them wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.errors import ConfigError
from monitor.rules import LoadedRule, consecutive, parse_rules
from monitor.rules.definition import render_text
from monitor.testing.rules import findings, story

KINDS = {"consecutive": consecutive}
SHIPPED = Path(__file__).parents[3] / "alerts" / "tools.yaml"

RULE = """\
rules:
  - name: tool_failed
    kind: consecutive
    count: 3
    where: {kind: tool}
    group_by: [app_id, tool]
    summary: "{tool} failed {value} times"
"""


def read(text: str) -> tuple[LoadedRule, ...]:
    return parse_rules(text, where="my.yaml", kinds=KINDS)


def refused(text: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        read(text)
    return caught.value


def test_a_whole_rule():
    (loaded,) = read(
        RULE
        + """\
    description: "see {app_name} {{or not}}"
    severity: page
    runbook: https://wiki.example/tools
    for: 30s
    keep_firing_for: 1h30m
    labels: {team: search}
"""
    )
    definition = loaded.definition
    assert loaded.rule.name == definition.name == "tool_failed"
    assert (definition.for_ns, definition.keep_firing_for_ns) == (30 * 10**9, 5400 * 10**9)
    assert definition.labels == {"team": "search"}
    assert definition.where == ('kind="tool"',)


def test_matchers_may_be_a_list():
    (loaded,) = read(RULE.replace("{kind: tool}", """['kind=tool', 'tool=~"query_.*"']"""))
    assert loaded.definition.where == ('kind="tool"', 'tool=~"query_.*"')
    assert findings(loaded.rule, story("FFF"))


def test_the_shipped_file():
    """Five failures in a row, by tenant, app, provider and tool; it pages."""
    (loaded,) = parse_rules(SHIPPED.read_text("utf-8"), where=str(SHIPPED), kinds=KINDS)
    assert loaded.definition.name == "tool_failed_five_times"
    assert loaded.definition.group_by == ("tenant_id", "app_id", "tool_provider", "tool")
    assert loaded.definition.where == ('kind="tool"',)
    assert {finding.verdict for finding in findings(loaded.rule, story("FFFFF")).values()} == {"holds"}
    assert {finding.verdict for finding in findings(loaded.rule, story("FFFF")).values()} == {"clear"}


@pytest.mark.parametrize(
    ("old", "new", "line", "path", "says"),
    [
        ("count: 3", "count: 0", 4, "rules[0].count", "greater than or equal to 1 (got 0). Its meaning: How many"),
        ("count: 3", "count: true", 4, "rules[0].count", "valid integer (got True)"),
        ("    count: 3\n", "", 2, "rules[0].count", "is missing. Its meaning: How many failures"),
        ("count: 3", "count: 3\n    colour: red", 5, "rules[0].colour", "no such setting (got 'red'). Settings of a rule: name,"),
        ("kind: consecutive", "kind: streak", 3, "rules[0].kind", "no such kind of rule (got 'streak'). Kinds: consecutive"),
        ("kind: consecutive", "severity: page", 2, "rules[0].kind", "is missing. Kinds: consecutive"),
        ("name: tool_failed", "name: Tool failed", 2, "rules[0].name", "(got 'Tool failed'). Its meaning: Unique, in small"),
        ("[app_id, tool]", "[app_id, user]", 6, "rules[0].group_by", "unknown field user (got ['app_id', 'user']). Known fields: app_id"),
        ("[app_id, tool]", "[tool, tool]", 6, "rules[0].group_by", "named twice"),
        ("[app_id, tool]", "[]", 6, "rules[0].group_by", "at least 1 item"),
        ("{kind: tool}", "{colour: red}", 5, "rules[0].where[0]", "unknown field 'colour'"),
        ("{kind: tool}", "\n      kind: tool\n      tool: 5", 5, "rules[0].where", "tool must equal a text"),
        ("{kind: tool}", '\n      - kind=tool\n      - tool=~"(a+)+"', 7, "rules[0].where[1]", "time could explode"),
        ("{tool} failed", "{colour} failed", 7, "rules[0].summary", "{colour} can't be filled in (got '{colour} failed {value} times'). Known are {app_id}"),
        ("{tool} failed", "{tool.__class__} failed", 7, "rules[0].summary", "{tool.__class__} can't"),
        ("{tool} failed", "{tool!r:>9} failed", 7, "rules[0].summary", "{tool!r:>9} can't"),
        ("{tool} failed", "{} failed", 7, "rules[0].summary", "{} can't be filled in"),
        ("{tool} failed", "{tool failed", 7, "rules[0].summary", "can't be read"),
        ("count: 3", "count: 3\n    for: soon", 5, "rules[0].for", "not a duration: 'soon'"),
        ("count: 3", "count: 3\n    severity: high", 5, "rules[0].severity", "'page' or 'warning' (got 'high')"),
        ("count: 3", "count: 3\n    runbook: see wiki", 5, "rules[0].runbook", "(got 'see wiki')"),
        ("count: 3", "count: 3\n    labels: {tool: x}", 5, "rules[0].labels", "the rule itself sets tool (got {'tool': 'x'})"),
        ("count: 3", "count: 3\n    count: 4", 5, "count", "written twice. Keep one of them"),
        ("rules:", "rule:", 1, "", "there are no rules in this file. Write `rules:`"),
        ("rules:", "version: 2\nrules:", 1, "version", "no such setting. Only `rules`"),
    ],
)  # fmt: skip
def test_mistakes_are_named(old: str, new: str, line: int, path: str, says: str):
    """With file, line, setting, value and what to do."""
    error = refused(RULE.replace(old, new))
    assert error.where == f"my.yaml:{line}"
    assert error.path == path
    assert error.remedy or "Value error" not in str(error)
    assert says in str(error)


@pytest.mark.parametrize("text", ["", "# nothing", "[]", "rules: 5", "rules: [5]", "rules:\n  name: x", "- a\n- b"])
def test_what_is_no_list_of_rules(text: str):
    assert "rules" in str(refused(text))


@pytest.mark.parametrize(
    "text", ["rules: [", "rules:\n\t- x", "a: b: c", "rules: &a [*b]", "rules: \x00", "!!python/object:x {}"]
)
def test_what_is_no_yaml(text: str):
    error = refused(text)
    assert error.where.startswith("my.yaml")
    assert "not YAML" in str(error)


def test_an_empty_list_is_no_mistake():
    assert read("rules: []") == ()


def test_two_rules_need_two_names():
    error = refused(RULE + RULE.removeprefix("rules:\n"))
    assert error.where == "my.yaml:8"
    assert "two rules have this name (got 'tool_failed')" in str(error)


def test_the_second_rule_is_found_on_its_line():
    error = refused(
        RULE + RULE.removeprefix("rules:\n").replace("tool_failed", "other").replace("count: 3", "count: x")
    )
    assert (error.where, error.path) == ("my.yaml:10", "rules[1].count")


def test_long_values_are_shown_by_their_beginning():
    assert len(str(refused(RULE.replace("count: 3", f"count: {'9' * 5000}x")))) < 400


@pytest.mark.parametrize(
    "new",
    ["summary: other", 'summary: "{tool} failed {value} times"\n    severity: page', "summary: x\n    for: 5m"],
)
def test_wording_and_times_do_not_begin_anew(new: str):
    """What decides whether it holds is the same, so streaks and alerts go on."""
    (before,), (after,) = read(RULE), read(RULE.replace('summary: "{tool} failed {value} times"', new))
    assert before.definition.digest == after.definition.digest


@pytest.mark.parametrize(
    ("old", "new"),
    [("count: 3", "count: 4"), ("{kind: tool}", "{kind: llm}"), ("[app_id, tool]", "[app_id]"), ("count: 3", "count: 3\n    labels: {a: b}")],
)  # fmt: skip
def test_another_condition_begins_anew(old: str, new: str):
    (before,), (after,) = read(RULE), read(RULE.replace(old, new))
    assert before.definition.digest != after.definition.digest


def test_values_are_put_in_as_they_are():
    """A tool that is called like a template stays a name."""
    assert render_text("{{{tool}}} {value}", {"tool": "{value}{0}", "value": "5"}) == "{{value}{0}} 5"
