"""What the `otlp` sink does with events, whatever the protocol: encode each once, join, send, read the answer."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from monitor.http import excerpt, redact_url
from monitor.model import Recorded, StepEnded
from monitor.model.semconv import SCHEMA_URL
from monitor.normalise.attributes import resource_of
from monitor.normalise.profiles import PROFILES
from monitor.normalise.redact import Leaving
from monitor.normalise.spans import SPAN_KINDS, spans_of
from monitor.ports import Report, Tools
from monitor.sinks.otlp_encoding import Encoder
from monitor.sinks.otlp_settings import Config, Settings, in_clear, settings_of

__all__ = ["OtlpSink", "Transport", "build"]

_EMPTY_REQUEST = b""
"""A request without spans is a valid one, and every receiver answers it."""


class Transport(Protocol):
    """How requests travel."""

    def export(self, request: bytes) -> tuple[int, str]:
        """Deliver a serialised ExportTraceServiceRequest: how many spans were refused, and why.

        Raises Retryable, TooLarge, Permanent or Auth; returns within the configured timeout.
        """
        ...

    def close(self) -> None:
        """Let go of connections; safe twice and before use. A later `export` connects anew."""
        ...


class OtlpSink:
    """Implements `monitor.ports.Sink`."""

    kinds: Collection[str] = SPAN_KINDS

    def __init__(self, config: Config, settings: Settings, transport: Transport, leaving: Leaving) -> None:
        self.name = config.label
        self.wants_content = leaving.wants_content
        self.max_events = config.max_spans
        self.max_bytes = config.max_bytes
        self._leaving = leaving
        profile = PROFILES[config.profile]
        self._in_profile = profile.span
        resource = profile.resource(resource_of(config.service_name, config.deployment_environment))
        self._encoder = Encoder(resource, schema_url=SCHEMA_URL if profile.is_otel else "")
        self._transport = transport
        self._settings = settings

    def resume(self, state: str) -> str:  # noqa: ARG002 - the port's signature
        """There is no state: OTLP can't be asked what it has."""
        return ""

    def encode(self, recorded: Recorded) -> bytes:
        """The event's span as one entry of a request; nothing for other events and for provisional steps.

        A provisional step is certain to come again with better times, and a span that was sent can't be taken back
        or overwritten: it should leave once.
        """
        body = recorded.event.body
        if isinstance(body, StepEnded) and body.step.provisional:
            return b""
        span = spans_of(recorded, self._leaving.of(recorded.event))
        return b"" if span is None else self._encoder.encode(self._in_profile(span, body))

    def send(self, parts: Sequence[bytes], seqs: Sequence[int]) -> Report:
        """Deliver the joined spans. Which of them were refused OTLP doesn't say, only how many."""
        request = b"".join(parts)
        if not request:
            return Report(accepted=len(seqs))
        rejected, words = self._transport.export(request)
        rejected = min(rejected, len(seqs))
        said = words.encode("utf-8", "replace")
        detail = excerpt(said, self._settings.secrets, after_content=self.wants_content)
        return Report(accepted=len(seqs) - rejected, rejected_unknown=rejected, detail=detail)

    def check(self) -> None:
        """Send a request without spans; raises as `send` does."""
        self._transport.export(_EMPTY_REQUEST)

    def close(self) -> None:
        """Let go of the connection."""
        self._transport.close()


def build(config: Config, tools: Tools, environ: Mapping[str, str]) -> OtlpSink:
    """The sink with the transport that configuration and environment ask for. Raises ConfigError."""
    settings = settings_of(config, environ)
    if in_clear(settings):
        tools.logger.warning(
            "otlp_headers_unencrypted",
            endpoint=redact_url(settings.url),
            action="use https: whoever is on the way can read the credentials in the headers",
        )
    leaving = Leaving(config.label, config.content, tools.redaction)
    transport = _transport(settings, tools, sends_content=leaving.wants_content)
    return OtlpSink(config, settings, transport, leaving)


def _transport(settings: Settings, tools: Tools, *, sends_content: bool) -> Transport:
    if settings.protocol == "grpc":
        from monitor.sinks.otlp_grpc import GrpcTransport  # noqa: PLC0415 - 30 MB of memory for those who ask for it

        return GrpcTransport(settings, sends_content=sends_content)
    from monitor.sinks.otlp_http import HttpTransport  # noqa: PLC0415

    return HttpTransport(settings, tools.clock, sends_content=sends_content)
