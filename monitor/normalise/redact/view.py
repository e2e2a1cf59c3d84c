r"""A text as detectors look at it: escapes of JSON and addresses as what they stand for, full-width digits as digits.

Much of what Dify keeps is JSON in ASCII: `\u7535\u8bdd` hides a cue, `\n` hides where a number begins, and Chinese
keyboards write `１３８` and `＠`. Detectors see plain characters; what leaves is the text as it was, with masks in it,
so each place of the view leads back to one of the text. Called by `masks.py`.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple

__all__ = ["View", "look"]

# Backslashes (one, or more in JSON inside of JSON) before a line break, a tab, or a run of \uXXXX. Escaped control
# characters, quotation marks and backslashes stay: they are the text's structure.
_ESCAPES = re.compile(
    r"(?<!\\)(\\{1,8}+)(?:[nrt]|u(?!00[01]|0022|005[cC])[0-9a-fA-F]{4}"
    r"(?:\1u(?!00[01]|0022|005[cC])[0-9a-fA-F]{4})*+)"
    # Of addresses: a space, @ + / : = and Chinese characters; the rest is structure, too.
    r"|%(?:40|20|2[BbFf]|3[AaDd])|(?:%[eE][0-9a-fA-F](?:%[89aAbB][0-9a-fA-F]){2})++"
)
_PERCENT_CHARS = 9
"""Of a Chinese character in an address."""
_WIDE = re.compile("[０-９Ａ-Ｚａ-ｚ＠＋－．＿]")
_NARROW = {wide: wide - 0xFEE0 for wide in map(ord, "＠＋－．＿")}
_NARROW |= {
    wide: wide - 0xFEE0 for first, last in ("０９", "ＡＺ", "ａｚ") for wide in range(ord(first), ord(last) + 1)
}
_SHORT = {"n": "\n", "r": "\r", "t": "\t"}


class _Run(NamedTuple):
    """Characters of the view that stand for more of the text, each for equally many."""

    start: int
    end: int
    origin: int
    unit: int


class View(NamedTuple):
    """What is looked at, and where that stands in the text."""

    text: str
    runs: Sequence[_Run] = ()
    starts: Sequence[int] = ()

    def origin(self, place: int) -> int:
        """The place in the text that a place between two characters of the view stands for."""
        known = bisect_right(self.starts, place) - 1
        if known < 0:
            return place
        run = self.runs[known]
        inside = min(place, run.end) - run.start
        return run.origin + inside * run.unit + max(0, place - run.end)


def look(text: str) -> View:
    """The view of a text. Linear in it."""
    view = _unescaped(text) if "\\" in text or "%" in text else View(text)
    if view.text.isascii() or not _WIDE.search(view.text):
        return view
    return view._replace(text=view.text.translate(_NARROW))


def _unescaped(text: str) -> View:
    pieces: list[str] = []
    runs: list[_Run] = []
    done = length = 0
    for start, end, plain, unit in _escapes(text):
        pieces += (text[done:start], plain)
        begin = length + start - done
        length = begin + len(plain)
        runs.append(_Run(begin, length, start, unit))
        done = end
    if not runs:
        return View(text)
    return View("".join((*pieces, text[done:])), runs, [run.start for run in runs])


def _escapes(text: str) -> Iterator[tuple[int, int, str, int]]:
    """Each run of escapes: where it stands, what it says, and how long one of it is."""
    for match in _ESCAPES.finditer(text):
        if match[1] is None:
            plain = bytes.fromhex(match[0].replace("%", "")).decode("utf-8", "ignore")
            unit = min(_PERCENT_CHARS, len(match[0]))
            if len(plain) * unit == len(match[0]):
                yield match.start(), match.end(), plain, unit
            continue
        lead = len(match[1])
        written = match[0]
        if written[lead] != "u":
            yield match.start(), match.end(), _SHORT[written[lead]], lead + 1
            continue
        unit = lead + 5
        codes = [written[at + lead + 1 : at + unit] for at in range(0, len(written), unit)]
        yield match.start(), match.end(), "".join([chr(int(code, 16)) for code in codes]), unit
