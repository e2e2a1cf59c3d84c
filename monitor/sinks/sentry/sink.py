"""The `sentry` sink itself: parts to envelopes, one request for each, its answer awaited.

Sentry takes one event a request, so a window of events is many requests, some of them at once. What was already taken
when one of them fails is not sent again at the next try. A request that is refused for good is parked by itself, and
the others go on. Failures go before transactions.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from monitor.errors import MonitorError, Permanent
from monitor.model import Recorded
from monitor.normalise.redact import Leaving
from monitor.ports import RejectedEvent, Report, Tools
from monitor.sinks.sentry.delivery import ERROR, TRANSACTION, Delivery, Fate, Transport
from monitor.sinks.sentry.encoding import Encoder
from monitor.sinks.sentry.envelope import Envelope, json_bytes, listed, member
from monitor.sinks.sentry.heartbeat import Heartbeat
from monitor.sinks.sentry.memory import Memory, read_memory
from monitor.sinks.sentry.parts import Part, unpack
from monitor.sinks.sentry.settings import Config
from monitor.sinks.sentry.wire import Wire

__all__ = ["SentrySink", "build"]

_WINDOW_S = 60.0
"""How long one window of requests may take before the rest is left to the next."""
_TRANSACTION_NS = 5 * 86_400 * 1_000_000_000
"""Sentry answers 200 to a transaction that began longer ago, and throws it away."""
_ALIVE = Envelope(seq=0, category="internal", event_id="", item="client_report", payload=b'{"discarded_events":[]}')
"""Passes all that an event must pass, and is kept nowhere."""
_LEFT_OUT = (
    "as configured (`max_age`, `sample`, `transaction_rate`, `causes_only`), or because Sentry's quota is used up"
)
_KINDS = {
    "failures": frozenset({"step_ended", "turn_ended", "trigger_logged", "indexing_changed"}),
    "transactions": frozenset({"step_ended", "turn_ended"}),
    "alerts": frozenset({"alert_changed"}),
}


class SentrySink:
    """Implements `monitor.ports.Sink`."""

    max_events = 200
    max_bytes = 4 * 1024 * 1024

    def __init__(self, config: Config, tools: Tools, transport: Transport, leaving: Leaving) -> None:
        """Raises ConfigError where the certificate's file can't be read."""
        self.name = config.label
        self.kinds: Collection[str] = frozenset().union(*(_KINDS[what] for what in config.what))
        self.wants_content = leaving.wants_content
        self.heartbeat = Heartbeat(config, tools) if config.heartbeat else None
        """For the runtime's scheduler; None where none is wanted."""
        self._encoder = Encoder(config, leaving)
        self._wire, self._delivery = transport, Delivery(transport, tools.clock)
        self._max_age_ns = config.max_age_ns
        self._clock, self._logger = tools.clock, tools.logger
        self._state = ""
        self._taken: set[str] = set()

    @property
    def left_out(self) -> Mapping[str, int]:
        """How much was not sent since the sink first started, by why.

        `sampled`, `consequence` (of a failure that was sent), `too_old`, `rate_limited`.
        """
        return dict(read_memory(self._state).left_out)

    def resume(self, state: str) -> str:
        """Take up the memory of open turns where it was committed last."""
        self._state = read_memory(state).text() if state else ""
        return self._state

    def encode(self, recorded: Recorded) -> bytes:
        """The fact's part."""
        return self._encoder.encode(recorded)

    def send(self, parts: Sequence[bytes], seqs: Sequence[int]) -> Report:
        """Send what the parts give. The report's state is the memory after them."""
        window = _Window(read_memory(self._state))
        before = dict(window.memory.left_out)
        pairs = [(unpack(part), seq) for part, seq in zip(parts, seqs, strict=True) if part]
        envelopes = list(self._planned(window, pairs))
        self._deliver(window, envelopes)
        self._taken -= {envelope.event_id for envelope in envelopes}
        self._state = window.memory.text()
        if window.left:
            self._logger.info("sink_left_out", action=_LEFT_OUT, total=dict(window.memory.left_out))
        accepted = len(set(seqs) - window.unsent)
        return Report(
            accepted=accepted,
            rejected=tuple(window.rejected),
            left_out=len(window.left - window.sent),
            left_out_by={
                why: n - before.get(why, 0) for why, n in window.memory.left_out.items() if n > before.get(why, 0)
            },
            state=self._state,
        )

    def check(self) -> None:
        """Send an empty report, which Sentry checks like an event; raises as `send` does."""
        self._wire.post(_ALIVE)

    def close(self) -> None:
        """Let go of the connections."""
        self._delivery.close()
        self._wire.close()
        if self.heartbeat is not None:
            self.heartbeat.close()

    def _planned(self, window: _Window, pairs: Sequence[tuple[Part, int]]) -> Iterator[Envelope]:
        """What is to be sent, while the memory learns fact by fact."""
        now, memory = self._clock.now_ns(), window.memory
        oldest = now - self._max_age_ns
        memory.forget_before(oldest)
        for part, seq in pairs:
            window.leave_out(seq, "sampled", part.sampled)
            if part.at >= oldest:
                yield from _envelopes(window, part, seq, now - _TRANSACTION_NS)
            else:
                window.leave_out(seq, "too_old", bool(part.event) + bool(part.transaction))
            if part.ends or part.at >= oldest:
                memory.learn(part)

    def _deliver(self, window: _Window, envelopes: Sequence[Envelope]) -> None:
        """Send them and note what became of each. Raises what the port says, but for a refusal of one among several."""
        window.sent |= {envelope.seq for envelope in envelopes if envelope.event_id in self._taken}
        waiting = [envelope for envelope in envelopes if envelope.event_id not in self._taken]
        waiting.sort(key=lambda envelope: envelope.category == TRANSACTION)
        fates = self._delivery.deliver(waiting, self._clock.monotonic() + _WINDOW_S)
        for envelope, fate in zip(waiting, fates, strict=True):
            self._note(window, envelope, fate)
        for fate in fates:
            if fate.error is not None and (fate.outcome == "stopped" or len(envelopes) == 1):
                raise fate.error

    def _note(self, window: _Window, envelope: Envelope, fate: Fate) -> None:
        match fate.outcome:
            case "taken":
                self._taken.add(envelope.event_id)
                window.sent.add(envelope.seq)
            case "left_out":
                window.leave_out(envelope.seq, "rate_limited")
            case "refused" if fate.error is not None:
                window.reject(envelope.seq, fate.error)
            case _:
                pass


@dataclass
class _Window:
    """One window of facts on its way: the memory as it will be, and what became of each fact."""

    memory: Memory
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

    def reject(self, seq: int, error: MonitorError) -> None:
        """Name a fact that was refused for good."""
        reason = error.reason if isinstance(error, Permanent) else "too_large"
        self.rejected.append(RejectedEvent(seq=seq, reason=reason, detail=str(error)))


def _envelopes(window: _Window, part: Part, seq: int, oldest_transaction: int) -> Iterator[Envelope]:
    memory = window.memory
    if part.event:
        why = _reason_against(memory, part)
        if why:
            window.leave_out(seq, why)
        else:
            crumbs = memory.crumbs(part)
            event = member(part.event, "breadcrumbs", b'{"values":' + listed(crumbs) + b"}") if crumbs else part.event
            yield Envelope(seq=seq, category=ERROR, event_id=part.event_id, item="event", payload=event)
    if part.transaction and part.began < oldest_transaction:
        window.leave_out(seq, "too_old")
    elif part.transaction:
        yield Envelope(
            seq=seq,
            category=TRANSACTION,
            event_id=part.transaction_id,
            item="transaction",
            payload=_whole(memory, part),
        )


def _reason_against(memory: Memory, part: Part) -> str:
    """Why the part's event is not sent; empty: it is."""
    if memory.is_told(part):
        return "consequence"
    return "" if memory.admits(part) else "sampled"


def _whole(memory: Memory, part: Part) -> bytes:
    """The transaction with its spans."""
    spans = memory.spans(part)
    whole = member(part.transaction, "spans", listed(spans))
    missing = max(0, part.steps - len(spans))
    return member(whole, "extra", json_bytes({"dify.steps_missing": missing})) if missing else whole


def build(config: Config, tools: Tools) -> SentrySink:
    """The sink that the settings describe. Raises ConfigError."""
    leaving = Leaving(config.label, config.content, tools.redaction)
    return SentrySink(config, tools, Wire(config, tools.clock, sends_content=leaving.wants_content), leaving)
