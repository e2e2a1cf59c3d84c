"""One envelope over HTTP, its answer awaited and understood; for many threads. No retries, no queue."""

from __future__ import annotations

import gzip
import threading

import httpx

from monitor.errors import Retryable
from monitor.http import Tls, client, excerpt, exchange, outcome, redact_url
from monitor.ports import Clock
from monitor.sinks.sentry.envelope import Envelope
from monitor.sinks.sentry.limits import RateLimits
from monitor.sinks.sentry.settings import Config, dsn_of

__all__ = ["Wire"]

_GZIP_LEVEL = 1
_OF_FACTS = frozenset({"event", "transaction"})
"""Items that can hold content; others say that we are alive."""


class Wire:
    """The way to one project. As many as `lanes` may be sent at once, each over a connection that is kept."""

    def __init__(self, config: Config, clock: Clock, *, sends_content: bool) -> None:
        """`sends_content`: whether an event can hold content, which an answer could quote.

        Raises ConfigError where the certificate's file can't be read.
        """
        self._sends_content = sends_content
        self._dsn = dsn_of(config.dsn.get_secret_value())
        self._timeout_s, self._tls, self._clock = config.timeout_s, Tls(ca_file=config.certificate), clock
        self.limits, self.lanes = RateLimits(clock), config.connections
        self._lock = threading.Lock()
        self._client: httpx.Client | None = self._connect()

    def post(self, envelope: Envelope) -> None:
        """Send it, whatever the limits say. Raises Retryable, TooLarge, Permanent or Auth."""
        answer = exchange(
            self._opened(),
            "POST",
            self._dsn.url,
            clock=self._clock,
            deadline_s=self._timeout_s,
            content=gzip.compress(envelope.to_bytes(), _GZIP_LEVEL, mtime=0),
            headers=self._headers(),
        )
        error = outcome(
            answer.status,
            answer.headers,
            now_ns=self._clock.now_ns(),
            where=redact_url(self._dsn.url),
            said=excerpt(answer.body, self._dsn.secrets, after_content=self._holds_content(envelope)),
        )
        self.limits.learn(answer.status, answer.headers, error.after_s if isinstance(error, Retryable) else None)
        if error is not None:
            raise error
        self.limits.passed(envelope.category)

    def close(self) -> None:
        """Let go of the connections; safe twice and before use. A later `post` connects anew."""
        with self._lock:
            if self._client is not None:
                self._client.close()
                self._client = None

    def _holds_content(self, envelope: Envelope) -> bool:
        return self._sends_content and envelope.item in _OF_FACTS

    def _opened(self) -> httpx.Client:
        with self._lock:
            if self._client is None:
                self._client = self._connect()
            return self._client

    def _connect(self) -> httpx.Client:
        return client(timeout_s=self._timeout_s, tls=self._tls)

    def _headers(self) -> dict[str, str]:
        return {
            "content-type": "application/x-sentry-envelope",
            "content-encoding": "gzip",
            "x-sentry-auth": self._dsn.header,
        }
