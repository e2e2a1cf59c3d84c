"""A notification in words and as JSON, the same on every channel that has no form of its own.

Pure. Names in a notification come from Dify's rows, so whoever makes apps and tools writes them: what could steer a
terminal is taken out, and nothing here is ever read as a template. Called by the modules of `monitor.notify`.
"""

from __future__ import annotations

import math
import unicodedata
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from monitor.model import Evidence, Notification
from monitor.model.ids import is_uuid
from monitor.normalise.invented import seen_of

__all__ = ["VERSION", "as_json", "as_text", "plain", "rfc3339", "status_of"]

VERSION = "1"
"""Of the JSON: fields may be added under the same version, none goes or changes its meaning."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_US = (datetime(9999, 12, 31, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
_US = 1_000
_NS = 1_000_000_000
_MOST_CALLS = 10
_MOST_REPLAYS = 3
_LONGEST_LINE = 2_000
_UNSHOWABLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def plain(text: str, longest: int = _LONGEST_LINE) -> str:
    """The text on one line, without control characters, marks that turn the direction of reading, and surrogates."""
    cut = text if len(text) <= longest else text[: longest - 1] + "…"
    spaced = cut.replace("\r\n", " ").replace("\n", " ").replace("\t", " ")
    return "".join(char for char in spaced if unicodedata.category(char) not in _UNSHOWABLE)


def rfc3339(ns: int, timespec: str = "microseconds") -> str:
    """The time in UTC, such as `2025-09-24T08:00:00.000000Z`; times that a calendar lacks become its nearest."""
    microseconds = min(max(ns // _US, 0), _LAST_US)
    text = (_EPOCH + timedelta(microseconds=microseconds)).isoformat(timespec=timespec)
    return text.replace("+00:00", "Z")


def status_of(notification: Notification) -> str:
    """`firing` or `resolved`."""
    return "resolved" if notification.now == "resolved" else "firing"


def as_text(notification: Notification) -> str:
    """Some lines for people and an empty one."""
    alert = notification.alert
    lines = [f"{status_of(notification).upper()}  {plain(alert.summary)}", _facts(notification), _labels(alert.labels)]
    if alert.description and status_of(notification) == "firing":
        lines.append(f"  {plain(alert.description)}")
    lines += _calls(alert.evidence)
    lines += [f"  replay: monitor replay {name}" for name in _replayable(alert.evidence)]
    if alert.runbook:
        lines.append(f"  runbook: {plain(alert.runbook)}")
    lines.append(f"  notification {plain(notification.id)}")
    return "\n".join(lines) + "\n\n"


def as_json(notification: Notification) -> bytes:
    """The notification as JSON (UTF-8): the same notification is the same bytes."""
    alert = notification.alert
    document: dict[str, Any] = {
        "version": VERSION,
        "id": notification.id,
        "status": status_of(notification),
        "rule": alert.rule,
        "fingerprint": alert.fingerprint,
        "severity": alert.severity,
        "labels": dict(sorted(alert.labels.items())),
        "summary": alert.summary,
        "description": alert.description,
        "runbook": alert.runbook,
        "since": rfc3339(alert.since),
        "at": rfc3339(notification.at),
        "value": alert.value if math.isfinite(alert.value) else None,
        "reason": notification.reason,
        "late": notification.late,
        "evidence": [_evidence(one) for one in alert.evidence],
    }
    return msgspec.json.encode(_clean(document))


def _facts(notification: Notification) -> str:
    alert = notification.alert
    changed = f"{plain(notification.reason)}{', late' if notification.late else ''}"
    return (
        f"  rule {plain(alert.rule)}, severity {plain(alert.severity)}, value {_number(alert.value)},"
        f" since {rfc3339(alert.since, 'seconds')}, changed {rfc3339(notification.at, 'seconds')} ({changed})"
    )


def _labels(labels: dict[str, str]) -> str:
    return "  " + " ".join(f"{plain(name)}={plain(value)}" for name, value in sorted(labels.items()))


def _evidence(one: Evidence) -> dict[str, Any]:
    key, step_id = seen_of(one)
    return {
        "key": key,
        "turn_id": one.turn_id,
        "step_id": step_id,
        "at": rfc3339(one.at),
        "status": one.status,
        "error_type": one.error_type,
        "duration_s": one.duration_ns / _NS,
        "conversation_id": one.conversation_id,
        "message_id": one.message_id,
        "run_id": one.run_id,
    }


def _clean(value: Any) -> Any:
    """The same with lone surrogates, which no UTF-8 can hold, replaced."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, dict):
        return {_clean(name): _clean(inner) for name, inner in value.items()}
    return [_clean(inner) for inner in value] if isinstance(value, list) else value


def _calls(evidence: tuple[Evidence, ...]) -> list[str]:
    """A line for each of the newest pieces of evidence."""
    hidden = len(evidence) - _MOST_CALLS
    lines = [f"    … and {hidden} earlier"] if hidden > 0 else []
    return lines + [_call(one) for one in evidence[-_MOST_CALLS:]]


def _call(one: Evidence) -> str:
    """One step; or one fact beside the turns, which takes no time, and which its key names where it has no turn."""
    ids = {"conversation": one.conversation_id, "message": one.message_id, "run": one.run_id}
    where = ", ".join(f"{name} {plain(value)}" for name, value in ids.items() if value)
    when = rfc3339(one.at, "seconds")
    if one.step_id:
        return f"    {when}  {plain(one.error_type or one.status)}  {one.duration_ns / _NS:.1f} s  {where}"
    what = f"{one.status} ({one.error_type})" if one.error_type not in {"", one.status} else one.status
    return f"    {when}  {plain(what)}  {where or plain(one.key)}"


def _replayable(evidence: tuple[Evidence, ...]) -> list[str]:
    """The newest conversations, or turns that have none, each once; only true ids, as people paste the line."""
    ids = [one.conversation_id or one.turn_id for one in reversed(evidence)]
    return list(dict.fromkeys(name for name in ids if is_uuid(name)))[:_MOST_REPLAYS]


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() else f"{value:.6g}"
