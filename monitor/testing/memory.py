"""What a source remembers, in a dict: for tests of sources, which then need no journal.

    page = source.read(position, limit, memory)
    memory.apply(page)

The journal in memory keeps one of these for each source. Not here: positions and events.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Mapping
from types import MappingProxyType

from monitor.ports import Page

__all__ = ["DictMemory"]

_NOTHING: Mapping[str, bytes] = MappingProxyType({})


class DictMemory:
    """Implements `monitor.ports.Memory`."""

    def __init__(self, kept: Mapping[str, bytes] = _NOTHING) -> None:
        self._kept = dict(kept)
        self._order: list[str] | None = None

    @property
    def kept(self) -> dict[str, bytes]:
        """All of it, as a copy."""
        return dict(self._kept)

    def get(self, keys: Collection[str]) -> dict[str, bytes]:
        """What is remembered under these keys."""
        return {key: self._kept[key] for key in keys if key in self._kept}

    def between(self, first: str, last: str, limit: int) -> list[tuple[str, bytes]]:
        """What is remembered under `first <= key < last`, in the order of the keys, at most `limit`."""
        if self._order is None:
            self._order = sorted(self._kept)
        start, stop = bisect_left(self._order, first), bisect_left(self._order, last)
        return [(key, self._kept[key]) for key in self._order[start : min(stop, start + max(0, limit))]]

    def apply(self, page: Page) -> None:
        """Take over what a page wants remembered and forgotten, as the journal does with its events."""
        self.keep(page.remember, page.forget)

    def keep(self, remember: Mapping[str, bytes], forget: Collection[str]) -> None:
        """Forget, then remember: a key in both is remembered."""
        for key in forget:
            self._kept.pop(key, None)
        self._kept.update(remember)
        self._order = None
