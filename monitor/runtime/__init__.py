"""The only room that knows everybody: the registry of adapters, the wiring, the workers and their supervisor.

Nothing is gathered here on import; callers name the module they want (`monitor.runtime.wiring`), so that a command
pays only for what it uses.
"""

from __future__ import annotations

__all__: list[str] = []
