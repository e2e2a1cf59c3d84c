"""Spans to OTLP's protobuf, built directly: a third of the work of going through the SDK's ReadableSpan.

One span becomes one entry of `ExportTraceServiceRequest.resource_spans`, so that entries, joined as bytes, are a
request. Resource and scope are the same in every entry: they are serialised once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1 import trace_pb2 as pb

from monitor import __version__
from monitor.model import Span
from monitor.model.semconv import SCHEMA_URL, SCOPE_NAME
from monitor.model.spans import AttributeValue, SpanEvent

__all__ = ["Encoder", "message"]

_KINDS: Final = {"INTERNAL": pb.Span.SPAN_KIND_INTERNAL, "CLIENT": pb.Span.SPAN_KIND_CLIENT}
_FLAGS = int(pb.SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK)
"""As the SDK writes it: it is known that the parent is not remote."""
_ERROR: Final = pb.Status.STATUS_CODE_ERROR

# Tags (number and wire type) of the fields that are put together by hand; all hold messages.
_REQUEST_RESOURCE_SPANS = b"\x0a"  # 1
_RESOURCE_SPANS_SCOPE_SPANS = b"\x12"  # 2, after `resource`
_SCOPE_SPANS_SPANS = b"\x12"  # 2, after `scope`


class Encoder:
    """Encodes spans under one resource. Pure: the same span gives the same bytes."""

    def __init__(self, resource: Mapping[str, str], schema_url: str = SCHEMA_URL) -> None:
        """`schema_url` says which version of OpenTelemetry's names the spans have; empty where they have others."""
        attributes = list(_attributes(resource))
        scope = InstrumentationScope(name=SCOPE_NAME, version=__version__)
        self._resource = pb.ResourceSpans(resource=Resource(attributes=attributes)).SerializeToString()
        self._scope = pb.ScopeSpans(scope=scope).SerializeToString()
        self._scope_end = pb.ScopeSpans(schema_url=schema_url).SerializeToString()

    def encode(self, span: Span) -> bytes:
        """One entry of a request's `resource_spans`, tag and length included."""
        scope_spans = self._scope + _field(_SCOPE_SPANS_SPANS, message(span).SerializeToString()) + self._scope_end
        return _field(_REQUEST_RESOURCE_SPANS, self._resource + _field(_RESOURCE_SPANS_SCOPE_SPANS, scope_spans))


def message(span: Span) -> pb.Span:
    """The span as OpenTelemetry's own SDK would write it."""
    return pb.Span(
        trace_id=bytes.fromhex(span.trace_id),
        span_id=bytes.fromhex(span.span_id),
        parent_span_id=bytes.fromhex(span.parent_id),
        name=span.name,
        kind=_KINDS[span.kind],
        start_time_unix_nano=span.start_ns,
        end_time_unix_nano=span.end_ns,
        attributes=_attributes(span.attributes),
        events=map(_event, span.events),
        status=pb.Status() if span.error is None else pb.Status(code=_ERROR, message=span.error),
        flags=_FLAGS,
    )


def _event(event: SpanEvent) -> pb.Span.Event:
    return pb.Span.Event(name=event.name, time_unix_nano=event.at, attributes=_attributes(event.attributes))


def _attributes(values: Mapping[str, AttributeValue]) -> Iterator[KeyValue]:
    return (KeyValue(key=name, value=_value(value)) for name, value in values.items())


def _value(value: AttributeValue) -> AnyValue:
    if isinstance(value, str):
        return AnyValue(string_value=value)
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    return AnyValue(int_value=value) if isinstance(value, int) else AnyValue(double_value=value)


def _field(tag: bytes, content: bytes) -> bytes:
    return tag + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:  # noqa: PLR2004 - seven bits a byte, the eighth says that more follows
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
