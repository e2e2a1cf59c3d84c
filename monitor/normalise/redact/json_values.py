"""So that a text which is JSON stays JSON: what is masked outside of its strings is masked whole, and in quotes.

A number such as `{"phone": 13812345678}` is no string, and a mask without quotes would end the JSON there. In JSON that
is a string of other JSON, the quotes have as many backslashes as those around them. Called by `masks.py` for the places
it found.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import cached_property

import msgspec

from monitor.normalise.redact.detector import Span

__all__ = ["JsonValues"]

_STRING = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\Z)', re.DOTALL)
_BARE_BEFORE = re.compile(r"[^\s,:\[\]{}\"]{0,64}\Z")
_BARE_AFTER = re.compile(r"[^\s,:\[\]{}\"]{0,64}")
_INNER_BEFORE = re.compile(r"[-+.0-9eE]{0,64}\Z")
_INNER_AFTER = re.compile(r"[-+.0-9eE]{0,64}")
_KEY_BEFORE = re.compile(r'(\\*+)":\Z')
_NEAR = 64
_JSON_AROUND = 16
_DEEPEST = 3
"""Of JSON in JSON: there a quotation mark has seven backslashes."""


class JsonValues:
    """The values of one text. What it needs is worked out when it is first asked for."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._known: dict[tuple[int, int], tuple[list[int], list[int]] | None] = {}

    def fitted(self, start: int, end: int, mask: str) -> tuple[int, int, str]:
        """Where the mask goes, and how it is written there."""
        if not self._is_json:
            mark = self._mark_around(start, end)
            return start, end, f"{mark}{mask}{mark}"
        inside = _within(self._strings, start)
        if inside is not None:
            return self._fitted_inside(start, end, mask, inside)
        first = start - len(_last(_BARE_BEFORE, self._text, start))
        after = _BARE_AFTER.match(self._text, end)
        return first, after.end() if after else end, f'"{mask}"'

    @cached_property
    def _is_json(self) -> bool:
        return _is_json(self._text)

    @cached_property
    def _strings(self) -> tuple[list[int], list[int]]:
        spans = [match.span() for match in _STRING.finditer(self._text)]
        return [start for start, _ in spans], [end for _, end in spans]

    def _fitted_inside(self, start: int, end: int, mask: str, inside: Span) -> tuple[int, int, str]:
        """The same in a string: where that is JSON itself and the place is in none of its strings, in its quotes."""
        for depth in range(1, _DEEPEST + 1):
            strings = self._strings_inside(inside, depth)
            if strings is None:
                break
            deeper = _within(strings, start)
            if deeper is None:
                mark = "\\" * (2**depth - 1) + '"'
                first = start - len(_last(_INNER_BEFORE, self._text, start))
                after = _INNER_AFTER.match(self._text, end)
                return first, after.end() if after else end, f"{mark}{mask}{mark}"
            inside = deeper
        return start, end, mask

    def _strings_inside(self, inside: Span, depth: int) -> tuple[list[int], list[int]] | None:
        """Those of the JSON that the string's content is; None where it is none."""
        if inside not in self._known:
            self._known[inside] = self._read_inside(inside, depth)
        return self._known[inside]

    def _read_inside(self, inside: Span, depth: int) -> tuple[list[int], list[int]] | None:
        start, end = inside
        lead = 2 ** (depth - 1)
        content = self._text[start + lead : end - lead]
        for _ in range(depth):
            content = _unquoted(content)
        if not _is_json(content):
            return None
        marks = re.compile(rf'(?<!\\)\\{{{2 * lead - 1}}}"')
        places = [match.span() for match in marks.finditer(self._text, start + lead, end - lead)]
        return [first for first, _ in places[::2]], [last for _, last in places[1::2]]

    def _mark_around(self, start: int, end: int) -> str:
        """The quotes that a number needs which stands like a value in a piece of JSON, in a text that is none."""
        if not self._text[end - 1].isdigit():
            return ""
        before = self._text[max(0, start - _JSON_AROUND) : start].rstrip()
        after = self._text[end : end + _JSON_AROUND].lstrip()
        match = _KEY_BEFORE.search(before)
        return f'{match[1]}"' if match and after.startswith((",", "}")) else ""


def _within(strings: tuple[list[int], list[int]], place: int) -> Span | None:
    """The string that a place is in."""
    starts, ends = strings
    known = bisect_right(starts, place) - 1
    if known < 0 or known >= len(ends) or not starts[known] < place < ends[known]:
        return None
    return starts[known], ends[known]


def _unquoted(content: str) -> str:
    """What a string of JSON says; '' where it is none."""
    try:
        return msgspec.json.decode(f'"{content}"', type=str)
    except (msgspec.DecodeError, UnicodeError):
        return ""


def _is_json(text: str) -> bool:
    if text.lstrip()[:1] not in {"{", "["}:
        return False
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False
    return True


def _last(pattern: re.Pattern[str], text: str, end: int) -> str:
    match = pattern.search(text, max(0, end - _NEAR), end)
    return match[0] if match else ""
