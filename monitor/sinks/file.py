"""The `file` sink: lines of OTLP/JSON in a local file, which a Collector's otlpjsonfile receiver reads.

A span is a line of its own, and so is each fact beside the turns that is no span: as a log record (`resourceLogs`),
which a pipeline for traces passes over. Each stands in the files exactly once, whatever crashes: how far the file goes
is committed with the sink's cursor, and what a crash left behind that is cut off at the next start, to be written
again. What writes is `file_writer.py`; what a line looks like is `file_lines.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from monitor.model import ContentPolicy, Recorded, StepEnded, semconv
from monitor.model.units import size_bytes
from monitor.normalise.note_spans import NOTE_KINDS, note_record
from monitor.normalise.redact import Leaving
from monitor.normalise.spans import SPAN_KINDS, spans_of
from monitor.ports import AdapterConfig, Report, Sink, Tools
from monitor.sinks.file_lines import Lines
from monitor.sinks.file_writer import Writer

__all__ = ["Config", "build"]


class Config(AdapterConfig):
    """Spans, and facts that are no spans as log records, as lines of OTLP/JSON in a file."""

    type: Literal["file"]
    path: str = Field(min_length=1)
    """The file; its folder is made when it isn't there. It belongs to this sink alone."""
    content: ContentPolicy = "none"
    """What is written of inputs, outputs and error messages: `none`, `redacted` (personal data and keys masked) or
    `full`."""
    service_name: str = Field(default="dify", min_length=1)
    """Resource attribute `service.name` of the spans."""
    deployment_environment: str = ""
    """Resource attribute `deployment.environment.name`, such as `production`; left out when empty."""
    rotate_bytes: Annotated[int, BeforeValidator(size_bytes), Field(ge=1024)] = 100 * 1024 * 1024
    """Size at which a new file is begun: a number, or a size such as `100MiB`. The old one gets a number at its end,
    the latest the highest."""
    keep: int = Field(default=10, ge=0)
    """How many old files to keep; 0 keeps all."""
    fsync: bool = True
    """Wait until the disk has each batch. Without that, a power cut may cost lines that count as written."""


class FileSink:
    """Implements `monitor.ports.Sink`."""

    kinds: Collection[str] = SPAN_KINDS | NOTE_KINDS
    max_events = 2000
    max_bytes = 8 * 1024 * 1024

    def __init__(self, config: Config, leaving: Leaving) -> None:
        self.name = config.label
        self.wants_content = leaving.wants_content
        self._leaving = leaving
        self._lines = Lines(_resource(config))
        self._writer = Writer(config.path, rotate_bytes=config.rotate_bytes, keep=config.keep, fsync=config.fsync)

    def resume(self, state: str) -> str:
        """Bring the file back to where the state says it was: lines behind that will come again."""
        self._writer.resume(state)
        return self._writer.append(b"")

    def encode(self, recorded: Recorded) -> bytes:
        """The event's line; nothing for other events, and for provisional steps.

        A provisional step is certain to come again with better times, and a line can't be overwritten: a span
        should be written once.
        """
        body = recorded.event.body
        if isinstance(body, StepEnded) and body.step.provisional:
            return b""
        content = self._leaving.of(recorded.event)
        span = spans_of(recorded, content)
        if span is not None:
            return self._lines.encode(span)
        record = note_record(recorded, content)
        return b"" if record is None else self._lines.encode_record(record)

    def send(self, parts: Sequence[bytes], seqs: Sequence[int]) -> Report:
        """Append the lines, all or none of them. The report's state says how far the file goes now."""
        return Report(accepted=len(seqs), state=self._writer.append(b"".join(parts)))

    def check(self) -> None:
        """Open the file for writing; raises as `send` does."""
        self._writer.check()

    def close(self) -> None:
        """Close the file."""
        self._writer.close()


def build(config: Config, tools: Tools) -> Sink:
    """The sink. Opens nothing before the first use."""
    return FileSink(config, Leaving(config.label, config.content, tools.redaction))


def _resource(config: Config) -> dict[str, str]:
    resource = {semconv.SERVICE_NAME: config.service_name}
    if config.deployment_environment:
        resource[semconv.DEPLOYMENT_ENVIRONMENT_NAME] = config.deployment_environment
    return resource
