"""Wakes consumers when the journal grows, so that they need not ask again and again. Called by sqlite.py."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

__all__ = ["Bell"]

_LOOK_S = 0.25
"""How soon a `stop` that was set without ringing is noticed, and growth by another process."""


class Bell:
    """One bell for all who wait."""

    def __init__(self, head: Callable[[], int]) -> None:
        self._head, self._condition = head, threading.Condition()

    def wait(self, seen: int, stop: threading.Event, seconds: float) -> None:
        """Wait until `head() > seen`, `stop`, a ring, or the seconds are over."""
        left = seconds
        with self._condition:
            while left > 0 and not stop.is_set() and self._head() <= seen:
                look = min(left, _LOOK_S)
                if self._condition.wait(look):
                    return
                left -= look

    def ring(self) -> None:
        """Wake everyone."""
        with self.ringing():
            pass

    @contextlib.contextmanager
    def ringing(self) -> Iterator[None]:
        """Change what `head` says inside, then wake everyone: nobody can miss it in between."""
        with self._condition:
            yield
            self._condition.notify_all()
