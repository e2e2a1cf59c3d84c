"""The dashboard `one app`: how an app does, since which configuration, and where it goes wrong. Pure data."""

from __future__ import annotations

from monitor.model import semconv as s
from monitor.sinks.elasticsearch.kibana import parts
from monitor.sinks.elasticsearch.kibana.boards import Board, Control, Row
from monitor.sinks.elasticsearch.kibana.columns import Columns, by, count, last, over_time, percentile, total, unique
from monitor.sinks.elasticsearch.kibana.kql import FAILED, FINAL
from monitor.sinks.elasticsearch.kibana.panels import Panel, chart, figure, found, table
from monitor.sinks.elasticsearch.kibana.place import Place

__all__ = ["board"]


def board(place: Place) -> Board:  # noqa: ARG001 - each board is called alike
    """The dashboard."""
    return Board(
        "app",
        "One app",
        "How one app does: choose it above. Failures, durations, models, configurations, conversations, ratings.",
        (
            Row(
                6,
                (
                    parts.turns(),
                    parts.turns_failed(),
                    parts.slowest_95("slowest", "p95 duration of a turn", "turns"),
                    figure("users", "Users, about", "turns", unique("Users", s.USER_ID)),
                    parts.tokens(),
                    parts.cost(),
                ),
            ),
            Row(12, (parts.turn_outcomes(), parts.turn_durations())),
            Row(12, (_first_words(), _reasons())),
            Row(13, (_steps(), _models())),
            Row(
                12, (_configurations(), found("changes", "When did its configuration change?", "configuration-changes"))
            ),
            Row(13, (_conversations(), parts.ratings())),
            Row(14, (found("failed-turns", "Which turns failed last?", "failed-turns"),)),
            Row(13, (found("dislikes", "What did people dislike?", "dislikes"),)),
        ),
        (
            Control(s.DIFY_APP_NAME, "App"),
            Control(s.DIFY_TENANT_NAME, "Workspace"),
            Control(s.DIFY_INVOKE_FROM, "Invoked from"),
        ),
    )


def _first_words() -> Panel:
    columns: Columns = {
        "x": over_time(),
        "call": percentile("p95, chat and completion", s.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK, 95),
        "flow": percentile("p95, agents and workflows", s.DIFY_TURN_TIME_TO_FIRST_TOKEN, 95),
    }
    return chart("first-words", "How long until the first words?", "turns", columns)


def _reasons() -> Panel:
    columns: Columns = {
        "x": over_time(),
        "split": by("Error", s.ERROR_TYPE, "turns", 8),
        "turns": count("Turns"),
    }
    return chart("reasons", "Why do turns fail?", "turns", columns, series="bar_stacked", kql=FAILED)


def _steps() -> Panel:
    columns: Columns = {
        "step": by("Step", "span.name", "steps", 50),
        "steps": count("Times"),
        "failed": parts.failed_share(),
        "slow": parts.p95(),
    }
    return table("steps", "Which steps fail, and which take long?", "steps", columns, kql=FINAL)


def _models() -> Panel:
    columns: Columns = {
        "model": by("Model", s.GEN_AI_REQUEST_MODEL, "calls", 20),
        "calls": count("Calls with tokens", f"{s.GEN_AI_USAGE_TOTAL_TOKENS} : *"),
        "input": total("Input tokens", s.GEN_AI_USAGE_INPUT_TOKENS),
        "output": total("Output tokens", s.GEN_AI_USAGE_OUTPUT_TOKENS),
    }
    return table("models", "Which models does it use?", "turns_steps", columns)


def _configurations() -> Panel:
    columns: Columns = {
        "hash": by("Configuration", s.DIFY_CONFIG_HASH, "turns", 20),
        "turns": count("Turns"),
        "failed": parts.failed_share(),
        "slow": parts.p95(),
        "last": last("Last turn"),
    }
    return table("configurations", "Under which configuration does it do well?", "turns", columns)


def _conversations() -> Panel:
    columns: Columns = {
        "conversation": by("Conversation", s.DIFY_CONVERSATION_ID, "failed", 50),
        "failed": count("Failed turns", FAILED),
        "turns": count("Turns"),
        "steps": total("Failed steps", s.DIFY_TURN_FAILED_STEPS),
        "last": last("Last turn"),
    }
    title = "Which conversations went wrong?"
    return table("conversations", title, "turns", columns, leads_to=("story", "Tell its story"))
