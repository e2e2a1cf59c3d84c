"""The dashboard `one conversation's story`: its turns and steps in the order in which they happened. Pure data."""

from __future__ import annotations

from monitor.model import semconv as s
from monitor.sinks.elasticsearch.kibana import parts
from monitor.sinks.elasticsearch.kibana.boards import Board, Control, Row
from monitor.sinks.elasticsearch.kibana.columns import Columns, by, count, total
from monitor.sinks.elasticsearch.kibana.kql import FAILED, FINAL, TIMED, both
from monitor.sinks.elasticsearch.kibana.panels import Panel, chart, figure, found, text
from monitor.sinks.elasticsearch.kibana.place import Place

__all__ = ["board"]

_WORDS = """\
**How to use it.** Choose a *conversation* above, or the *turn* (the id of the message, or of the workflow's run) where
there is no conversation; the *app* makes both lists shorter. Widen the time range until it holds the conversation.
Each row below is a turn or one of its steps, in the order in which they began. What was said stands there if the sink's
`content` is `redacted` or `full`; with `none` these columns are empty. An id is found in
[failed turns](#/view/{overview}) or among [one app's conversations](#/view/{app}).
The same with all content that was kept: `monitor replay`.
"""


def board(place: Place) -> Board:
    """The dashboard."""
    words = _WORDS.format(overview=place.id("overview"), app=place.id("app"))
    return Board(
        "story",
        "One conversation's story",
        "What happened in one conversation: its turns and steps in order, with duration, outcome, tokens and content.",
        (
            Row(7, (text("words", "How to use it", words),)),
            Row(
                6,
                (
                    parts.turns(),
                    figure("turns-failed", "Failed turns", "turns", count("Failed"), kql=FAILED),
                    figure("steps", "Steps", "steps", count("Steps"), kql=FINAL),
                    figure("steps-failed", "Failed steps", "steps", count("Failed"), kql=both(FINAL, FAILED)),
                    parts.tokens(),
                    parts.cost(),
                ),
            ),
            Row(24, (found("story", "What happened, in order?", "conversation-story"),)),
            Row(13, (_time(), found("notes", "What did people think of it?", "conversation-notes"))),
        ),
        (
            Control(s.DIFY_APP_NAME, "App"),
            Control(s.DIFY_CONVERSATION_ID, "Conversation"),
            Control(s.DIFY_TRACE_ID, "Turn"),
        ),
        "now-30d",
    )


def _time() -> Panel:
    columns: Columns = {"x": by("Step", "span.name", "time", 15), "time": total("Time", "event.duration")}
    kql = both(FINAL, TIMED, 'dify.step.kind : ("llm" or "tool" or "retrieval" or "http")')
    return chart("time", "Where did the time go?", "steps", columns, series="bar_horizontal", kql=kql)
