"""Envelopes to the other side: several at once, limits obeyed, and told of each what became of it. Keeps nothing back.

Limits that Sentry names are obeyed by waiting: the caller is told to come again. Only transactions do not hold the
failures behind them up for long: where Sentry has taken none for `PATIENCE_S`, or says that it will take none for so
long, that is a quota and no moment's overload, and they are left out.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, NamedTuple, Protocol

from monitor.errors import Auth, MonitorError, Permanent, Retryable, TooLarge
from monitor.ports import Clock
from monitor.sinks.sentry.envelope import Envelope
from monitor.sinks.sentry.limits import RateLimits

__all__ = ["ERROR", "PATIENCE_S", "TRANSACTION", "Delivery", "Fate", "Transport"]

ERROR, TRANSACTION = "error", "transaction"
PATIENCE_S = 600.0


class Transport(Protocol):
    """How envelopes travel."""

    limits: RateLimits
    """What the answers so far have asked for."""
    lanes: int
    """How many envelopes may be on their way at once."""

    def post(self, envelope: Envelope) -> None:
        """Send one and await the answer. Raises Retryable, TooLarge, Permanent or Auth."""
        ...

    def close(self) -> None:
        """Let go of connections; safe twice and before use."""
        ...


class Fate(NamedTuple):
    """What became of an envelope."""

    outcome: Literal["taken", "left_out", "refused", "stopped", "untried"]
    error: MonitorError | None = None


class Delivery:
    """Sends envelopes over one transport. For one caller at a time."""

    def __init__(self, transport: Transport, clock: Clock) -> None:
        self._transport, self._clock = transport, clock
        self._threads: ThreadPoolExecutor | None = None

    def deliver(self, envelopes: Sequence[Envelope], end: float) -> list[Fate]:
        """The fate of each, in their order; after the first one that stops, or after `end`, no other is begun."""
        stop = threading.Event()
        if self._transport.lanes == 1 or len(envelopes) == 1:
            return [self._one(envelope, end, stop) for envelope in envelopes]
        return list(self._pool().map(lambda envelope: self._one(envelope, end, stop), envelopes))

    def close(self) -> None:
        """End the threads; safe twice and before use. A later delivery has new ones."""
        if self._threads is not None:
            self._threads.shutdown()
            self._threads = None

    def _pool(self) -> ThreadPoolExecutor:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self._transport.lanes, thread_name_prefix="sentry")
        return self._threads

    def _one(self, envelope: Envelope, end: float, stop: threading.Event) -> Fate:
        if stop.is_set():
            return Fate("untried")
        if self._clock.monotonic() > end:
            stop.set()
            slow = Retryable("one request after another took long; the rest follows", reason="slow", after_s=0.0)
            return Fate("stopped", slow)
        try:
            return Fate("taken" if self._sent(envelope) else "left_out")
        except (TooLarge, Permanent) as exc:
            return Fate("refused", exc)
        except (Retryable, Auth) as exc:
            stop.set()
            return Fate("stopped", exc)

    def _sent(self, envelope: Envelope) -> bool:
        """Send it; False where Sentry takes none of its kind for long. Raises what the port says."""
        if self._hopeless(envelope):
            return False
        wait_s = self._transport.limits.wait_s(envelope.category)
        if wait_s:
            raise Retryable(
                f"Sentry takes no {envelope.category} for {wait_s:.0f} s", reason="rate_limited", after_s=wait_s
            )
        try:
            self._transport.post(envelope)
        except Retryable as exc:
            if exc.reason == "rate_limited" and self._hopeless(envelope):
                return False
            raise
        return True

    def _hopeless(self, envelope: Envelope) -> bool:
        limits = self._transport.limits
        if envelope.category != TRANSACTION or limits.wait_s(ERROR):
            return False
        return limits.wait_s(TRANSACTION) > PATIENCE_S or limits.held_s(TRANSACTION) > PATIENCE_S
