"""Hypothesis strategies for facts: everything that a journal can hold, plausible or not.

Needs hypothesis, which only tests have; nothing else in `monitor.testing` imports this module.
"""

from __future__ import annotations

import json
from typing import Any, get_args

from hypothesis import strategies as st

from monitor.model import (
    AnnotationMade,
    AnnotationRemoved,
    AppRef,
    Attempt,
    Body,
    ConfigChanged,
    ContentDeleted,
    CoverageChanged,
    Event,
    FeedbackGiven,
    FeedbackWithdrawn,
    FormChanged,
    Hit,
    IndexingChanged,
    Node,
    Recorded,
    SourceGap,
    Status,
    Step,
    StepEnded,
    StepKind,
    Tool,
    TriggerLogged,
    TurnEnded,
    TurnRef,
    TurnStarted,
    TurnStatus,
    Usage,
)

__all__ = [
    "contents",
    "events",
    "json_texts",
    "notes",
    "recorded_notes",
    "recordeds",
    "steps",
    "texts",
    "times",
    "turn_refs",
    "turns_ended",
    "usages",
]

_FIELDS = ("input", "output", "process", "error", "user", "surplus")
_MODES = ("agent-chat", "chat", "completion", "workflow", "advanced-chat", "rag-pipeline", "agent", "channel", "")

texts = st.text(max_size=40)
"""Any text that can be stored: no lone surrogates, but NUL, control characters, every script."""

times = st.one_of(st.integers(0, 2**61), st.integers(-(2**63), 2**64 - 1), st.sampled_from([0, 2**63 - 1, 2**63]))
"""Nanoseconds, some before 1970, some later than 64 bits can say."""

_ids = st.one_of(st.uuids().map(str), texts)
_counts = st.one_of(st.none(), st.integers(-(2**63), 2**64 - 1))
_floats = st.one_of(st.none(), st.floats())

_json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
_prompts = st.fixed_dictionaries(
    {"prompts": st.lists(st.fixed_dictionaries({}, optional={"role": _json_values, "text": _json_values}), max_size=3)}
)
_named = st.dictionaries(st.sampled_from(["text", "prompts", "query", "result", "metadata"]), _json_values, max_size=4)
json_texts: st.SearchStrategy[str] = st.builds(
    json.dumps, st.one_of(_json_values, _prompts, _named), ensure_ascii=st.booleans()
)
"""JSON as Python writes it, NaN and escapes included, often in the shapes that Dify's columns have."""

contents: st.SearchStrategy[dict[str, str]] = st.dictionaries(
    st.sampled_from(_FIELDS), st.one_of(texts, json_texts, json_texts.map(lambda text: text[:-1])), max_size=5
)
"""Content fields that hold JSON, broken JSON or any text."""

turn_refs = st.builds(
    TurnRef,
    turn_id=_ids,
    tenant_id=_ids,
    app_id=_ids,
    app_name=texts,
    mode=st.sampled_from(_MODES),
    started_at=times,
    invoke_from=texts,
    conversation_id=_ids,
    message_id=_ids,
    run_id=_ids,
    workflow_id=texts,
    workflow_version=texts,
    user=texts,
    tenant_name=texts,
    config_hash=texts,
)

_apps = st.builds(AppRef, tenant_id=_ids, app_id=_ids, app_name=texts, mode=st.sampled_from(_MODES), tenant_name=texts)

usages = st.builds(
    Usage,
    input_tokens=_counts,
    output_tokens=_counts,
    total_tokens=st.integers(0, 2**63),
    price=st.one_of(st.decimals().map(str), texts),
    currency=texts,
)

_tools = st.builds(
    Tool, name=texts, provider=texts, provider_type=texts, known=st.booleans(), calls=st.integers(0, 2**64)
)
_nodes = st.builds(
    Node,
    node_id=texts,
    node_type=texts,
    title=texts,
    index=st.integers(-(2**63), 2**64),
    predecessor=texts,
    status=texts,
    iteration_id=texts,
    iteration_index=_counts,
    loop_id=texts,
    loop_index=_counts,
    elapsed_s=_floats,
)

steps = st.builds(
    Step,
    id=_ids,
    kind=st.sampled_from(get_args(StepKind)),
    name=texts,
    position=st.integers(0, 2**31),
    started_at=times,
    ended_at=times,
    status=st.sampled_from(get_args(Status)),
    parent_id=_ids,
    estimated=st.booleans(),
    provisional=st.booleans(),
    error_type=texts,
    handled=st.booleans(),
    usage=st.none() | usages,
    model_provider=texts,
    model_name=texts,
    time_to_first_token_ns=st.none() | times,
    tool=st.none() | _tools,
    dataset_id=texts,
    documents=_counts,
    hits=st.lists(
        st.builds(
            Hit,
            dataset_id=_ids,
            document_id=_ids,
            segment_id=_ids,
            score=_floats,
            position=st.integers(-1, 2**64 - 1),
        ),
        max_size=3,
    ).map(tuple),
    http_status=_counts,
    soft=st.booleans(),
    truncated=st.lists(st.sampled_from(_FIELDS), max_size=2).map(tuple),
    node=st.none() | _nodes,
    attempts=st.lists(st.builds(Attempt, at=times, error=texts), max_size=3).map(tuple),
)

turns_ended = st.builds(
    TurnEnded,
    turn=turn_refs,
    started_at=times,
    ended_at=times,
    status=st.sampled_from(get_args(TurnStatus)),
    duration_ns=st.none() | times,
    estimated=st.booleans(),
    error_type=texts,
    usage=st.none() | usages,
    counts_usage=st.booleans(),
    model_provider=texts,
    model_name=texts,
    time_to_first_token_ns=st.none() | times,
    steps=st.lists(_ids, max_size=3).map(tuple),
    failed_steps=st.integers(0, 2**64),
    annotation_id=_ids,
    moderated=st.booleans(),
    tokens_disagree=st.booleans(),
)

notes = st.one_of(
    st.builds(FeedbackGiven, turn=turn_refs, feedback_id=_ids, rating=texts, given_by=texts, user=texts, was=texts),
    st.builds(FeedbackWithdrawn, turn=turn_refs, feedback_id=_ids, rating=texts, given_by=texts),
    st.builds(
        AnnotationMade, app=_apps, annotation_id=_ids, message_id=_ids, turn_id=_ids, user=texts, changed=st.booleans()
    ),
    st.builds(AnnotationRemoved, app=_apps, annotation_id=_ids, turn_id=_ids),
    st.builds(
        ConfigChanged,
        app=_apps,
        config_id=_ids,
        hash=texts,
        was=texts,
        what=st.lists(texts, max_size=3).map(tuple),
        version=texts,
        model_provider=texts,
        model_name=texts,
        user=texts,
    ),
    st.builds(ContentDeleted, turn_id=_ids, tenant_id=_ids, app_id=_ids, conversation_id=_ids, how=texts),
    st.builds(
        TriggerLogged,
        app=_apps,
        trigger_id=_ids,
        trigger_type=texts,
        status=texts,
        turn_id=_ids,
        workflow_id=_ids,
        error_type=texts,
        retries=st.integers(-1, 2**64 - 1),
    ),
    st.builds(
        FormChanged,
        app=_apps,
        form_id=_ids,
        turn_id=_ids,
        node_id=texts,
        status=texts,
        action=texts,
        user=texts,
        expires_at=times,
    ),
    st.builds(
        IndexingChanged,
        tenant_id=_ids,
        dataset_id=_ids,
        document_id=_ids,
        status=texts,
        stage=texts,
        since=times,
        error_type=texts,
        tenant_name=texts,
        dataset_name=texts,
    ),
    st.builds(CoverageChanged, source=texts, state=texts, purge_safe_at=times, oldest_at=times, retention_ns=times),
)
"""Facts beside the turns, plausible or not."""

_gaps = st.builds(SourceGap, what=texts, reason=texts, turn_id=_ids, app_id=_ids, since=times, until=times)

_bodies = st.one_of(
    st.builds(TurnStarted, turn=turn_refs),
    st.builds(StepEnded, turn=turn_refs, step=steps),
    turns_ended,
)


def _events(bodies: st.SearchStrategy[Body]) -> st.SearchStrategy[Event]:
    return st.builds(
        Event,
        key=texts,
        rank=st.integers(0, 100),
        changed_at=times,
        occurred_at=times,
        body=bodies,
        content=contents,
    )


def _recorded(of: st.SearchStrategy[Event]) -> st.SearchStrategy[Recorded]:
    return st.builds(
        Recorded,
        seq=st.integers(0, 2**62),
        revision=st.integers(0, 5),
        source=texts,
        recorded_at=times,
        event=of,
        erased=st.lists(st.sampled_from(_FIELDS), max_size=2).map(tuple),
    )


events = _events(_bodies)
"""Starts, steps and ends of turns with any content."""

recordeds = _recorded(events)
"""The same as the journal hands it on."""

recorded_notes = _recorded(_events(st.one_of(notes, _gaps)))
"""Facts beside the turns, and gaps, as the journal hands them on."""
