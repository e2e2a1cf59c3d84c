"""Elasticsearch's own client over the house's HTTP: its requests and node pool, our deadlines, TLS and errors.

The client's retries, sniffing, logging and telemetry are off: the shipper retries. A node that does not answer is put
aside by the client's pool, so that the next attempt goes to another.
"""

from __future__ import annotations

import gzip
import logging
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

import httpx
from elastic_transport import (
    ApiResponseMeta,
    BaseNode,
    ConnectionTimeout,
    HttpHeaders,
    NodeConfig,
    SerializationError,
    TlsError,
    TransportError,
)
from elastic_transport import ConnectionError as NodeError
from elastic_transport._node import NodeApiResponse
from elasticsearch import ApiError, Elasticsearch, UnsupportedProductError

from monitor.errors import Auth, ConfigError, MonitorError, Retryable
from monitor.http import USER_AGENT, Answer, Tls, client, excerpt, exchange, outcome, redact_url
from monitor.ports import Clock
from monitor.sinks.elasticsearch.settings import Config, credentials_of, secrets_of

__all__ = ["Connection"]

T = TypeVar("T")
_GZIP_LEVEL = 1
"""Documents repeat themselves so much that higher levels cost time and save little."""
_LARGEST_ANSWER_BYTES = 64 * 1024 * 1024
_OK = range(200, 300)
_UNAUTHORIZED = 401
_CAN_NOT_CHECK = "encountered a failure"
"""What a 401 says of an API key where the key is not at fault: a server that has just started can't look it up yet."""
_DEFAULT_NODES = ("http://localhost:9200",)
_LOGGERS = ("elastic_transport", "elasticsearch")
_FOREIGN = "does not say that it is Elasticsearch"


class _Node(BaseNode):
    """One address, spoken to by httpx. `_made_for` gives it clock, timeout and TLS."""

    _CLIENT_META_HTTP_CLIENT: ClassVar[tuple[str, str]] = ("hx", httpx.__version__)
    clock: ClassVar[Clock]
    timeout_s: ClassVar[float]
    tls: ClassVar[Tls]

    def __init__(self, config: NodeConfig) -> None:
        super().__init__(config)
        self._http = client(timeout_s=self.timeout_s, tls=self.tls)

    def perform_request(
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        headers: HttpHeaders | None = None,
        request_timeout: Any = None,  # noqa: ARG002 - the client's signature; ours is fixed
    ) -> NodeApiResponse:
        """One exchange. An error of ours travels as the cause of one of the client's, which its pool understands."""
        url = f"{self.base_url}{target}"
        sent = dict(self.headers) | dict(headers or {})
        if body is not None:
            body, sent["content-encoding"] = gzip.compress(body, _GZIP_LEVEL, mtime=0), "gzip"
        try:
            answer = exchange(
                self._http,
                method,
                url,
                clock=self.clock,
                deadline_s=self.timeout_s,
                content=body,
                headers=sent,
                limit_bytes=_LARGEST_ANSWER_BYTES,
            )
        except Retryable as exc:
            kind = ConnectionTimeout if exc.reason == "timeout" else NodeError
            raise kind(str(exc)) from exc
        except Auth as exc:
            raise TlsError(str(exc)) from exc
        meta = ApiResponseMeta(
            status=answer.status, http_version="1.1", headers=_headers(answer), duration=0.0, node=self.config
        )
        return NodeApiResponse(meta, answer.body)

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()


def _headers(answer: Answer) -> HttpHeaders:
    """What the client is to see: a refusal is plain text, whatever it says it is, and warnings are nobody's news."""
    kept = {name: value for name, value in answer.headers.items() if name.lower() != "warning"}
    if answer.status not in _OK:
        kept = {name: value for name, value in kept.items() if name.lower() != "content-type"}
        kept["content-type"] = "text/plain"
    return HttpHeaders(kept)


class Connection:
    """Runs calls of the client, and says by the house's errors what follows from their answers."""

    def __init__(self, config: Config, clock: Clock) -> None:
        self._config, self._clock = config, clock
        self._secrets = secrets_of(config)
        self._client: Elasticsearch | None = self._connect()  # now, so that unreadable files are told at the start

    def __repr__(self) -> str:
        return f"Connection({', '.join(map(redact_url, self._config.nodes or _DEFAULT_NODES))})"

    def run(self, call: Callable[[Elasticsearch], T], *, with_content: bool = False) -> T:
        """What the call returns. Raises Retryable, TooLarge, Permanent or Auth; never repeats what was sent.

        `with_content`: whether it sends content, which an answer could quote. Only bulk requests can.
        """
        if self._client is None:
            self._client = self._connect()
        try:
            return call(self._client)
        except (TransportError, ApiError) as exc:
            error = self._error_of(exc, after_content=with_content)
        raise error from None  # the client's error quotes the answer as it is

    def close(self) -> None:
        """Let go of the connections; the next call connects anew. Safe twice."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def shown(self, text: str, *, after_content: bool) -> str:
        """The text on one line, short, and without our secrets; not at all where it may quote content."""
        return excerpt(text.encode("utf-8", "replace"), self._secrets, after_content=after_content)

    def _connect(self) -> Elasticsearch:
        for name in _LOGGERS:
            logging.getLogger(name).setLevel(logging.CRITICAL)  # it logs every request, and bodies at debug level
        config = self._config
        where: dict[str, Any] = (
            {"cloud_id": config.cloud_id} if config.cloud_id else {"hosts": list(config.nodes or _DEFAULT_NODES)}
        )
        try:
            return Elasticsearch(
                **where,
                **_credentials(config),
                node_class=self._node_class(),
                headers={"user-agent": USER_AGENT},
                http_compress=False,  # the node does it, so that the same is always the same bytes
                meta_header=False,
                max_retries=0,
                retry_on_status=(),
                retry_on_timeout=False,
            )
        except ValueError as exc:
            raise ConfigError("not an address", path="cloud_id" if config.cloud_id else "nodes") from exc

    def _node_class(self) -> type[_Node]:
        config = self._config
        tls = Tls(config.certificate, config.client_certificate, config.client_key)
        given = {"clock": self._clock, "timeout_s": config.timeout_s, "tls": tls}
        return type("Node", (_Node,), given)

    def _error_of(self, exc: TransportError | ApiError, *, after_content: bool) -> MonitorError:
        if isinstance(exc, UnsupportedProductError):
            return Auth(f"{self._where(exc)} {_FOREIGN}: correct the address")
        if isinstance(exc, ApiError):
            return self._refusal(exc, after_content=after_content)
        if isinstance(exc.__cause__, MonitorError):
            return exc.__cause__
        what = "an answer that can't be read" if isinstance(exc, SerializationError) else type(exc).__name__
        return Retryable(what, reason="protocol")

    def _refusal(self, exc: ApiError, *, after_content: bool) -> MonitorError:
        if exc.meta.status == _UNAUTHORIZED and _CAN_NOT_CHECK in str(exc.body):
            return Retryable(f"{self._where(exc)} can't check our credentials now", reason="unavailable")
        error = outcome(
            exc.meta.status,
            exc.meta.headers,
            now_ns=self._clock.now_ns(),
            where=self._where(exc),
            said=self.shown(str(exc.body), after_content=after_content),
        )
        return error or Retryable(f"{self._where(exc)}: an answer that can't be read", reason="protocol")

    def _where(self, exc: ApiError) -> str:
        node = exc.meta.node
        return redact_url(f"{node.scheme}://{node.host}:{node.port}{node.path_prefix}")


def _credentials(config: Config) -> dict[str, Any]:
    kind, first, second = credentials_of(config)
    if kind == "api_key":
        name, colon, key = first.partition(":")
        return {"api_key": (name, key) if colon else first}
    if kind == "user":
        return {"basic_auth": (first, second)}
    return {"bearer_auth": first} if kind == "bearer" else {}
