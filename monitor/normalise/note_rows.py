"""Dify's rows beside the turns as any source hands them over: ratings, annotations, configurations, documents, ...

As in `rows.py`: times are integer microseconds since 1970 UTC (None where Dify left them empty), nothing is cleaned.
"""

from __future__ import annotations

import msgspec

__all__ = ["AnnotationRow", "ConfigRow", "DocumentRow", "FeedbackRow", "FormRow", "HiddenTurn", "TriggerRow"]


class FeedbackRow(msgspec.Struct, gc=False):
    """One row of `message_feedbacks`: the rating of one message by the end user or by people of the workspace."""

    id: str
    app_id: str
    conversation_id: str | None
    message_id: str
    rating: str
    comment: str | None
    given_by: str
    end_user_id: str | None
    account_id: str | None
    created_us: int
    updated_us: int | None
    session_id: str | None = None
    """The caller's own name for the end user."""


class AnnotationRow(msgspec.Struct, gc=False):
    """One row of `message_annotations` (its count of hits left out: a hit is no change)."""

    id: str
    app_id: str
    message_id: str | None
    question: str | None
    answer: str
    account_id: str | None
    created_us: int
    updated_us: int | None


class ConfigRow(msgspec.Struct):
    """One row of `app_model_configs`, or a published one of `workflows`."""

    id: str
    app_id: str
    created_us: int
    updated_us: int | None
    created_by: str | None
    columns: dict[str, str | None]
    """All that the hash covers, by column."""
    tenant_id: str = ""
    """Empty in `app_model_configs`, which has none."""
    type: str = ""
    """Of a workflow: workflow, chat, rag-pipeline, ..."""
    version: str | None = None
    marked_name: str | None = None
    marked_comment: str | None = None
    provider: str | None = None
    """What very old rows name beside `model`."""
    model_id: str | None = None
    before_id: str | None = None
    """The row of the same app that came before; None where there is none."""


class DocumentRow(msgspec.Struct, gc=False):
    """One row of `documents`, with the names of its dataset and workspace."""

    id: str
    stage: str
    is_paused: bool
    stage_us: int | None
    """The newest time of all stages up to the last but one."""
    completed_us: int | None
    stopped_us: int | None
    paused_us: int | None
    tenant_id: str = ""
    dataset_id: str = ""
    name: str | None = None
    error: str | None = None
    tenant_name: str | None = None
    dataset_name: str | None = None


class TriggerRow(msgspec.Struct, gc=False):
    """One row of `workflow_trigger_logs` (Dify 1.10 and later)."""

    id: str
    tenant_id: str
    app_id: str
    workflow_id: str
    run_id: str | None
    trigger_type: str
    status: str
    trigger_data: str | None
    inputs: str | None
    error: str | None
    retries: int | None
    created_us: int
    triggered_us: int | None
    finished_us: int | None


class FormRow(msgspec.Struct, gc=False):
    """One row of `human_input_forms` (Dify 1.13 and later), without its definition and whom it was sent to."""

    id: str
    tenant_id: str
    app_id: str
    run_id: str | None
    kind: str | None
    node_id: str
    status: str
    rendered: str | None
    action: str | None
    submitted: str | None
    account_id: str | None
    end_user_id: str | None
    created_us: int
    updated_us: int | None
    expires_us: int | None
    submitted_us: int | None
    session_id: str | None = None


class HiddenTurn(msgspec.Struct, gc=False):
    """A message whose conversation is marked as deleted."""

    conversation_id: str
    message_id: str
    run_id: str | None
    app_id: str
    created_us: int
    deleted_us: int | None = None
    """When the conversation's row changed last: no later than the deletion."""
