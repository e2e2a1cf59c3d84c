"""Recorded facts to documents: which one, in which index, under which id and version. Pure, and never raises.

A document is the fact's span, or log record, under the same names, with the fields of the Elastic Common Schema around
it. Its index follows from the month in which the turn began, which no revision moves; its id from the fact's key; its
version from the order in which facts replace each other. So whoever sends it again, in whatever order, changes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Literal

import msgspec

from monitor.model import AlertChanged, Event, Note, Recorded, SourceGap, Span, StepEnded, TurnEnded, ids, kind_of
from monitor.model import semconv as s
from monitor.normalise.attributes import within_time
from monitor.normalise.document_fields import nested
from monitor.normalise.note_spans import NOTE_KINDS, note_record
from monitor.normalise.spans import SPAN_KINDS, spans_of

__all__ = ["KINDS", "STREAMS", "Document", "Stream", "document_of", "month_of", "version_of"]

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
_RANK_UNIT = 10**13
"""Above every time in milliseconds up to 2286: the rank stands before the time, and all is below 2^53, which every
reader of JSON holds exactly."""
_HIGHEST_RANK = 899
_OUTCOMES = {"succeeded": "success", "failed": "failure"}


class Document(msgspec.Struct, frozen=True):
    """What is indexed, and where."""

    stream: Stream
    month: str
    """Such as `2026.11`."""
    id: str
    version: int
    source: dict[str, Any]


def document_of(recorded: Recorded, content: dict[str, str], common: Mapping[str, Any]) -> Document | None:
    """The document of a fact; None for every kind that has none.

    `content` is what may leave of the fact's content; `common` are the fields that every document has.
    """
    event = recorded.event
    body = event.body
    match body:
        case TurnEnded():
            found = _of_span("turns", recorded, content) | _error_message(content, failed=body.status == "failed")
            began = body.turn.started_at
        case StepEnded():
            found = _of_span("steps", recorded, content) | _of_step(body)
            found |= _error_message(content, failed=body.step.status == "failed")
            began = body.turn.started_at
        case AlertChanged():
            found, began = _of_alert(body), event.occurred_at
        case SourceGap():
            found, began = _of_gap(body), event.occurred_at
        case _ if isinstance(body, Note):
            found, began = _of_note(recorded, content), event.occurred_at
        case _:
            return None
    stream = _stream(event)
    fields = dict(_around(event, stream)) | found | dict(common)
    return Document(stream, month_of(began), _id(event.key), version_of(event), nested(fields))


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


def _stream(event: Event) -> Stream:
    match event.body:
        case TurnEnded():
            return "turns"
        case StepEnded():
            return "steps"
        case AlertChanged():
            return "alerts"
        case _:
            return "notes"


def _around(event: Event, stream: Stream) -> Iterator[tuple[str, Any]]:
    """What every document says of its fact; what follows from the fact itself may say it better."""
    at = _time(event.occurred_at)
    yield "@timestamp", at
    yield "ecs.version", _ECS_VERSION
    yield "event.module", "dify"
    yield "event.dataset", f"dify.{stream}"
    yield "event.kind", "alert" if stream == "alerts" else "event"
    yield "event.action", kind_of(event.body)
    yield "event.id", event.key


def _of_span(stream: Stream, recorded: Recorded, content: dict[str, str]) -> dict[str, Any]:
    span = spans_of(recorded, content)
    if span is None:
        return {}
    status = span.attributes.get(s.DIFY_TURN_STATUS if stream == "turns" else s.DIFY_STEP_STATUS)
    return {
        **_span_fields(span),
        "event.start": _time(span.start_ns),
        "event.end": _time(span.end_ns),
        "event.duration": span.end_ns - span.start_ns,
        "event.outcome": _OUTCOMES.get(str(status), "unknown"),
    }


def _span_fields(span: Span) -> dict[str, Any]:
    found: dict[str, Any] = {
        "@timestamp": _time(span.start_ns),
        "trace.id": span.trace_id,
        "span.id": span.span_id,
        "span.name": span.name,
        "span.kind": span.kind.lower(),
        **span.attributes,
    }
    if span.parent_id:
        found["parent.id"] = span.parent_id
    return found


def _error_message(content: dict[str, str], *, failed: bool) -> dict[str, str]:
    message = content.get("error", "")
    return {s.ERROR_MESSAGE: message} if failed and message else {}


def _of_step(body: StepEnded) -> dict[str, Any]:
    step = body.step
    found: dict[str, Any] = {
        "dify.step.id": step.id,
        "dify.step.kind": step.kind,
        "dify.step.position": _whole(step.position),
    }
    if step.attempts:
        found["dify.step.attempts"] = len(step.attempts)
    if step.provisional:
        found["dify.step.provisional"] = True
    return found


def _of_note(recorded: Recorded, content: dict[str, str]) -> dict[str, Any]:
    """A fact beside the turns: its span and what people thought, or its log record."""
    span = spans_of(recorded, content)
    if span is not None:
        found = _span_fields(span)
        for event in span.events:
            found |= event.attributes
        if span.error is not None and content.get("error"):
            found[s.ERROR_MESSAGE] = content["error"]
        return found
    record = note_record(recorded, content)
    if record is None:
        return {}
    ids_of_turn = {"trace.id": record.trace_id, "parent.id": record.span_id} if record.trace_id else {}
    return {**record.attributes, **ids_of_turn, "log.level": record.severity.lower()}


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
        "steps": _distinct(proof.step_id for proof in alert.evidence),
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
    seconds, rest = divmod(within_time(ns), _NS_IN_S)
    return f"{_second(seconds)}.{rest:09d}Z"


@lru_cache(maxsize=1024)
def _second(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"
