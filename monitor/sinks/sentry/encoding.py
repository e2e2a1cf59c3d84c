"""One fact to its part: what it may send, and what it adds to its turn. Pure, and never raises."""

from __future__ import annotations

from functools import cached_property

import msgspec

from monitor.model import AlertChanged, IndexingChanged, Recorded, StepEnded, TriggerLogged, TurnEnded
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


class _Fact:
    """An event, and what of its content may leave: worked out once, and only where something asks for it."""

    def __init__(self, recorded: Recorded, leaving: Leaving) -> None:
        self.recorded, self.event, self._leaving = recorded, recorded.event, leaving

    @cached_property
    def content(self) -> dict[str, str]:
        return self._leaving.of(self.event)


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
        event, fact = recorded.event, _Fact(recorded, self._leaving)
        match event.body:
            case StepEnded() as body:
                return pack(self._step(fact, body))
            case TurnEnded() as body:
                return pack(self._turn(fact, body))
            case TriggerLogged() | IndexingChanged() if self._failures:
                return self._alone(fact)
            case AlertChanged(now="firing", history=False) as body if self._alerts:
                made = json_bytes(alert_event(self._place, event, body))
                return pack(Part(at=event.occurred_at, event=made, event_id=derived_id(event.key)))
            case _:
                return b""

    def _step(self, fact: _Fact, body: StepEnded) -> Part:
        """A provisional step is certain to come again with better times: until then it is but a breadcrumb."""
        event, step = fact.event, body.step
        part = Part(at=event.occurred_at, turn=body.turn.turn_id, step=step.id, parent=step.parent_id)
        if self._failures:
            part = msgspec.structs.replace(part, crumb=json_bytes(crumb(step)))
        if self._transactions and not step.provisional:
            span = spans_of(fact.recorded, fact.content)
            part = msgspec.structs.replace(part, span=json_bytes(span_json(span)) if span else b"")
        failure = failure_of(event) if self._failures else None
        if failure is None:
            return part
        return self._with_event(msgspec.structs.replace(part, causes=not failure.handled), fact, failure)

    def _turn(self, fact: _Fact, body: TurnEnded) -> Part:
        event = fact.event
        part = Part(at=event.occurred_at, turn=body.turn.turn_id, ends=True, steps=len(body.steps))
        if self._transactions and fact.recorded.revision == 0:
            part = self._with_transaction(part, fact, body)
        failure = failure_of(event) if self._failures else None
        return part if failure is None else self._with_event(part, fact, failure)

    def _alone(self, fact: _Fact) -> bytes:
        """What belongs to no turn."""
        failure = failure_of(fact.event)
        return b"" if failure is None else pack(self._with_event(Part(at=fact.event.occurred_at), fact, failure))

    def _with_event(self, part: Part, fact: _Fact, failure: Failure) -> Part:
        event = fact.event
        choice: Chosen = chosen(self._config.sample, failure, event.key)
        if not choice.first and not choice.among:
            return msgspec.structs.replace(part, sampled=part.sampled + 1)
        return msgspec.structs.replace(
            part,
            event=json_bytes(failure_event(self._place, event, failure, fact.content)),
            event_id=derived_id(event.key),
            group=choice.group,
            first=choice.first,
            chosen=choice.among,
            follows=self._config.causes_only,
        )

    def _with_transaction(self, part: Part, fact: _Fact, body: TurnEnded) -> Part:
        """Only of a turn's first end: Sentry keeps what it has, so a revision could but stand there twice."""
        event = fact.event
        if not belongs(event.key, self._config.transaction_rate):
            return msgspec.structs.replace(part, sampled=part.sampled + 1)
        span = spans_of(fact.recorded, fact.content)
        if span is None:
            return part
        whole = transaction_json(self._place, event, body, span)
        transaction_id = derived_id(event.key, TRANSACTION)
        return msgspec.structs.replace(
            part, transaction=json_bytes(whole), transaction_id=transaction_id, began=span.start_ns
        )
