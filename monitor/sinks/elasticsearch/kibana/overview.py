"""The dashboard `overview`: is everything well, and if not, where to look. Pure data."""

from __future__ import annotations

from monitor.model import semconv as s
from monitor.sinks.elasticsearch.kibana import parts
from monitor.sinks.elasticsearch.kibana.boards import Board, Row
from monitor.sinks.elasticsearch.kibana.columns import Columns, by, count, last, over_time, total
from monitor.sinks.elasticsearch.kibana.kql import FAILED, TOOL, both
from monitor.sinks.elasticsearch.kibana.panels import Panel, chart, figure, found, table, text
from monitor.sinks.elasticsearch.kibana.place import Place

__all__ = ["board"]

_WORDS = """\
**Dify, all apps.** Where something looks wrong, go on in
[one app](#/view/{app}), [tools](#/view/{tools}), [cost](#/view/{cost}) or
[one conversation's story](#/view/{story}).
Durations leave out times that were worked out; tokens and money are Dify's own sums.
"""


def board(place: Place) -> Board:
    """The dashboard."""
    words = _WORDS.format(**{name: place.id(name) for name in ("app", "tools", "cost", "story")})
    return Board(
        "overview",
        "Overview",
        "Is everything well? Turns, failures, durations, tokens and money of all apps, and what needs a look.",
        (
            Row(5, (text("words", "About this dashboard", words),)),
            Row(
                6,
                (
                    parts.turns(),
                    parts.turns_failed(),
                    parts.slowest_95("slowest", "p95 duration of a turn", "turns"),
                    figure("tools-failed", "Failed tool calls", "steps", count("Failed"), kql=both(TOOL, FAILED)),
                    parts.tokens(),
                    parts.cost(),
                ),
            ),
            Row(12, (parts.turn_outcomes(), parts.turn_durations())),
            Row(13, (_apps(), _reasons()), (30, 18)),
            Row(12, (_entrances(), _tokens(), parts.ratings())),
            Row(15, (found("failed-turns", "Which turns failed last?", "failed-turns"),)),
            Row(
                13,
                (
                    found("alerts", "Which alerts fired?", "alerts-fired"),
                    found("gaps", "What could not be read?", "gaps"),
                ),
            ),
        ),
    )


def _apps() -> Panel:
    columns: Columns = {
        "app": by("App", s.DIFY_APP_NAME, "turns", 50),
        "turns": count("Turns"),
        "failed": parts.failed_share(),
        "slow": parts.p95(),
        "last": last("Last turn"),
    }
    title = "Which apps are used, and how well do they do?"
    return table("apps", title, "turns", columns, leads_to=("app", "Look at this app"))


def _reasons() -> Panel:
    columns: Columns = {
        "error": by("Error", s.ERROR_TYPE, "turns", 20),
        "app": by("App", s.DIFY_APP_NAME, "turns", 5),
        "turns": count("Turns"),
    }
    return table("reasons", "Why do turns fail?", "turns", columns, kql=FAILED)


def _entrances() -> Panel:
    columns: Columns = {
        "x": over_time(),
        "split": by("Invoked from", s.DIFY_INVOKE_FROM, "turns", 8),
        "turns": count("Turns"),
    }
    return chart("entrances", "Where do turns come from?", "turns", columns, series="bar_stacked")


def _tokens() -> Panel:
    columns: Columns = {
        "x": over_time(),
        "split": by("App", s.DIFY_APP_NAME, "tokens", 8),
        "tokens": total("Tokens", s.GEN_AI_USAGE_TOTAL_TOKENS),
    }
    return chart("tokens-of-apps", "Which apps use tokens?", "turns_steps", columns, series="bar_stacked")
