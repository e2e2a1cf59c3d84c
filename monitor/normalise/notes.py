"""Facts beside the turns: one row of a small table to the one event that it proves. Pure: same rows, same events.

Nothing here decides whether something is news; that is the registers' business, who also count what was told about a
row (`number`). Configurations are in `note_configs.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

from monitor.model import (
    AnnotationMade,
    AnnotationRemoved,
    AppRef,
    Body,
    ContentDeleted,
    Event,
    FeedbackGiven,
    FeedbackWithdrawn,
    FormChanged,
    IndexingChanged,
    SourceGap,
    TriggerLogged,
    TurnRef,
)
from monitor.model.ids import note_key
from monitor.normalise.failure import error_type
from monitor.normalise.note_rows import AnnotationRow, DocumentRow, FeedbackRow, FormRow, HiddenTurn, TriggerRow
from monitor.normalise.rows import AppRow
from monitor.normalise.scrub import MASK, scrub
from monitor.normalise.text import canonical, clean, short
from monitor.normalise.turns import DATABASE_RANK
from monitor.normalise.values import ns_of_us

__all__ = [
    "STUCK_AFTER_US", "Indexing", "annotation_made", "annotation_removed", "app_ref", "content_hidden",
    "feedback_given", "feedback_withdrawn", "form_changed", "gap", "indexing_changed", "indexing_of", "note_event",
    "ref_of_feedback", "trigger_logged",
]  # fmt: skip

STUCK_AFTER_US = 1_800_000_000
"""A document that made no progress for so long is stuck."""

Indexing = Literal["", "failed", "stuck", "paused", "completed", "deleted"]
"""How a document stands; empty: on its way; deleted: its row or its knowledge base's is gone."""

_LINK = re.compile(r"(/form/)[A-Za-z0-9_-]{16,128}")
"""A link to a form ends in its access token."""


def note_event(key: str, at_us: int | None, body: Body, content: dict[str, str] | None = None) -> Event:
    """The event of a fact that happened at `at_us`; empty content is left out."""
    at = ns_of_us(at_us)
    kept = {field: text for field, text in (content or {}).items() if text not in {"", "{}", "null"}}
    return Event(key=key, rank=DATABASE_RANK, changed_at=at, occurred_at=at, body=body, content=kept)


def app_ref(app: AppRow | None, app_id: str, tenant_id: str = "") -> AppRef:
    """Which app a fact is about; by its ids alone where its row is gone."""
    if app is None:
        return AppRef(tenant_id=tenant_id, app_id=app_id)
    return AppRef(
        tenant_id=app.tenant_id or tenant_id,
        app_id=app_id,
        app_name=clean(app.name),
        mode=clean(app.mode),
        tenant_name=clean(app.tenant_name),
    )


# -- feedback


def feedback_given(
    ref: TurnRef, row: FeedbackRow, pseudonym: Callable[[str], str], *, at_us: int, number: int = 0, was: str = ""
) -> Event:
    """A rating was given (`number` 0), or given otherwise than it `was`."""
    user = _rater(row)
    body = FeedbackGiven(
        turn=ref,
        feedback_id=row.id,
        rating=short(row.rating),
        given_by=short(row.given_by),
        user=pseudonym(user) if user else "",
        was=was,
    )
    content = {"comment": scrub(clean(row.comment)), "user": user}
    return note_event(note_key(ref.turn_id, "feedback", row.id, number), at_us, body, content)


def feedback_withdrawn(ref: TurnRef, feedback_id: str, *, rating: str, given_by: str, at_us: int, number: int) -> Event:
    """The row is gone while its message is still there."""
    body = FeedbackWithdrawn(turn=ref, feedback_id=feedback_id, rating=rating, given_by=given_by)
    return note_event(note_key(ref.turn_id, "feedback", feedback_id, number), at_us, body)


def ref_of_feedback(row: FeedbackRow, app: AppRow | None) -> TurnRef:
    """Whose turn it was, as far as the rating itself knows: its message is gone."""
    return TurnRef(
        turn_id=row.message_id,
        tenant_id=app.tenant_id if app is not None else "",
        app_id=row.app_id,
        app_name=clean(app.name) if app is not None else "",
        mode=clean(app.mode) if app is not None else "",
        started_at=ns_of_us(row.created_us),
        conversation_id=clean(row.conversation_id),
        message_id=row.message_id,
        tenant_name=clean(app.tenant_name) if app is not None else "",
    )


def _rater(row: FeedbackRow) -> str:
    """As for a turn's user: the caller's own name where Dify has one, else Dify's id."""
    return clean(row.session_id or row.end_user_id or row.account_id)


# -- annotations


def annotation_made(
    app: AppRef,
    row: AnnotationRow,
    pseudonym: Callable[[str], str],
    *,
    at_us: int,
    turn_id: str = "",
    number: int = 0,
    changed: bool = False,
) -> Event:
    """A person wrote down an answer, or changed question, answer or what it belongs to."""
    user = clean(row.account_id)
    body = AnnotationMade(
        app=app,
        annotation_id=row.id,
        message_id=clean(row.message_id),
        turn_id=turn_id,
        user=pseudonym(user) if user else "",
        changed=changed,
    )
    content = {"question": scrub(clean(row.question)), "answer": scrub(clean(row.answer)), "user": user}
    return note_event(_annotation_key(row.app_id, row.id, number), at_us, body, content)


def annotation_removed(app: AppRef, annotation_id: str, *, turn_id: str, at_us: int, number: int) -> Event:
    """The row is gone, be it alone or with its message."""
    body = AnnotationRemoved(app=app, annotation_id=annotation_id, turn_id=turn_id)
    return note_event(_annotation_key(app.app_id, annotation_id, number), at_us, body)


def _annotation_key(app_id: str, annotation_id: str, number: int) -> str:
    return note_key(f"app:{app_id}", "annotation", annotation_id, number)


# -- documents


def indexing_of(row: DocumentRow, now_us: int) -> tuple[Indexing, int]:
    """How a document stands, and since when (us; 0: unknown)."""
    stage_us = row.stage_us or 0
    if row.stage == "error":
        return "failed", row.stopped_us or stage_us
    if row.stage == "completed":
        return "completed", row.completed_us or stage_us
    if row.is_paused:
        return "paused", row.paused_us or stage_us
    stuck = stage_us and now_us - stage_us >= STUCK_AFTER_US
    return ("stuck", stage_us) if stuck else ("", stage_us)


def indexing_changed(row: DocumentRow, status: Indexing, since_us: int, *, number: int = 0) -> Event:
    """A document failed, is stuck or paused, or came through or was deleted after that."""
    error = clean(row.error) if status == "failed" else ""
    body = IndexingChanged(
        tenant_id=row.tenant_id,
        dataset_id=row.dataset_id,
        document_id=row.id,
        status=status,
        stage=short(row.stage),
        since=0 if status == "deleted" else ns_of_us(since_us),
        error_type=error_type(error) if status == "failed" else "",
        tenant_name=clean(row.tenant_name),
        dataset_name=clean(row.dataset_name),
    )
    at_us = since_us + STUCK_AFTER_US if status == "stuck" else since_us
    content = {"name": clean(row.name), "error": scrub(error)}
    return note_event(note_key(f"dataset:{row.dataset_id}", "document", row.id, number), at_us, body, content)


# -- triggers, forms


def trigger_logged(app: AppRef, row: TriggerRow, *, number: int = 0) -> Event:
    """A trigger's row as it stands."""
    turn_id = clean(row.run_id)
    body = TriggerLogged(
        app=app,
        trigger_id=row.id,
        trigger_type=short(row.trigger_type),
        status=short(row.status),
        turn_id=turn_id,
        workflow_id=clean(row.workflow_id),
        error_type=_trigger_error(row),
        retries=max(0, row.retries or 0),
    )
    asked = canonical(row.trigger_data)
    asked = asked if asked not in {"", "{}", "null"} else canonical(row.inputs)
    content = {"input": scrub(asked), "error": scrub(clean(row.error))}
    at_us = row.finished_us or row.triggered_us or row.created_us
    return note_event(note_key(turn_id or f"app:{row.app_id}", "trigger", row.id, number), at_us, body, content)


def _trigger_error(row: TriggerRow) -> str:
    if row.error:
        return error_type(row.error)
    return "rate_limit" if row.status == "rate_limited" else ""


def form_changed(app: AppRef, row: FormRow, pseudonym: Callable[[str], str], *, status: str, number: int = 0) -> Event:
    """A person was asked (`waiting`), or it came to another end. What was sent to whom is not part of it."""
    asked = status == "waiting"
    turn_id = clean(row.run_id)
    user = "" if asked else clean(row.session_id or row.end_user_id or row.account_id)
    body = FormChanged(
        app=app,
        form_id=row.id,
        turn_id=turn_id,
        node_id=short(row.node_id),
        status=status,
        action="" if asked else short(row.action),
        user=pseudonym(user) if user else "",
        expires_at=ns_of_us(row.expires_us),
    )
    content = {"form": _without_links(clean(row.rendered))}
    if not asked:
        content |= {"answer": _without_links(canonical(row.submitted)), "user": user}
    at_us = row.created_us if asked else (row.submitted_us or row.updated_us or row.created_us)
    return note_event(note_key(turn_id or f"app:{row.app_id}", "form", row.id, number), at_us, body, content)


def _without_links(text: str) -> str:
    return scrub(_LINK.sub(rf"\1{MASK}", text))


# -- deletions, gaps


def content_hidden(app: AppRef, row: HiddenTurn) -> Event:
    """A turn whose conversation is marked as deleted; Dify notes no time, the row's own is the nearest before."""
    turn_id = clean(row.run_id) or row.message_id
    body = ContentDeleted(
        turn_id=turn_id,
        tenant_id=app.tenant_id,
        app_id=row.app_id,
        conversation_id=row.conversation_id,
        how="hidden",
    )
    return note_event(note_key(turn_id, "deleted", turn_id), max(row.created_us, row.deleted_us or 0), body)


def gap(source_name: str, table: str, row_id: str, reason: str, *, at_us: int, number: int = 0) -> Event:
    """A row that could not be understood."""
    what = f"{table} {row_id}"
    body = SourceGap(what=what, reason=reason)
    return note_event(note_key(f"source:{source_name}", "gap", what, number), at_us, body)
