"""One fact to its part: what it may send, and what it adds to its turn. Pure, and never raises."""

from __future__ import annotations

import msgspec

from monitor.model import AlertChanged, Event, IndexingChanged, Recorded, StepEnded, TriggerLogged, TurnEnded
from monitor.normalise.redact import Leaving
from monitor.normalise.spans import spans_of
from monitor.sinks.sentry.choice import Chosen, belongs, chosen
from monitor.sinks.sentry.common import Place
from monitor.sinks.sentry.envelope import derived_id, json_bytes
from monitor.sinks.sentry.events import alert_event, crumb, failure_event
from monitor.sinks.sentry.failures import Failure, failure_of
from monitor.sinks.sentry.parts import Part, pack
from monitor.sinks.sentry.settings import Config
from monitor.sinks.sentry.transactions import TRANSACTION, span_json, transaction_json

__all__ = ["Encoder"]


class Encoder:
    """Makes parts as the configuration says."""

    def __init__(self, config: Config, leaving: Leaving) -> None:
        self._config = config
        self._leaving = leaving
        self._place = Place(config)
        self._failures, self._transactions = "failures" in config.what, "transactions" in config.what
        self._alerts = "alerts" in config.what

    def encode(self, recorded: Recorded) -> bytes:
        """The fact's part; empty where there is nothing to send or to remember."""
        event = recorded.event
        match event.body:
            case StepEnded() as body:
                return pack(self._step(recorded, body))
            case TurnEnded() as body:
                return pack(self._turn(recorded, body))
            case TriggerLogged() | IndexingChanged() if self._failures:
                return self._alone(event)
            case AlertChanged(now="firing", history=False) as body if self._alerts:
                made = json_bytes(alert_event(self._place, event, body))
                return pack(Part(at=event.occurred_at, event=made, event_id=derived_id(event.key)))
            case _:
                return b""

    def _step(self, recorded: Recorded, body: StepEnded) -> Part:
        """A provisional step is certain to come again with better times: until then it is but a breadcrumb."""
        event, step = recorded.event, body.step
        part = Part(at=event.occurred_at, turn=body.turn.turn_id, step=step.id, parent=step.parent_id)
        if self._failures:
            part = msgspec.structs.replace(part, crumb=json_bytes(crumb(step)))
        if self._transactions and not step.provisional:
            span = spans_of(recorded, self._leaving.of(event))
            part = msgspec.structs.replace(part, span=json_bytes(span_json(span)) if span else b"")
        failure = failure_of(event) if self._failures else None
        if failure is None:
            return part
        return self._with_event(msgspec.structs.replace(part, causes=not failure.handled), event, failure)

    def _turn(self, recorded: Recorded, body: TurnEnded) -> Part:
        event = recorded.event
        part = Part(at=event.occurred_at, turn=body.turn.turn_id, ends=True, steps=len(body.steps))
        if self._transactions and recorded.revision == 0:
            part = self._with_transaction(part, recorded, body)
        failure = failure_of(event) if self._failures else None
        return part if failure is None else self._with_event(part, event, failure)

    def _alone(self, event: Event) -> bytes:
        """What belongs to no turn."""
        failure = failure_of(event)
        return b"" if failure is None else pack(self._with_event(Part(at=event.occurred_at), event, failure))

    def _with_event(self, part: Part, event: Event, failure: Failure) -> Part:
        choice: Chosen = chosen(self._config.sample, failure, event.key)
        if not choice.first and not choice.among:
            return msgspec.structs.replace(part, sampled=part.sampled + 1)
        content = self._leaving.of(event)
        return msgspec.structs.replace(
            part,
            event=json_bytes(failure_event(self._place, event, failure, content)),
            event_id=derived_id(event.key),
            group=choice.group,
            first=choice.first,
            chosen=choice.among,
            follows=self._config.causes_only,
        )

    def _with_transaction(self, part: Part, recorded: Recorded, body: TurnEnded) -> Part:
        """Only of a turn's first end: Sentry keeps what it has, so a revision could but stand there twice."""
        if not belongs(recorded.event.key, self._config.transaction_rate):
            return msgspec.structs.replace(part, sampled=part.sampled + 1)
        span = spans_of(recorded, self._leaving.of(recorded.event))
        if span is None:
            return part
        whole = transaction_json(self._place, recorded.event, body, span)
        transaction_id = derived_id(recorded.event.key, TRANSACTION)
        return msgspec.structs.replace(
            part, transaction=json_bytes(whole), transaction_id=transaction_id, began=span.start_ns
        )
