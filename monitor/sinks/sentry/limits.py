"""What Sentry asks its senders to hold back, by category, as long as the clock says. No I/O; for many threads.

Header: https://develop.sentry.dev/sdk/expected-features/rate-limiting/
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from monitor.ports import Clock

__all__ = ["RateLimits"]

_ALL = ""
_TOO_MANY = 429
_DEFAULT_S = 60.0
"""What Sentry's own clients wait after a 429 that names no time."""
_LONGEST_S = 31 * 86_400.0
_MOST_LIMITS = 64
"""A header names a handful; a longer one is a mistake."""
_MOST_CATEGORIES = 256
_SAME_S = 300.0
"""A limit that comes again so soon after it ended is still the same one."""
_SECONDS = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?", re.ASCII)


class _Limit(NamedTuple):
    since: float
    until: float


class RateLimits:
    """Until when which category is not to be sent. Of two limits the longer one holds."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._limits: dict[str, _Limit] = {}

    def learn(self, status: int, headers: Mapping[str, str], after_s: float | None) -> None:
        """Take what an answer says: also a success may name limits. `after_s` is its Retry-After, if any."""
        now = self._clock.monotonic()
        named = list(_limits(headers.get("x-sentry-rate-limits", "")))
        if not named and status == _TOO_MANY:
            named = [(_ALL, _DEFAULT_S if after_s is None else after_s)]
        with self._lock:
            for category, seconds in named:
                self._limits[category] = self._longer(category, now, now + seconds)
            self._limits = dict(list(_known(self._limits, now))[-_MOST_CATEGORIES:])

    def passed(self, category: str) -> None:
        """One of that category was taken: if a limit comes now, it is another one."""
        with self._lock:
            if self._wait_s(category) == 0:
                self._limits.pop(category, None)
                self._limits.pop(_ALL, None)

    def wait_s(self, category: str) -> float:
        """How long that category is still to be held back; 0: not at all."""
        with self._lock:
            return self._wait_s(category)

    def held_s(self, category: str) -> float:
        """For how long none of it has been taken, where it is held back now; else 0.

        Sentry names a quota that is used up as one short limit after the other.
        """
        now = self._clock.monotonic()
        with self._lock:
            holding = [limit for limit in self._of(category) if limit.until > now]
        return max((now - limit.since for limit in holding), default=0.0)

    def _wait_s(self, category: str) -> float:
        now = self._clock.monotonic()
        return max(0.0, *(limit.until - now for limit in (*self._of(category), _Limit(now, now))))

    def _of(self, category: str) -> Iterator[_Limit]:
        return (self._limits[name] for name in (category, _ALL) if name in self._limits)

    def _longer(self, category: str, now: float, until: float) -> _Limit:
        old = self._limits.get(category, _Limit(now, now))
        return _Limit(old.since, max(old.until, until))


def _known(limits: Mapping[str, _Limit], now: float) -> Iterator[tuple[str, _Limit]]:
    return ((category, limit) for category, limit in limits.items() if limit.until + _SAME_S > now)


def _limits(header: str) -> Iterator[tuple[str, float]]:
    """Category and seconds of each limit that can be read: `60:error;transaction:scope:reason, 2.5::organization`.

    What follows the categories is Sentry's own business, and what it may add there in the future is passed over.
    """
    for text in header.split(",")[:_MOST_LIMITS]:
        seconds, colon, rest = text.partition(":")
        if not colon or not _SECONDS.fullmatch(seconds.strip()):
            continue
        for category in rest.partition(":")[0].split(";")[:_MOST_LIMITS]:
            yield category.strip().lower(), min(float(seconds), _LONGEST_S)
