"""The reader of Kibana's query language that tests of our dashboards rely on."""

from __future__ import annotations

import pytest

from tests.support.kql import Comparison, comparisons, query


def test_not_binds_closest_then_and_then_or():
    a, b, c = ({"match": {name: "1"}} for name in "abc")
    assert query("a : 1 or not b : 1 and c : 1") == {
        "bool": {
            "should": [a, {"bool": {"filter": [{"bool": {"must_not": [b]}}, c]}}],
            "minimum_should_match": 1,
        }
    }
    assert query("(a : 1 or b : 1) and c : 1")["bool"]["filter"][1] == c


def test_values_and_comparisons():
    assert query('a.b : "x and y"') == {"match_phrase": {"a.b": "x and y"}}
    assert query("a : *") == {"exists": {"field": "a"}}
    assert query("a >= 3") == {"range": {"a": {"gte": "3"}}}
    assert query("") == {"match_all": {}}
    assert comparisons('a : ("x" or "y") and not b > 1') == [
        Comparison("a", ":", ('"x"', '"y"')),
        Comparison("b", ">", ("1",)),
    ]


@pytest.mark.parametrize("text", ["a", "a :", "a : 1 b", "(a : 1", "a = 1", "and", 'a : "x', "a : (1 or 2"])
def test_what_is_none_is_refused(text):
    with pytest.raises(ValueError, match=r".+"):
        query(text)
