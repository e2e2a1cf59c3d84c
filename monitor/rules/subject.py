"""What a rule can look at: which kinds of facts there are for rules, which fields they have, how they ended.

Steps, and the facts beside the turns. Pure; used by matchers and by every kind of rule. A field that a fact lacks
is ''.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Literal, get_args

from monitor.model import (
    AnnotationMade,
    AnnotationRemoved,
    Body,
    ConfigChanged,
    ContentDeleted,
    CoverageChanged,
    Evidence,
    FeedbackGiven,
    FeedbackWithdrawn,
    FormChanged,
    IndexingChanged,
    Note,
    Recorded,
    StepEnded,
    StepKind,
    TriggerLogged,
)

__all__ = ["FIELDS", "JUDGED", "KINDS", "Outcome", "Subject", "evidence_of", "fields_of", "outcome_of", "subject_of"]

Subject = StepEnded | Note
"""What rules look at."""

Outcome = Literal["failed", "succeeded"]

_STEP = "step_ended"

KINDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        **{str(kind): (_STEP,) for kind in get_args(StepKind)},
        "feedback": ("feedback_given", "feedback_withdrawn"),
        "annotation": ("annotation_made", "annotation_removed"),
        "config": ("config_changed",),
        "deletion": ("content_deleted",),
        "trigger": ("trigger_logged",),
        "form": ("form_changed",),
        "indexing": ("indexing_changed",),
        "coverage": ("coverage_changed",),
    }
)
"""Every value of the field `kind`, and the kinds of events that have it."""

_NOTES: Mapping[type[Any], str] = {
    FeedbackGiven: "feedback",
    FeedbackWithdrawn: "feedback",
    AnnotationMade: "annotation",
    AnnotationRemoved: "annotation",
    ConfigChanged: "config",
    ContentDeleted: "deletion",
    TriggerLogged: "trigger",
    FormChanged: "form",
    IndexingChanged: "indexing",
    CoverageChanged: "coverage",
}
_STATUSES: Mapping[type[Any], Callable[[Any], str]] = {
    StepEnded: lambda body: body.step.status,
    FeedbackGiven: lambda body: body.rating,
    FeedbackWithdrawn: lambda _: "withdrawn",
    AnnotationMade: lambda body: "changed" if body.changed else "made",
    AnnotationRemoved: lambda _: "removed",
    ConfigChanged: lambda body: "first" if not body.was else "same" if body.was == body.hash else "changed",
    ContentDeleted: lambda body: body.how,
    CoverageChanged: lambda body: body.state,
}
"""The others have a `status` of Dify's."""

_OUTCOMES: Mapping[str, Mapping[str, Outcome]] = {
    **{str(kind): {"failed": "failed", "succeeded": "succeeded"} for kind in get_args(StepKind)},
    "feedback": {"dislike": "failed", "like": "succeeded"},
    "trigger": {"failed": "failed", "rate_limited": "failed", "succeeded": "succeeded"},
    "form": {"timeout": "failed", "expired": "failed", "submitted": "succeeded"},
    "indexing": {"failed": "failed", "stuck": "failed", "completed": "succeeded", "deleted": "succeeded"},
    "coverage": {"at_risk": "failed", "overtaken": "failed", "safe": "succeeded"},
}

JUDGED = frozenset(_OUTCOMES)
"""The kinds of which something can fail and succeed; see `outcome_of`."""


def _kind(body: Subject) -> str:
    return str(body.step.kind) if isinstance(body, StepEnded) else _NOTES[type(body)]


def _status(body: Subject) -> str:
    """How it ended or what became of it, in a word."""
    read = _STATUSES.get(type(body))
    return str(read(body)) if read else str(getattr(body, "status", ""))


def _tool(body: Subject) -> str:
    """The tool's name; `other` where the model invented it, so that nobody can make endless groups."""
    tool = body.step.tool if isinstance(body, StepEnded) else None
    if tool is None:
        return ""
    return tool.name if tool.known else "other"


def _of_tool(name: str) -> Callable[[Subject], str]:
    return lambda body: str(getattr(body.step.tool, name, "")) if isinstance(body, StepEnded) else ""


def _of_node(name: str) -> Callable[[Subject], str]:
    return lambda body: str(getattr(body.step.node, name, "")) if isinstance(body, StepEnded) else ""


def _plain(name: str) -> Callable[[Subject], str]:
    """The body's own field, a step's where the body is a step's."""
    return lambda body: str(getattr(body.step if isinstance(body, StepEnded) else body, name, ""))


def _owner(name: str) -> Callable[[Subject], str]:
    """A field of the turn, of the app, or the body's own: whose the fact is."""

    def read(body: Subject) -> str:
        owner = getattr(body, "turn", None) or getattr(body, "app", body)
        return str(getattr(owner, name, ""))

    return read


FIELDS: Mapping[str, Callable[[Subject], str]] = MappingProxyType(
    {
        "kind": _kind,
        "status": _status,
        "error_type": _plain("error_type"),
        "tool": _tool,
        "tool_provider": _of_tool("provider"),
        "tool_provider_type": _of_tool("provider_type"),
        "model_name": _plain("model_name"),
        "node_type": _of_node("node_type"),
        "node_id": lambda body: _of_node("node_id")(body) or _plain("node_id")(body),
        "dataset_id": _plain("dataset_id"),
        "dataset_name": _plain("dataset_name"),
        "document_id": _plain("document_id"),
        "stage": _plain("stage"),
        "rating": _plain("rating"),
        "given_by": _plain("given_by"),
        "trigger_type": _plain("trigger_type"),
        "source": _plain("source"),
        "state": _plain("state"),
        "tenant_id": _owner("tenant_id"),
        "tenant_name": _owner("tenant_name"),
        "app_id": _owner("app_id"),
        "app_name": _owner("app_name"),
        "mode": _owner("mode"),
        "invoke_from": _owner("invoke_from"),
    }
)
"""What matchers, groups and texts can speak of, and where it stands in a fact."""


def subject_of(recorded: Recorded) -> Subject | None:
    """The fact, where it is one that rules look at."""
    body: Body = recorded.event.body
    return body if isinstance(body, Subject) else None


def fields_of(recorded: Recorded) -> dict[str, str]:
    """All fields of a fact; empty for one that rules don't look at."""
    body = subject_of(recorded)
    return {} if body is None else {name: read(body) for name, read in FIELDS.items()}


def outcome_of(body: Subject) -> Outcome | None:
    """Whether it failed or succeeded; None where it did neither, such as what was stopped or is under way."""
    return _OUTCOMES.get(_kind(body), {}).get(_status(body))


def evidence_of(recorded: Recorded, body: Subject) -> Evidence:
    """The fact as it speaks for a finding: ids and words, no content."""
    step = body.step if isinstance(body, StepEnded) else None
    turn = getattr(body, "turn", None)
    return Evidence(
        key=recorded.event.key,
        turn_id=turn.turn_id if turn else str(getattr(body, "turn_id", "")),
        step_id=step.id if step else "",
        at=step.ended_at if step else recorded.event.occurred_at,
        status=_status(body),
        error_type=FIELDS["error_type"](body),
        conversation_id=turn.conversation_id if turn else str(getattr(body, "conversation_id", "")),
        message_id=turn.message_id if turn else str(getattr(body, "message_id", "")),
        run_id=turn.run_id if turn else "",
        duration_ns=max(0, step.ended_at - step.started_at) if step else 0,
        invented=step is not None and step.tool is not None and not step.tool.known,
    )
