"""Pure nouns: what happened in Dify, what alerts are, how things are named. Nothing here does I/O."""

from __future__ import annotations

from monitor.model.alerts import Alert, AlertState, Evidence, Finding, Notification
from monitor.model.events import (
    AlertChanged,
    Body,
    Event,
    Recorded,
    SourceGap,
    StepEnded,
    TurnEnded,
    TurnStarted,
    kind_of,
)
from monitor.model.spans import Span, SpanEvent
from monitor.model.trace import Attempt, Node, Status, Step, StepKind, Tool, TurnRef, TurnStatus, Usage

__all__ = [
    "Alert",
    "AlertChanged",
    "AlertState",
    "Attempt",
    "Body",
    "Event",
    "Evidence",
    "Finding",
    "Node",
    "Notification",
    "Recorded",
    "SourceGap",
    "Span",
    "SpanEvent",
    "Status",
    "Step",
    "StepEnded",
    "StepKind",
    "Tool",
    "TurnEnded",
    "TurnRef",
    "TurnStarted",
    "TurnStatus",
    "Usage",
    "kind_of",
]
