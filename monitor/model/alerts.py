"""What a rule finds, what an alert is, what a channel is told."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["Alert", "AlertState", "Evidence", "Finding", "Notification"]

AlertState = Literal["inactive", "pending", "firing", "resolved"]


class Evidence(msgspec.Struct, frozen=True, omit_defaults=True):
    """One event that speaks for a finding: enough to find it again, no content."""

    key: str
    turn_id: str
    step_id: str
    at: int
    status: str
    error_type: str = ""
    conversation_id: str = ""
    message_id: str = ""
    run_id: str = ""
    duration_ns: int = 0
    invented: bool = False
    """Whether it is a call of a tool that the model made up: then key and step id end with what a model wrote."""


class Finding(msgspec.Struct, frozen=True):
    """What a rule says of one group now."""

    verdict: Literal["holds", "clear", "no_data"]
    value: float = 0.0
    evidence: tuple[Evidence, ...] = ()


class Alert(msgspec.Struct, frozen=True, omit_defaults=True):
    """One rule for one group."""

    fingerprint: str
    """Hash of the rule's name and the group's labels: the same alert over restarts and versions."""
    rule: str
    labels: dict[str, str]
    severity: str
    summary: str
    state: AlertState
    since: int
    """When the condition began to hold (ns, Dify's time)."""
    changes: int
    """How often this alert has changed state: with the fingerprint, the notification's id."""
    value: float = 0.0
    evidence: tuple[Evidence, ...] = ()
    description: str = ""
    runbook: str = ""


class Notification(msgspec.Struct, frozen=True):
    """What a notifier is asked to say. A channel without de-duplication may say it twice, under the same id."""

    id: str
    alert: Alert
    was: str
    now: str
    reason: str
    at: int
    late: bool = False
