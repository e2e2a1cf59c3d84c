"""Which type each field of a document has in Elasticsearch: the one place, from which the templates are made.

The attributes are those of the spans (`monitor.model.semconv`), under the same names; what is here besides are fields
of the Elastic Common Schema and the few of ours that only documents have. A name that stands nowhere here is kept in
the document and not indexed, as no mapping here is dynamic.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from monitor.model import semconv as s

__all__ = ["ALERT_FIELDS", "CONTENT", "FIELDS", "content_mapping", "nested"]

_LONGEST_KEYWORD = 1024
"""Longer texts stay in the document but out of the index: Lucene refuses terms above 32,766 bytes."""

_KEYWORD = {"type": "keyword", "ignore_above": _LONGEST_KEYWORD}
_LONG, _DOUBLE, _BOOLEAN = {"type": "long"}, {"type": "double"}, {"type": "boolean"}
_FLATTENED = {"type": "flattened", "ignore_above": _LONGEST_KEYWORD}
"""Any number of names below it is one field of the mapping."""

CONTENT = (
    s.ERROR_MESSAGE,
    s.GEN_AI_INPUT_MESSAGES, s.GEN_AI_OUTPUT_MESSAGES, s.GEN_AI_TOOL_CALL_ARGUMENTS, s.GEN_AI_TOOL_CALL_RESULT,
    s.GEN_AI_RETRIEVAL_QUERY_TEXT, s.GEN_AI_RETRIEVAL_DOCUMENTS, s.GEN_AI_EVALUATION_EXPLANATION,
    s.DIFY_NODE_ERROR, s.DIFY_NODE_INPUTS, s.DIFY_NODE_OUTPUTS, s.DIFY_NODE_PROCESS_DATA,
    s.DIFY_ANNOTATION_QUESTION, s.DIFY_CONFIG_PROMPT, s.DIFY_CONFIG_CONTENT, s.DIFY_CONFIG_NOTE,
    s.DIFY_TRIGGER_INPUT, s.DIFY_FORM_CONTENT, s.DIFY_FORM_ANSWER, s.DIFY_DOCUMENT_NAME,
)  # fmt: skip
"""What people, models and tools wrote: always one text, whatever JSON it holds."""

_LONGS = (
    s.HTTP_RESPONSE_STATUS_CODE,
    s.GEN_AI_USAGE_INPUT_TOKENS, s.GEN_AI_USAGE_OUTPUT_TOKENS, s.GEN_AI_USAGE_TOTAL_TOKENS,
    s.DIFY_TURN_USAGE_INPUT_TOKENS, s.DIFY_TURN_USAGE_OUTPUT_TOKENS, s.DIFY_TURN_USAGE_TOTAL_TOKENS,
    s.DIFY_TURN_FAILED_STEPS, s.DIFY_TOOL_CALL_COUNT, s.DIFY_RETRIEVAL_DOCUMENT_COUNT,
    s.DIFY_NODE_INDEX, s.DIFY_NODE_ITERATION_INDEX, s.DIFY_NODE_LOOP_INDEX, s.DIFY_TRIGGER_RETRIES,
    s.DIFY_FORM_EXPIRES_AT, s.DIFY_INDEXING_SINCE,
    s.DIFY_COVERAGE_PURGE_SAFE_AT, s.DIFY_COVERAGE_OLDEST_AT, s.DIFY_COVERAGE_RETENTION_NS,
)  # fmt: skip
_DOUBLES = (
    s.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK, s.DIFY_TURN_TIME_TO_FIRST_TOKEN, s.DIFY_NODE_ELAPSED_TIME,
    s.DIFY_USAGE_COST, s.DIFY_TURN_USAGE_COST, s.GEN_AI_EVALUATION_SCORE_VALUE,
)  # fmt: skip
_BOOLEANS = (
    s.DIFY_STEP_HANDLED, s.DIFY_STEP_SOFT, s.DIFY_TOOL_KNOWN, s.DIFY_TURN_MODERATED, s.DIFY_TURN_TOKENS_DISAGREE,
    s.DIFY_FEEDBACK_WITHDRAWN, s.DIFY_TIME_ESTIMATED,
)  # fmt: skip
_KEYWORDS = (
    s.ERROR_TYPE, s.USER_ID, s.SERVICE_NAME,
    s.GEN_AI_OPERATION_NAME, s.GEN_AI_PROVIDER_NAME, s.GEN_AI_REQUEST_MODEL, s.GEN_AI_CONVERSATION_ID,
    s.GEN_AI_AGENT_NAME, s.GEN_AI_WORKFLOW_NAME, s.GEN_AI_DATA_SOURCE_ID, s.GEN_AI_TOOL_NAME, s.GEN_AI_TOOL_TYPE,
    s.GEN_AI_TOOL_CALL_ID, s.GEN_AI_EVALUATION_NAME, s.GEN_AI_EVALUATION_SCORE_LABEL,
    s.DIFY_TRACE_ID, s.DIFY_TENANT_ID, s.DIFY_TENANT_NAME, s.DIFY_APP_ID, s.DIFY_APP_NAME, s.DIFY_APP_MODE,
    s.DIFY_INVOKE_FROM, s.DIFY_CONVERSATION_ID, s.DIFY_MESSAGE_ID, s.DIFY_WORKFLOW_RUN_ID, s.DIFY_WORKFLOW_ID,
    s.DIFY_WORKFLOW_VERSION, s.DIFY_CONFIG_HASH,
    s.DIFY_NODE_ID, s.DIFY_NODE_EXECUTION_ID, s.DIFY_NODE_TYPE, s.DIFY_NODE_TITLE, s.DIFY_NODE_PREDECESSOR,
    s.DIFY_NODE_STATUS, s.DIFY_NODE_ITERATION_ID, s.DIFY_NODE_LOOP_ID,
    s.DIFY_STEP_STATUS, s.DIFY_CONTENT_TRUNCATED, s.DIFY_TOOL_PROVIDER, s.DIFY_TOOL_PROVIDER_TYPE,
    s.DIFY_TURN_STATUS, s.DIFY_TURN_USAGE_CURRENCY, s.DIFY_TURN_ANNOTATION_ID, s.DIFY_USAGE_CURRENCY,
    s.DIFY_FEEDBACK_ID, s.DIFY_FEEDBACK_RATING, s.DIFY_FEEDBACK_WAS, s.DIFY_FEEDBACK_GIVEN_BY,
    s.DIFY_ANNOTATION_ID, s.DIFY_ANNOTATION_STATE, s.DIFY_CONFIG_ID, s.DIFY_CONFIG_WAS, s.DIFY_CONFIG_WHAT,
    s.DIFY_DELETED_HOW, s.DIFY_TRIGGER_ID, s.DIFY_TRIGGER_TYPE, s.DIFY_TRIGGER_STATUS,
    s.DIFY_FORM_ID, s.DIFY_FORM_STATUS, s.DIFY_FORM_ACTION,
    s.DIFY_DATASET_ID, s.DIFY_DATASET_NAME, s.DIFY_DOCUMENT_ID, s.DIFY_INDEXING_STATUS, s.DIFY_INDEXING_STAGE,
    s.DIFY_COVERAGE_SOURCE, s.DIFY_COVERAGE_STATE,
)  # fmt: skip

# Elastic Common Schema: https://www.elastic.co/docs/reference/ecs/ecs-field-reference
_ECS: dict[str, dict[str, Any]] = {
    "@timestamp": {"type": "date"},
    "event.start": {"type": "date_nanos"},
    "event.end": {"type": "date_nanos"},
    "event.duration": _LONG,
    "labels": _FLATTENED,
    **dict.fromkeys(
        (
            "ecs.version", "event.action", "event.dataset", "event.id", "event.kind", "event.module", "event.outcome",
            "log.level", "parent.id", "rule.name", "service.environment", "span.id", "span.kind", "span.name",
            "trace.id",
        ),
        _KEYWORD,
    ),
}  # fmt: skip

_OF_STEPS: dict[str, dict[str, Any]] = {
    "dify.step.id": _KEYWORD,
    "dify.step.kind": _KEYWORD,
    "dify.step.position": _LONG,
    "dify.step.attempts": _LONG,
    "dify.step.provisional": _BOOLEAN,
}

_OF_GAPS: dict[str, dict[str, Any]] = {
    "dify.gap.what": _KEYWORD,
    "dify.gap.reason": _KEYWORD,
    "dify.gap.since": _LONG,
    "dify.gap.until": _LONG,
}

ALERT_FIELDS: dict[str, dict[str, Any]] = {
    **dict.fromkeys(
        ("fingerprint", "severity", "state", "was", "reason", "summary", "description", "runbook", "turns", "steps"),
        _KEYWORD,
    ),
    **dict.fromkeys(("since", "changes"), _LONG),
    **dict.fromkeys(("late", "history"), _BOOLEAN),
    "value": _DOUBLE,
    "labels": _FLATTENED,
}
"""What stands below `dify.alert`."""

FIELDS: dict[str, dict[str, Any]] = {
    **_ECS,
    **dict.fromkeys(_KEYWORDS, _KEYWORD),
    **dict.fromkeys(_LONGS, _LONG),
    **dict.fromkeys(_DOUBLES, _DOUBLE),
    **dict.fromkeys(_BOOLEANS, _BOOLEAN),
    **_OF_STEPS,
    **_OF_GAPS,
    **{f"dify.alert.{name}": mapping for name, mapping in ALERT_FIELDS.items()},
}
"""Every indexed field but for content, by its full name."""


def content_mapping(content_index: str) -> dict[str, Any]:
    """The mapping of a content field: searched as text, or only kept."""
    return {"type": "text"} if content_index == "text" else {"type": "text", "index": False}


def nested(flat: dict[str, Any]) -> dict[str, Any]:
    """`{"a.b": 1}` as `{"a": {"b": 1}}`. No name may be both a value and the beginning of another."""
    found: dict[str, Any] = {}
    for name, value in flat.items():
        parents, last = _steps(name)
        place = found
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = value
    return found


@lru_cache(maxsize=1024)
def _steps(name: str) -> tuple[tuple[str, ...], str]:
    """Remembered: every document has the same names, and taking them apart would be most of the work."""
    *parents, last = name.split(".")
    return tuple(parents), last
