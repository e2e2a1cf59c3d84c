"""One place that facts come from per module. None knows another, the journal or the configuration."""

from __future__ import annotations

__all__: list[str] = []
