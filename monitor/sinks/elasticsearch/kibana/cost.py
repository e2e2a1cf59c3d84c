"""The dashboard `cost`: who uses tokens and money. Pure data.

Sums are over turns and steps together, where each call is counted once. Money is never summed over currencies.
"""

from __future__ import annotations

from monitor.model import semconv as s
from monitor.sinks.elasticsearch.kibana import parts
from monitor.sinks.elasticsearch.kibana.boards import Board, Control, Row
from monitor.sinks.elasticsearch.kibana.columns import Columns, Part, Ratio, by, count, over_time, total
from monitor.sinks.elasticsearch.kibana.kql import TURN
from monitor.sinks.elasticsearch.kibana.panels import Panel, chart, figure, table
from monitor.sinks.elasticsearch.kibana.place import Place

__all__ = ["board"]

_TOTAL, _COST, _CURRENCY = s.GEN_AI_USAGE_TOTAL_TOKENS, s.DIFY_USAGE_COST, s.DIFY_USAGE_CURRENCY


def board(place: Place) -> Board:  # noqa: ARG001 - each board is called alike
    """The dashboard."""
    a_turn = Ratio("Tokens a turn", Part(field=_TOTAL), Part(TURN), percent=False)
    return Board(
        "cost",
        "Cost",
        "Who uses tokens and money: apps, models, users and conversations, by currency.",
        (
            Row(
                6,
                (
                    parts.cost(),
                    parts.tokens(),
                    figure("tokens-a-turn", "Tokens a turn", "turns_steps", a_turn),
                    figure(
                        "unpriced",
                        "Tokens without a price",
                        "turns_steps",
                        total("Tokens", _TOTAL, f"not {_CURRENCY} : *"),
                    ),
                    figure(
                        "disagree",
                        "Turns whose totals do not add up",
                        "turns",
                        count("Turns"),
                        kql=f"{s.DIFY_TURN_TOKENS_DISAGREE} : true",
                    ),
                ),
                (12, 9, 9, 9, 9),
            ),
            Row(12, (_money(), _tokens())),
            Row(13, (_of("apps", "What does each app cost?", "App", s.DIFY_APP_NAME), _models())),
            Row(13, (_of("users", "What does each user cost?", "User", s.USER_ID), _conversations())),
        ),
        (
            Control(s.DIFY_APP_NAME, "App", "turns_steps"),
            Control(s.GEN_AI_REQUEST_MODEL, "Model", "turns_steps"),
        ),
        "now-7d",
    )


def _money() -> Panel:
    columns: Columns = {"x": over_time(), "split": by("Currency", _CURRENCY, "cost", 5), "cost": total("Cost", _COST)}
    return chart("money", "Cost over time, a line for each currency", "turns_steps", columns)


def _tokens() -> Panel:
    columns: Columns = {
        "x": over_time(),
        "input": total("Input tokens", s.GEN_AI_USAGE_INPUT_TOKENS),
        "output": total("Output tokens", s.GEN_AI_USAGE_OUTPUT_TOKENS),
    }
    return chart("tokens-over-time", "Tokens over time", "turns_steps", columns, series="bar_stacked")


def _of(name: str, title: str, label: str, field: str, leads_to: tuple[str, str] = ("", "")) -> Panel:
    columns: Columns = {
        "whose": by(label, field, "cost", 50),
        "currency": by("Currency", _CURRENCY, "cost", 3),
        "cost": total("Cost", _COST),
        "tokens": total("Tokens with a price", _TOTAL),
    }
    return table(name, title, "turns_steps", columns, leads_to=leads_to)


def _models() -> Panel:
    columns: Columns = {
        "model": by("Model", s.GEN_AI_REQUEST_MODEL, "cost", 50),
        "currency": by("Currency", _CURRENCY, "cost", 3),
        "cost": total("Cost", _COST),
        "input": total("Input tokens", s.GEN_AI_USAGE_INPUT_TOKENS),
        "output": total("Output tokens", s.GEN_AI_USAGE_OUTPUT_TOKENS),
    }
    return table("models", "What does each model cost?", "turns_steps", columns)


def _conversations() -> Panel:
    title, field = "Which conversations cost most?", s.DIFY_CONVERSATION_ID
    return _of("conversations", title, "Conversation", field, ("story", "Tell its story"))
