"""Words of the configuration, such as the names of the house's customers: any number of them in one walk.

What is looked up at each place depends on the words' lengths and never on how many they are: a place where a word can
begin is found by its first two characters, then each length that words with this beginning have is tried once.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

from monitor.normalise.redact.detector import Need, Seen, Span

__all__ = ["LONGEST_WORD", "SHORTEST_WORD", "Words"]

SHORTEST_WORD, LONGEST_WORD = 2, 100
"""In characters."""

_ASCII_WORD = re.compile(r"[A-Za-z0-9_]")


class Words:
    """Finds them whatever their case; a word of Latin letters only whole, a Chinese one anywhere."""

    mask = "[name]"
    needs: Need = "anything"

    def __init__(self, words: Iterable[str]) -> None:
        self._words = frozenset(folded for word in words if (folded := word.lower()))
        lengths: defaultdict[str, set[int]] = defaultdict(set)
        for word in self._words:
            lengths[word[:SHORTEST_WORD]].add(len(word))
        self._lengths = {start: tuple(sorted(found, reverse=True)) for start, found in lengths.items()}
        firsts, seconds = ("".join(sorted({start[place] for start in lengths})) for place in (0, 1))
        self._start = re.compile(f"[{re.escape(firsts)}](?=[{re.escape(seconds)}])") if lengths else None

    def find(self, seen: Seen) -> Iterator[Span]:
        """The longest word at each place."""
        if self._start is None:
            return
        folded = seen.lower
        last = 0
        for match in self._start.finditer(folded):
            start = match.start()
            if start >= last and (end := self._end(folded, start)):
                last = end
                yield start, end

    def _end(self, text: str, start: int) -> int:
        for length in self._lengths.get(text[start : start + SHORTEST_WORD], ()):
            end = start + length
            if end <= len(text) and text[start:end] in self._words and _is_whole(text, start, end):
                return end
        return 0


def _is_whole(text: str, start: int, end: int) -> bool:
    """Whether no Latin letter or digit goes on before or behind one of the word's own."""
    if start and _ASCII_WORD.match(text[start]) and _ASCII_WORD.match(text[start - 1]):
        return False
    return not (end < len(text) and _ASCII_WORD.match(text[end - 1]) and _ASCII_WORD.match(text[end]))
