"""Words and patterns of the configuration."""

from __future__ import annotations

import random
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.model import MaskPattern, Redaction
from monitor.normalise.redact import why_refused
from monitor.normalise.redact.masks import Masks


def masks(*words: str, **patterns: str) -> Masks:
    """`mask=pattern` for each pattern."""
    listed = tuple(MaskPattern(pattern, f"[{mask}]") for mask, pattern in patterns.items())
    return Masks(Redaction(words=words, patterns=listed))


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Ann saw ANN and anna, Annual", "[name] saw [name] and anna, Annual"),
        ("在示例公司工作，示例公", "在[name]工作，示例公"),
        ("示例公司北京分部", "[name]"),  # the longest word wins
        ("Ann李 and 李Ann", "[name]李 and 李[name]"),
        (r"\u793a\u4f8b\u516c\u53f8", "[name]"),
        ("İx Ann", "İx [name]"),  # a letter that has two in lower case moves nothing
    ],
)
def test_words(text, masked):
    assert masks("ann", "示例公司", "示例公司北京分部").of(text) == masked


@given(st.lists(st.text("ab世", min_size=2, max_size=4), min_size=1, max_size=30), st.text("ab世 ", max_size=60))
def test_words_are_found_as_a_plain_search_finds_them(words, text):
    """Of Latin letters only whole ones; so beside a letter a word that could stand there is none."""
    masked = masks(*words).of(text)
    left = "".join(char if char == "世" else " " if char == " " else "x" for char in masked.replace("[name]", " "))
    assert not any(set(word) == {"世"} and word in left for word in words)
    assert masks(*words).of(masked) == masked


def calls(work) -> int:
    """How many functions were called: what is done, however fast."""
    count = 0

    def counting(frame, event, argument):
        nonlocal count
        count += event in {"call", "c_call"}

    sys.setprofile(counting)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def test_a_thousand_words_are_no_more_work_than_ten():
    rng = random.Random(1)
    many = ["".join(rng.choices("abcdefgh", k=6)) for _ in range(1000)]
    text = " ".join(rng.choices("abcdefgh", k=1)[0] * 3 for _ in range(2000))
    few, lots = masks(*many[:10]), masks(*many)
    assert calls(lambda: lots.of(text)) < 4 * calls(lambda: few.of(text)) + 40_000


def test_patterns_go_before_everything_else():
    own = masks(contract="HT-[0-9]+", staff="工号[0-9]+")
    assert own.of("合同HT-13812345678，工号13812345678，13812345678") == "合同[contract]，[staff]，[phone]"
    assert own.of(own.of("HT-1")) == "[contract]"


def test_a_pattern_sees_what_stands_around():
    """Anchors mean the text and not some window of it, and places count in characters."""
    own = masks(x=r"\bcode[0-9]\b|^开头")
    assert (
        own.of("开头 开头 code1 xcode1 世界" + "长" * 3000 + " code2")
        == "[x] 开头 [x] xcode1 世界" + "长" * 3000 + " [x]"
    )


def test_a_long_match_is_masked_in_pieces():
    own = masks(x="a[b]+")
    masked = own.of("a" + "b" * 10_000 + "c")
    assert masked.endswith("c")
    assert masked.count("b") < 10_000
    assert own.of("-".join(["abbb"] * 3000)) == "-".join(["[x]"] * 3000)


@pytest.mark.parametrize("pattern", [".*[^A-Z]|[A-Z]", "(a|aa)+$|b", "(a*)*c|a", "[A-Za-z]+[0-9]|A"])
def test_the_worst_patterns_end(pattern):
    """With a search that looks ahead to the text's end for each match these would take hours."""
    own = masks(x=pattern)
    own.of("A" * 30_000)
    own.of("a" * 30_000)


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("(?=x)y", "invalid perl operator: (?="),
        (r"(a)\1", "invalid escape sequence"),
        ("(", "missing )"),
        ("x*", "fits an empty text"),
        ("(?:a{1000}){1000}", "re"),
        ("(?:[a-z]{100}[0-9]{100}){9}" * 300, "pattern too large"),
    ],
)
def test_what_re2_does_not_take_is_told(pattern, said):
    assert said in why_refused(pattern)
    assert why_refused("合同[0-9]+") == ""
