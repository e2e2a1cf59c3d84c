"""A clock that goes only while somebody waits: however long the work takes, the story's times are the same."""

from __future__ import annotations

import threading

from monitor.ports import Clock

__all__ = ["StoryClock"]

_NS = 1_000_000_000


class StoryClock:
    """Implements `monitor.ports.Clock`. For one thread."""

    def __init__(self, base: Clock, start_ns: int, speed: float) -> None:
        """`speed`: how many seconds pass here in one of the base clock's; infinity where waits are to take no time."""
        self._base, self._now_ns, self._speed = base, start_ns, speed

    def now_ns(self) -> int:
        """Nanoseconds since 1970 UTC, by the story."""
        return self._now_ns

    def monotonic(self) -> float:
        """Seconds that never go back: the base clock's, so that what is measured is true."""
        return self._base.monotonic()

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        """Wait for the part that the speed leaves; True when stopped."""
        self._now_ns += round(seconds * _NS)
        return self._base.wait(stop, seconds / self._speed)
