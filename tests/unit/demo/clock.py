"""A clock in the tests' hands."""

from __future__ import annotations

import threading


class HandClock:
    """Goes only when somebody waits, and then at once."""

    def __init__(self, now_ns: int = 1_800_000_000_123_456_789) -> None:
        self.time_ns = now_ns
        self.waits: list[float] = []

    def now_ns(self) -> int:
        return self.time_ns

    def monotonic(self) -> float:
        return self.time_ns / 1e9

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        self.waits.append(seconds)
        self.time_ns += round(seconds * 1e9)
        return stop.is_set()
