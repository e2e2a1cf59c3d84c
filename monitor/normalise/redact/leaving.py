"""What may leave the house of a fact's content: by the sink's `content`, or by what the configuration says of its app.

Every sink has a `Leaving` and asks it before it makes anything of a fact. Only fields that stand in `FIELDS` ever
leave. Those in `PEOPLE` say who somebody is, which no pattern can mask: they leave under `full` alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fnmatch import translate

from monitor.model import AppPolicy, Body, ContentPolicy, Event, Redaction

__all__ = ["FIELDS", "PEOPLE", "Leaving"]

PEOPLE = frozenset({"user", "user_name"})
"""Content fields that name a person."""

FIELDS = PEOPLE | {
    "answer", "comment", "config", "error", "form", "input", "name", "note", "output", "process", "prompt", "question",
}  # fmt: skip
"""Every content field that a fact can have (see the bodies in `monitor.model.events`)."""

_MASKED = FIELDS - PEOPLE
_MOST_APPS = 4096

_App = tuple[str, str]
"""Id and name; two empty texts for a fact that is of no app."""


class Leaving:
    """What leaves by one sink. Build it once; what it remembers only saves work."""

    def __init__(self, sink: str, content: ContentPolicy, redaction: Redaction) -> None:
        """`sink` is its name, `content` what its own configuration says."""
        self._content = content
        self._apps = tuple(_Rule(each) for each in redaction.apps if not each.sinks or sink in each.sinks)
        self._known: dict[_App, ContentPolicy] = {}
        self._masked = _masking(redaction) if "redacted" in self._policies() else _nothing

    @property
    def wants_content(self) -> bool:
        """Whether content of any fact can leave; else the journal need not load it."""
        return self._policies() != {"none"}

    def of(self, event: Event) -> dict[str, str]:
        """What of the event's content may leave. The event itself is never changed."""
        content = event.content
        if not content:
            return {}
        match self._policy(event.body):
            case "none":
                return {}
            case "full":
                return {field: text for field, text in content.items() if field in FIELDS}
            case "redacted":
                return {field: self._masked(text) for field, text in content.items() if field in _MASKED}

    def _policies(self) -> set[ContentPolicy]:
        """Everything that could be in force for some fact: nothing that stands behind a rule for all of them."""
        found: set[ContentPolicy] = set()
        for rule in self._apps:
            found.add(rule.content)
            if rule.is_about_all:
                return found
        return {*found, self._content}

    def _policy(self, body: Body) -> ContentPolicy:
        if not self._apps:
            return self._content
        app = _app_of(body)
        known = self._known.get(app)
        return self._decided(app) if known is None else known

    def _decided(self, app: _App) -> ContentPolicy:
        if len(self._known) >= _MOST_APPS:
            self._known.clear()
        self._known[app] = next((rule.content for rule in self._apps if rule.is_about(app)), self._content)
        return self._known[app]


class _Rule:
    """An AppPolicy, ready to be asked."""

    def __init__(self, policy: AppPolicy) -> None:
        self.content = policy.content
        self.is_about_all = not policy.app.strip("*")
        # Only * and ? stand for something: apps are called `[test] bot`, and a rule that fits nothing lets all leave.
        self._pattern = re.compile(translate(policy.app.replace("[", "[[]")), re.IGNORECASE)

    def is_about(self, app: _App) -> bool:
        """Whether id or name fit. A fact without an app has neither, so only `*` fits it."""
        return any(self._pattern.match(each) for each in app)


def _masking(redaction: Redaction) -> Callable[[str], str]:
    """What masks. Libraries, tables and patterns come with it, so only where something is to be masked."""
    from monitor.normalise.redact.masks import masks_for  # noqa: PLC0415

    return masks_for(redaction).of


def _nothing(_text: str) -> str:
    """No policy in force masks anything."""
    raise AssertionError("masks were not thought to be wanted")


def _app_of(body: Body) -> _App:
    """The app that a fact is of."""
    app = getattr(body, "turn", None) or getattr(body, "app", None)
    if app is not None:
        return app.app_id, app.app_name
    return getattr(body, "app_id", ""), ""
