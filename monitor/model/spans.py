"""An OpenTelemetry span as plain data, strict where the SDK is not: no None, no NaN, no end before its start."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["AttributeValue", "Span", "SpanEvent", "SpanKind"]

AttributeValue = str | int | float | bool
SpanKind = Literal["INTERNAL", "CLIENT"]


class SpanEvent(msgspec.Struct, frozen=True):
    """Something at a moment inside a span."""

    name: str
    at: int
    attributes: dict[str, AttributeValue] = {}


class Span(msgspec.Struct, frozen=True):
    """One span. Ids are lower-case hex (32 and 16 digits); times are ns since 1970 UTC, never below 0."""

    trace_id: str
    span_id: str
    parent_id: str
    """Empty for a root."""
    name: str
    kind: SpanKind
    start_ns: int
    end_ns: int
    attributes: dict[str, AttributeValue]
    error: str | None = None
    """Status ERROR with this description; None: status OK is left unset, as instrumentation should."""
    events: tuple[SpanEvent, ...] = ()

    def __post_init__(self) -> None:
        if self.end_ns < self.start_ns or self.start_ns < 0:
            raise ValueError(f"span {self.span_id}: times {self.start_ns}..{self.end_ns}")
