"""Sentry's words for spans that reach it by OTLP: `sentry.op`, and the `gen_ai.*` that its pages for agents count by.

Sentry takes every span with an operation that it does not know for a call of a model, so a workflow is an agent's run
here, the container of its calls, and a search in knowledge a call of a tool. It drops the events of spans: what they
say stands on the span. Pure, and never raises. Called through `profiles.PROFILES`, and by the `sentry` sink
for its transactions.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from monitor.model import Span
from monitor.model import semconv as s
from monitor.normalise.attributes import Attributes

__all__ = ["op_of", "span_of"]

# https://getsentry.github.io/sentry-conventions/
_OP: Final = "sentry.op"
_ORIGIN: Final = "sentry.origin"
_PIPELINE: Final = "gen_ai.pipeline.name"
_COST: Final = "gen_ai.cost.total_tokens"
_ATTEMPTS: Final = "dify.step.attempts"
_ATTEMPT_ERRORS: Final = "dify.step.attempt_errors"

_AUTO = "auto.ai.dify"
_OPERATIONS = {"invoke_workflow": "invoke_agent", "retrieval": "execute_tool"}
_DATASTORE = "datastore"
"""OpenTelemetry's type of a tool that searches."""


def span_of(span: Span) -> Span:
    """The span in Sentry's words."""
    found = dict(span.attributes)
    operation = found.get(s.GEN_AI_OPERATION_NAME)
    if operation == "invoke_workflow":
        _of_workflow(found)
    elif operation == "retrieval":
        _of_retrieval(found, span)
    if operation:
        _of_app(found)
    if s.DIFY_USAGE_COST in found and found.get(s.DIFY_USAGE_CURRENCY) == "USD":
        found[_COST] = found[s.DIFY_USAGE_COST]
    found.update(_of_events(span))
    found[_OP] = op_of(span)
    found[_ORIGIN] = _AUTO
    return replace(span, attributes=found)


def op_of(span: Span) -> str:
    """Sentry's op of a span of the default profile."""
    operation = span.attributes.get(s.GEN_AI_OPERATION_NAME)
    if operation:
        return f"gen_ai.{_OPERATIONS.get(str(operation), operation)}"
    if span.kind == "CLIENT":
        return "http.client"
    return "dify.node" if s.DIFY_NODE_TYPE in span.attributes else "dify.note"


def _of_workflow(found: Attributes) -> None:
    found[s.GEN_AI_OPERATION_NAME] = "invoke_agent"
    if s.GEN_AI_WORKFLOW_NAME in found:
        found[s.GEN_AI_AGENT_NAME] = found[s.GEN_AI_WORKFLOW_NAME]


def _of_retrieval(found: Attributes, span: Span) -> None:
    """A search as the call of a tool, named as the span names what was searched."""
    found[s.GEN_AI_OPERATION_NAME] = "execute_tool"
    found[s.GEN_AI_TOOL_TYPE] = _DATASTORE
    named = span.name.partition(" ")[2]
    if named:
        found.setdefault(s.GEN_AI_TOOL_NAME, named)
    for name, ours in (
        (s.GEN_AI_TOOL_CALL_ARGUMENTS, s.GEN_AI_RETRIEVAL_QUERY_TEXT),
        (s.GEN_AI_TOOL_CALL_RESULT, s.GEN_AI_RETRIEVAL_DOCUMENTS),
    ):
        if ours in found:
            found[name] = found[ours]


def _of_app(found: Attributes) -> None:
    """Which agent it was, on every span of its run; a workflow is the pipeline of all within it."""
    app = found.get(s.DIFY_APP_NAME)
    if app:
        found.setdefault(s.GEN_AI_AGENT_NAME, app)
        if s.DIFY_WORKFLOW_RUN_ID in found:
            found[_PIPELINE] = app


def _of_events(span: Span) -> Attributes:
    """What the span's events say: an evaluation, and how often a step was tried before."""
    found: Attributes = {}
    errors = [
        str(event.attributes.get(s.ERROR_TYPE, s.ERROR_TYPE_OTHER))
        for event in span.events
        if event.name == s.DIFY_STEP_ATTEMPT
    ]
    for event in span.events:
        if event.name == s.GEN_AI_EVALUATION_RESULT:
            found.update(event.attributes)
    if errors:
        found |= {_ATTEMPTS: len(errors), _ATTEMPT_ERRORS: ",".join(errors)}
    return found
