"""Patterns that call a success a failure."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from monitor.normalise.soft import LOOKED_AT_CHARS, NO_SOFT_FAILURES, Soft, SoftFailure


def _soft(pattern="code", tool="*"):
    return Soft([SoftFailure(tool=tool, pattern=pattern)])


@pytest.mark.parametrize(
    ("pattern", "output", "found"),
    [
        (r'"code":\s*4\d\d', '{"code":404}', True),
        (r'"code":\s*4\d\d', '{"code":200}', False),
        (r'"success":\s*false', json.dumps({"body": '{"success": false}'}), True),  # JSON in a text in JSON
        (r'\\"success\\"', json.dumps({"body": '{"success": false}'}), True),
        ("(?i)not found", "Order NOT FOUND", True),
        ("^没有", "没有找到订单", True),
        ("x", "", False),
    ],
)
def test_a_pattern_is_looked_for_anywhere_in_the_output(pattern, output, found):
    assert _soft(pattern).matches("tool", "query_order", output) == found


@pytest.mark.parametrize(
    ("kind", "glob", "name", "covered"),
    [
        ("tool", "*", "query_order", True),
        ("http", "*", "Call the shop", True),
        ("tool", "query_*", "query_order", True),
        ("tool", "query_*", "Query_order", False),
        ("tool", "order", "query_order", False),
        ("node", "*", "Answer", False),  # repeats what the tool before it has said
        ("node", "Parse*", "Parse the answer", True),
        ("llm", "*", "gpt", False),
        ("llm", "gpt", "gpt", False),
        ("retrieval", "*", "dataset", False),
        ("agent", "Helper", "Helper", False),
    ],
)
def test_which_steps_a_pattern_is_about(kind, glob, name, covered):
    assert _soft(tool=glob).matches(kind, name, "code") == covered


def test_any_of_several_patterns_is_enough():
    soft = Soft([SoftFailure(tool="a", pattern="never"), SoftFailure(tool="b", pattern="boom")])
    assert soft.matches("tool", "b", "boom")
    assert not soft.matches("tool", "a", "boom")
    assert not NO_SOFT_FAILURES.matches("tool", "a", "boom")


def test_only_the_beginning_of_an_output_is_looked_at():
    assert _soft("end").matches("tool", "t", "x" * (LOOKED_AT_CHARS - 3) + "end")
    assert not _soft("end").matches("tool", "t", "x" * (LOOKED_AT_CHARS - 2) + "end")


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa)+$", "(.*)*x", "a.*a.*a.*a.*a.*b"])
def test_no_pattern_can_hang(pattern):
    """Engines that go back and forth would need hours for these."""
    assert not _soft(pattern).matches("tool", "t", "a" * 9_000 + "!")


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("(", "no regular expression: unclosed group"),
        ("(?=x)", "look-around"),
        (r"(a)\1", "backreferences are not supported"),
        (r"\d{1000}{1000}", "size limit"),
        ("", "every answer"),
        ("x" * 2_001, "at most 2000 characters"),
    ],
)
def test_a_pattern_that_cant_be_used_is_refused_in_plain_words(pattern, says):
    with pytest.raises(ValidationError) as refused:
        SoftFailure(pattern=pattern)
    (error,) = refused.value.errors()
    assert says in error["msg"]
    assert "\n" not in error["msg"]


def test_only_known_settings_are_taken_and_none_can_be_changed():
    with pytest.raises(ValidationError):
        SoftFailure(pattern="x", tools="*")
    with pytest.raises(ValidationError):
        SoftFailure(pattern="x", tool="")
    with pytest.raises(ValidationError):
        SoftFailure(pattern="x").pattern = "y"


@given(pattern=st.text(max_size=12), output=st.text(max_size=40))
def test_any_pattern_is_refused_or_works(pattern, output):
    try:
        soft = Soft([SoftFailure(pattern=pattern)])
    except ValidationError:
        return
    assert soft.matches("tool", "t", output) in {True, False}
