"""Spans to lines of OTLP/JSON: one request with one span to a line, as the OpenTelemetry file format has it.

Ids are hex, 64-bit integers are texts, enums are numbers; the same span gives the same bytes.
https://opentelemetry.io/docs/specs/otel/protocol/file-exporter/ and .../otlp/#json-protobuf-encoding
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from monitor import __version__
from monitor.model import Span
from monitor.model.semconv import SCHEMA_URL, SCOPE_NAME
from monitor.model.spans import AttributeValue, SpanEvent

__all__ = ["Lines"]

_KINDS: Final = {"INTERNAL": 1, "CLIENT": 3}
_STATUS_ERROR = 2
_FLAGS = 0x100
"""It is known that the parent is not remote (SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK)."""


class Lines:
    """Encodes spans under one resource; everything but the span is encoded once."""

    def __init__(self, resource: Mapping[str, str]) -> None:
        self._encode = msgspec.json.Encoder().encode
        described = self._encode({"attributes": _attributes(resource)})
        scope = self._encode({"name": SCOPE_NAME, "version": __version__})
        self._before = (
            b'{"resourceSpans":[{"resource":' + described + b',"scopeSpans":[{"scope":' + scope + b',"spans":['
        )
        self._after = b'],"schemaUrl":' + self._encode(SCHEMA_URL) + b"}]}]}\n"

    def encode(self, span: Span) -> bytes:
        """The span's line, newline included."""
        return self._before + self._encode(_span(span)) + self._after


def _span(span: Span) -> dict[str, Any]:
    found: dict[str, Any] = {"traceId": span.trace_id, "spanId": span.span_id}
    if span.parent_id:
        found["parentSpanId"] = span.parent_id
    found["name"] = span.name
    found["kind"] = _KINDS[span.kind]
    found["startTimeUnixNano"] = str(span.start_ns)
    found["endTimeUnixNano"] = str(span.end_ns)
    found["attributes"] = _attributes(span.attributes)
    if span.events:
        found["events"] = [_event(event) for event in span.events]
    found["status"] = {} if span.error is None else {"code": _STATUS_ERROR, "message": span.error}
    found["flags"] = _FLAGS
    return found


def _event(event: SpanEvent) -> dict[str, Any]:
    return {"timeUnixNano": str(event.at), "name": event.name, "attributes": _attributes(event.attributes)}


def _attributes(values: Mapping[str, AttributeValue]) -> list[dict[str, Any]]:
    return [{"key": name, "value": _value(value)} for name, value in values.items()]


def _value(value: AttributeValue) -> dict[str, Any]:
    if isinstance(value, str):
        return {"stringValue": value}
    if isinstance(value, bool):
        return {"boolValue": value}
    return {"intValue": str(value)} if isinstance(value, int) else {"doubleValue": value}
