"""Which facts a rule looks at: Alertmanager's matchers (`tool="search"`, `!=`, `=~`, `!~`) over a fact's fields.

Pure. Not a query language: matchers are joined by "and", each looks at one field, a field that a fact lacks is ''.
Facts beside the turns are looked at only where a matcher asks for their kind (`kinds_wanted`).
Expressions match the whole value. Python's engine backtracks, so expressions whose time could explode are refused
when they are read (see `check_expression`), and only a value's first 256 characters are looked at. Rules of any
kind use this; `monitor.rules.definition` reads it from YAML.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, cast, get_args

from monitor.model import StepKind
from monitor.rules.subject import FIELDS, KINDS, Subject, fields_of

__all__ = ["FIELDS", "Matcher", "check_expression", "fields_of", "kinds_wanted", "parse_matcher"]

Operator = Literal["=", "!=", "=~", "!~"]

_LONGEST_VALUE = 256
_LONGEST_EXPRESSION = 500
_MOST_REPEATS = 3
_UNQUOTE = re.compile(r"\\(.)", re.DOTALL)
_MATCHER = re.compile(
    r"""\s*(?P<field>[A-Za-z_][A-Za-z0-9_]*)\s*(?P<operator>=~|!~|!=|=)\s*"""
    r"""(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>[^"'\s{}][^"{}]*?))\s*""",
    re.DOTALL,
)
_COUNTED = re.compile(r"\{\d*,?\d*\}")
_GROUP_START = re.compile(r"\((?:\?:|\?i:|\?s:|(?!\?))")


@dataclass(frozen=True)
class Matcher:
    """One condition on one field."""

    field: str
    operator: Operator
    value: str
    expression: re.Pattern[str] | None = None

    def matches(self, body: Subject) -> bool:
        """Whether the fact fulfils the condition."""
        return self.admits(FIELDS[self.field](body))

    def admits(self, actual: str) -> bool:
        """Whether this value of the field fulfils it."""
        if self.expression is None:
            equal = actual == self.value
        else:
            equal = self.expression.fullmatch(actual[:_LONGEST_VALUE]) is not None
        return equal != self.operator.startswith("!")

    def __str__(self) -> str:
        escaped = self.value.replace("\\", "\\\\").replace('"', '\\"')
        return f'{self.field}{self.operator}"{escaped}"'


def kinds_wanted(matchers: Iterable[Matcher]) -> frozenset[str]:
    """The kinds that these matchers look at: of steps all that they admit, others only where `=` or `=~` asks for them.

    So a rule without a word on `kind`, or with `kind!="tool"` alone, is about steps.
    """
    about = [matcher for matcher in matchers if matcher.field == "kind"]
    asked = any(not matcher.operator.startswith("!") for matcher in about)
    known = KINDS if asked else map(str, get_args(StepKind))
    return frozenset(kind for kind in known if all(matcher.admits(kind) for matcher in about))


def parse_matcher(text: str) -> Matcher:
    """Read one matcher. Raises ValueError with what is wrong and what can be written instead."""
    match = _MATCHER.fullmatch(text)
    if match is None:
        raise ValueError('not a matcher; write field="value", with one of =, !=, =~, !~')
    field, operator = match["field"], cast("Operator", match["operator"])
    if field not in FIELDS:
        raise ValueError(f"unknown field {field!r}; known: {', '.join(sorted(FIELDS))}")
    quoted = match["quoted"]
    value = _UNQUOTE.sub(_unquoted, quoted) if quoted is not None else match["bare"]
    if not operator.endswith("~"):
        return Matcher(field, operator, value)
    check_expression(value)
    return Matcher(field, operator, value, _compiled(value))


def _unquoted(match: re.Match[str]) -> str:
    """Before a quote or a backslash, a backslash goes; before anything else it stays, as it is the expression's."""
    return match[1] if match[1] in '"\\' else match[0]


def _compiled(expression: str) -> re.Pattern[str]:
    try:
        return re.compile(expression)
    except re.error as exc:
        raise ValueError(f"not a regular expression: {exc}") from exc


def check_expression(expression: str) -> None:
    """Refuse what could take more than milliseconds on 256 characters.

    That is: a repeated group which itself repeats or chooses, more than three repeats in one alternative, look-around,
    back references. What is left costs at most about 256^3 / 6 steps. Raises ValueError.
    """
    if len(expression) > _LONGEST_EXPRESSION:
        raise ValueError(f"expression longer than {_LONGEST_EXPRESSION} characters")
    _Scan(expression).run()


class _Scan:
    """One walk over an expression that counts repeats and sees which groups hold some."""

    def __init__(self, expression: str) -> None:
        self._text = expression.removeprefix("(?i)")
        self._at = 0
        self._repeats = 0
        self._groups: list[bool] = []
        """For every open group: whether it repeats or chooses something inside."""
        self._closed_risky = False
        """Whether what stands just before is a group of that sort."""

    def run(self) -> None:
        while self._at < len(self._text):
            self._one()
        if self._groups:
            raise ValueError("a group is not closed")

    def _one(self) -> None:
        char = self._text[self._at]
        if char in "*+?" or (char == "{" and _COUNTED.match(self._text, self._at)):
            self._repeat()
            return
        self._closed_risky = False
        match char:
            case "\\":
                self._escape()
            case "[":
                self._at = self._end_of_class()
            case "(":
                self._open()
            case ")":
                self._close()
            case _:
                self._choice_or_plain(char)

    def _repeat(self) -> None:
        if self._closed_risky:
            raise ValueError("a repeated group may not itself repeat or choose (its time could explode)")
        counted = _COUNTED.match(self._text, self._at)
        self._at = counted.end() if counted else self._at + 1
        if self._text[self._at : self._at + 1] in {"?", "+"}:
            self._at += 1  # lazy or possessive: the same repeat
        self._repeats += 1
        self._groups = [True] * len(self._groups)
        if self._repeats > _MOST_REPEATS:
            raise ValueError(f"more than {_MOST_REPEATS} repeats (*, +, ?, {{}}) in one alternative")

    def _escape(self) -> None:
        following = self._text[self._at + 1 : self._at + 2]
        if following.isdigit() and following != "0":
            raise ValueError("back references can't be used")
        self._at += 2

    def _end_of_class(self) -> int:
        at = self._at + 1
        at += self._text.startswith("^", at)
        at += self._text.startswith("]", at)
        while at < len(self._text) and self._text[at] != "]":
            at += 2 if self._text[at] == "\\" else 1
        return at + 1

    def _open(self) -> None:
        start = _GROUP_START.match(self._text, self._at)
        if start is None:
            raise ValueError("only plain groups, (?:...) and (?i:...) can be used")
        self._groups.append(False)
        self._at = start.end()

    def _close(self) -> None:
        if not self._groups:
            raise ValueError("a bracket closes no group")
        self._closed_risky = self._groups.pop()
        self._at += 1

    def _choice_or_plain(self, char: str) -> None:
        if char == "|":
            self._groups = [True] * len(self._groups)
            if not self._groups:
                self._repeats = 0  # alternatives are tried one after another: their costs add up, not multiply
        self._at += 1
