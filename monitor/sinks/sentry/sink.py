"""The `sentry` sink itself: parts to envelopes, one request for each, its answer awaited.

Sentry takes one event a request, so a window of events is many requests. What was already taken when one of them fails
is not sent again at the next try. A request that is refused for good is parked by itself, and the others go on.

Limits that Sentry names are obeyed by waiting: the cursor stands still and nothing is lost. Only transactions do not
hold the failures behind them up for long: where Sentry will take none for more than `_PATIENCE_S`, which is a quota and
no moment's overload, they are left out and counted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from monitor.errors import Permanent, Retryable, TooLarge
from monitor.model import Recorded
from monitor.normalise.redact import Leaving
from monitor.ports import RejectedEvent, Report, Tools
from monitor.sinks.sentry.encoding import Encoder
from monitor.sinks.sentry.envelope import Envelope, json_bytes, listed, member
from monitor.sinks.sentry.heartbeat import Heartbeat
from monitor.sinks.sentry.limits import RateLimits
from monitor.sinks.sentry.memory import Memory, read_memory
from monitor.sinks.sentry.parts import Part, unpack
from monitor.sinks.sentry.settings import Config
from monitor.sinks.sentry.wire import Wire

__all__ = ["SentrySink", "Transport", "build"]

_ERROR, _TRANSACTION = "error", "transaction"
_PATIENCE_S = 600.0
_WINDOW_S = 60.0
"""How long one window of requests may take before the rest is left to the next."""
_ALIVE = Envelope(seq=0, category="internal", event_id="", item="client_report", payload=b'{"discarded_events":[]}')
"""Passes all that an event must pass, and is kept nowhere."""
_LEFT_OUT = "as configured (`max_age`, `sample`, `transaction_rate`), or because Sentry's quota is used up"
_KINDS = {
    "failures": frozenset({"step_ended", "turn_ended"}),
    "transactions": frozenset({"step_ended", "turn_ended"}),
    "alerts": frozenset({"alert_changed"}),
}


class Transport(Protocol):
    """How envelopes travel."""

    limits: RateLimits
    """What the answers so far have asked for."""

    def post(self, envelope: Envelope) -> None:
        """Send one and await the answer. Raises Retryable, TooLarge, Permanent or Auth."""
        ...

    def close(self) -> None:
        """Let go of connections; safe twice and before use."""
        ...


class SentrySink:
    """Implements `monitor.ports.Sink`."""

    max_events = 200
    max_bytes = 4 * 1024 * 1024

    def __init__(self, config: Config, tools: Tools, transport: Transport) -> None:
        """Raises ConfigError where the certificate's file can't be read."""
        self.name = config.label
        self.kinds: Collection[str] = frozenset().union(*(_KINDS[what] for what in config.what))
        leaving = Leaving(config.label, config.content, tools.redaction)
        self.wants_content = leaving.wants_content
        self.heartbeat = Heartbeat(config, tools) if config.heartbeat else None
        """For the runtime's scheduler; None where none is wanted."""
        self._encoder = Encoder(config, leaving)
        self._wire = transport
        self._max_age_ns = config.max_age_ns
        self._clock, self._logger = tools.clock, tools.logger
        self._state = ""
        self._taken: set[str] = set()

    @property
    def left_out(self) -> Mapping[str, int]:
        """How much was not sent since the sink first started, by why: `sampled`, `too_old`, `rate_limited`."""
        return dict(read_memory(self._state).left_out)

    def resume(self, state: str) -> str:
        """Take up the memory of open turns where it was committed last."""
        self._state = read_memory(state).text() if state else ""
        return self._state

    def encode(self, recorded: Recorded) -> bytes:
        """The fact's part."""
        return self._encoder.encode(recorded)

    def send(self, parts: Sequence[bytes], seqs: Sequence[int]) -> Report:
        """Send what the parts give, in their order. The report's state is the memory after them."""
        window = _Window(read_memory(self._state), self._clock.monotonic() + _WINDOW_S)
        pairs = [(unpack(part), seq) for part, seq in zip(parts, seqs, strict=True) if part]
        envelopes = list(self._planned(window, pairs))
        for envelope in envelopes:
            self._deliver(window, envelope, alone=len(envelopes) == 1)
        self._taken -= {envelope.event_id for envelope in envelopes}
        self._state = window.memory.text()
        if window.left:
            self._logger.info("sink_left_out", action=_LEFT_OUT, total=dict(window.memory.left_out))
        accepted = len(set(seqs) - window.unsent)
        return Report(
            accepted=accepted,
            rejected=tuple(window.rejected),
            left_out=len(window.left - window.sent),
            state=self._state,
        )

    def check(self) -> None:
        """Send an empty report, which Sentry checks like an event; raises as `send` does."""
        self._wire.post(_ALIVE)

    def close(self) -> None:
        """Let go of the connections."""
        self._wire.close()
        if self.heartbeat is not None:
            self.heartbeat.close()

    def _planned(self, window: _Window, pairs: Sequence[tuple[Part, int]]) -> Iterator[Envelope]:
        """What is to be sent, while the memory learns fact by fact."""
        oldest, memory = self._clock.now_ns() - self._max_age_ns, window.memory
        memory.forget_before(oldest)
        for part, seq in pairs:
            window.leave_out(seq, "sampled", part.sampled)
            if part.at >= oldest:
                yield from _envelopes(window, part, seq)
            else:
                window.leave_out(seq, "too_old", bool(part.event) + bool(part.transaction))
            if part.ends or part.at >= oldest:
                memory.learn(part)

    def _deliver(self, window: _Window, envelope: Envelope, *, alone: bool) -> None:
        """Send it and note what became of it. Raises what the port says, but for a refusal of one among several."""
        if envelope.event_id in self._taken:
            window.sent.add(envelope.seq)
            return
        if self._clock.monotonic() > window.end:
            raise Retryable("one request after another took long; the rest follows", reason="slow", after_s=0.0)
        try:
            if self._sent(envelope):
                self._taken.add(envelope.event_id)
                window.sent.add(envelope.seq)
            else:
                window.leave_out(envelope.seq, "rate_limited")
        except (TooLarge, Permanent) as exc:
            if alone:
                raise
            window.rejected.append(RejectedEvent(seq=envelope.seq, reason=_reason(exc), detail=str(exc)))

    def _sent(self, envelope: Envelope) -> bool:
        """Send it; False where Sentry takes none of its kind for long. Raises what the port says."""
        if self._hopeless(envelope):
            return False
        wait_s = self._wire.limits.wait_s(envelope.category)
        if wait_s:
            raise Retryable(
                f"Sentry takes no {envelope.category} for {wait_s:.0f} s", reason="rate_limited", after_s=wait_s
            )
        try:
            self._wire.post(envelope)
        except Retryable as exc:
            if exc.reason == "rate_limited" and self._hopeless(envelope):
                return False
            raise
        return True

    def _hopeless(self, envelope: Envelope) -> bool:
        limits = self._wire.limits
        return (
            envelope.category == _TRANSACTION
            and limits.wait_s(_TRANSACTION) > _PATIENCE_S
            and not limits.wait_s(_ERROR)
        )


@dataclass
class _Window:
    """One window of facts on its way: the memory as it will be, and what became of each fact."""

    memory: Memory
    end: float
    """When the clock's seconds say that it took too long."""
    rejected: list[RejectedEvent] = field(default_factory=list)
    left: set[int] = field(default_factory=set)
    sent: set[int] = field(default_factory=set)

    @property
    def unsent(self) -> set[int]:
        """The facts that were refused, or left out whole."""
        return {each.seq for each in self.rejected} | (self.left - self.sent)

    def leave_out(self, seq: int, why: str, count: int = 1) -> None:
        """Count so many items of a fact that are not sent because of the configuration, or of Sentry's limits."""
        if count:
            self.memory.leave_out(why, count)
            self.left.add(seq)


def _envelopes(window: _Window, part: Part, seq: int) -> Iterator[Envelope]:
    memory = window.memory
    if part.event:
        if memory.admits(part):
            crumbs = memory.crumbs(part)
            event = member(part.event, "breadcrumbs", b'{"values":' + listed(crumbs) + b"}") if crumbs else part.event
            yield Envelope(seq=seq, category=_ERROR, event_id=part.event_id, item="event", payload=event)
        else:
            window.leave_out(seq, "sampled")
    if part.transaction:
        spans = memory.spans(part)
        whole = member(part.transaction, "spans", listed(spans))
        if missing := max(0, part.steps - len(spans)):
            whole = member(whole, "extra", json_bytes({"dify.steps_missing": missing}))
        yield Envelope(seq=seq, category=_TRANSACTION, event_id=part.transaction_id, item=_TRANSACTION, payload=whole)


def _reason(error: TooLarge | Permanent) -> str:
    return error.reason if isinstance(error, Permanent) else "too_large"


def build(config: Config, tools: Tools) -> SentrySink:
    """The sink that the settings describe. Raises ConfigError."""
    return SentrySink(config, tools, Wire(config, tools.clock))
