"""Failures and alerts to Sentry's events: what failed, where, for whom, and how it groups. Pure, and never raises.

An issue is an app, what failed in it (a tool, a node, a model, a dataset, the turn itself) and the type of the error:
things that the app's builder or Dify named, never what a user or a model wrote. Hence a tool that the app does not have
(models invent names) groups as `tool (unknown)`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from monitor.model import Alert, AlertChanged, Event, Step, TurnEnded, TurnRef, ids
from monitor.model import semconv as s
from monitor.normalise.attributes import provider_name
from monitor.sinks.sentry.common import Place, cut, fitting, seconds
from monitor.sinks.sentry.envelope import derived_id

__all__ = ["Failure", "alert_event", "crumb", "failure_event", "step_failure", "subject_of", "turn_failure"]

_NS_IN_MS = 1_000_000
_VALUE_CHARS = 4096
_CONTENT_CHARS = 8192
_SHOWN = ("input", "output", "process")
_MOST_EVIDENCE = 10
_LEVELS = {"page": "error", "warning": "warning"}
_CRUMBS = {"http": "http", "llm": "query", "retrieval": "query"}


class Failure(NamedTuple):
    """A step or turn that failed."""

    turn: TurnRef
    subject: str
    """What failed, in a word that groups."""
    shown: str
    """What failed, in a word for people."""
    error_type: str
    at: int
    span_id: str
    parent_id: str
    handled: bool
    tags: Mapping[str, object]
    details: Mapping[str, object]

    @property
    def fingerprint(self) -> list[str]:
        """How its events group."""
        return ["dify", self.turn.app_id, self.subject, self.error_type]


def subject_of(step: Step) -> str:
    """What a step is about, as far as the app's builder or Dify named it."""
    if step.tool is not None:
        return cut(f"tool {step.tool.name}") if step.tool.known else "tool (unknown)"
    if step.node is not None:
        return cut(f"node {step.node.node_id}")
    named = {"llm": f"model {step.model_name}", "retrieval": f"dataset {step.dataset_id}"}
    return cut(named.get(step.kind, step.kind).strip())


def step_failure(turn: TurnRef, step: Step) -> Failure:
    """A step that failed."""
    node = step.node
    root = ids.span_id(turn.turn_id, "turn", turn.turn_id)
    return Failure(
        turn=turn,
        subject=subject_of(step),
        shown=_shown(step),
        error_type=cut(step.error_type or s.ERROR_TYPE_OTHER),
        at=step.ended_at,
        span_id=ids.span_id(turn.turn_id, step.kind, step.id),
        parent_id=ids.span_id(turn.turn_id, "node", step.parent_id) if step.parent_id else root,
        handled=step.handled,
        tags={
            "dify.step.kind": step.kind,
            s.GEN_AI_TOOL_NAME: step.tool.name if step.tool else "",
            s.DIFY_TOOL_PROVIDER: step.tool.provider if step.tool else "",
            s.DIFY_NODE_ID: node.node_id if node else "",
            s.DIFY_NODE_TYPE: node.node_type if node else "",
            s.GEN_AI_REQUEST_MODEL: step.model_name,
            s.GEN_AI_PROVIDER_NAME: provider_name(step.model_provider) if step.model_provider else "",
            s.GEN_AI_DATA_SOURCE_ID: step.dataset_id,
            s.HTTP_RESPONSE_STATUS_CODE: step.http_status,
            s.DIFY_STEP_HANDLED: "true" if step.handled else "",
            s.DIFY_STEP_SOFT: "true" if step.soft else "",
        },
        details={
            "dify.step.id": step.id,
            s.DIFY_NODE_TITLE: node.title if node else "",
            "dify.step.duration_ms": (step.ended_at - step.started_at) // _NS_IN_MS,
            "dify.step.attempts": len(step.attempts) + 1 if step.attempts else "",
            s.DIFY_NODE_ITERATION_INDEX: node.iteration_index if node and node.iteration_id else "",
            s.DIFY_NODE_LOOP_INDEX: node.loop_index if node and node.loop_id else "",
        },
    )


def turn_failure(ended: TurnEnded) -> Failure:
    """A turn that failed."""
    turn = ended.turn
    return Failure(
        turn=turn,
        subject="turn",
        shown="turn",
        error_type=cut(ended.error_type or s.ERROR_TYPE_OTHER),
        at=ended.ended_at,
        span_id=ids.span_id(turn.turn_id, "turn", turn.turn_id),
        parent_id="",
        handled=False,
        tags={
            "dify.step.kind": "turn",
            s.GEN_AI_REQUEST_MODEL: ended.model_name,
            s.GEN_AI_PROVIDER_NAME: provider_name(ended.model_provider) if ended.model_provider else "",
        },
        details={
            "dify.turn.steps": len(ended.steps),
            s.DIFY_TURN_FAILED_STEPS: ended.failed_steps,
            "dify.turn.duration_ms": (ended.ended_at - ended.started_at) // _NS_IN_MS,
        },
    )


def failure_event(place: Place, event: Event, failure: Failure, content: Mapping[str, str]) -> dict[str, Any]:
    """The event, without breadcrumbs. `content` is what may leave of the fact's content."""
    common = place.of_turn(failure.turn)
    where = failure.turn.app_name or failure.turn.app_id
    contexts = common["contexts"]
    details = {name: value for name, value in failure.details.items() if value not in {None, ""}}
    contexts["dify"] |= details
    contexts["trace"] = _trace(failure)
    written = {name: cut(content[name], _CONTENT_CHARS) for name in _SHOWN if content.get(name)}
    if written:
        contexts["content"] = written
    value = content.get("error") or f"{failure.shown} failed in {where}"
    exception = {
        "type": failure.error_type,
        "value": cut(value, _VALUE_CHARS),
        "mechanism": {"type": "dify", "handled": failure.handled},
    }
    tags = fitting({**failure.tags, s.ERROR_TYPE: failure.error_type})
    return {
        **place.item(derived_id(event.key), failure.at),
        **common,
        "tags": common["tags"] | tags,
        "level": "warning" if failure.handled else "error",
        "logger": "dify",
        "transaction": cut(f"{where}: {failure.shown}"),
        "fingerprint": failure.fingerprint,
        "exception": {"values": [exception]},
    }


def crumb(step: Step) -> dict[str, Any]:
    """What the step is among the breadcrumbs of a later failure: facts alone."""
    data = {
        "status": step.status,
        "duration_ms": (step.ended_at - step.started_at) // _NS_IN_MS,
        s.ERROR_TYPE: cut(step.error_type),
        s.GEN_AI_REQUEST_MODEL: cut(step.model_name),
        s.HTTP_RESPONSE_STATUS_CODE: step.http_status,
        s.DIFY_RETRIEVAL_DOCUMENT_COUNT: step.documents,
    }
    failed = step.status == "failed"
    return {
        "timestamp": seconds(step.ended_at),
        "type": "error" if failed else _CRUMBS.get(step.kind, "default"),
        "category": step.kind,
        "level": ("warning" if step.handled else "error") if failed else "info",
        "message": _shown(step),
        "data": {name: value for name, value in data.items() if value not in {None, ""}},
    }


def alert_event(place: Place, event: Event, body: AlertChanged) -> dict[str, Any]:
    """An alert that fires, as an issue of its rule and labels."""
    alert = body.alert
    details = {
        "alert.value": alert.value,
        "alert.reason": body.reason,
        "alert.description": cut(alert.description, _VALUE_CHARS),
        "alert.runbook": alert.runbook,
        "alert.since": seconds(alert.since),
        "turns": [_evidence(place, each) for each in _turns(alert)],
    }
    labels = {f"alert.{name}": value for name, value in alert.labels.items()}
    return {
        **place.item(derived_id(event.key), event.occurred_at),
        "level": _LEVELS.get(alert.severity, "error"),
        "logger": "dify.alerts",
        "logentry": {"formatted": cut(alert.summary or alert.rule, _VALUE_CHARS)},
        "transaction": cut(alert.rule),
        "fingerprint": ["dify", "alert", alert.rule, alert.fingerprint],
        "tags": fitting({"alert.rule": alert.rule, "alert.severity": alert.severity, **labels}),
        "contexts": {"alert": {name: value for name, value in details.items() if value not in ("", [])}},
    }


def _turns(alert: Alert) -> list[TurnRef]:
    """The turns that speak for the alert, each once."""
    seen = {each.turn_id: each for each in alert.evidence if each.turn_id}
    return [
        TurnRef(
            turn_id=each.turn_id,
            tenant_id="",
            app_id=alert.labels.get("app_id", ""),
            app_name="",
            mode="",
            started_at=each.at,
            conversation_id=each.conversation_id,
            message_id=each.message_id,
            run_id=each.run_id,
        )
        for each in list(seen.values())[-_MOST_EVIDENCE:]
    ]


def _evidence(place: Place, turn: TurnRef) -> dict[str, str]:
    return {"turn_id": turn.turn_id, "replay": place.replay(turn)}


def _shown(step: Step) -> str:
    """What a step is about, for people."""
    if step.tool is not None:
        return cut(f"tool {step.tool.name or step.name}")
    if step.node is not None:
        return cut(f"{step.node.node_type} {step.node.title or step.name}".strip())
    return cut(f"{step.kind} {step.model_name or step.name or step.dataset_id}".strip())


def _trace(failure: Failure) -> dict[str, str]:
    found = {"trace_id": ids.trace_id(failure.turn.turn_id), "span_id": failure.span_id, "op": "dify"}
    return found | ({"parent_span_id": failure.parent_id} if failure.parent_id else {})
