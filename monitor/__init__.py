"""`monitor`, the observability sidecar for Dify.

Rooms, from the bottom up: `model` (nouns), `ports` (every socket), `normalise` (rows to events to spans),
`journal` (the one store), `sources`, `sinks`, `rules`, `notify`, `metrics`, `replay` (adapters and folds),
`server`, `runtime` (the only room that knows everybody), `cli`. docs/explanation/house.md draws the map.
"""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
