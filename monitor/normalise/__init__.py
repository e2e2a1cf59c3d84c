"""Pure functions from Dify's rows to events, and from events to spans and measures. No I/O, nothing raises on bad rows.

`rows` (what sources hand over), `turns` (the way in), `thoughts`, `nodes`, `graph` (its parts), `text`, `values`,
`failure`, `scrub` (cleaning); `spans`, `measures`, `redact` (the way out).
"""

from __future__ import annotations

__all__: list[str] = []
