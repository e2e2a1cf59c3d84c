"""Where facts go: one module for each type of sink. Each exposes `Config` and `build(config, tools)`, nothing more."""

from __future__ import annotations

__all__: list[str] = []
