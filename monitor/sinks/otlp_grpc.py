"""OTLP over gRPC: the generated TraceService stub on a channel whose own retries are off."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub

from monitor.errors import Auth, ConfigError, MonitorError, Permanent, Retryable, TooLarge
from monitor.http import USER_AGENT, excerpt
from monitor.sinks.otlp_settings import Settings

__all__ = ["GrpcTransport", "outcome"]

_ANSWER_BYTES = 1024 * 1024
_OPTIONS: tuple[tuple[str, Any], ...] = (
    ("grpc.enable_retries", 0),
    ("grpc.max_receive_message_length", _ANSWER_BYTES),
    # A server that is back must be noticed soon: the default makes a channel sulk for up to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 5000),
    ("grpc.primary_user_agent", USER_AGENT),
)
_MAX_RETRY_AFTER_S = 3600.0
_STATUS_DETAILS = "grpc-status-details-bin"
_RETRY_INFO = "google.rpc.retryinfo-bin"
_REFUSED_CERTIFICATE = "CERTIFICATE_VERIFY_FAILED"
"""In the words of an UNAVAILABLE: gRPC has no code for it."""
_NS_IN_S = 1e9

# What OTLP calls retryable, and besides what a server says when something broke inside it (HTTP's 500).
_RETRYABLE = {
    grpc.StatusCode.CANCELLED: "unavailable",
    grpc.StatusCode.DEADLINE_EXCEEDED: "timeout",
    grpc.StatusCode.ABORTED: "unavailable",
    grpc.StatusCode.OUT_OF_RANGE: "unavailable",
    grpc.StatusCode.UNAVAILABLE: "unavailable",
    grpc.StatusCode.DATA_LOSS: "server_error",
    grpc.StatusCode.INTERNAL: "server_error",
    grpc.StatusCode.UNKNOWN: "server_error",
}
_CONFIGURATION = frozenset(
    {
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.NOT_FOUND,
    }
)


class GrpcTransport:
    """Implements `otlp_sink.Transport`."""

    def __init__(self, settings: Settings, *, sends_content: bool) -> None:
        """`sends_content`: whether a request can hold content, which an answer could quote."""
        self._settings = settings
        self._sends_content = sends_content
        self._credentials = _credentials(settings)
        self._channel: Any = None

    def export(self, request: bytes) -> tuple[int, str]:
        """One call, once; fails at once where the server can't be reached."""
        if self._channel is None:
            self._channel = self._connect()
        try:
            response = TraceServiceStub(self._channel).Export(  # type: ignore[no-untyped-call]
                ExportTraceServiceRequest.FromString(request),
                timeout=self._settings.timeout_s,
                metadata=[(name, value.get_secret_value()) for name, value in self._settings.headers.items()],
                wait_for_ready=False,
            )
        except grpc.RpcError as exc:
            raise self._error(
                exc, after_content=self._sends_content and bool(request)
            ) from None  # its text quotes the server, which may quote our headers
        partial = response.partial_success
        return max(0, partial.rejected_spans), partial.error_message

    def close(self) -> None:
        """Let go of the connection."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    def _connect(self) -> Any:
        compression = grpc.Compression.Gzip if self._settings.gzip else grpc.Compression.NoCompression
        target = self._settings.target
        if self._credentials is None:
            return grpc.insecure_channel(target, options=_OPTIONS, compression=compression)
        return grpc.secure_channel(target, self._credentials, options=_OPTIONS, compression=compression)

    def _error(self, exc: Any, *, after_content: bool) -> MonitorError:
        said = str(exc.details() or "")
        if _REFUSED_CERTIFICATE in said:
            return Auth(f"{self._settings.target}: the server's certificate is refused")
        shown = excerpt(said.encode("utf-8", "replace"), self._settings.secrets, after_content=after_content)
        return outcome(exc.code(), said, exc.trailing_metadata() or (), where=self._settings.target, shown=shown)


def _credentials(settings: Settings) -> Any:
    """TLS credentials, or None for a plain connection."""
    if not settings.secure:
        return None
    return grpc.ssl_channel_credentials(
        root_certificates=_read(settings.certificate, "certificate"),
        private_key=_read(settings.client_key, "client_key"),
        certificate_chain=_read(settings.client_certificate, "client_certificate"),
    )


def _read(file: str, setting: str) -> bytes | None:
    if not file:
        return None
    try:
        return Path(file).read_bytes()
    except OSError as exc:
        raise ConfigError(f"can't be read: {exc.strerror}", path=setting, value=file) from exc


def outcome(
    code: grpc.StatusCode,
    words: str,
    metadata: Sequence[tuple[str, str | bytes]],
    *,
    where: str = "",
    shown: str = "",
) -> MonitorError:
    """What follows from a call that failed, as OTLP's specification has it.

    `words` are the server's and only looked at; `shown` is what of them may become part of the error's text.
    """
    detail = f"{where} answered {code.name}{f' ({shown})' if shown else ''}".strip()
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return _exhausted(detail, words, _retry_after_s(metadata))
    if code in _CONFIGURATION:
        return Auth(detail)
    if code in _RETRYABLE:
        return Retryable(detail, reason=_RETRYABLE[code], after_s=_retry_after_s(metadata))
    return Permanent(detail, reason=f"grpc_{code.name.lower()}")


def _exhausted(detail: str, words: str, after_s: float | None) -> MonitorError:
    """A message above the server's limit, or a quota.

    The specification would have a quota without RetryInfo dropped. Servers that limit rates answer so, too, and what
    only waits is not lost: it is tried again.
    """
    if "larger than max" in words:
        return TooLarge(detail)
    return Retryable(detail, reason="rate_limited", after_s=after_s)


def _retry_after_s(metadata: Sequence[tuple[str, str | bytes]]) -> float | None:
    """The delay in a RetryInfo, where the server sent one."""
    for key, value in metadata:
        if key in {_STATUS_DETAILS, _RETRY_INFO} and isinstance(value, bytes):
            info = _retry_info(key, value)
            if info is not None:
                seconds = float(info.retry_delay.seconds + info.retry_delay.nanos / _NS_IN_S)
                return min(max(0.0, seconds), _MAX_RETRY_AFTER_S)
    return None


def _retry_info(key: str, value: bytes) -> RetryInfo | None:
    info = RetryInfo()
    try:
        if key == _RETRY_INFO:
            info.ParseFromString(value)
            return info
        for detail in Status.FromString(value).details:
            if detail.Unpack(info):
                return info
    except DecodeError:
        return None
    return None
