"""So that a text which is JSON stays JSON: what is masked outside of its strings is masked whole, and in quotes.

A number such as `{"phone": 13812345678}` is no string, and a mask without quotes would end the JSON there. Called by
`masks.py` for the places it found.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import cached_property

import msgspec

__all__ = ["JsonValues"]

_STRING = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\Z)', re.DOTALL)
_BARE_BEFORE = re.compile(r"[^\s,:\[\]{}\"]{0,64}\Z")
_BARE_AFTER = re.compile(r"[^\s,:\[\]{}\"]{0,64}")
_NEAR = 64
_JSON_AROUND = 12


class JsonValues:
    """The values of one text. What it needs is worked out when it is first asked for."""

    def __init__(self, text: str) -> None:
        self._text = text

    def fitted(self, start: int, end: int, mask: str) -> tuple[int, int, str]:
        """Where the mask goes, and how it is written there."""
        if not self._is_json:
            return start, end, f'"{mask}"' if self._looks_bare(start, end) else mask
        if self._in_string(start):
            return start, end, mask
        first = start - len(_last(_BARE_BEFORE, self._text, start))
        after = _BARE_AFTER.match(self._text, end)
        return first, after.end() if after else end, f'"{mask}"'

    @cached_property
    def _is_json(self) -> bool:
        if self._text.lstrip()[:1] not in {"{", "["}:
            return False
        try:
            msgspec.json.decode(self._text, type=msgspec.Raw)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return False
        return True

    @cached_property
    def _strings(self) -> tuple[list[int], list[int]]:
        spans = [match.span() for match in _STRING.finditer(self._text)]
        return [start for start, _ in spans], [end for _, end in spans]

    def _in_string(self, place: int) -> bool:
        starts, ends = self._strings
        known = bisect_right(starts, place) - 1
        return known >= 0 and starts[known] < place < ends[known]

    def _looks_bare(self, start: int, end: int) -> bool:
        """Whether a number in a text that is no JSON as a whole stands like a value in a piece of it."""
        if not self._text[end - 1].isdigit():
            return False
        before = self._text[max(0, start - _JSON_AROUND) : start].rstrip()
        after = self._text[end : end + _JSON_AROUND].lstrip()
        return before.endswith('":') and not before.endswith('\\":') and after.startswith((",", "}"))


def _last(pattern: re.Pattern[str], text: str, end: int) -> str:
    match = pattern.search(text, max(0, end - _NEAR), end)
    return match[0] if match else ""
