"""The `file` sink: one line a fact in a local file, for a Collector (`otlp`) or for log shippers (`ecs`).

As `otlp`, a span is a line of its own, and so is each fact beside the turns that is no span: as a log record
(`resourceLogs`), which a pipeline for traces passes over. As `ecs`, a line is the document that the `elasticsearch`
sink would send. Each line stands in the files exactly once, whatever crashes: how far the file goes is committed with
the sink's cursor, and what a crash left behind that is cut off at the next start, to be written again. What writes is
`file_writer.py`; what a line looks like is `file_lines.py` and `file_ecs.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

from pydantic import BeforeValidator, Field, model_validator

from monitor.model import ContentPolicy, Recorded, StepEnded
from monitor.model.units import size_bytes
from monitor.normalise.attributes import resource_of
from monitor.normalise.documents import common_fields
from monitor.normalise.redact import Leaving
from monitor.ports import AdapterConfig, RejectedEvent, Report, Sink, Tools
from monitor.sinks.file_ecs import EcsLines, is_cut
from monitor.sinks.file_lines import OtlpLines
from monitor.sinks.file_writer import Writer

__all__ = ["Config", "build"]


_OF_ECS = {"prefix", "labels", "max_line_bytes"}
"""Settings that mean nothing for other formats."""


class Config(AdapterConfig):
    """Facts as lines in a file: OTLP/JSON for a Collector, or documents for Logstash, Filebeat and rsyslog."""

    type: Literal["file"]
    path: str = Field(min_length=1)
    """The file; its folder is made when it isn't there. It belongs to this sink alone. With `ecs`, what the names of
    the files begin with: the first one has `.1` at its end, the next `.2`, and none is ever renamed."""
    format: Literal["otlp", "ecs"] = "otlp"
    """What a line is: `otlp` a span or log record as OTLP/JSON, `ecs` a document with the fields of the Elastic Common
    Schema, the same that the `elasticsearch` sink sends."""
    content: ContentPolicy = "none"
    """What is written of inputs, outputs and error messages: `none`, `redacted` (personal data and keys masked) or
    `full`."""
    service_name: str = Field(default="dify", min_length=1)
    """`service.name` of the lines: a resource attribute, or a field of the documents."""
    deployment_environment: str = ""
    """Resource attribute `deployment.environment.name`, as `ecs` the field `service.environment`, such as `production`;
    left out when empty."""
    prefix: str = Field(default="dify", pattern="^[a-z0-9][a-z0-9_-]{0,99}$")
    """Only for `ecs`: what the names of the indices begin with that the lines are for, such as `dify-turns-2026.11`, of
    `a-z`, `0-9`, `_` and `-`."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Only for `ecs`: fixed `labels` of every document."""
    max_line_bytes: Annotated[int, BeforeValidator(size_bytes), Field(ge=65_536)] = 8 * 1024 * 1024
    """Only for `ecs`: size that no line exceeds, as shippers have limits. Content is cut to fit, the longest first, and
    named in `dify.content.truncated`. A line that is too long without content is refused."""
    rotate_bytes: Annotated[int, BeforeValidator(size_bytes), Field(ge=1024)] = 100 * 1024 * 1024
    """Size at which a new file is begun: a number, or a size such as `100MiB`. The old one gets a number at its end
    (with `ecs` it has one), the latest the highest."""
    keep: int = Field(default=10, ge=0)
    """How many old files to keep; 0 keeps all."""
    fsync: bool = True
    """Wait until the disk has each batch. Without that, a power cut may cost lines that count as written."""
    group_may_read: bool = False
    """Whether the file's group may read new files too (mode 0640), for a log shipper that is not root. Else 0600."""

    @model_validator(mode="after")
    def _go_together(self) -> Config:
        if self.format != "ecs" and (idle := _OF_ECS & self.model_fields_set):
            raise ValueError(f"{', '.join(sorted(idle))} means something only with format: ecs")
        return self


class _Lines(Protocol):
    """What a line looks like."""

    kinds: Collection[str]

    def encode(self, recorded: Recorded, content: dict[str, str]) -> bytes:
        """The fact's line, newline included; nothing where it has none. `content` is what may leave of its content."""
        ...


class FileSink:
    """Implements `monitor.ports.Sink`."""

    max_events = 2000
    max_bytes = 8 * 1024 * 1024

    def __init__(self, config: Config, leaving: Leaving, logger: Any) -> None:
        self.name = config.label
        self.wants_content = leaving.wants_content
        self._leaving, self._logger = leaving, logger
        self._bounded = config.format == "ecs"
        self._max_line_bytes = config.max_line_bytes
        self._lines = _lines(config)
        self.kinds = self._lines.kinds
        self._writer = Writer(
            config.path,
            rotate_bytes=config.rotate_bytes,
            keep=config.keep,
            fsync=config.fsync,
            group_may_read=config.group_may_read,
            renames=config.format == "otlp",
        )

    def resume(self, state: str) -> str:
        """Bring the file back to where the state says it was: lines behind that will come again."""
        self._writer.resume(state)
        return self._writer.append(b"")

    def encode(self, recorded: Recorded) -> bytes:
        """The event's line; nothing for other events, and for provisional steps.

        A provisional step is certain to come again with better times, and a line can't be overwritten: a step should be
        written once.
        """
        body = recorded.event.body
        if isinstance(body, StepEnded) and body.step.provisional:
            return b""
        return self._lines.encode(recorded, self._leaving.of(recorded.event))

    def send(self, parts: Sequence[bytes], seqs: Sequence[int]) -> Report:
        """Append the lines, all or none of them. The report's state says how far the file goes now.

        Lines that are too long though their content was cut are left out and reported as rejected.
        """
        rejected = self._too_long(parts, seqs)
        refused = {each.seq for each in rejected}
        lines = [part for seq, part in zip(seqs, parts, strict=True) if seq not in refused]
        state = self._writer.append(b"".join(lines))
        if self._bounded and (cut := sum(map(is_cut, lines))):
            self._logger.warning("lines_cut", lines=cut, action="content that max_line_bytes has no room for was cut")
        return Report(accepted=len(lines), rejected=rejected, state=state)

    def _too_long(self, parts: Sequence[bytes], seqs: Sequence[int]) -> tuple[RejectedEvent, ...]:
        if not self._bounded:
            return ()
        return tuple(
            RejectedEvent(seq, "too_large", f"its line has {len(part)} bytes without content, more than max_line_bytes")
            for seq, part in zip(seqs, parts, strict=True)
            if len(part) > self._max_line_bytes
        )

    def present_file(self) -> Path:
        """Where it writes now; where it will, if nothing is there yet."""
        return self._writer.present()

    def check(self) -> None:
        """Open the file for writing; raises as `send` does."""
        self._writer.check()

    def close(self) -> None:
        """Close the file."""
        self._writer.close()


def build(config: Config, tools: Tools) -> Sink:
    """The sink. Opens nothing before the first use."""
    return FileSink(config, Leaving(config.label, config.content, tools.redaction), tools.logger)


def _lines(config: Config) -> _Lines:
    if config.format == "ecs":
        common = common_fields(config.service_name, config.deployment_environment, config.labels)
        return EcsLines(config.prefix, common, config.max_line_bytes)
    return OtlpLines(resource_of(config.service_name, config.deployment_environment))
