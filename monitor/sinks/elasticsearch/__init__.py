"""The `elasticsearch` sink: a document for each turn, step, fact beside the turns and alert, in Elasticsearch 8 or 9.

Ids, indices and versions follow from Dify's own facts, so a repeat, or what becomes known late, is the same document
(docs/adr). The templates that keep payloads from growing the mapping are installed by `monitor setup elasticsearch`;
nothing is sent before they are there. Nothing heavy is imported before a configuration asks for this sink.
"""

from __future__ import annotations

from monitor.ports import Sink, Tools
from monitor.sinks.elasticsearch.settings import Config

__all__ = ["Config", "build"]


def build(config: Config, tools: Tools) -> Sink:
    """The sink. Raises ConfigError for settings and files that can't work; connects to nothing."""
    from monitor.sinks.elasticsearch import sink  # noqa: PLC0415 - the client takes a fifth of a second to load

    return sink.build(config, tools)
