"""HTTP for every adapter: one client, one table from answers to what follows, one table from httpx's errors.

Adapters call `client` once and `exchange` for each request, then `outcome` on the answer. Nothing here retries,
follows redirects or logs, and no error's text holds a header, a body that was sent, or an address' credentials.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import httpx

from monitor import __version__
from monitor.errors import Auth, ConfigError, MonitorError, Permanent, Retryable, TooLarge
from monitor.ports import Clock

__all__ = [
    "ANSWER_NOT_SHOWN",
    "USER_AGENT",
    "Answer",
    "Tls",
    "client",
    "error_of",
    "excerpt",
    "exchange",
    "outcome",
    "redact_url",
]

ANSWER_NOT_SHOWN = "its answer is not shown, as it may quote content; see the server's own log"
"""What stands for the words of a server that was sent content."""

USER_AGENT = f"dify-monitor/{__version__}"

_BODY_BYTES = 64 * 1024
_EXCERPT_CHARS = 200
_MAX_RETRY_AFTER_S = 3600.0
"""A named delay above an hour is more likely a mistake than a wish: the caller asks again after that."""

_OK = range(200, 300)
_REDIRECT = range(300, 400)
_TOO_LARGE = 413
# Not the payload's fault: address, credentials, rights, payment, or a server that speaks something else there.
_CONFIGURATION = frozenset({401, 402, 403, 404, 405, 407, 410, 415, 426})
_BUSY = {408: "timeout", 425: "unavailable", 429: "rate_limited"}


@dataclass(frozen=True)
class Tls:
    """Files for TLS; certificates are always verified, by the usual authorities where `ca_file` is empty."""

    ca_file: str = ""
    certificate_file: str = ""
    """The client's own certificate (PEM)."""
    key_file: str = ""


@dataclass(frozen=True)
class Answer:
    """What the other side said. The body is decoded and cut after the bytes that were asked for."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def client(
    *,
    timeout_s: float,
    tls: Tls | None = None,
    headers: Mapping[str, str] | None = None,
    trust_env: bool = True,
    transport: httpx.BaseTransport | None = None,
) -> httpx.Client:
    """A client without retries and redirects. `timeout_s` holds for connecting, for writing and for each wait.

    `trust_env` lets HTTP_PROXY, NO_PROXY, SSL_CERT_FILE and the like speak. Raises ConfigError for unreadable files.
    """
    _hush()
    return httpx.Client(
        timeout=httpx.Timeout(timeout_s),
        verify=_tls_context(tls or Tls(), trust_env=trust_env),
        headers={"user-agent": USER_AGENT, "accept-encoding": "identity", **(headers or {})},
        trust_env=trust_env,
        follow_redirects=False,
        transport=transport,
    )


def _hush() -> None:
    """Keep httpx from writing each request's address to the log: some backends want a key in its query."""
    for name in ("httpx", "httpcore"):
        library = logging.getLogger(name)
        library.setLevel(max(library.level, logging.WARNING))


def _tls_context(tls: Tls, *, trust_env: bool) -> ssl.SSLContext:
    try:
        if tls.ca_file:
            context = ssl.create_default_context(cafile=tls.ca_file)
        else:
            context = httpx.create_ssl_context(trust_env=trust_env)
        if tls.certificate_file:
            context.load_cert_chain(tls.certificate_file, tls.key_file or None)
    except OSError as exc:  # ssl.SSLError is one
        raise ConfigError(f"a TLS file can't be used: {exc.strerror or exc}", path=_tls_files(tls)) from exc
    return context


def _tls_files(tls: Tls) -> str:
    return ", ".join(name for name in (tls.ca_file, tls.certificate_file, tls.key_file) if name)


def exchange(
    http: httpx.Client,
    method: str,
    url: str,
    *,
    clock: Clock,
    deadline_s: float,
    content: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    limit_bytes: int = _BODY_BYTES,
) -> Answer:
    """Send one request and read its answer, not more than `limit_bytes` of the body and not after the deadline.

    Raises Retryable or Auth for what `error_of` names so; never for a status, which is `outcome`'s matter.
    """
    try:
        return _exchange(
            http, http.build_request(method, url, content=content, headers=headers), clock, deadline_s, limit_bytes
        )
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, httpx.CookieConflict) as exc:
        error = error_of(exc, url)
        if isinstance(exc, httpx.LocalProtocolError):
            raise error from None  # its text quotes the header, which may be a secret
        raise error from exc


def _exchange(http: httpx.Client, request: httpx.Request, clock: Clock, deadline_s: float, limit: int) -> Answer:
    end = clock.monotonic() + deadline_s
    response = http.send(request, stream=True)
    try:
        body = bytearray()
        for part in response.iter_bytes():
            body += part
            if len(body) >= limit:
                break
            if clock.monotonic() > end:
                raise httpx.ReadTimeout("the answer's body took too long", request=request)
        return Answer(response.status_code, response.headers, bytes(body[:limit]))
    finally:
        response.close()


def outcome(
    status: int, headers: Mapping[str, str], *, now_ns: int, where: str = "", said: str = ""
) -> MonitorError | None:
    """What follows from an answer; None when it was accepted. The caller raises what it gets.

    `where` (an address, redacted) and `said` (an excerpt) become part of the error's text. `now_ns` is for a
    Retry-After that is a date.
    """
    detail = " ".join(filter(None, (where, f"answered {status}", f"({said})" if said else "")))
    if status in _OK:
        return None
    if status in _REDIRECT or status in _CONFIGURATION:
        return Auth(detail)
    if status == _TOO_LARGE:
        return TooLarge(detail)
    reason = _BUSY.get(status) or ("server_error" if not 400 <= status < 500 else "")  # noqa: PLR2004 - 4xx
    if reason:
        return Retryable(detail, reason=reason, after_s=_retry_after_s(headers, now_ns))
    return Permanent(detail, reason=f"http_{status}")


def _retry_after_s(headers: Mapping[str, str], now_ns: int) -> float | None:
    """Seconds of a Retry-After header, which may be a number or a date; None where there is none to be read."""
    text = next((value for name, value in headers.items() if name.lower() == "retry-after"), "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:10]), _MAX_RETRY_AFTER_S)
    try:
        at = parsedate_to_datetime(text)
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        wait_s = (at - datetime.fromtimestamp(now_ns / 1e9, UTC)).total_seconds()
    except (TypeError, ValueError, IndexError, OverflowError, OSError):
        return None
    return min(max(0.0, wait_s), _MAX_RETRY_AFTER_S)


# The first class that fits decides: the order is from the special to the general.
_ERRORS: tuple[tuple[type[Exception], type[Retryable | Auth], str], ...] = (
    (httpx.TimeoutException, Retryable, "timeout"),
    (httpx.UnsupportedProtocol, Auth, ""),
    (httpx.LocalProtocolError, Auth, ""),
    (httpx.RemoteProtocolError, Retryable, "protocol"),
    (httpx.DecodingError, Retryable, "protocol"),
    (httpx.TooManyRedirects, Auth, ""),
    (httpx.NetworkError, Retryable, "network"),
    (httpx.ProxyError, Retryable, "network"),
    (httpx.TransportError, Retryable, "network"),
    (httpx.HTTPError, Retryable, "protocol"),
    (httpx.StreamError, Retryable, "protocol"),
    (httpx.InvalidURL, Auth, ""),
    (httpx.CookieConflict, Retryable, "protocol"),
)


def error_of(exc: Exception, url: str = "") -> Retryable | Auth:
    """What follows from an error of httpx. A refused certificate is a matter of configuration, not of patience."""
    detail = f"{redact_url(url)}: {type(exc).__name__}{_system_words(exc)}"
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in _causes(exc)):
        return Auth(detail)
    kind, reason = next(
        ((kind, reason) for known, kind, reason in _ERRORS if isinstance(exc, known)), (Retryable, "network")
    )
    return Retryable(detail, reason=reason) if kind is Retryable else Auth(detail)


def _causes(exc: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    current: BaseException | None = exc
    while current is not None and current not in found:
        found.append(current)
        current = current.__cause__ or current.__context__
    return found


def _system_words(exc: Exception) -> str:
    """What the operating system or TLS said; httpx's own text is left out as it may quote what was sent."""
    for cause in _causes(exc):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f" ({cause.verify_message})"
        if isinstance(cause, OSError) and cause.strerror:
            return f" ({cause.strerror})"
    return ""


def redact_url(url: str) -> str:
    """The address without user information, query and fragment: fit for logs."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port is not None else ""
    except ValueError:
        return "(not an address)"
    if ":" in host:
        host = f"[{host}]"
    shown = f"{parts.scheme}://{host}{port}{parts.path}"
    return shown if host and shown.isprintable() else "(not an address)"


def excerpt(body: bytes, secrets: Collection[str] = (), *, after_content: bool) -> str:
    """The beginning of an answer's body on one line, without what must not be shown (servers do echo headers).

    `after_content`: whether the request may have held content. Servers quote what they refuse, and what they quote
    would go on into our log and into the list of rejected events: then nothing of the answer is shown.
    """
    if after_content:
        return ANSWER_NOT_SHOWN if body else ""
    text = body.decode("utf-8", "replace")
    for secret in filter(None, secrets):
        text = text.replace(secret, "[secret]")
    words = "".join(letter if letter.isprintable() else " " for letter in text).split()
    return " ".join(words)[:_EXCERPT_CHARS]
