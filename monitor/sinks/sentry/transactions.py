"""Turns as Sentry's transactions: our spans (`normalise/spans.py`) in Sentry's words. Pure, and never raises.

A span's op is `gen_ai.` and OpenTelemetry's operation, which is what Sentry's pages for agents look for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitor.model import Event, Span, TurnEnded
from monitor.model import semconv as s
from monitor.model.spans import AttributeValue
from monitor.sinks.sentry.common import Place, cut, fitting, seconds
from monitor.sinks.sentry.envelope import derived_id

__all__ = ["TRANSACTION", "span_json", "transaction_json"]

TRANSACTION = "transaction"
"""The role of a transaction's id: a failed turn is an event besides."""

_TEXT_CHARS = 4096
_ORIGIN = "auto.ai.dify"
_STATUS = {"succeeded": "ok", "partial": "ok", "failed": "internal_error", "stopped": "cancelled"}


def span_json(span: Span) -> dict[str, Any]:
    """A step's span within its turn's transaction."""
    return {
        **_ids(span),
        "op": _op(span),
        "description": cut(span.name),
        "start_timestamp": seconds(span.start_ns),
        "timestamp": seconds(span.end_ns),
        "status": "ok" if span.error is None else "internal_error",
        "origin": _ORIGIN,
        "data": _data(span.attributes),
    }


def transaction_json(place: Place, event: Event, ended: TurnEnded, span: Span) -> dict[str, Any]:
    """The turn as a transaction, without its spans. `span` is its root."""
    common = place.of_turn(ended.turn)
    trace = {
        **_ids(span),
        "op": _op(span),
        "status": _STATUS.get(ended.status, "unknown"),
        "origin": _ORIGIN,
        "data": _data(span.attributes),
    }
    tags = fitting({s.DIFY_TURN_STATUS: ended.status, s.ERROR_TYPE: ended.error_type})
    return {
        **place.item(derived_id(event.key, TRANSACTION), span.end_ns),
        **common,
        "type": "transaction",
        "transaction": cut(span.name),
        "transaction_info": {"source": "custom"},
        "start_timestamp": seconds(span.start_ns),
        "tags": common["tags"] | tags,
        "contexts": common["contexts"] | {"trace": trace},
    }


def _ids(span: Span) -> dict[str, str]:
    found = {"trace_id": span.trace_id, "span_id": span.span_id}
    return found | ({"parent_span_id": span.parent_id} if span.parent_id else {})


def _op(span: Span) -> str:
    operation = span.attributes.get(s.GEN_AI_OPERATION_NAME)
    if operation:
        return f"gen_ai.{operation}"
    return "http.client" if span.kind == "CLIENT" else "dify.node"


def _data(attributes: Mapping[str, AttributeValue]) -> dict[str, AttributeValue]:
    """The attributes, long texts cut: Sentry refuses an event above a megabyte."""
    return {name: cut(value, _TEXT_CHARS) if isinstance(value, str) else value for name, value in attributes.items()}
