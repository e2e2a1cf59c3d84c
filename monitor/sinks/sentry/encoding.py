"""One fact to its part: what it may send, and what it adds to its turn. Pure, and never raises."""

from __future__ import annotations

import msgspec

from monitor.model import AlertChanged, Recorded, StepEnded, TurnEnded
from monitor.normalise.redact import Leaving
from monitor.normalise.spans import spans_of
from monitor.sinks.sentry.choice import Chosen, belongs, chosen
from monitor.sinks.sentry.common import Place
from monitor.sinks.sentry.envelope import derived_id, json_bytes
from monitor.sinks.sentry.events import Failure, alert_event, crumb, failure_event, step_failure, turn_failure
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

    def encode(self, recorded: Recorded) -> bytes:
        """The fact's part; empty where there is nothing to send or to remember."""
        body = recorded.event.body
        match body:
            case StepEnded():
                return pack(self._step(recorded, body))
            case TurnEnded():
                return pack(self._turn(recorded, body))
            case AlertChanged(now="firing", history=False):
                event = json_bytes(alert_event(self._place, recorded.event, body))
                return pack(Part(at=recorded.event.occurred_at, event=event, event_id=derived_id(recorded.event.key)))
            case _:
                return b""

    def _step(self, recorded: Recorded, body: StepEnded) -> Part:
        """A provisional step is certain to come again with better times: until then it is but a breadcrumb."""
        step = body.step
        part = Part(at=recorded.event.occurred_at, turn=body.turn.turn_id, step=step.id)
        if self._failures:
            part = msgspec.structs.replace(part, crumb=json_bytes(crumb(step)))
        if step.provisional:
            return part
        if self._transactions:
            span = spans_of(recorded, self._leaving.of(recorded.event))
            part = msgspec.structs.replace(part, span=json_bytes(span_json(span)) if span else b"")
        if self._failures and step.status == "failed":
            return self._with_event(part, recorded, step_failure(body.turn, step))
        return part

    def _turn(self, recorded: Recorded, body: TurnEnded) -> Part:
        part = Part(at=recorded.event.occurred_at, turn=body.turn.turn_id, ends=True, steps=len(body.steps))
        if self._transactions and recorded.revision == 0:
            part = self._with_transaction(part, recorded, body)
        if self._failures and body.status == "failed":
            return self._with_event(part, recorded, turn_failure(body))
        return part

    def _with_event(self, part: Part, recorded: Recorded, failure: Failure) -> Part:
        event = recorded.event
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
        return msgspec.structs.replace(part, transaction=json_bytes(whole), transaction_id=transaction_id)
