from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.model import Recorded, StepEnded, Tool
from monitor.rules.matcher import FIELDS, check_expression, fields_of, parse_matcher
from monitor.testing.rules import told
from monitor.testing.samples import llm_step, node_step, recorded, turn_ref, turn_started


def _body(fact: Recorded) -> StepEnded:
    assert isinstance(fact.event.body, StepEnded)
    return fact.event.body


CALL = _body(told("failed", 1))


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ('tool="query_order_status"', True),
        ("tool=query_order_status", True),
        (' tool = "query_order_status" ', True),
        ('tool="query"', False),
        ('tool!="query"', True),
        ('tool!="query_order_status"', False),
        ('tool=~"query_.*"', True),
        ('tool=~"query"', False),
        ('tool=~"get|query_order_status"', True),
        ('tool!~"query_.*"', False),
        ('tool!~"query"', True),
        (r'tool=~"query\w+"', True),
        (r'tool=~"query\\w+"', True),
        ('tool=~"(?i)QUERY_.*"', True),
        ('kind="tool"', True),
        ('status="failed"', True),
        ('error_type="tool_invoke_error"', True),
        ('tool_provider_type="api"', True),
        ('mode=~"agent-chat|advanced-chat"', True),
        ('app_name="客服 Agent"', True),
        ('node_type=""', True),
        ('node_type!="code"', True),
        ('model_name=~".+"', False),
    ],
)
def test_one_condition_on_one_field(text: str, matches: bool):
    """Expressions match the whole value; a field that the step lacks is ''."""
    assert parse_matcher(text).matches(CALL) is matches


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not a matcher"),
        ("tool", "not a matcher"),
        ('tool=="x"', "not a matcher"),
        ('tool="x" and kind="tool"', "not a matcher"),
        ('tool="x', "not a matcher"),
        ('{tool="x"}', "not a matcher"),
        ('colour="red"', "unknown field 'colour'; known: app_id"),
        ('tool=~"("', "group is not closed"),
        ('tool=~")"', "closes no group"),
        ('tool=~"["', "not a regular expression"),
        ('tool=~"*"', "not a regular expression"),
    ],
)
def test_what_can_not_be_read_is_refused(text: str, says: str):
    with pytest.raises(ValueError, match=re.escape(says)):
        parse_matcher(text)


@pytest.mark.parametrize(
    "expression",
    [
        "(a+)+",
        "(a*)*b",
        "(a|ab)*",
        "((a+)b)+",
        "((a|b))+",
        "(?:x+){2,}",
        "([a-z]+)*",
        "(a?){50}",
        "(a{1,9}){1,9}",
        ".*.*.*.*x",
        "a?a?a?a?aaaa",
        r"(a)\1",
        "(?=a).*",
        "(?!a).*",
        "(?P<x>a)",
        "(?#c)a",
        "a" * 501,
    ],
)
def test_expressions_that_could_run_for_ever_are_refused(expression: str):
    with pytest.raises(ValueError):
        check_expression(expression)


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "a|b|c",
        "google_.*|bing_.*|serp_.*|baidu_.*",
        "(google|bing|serp|baidu)_.*",
        "(?:a|b)c+",
        "(abc)+",
        "[*+?(){}|]{3}",
        "[]a]+",
        "[^]a]*",
        r"\(.*\)",
        r"a\+\+\+\+\+",
        ".*?x",
        ".*+x",
        "(?i)order.*",
        "x{2}",
        "{",
    ],
)
def test_everyday_expressions_are_taken(expression: str):
    check_expression(expression)
    re.compile(expression)


@settings(deadline=None)
@given(st.text(alphabet="ab.*+?(|)[]{}1,\\^", max_size=14))
def test_no_accepted_expression_runs_for_ever(expression: str):
    """Whatever passes the check comes back on the longest value that is looked at."""
    try:
        check_expression(expression)
        compiled = re.compile(expression)
    except (ValueError, re.error, FutureWarning, DeprecationWarning):
        return
    for value in ("a" * 255 + "!", "ab" * 127 + "!"):
        compiled.fullmatch(value)


def test_long_values_are_cut_before_an_expression_sees_them():
    call = told("failed", 1, tool=Tool(name="a" * 300))
    assert parse_matcher('tool=~"a{256}"').matches(_body(call))


def test_text_of_a_matcher_reads_back():
    for text in (r'tool=~"a\\d\"x\".*"', 'tool!="a b"', "kind=tool"):
        once = parse_matcher(text)
        assert parse_matcher(str(once)) == once


def test_invented_tools_are_one_tool():
    """A model invents endless names: as a label they are all `other`."""
    fact = told("failed", 1, tool=Tool(name="made_up_4711", known=False))
    assert fields_of(fact)["tool"] == "other"


def test_every_field_of_every_step_is_a_text():
    for step in (llm_step(), node_step()):
        values = fields_of(recorded(StepEnded(turn=turn_ref(), step=step)))
        assert set(values) == set(FIELDS)
        assert all(isinstance(value, str) for value in values.values())
    assert fields_of(recorded(turn_started())) == {}
