"""Texts out of rows: clean, and one spelling for one JSON value."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.normalise.text import canonical, clean, dumps, parse, parse_object, reading, short

_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, ""),
        ("", ""),
        ("订单 😀", "订单 😀"),
        ("a\x00b", "a\ufffdb"),
        ("\ud83d", "\ufffd"),
        ("\ud83d\ude00", "😀"),  # a pair that was written as two halves is one character
    ],
)
def test_clean(text, expected):
    assert clean(text) == expected


@given(st.text(alphabet=st.characters(codec=None)))
def test_what_is_clean_can_be_stored(text):
    kept = clean(text)
    assert kept.encode().decode() == kept
    assert "\x00" not in kept


def test_a_name_has_at_most_255_characters():
    assert short("x" * 300) == "x" * 255
    assert short(None) == ""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('{"b": 1, "a": "\\u8ba2\\u5355"}', '{"a":"订单","b":1}'),
        ('{"a": "\\ud83d\\ude00"}', '{"a":"😀"}'),
        ("[1,  2]\n", "[1,2]"),
        ('"\\u8ba2"', '"订"'),
    ],
)  # fmt: skip
def test_the_same_json_has_one_spelling(one, other):
    """Dify rewrites a node's payloads after its end with other spacing, escapes and order: that is no news."""
    assert canonical(one) == canonical(other) == other.strip()


@given(_json)
def test_however_python_wrote_it_its_spelling_is_the_same(value):
    spelled = {
        canonical(json.dumps(value, ensure_ascii=ascii_only, indent=indent))
        for ascii_only in (0, 1)
        for indent in (None, 2)
    }
    assert len(spelled) == 1


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("plain words", "plain words"),
        ("NaN", "NaN"),
        ("1e400", "1e400"),
        ("{broken", "{broken"),
        ('{"id": 123456789012345678901234567890}', '{"id":123456789012345678901234567890}'),
        ('{"a": NaN, "b": 1e400}', '{"a":"NaN","b":"1e400"}'),
        ('{"a": "\\ud83d"}', '{"a":"\ufffd"}'),
        ("[" * 3000, "[" * 3000),
        (None, ""),
        ("null", "null"),
    ],
)
def test_what_is_no_json_stays_and_no_number_is_lost(text, spelled):
    assert canonical(text) == spelled


@pytest.mark.parametrize("text", [None, "", "[]", "null", "5", '"x"', "{", "[" * 3000])
def test_what_is_no_object_is_an_empty_one(text):
    assert parse_object(text) == {}


def test_parse_reads_what_pythons_json_writes():
    assert parse('{"a": "line\nbreak"}') == {"a": "line\nbreak"}


def test_dumps_never_raises():
    assert dumps(object()).startswith('"<object')
    assert dumps({"b": {2: "\ud800"}}) == '{"b":{"2":"\ufffd"}}'


class _Shape(msgspec.Struct):
    a: Any = None
    b: Any = "kept"


@pytest.mark.parametrize(
    ("text", "a", "b"),
    [
        ('{"a": 1, "b": [2], "more": {"c": 3}}', 1, [2]),
        ('{"a": "\\ud83d", "n": NaN}', "\ud83d", "kept"),
        (None, None, "kept"),
        ("{}", None, "kept"),
        ("[1]", None, "kept"),
        ("{", None, "kept"),
        ("[" * 3000, None, "kept"),
    ],
)
def test_reading_takes_the_fields_that_matter_out_of_any_text(text, a, b):
    shape = reading(_Shape)(text)
    assert (shape.a, shape.b) == (a, b)
