"""The `sentry` sink: failures, turns and alerts to Sentry, or to anything that takes its envelopes.

A failed step or turn is an event in an issue that groups by app, tool or node, and error type; a turn is a transaction
with its steps as spans, where asked for; so is an alert an issue. Each goes as an envelope of its own whose answer is
awaited, under an id derived from the fact's key: sent twice, it is the same event.

What a failure looks like depends on the turn's earlier steps (breadcrumbs, and the tree of a transaction), but `encode`
sees one fact. So `encode` makes a *part* of every step (parts.py), and `send` folds the parts into a bounded memory of
turns that have not ended (memory.py), which is committed with the cursor as the sink's state: after a crash it is what
it was, and a repeat sends the same bytes. Rooms: encoding.py with failures.py, events.py, transactions.py and choice.py
(pure: a fact to Sentry's JSON, and whether it is in the share that is sent), wire.py and limits.py (one envelope, its
answer, the limits named in it), delivery.py (several of them at once), sink.py (all of it together), heartbeat.py.
"""

from __future__ import annotations

from monitor.ports import Sink, Tools
from monitor.sinks.sentry.settings import Config

__all__ = ["Config", "build"]


def build(config: Config, tools: Tools) -> Sink:
    """The sink. Raises ConfigError for files that can't be read; connects to nothing."""
    from monitor.sinks.sentry import sink  # noqa: PLC0415 - httpx takes a while to load

    return sink.build(config, tools)
