"""Failures and alerts to Sentry's events: what failed, where, for whom, and how to see it again. Pure; never raises."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitor.model import Alert, AlertChanged, Event, Step, TurnRef
from monitor.model import semconv as s
from monitor.sinks.sentry.common import Place, cut, fitting, moment, seconds
from monitor.sinks.sentry.envelope import derived_id
from monitor.sinks.sentry.failures import Failure, shown

__all__ = ["alert_event", "crumb", "failure_event"]

_NS_IN_MS = 1_000_000
_VALUE_CHARS = 4096
_CONTENT_CHARS = 8192
_SHOWN = ("name", "input", "output", "process")
_MOST_EVIDENCE = 10
_LEVELS = {"page": "error", "warning": "warning"}
_CRUMBS = {"http": "http", "llm": "query", "retrieval": "query"}


def failure_event(place: Place, event: Event, failure: Failure, content: Mapping[str, str]) -> dict[str, Any]:
    """The event, without breadcrumbs. `content` is what may leave of the fact's content."""
    common = place.of(failure.whose)
    contexts = common["contexts"]
    contexts["dify"] |= {name: value for name, value in failure.details.items() if value not in {None, ""}}
    if failure.trace:
        contexts["trace"] = dict(failure.trace)
    written = {name: cut(content[name], _CONTENT_CHARS) for name in _SHOWN if content.get(name)}
    if written:
        contexts["content"] = written
    tags = fitting({**failure.tags, s.ERROR_TYPE: failure.error_type})
    return {
        **place.item(derived_id(event.key), failure.at),
        **common,
        "tags": common["tags"] | tags,
        "level": failure.level,
        "logger": "dify",
        "transaction": cut(f"{failure.where}: {failure.shown}"),
        "fingerprint": failure.fingerprint,
        "exception": {"values": [_exception(failure, content.get("error", ""))]},
    }


def _exception(failure: Failure, error: str) -> dict[str, Any]:
    """Type and value are the issue's title: they say what failed and where, whatever the error's own words are."""
    said = f"{failure.shown} failed in {failure.where}"
    return {
        "type": "error" if failure.error_type == s.ERROR_TYPE_OTHER else failure.error_type,
        "value": cut(f"{said}: {error}" if error else said, _VALUE_CHARS),
        "mechanism": {"type": "dify", "handled": failure.handled},
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
        "message": shown(step) + _ending(step),
        "data": {name: value for name, value in data.items() if value not in {None, ""}},
    }


def _ending(step: Step) -> str:
    """How the step ended, where it did not simply succeed: some readers show nothing of a breadcrumb but its text."""
    if step.status == "succeeded":
        return ""
    why = f": {cut(step.error_type)}" if step.error_type else ""
    return f" {step.status}{why}{' (handled)' if step.handled else ''}"


def alert_event(place: Place, event: Event, body: AlertChanged) -> dict[str, Any]:
    """An alert that fires, as an issue of its rule and labels."""
    alert = body.alert
    replays = [place.replay(each) for each in _turns(alert)]
    details = {
        "replay": replays[-1] if replays else "",
        "alert.value": alert.value,
        "alert.reason": body.reason,
        "alert.description": cut(alert.description, _VALUE_CHARS),
        "alert.runbook": alert.runbook,
        "alert.since": moment(alert.since),
        "replays": replays,
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
