"""Spans and log records to lines of OTLP/JSON: one request with one of them to a line, as OpenTelemetry's files are.

Ids are hex, 64-bit integers are texts, enums are numbers; the same fact gives the same bytes.
https://opentelemetry.io/docs/specs/otel/protocol/file-exporter/ and .../otlp/#json-protobuf-encoding
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Final

import msgspec

from monitor import __version__
from monitor.model import Recorded, Span
from monitor.model.semconv import SCHEMA_URL, SCOPE_NAME
from monitor.model.spans import AttributeValue, SpanEvent
from monitor.normalise.note_spans import NOTE_KINDS, NoteRecord, note_record
from monitor.normalise.spans import SPAN_KINDS, spans_of

__all__ = ["Lines", "OtlpLines"]

_KINDS: Final = {"INTERNAL": 1, "CLIENT": 3}
_STATUS_ERROR = 2
_SEVERITIES: Final = {"INFO": 9, "WARN": 13, "ERROR": 17}
_FLAGS = 0x100
"""It is known that the parent is not remote (SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK)."""
_REMEMBERED_CHARS = 64
"""Longer values are seldom seen twice."""

_json = msgspec.json.Encoder().encode


class Lines:
    """Encodes spans and records under one resource; everything else is encoded once.

    The bytes are put together by hand, twice as fast as by way of dictionaries: this is where most of a file sink's
    time goes.
    """

    def __init__(self, resource: Mapping[str, str]) -> None:
        described = _attributes(resource)
        scope = _json({"name": SCOPE_NAME, "version": __version__})
        self._span = _around(b"resourceSpans", b"scopeSpans", b"spans", described, scope)
        self._record = _around(b"resourceLogs", b"scopeLogs", b"logRecords", described, scope)
        self._after = b'],"schemaUrl":' + _json(SCHEMA_URL) + b"}]}]}\n"

    def encode(self, span: Span) -> bytes:
        """The span's line, newline included."""
        return b"".join((self._span, _span(span), self._after))

    def encode_record(self, record: NoteRecord) -> bytes:
        """The log record's line, newline included."""
        return b"".join((self._record, _record(record), self._after))


class OtlpLines:
    """Facts to lines: a span's, else a log record's, else none."""

    kinds: Collection[str] = SPAN_KINDS | NOTE_KINDS

    def __init__(self, resource: Mapping[str, str]) -> None:
        self._lines = Lines(resource)

    def encode(self, recorded: Recorded, content: dict[str, str]) -> bytes:
        """The fact's line. `content` is what may leave of its content."""
        span = spans_of(recorded, content)
        if span is not None:
            return self._lines.encode(span)
        record = note_record(recorded, content)
        return b"" if record is None else self._lines.encode_record(record)


def _around(request: bytes, scopes: bytes, entries: bytes, resource: bytes, scope: bytes) -> bytes:
    """What stands before the one entry of a line."""
    return b'{"%b":[{"resource":{"attributes":[%b]},"%b":[{"scope":%b,"%b":[' % (
        request,
        resource,
        scopes,
        scope,
        entries,
    )


def _record(record: NoteRecord) -> bytes:
    ids = b',"traceId":"%b","spanId":"%b"' % (record.trace_id.encode(), record.span_id.encode())
    return b"".join(
        (
            b'{"timeUnixNano":"%d","severityNumber":%d' % (record.at, _SEVERITIES[record.severity]),
            b',"severityText":%b,"eventName":%b,"attributes":[' % (_json(record.severity), _json(record.name)),
            _attributes(record.attributes),
            b"]",
            ids if record.trace_id else b"",
            b"}",
        )
    )


def _span(span: Span) -> bytes:
    parent = b',"parentSpanId":"%b"' % span.parent_id.encode() if span.parent_id else b""
    events = b',"events":[%b]' % b",".join(map(_event, span.events)) if span.events else b""
    status = b"" if span.error is None else b'"code":%d,"message":%b' % (_STATUS_ERROR, _json(span.error))
    return b"".join(
        (
            b'{"traceId":"%b","spanId":"%b"' % (span.trace_id.encode(), span.span_id.encode()),
            parent,
            b',"name":%b,"kind":%d' % (_json(span.name), _KINDS[span.kind]),
            b',"startTimeUnixNano":"%d","endTimeUnixNano":"%d","attributes":[' % (span.start_ns, span.end_ns),
            _attributes(span.attributes),
            b"]",
            events,
            b',"status":{%b},"flags":%d}' % (status, _FLAGS),
        )
    )


def _event(event: SpanEvent) -> bytes:
    named = b'{"timeUnixNano":"%d","name":%b,"attributes":[' % (event.at, _json(event.name))
    return b"".join((named, _attributes(event.attributes), b"]}"))


def _attributes(values: Mapping[str, AttributeValue]) -> bytes:
    return b",".join([_attribute(name, value) for name, value in values.items()])


def _attribute(name: str, value: AttributeValue) -> bytes:
    if isinstance(value, str):
        return _text(name, value) if len(value) <= _REMEMBERED_CHARS else _text.__wrapped__(name, value)
    if isinstance(value, bool):
        return b'%b"boolValue":%b}}' % (_key(name), _json(value))
    if isinstance(value, int):
        return b'%b"intValue":"%d"}}' % (_key(name), value)
    return b'%b"doubleValue":%b}}' % (_key(name), _json(value))


@lru_cache(maxsize=1024)
def _key(name: str) -> bytes:
    return b'{"key":%b,"value":{' % _json(name)


@lru_cache(maxsize=8192)
def _text(name: str, value: str) -> bytes:
    """Remembered: most of a span's attributes say of which app, conversation and model it is."""
    return b'%b"stringValue":%b}}' % (_key(name), _json(value))
