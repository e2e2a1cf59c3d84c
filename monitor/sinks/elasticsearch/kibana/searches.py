"""Saved searches: the documents behind the numbers, with the columns that tell what happened. Pure data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from monitor.model import semconv as s
from monitor.sinks.elasticsearch.kibana.kql import ALL, CONFIG_CHANGED, FAILED, RATED, TIMED, TOOL, both
from monitor.sinks.elasticsearch.kibana.place import Place, View, as_text, reference, saved_object

__all__ = ["SEARCHES", "SLOW_TOOL_NS", "Search", "saved_search"]

SLOW_TOOL_NS = 3_000_000_000
_INDEX = "kibanaSavedObjectMeta.searchSourceJSON.index"
_NEWEST_FIRST = (("@timestamp", "desc"),)
# A turn begins with its first step, at times in the same nanosecond: then the turn stands first.
_AS_IT_HAPPENED = (("event.start", "asc"), ("event.dataset", "desc"), ("dify.step.position", "asc"))


class Search(NamedTuple):
    """What is looked for, and which columns are shown."""

    name: str
    title: str
    description: str
    view: View
    kql: str
    columns: Sequence[str]
    sort: Sequence[tuple[str, str]] = _NEWEST_FIRST
    widths: tuple[tuple[str, int], ...] = ()
    """In pixels, of columns whose values are short."""


_WHOSE = (s.DIFY_APP_NAME, s.DIFY_CONVERSATION_ID, s.DIFY_TRACE_ID)

SEARCHES: tuple[Search, ...] = (
    Search(
        "failed-turns",
        "Failed turns",
        "Turns that ended in an error. The message is there where the sink's content policy lets it leave.",
        "turns",
        FAILED,
        (*_WHOSE, s.ERROR_TYPE, s.ERROR_MESSAGE, "event.duration", s.DIFY_INVOKE_FROM, s.USER_ID),
    ),
    Search(
        "failed-tool-calls",
        "Failed tool calls",
        "Tool calls that failed, also those that Dify calls a success and whose answer says otherwise.",
        "steps",
        both(TOOL, FAILED),
        (
            s.GEN_AI_TOOL_NAME,
            s.DIFY_APP_NAME,
            s.ERROR_TYPE,
            s.ERROR_MESSAGE,
            "event.duration",
            s.DIFY_STEP_HANDLED,
            s.GEN_AI_TOOL_CALL_ARGUMENTS,
            s.GEN_AI_TOOL_CALL_RESULT,
            s.DIFY_TRACE_ID,
        ),
    ),
    Search(
        "slow-tools",
        "Slow tools (above 3 s)",
        "Tool calls above three seconds, the longest first; times that were worked out are left out.",
        "steps",
        both(TOOL, TIMED, f"event.duration > {SLOW_TOOL_NS}"),
        (s.GEN_AI_TOOL_NAME, "event.duration", "event.outcome", s.ERROR_TYPE, s.DIFY_APP_NAME, s.DIFY_TRACE_ID),
        (("event.duration", "desc"),),
    ),
    Search(
        "dislikes",
        "Dislikes with comments",
        "Answers that people disliked. Comments are there where the sink's content policy lets them leave.",
        "notes",
        both(RATED, f'{s.DIFY_FEEDBACK_RATING} : "dislike"'),
        (s.GEN_AI_EVALUATION_EXPLANATION, *_WHOSE, s.DIFY_FEEDBACK_GIVEN_BY, s.DIFY_FEEDBACK_WAS, s.USER_ID),
    ),
    Search(
        "configuration-changes",
        "Configuration changes",
        "When an app's prompt, model, tools or published workflow changed, and what differs.",
        "notes",
        CONFIG_CHANGED,
        (
            s.DIFY_APP_NAME,
            s.DIFY_CONFIG_WHAT,
            s.DIFY_CONFIG_HASH,
            s.DIFY_CONFIG_WAS,
            s.DIFY_WORKFLOW_VERSION,
            s.GEN_AI_REQUEST_MODEL,
            s.USER_ID,
        ),
    ),
    Search(
        "gaps",
        "Gaps",
        "What could not be read, and times at which Dify's own clean-up came or may come first.",
        "notes",
        f'event.action : "source_gap" or {s.DIFY_COVERAGE_STATE} : ("at_risk" or "overtaken")',
        (
            "event.action",
            "dify.gap.what",
            "dify.gap.reason",
            s.DIFY_TRACE_ID,
            s.DIFY_COVERAGE_SOURCE,
            s.DIFY_COVERAGE_STATE,
        ),
    ),
    Search(
        "alerts-fired",
        "Alerts that fired",
        "Each time an alert began to fire: rule, severity, summary and the turns that are its evidence.",
        "alerts",
        'dify.alert.state : "firing"',
        (
            "rule.name",
            "dify.alert.severity",
            "dify.alert.summary",
            "dify.alert.value",
            "dify.alert.turns",
            "dify.alert.runbook",
        ),
    ),
    Search(
        "conversation-story",
        "Turns and steps in order",
        "What happened, in the order in which it happened. Choose a conversation or a turn first.",
        "turns_steps",
        ALL,
        (
            "event.dataset",
            "span.name",
            "event.duration",
            "event.outcome",
            s.ERROR_TYPE,
            s.GEN_AI_USAGE_TOTAL_TOKENS,
            s.GEN_AI_INPUT_MESSAGES,
            s.GEN_AI_TOOL_CALL_ARGUMENTS,
            s.GEN_AI_TOOL_CALL_RESULT,
            s.GEN_AI_OUTPUT_MESSAGES,
            s.ERROR_MESSAGE,
        ),
        _AS_IT_HAPPENED,
        (
            ("@timestamp", 200),
            ("event.dataset", 100),
            ("event.duration", 100),
            ("event.outcome", 100),
            (s.ERROR_TYPE, 140),
            (s.GEN_AI_USAGE_TOTAL_TOKENS, 100),
        ),
    ),
    Search(
        "conversation-notes",
        "Ratings and other facts beside the turns",
        "What people thought of the answers, and what else was recorded of these turns.",
        "notes",
        f"{s.DIFY_TRACE_ID} : *",
        ("event.action", "span.name", s.DIFY_FEEDBACK_GIVEN_BY, s.GEN_AI_EVALUATION_EXPLANATION, s.DIFY_TRACE_ID),
        (("@timestamp", "asc"),),
    ),
)


def saved_search(search: Search, place: Place) -> dict[str, Any]:
    """The saved object of a search."""
    source = {"query": {"language": "kuery", "query": search.kql}, "filter": [], "indexRefName": _INDEX}
    grid = {"columns": {name: {"width": width} for name, width in search.widths}} if search.widths else {}
    attributes = {
        "title": place.title(search.title),
        "description": search.description,
        "columns": list(search.columns),
        "sort": [list(each) for each in search.sort],
        "grid": grid,
        "hideChart": False,
        "isTextBasedQuery": False,
        "timeRestore": False,
        "kibanaSavedObjectMeta": {"searchSourceJSON": as_text(source)},
    }
    references = [reference(_INDEX, "index-pattern", place.id(search.view))]
    return saved_object("search", place.id(search.name), attributes, references)
