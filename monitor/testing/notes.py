"""Realistic facts beside the turns, in one line each, under their proper keys; the sample turns are in samples.py.

Every builder takes the fields of the body as keywords, and `number`: how many facts about that row were told before.
"""

from __future__ import annotations

from typing import Any

import msgspec

from monitor.model import (
    AnnotationMade,
    AppRef,
    ConfigChanged,
    ContentDeleted,
    Event,
    FeedbackGiven,
    FeedbackWithdrawn,
    FormChanged,
    TriggerLogged,
    TurnRef,
)
from monitor.model.ids import note_key
from monitor.testing.samples import SECOND, chatflow_ref, turn_ref, uuid

__all__ = [
    "annotation",
    "app_ref",
    "config_changed",
    "content_deleted",
    "feedback",
    "feedback_withdrawn",
    "form",
    "trigger",
]

_FEEDBACK, _ANNOTATION, _CONFIG, _FORM, _TRIGGER = 20, 21, 22, 23, 24
"""Spaces of `uuid`."""
_RANK = 40
_COMMENT = "运单号是错的"


def app_ref(turn: TurnRef | None = None) -> AppRef:
    """The app of a turn."""
    ref = turn or turn_ref()
    return AppRef(ref.tenant_id, ref.app_id, ref.app_name, ref.mode, ref.tenant_name)


def feedback(turn: TurnRef | None = None, *, number: int = 0, **changes: Any) -> Event:
    """The end user disliked the answer and said why."""
    ref = turn or turn_ref()
    body = FeedbackGiven(ref, uuid(1, _FEEDBACK), "dislike", "user", user=ref.user)
    body = msgspec.structs.replace(body, **changes)
    key = note_key(ref.turn_id, "feedback", body.feedback_id, number)
    return _event(key, ref.started_at + (5 + number) * SECOND, body, {"comment": _COMMENT, "user": "alice@example.com"})


def feedback_withdrawn(turn: TurnRef | None = None, *, number: int = 1, **changes: Any) -> Event:
    """The dislike was taken back."""
    ref = turn or turn_ref()
    body = FeedbackWithdrawn(ref, uuid(1, _FEEDBACK), "dislike", "user")
    body = msgspec.structs.replace(body, **changes)
    key = note_key(ref.turn_id, "feedback", body.feedback_id, number)
    return _event(key, ref.started_at + (5 + number) * SECOND, body, {})


def annotation(turn: TurnRef | None = None, *, number: int = 0, **changes: Any) -> Event:
    """Somebody wrote down the right answer to a turn's question."""
    ref = turn or turn_ref()
    body = AnnotationMade(app_ref(ref), uuid(1, _ANNOTATION), ref.message_id, ref.turn_id, changed=number > 0)
    body = msgspec.structs.replace(body, **changes)
    key = note_key(f"app:{ref.app_id}", "annotation", body.annotation_id, number)
    content = {"question": "退款要多久？", "answer": "三个工作日内。", "user": "editor@example.com"}
    return _event(key, ref.started_at + (6 + number) * SECOND, body, content)


def config_changed(app: AppRef | None = None, *, number: int = 0, at: int | None = None, **changes: Any) -> Event:
    """An agent's prompt and tools as they were first seen."""
    owner = app or app_ref()
    body = ConfigChanged(owner, uuid(1, _CONFIG), "5f1d7c0a9b3e2244", model_name="gpt-4o-mini")
    body = msgspec.structs.replace(body, **changes)
    key = note_key(f"app:{owner.app_id}", "config", body.config_id, number)
    when = turn_ref().started_at + number * SECOND if at is None else at
    return _event(key, when, body, {"prompt": "你是客服。", "config": "{}"})


def content_deleted(turn: TurnRef | None = None, **changes: Any) -> Event:
    """The turn's rows are no longer in Dify."""
    ref = turn or turn_ref()
    body = ContentDeleted(ref.turn_id, ref.tenant_id, ref.app_id, ref.conversation_id)
    body = msgspec.structs.replace(body, **changes)
    return _event(note_key(ref.turn_id, "deleted", ref.turn_id), ref.started_at + 60 * SECOND, body, {})


def form(turn: TurnRef | None = None, *, number: int = 0, **changes: Any) -> Event:
    """A workflow asked a person to approve a refund."""
    ref = turn or chatflow_ref()
    body = FormChanged(app_ref(ref), uuid(1, _FORM), ref.turn_id, "node_3", "submitted" if number else "waiting")
    body = msgspec.structs.replace(body, **changes)
    key = note_key(ref.turn_id, "form", body.form_id, number)
    return _event(key, ref.started_at + (3 + number) * SECOND, body, {"form": '{"title": "同意退款？"}'})


def trigger(turn: TurnRef | None = None, *, number: int = 0, **changes: Any) -> Event:
    """A webhook started a workflow; with `turn_id=""` it was refused and never became a run."""
    ref = turn or chatflow_ref()
    body = TriggerLogged(app_ref(ref), uuid(1, _TRIGGER), "trigger-webhook", "succeeded", ref.turn_id)
    body = msgspec.structs.replace(body, **changes)
    owner = body.turn_id or f"app:{ref.app_id}"
    key = note_key(owner, "trigger", body.trigger_id, number)
    return _event(key, ref.started_at - SECOND, body, {"input": '{"order": 12345}'})


def _event(key: str, at: int, body: Any, content: dict[str, str]) -> Event:
    return Event(key=key, rank=_RANK, changed_at=at, occurred_at=at, body=body, content=content)
