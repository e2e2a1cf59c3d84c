"""The `elasticsearch` sink's configuration. Called by the registry, and by `monitor setup elasticsearch`."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, ConfigDict, Field, SecretStr, field_validator, model_validator

from monitor.model import ContentPolicy
from monitor.model.units import duration_ns, size_bytes
from monitor.ports import AdapterConfig

__all__ = ["Config", "Credentials", "credentials_of", "in_clear", "secrets_of"]

_DAY_NS = 86_400 * 1_000_000_000
_PREFIX = re.compile(r"[a-z0-9][a-z0-9_-]{0,99}")
_TAKEN = ("logs-", "metrics-", "traces-", "synthetics-", "profiling-")
"""Elasticsearch's own templates turn what begins so into data streams."""
_SHORTEST_SECRET = 4
"""A shorter text stands in too many places to be looked for."""

Credentials = tuple[Literal["none", "api_key", "user", "bearer"], str, str]
"""Their kind, then key and nothing, user and password, or token and nothing."""


class Config(AdapterConfig):
    """Documents in Elasticsearch 8 or 9, in monthly indices; install its templates by `monitor setup elasticsearch`."""

    model_config = ConfigDict(hide_input_in_errors=True)

    type: Literal["elasticsearch"]
    nodes: tuple[str, ...] = ()
    """Addresses, such as `https://es-1:9200`; the next is tried when one is away. Default: `http://localhost:9200`."""
    cloud_id: str | None = None
    """In place of `nodes`: the id of a deployment in Elastic Cloud."""
    api_key: SecretStr | None = None
    """API key, encoded as Elasticsearch gives it out, or as `id:key`."""
    username: str | None = None
    """In place of `api_key`: a user."""
    password: SecretStr | None = None
    """The user's password."""
    bearer_token: SecretStr | None = None
    """In place of `api_key`: a token of a service account or of single sign-on."""
    certificate: str = ""
    """File with the certificates (PEM) of the authorities that the servers' certificates are checked against; by
    default the usual ones."""
    client_certificate: str = ""
    """File with our own certificate (PEM), where the servers ask for one."""
    client_key: str = ""
    """File with the key (PEM) of `client_certificate`."""
    timeout_s: float = Field(default=30.0, gt=0, le=600)
    """Seconds to wait for an answer."""
    prefix: str = "dify"
    """What names of indices, aliases, templates and the lifecycle policy begin with: the aliases are `dify-turns`,
    `dify-steps`, `dify-notes` and `dify-alerts`, an index is `dify-turns-2026.11`."""
    content: ContentPolicy = "none"
    """What leaves of inputs, outputs and error messages: `none`, `redacted` (personal data and keys masked) or
    `full`."""
    content_index: Literal["unindexed", "text"] = "unindexed"
    """Whether content can be searched (`text`) or only looked at. Part of the templates: run `monitor setup
    elasticsearch` again, and it holds from the next month's index on."""
    service_name: str = Field(default="dify", min_length=1)
    """`service.name` of the documents."""
    deployment_environment: str = ""
    """`service.environment` of the documents, such as `production`; left out when empty."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Fixed `labels` of every document."""
    shards: int = Field(default=1, ge=1, le=1024)
    """Primary shards of an index. Part of the templates."""
    replicas: int = Field(default=1, ge=0, le=10)
    """Copies of each shard. Part of the templates."""
    retention_ns: Annotated[int, BeforeValidator(duration_ns), Field(ge=_DAY_NS)] | None = Field(
        default=None, alias="retention"
    )
    """How long the lifecycle policy keeps an index after the end of its month, such as `365d`; null: for ever."""
    max_documents: int = Field(default=1000, ge=1, le=10_000)
    """Most documents in one request; fewer while the servers are busy."""
    max_bytes: Annotated[int, BeforeValidator(size_bytes), Field(ge=1024)] = 8 * 1024 * 1024
    """Most bytes on their way together, before compression: a number, or a size such as `8MiB`. Less where it is
    refused."""
    max_requests: int = Field(default=4, ge=1, le=16)
    """Most requests at the same time, which share `max_bytes`; fewer while the servers are busy."""

    @field_validator("nodes")
    @classmethod
    def _are_addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for number, node in enumerate(value):
            if problem := _problem(node):
                raise ValueError(f"entry {number} {problem}")
        return value

    @field_validator("prefix")
    @classmethod
    def _is_a_name(cls, value: str) -> str:
        if not _PREFIX.fullmatch(value):
            raise ValueError("must be lower-case letters, digits, - and _, and begin with a letter or digit")
        if f"{value}-".startswith(_TAKEN):
            raise ValueError("falls under Elasticsearch's own templates for data streams: choose another")
        return value

    @model_validator(mode="after")
    def _go_together(self) -> Config:
        if self.nodes and self.cloud_id:
            raise ValueError("nodes and cloud_id do not go together")
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password belong together")
        if sum(each is not None for each in (self.api_key, self.username, self.bearer_token)) > 1:
            raise ValueError("choose one of api_key, username and bearer_token")
        if self.client_key and not self.client_certificate:
            raise ValueError("client_key needs client_certificate")
        return self


def _problem(node: str) -> str:
    """What is wrong with an address; its own text may hold a password and is never repeated."""
    try:
        parts = urlsplit(node)
        _ = parts.port
    except ValueError:
        return "is not an address"
    if parts.scheme not in {"http", "https"} or not parts.hostname or not node.isprintable():
        return "is not an address: write http:// or https:// and a host"
    if "@" in parts.netloc:
        return "holds credentials: use api_key, or username and password"
    return "has a query or fragment, which no node has" if parts.query or parts.fragment else ""


def credentials_of(config: Config) -> Credentials:
    """How the sink says who it is."""
    if config.api_key is not None:
        return "api_key", config.api_key.get_secret_value(), ""
    if config.bearer_token is not None:
        return "bearer", config.bearer_token.get_secret_value(), ""
    if config.username is not None and config.password is not None:
        return "user", config.username, config.password.get_secret_value()
    return "none", "", ""


def secrets_of(config: Config) -> tuple[str, ...]:
    """What must never be shown, the longest first: credentials whole, in parts, and as they stand in the header."""
    kind, first, second = credentials_of(config)
    texts = {second} if kind == "user" else {first}
    if kind == "user":
        texts.add(_encoded(f"{first}:{second}"))
    elif kind == "api_key":
        texts |= {_encoded(first), *first.split(":"), *_decoded(first).split(":")}
    return tuple(sorted((text for text in texts if len(text) >= _SHORTEST_SECRET), key=lambda text: (-len(text), text)))


def _encoded(text: str) -> str:
    return b64encode(text.encode()).decode()


def _decoded(text: str) -> str:
    """What an encoded API key holds; '' where the text is not one."""
    try:
        return b64decode(text, validate=True).decode()
    except ValueError:  # binascii.Error and UnicodeDecodeError are both one
        return ""


def in_clear(config: Config) -> bool:
    """Whether credentials would cross a network unencrypted."""
    if credentials_of(config)[0] == "none" or config.cloud_id:
        return False
    parts = [urlsplit(node) for node in config.nodes]
    return any(each.scheme == "http" and each.hostname not in {"localhost", "127.0.0.1", "::1"} for each in parts)
