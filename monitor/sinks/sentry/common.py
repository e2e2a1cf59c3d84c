"""What every item for Sentry has in common: times, tags, whose turn it is, the link to the replay. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from monitor import __version__
from monitor.model import AppRef, IndexingChanged, TurnRef, ids
from monitor.model import semconv as s
from monitor.normalise.attributes import within_time
from monitor.sinks.sentry.settings import Config

__all__ = ["Place", "cut", "fitting", "moment", "seconds"]

_US_NS = 1_000
_SECOND_NS = 1_000_000_000
_TAG_CHARS = 200
"""Sentry drops a tag whose value is longer."""
_NAME_CHARS = 200

_TAGS = (
    (s.DIFY_APP_NAME, "app_name"),
    (s.DIFY_APP_ID, "app_id"),
    (s.DIFY_APP_MODE, "mode"),
    (s.DIFY_TENANT_ID, "tenant_id"),
    (s.DIFY_TENANT_NAME, "tenant_name"),
    (s.DIFY_INVOKE_FROM, "invoke_from"),
    (s.DIFY_CONFIG_HASH, "config_hash"),
)
_CONTEXT = (
    (s.DIFY_TRACE_ID, "turn_id"),
    (s.DIFY_CONVERSATION_ID, "conversation_id"),
    (s.DIFY_MESSAGE_ID, "message_id"),
    (s.DIFY_WORKFLOW_RUN_ID, "run_id"),
    (s.DIFY_WORKFLOW_ID, "workflow_id"),
    (s.DIFY_WORKFLOW_VERSION, "workflow_version"),
)


class Place:
    """What the configuration puts on every item."""

    def __init__(self, config: Config) -> None:
        self._config = config

    def item(self, event_id: str, at_ns: int) -> dict[str, Any]:
        """The beginning of an event or a transaction."""
        found = {
            "event_id": event_id,
            "timestamp": seconds(at_ns),
            "platform": "other",
            "environment": self._config.environment,
            "release": self._config.release_name,
        }
        sdk = {"name": "dify.monitor", "version": __version__}
        return {name: value for name, value in found.items() if value != ""} | {"sdk": sdk}

    def of(self, whose: TurnRef | AppRef | IndexingChanged) -> dict[str, Any]:
        """Tags, context and user of a turn (the user is the keyed pseudonym), or what is known where there is none."""
        replay = self.replay(whose) if isinstance(whose, TurnRef) else ""
        context = {"replay": replay} | {name: str(getattr(whose, field, "")) for name, field in _CONTEXT}
        tags = {name: getattr(whose, field, "") for name, field in _TAGS}
        user = whose.user if isinstance(whose, TurnRef) else ""
        return {"tags": fitting(tags), "contexts": {"dify": _said(context)}} | ({"user": {"id": user}} if user else {})

    def replay(self, turn: TurnRef) -> str:
        """Where the turn's conversation can be replayed: a link, or else the command."""
        if not self._config.replay_url:
            return f"monitor replay {turn.conversation_id or turn.turn_id}"
        known = {
            "turn_id": turn.turn_id,
            "conversation_id": turn.conversation_id or turn.turn_id,
            "message_id": turn.message_id or turn.turn_id,
            "run_id": turn.run_id or turn.turn_id,
            "app_id": turn.app_id,
            "trace_id": ids.trace_id(turn.turn_id),
        }
        return self._config.replay_url.format_map({name: quote(value, safe="") for name, value in known.items()})


def seconds(ns: int) -> float:
    """A moment as Sentry writes it: seconds since 1970 UTC, to the microsecond."""
    return within_time(ns) // _US_NS / 1_000_000


def moment(ns: int) -> str:
    """A moment for people, in UTC."""
    return datetime.fromtimestamp(within_time(ns) // _SECOND_NS, UTC).isoformat().replace("+00:00", "Z")


def fitting(tags: Mapping[str, object]) -> dict[str, str]:
    """Tags that Sentry takes: on one line, not empty, not too long."""
    told = {name: " ".join(str(value).split())[:_TAG_CHARS] for name, value in tags.items() if value not in {None, ""}}
    return _said(told)


def _said(values: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in values.items() if value}


def cut(text: str, chars: int = _NAME_CHARS) -> str:
    """The text's beginning."""
    return text if len(text) <= chars else f"{text[: chars - 1]}…"
