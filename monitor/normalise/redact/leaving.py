"""What may leave the house of a fact's content: by the sink's `content`, or by what the configuration says of its app.

Every sink has a `Leaving` and asks it before it makes anything of a fact. Only fields that stand in `FIELDS` ever
leave. Those in `PEOPLE` say who somebody is, which no pattern can mask: they leave under `full` alone.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

from monitor.model import AppPolicy, Body, ContentPolicy, Event, Redaction
from monitor.normalise.redact.masks import redact

__all__ = ["FIELDS", "PEOPLE", "Leaving", "apply"]

PEOPLE = frozenset({"user", "user_name"})
"""Content fields that name a person."""

FIELDS = PEOPLE | {
    "answer", "comment", "config", "error", "form", "input", "name", "note", "output", "process", "prompt", "question",
}  # fmt: skip
"""Every content field that a fact can have (see the bodies in `monitor.model.events`)."""

_MASKED = FIELDS - PEOPLE


class Leaving:
    """What leaves by one sink. Pure and immutable; build it once."""

    def __init__(self, sink: str, content: ContentPolicy, redaction: Redaction) -> None:
        """`sink` is its name, `content` what its own configuration says."""
        self._content = content
        self._apps = tuple(each for each in redaction.apps if not each.sinks or sink in each.sinks)

    @property
    def wants_content(self) -> bool:
        """Whether anything can leave at all; else the journal need not load content."""
        return self._content != "none" or any(each.content != "none" for each in self._apps)

    def of(self, event: Event) -> dict[str, str]:
        """What of the event's content may leave. The event itself is never changed."""
        return apply(self._policy(event.body), event.content) if event.content else {}

    def _policy(self, body: Body) -> ContentPolicy:
        if not self._apps:
            return self._content
        names = _app_of(body)
        return next((each.content for each in self._apps if _is_about(each, names)), self._content)


def apply(policy: ContentPolicy, content: dict[str, str]) -> dict[str, str]:
    """What of the content may leave under the policy. The content itself is never changed."""
    match policy:
        case "none":
            return {}
        case "full":
            return {field: text for field, text in content.items() if field in FIELDS}
        case "redacted":
            return {field: redact(text) for field, text in content.items() if field in _MASKED}


def _app_of(body: Body) -> tuple[str, ...]:
    """Id and name of the app that a fact is of; nothing where it is of none."""
    app = getattr(body, "turn", None) or getattr(body, "app", None)
    return () if app is None else (app.app_id, app.app_name)


def _is_about(policy: AppPolicy, names: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, policy.app) for name in names)
