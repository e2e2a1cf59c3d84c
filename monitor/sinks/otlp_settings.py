"""The `otlp` sink's configuration, and what it comes to together with OpenTelemetry's environment variables.

A field that is left out falls back to OTEL_EXPORTER_OTLP_TRACES_* and then OTEL_EXPORTER_OTLP_*, as the specification
of OTLP exporters says. OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES are not read: they describe the process that
has them, and the spans are Dify's.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import BeforeValidator, ConfigDict, Field, SecretStr

from monitor.errors import ConfigError
from monitor.model import ContentPolicy
from monitor.model.units import size_bytes
from monitor.normalise.profiles import ProfileName
from monitor.ports import AdapterConfig

__all__ = ["Config", "Settings", "in_clear", "settings_of"]

Protocol = Literal["http/protobuf", "grpc"]
Compression = Literal["gzip", "none"]

_TRACES_PATH = "v1/traces"
_DEFAULT_ENDPOINT: dict[str, str] = {"http/protobuf": "http://localhost:4318", "grpc": "http://localhost:4317"}
_DEFAULT_TIMEOUT_S = 10.0
_MS_IN_S = 1000
_TOKEN_CHARS = 8
"""A shorter word within a header is no token."""
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\x20-\x7e]*")
_CREDENTIAL_NAME = re.compile(r"auth|key|token|secret|cookie|password|license", re.IGNORECASE)


class Config(AdapterConfig):
    """Spans over OTLP to an OpenTelemetry Collector or any backend that takes OTLP."""

    model_config = ConfigDict(hide_input_in_errors=True)

    type: Literal["otlp"]
    endpoint: str | None = None
    """Base address; with `http/protobuf` the path `/v1/traces` is added. Default: `http://localhost:4318`, with
    `grpc` `http://localhost:4317`."""
    traces_endpoint: str | None = None
    """Address for spans, used as it is; goes before `endpoint`."""
    protocol: Protocol | None = None
    """`http/protobuf` (the default) or `grpc`."""
    headers: dict[str, SecretStr] | None = None
    """Headers of every request, for example `authorization`."""
    compression: Compression | None = None
    """`gzip` (the default) or `none`."""
    timeout_s: float | None = Field(default=None, gt=0, le=600)
    """Seconds to wait for the other side; 10 by default."""
    certificate: str | None = None
    """File with the certificates (PEM) of the authorities that the server's certificate is checked against; by
    default the usual ones."""
    client_certificate: str | None = None
    """File with our own certificate (PEM), where the server asks for one."""
    client_key: str | None = None
    """File with the key (PEM) of `client_certificate`."""
    insecure: bool | None = None
    """With `grpc` and an endpoint that names neither http nor https: whether to speak without TLS."""
    content: ContentPolicy = "none"
    """What leaves of inputs, outputs and error messages: `none`, `redacted` (personal data and keys masked) or
    `full`."""
    profile: ProfileName = "otel"
    """In whose words the spans are: `otel` (OpenTelemetry's conventions for generative AI), `openinference` (Arize
    Phoenix, Arize AX) or `sentry`."""
    service_name: str = Field(default="dify", min_length=1)
    """Resource attribute `service.name` of the spans."""
    deployment_environment: str = ""
    """Resource attribute `deployment.environment.name`, such as `production`; left out when empty."""
    max_spans: int = Field(default=512, ge=1, le=10_000)
    """Most spans in one request."""
    max_bytes: Annotated[int, BeforeValidator(size_bytes), Field(ge=1024)] = 4 * 1024 * 1024
    """Most bytes in one request, before compression: a number, or a size such as `4MiB`."""


@dataclass(frozen=True)
class Settings:
    """What is in force, defaults and environment included."""

    protocol: Protocol
    url: str
    """Where to send: with gRPC only its host, port and scheme count."""
    secure: bool
    headers: Mapping[str, SecretStr]
    """Names in lower case."""
    gzip: bool
    timeout_s: float
    certificate: str
    client_certificate: str
    client_key: str

    @property
    def target(self) -> str:
        """Host and port, as gRPC wants them."""
        return urlsplit(self.url).netloc

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be shown, the longest first: header values, and what follows words such as `Bearer`."""
        values = [value.get_secret_value() for value in self.headers.values()]
        words = {word for value in values for word in value.split() if len(word) >= _TOKEN_CHARS}
        return tuple(sorted({*values, *words} - {""}, key=lambda text: (-len(text), text)))


class _Environment:
    """The standard variables: the one for traces goes before the general one, an empty one counts as unset."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        from opentelemetry.sdk import environment_variables  # noqa: PLC0415 - only when this sink is used

        self._names = environment_variables
        self._environ = environ

    def get(self, what: str) -> tuple[str, str]:
        """Value and name of the variable in force for, say, `TIMEOUT`; two empty texts when none is."""
        for kind in ("TRACES_", ""):
            name = str(getattr(self._names, f"OTEL_EXPORTER_OTLP_{kind}{what}"))
            value = self._environ.get(name, "").strip()
            if value:
                return value, name
        return "", ""


def settings_of(config: Config, environ: Mapping[str, str]) -> Settings:
    """What is in force. Raises ConfigError that names the setting or the variable, and never a header's value."""
    env = _Environment(environ)
    protocol = _protocol(config, env)
    url, secure = _endpoint(config, env, protocol)
    return Settings(
        protocol=protocol,
        url=url,
        secure=secure,
        headers=_headers(config, env),
        gzip=_compression(config, env) == "gzip",
        timeout_s=_timeout_s(config, env),
        certificate=_or(config.certificate, env, "CERTIFICATE"),
        client_certificate=_or(config.client_certificate, env, "CLIENT_CERTIFICATE"),
        client_key=_or(config.client_key, env, "CLIENT_KEY"),
    )


def in_clear(settings: Settings) -> bool:
    """Whether credentials would cross a network unencrypted."""
    holds_any = any(_CREDENTIAL_NAME.search(name) for name in settings.headers)
    return holds_any and not settings.secure and not _is_loopback(urlsplit(settings.url).hostname or "")


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _or(value: str | None, env: _Environment, what: str) -> str:
    return value if value is not None else env.get(what)[0]


def _protocol(config: Config, env: _Environment) -> Protocol:
    if config.protocol is not None:
        return config.protocol
    value, name = env.get("PROTOCOL")
    if value in {"", "http/protobuf"}:
        return "http/protobuf"
    if value == "grpc":
        return "grpc"
    raise ConfigError("unknown protocol", where=name, value=value, remedy="Use http/protobuf or grpc")


def _compression(config: Config, env: _Environment) -> Compression:
    if config.compression is not None:
        return config.compression
    value, name = env.get("COMPRESSION")
    if value.lower() in {"", "gzip"}:
        return "gzip"
    if value.lower() == "none":
        return "none"
    raise ConfigError("unknown compression", where=name, value=value, remedy="Use gzip or none")


def _timeout_s(config: Config, env: _Environment) -> float:
    if config.timeout_s is not None:
        return config.timeout_s
    value, name = env.get("TIMEOUT")
    if not value:
        return _DEFAULT_TIMEOUT_S
    if not (value.isascii() and value.isdigit() and int(value)):
        raise ConfigError("not a number of milliseconds above 0", where=name, value=value)
    return int(value) / _MS_IN_S


def _endpoint(config: Config, env: _Environment, protocol: Protocol) -> tuple[str, bool]:
    """The address in force and whether it is encrypted."""
    url, place = _written_endpoint(config, env, protocol)
    if protocol == "grpc" and "://" not in url:
        insecure = config.insecure if config.insecure is not None else env.get("INSECURE")[0].lower() == "true"
        url = f"{'http' if insecure else 'https'}://{url}"
    return url, _checked(url, place).scheme == "https"


def _written_endpoint(config: Config, env: _Environment, protocol: Protocol) -> tuple[str, str]:
    """The address and where it was written; a base address gets its path here."""
    if config.traces_endpoint:
        return config.traces_endpoint, "traces_endpoint"
    if config.endpoint:
        return _with_path(config.endpoint, protocol), "endpoint"
    value, name = env.get("ENDPOINT")
    if "TRACES" in name:
        return value, name
    return _with_path(value or _DEFAULT_ENDPOINT[protocol], protocol), name or "endpoint"


def _with_path(base: str, protocol: Protocol) -> str:
    return base if protocol == "grpc" else f"{base.rstrip('/')}/{_TRACES_PATH}"


def _checked(url: str, place: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as exc:
        raise ConfigError("not an address", path=place) from exc
    if parts.scheme not in {"http", "https"} or not parts.hostname or not url.isprintable():
        raise ConfigError("not an address", path=place, remedy="Write http:// or https:// and a host")
    if "@" in parts.netloc:
        raise ConfigError("credentials don't belong into an address", path=place, remedy="Use headers")
    return parts


def _headers(config: Config, env: _Environment) -> dict[str, SecretStr]:
    value, name = env.get("HEADERS")
    given = config.headers if config.headers is not None else _environment_headers(value, name)
    place = "headers" if config.headers is not None else name
    found: dict[str, SecretStr] = {}
    for header, secret in given.items():
        if not _HEADER_NAME.fullmatch(header) or not _HEADER_VALUE.fullmatch(secret.get_secret_value()):
            raise ConfigError("a header holds characters that no header can", path=f"{place}.{header!r}")
        found[header.lower()] = secret
    return found


def _environment_headers(text: str, name: str) -> dict[str, SecretStr]:
    """A list `key=value,key=value` with both percent-encoded. OpenTelemetry's own reader logs what it can't read."""
    found: dict[str, SecretStr] = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        key, equals, value = pair.partition("=")
        if not equals or not key.strip():
            raise ConfigError("not a list of name=value", where=name, remedy="Percent-encode commas and the like")
        found[unquote(key).strip()] = SecretStr(unquote(value).strip())
    return found
