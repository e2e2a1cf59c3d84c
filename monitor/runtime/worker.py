"""The shape that all workers share: do a little, say how it went, never loop or wait themselves.

The supervisor holds the loop. Evaluator, couriers and shippers are workers.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from monitor.errors import MonitorError

__all__ = ["Outcome", "Worker"]


class Outcome(msgspec.Struct, frozen=True):
    """What became of one step of a worker, and when the next one makes sense.

    `progressed`: at once. Else `retry_in_s`: not before that, whatever arrives. Else: when the journal grows, but no
    later than `due_in_s`.
    """

    progressed: bool = False
    retry_in_s: float | None = None
    """Something is in the way; trying earlier is useless or rude."""
    due_in_s: float | None = None
    """Something becomes due by time alone; None when only a new event can bring work."""
    error: MonitorError | None = None
    """What is in the way."""


class Worker(Protocol):
    """What a supervisor can run."""

    name: str

    def step(self) -> Outcome:
        """Do at most one batch of work. Errors that it can't name are left to the supervisor."""
        ...
