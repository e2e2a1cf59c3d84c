"""Recorded facts to documents: which one, in which index, under which id and version. Pure, and never raises.

A document is the fact's span, or log record, under the same names, with the fields of the Elastic Common Schema around
it. Its index follows from the month in which the turn began, which no revision moves; its id from the fact's key; its
version from the order in which facts replace each other. So whoever sends it again, in whatever order, changes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Literal, get_args

import msgspec

from monitor.model import AlertChanged, Event, Note, Recorded, SourceGap, Span, StepEnded, TurnEnded, ids, kind_of
from monitor.model import semconv as s
from monitor.model.spans import SpanKind
from monitor.normalise.attributes import within_time
from monitor.normalise.document_fields import nested
from monitor.normalise.invented import key_of, seen_of, step_id_of
from monitor.normalise.note_spans import NOTE_KINDS, note_record
from monitor.normalise.spans import SPAN_KINDS, spans_of

__all__ = [
    "KINDS",
    "STREAMS",
    "Document",
    "Stream",
    "common_fields",
    "document_of",
    "month_of",
    "version_of",
]

Stream = Literal["turns", "steps", "notes", "alerts"]
STREAMS: tuple[Stream, ...] = ("turns", "steps", "notes", "alerts")
"""What there is an alias and monthly indices of."""

KINDS = SPAN_KINDS | NOTE_KINDS | {"alert_changed", "source_gap"}
"""The kinds of events that have a document."""

_ECS_VERSION = "8.17.0"
_LONGEST_ID_BYTES = 512
_DIGEST_CHARS = 32
_MS_IN_NS = 1_000_000
_NS_IN_S = 1_000_000_000
_NS_IN_MIN = 60 * _NS_IN_S
_RANK_UNIT = 10**13
"""Above every time in milliseconds up to 2286: the rank stands before the time, and all is below 2^53, which every
reader of JSON holds exactly."""
_HIGHEST_RANK = 899
_OUTCOMES = {"succeeded": "success", "failed": "failure"}
_SPAN_KINDS = {kind: kind.lower() for kind in get_args(SpanKind)}


class Document(msgspec.Struct, frozen=True):
    """What is indexed, and where."""

    stream: Stream
    month: str
    """Such as `2026.11`."""
    id: str
    version: int
    fields: dict[str, Any]
    """By their full names, such as `event.start`."""

    @property
    def source(self) -> dict[str, Any]:
        """The fields as the tree that is indexed, made anew each time."""
        return nested(self.fields)


def document_of(recorded: Recorded, content: dict[str, str], common: Mapping[str, Any]) -> Document | None:
    """The document of a fact; None for every kind that has none.

    `content` is what may leave of the fact's content; `common` are the fields that every document has.
    """
    event = recorded.event
    body = event.body
    stream: Stream
    match body:
        case TurnEnded():
            stream, began = "turns", body.turn.started_at
            fields = _of_turn(recorded, body, content)
        case StepEnded():
            stream, began = "steps", body.turn.started_at
            fields = _of_step(recorded, body, content)
        case AlertChanged():
            stream, began = "alerts", event.occurred_at
            fields = _around(event, stream, event.occurred_at) | _of_alert(body)
        case SourceGap():
            stream, began = "notes", event.occurred_at
            fields = _around(event, stream, event.occurred_at) | _of_gap(body)
        case _ if isinstance(body, Note):
            stream, began = "notes", event.occurred_at
            fields = _of_note(recorded, content)
        case _:
            return None
    fields.update(common)
    return Document(stream, month_of(began), _id(key_of(event)), version_of(event), fields)


def common_fields(service_name: str, environment: str, labels: Mapping[str, str]) -> dict[str, Any]:
    """The fields that every document of a sink has, as its configuration names Dify; empty ones are left out."""
    found = {s.SERVICE_NAME: service_name, "service.environment": environment, "labels": dict(labels)}
    return {name: value for name, value in found.items() if value}


def month_of(ns: int) -> str:
    """The month of a moment in UTC, such as `2026.11`; within what Elasticsearch's times can hold."""
    return _month(within_time(ns) // _NS_IN_S // 3600)


@lru_cache(maxsize=256)
def _month(hour: int) -> str:
    return f"{datetime.fromtimestamp(hour * 3600, UTC):%Y.%m}"


def version_of(event: Event) -> int:
    """The order in which events of one key replace each other, as a number: rank first, then the change in Dify."""
    rank = min(max(0, event.rank), _HIGHEST_RANK)
    return rank * _RANK_UNIT + within_time(event.changed_at) // _MS_IN_NS


def _id(key: str) -> str:
    """The event's key; Elasticsearch takes 512 bytes, so the end of a longer one becomes its digest."""
    raw = key.encode("utf-8", "replace")
    if len(raw) <= _LONGEST_ID_BYTES:
        return key
    digest = blake2b(raw, digest_size=_DIGEST_CHARS // 2).hexdigest()
    kept = raw[: _LONGEST_ID_BYTES - _DIGEST_CHARS - 1].decode("utf-8", "ignore")
    return f"{kept}~{digest}"


def _around(event: Event, stream: Stream, at: int) -> dict[str, Any]:
    """What every document says of its fact, of which `at` is the time."""
    return {
        "@timestamp": _time(at),
        "ecs.version": _ECS_VERSION,
        "event.module": "dify",
        "event.dataset": f"dify.{stream}",
        "event.kind": "alert" if stream == "alerts" else "event",
        "event.action": kind_of(event.body),
        "event.id": key_of(event),
    }


def _of_turn(recorded: Recorded, body: TurnEnded, content: dict[str, str]) -> dict[str, Any]:
    found = _of_span("turns", recorded, content, body.status)
    _add_error(found, content, body.status)
    return found


def _of_step(recorded: Recorded, body: StepEnded, content: dict[str, str]) -> dict[str, Any]:
    step = body.step
    found = _of_span("steps", recorded, content, step.status)
    found["dify.step.id"] = step_id_of(step)
    found["dify.step.kind"] = step.kind
    found["dify.step.position"] = _whole(step.position)
    if step.attempts:
        found["dify.step.attempts"] = len(step.attempts)
    if step.provisional:
        found["dify.step.provisional"] = True
    _add_error(found, content, step.status)
    return found


def _of_span(stream: Stream, recorded: Recorded, content: dict[str, str], status: str) -> dict[str, Any]:
    """What lasted."""
    span = spans_of(recorded, content)
    if span is None:  # turns and steps have one
        return _around(recorded.event, stream, recorded.event.occurred_at)
    found = _around(recorded.event, stream, span.start_ns)
    found["event.start"] = found["@timestamp"]
    found["event.end"] = _time(span.end_ns)
    found["event.duration"] = span.end_ns - span.start_ns
    found["event.outcome"] = _OUTCOMES.get(status, "unknown")
    _add_span(found, span)
    return found


def _add_span(found: dict[str, Any], span: Span) -> None:
    found["trace.id"] = span.trace_id
    found["span.id"] = span.span_id
    found["span.name"] = span.name
    found["span.kind"] = _SPAN_KINDS[span.kind]
    found.update(span.attributes)
    if span.parent_id:
        found["parent.id"] = span.parent_id


def _add_error(found: dict[str, Any], content: dict[str, str], status: str) -> None:
    if content and status == "failed" and content.get("error"):
        found[s.ERROR_MESSAGE] = content["error"]


def _of_note(recorded: Recorded, content: dict[str, str]) -> dict[str, Any]:
    """A fact beside the turns: its span and what people thought, or its log record."""
    event = recorded.event
    span = spans_of(recorded, content)
    if span is not None:
        found = _around(event, "notes", span.start_ns)
        _add_span(found, span)
        for each in span.events:
            found |= each.attributes
        if span.error is not None and content.get("error"):
            found[s.ERROR_MESSAGE] = content["error"]
        return found
    found = _around(event, "notes", event.occurred_at)
    record = note_record(recorded, content)
    if record is None:
        return found
    ids_of_turn = {"trace.id": record.trace_id, "parent.id": record.span_id} if record.trace_id else {}
    return found | record.attributes | ids_of_turn | {"log.level": record.severity.lower()}


def _of_gap(gap: SourceGap) -> dict[str, Any]:
    named = {
        "dify.gap.what": gap.what,
        "dify.gap.reason": gap.reason,
        "dify.gap.since": _whole(gap.since) if gap.since else None,
        "dify.gap.until": _whole(gap.until) if gap.until else None,
        s.DIFY_TRACE_ID: gap.turn_id,
        s.DIFY_APP_ID: gap.app_id,
        "trace.id": ids.trace_id(gap.turn_id) if gap.turn_id else "",
        "log.level": "error",
    }
    return {name: value for name, value in named.items() if value not in {None, ""}}


def _of_alert(changed: AlertChanged) -> dict[str, Any]:
    alert = changed.alert
    facts = {
        "fingerprint": alert.fingerprint,
        "severity": alert.severity,
        "state": changed.now,
        "was": changed.was,
        "reason": changed.reason,
        "summary": alert.summary,
        "description": alert.description,
        "runbook": alert.runbook,
        "labels": alert.labels,
        "since": _whole(alert.since),
        "changes": _whole(alert.changes),
        "value": alert.value if math.isfinite(alert.value) else None,
        "late": changed.late,
        "history": changed.history,
        "turns": _distinct(proof.turn_id for proof in alert.evidence),
        "steps": _distinct(seen_of(proof)[1] for proof in alert.evidence),
    }
    found = {f"dify.alert.{name}": value for name, value in facts.items() if value not in (None, "", [], {})}
    found["rule.name"] = alert.rule
    found["event.start"] = _time(alert.since)
    if traces := _distinct(ids.trace_id(proof.turn_id) for proof in alert.evidence if proof.turn_id):
        found["trace.id"] = traces
    return found


def _distinct(texts: Iterable[str]) -> list[str]:
    return [text for text in dict.fromkeys(texts) if text]


def _whole(number: int) -> int:
    """The number within the 64 bits of Elasticsearch's `long`."""
    return min(max(-(2**63), number), 2**63 - 1)


def _time(ns: int) -> str:
    """The moment to the nanosecond, such as `2026-11-24T08:46:20.123456789Z`."""
    minute, rest = divmod(within_time(ns), _NS_IN_MIN)
    digits = f"{rest:011d}"
    return f"{_minute(minute)}:{digits[:2]}.{digits[2:]}Z"


@lru_cache(maxsize=1024)
def _minute(minute: int) -> str:
    return f"{datetime.fromtimestamp(minute * 60, UTC):%Y-%m-%dT%H:%M}"
