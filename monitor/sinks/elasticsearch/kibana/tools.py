"""The dashboard `tools`: which tools are called, fail and are slow, and for whom. Pure data."""

from __future__ import annotations

from monitor.model import semconv as s
from monitor.sinks.elasticsearch.kibana import parts
from monitor.sinks.elasticsearch.kibana.boards import Board, Control, Row
from monitor.sinks.elasticsearch.kibana.columns import Columns, by, count, over_time, percentile, unique
from monitor.sinks.elasticsearch.kibana.kql import FAILED, FINAL, TIMED, TOOL, both
from monitor.sinks.elasticsearch.kibana.panels import Panel, chart, figure, found, table
from monitor.sinks.elasticsearch.kibana.place import Place

__all__ = ["board"]


def board(place: Place) -> Board:  # noqa: ARG001 - each board is called alike
    """The dashboard."""
    made_up = both(TOOL, f"{s.DIFY_TOOL_KNOWN} : false")
    caught = both(TOOL, FAILED, f"{s.DIFY_STEP_HANDLED} : true")
    return Board(
        "tools",
        "Tools",
        "Which tools are called, fail and are slow, and for which apps.",
        (
            Row(
                6,
                (
                    figure("calls", "Tool calls", "steps", count("Calls"), kql=TOOL),
                    figure(
                        "calls-failed",
                        "How many tool calls fail?",
                        "steps",
                        parts.failed_share("of calls failed"),
                        kql=TOOL,
                    ),
                    figure("caught", "Failures that the app caught", "steps", count("Caught"), kql=caught),
                    parts.slowest_95("slowest", "p95 duration of a tool call", "steps", TOOL),
                    figure("made-up", "Calls of tools that do not exist", "steps", count("Made up"), kql=made_up),
                ),
                (10, 10, 9, 10, 9),
            ),
            Row(12, (_outcomes(), parts.durations("durations", "How long do tools take?", "steps", TOOL))),
            Row(13, (_tools(), _reasons()), (28, 20)),
            Row(12, (_apps(), _http())),
            Row(15, (found("failed-calls", "Which tool calls failed last?", "failed-tool-calls"),)),
            Row(13, (found("slow-calls", "Which tool calls took above 3 s?", "slow-tools"),)),
        ),
        (
            Control(s.DIFY_APP_NAME, "App", "steps"),
            Control(s.GEN_AI_TOOL_NAME, "Tool", "steps"),
        ),
    )


def _outcomes() -> Panel:
    columns: Columns = {
        "x": over_time(),
        "split": by("Status", s.DIFY_STEP_STATUS, "calls", 5),
        "calls": count("Calls"),
    }
    return chart("outcomes", "How do tool calls end?", "steps", columns, series="bar_stacked", kql=TOOL)


def _tools() -> Panel:
    columns: Columns = {
        "tool": by("Tool", s.GEN_AI_TOOL_NAME, "calls", 100),
        "calls": count("Calls"),
        "failed": parts.failed_share(),
        "usual": percentile("p50 duration", "event.duration", 50, TIMED),
        "slow": parts.p95(),
        "apps": unique("Apps", s.DIFY_APP_ID),
    }
    return table("tools", "Which tools are used, and how well do they do?", "steps", columns, kql=TOOL)


def _reasons() -> Panel:
    columns: Columns = {
        "tool": by("Tool", s.GEN_AI_TOOL_NAME, "calls", 20),
        "error": by("Error", s.ERROR_TYPE, "calls", 10),
        "calls": count("Calls"),
    }
    return table("reasons", "Why do tools fail?", "steps", columns, kql=both(TOOL, FAILED))


def _apps() -> Panel:
    columns: Columns = {
        "app": by("App", s.DIFY_APP_NAME, "calls", 20),
        "tool": by("Tool", s.GEN_AI_TOOL_NAME, "calls", 20),
        "calls": count("Calls"),
        "failed": parts.failed_share(),
    }
    return table("apps", "Which apps use which tools?", "steps", columns, kql=TOOL)


def _http() -> Panel:
    columns: Columns = {
        "status": by("HTTP status", s.HTTP_RESPONSE_STATUS_CODE, "requests", 20, number=True),
        "app": by("App", s.DIFY_APP_NAME, "requests", 10),
        "requests": count("Requests"),
    }
    return table("http", "What do HTTP requests answer?", "steps", columns, kql=FINAL)
