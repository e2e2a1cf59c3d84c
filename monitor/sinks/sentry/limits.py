"""What Sentry asks its senders to hold back, by category, as long as the clock says. No I/O.

Header: https://develop.sentry.dev/sdk/expected-features/rate-limiting/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from monitor.ports import Clock

__all__ = ["RateLimits"]

_ALL = ""
_TOO_MANY = 429
_DEFAULT_S = 60.0
"""What Sentry's own clients wait after a 429 that names no time."""
_LONGEST_S = 31 * 86_400.0
_MOST_LIMITS = 64
"""A header names a handful; a longer one is a mistake."""


class RateLimits:
    """Until when which category is not to be sent. Later limits replace earlier ones of the same category."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until: dict[str, float] = {}

    def learn(self, status: int, headers: Mapping[str, str], after_s: float | None) -> None:
        """Take what an answer says: also a success may name limits. `after_s` is its Retry-After, if any."""
        now = self._clock.monotonic()
        named = list(_limits(headers.get("x-sentry-rate-limits", "")))
        if not named and status == _TOO_MANY:
            named = [(_ALL, _DEFAULT_S if after_s is None else after_s)]
        for category, seconds in named:
            self._until[category] = now + seconds
        self._until = {category: until for category, until in self._until.items() if until > now}

    def wait_s(self, category: str) -> float:
        """How long that category is still to be held back; 0: not at all."""
        now = self._clock.monotonic()
        return max(0.0, *(self._until.get(name, now) - now for name in (category, _ALL)))


def _limits(header: str) -> Iterator[tuple[str, float]]:
    """Category and seconds of each limit that can be read: `60:error;transaction:scope:reason, 2700::organization`."""
    for text in header.split(",")[:_MOST_LIMITS]:
        seconds, colon, rest = text.strip().partition(":")
        if not colon or not (seconds.isascii() and seconds.isdigit()):
            continue
        for category in rest.partition(":")[0].split(";")[:_MOST_LIMITS]:
            yield category.strip().lower(), min(float(seconds[:10]), _LONGEST_S)
