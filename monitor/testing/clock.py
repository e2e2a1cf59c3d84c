"""A clock under the test's hand. Implements `monitor.ports.Clock`; waiting moves it and takes no time."""

from __future__ import annotations

import threading

__all__ = ["HandClock"]

_S = 1_000_000_000


class HandClock:
    """Stands still until it is moved; `waits` are the seconds that somebody asked to wait for."""

    def __init__(self, now_ns: int = 1_800_000_000 * _S) -> None:
        self._now_ns = now_ns
        self._steady_s = 0.0
        self.waits: list[float] = []

    def now_ns(self) -> int:
        """The wall clock."""
        return self._now_ns

    def monotonic(self) -> float:
        """The steady clock."""
        return self._steady_s

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        """The seconds are over at once."""
        self.waits.append(seconds)
        self.move(seconds)
        return stop.is_set()

    def move(self, seconds: float) -> None:
        """Let both clocks run on."""
        self._now_ns += round(seconds * _S)
        self._steady_s += seconds

    def set_wall(self, now_ns: int) -> None:
        """Somebody sets the wall clock; the steady one does not notice."""
        self._now_ns = now_ns
