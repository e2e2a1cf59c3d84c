from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from monitor import __version__
from monitor.model import Span
from monitor.model.semconv import SCHEMA_URL, SCOPE_NAME
from monitor.normalise.spans import spans_of
from monitor.sinks.otlp_encoding import Encoder
from monitor.testing import samples, strategies

RESOURCE = {"service.name": "dify", "deployment.environment.name": "test"}
ENCODER = Encoder(RESOURCE)


def by_the_sdk(span: Span) -> ExportTraceServiceRequest:
    """The same span as OpenTelemetry's own SDK encodes it."""

    def context(span_id: str) -> SpanContext:
        flags = TraceFlags(TraceFlags.SAMPLED)
        return SpanContext(int(span.trace_id, 16), int(span_id, 16), is_remote=False, trace_flags=flags)

    return encode_spans(
        [
            ReadableSpan(
                span.name,
                context=context(span.span_id),
                parent=context(span.parent_id) if span.parent_id else None,
                resource=Resource(RESOURCE),
                attributes=span.attributes,
                events=[Event(event.name, event.attributes, event.at) for event in span.events],
                kind=SpanKind[span.kind],
                status=Status(StatusCode.UNSET) if span.error is None else Status(StatusCode.ERROR, span.error),
                start_time=span.start_ns,
                end_time=span.end_ns,
                instrumentation_scope=InstrumentationScope(SCOPE_NAME, __version__, SCHEMA_URL),
            )
        ]
    )


def encoded_spans(turns: int) -> list[Span]:
    return [span for recorded in samples.stream(turns) if (span := spans_of(recorded, recorded.event.content))]


@given(strategies.recordeds, strategies.contents)
def test_a_span_is_encoded_as_the_sdk_would(recorded, content):
    span = spans_of(recorded, content)
    if span is not None:
        assert ExportTraceServiceRequest.FromString(ENCODER.encode(span)) == by_the_sdk(span)


@pytest.mark.parametrize("span", encoded_spans(5), ids=lambda span: span.span_id)
def test_the_samples_are_encoded_as_the_sdk_would(span):
    assert ExportTraceServiceRequest.FromString(ENCODER.encode(span)) == by_the_sdk(span)


def test_joined_bytes_are_one_request():
    spans = encoded_spans(20)
    joined = ExportTraceServiceRequest.FromString(b"".join(map(ENCODER.encode, spans)))
    one_by_one = ExportTraceServiceRequest()
    for span in spans:
        one_by_one.MergeFrom(by_the_sdk(span))
    assert joined == one_by_one
    assert len(joined.resource_spans) == len(spans) == 80


def test_the_same_span_gives_the_same_bytes():
    for span in encoded_spans(3):
        assert ENCODER.encode(span) == Encoder(dict(RESOURCE)).encode(span)


@given(st.integers(0, 300_000))
def test_lengths_of_any_size_are_written_rightly(size):
    span = spans_of(samples.recorded(samples.turn_ended()), {"input": "x" * size})
    (resource_spans,) = ExportTraceServiceRequest.FromString(ENCODER.encode(span)).resource_spans
    (scope_spans,) = resource_spans.scope_spans
    assert scope_spans.spans[0].span_id.hex() == span.span_id


def test_ten_megabytes_are_taken():
    span = spans_of(samples.recorded(samples.turn_ended()), {"output": "长" * 3_500_000})
    assert len(ENCODER.encode(span)) > 10_000_000
