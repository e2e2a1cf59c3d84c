"""Facts beside the turns for tests: one of every kind, with every content field that it can have, and any at all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import msgspec
from hypothesis import strategies as st

from monitor.model import (
    AnnotationMade,
    AnnotationRemoved,
    AppRef,
    ConfigChanged,
    ContentDeleted,
    CoverageChanged,
    FeedbackGiven,
    FeedbackWithdrawn,
    FormChanged,
    IndexingChanged,
    Note,
    Recorded,
    TriggerLogged,
)
from monitor.model.ids import note_key
from monitor.testing.samples import BASE_NS, SECOND, chatflow_ref, recorded, turn_ref, uuid
from monitor.testing.strategies import contents, texts, times, turn_refs

APP = AppRef(
    tenant_id=uuid(1, 10),
    app_id=uuid(1, 11),
    app_name="客服 Agent",
    mode="agent-chat",
    tenant_name="Acme",
)
FLOW = chatflow_ref(4)
RATED = turn_ref(3, tenant_name="Acme", config_hash="0123456789abcdef")

NOTES: tuple[Note, ...] = (
    FeedbackGiven(RATED, uuid(1, 20), "dislike", "user", user="pseudonym of who rated", was="like"),
    FeedbackWithdrawn(RATED, uuid(1, 20), "dislike", "user"),
    AnnotationMade(APP, uuid(1, 21), message_id=RATED.message_id, turn_id=RATED.turn_id, user="author", changed=True),
    AnnotationRemoved(APP, uuid(1, 21), turn_id=RATED.turn_id),
    ConfigChanged(
        APP,
        uuid(1, 22),
        "fedcba9876543210",
        was="0123456789abcdef",
        what=("prompt", "model"),
        model_provider="langgenius/gemini/google",
        model_name="gemini-2.5-pro",
        user="publisher",
    ),
    ContentDeleted(RATED.turn_id, APP.tenant_id, APP.app_id, RATED.conversation_id),
    TriggerLogged(APP, uuid(1, 23), "trigger-webhook", "rate_limited", workflow_id=uuid(1, 12), retries=2),
    FormChanged(APP, uuid(1, 24), FLOW.turn_id, "ask", "submitted", action="approve", user="boss", expires_at=BASE_NS),
    IndexingChanged(
        APP.tenant_id,
        uuid(1, 25),
        uuid(1, 26),
        "failed",
        stage="error",
        since=BASE_NS,
        error_type="quota",
        tenant_name="Acme",
        dataset_name="售后政策",
    ),
    CoverageChanged("dify_database", "at_risk", BASE_NS, oldest_at=BASE_NS - SECOND, retention_ns=30 * 86_400 * SECOND),
)
"""One of each kind."""


def note(body: Note, number: int = 0, *, content: dict[str, str] | None = None, at: int | None = None) -> Recorded:
    """The fact as the journal hands it on; `number` is the key's and the position, `at` when it happened."""
    known = recorded(body, seq=number, content=content)
    moment = BASE_NS + number * SECOND if at is None else at
    key = note_key("owner", type(body).__name__, "row", number)
    event = msgspec.structs.replace(known.event, key=key, occurred_at=moment, changed_at=moment)
    return msgspec.structs.replace(known, event=event, recorded_at=moment + SECOND)


def changed(kind: type[Any], **fields: Any) -> Any:
    """The sample of this kind with other fields."""
    (sample,) = (body for body in NOTES if isinstance(body, kind))
    return msgspec.structs.replace(sample, **fields)


_WORDS = st.sampled_from(["failed", "stuck", "rate_limited", "like", "dislike", "safe", "at_risk", ""]) | texts
_ids = st.uuids().map(str) | texts
_apps = st.builds(AppRef, tenant_id=_ids, app_id=_ids, app_name=texts, mode=texts, tenant_name=texts)
_BY_TYPE: dict[Any, st.SearchStrategy[Any]] = {
    str: _WORDS | _ids,
    int: times,
    bool: st.booleans(),
    tuple[str, ...]: st.lists(texts, max_size=3).map(tuple),
    AppRef: _apps,
    type(RATED): turn_refs,
}


def _any_of(kind: type[Any]) -> st.SearchStrategy[Any]:
    fields = {field.name: _BY_TYPE[field.type] for field in msgspec.structs.fields(kind)}
    return st.builds(kind, **fields)


def kinds() -> Iterator[type[Any]]:
    """Every kind of note that the model has."""
    yield from get_args(Note)


any_notes: st.SearchStrategy[Note] = st.one_of(*map(_any_of, kinds()))
"""Any body of any kind, plausible or not."""

any_recorded = st.builds(note, any_notes, st.integers(0, 2**31), content=contents, at=times)
