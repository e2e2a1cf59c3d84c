"""Conditions in Kibana's query language that more than one object uses, so that all of them mean the same."""

from __future__ import annotations

from monitor.model import semconv as s

__all__ = ["ALL", "CONFIG_CHANGED", "FAILED", "FINAL", "RATED", "TIMED", "TOOL", "TURN", "both"]

ALL = ""
FAILED = 'event.outcome : "failure"'
TURN = 'event.dataset : "dify.turns"'
FINAL = "not dify.step.provisional : true"
"""A provisional step is counted once it is final."""
TIMED = f"not {s.DIFY_TIME_ESTIMATED} : true"
"""Times that Dify stored; those worked out would make percentiles of guesses."""
TOOL = f'dify.step.kind : "tool" and {FINAL}'
RATED = 'event.action : "feedback_given"'
CONFIG_CHANGED = 'event.action : "config_changed"'


def both(*conditions: str) -> str:
    """All of the conditions."""
    return " and ".join(filter(None, conditions))
