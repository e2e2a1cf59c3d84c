"""Tools that a model made up: their names are what a model wrote, and leave as content or not at all.

A name that the app has is the builder's, and a fact. Of one that the app does not have nothing is known but the model's
word for it, which may repeat what a user said. So wherever facts leave, such a tool is called `(unknown)` unless its
name stands in the content that may leave, and the ids that Dify's rows give it, which end with the name, end with a
digest of it instead: the same for every sink, policy and repeat. Called by whatever makes facts leave.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import blake2b

from monitor.model import Event, Evidence, Step, StepEnded, ids

__all__ = ["UNKNOWN", "is_invented", "key_of", "seen_of", "step_id_of", "tool_name_of"]

UNKNOWN = "(unknown)"
"""What stands for a name that may not leave."""

_NAMED_ID = re.compile(r"([^/]*/[0-9]+/)(.+)", re.DOTALL)
"""Message, position, name: the id of a tool call in an agent's thought. No other id holds a name."""
_PERSON = b"difymon-made-up1"


def is_invented(step: Step) -> bool:
    """Whether the step calls a tool that the app does not have."""
    return step.tool is not None and not step.tool.known


def tool_name_of(step: Step, content: Mapping[str, str]) -> str:
    """What the step's tool is called where `content` may leave; empty for a step without one."""
    if step.tool is None:
        return ""
    if is_invented(step):
        return content.get("name") or UNKNOWN
    return step.tool.name or step.name


def step_id_of(step: Step) -> str:
    """The step's id, fit to leave."""
    return _unnamed(step.id) if is_invented(step) else step.id


def key_of(event: Event) -> str:
    """The event's key, fit to leave; another key for another event, as ever."""
    body = event.body
    if not isinstance(body, StepEnded) or not is_invented(body.step):
        return event.key
    return ids.step_key(body.turn.turn_id, _unnamed(body.step.id))


def seen_of(evidence: Evidence) -> tuple[str, str]:
    """Key and step id of what speaks for an alert, fit to leave."""
    if not evidence.invented:
        return evidence.key, evidence.step_id
    step_id = _unnamed(evidence.step_id)
    return ids.step_key(evidence.turn_id, step_id), step_id


def _unnamed(step_id: str) -> str:
    named = _NAMED_ID.fullmatch(step_id)
    if named is None:
        return step_id
    digest = blake2b(step_id.encode("utf-8", "replace"), digest_size=8, person=_PERSON).hexdigest()
    return f"{named[1]}{digest}"
