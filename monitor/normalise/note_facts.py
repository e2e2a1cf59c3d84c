"""Which attributes the facts beside the turns have: ratings, annotations, configurations, triggers, forms and so on.

One table for each kind of `monitor.model.Note`, shared by the spans and the log records that are made of them
(`note_spans.py`). Pure, and never raises. What of the content may leave is decided before: see `redact.py`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from monitor.model import (
    AnnotationMade,
    AnnotationRemoved,
    ConfigChanged,
    ContentDeleted,
    CoverageChanged,
    FeedbackGiven,
    FeedbackWithdrawn,
    FormChanged,
    IndexingChanged,
    Note,
    TriggerLogged,
)
from monitor.model import semconv as s
from monitor.normalise.attributes import TURN_TEXTS, Attributes, Table, numbers, provider_name, texts
from monitor.normalise.span_content import Row, attributes_of

__all__ = ["note_attributes"]

_APP: Table = (
    (s.DIFY_TENANT_ID, "tenant_id"),
    (s.DIFY_TENANT_NAME, "tenant_name"),
    (s.DIFY_APP_ID, "app_id"),
    (s.DIFY_APP_NAME, "app_name"),
    (s.DIFY_APP_MODE, "mode"),
)
_TRACE = (s.DIFY_TRACE_ID, "turn_id")
_USER = (s.USER_ID, "user")
_FEEDBACK: Table = (
    (s.DIFY_FEEDBACK_ID, "feedback_id"),
    (s.DIFY_FEEDBACK_RATING, "rating"),
    (s.DIFY_FEEDBACK_GIVEN_BY, "given_by"),
)


class _Facts(NamedTuple):
    """What stands in the body of one kind."""

    texts: Table
    numbers: Table = ()
    content: tuple[Row, ...] = ()


def _as_it_is(text: str) -> str:
    return text


_ERROR: Row = ("error", s.ERROR_MESSAGE, _as_it_is)
_FACTS: dict[type[Any], _Facts] = {
    FeedbackGiven: _Facts(
        (*_FEEDBACK, (s.DIFY_FEEDBACK_WAS, "was"), _USER),
        content=(("comment", s.GEN_AI_EVALUATION_EXPLANATION, _as_it_is),),
    ),
    FeedbackWithdrawn: _Facts(_FEEDBACK),
    AnnotationMade: _Facts(
        (_TRACE, (s.DIFY_MESSAGE_ID, "message_id"), (s.DIFY_ANNOTATION_ID, "annotation_id"), _USER),
        content=(
            ("question", s.DIFY_ANNOTATION_QUESTION, _as_it_is),
            ("answer", s.GEN_AI_EVALUATION_EXPLANATION, _as_it_is),
        ),
    ),
    AnnotationRemoved: _Facts((_TRACE, (s.DIFY_ANNOTATION_ID, "annotation_id"))),
    ConfigChanged: _Facts(
        (
            (s.DIFY_CONFIG_ID, "config_id"),
            (s.DIFY_CONFIG_HASH, "hash"),
            (s.DIFY_CONFIG_WAS, "was"),
            (s.DIFY_WORKFLOW_VERSION, "version"),
            (s.GEN_AI_REQUEST_MODEL, "model_name"),
            _USER,
        ),
        content=(
            ("prompt", s.DIFY_CONFIG_PROMPT, _as_it_is),
            ("config", s.DIFY_CONFIG_CONTENT, _as_it_is),
            ("note", s.DIFY_CONFIG_NOTE, _as_it_is),
        ),
    ),
    ContentDeleted: _Facts(
        (
            _TRACE,
            (s.DIFY_TENANT_ID, "tenant_id"),
            (s.DIFY_APP_ID, "app_id"),
            (s.DIFY_CONVERSATION_ID, "conversation_id"),
            (s.GEN_AI_CONVERSATION_ID, "conversation_id"),
            (s.DIFY_DELETED_HOW, "how"),
        )
    ),
    TriggerLogged: _Facts(
        (
            _TRACE,
            (s.DIFY_TRIGGER_ID, "trigger_id"),
            (s.DIFY_TRIGGER_TYPE, "trigger_type"),
            (s.DIFY_TRIGGER_STATUS, "status"),
            (s.DIFY_WORKFLOW_ID, "workflow_id"),
            (s.ERROR_TYPE, "error_type"),
        ),
        ((s.DIFY_TRIGGER_RETRIES, "retries"),),
        (("input", s.DIFY_TRIGGER_INPUT, _as_it_is), _ERROR),
    ),
    FormChanged: _Facts(
        (
            _TRACE,
            (s.DIFY_FORM_ID, "form_id"),
            (s.DIFY_NODE_ID, "node_id"),
            (s.DIFY_FORM_STATUS, "status"),
            (s.DIFY_FORM_ACTION, "action"),
            _USER,
        ),
        ((s.DIFY_FORM_EXPIRES_AT, "expires_at"),),
        (("form", s.DIFY_FORM_CONTENT, _as_it_is), ("answer", s.DIFY_FORM_ANSWER, _as_it_is)),
    ),
    IndexingChanged: _Facts(
        (
            (s.DIFY_TENANT_ID, "tenant_id"),
            (s.DIFY_TENANT_NAME, "tenant_name"),
            (s.DIFY_DATASET_ID, "dataset_id"),
            (s.DIFY_DATASET_NAME, "dataset_name"),
            (s.DIFY_DOCUMENT_ID, "document_id"),
            (s.DIFY_INDEXING_STATUS, "status"),
            (s.DIFY_INDEXING_STAGE, "stage"),
            (s.ERROR_TYPE, "error_type"),
        ),
        ((s.DIFY_INDEXING_SINCE, "since"),),
        (("name", s.DIFY_DOCUMENT_NAME, _as_it_is), _ERROR),
    ),
    CoverageChanged: _Facts(
        ((s.DIFY_COVERAGE_SOURCE, "source"), (s.DIFY_COVERAGE_STATE, "state")),
        (
            (s.DIFY_COVERAGE_PURGE_SAFE_AT, "purge_safe_at"),
            (s.DIFY_COVERAGE_OLDEST_AT, "oldest_at"),
            (s.DIFY_COVERAGE_RETENTION_NS, "retention_ns"),
        ),
    ),
}


def note_attributes(body: Note, content: dict[str, str]) -> Attributes:
    """All attributes of the fact: whose it is, what it says, and what of its content may leave."""
    found: Attributes = {}
    if isinstance(body, FeedbackGiven | FeedbackWithdrawn):
        texts(found, body.turn, TURN_TEXTS)
        found.pop(s.USER_ID, None)  # whose turn it is, who need not be the one who rated
    elif not isinstance(body, ContentDeleted | IndexingChanged | CoverageChanged):
        texts(found, body.app, _APP)
    facts = _FACTS[type(body)]
    texts(found, body, facts.texts)
    numbers(found, body, tuple(row for row in facts.numbers if getattr(body, row[1])))
    found.update(_words(body))
    if content:
        found.update(attributes_of(content, facts.content))
    return found


def _words(body: Note) -> Attributes:
    """What the body says in another form."""
    found: Attributes = {}
    match body:
        case FeedbackWithdrawn():
            return {s.DIFY_FEEDBACK_WITHDRAWN: True}
        case AnnotationMade(changed=changed):
            return {s.DIFY_ANNOTATION_STATE: "changed" if changed else "made"}
        case AnnotationRemoved():
            return {s.DIFY_ANNOTATION_STATE: "removed"}
        case ConfigChanged(what=what, model_provider=provider):
            if what:
                found[s.DIFY_CONFIG_WHAT] = ",".join(what)
            if provider:
                found[s.GEN_AI_PROVIDER_NAME] = provider_name(provider)
        case _:
            pass
    return found
