"""What `since:` means: a date, a time, or how long ago. Pure; called by the source and its diagnosis."""

from __future__ import annotations

from datetime import UTC, datetime

from monitor.model.units import duration_ns

__all__ = ["since_us"]

_NS_US = 1_000


def since_us(since: str, now_ns: int) -> int:
    """Microseconds since 1970 UTC; 0 where nothing is said. Raises ValueError for what is none of the three."""
    if not since:
        return 0
    try:
        moment = datetime.fromisoformat(since)
    except ValueError:
        return max(0, now_ns - duration_ns(since)) // _NS_US
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(aware.timestamp() * 1_000_000)
