"""The channel for everything that takes JSON over HTTP: one POST for each notification (docs: the JSON of `render`).

For receivers of one's own and for automation services. Not for chat services, which want forms of their own. A
receiver knows a repeat by `Idempotency-Key` and a genuine sender by `X-Monitor-Signature`. Registered as `webhook`.
"""

from __future__ import annotations

import hmac
import re
from typing import Annotated, Literal
from urllib.parse import parse_qsl, urlsplit

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, SecretStr, WithJsonSchema

from monitor.errors import MonitorError
from monitor.http import Answer, Tls, client, excerpt, exchange, outcome, redact_url
from monitor.model import Notification
from monitor.model.units import duration_ns
from monitor.notify.render import as_json
from monitor.ports import AdapterConfig, Clock, Notifier, Tools

__all__ = ["Config", "build"]

_SECOND_NS = 1_000_000_000
_SHORTEST_SECRET = 4
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\x20-\x7e]*")
_UNFIT_FOR_HEADERS = re.compile(r"[^A-Za-z0-9._:-]")
_OURS = {"content-type", "content-length", "host", "idempotency-key", "transfer-encoding"}
_OUR_PREFIX = "x-monitor-"


def _http_address(url: SecretStr) -> SecretStr:
    written = url.get_secret_value()
    try:
        parts = urlsplit(written)
        fine = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fine = False
    if not fine or not written.isprintable() or " " in written:
        raise ValueError("must be an address that begins with https:// or http://")
    return url


def _sendable(headers: dict[str, SecretStr]) -> dict[str, SecretStr]:
    for name, value in headers.items():
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value.get_secret_value()):
            raise ValueError("names and values of headers must be plain ASCII text on one line")
        if name.lower() in _OURS or name.lower().startswith(_OUR_PREFIX):
            raise ValueError(f"{name} is set by the channel itself")
    return headers


class Config(AdapterConfig):
    """Posts alerts as JSON to an address."""

    model_config = ConfigDict(hide_input_in_errors=True)

    type: Literal["webhook"] = "webhook"
    """Always `webhook`."""
    url: Annotated[SecretStr, AfterValidator(_http_address)]
    """Where to post. Treated as a secret, as the path of such an address often is one."""
    headers: Annotated[dict[str, SecretStr], AfterValidator(_sendable)] = Field(default_factory=dict)
    """Headers to send along, such as `Authorization: Bearer ...`."""
    secret: Annotated[SecretStr, Field(min_length=16)] | None = None
    """Signs each request: `X-Monitor-Signature: t=<seconds>,v1=<HMAC-SHA256 of "<seconds>.<body>" in hex>`."""
    timeout_ns: Annotated[
        int,
        BeforeValidator(duration_ns),
        Field(gt=0, le=300 * _SECOND_NS),
        WithJsonSchema({"type": ["string", "number"], "format": "duration", "examples": ["10s"]}),
    ] = Field(default=10 * _SECOND_NS, alias="timeout")
    """How long to wait for the receiver, at most five minutes."""
    ca_file: str = ""
    """Certificates (PEM) of the authority that signed the receiver's, where it is not one of the usual ones."""


class Webhook:
    """Implements `monitor.ports.Notifier`. Opens connections when they are needed."""

    def __init__(self, config: Config, clock: Clock) -> None:
        """Raises ConfigError where `ca_file` can't be read."""
        self.name = config.label
        self._clock = clock
        self._url = config.url.get_secret_value()
        parts = urlsplit(self._url)
        self._origin = redact_url(self._url).removesuffix(parts.path)
        self._headers = {name: value.get_secret_value() for name, value in config.headers.items()}
        self._secret = config.secret.get_secret_value().encode() if config.secret else b""
        self._secrets = _secrets(config)
        self._timeout_s = config.timeout_ns / _SECOND_NS
        self._http = client(timeout_s=self._timeout_s, tls=Tls(ca_file=config.ca_file))

    def notify(self, notification: Notification) -> None:
        """Post it. Raises Retryable, TooLarge, Permanent or Auth by the receiver's answer."""
        body = as_json(notification)
        answer = self._ask("POST", self._url, body, self._headers | self._own(notification, body))
        said = excerpt(answer.body, self._secrets, after_content=False)  # an alert has none
        error = outcome(answer.status, answer.headers, now_ns=self._clock.now_ns(), where=self._origin, said=said)
        if error is not None:
            raise error

    def check(self) -> None:
        """Whether the host answers at all, whatever it says: the hook itself is left alone, as it may ring people."""
        self._ask("HEAD", f"{self._origin}/", None, {})

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def _own(self, notification: Notification, body: bytes) -> dict[str, str]:
        """The channel's own headers."""
        name = _UNFIT_FOR_HEADERS.sub("_", notification.id)
        headers = {"content-type": "application/json", "idempotency-key": name, "x-monitor-notification-id": name}
        if self._secret:
            at_s = str(self._clock.now_ns() // _SECOND_NS)
            digest = hmac.new(self._secret, at_s.encode() + b"." + body, "sha256").hexdigest()
            headers["x-monitor-signature"] = f"t={at_s},v1={digest}"
        return headers

    def _ask(self, method: str, url: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        try:
            return exchange(
                self._http, method, url, content=body, headers=headers, clock=self._clock, deadline_s=self._timeout_s
            )
        except MonitorError as exc:
            exc.args = (str(exc).replace(redact_url(url), self._origin),)  # the path is a secret, too
            raise


def _secrets(config: Config) -> list[str]:
    """What a receiver might echo and nobody else should read, the longest first; shorter than four is no secret."""
    url = urlsplit(config.url.get_secret_value())
    headers = [value.get_secret_value() for value in config.headers.values()]
    tokens = [value.rpartition(" ")[2] for value in headers]  # of `Bearer ...`, the part that counts
    queried = [value for _, value in parse_qsl(url.query)]
    texts = {url.path, *url.path.split("/"), url.query, *queried, url.password or "", *headers, *tokens}
    texts.add(config.secret.get_secret_value() if config.secret else "")
    return sorted((text for text in texts if len(text) >= _SHORTEST_SECRET), key=lambda text: (-len(text), text))


def build(config: Config, tools: Tools) -> Notifier:
    """The channel that the settings describe. Raises ConfigError."""
    return Webhook(config, tools.clock)
