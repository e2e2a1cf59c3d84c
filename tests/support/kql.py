"""As much of Kibana's query language as our objects use, read and made into Elasticsearch's queries.

or := and ("or" and)*        and := not ("and" not)*        not := "not"? test
test := "(" or ")" | field ":" (value | "(" value ("or" value)* ")") | field (">" | ">=" | "<" | "<=") value
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

__all__ = ["Comparison", "comparisons", "query"]

_TOKEN = re.compile(r'\s*("(?:[^"\\]|\\.)*"|[()]|:|[<>]=?|[^\s():<>"]+)')
_COMPARISONS = {">": "gt", ">=": "gte", "<": "lt", "<=": "lte"}


@dataclass(frozen=True)
class Comparison:
    """One field, and what it is compared with."""

    field: str
    relation: str
    values: tuple[str, ...]


def query(text: str) -> dict[str, Any]:
    """Elasticsearch's query for the text; everything for an empty one. Raises ValueError."""
    return _made(_read(text)) if text.strip() else {"match_all": {}}


def comparisons(text: str) -> list[Comparison]:
    """Every comparison in the text."""
    return list(_leaves(_read(text))) if text.strip() else []


def _leaves(node: Any) -> Iterator[Comparison]:
    if isinstance(node, Comparison):
        yield node
    else:
        for each in node[1]:
            yield from _leaves(each)


def _made(node: Any) -> dict[str, Any]:
    if isinstance(node, Comparison):
        return _compared(node)
    kind, parts = node
    made = [_made(each) for each in parts]
    if kind == "or":
        return {"bool": {"should": made, "minimum_should_match": 1}}
    return {"bool": {"filter" if kind == "and" else "must_not": made}}


def _compared(test: Comparison) -> dict[str, Any]:
    if test.relation in _COMPARISONS:
        return {"range": {test.field: {_COMPARISONS[test.relation]: test.values[0]}}}
    made = [_equal(test.field, value) for value in test.values]
    return made[0] if len(made) == 1 else {"bool": {"should": made, "minimum_should_match": 1}}


def _equal(field: str, value: str) -> dict[str, Any]:
    if value == "*":
        return {"exists": {"field": field}}
    if value.startswith('"'):
        return {"match_phrase": {field: value[1:-1].replace('\\"', '"')}}
    return {"match": {field: value}}


def _read(text: str) -> Any:
    tokens, at = [], 0
    while text[at:].strip():
        found = _TOKEN.match(text, at)
        if not found:
            raise ValueError(f"can't be read at {at}: {text}")
        tokens.append(found[1])
        at = found.end()
    reader = _Reader(tokens)
    node = reader.either()
    if reader.left:
        raise ValueError(f"{reader.left} is left of {text}")
    return node


class _Reader:
    def __init__(self, tokens: list[str]) -> None:
        self.left = tokens

    def either(self) -> Any:
        parts = [self.all()]
        while self._next("or"):
            parts.append(self.all())
        return parts[0] if len(parts) == 1 else ("or", parts)

    def all(self) -> Any:
        parts = [self.negated()]
        while self._next("and"):
            parts.append(self.negated())
        return parts[0] if len(parts) == 1 else ("and", parts)

    def negated(self) -> Any:
        return ("not", [self.one()]) if self._next("not") else self.one()

    def one(self) -> Any:
        if self._next("("):
            node = self.either()
            self._must(")")
            return node
        field, relation = self._take(), self._take()
        if relation not in {":", *_COMPARISONS}:
            raise ValueError(f"{field} {relation} is no comparison")
        return Comparison(field, relation, tuple(self._values()))

    def _values(self) -> Iterator[str]:
        if not self._next("("):
            yield self._take()
            return
        yield self._take()
        while self._next("or"):
            yield self._take()
        self._must(")")

    def _next(self, word: str) -> bool:
        if self.left and self.left[0].lower() == word:
            self.left = self.left[1:]
            return True
        return False

    def _must(self, word: str) -> None:
        if not self._next(word):
            raise ValueError(f"{word} is missing before {self.left}")

    def _take(self) -> str:
        if not self.left:
            raise ValueError("it ends too early")
        token, self.left = self.left[0], self.left[1:]
        return token
