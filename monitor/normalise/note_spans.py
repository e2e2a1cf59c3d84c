"""Facts beside the turns to what leaves the house: a span where a trace is the place to see it, else a log record.

A span has no length and hangs below the root of its turn: what people thought of the answer, and what a person was
asked on the way. A trigger that never became a run is a trace of its own, as no other trace would show it. All other
facts are log records, which only sinks that have a place for them write. Why: docs/explanation/what-leaves.md. Pure,
and never raises. Called by `spans.py` and by the `file` sink, with what a sink's content policy lets through.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from monitor.model import (
    AnnotationMade,
    AnnotationRemoved,
    Body,
    FeedbackGiven,
    FeedbackWithdrawn,
    FormChanged,
    Note,
    Recorded,
    Span,
    SpanEvent,
    TriggerLogged,
    ids,
    kind_of,
)
from monitor.model import semconv as s
from monitor.normalise.attributes import Attributes, within_time
from monitor.normalise.note_facts import note_attributes

__all__ = ["NOTE_KINDS", "NOTE_SPANS", "NoteRecord", "Severity", "note_record", "note_span"]

_EVALUATIONS = FeedbackGiven | FeedbackWithdrawn | AnnotationMade | AnnotationRemoved
_NEVER_RAN = {"failed", "rate_limited"}
_SCORES = {"like": 1.0, "dislike": 0.0}

NOTE_SPANS = frozenset(
    {
        "feedback_given",
        "feedback_withdrawn",
        "annotation_made",
        "annotation_removed",
        "form_changed",
        "trigger_logged",
    }
)
"""The kinds of which some or all are spans."""

NOTE_KINDS = NOTE_SPANS | {"config_changed", "content_deleted", "indexing_changed", "coverage_changed"}

Severity = Literal["INFO", "WARN", "ERROR"]
_SEVERITIES: dict[str, Severity] = {
    "failed": "ERROR",
    "rate_limited": "ERROR",
    "overtaken": "ERROR",
    "stuck": "WARN",
    "at_risk": "WARN",
    "timeout": "WARN",
    "expired": "WARN",
}


class NoteRecord(msgspec.Struct, frozen=True):
    """A fact as OpenTelemetry's log record. Times are ns since 1970 UTC, ids lower-case hex, empty where none."""

    name: str
    """The event's name: `dify.` and the kind, such as `dify.config_changed`."""
    at: int
    severity: Severity
    attributes: Attributes
    trace_id: str = ""
    span_id: str = ""
    """The root of the turn that it is about."""


class _Place(msgspec.Struct, frozen=True):
    """Where in which trace a span stands."""

    trace_id: str
    span_id: str
    parent_id: str


def note_span(recorded: Recorded, content: dict[str, str]) -> Span | None:
    """The span of a fact beside the turns; None where it has none. `content` is what of it may leave."""
    body = recorded.event.body
    if not _has_span(body):
        return None
    match body:
        case FormChanged():
            name = f"human_input {body.status}".strip()
            return _span(recorded, body, _below(body.turn_id, "form", recorded), name, content)
        case TriggerLogged():
            return _trigger(recorded, body, content)
        case FeedbackGiven() | FeedbackWithdrawn() | AnnotationMade() | AnnotationRemoved():
            return _evaluation(recorded, body, _turn_of(body), content)
        case _:
            return None


def note_record(recorded: Recorded, content: dict[str, str]) -> NoteRecord | None:
    """The log record of a fact beside the turns that is no span; None for every other fact."""
    body = recorded.event.body
    if not isinstance(body, Note) or _has_span(body):
        return None
    turn_id = _turn_of(body)
    return NoteRecord(
        name=f"dify.{kind_of(body)}",
        at=within_time(recorded.event.occurred_at),
        severity=_SEVERITIES.get(_word(body), "INFO"),
        attributes=note_attributes(body, content),
        trace_id=ids.trace_id(turn_id) if turn_id else "",
        span_id=ids.span_id(turn_id, "turn", turn_id) if turn_id else "",
    )


def _has_span(body: Body) -> bool:
    if isinstance(body, TriggerLogged):
        return body.status in _NEVER_RAN and not body.turn_id
    return isinstance(body, _EVALUATIONS | FormChanged) and bool(_turn_of(body))


def _turn_of(body: Note) -> str:
    if isinstance(body, FeedbackGiven | FeedbackWithdrawn):
        return body.turn.turn_id
    return str(getattr(body, "turn_id", ""))


def _word(body: Note) -> str:
    """What became of it, in the body's own word."""
    return str(getattr(body, "status", "") or getattr(body, "state", ""))


def _below(turn_id: str, role: str, recorded: Recorded) -> _Place:
    """Below the turn's root. Each fact about a row is a span of its own: its key, not the row, makes the id."""
    span_id = ids.span_id(turn_id, role, recorded.event.key)
    return _Place(ids.trace_id(turn_id), span_id, ids.span_id(turn_id, "turn", turn_id))


def _span(recorded: Recorded, body: Note, place: _Place, name: str, content: dict[str, str]) -> Span:
    at = within_time(recorded.event.occurred_at)
    return Span(
        trace_id=place.trace_id,
        span_id=place.span_id,
        parent_id=place.parent_id,
        name=name,
        kind="INTERNAL",
        start_ns=at,
        end_ns=at,
        attributes=note_attributes(body, content),
    )


def _evaluation(recorded: Recorded, body: _EVALUATIONS, turn_id: str, content: dict[str, str]) -> Span:
    """What people thought of an answer: facts of Dify on the span, OpenTelemetry's words for it on its event."""
    result = _result(body)
    what = "annotation" if isinstance(body, AnnotationMade | AnnotationRemoved) else "feedback"
    name = f"{what} {result[s.GEN_AI_EVALUATION_SCORE_LABEL]}"
    span = _span(recorded, body, _below(turn_id, what, recorded), name, content)
    explanation = span.attributes.pop(s.GEN_AI_EVALUATION_EXPLANATION, None)
    if explanation is not None:
        result[s.GEN_AI_EVALUATION_EXPLANATION] = explanation
    event = SpanEvent(name=s.GEN_AI_EVALUATION_RESULT, at=span.start_ns, attributes=result)
    return msgspec.structs.replace(span, events=(event,))


def _result(body: _EVALUATIONS) -> Attributes:
    match body:
        case FeedbackGiven(rating=rating):
            score = _SCORES.get(rating)
            found = _labelled(f"{body.given_by or 'user'}_feedback", rating or "unknown")
            return found if score is None else found | {s.GEN_AI_EVALUATION_SCORE_VALUE: score}
        case FeedbackWithdrawn():
            return _labelled(f"{body.given_by or 'user'}_feedback", "withdrawn")
        case AnnotationMade(changed=changed):
            return _labelled("annotation", "changed" if changed else "made")
        case AnnotationRemoved():
            return _labelled("annotation", "removed")


def _labelled(name: str, label: str) -> Attributes:
    return {s.GEN_AI_EVALUATION_NAME: name, s.GEN_AI_EVALUATION_SCORE_LABEL: label}


def _trigger(recorded: Recorded, body: TriggerLogged, content: dict[str, str]) -> Span:
    """A trigger without a run: a trace of its own, named by the trigger's row."""
    role = "trigger"
    span_id = ids.span_id(body.trigger_id, role, recorded.event.key)
    place = _Place(ids.trace_id(body.trigger_id), span_id, "")
    span = _span(recorded, body, place, f"trigger {body.trigger_type}".strip(), content)
    kind = body.error_type or body.status
    span.attributes[s.ERROR_TYPE] = kind
    said = str(span.attributes.pop(s.ERROR_MESSAGE, ""))
    return msgspec.structs.replace(span, error=said or kind)
