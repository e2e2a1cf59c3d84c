"""Hypothesis strategies for facts: everything that a journal can hold, plausible or not.

Needs hypothesis, which only tests have; nothing else in `monitor.testing` imports this module.
"""

from __future__ import annotations

import json
from typing import Any, get_args

from hypothesis import strategies as st

from monitor.model import (
    Attempt,
    Event,
    Node,
    Recorded,
    Status,
    Step,
    StepEnded,
    StepKind,
    Tool,
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
)

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
)

_bodies = st.one_of(
    st.builds(TurnStarted, turn=turn_refs), st.builds(StepEnded, turn=turn_refs, step=steps), turns_ended
)

events = st.builds(
    Event,
    key=texts,
    rank=st.integers(0, 100),
    changed_at=times,
    occurred_at=times,
    body=_bodies,
    content=contents,
)
"""Starts, steps and ends of turns with any content."""

recordeds = st.builds(
    Recorded,
    seq=st.integers(0, 2**62),
    revision=st.integers(0, 5),
    source=texts,
    recorded_at=times,
    event=events,
    erased=st.lists(st.sampled_from(_FIELDS), max_size=2).map(tuple),
)
"""The same as the journal hands it on."""
