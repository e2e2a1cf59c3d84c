"""Patterns of the configuration, by RE2: linear time whatever the pattern, and it says where a match stands.

One search of RE2 is linear in what is left of the text, but a text may hold many matches, each found only after a look
far ahead. So a search looks no further than `_WINDOW_BYTES`: a match that is longer is masked piece by piece.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from monitor.normalise.redact.detector import Need, Seen, Span

__all__ = ["ByUser", "why_refused"]

_WINDOW_BYTES = 1024
_LONGEST_MATCH_BYTES = 1024
_MEMORY_BYTES = 4 * 1024 * 1024
"""Of a pattern and what it remembers while it searches; RE2 refuses patterns that need more."""


class ByUser:
    """One pattern and its mask."""

    needs: Need = "anything"

    def __init__(self, pattern: str, mask: str) -> None:
        """Raises ValueError where RE2 does not take the pattern."""
        self.mask = mask
        self._pattern = _compiled(pattern)

    def find(self, seen: Seen) -> Iterator[Span]:
        """Every match that is not empty."""
        raw = seen.text.encode("utf-8", "surrogatepass")
        place = chars = 0
        for start, end in self._matches(raw):
            first = chars + _chars(raw, place, start)
            chars = first + _chars(raw, start, end)
            place = end
            yield first, chars

    def _matches(self, raw: bytes) -> Iterator[Span]:
        """Byte positions of the matches, window by window."""
        last = 0
        for window in range(0, len(raw), _WINDOW_BYTES):
            limit = window + _WINDOW_BYTES
            for match in self._pattern.finditer(raw, max(window, last), min(len(raw), limit + _LONGEST_MATCH_BYTES)):
                start, end = match.span()
                if start >= limit:
                    break
                if end > start:
                    last = end
                    yield start, end


def why_refused(pattern: str) -> str:
    """What RE2 says against the pattern; '' where it takes it. A pattern that fits an empty text is refused, too."""
    try:
        found = _compiled(pattern).search(b"")
    except ValueError as exc:
        return str(exc)
    return "it fits an empty text, so it would stand everywhere" if found else ""


def _compiled(pattern: str) -> Any:
    import re2  # noqa: PLC0415 - only for those who have patterns

    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY_BYTES
    try:
        return re2.compile(pattern, options)
    except re2.error as exc:
        said = exc.args[0] if exc.args else ""
        raise ValueError(said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)) from None


def _chars(raw: bytes, start: int, end: int) -> int:
    """How many characters so many bytes are: all bytes but those that continue one."""
    return len(raw[start:end].decode("utf-8", "surrogatepass"))
