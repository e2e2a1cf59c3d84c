"""Turns as Sentry's transactions: our spans (`normalise/spans.py`) in Sentry's words. Pure, and never raises.

Ops and attributes are those of the profile `sentry` (`normalise/profiles/sentry.py`), so that a turn says the same by
either way. What Sentry's pages for agents want: https://develop.sentry.dev/sdk/telemetry/traces/modules/ai-agents/
"""

from __future__ import annotations

from typing import Any

import msgspec

from monitor.model import Event, Span, TurnEnded
from monitor.model import semconv as s
from monitor.model.spans import AttributeValue
from monitor.normalise.profiles.sentry import op_of, span_of
from monitor.sinks.sentry.common import Place, cut, fitting, seconds
from monitor.sinks.sentry.envelope import derived_id

__all__ = ["TRANSACTION", "fit", "span_json", "transaction_json"]

TRANSACTION = "transaction"
"""The role of a transaction's id: a failed turn is an event besides."""

_TEXT_CHARS = 4096
_LEAF_CHARS = (2048, 512, 128, 32)
_MODEL_CALLS = frozenset({"chat", "text_completion"})
_RESPONSE_MODEL = "gen_ai.response.model"
_ORIGIN = "auto.ai.dify"
_STATUS = {"succeeded": "ok", "partial": "ok", "failed": "internal_error", "stopped": "cancelled"}


def span_json(span: Span) -> dict[str, Any]:
    """A step's span within its turn's transaction."""
    return {
        **_ids(span),
        "op": op_of(span),
        "description": cut(span.name),
        "start_timestamp": seconds(span.start_ns),
        "timestamp": seconds(span.end_ns),
        "status": "ok" if span.error is None else "internal_error",
        "origin": _ORIGIN,
        "data": _data(span),
    }


def transaction_json(place: Place, event: Event, ended: TurnEnded, span: Span) -> dict[str, Any]:
    """The turn as a transaction, without its spans. `span` is its root."""
    common = place.of(ended.turn)
    trace = {
        **_ids(span),
        "op": op_of(span),
        "status": _STATUS.get(ended.status, "unknown"),
        "origin": _ORIGIN,
        "data": _data(span),
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


def _data(span: Span) -> dict[str, AttributeValue]:
    """The attributes in Sentry's words, long texts cut: Sentry refuses an event above a megabyte.

    Dify keeps only the model that was asked for, and Sentry's pages want the one that answered: it stands for both.
    """
    found = {name: fit(value) if isinstance(value, str) else value for name, value in span_of(span).attributes.items()}
    if found.get(s.GEN_AI_OPERATION_NAME) in _MODEL_CALLS and s.GEN_AI_REQUEST_MODEL in found:
        found[_RESPONSE_MODEL] = found[s.GEN_AI_REQUEST_MODEL]
    return found


def fit(text: str) -> str:
    """The text, cut where it is long. What is JSON stays JSON: Sentry shows no messages that it can't parse."""
    if len(text) <= _TEXT_CHARS or not text.startswith(("[", "{")):
        return cut(text, _TEXT_CHARS)
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return cut(text, _TEXT_CHARS)
    for chars in _LEAF_CHARS:
        shorter = msgspec.json.encode(_with_short_texts(value, chars)).decode()
        if len(shorter) <= _TEXT_CHARS:
            return shorter
    return "[]" if isinstance(value, list) else "{}"


def _with_short_texts(value: Any, chars: int) -> Any:
    if isinstance(value, str):
        return cut(value, chars)
    if isinstance(value, list):
        return [_with_short_texts(each, chars) for each in value]
    if isinstance(value, dict):
        return {name: _with_short_texts(each, chars) for name, each in value.items()}
    return value
