"""Panels that stand on more than one dashboard, so that a question has one answer everywhere. Pure data."""

from __future__ import annotations

from monitor.model import semconv as s
from monitor.sinks.elasticsearch.kibana.columns import (
    Column,
    Columns,
    Part,
    Ratio,
    by,
    count,
    over_time,
    percentile,
    total,
)
from monitor.sinks.elasticsearch.kibana.kql import ALL, FAILED, RATED, TIMED, both
from monitor.sinks.elasticsearch.kibana.panels import Panel, chart, figure
from monitor.sinks.elasticsearch.kibana.place import View

__all__ = [
    "cost",
    "durations",
    "failed_share",
    "p95",
    "ratings",
    "slowest_95",
    "tokens",
    "turn_durations",
    "turn_outcomes",
    "turns",
    "turns_failed",
]

_MEASURED = (50, 95, 99)


def failed_share(label: str = "Failed") -> Ratio:
    """Which part of the documents failed."""
    return Ratio(label, Part(FAILED), Part())


def p95(label: str = "p95 duration") -> Column:
    """How long all but the slowest twentieth took, of times that Dify stored."""
    return percentile(label, "event.duration", 95, TIMED)


def turns() -> Panel:
    """How many turns."""
    return figure("turns", "Turns", "turns", count("Turns"))


def turns_failed() -> Panel:
    """Which part of the turns failed."""
    return figure("turns-failed", "How many turns fail?", "turns", failed_share("of turns failed"))


def slowest_95(name: str, title: str, view: View, kql: str = ALL) -> Panel:
    """One number for how slow it is."""
    return figure(name, title, view, percentile("p95", "event.duration", 95), kql=both(kql, TIMED))


def tokens() -> Panel:
    """All tokens, each counted once: on the model call, or on the turn that is one."""
    return figure("tokens", "Tokens", "turns_steps", total("Tokens", s.GEN_AI_USAGE_TOTAL_TOKENS))


def cost() -> Panel:
    """Money, one number for each currency: sums over currencies mean nothing."""
    return figure(
        "cost",
        "Cost, by currency",
        "turns_steps",
        total("Cost", s.DIFY_USAGE_COST),
        split=by("Currency", s.DIFY_USAGE_CURRENCY, "value", 3),
    )


def turn_outcomes() -> Panel:
    """How turns ended, over time."""
    columns: Columns = {
        "x": over_time(),
        "split": by("Status", s.DIFY_TURN_STATUS, "turns", 5),
        "turns": count("Turns"),
    }
    return chart("turn-outcomes", "How do turns end?", "turns", columns, series="bar_stacked")


def durations(name: str, title: str, view: View, kql: str = ALL) -> Panel:
    """Percentiles of the duration, over time."""
    measured = {f"p{each}": percentile(f"p{each}", "event.duration", each) for each in _MEASURED}
    return chart(name, title, view, {"x": over_time(), **measured}, kql=both(kql, TIMED))


def turn_durations() -> Panel:
    """How long turns take, over time."""
    return durations("turn-durations", "How long do turns take?", "turns")


def ratings() -> Panel:
    """What people thought of the answers, over time."""
    columns: Columns = {
        "x": over_time(),
        "split": by("Rating", s.DIFY_FEEDBACK_RATING, "ratings", 3),
        "ratings": count("Ratings"),
    }
    return chart("ratings", "Likes and dislikes", "notes", columns, series="bar_stacked", kql=RATED)
