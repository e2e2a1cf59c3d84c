"""OTLP over HTTP: one POST a request, its answer told apart as the specification says. No retries here."""

from __future__ import annotations

import gzip

import httpx
from google.protobuf.message import DecodeError
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from monitor.http import Answer, Tls, client, excerpt, exchange, outcome, redact_url
from monitor.ports import Clock
from monitor.sinks.otlp_settings import Settings

__all__ = ["HttpTransport"]

_PROTOBUF = "application/x-protobuf"
_GZIP_LEVEL = 1
"""Spans repeat themselves so much that higher levels cost time and save little."""


class HttpTransport:
    """Implements `otlp_sink.Transport`."""

    def __init__(self, settings: Settings, clock: Clock, *, sends_content: bool) -> None:
        """`sends_content`: whether a request can hold content, which an answer could quote."""
        self._settings = settings
        self._clock = clock
        self._sends_content = sends_content
        self._client: httpx.Client | None = self._connect()  # now, so that unreadable files are told at the start

    def export(self, request: bytes) -> tuple[int, str]:
        """One POST, once."""
        if self._client is None:
            self._client = self._connect()
        answer = exchange(
            self._client,
            "POST",
            self._settings.url,
            clock=self._clock,
            deadline_s=self._settings.timeout_s,
            content=gzip.compress(request, _GZIP_LEVEL, mtime=0) if self._settings.gzip else request,
            headers=self._headers(),
        )
        error = outcome(
            answer.status,
            answer.headers,
            now_ns=self._clock.now_ns(),
            where=redact_url(self._settings.url),
            said=excerpt(_words(answer), self._settings.secrets, after_content=self._sends_content and bool(request)),
        )
        if error is not None:
            raise error
        return _partial_success(answer)

    def close(self) -> None:
        """Let go of the connections."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _connect(self) -> httpx.Client:
        settings = self._settings
        tls = Tls(settings.certificate, settings.client_certificate, settings.client_key)
        return client(timeout_s=settings.timeout_s, tls=tls)

    def _headers(self) -> dict[str, str]:
        headers = {name: value.get_secret_value() for name, value in self._settings.headers.items()}
        headers["content-type"] = _PROTOBUF
        if self._settings.gzip:
            headers["content-encoding"] = "gzip"
        return headers


def _content_type(answer: Answer) -> str:
    return answer.headers.get("content-type", "").partition(";")[0].strip().lower()


def _partial_success(answer: Answer) -> tuple[int, str]:
    """What a 2xx says of refused spans. A body that is no OTLP says nothing: the spans were taken."""
    if _content_type(answer) not in {_PROTOBUF, ""}:
        return 0, ""
    try:
        partial = ExportTraceServiceResponse.FromString(answer.body).partial_success
    except DecodeError:
        return 0, ""
    return max(0, partial.rejected_spans), partial.error_message


def _words(answer: Answer) -> bytes:
    """The message in a refusal: OTLP's is a Status, a proxy's is any text."""
    if _content_type(answer) != _PROTOBUF:
        return answer.body
    try:
        return str(Status.FromString(answer.body).message).encode()
    except DecodeError:
        return answer.body
