"""The only place that asks for the time or waits. Everything else is handed a Clock, so that tests own time."""

from __future__ import annotations

import threading
import time

__all__ = ["SystemClock"]


class SystemClock:
    """The machine's clock. Implements `monitor.ports.Clock`."""

    def now_ns(self) -> int:
        """Nanoseconds since 1970-01-01 UTC, by the wall clock (may jump)."""
        return time.time_ns()

    def monotonic(self) -> float:
        """Seconds that never go back, from an arbitrary start."""
        return time.monotonic()

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        """Wait until `stop` is set or the seconds are over; True when stopped."""
        return stop.wait(max(0.0, seconds))
