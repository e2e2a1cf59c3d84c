"""What every detector of the masking is: it says where in a text something stands that must not leave.

Laws, tested for all of them in tests/unit/normalise/redact: the spans come in order and do not overlap; work is linear
in the text; nothing is raised; a mask is never found to be something. `masks.py` is what asks them.

Most texts hold nothing of a kind, and that is to be found out fast: patterns begin with characters that the search can
skip to (lookbehinds come after them), words are looked for in the text in lower case instead of in any case, and where
none of a detector's hints stands in the text, it does not look any further. What a detector needs at least is asked
once for all of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, Protocol

__all__ = ["AFTER_CUE", "ByPattern", "Detector", "Need", "Seen", "Span"]

Need = Literal["anything", "han", "latin", "long word", "number"]
"""What must stand in a text for a detector to look at it at all."""

Span = tuple[int, int]
"""Where it begins, and where it has ended."""

_NUMBER_WORD = r"(?:号码?|號碼?|#|(?i:no|num|number)(?![A-Za-z])\.?)"
_IS = (
    r"(?:(?:设置?|改)?[是为為成]了?|"
    r"(?i:is|was)(?![A-Za-z])(?i: (?:set|changed|reset) to(?![A-Za-z])| now(?![A-Za-z]))?)"
)
AFTER_CUE = (
    r"""["'\\]{0,4}\s{0,4}"""
    rf"(?:{_NUMBER_WORD}\s{{0,2}}(?:{_IS}\s{{0,2}}[:=：]{{0,2}}|[:=：]{{1,2}})?|{_IS}\s{{0,2}}[:=：]{{0,2}}|[:=：]{{1,2}})"
    r"""\s{0,4}["'\\]{0,4}"""
)
"""Between a word such as `phone` or `密码` and its value: quotes, `number`, `is` or 是, colons, equals signs."""

_NUMBER = re.compile(r"[0-9](?:.{0,3}?[0-9]){3}")
_LONG_WORD = re.compile(r"[A-Za-z0-9_.+/=-]{14}")
_LATIN = re.compile(r"[A-Za-z]")


class Seen:
    """A text as it is looked at, and what several detectors ask about it."""

    __slots__ = ("has", "lower", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.lower = _lowered(text)
        """In lower case, each character where it was."""
        self.has: frozenset[Need] = frozenset(_needs_met(text))
        """What stands in it; masks bring nothing new."""

    def replaced(self, text: str) -> None:
        """Look at the text with some masks more."""
        self.text = text
        self.lower = _lowered(text)


class Detector(Protocol):
    """One kind of thing that is masked."""

    mask: str
    """What stands there instead, such as `[email]`."""
    needs: Need
    """What there must be for it to be asked; a number is four digits near each other, a long word one of 14 letters."""

    def find(self, seen: Seen) -> Iterable[Span]:
        """Where such things stand."""
        ...


class ByPattern:
    """A detector that is one pattern: what its first group (where it has one, else the whole) matches is masked."""

    def __init__(
        self, mask: str, pattern: re.Pattern[str], *hints: str, needs: Need = "anything", lower: bool = False
    ) -> None:
        """`lower`: the pattern is to be tried on the text in lower case."""
        self.mask = mask
        self.needs: Need = needs
        self._pattern, self._hints, self._lower = pattern, hints, lower
        self._group = min(pattern.groups, 1)

    def find(self, seen: Seen) -> Sequence[Span]:
        """Every match, where one of the hints is in the lower-cased text (or there are none)."""
        lower = seen.lower
        for hint in self._hints:
            if hint in lower:
                break
        else:
            if self._hints:
                return ()
        text = lower if self._lower else seen.text
        return [match.span(self._group) for match in self._pattern.finditer(text)]


def _needs_met(text: str) -> Iterator[Need]:
    yield "anything"
    if not text.isascii():
        yield "han"
    if _LATIN.search(text):
        yield "latin"
    if _LONG_WORD.search(text):
        yield "long word"
    if _NUMBER.search(text):
        yield "number"


def _lowered(text: str) -> str:
    """In lower case and as long as it was: a few letters have two in lower case, and those stay as they are."""
    lower = text.lower()
    if len(lower) == len(text):
        return lower
    return "".join(low if len(low := char.lower()) == 1 else char for char in text)
