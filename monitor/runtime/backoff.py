"""How long to wait before trying again. Pure: the random number and what the other side asked for are handed in.

Exponential with full jitter: the wait is spread evenly between nothing and a ceiling that doubles, so that many
who were refused together do not come back together. Shippers and couriers use it; adapters never retry.
"""

from __future__ import annotations

import math
from collections.abc import Callable

__all__ = ["AUTH_RETRY_S", "delay_s"]

AUTH_RETRY_S = 60.0
"""How long to wait after credentials were refused: only a person can repair that."""

_FIRST_S = 1.0
_CAP_S = 60.0
_LONGEST_NAMED_S = 3600.0
_MOST_DOUBLINGS = 16


def delay_s(attempt: int, random: Callable[[], float], after_s: float | None = None) -> float:
    """Seconds to wait after the `attempt`th failure in a row (1 is the first); at most a minute.

    `random` gives numbers from 0 up to 1. `after_s` is what the other side asked for: never less than that is waited,
    be it more than a minute, but no more than an hour; what is not a sensible number is ignored.
    """
    doublings = min(max(attempt - 1, 0), _MOST_DOUBLINGS)
    jittered = random() * min(_CAP_S, _FIRST_S * 2.0**doublings)
    if after_s is None or not math.isfinite(after_s) or after_s <= 0:
        return jittered
    return max(jittered, min(after_s, _LONGEST_NAMED_S))
