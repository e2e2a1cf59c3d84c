"""OpenInference, which Arize Phoenix and Arize AX read: span kinds, inputs and outputs, messages, documents, sessions.

Pure, and never raises. A conversation is a session. What OpenInference has no name for stands in `metadata`, under the
keys that Dify's own tracing uses there where it has the same fact (`message_id`, `workflow_run_id`, `app_id`).
Called through `profiles.PROFILES`; the shapes of content are `openinference_content.py`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from msgspec.structs import replace

from monitor.model import Body, FeedbackGiven, FeedbackWithdrawn, Span
from monitor.model import semconv as s
from monitor.normalise.attributes import Attributes, within_time
from monitor.normalise.profiles.openinference_content import CONTENT, content_of
from monitor.normalise.text import dumps

__all__ = ["resource_of", "span_of"]

# https://arize-ai.github.io/openinference/spec/semantic_conventions.html
_KIND: Final = "openinference.span.kind"
_PROJECT: Final = "openinference.project.name"
_SESSION: Final = "session.id"
_METADATA: Final = "metadata"
_AGENT: Final = "agent.name"
_MODEL: Final = "llm.model_name"
_PROVIDER: Final = "llm.provider"
_SYSTEM: Final = "llm.system"
_COST: Final = "llm.cost.total"
_ANNOTATION: Final = "trace.annotations.0.annotation"
"""What people thought is said of the whole trace, which is the turn."""

_RATED_AT: Final = "rated_at"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NS_IN_US = 1000

_KINDS = {
    "chat": "LLM",
    "text_completion": "LLM",
    "execute_tool": "TOOL",
    "retrieval": "RETRIEVER",
    "invoke_agent": "AGENT",
    "invoke_workflow": "CHAIN",
}
_OTHER = "CHAIN"
_EVALUATION = "EVALUATOR"

# OpenInference's name for a fact.
_NAMES = {
    s.GEN_AI_CONVERSATION_ID: _SESSION,
    s.GEN_AI_AGENT_NAME: _AGENT,
    s.USER_ID: s.USER_ID,
    s.GEN_AI_REQUEST_MODEL: _MODEL,
    s.GEN_AI_USAGE_INPUT_TOKENS: "llm.token_count.prompt",
    s.GEN_AI_USAGE_OUTPUT_TOKENS: "llm.token_count.completion",
    s.GEN_AI_USAGE_TOTAL_TOKENS: "llm.token_count.total",
}
_TOOL_NAMES = {s.GEN_AI_TOOL_NAME: "tool.name", s.GEN_AI_TOOL_CALL_ID: "tool.id"}
_GRAPH = (
    ("graph.node.id", s.DIFY_NODE_ID),
    ("graph.node.name", s.DIFY_NODE_TITLE),
    ("graph.node.parent_id", s.DIFY_NODE_PREDECESSOR),
)
_SAID = frozenset({s.GEN_AI_OPERATION_NAME, s.GEN_AI_WORKFLOW_NAME, s.GEN_AI_PROVIDER_NAME})
"""What the kind, `app_name` and the provider's own attribute say already."""

# OpenTelemetry's provider to OpenInference's provider and the system whose protocol it speaks.
_PROVIDERS = {
    "anthropic": ("anthropic", "anthropic"),
    "aws.bedrock": ("aws", ""),
    "azure.ai.openai": ("azure", "openai"),
    "cohere": ("cohere", "cohere"),
    "gcp.gemini": ("google", ""),
    "gcp.vertex_ai": ("google", "vertexai"),
    "mistral_ai": ("mistralai", "mistralai"),
    "moonshot_ai": ("moonshot", ""),
    "openai": ("openai", "openai"),
    "x_ai": ("xai", ""),
}


def span_of(span: Span, body: Body) -> Span:
    """The span in OpenInference's words; `body` is the fact that it is of."""
    given = span.attributes
    kind = _kind(span)
    found: Attributes = {_KIND: kind, **_facts(kind, given), **content_of(kind, given)}
    if kind == _EVALUATION:
        found.update(_evaluation(span))
    at = _stands_at(span, body)
    said = _rest(kind, given) | ({_RATED_AT: _text_of(span.start_ns)} if at != span.start_ns else {})
    if said:
        found[_METADATA] = dumps(said)
    return replace(span, attributes=found, start_ns=at, end_ns=at + span.end_ns - span.start_ns)


def resource_of(resource: Mapping[str, str]) -> dict[str, str]:
    """The resource with the project's name, which is the service's."""
    return {**resource, _PROJECT: resource.get(s.SERVICE_NAME, "")}


def _stands_at(span: Span, body: Body) -> int:
    """When the span starts. A rating stands at its turn's start.

    Phoenix counts a trace, and the session that it is in, as lasting until the end of the last span: a rating given
    next day would be a day of latency. Dify may know that start to the second only, so it can be one too early.
    """
    if isinstance(body, FeedbackGiven | FeedbackWithdrawn):
        return within_time(body.turn.started_at)
    return span.start_ns


def _text_of(ns: int) -> str:
    return (_EPOCH + timedelta(microseconds=ns // _NS_IN_US)).isoformat(timespec="milliseconds")


def _kind(span: Span) -> str:
    if any(event.name == s.GEN_AI_EVALUATION_RESULT for event in span.events):
        return _EVALUATION
    return _KINDS.get(str(span.attributes.get(s.GEN_AI_OPERATION_NAME)), _OTHER)


def _names(kind: str) -> Mapping[str, str]:
    return _NAMES | _TOOL_NAMES if kind == "TOOL" else _NAMES


def _facts(kind: str, given: Attributes) -> Attributes:
    """What OpenInference has names for."""
    found: Attributes = {name: given[ours] for ours, name in _names(kind).items() if ours in given}
    found.update((name, given[ours]) for name, ours in _GRAPH if ours in given)
    named = str(given.get(s.GEN_AI_PROVIDER_NAME, ""))
    if named:
        provider, system = _PROVIDERS.get(named, (named, ""))
        found |= {_PROVIDER: provider} | ({_SYSTEM: system} if system else {})
    if s.DIFY_USAGE_COST in given and given.get(s.DIFY_USAGE_CURRENCY) == "USD":
        found[_COST] = given[s.DIFY_USAGE_COST]
    return found


def _rest(kind: str, given: Attributes) -> Attributes:
    """All other facts: `dify.app.name` is `app_name`."""
    said = {*_names(kind), *CONTENT, *_SAID}
    return {_key(name): value for name, value in given.items() if name not in said}


def _key(name: str) -> str:
    return name.removeprefix("dify.").removeprefix("gen_ai.").replace(".", "_")


def _evaluation(span: Span) -> Attributes:
    """What people thought of an answer, as an annotation of the trace, and in short as the span's output."""
    said = next(event.attributes for event in span.events if event.name == s.GEN_AI_EVALUATION_RESULT)
    named = {
        "name": said.get(s.GEN_AI_EVALUATION_NAME),
        "score": said.get(s.GEN_AI_EVALUATION_SCORE_VALUE),
        "label": said.get(s.GEN_AI_EVALUATION_SCORE_LABEL),
        "explanation": said.get(s.GEN_AI_EVALUATION_EXPLANATION),
        "annotator_kind": "HUMAN",
        "identifier": span.attributes.get(s.DIFY_FEEDBACK_ID) or span.attributes.get(s.DIFY_ANNOTATION_ID),
    }
    found: Attributes = {f"{_ANNOTATION}.{field}": value for field, value in named.items() if value is not None}
    words = (str(named[each]) for each in ("label", "explanation") if named[each])
    return found | {"output.value": ": ".join(words), "output.mime_type": "text/plain"}
