"""The `otlp` sink: spans to an OpenTelemetry Collector or any backend that takes OTLP, over HTTP or gRPC.

A span leaves when its step or turn has ended, under ids derived from Dify's: sent twice, it is the same span. What
it is made of is `otlp_sink.py`; nothing heavy is imported before a configuration asks for this sink.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from monitor.ports import Sink, Tools
from monitor.sinks.otlp_settings import Config

__all__ = ["Config", "build"]


def build(config: Config, tools: Tools, *, environ: Mapping[str, str] | None = None) -> Sink:
    """The sink. `environ` stands for the process's environment, where OTEL_EXPORTER_OTLP_* may complete `config`.

    Raises ConfigError for settings and variables that can't work; connects to nothing.
    """
    from monitor.sinks import otlp_sink  # noqa: PLC0415 - protobuf and httpx take a quarter of a second to load

    return otlp_sink.build(config, tools, os.environ if environ is None else environ)
