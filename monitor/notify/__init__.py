"""Channels to people: one module for each, and `render`, which puts a notification into words.

A channel says a thing once or raises what follows; `monitor.runtime.courier` decides what is said and when again.
"""

from __future__ import annotations

__all__: list[str] = []
