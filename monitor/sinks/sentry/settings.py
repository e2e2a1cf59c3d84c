"""The `sentry` sink's configuration, and the address and key that its DSN comes to."""

from __future__ import annotations

import re
import string
from dataclasses import dataclass, field
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, WithJsonSchema

from monitor import __version__
from monitor.model import ContentPolicy
from monitor.model.units import duration_ns
from monitor.ports import AdapterConfig

__all__ = ["REPLAY_FIELDS", "Config", "Dsn", "Sample", "dsn_of"]

_SECOND_NS = 1_000_000_000
_DAY_NS = 86_400 * _SECOND_NS
_KEY = re.compile(r"[0-9A-Za-z_-]{1,64}")
_PROJECT = re.compile(r"[0-9A-Za-z_-]{1,64}")
_NO_DSN = "must be a DSN such as https://key@sentry.example.com/42, as Sentry's project settings show it"

REPLAY_FIELDS = frozenset({"turn_id", "conversation_id", "message_id", "run_id", "app_id", "trace_id"})
"""What a `replay_url` can name."""

_Duration = Annotated[
    int,
    BeforeValidator(duration_ns),
    WithJsonSchema({"type": ["string", "number"], "format": "duration", "examples": ["1d", "30m"]}),
]


@dataclass(frozen=True)
class Dsn:
    """Where envelopes go, and with which key."""

    url: str
    """Of the endpoint that takes envelopes."""
    key: str = field(repr=False)
    secret: str = field(default="", repr=False)
    """Only old servers want one."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be shown."""
        return tuple(filter(None, (self.key, self.secret)))

    @property
    def header(self) -> str:
        """The value of `X-Sentry-Auth`."""
        parts = [f"Sentry sentry_version=7, sentry_client=dify-monitor/{__version__}, sentry_key={self.key}"]
        return ", ".join(parts + ([f"sentry_secret={self.secret}"] if self.secret else []))


def dsn_of(text: str) -> Dsn:
    """Read a DSN. Raises ValueError, whose text never holds it."""
    try:
        parts = urlsplit(text)
        port = f":{parts.port}" if parts.port is not None else ""
    except ValueError:
        raise ValueError(_NO_DSN) from None  # its text quotes the address
    base, _, project = parts.path.rpartition("/")
    key, secret, host = parts.username or "", parts.password or "", parts.hostname or ""
    sound = parts.scheme in {"http", "https"} and host and _PROJECT.fullmatch(project) and text.isprintable()
    if not sound or not _KEY.fullmatch(key) or (secret and not _KEY.fullmatch(secret)) or " " in text:
        raise ValueError(_NO_DSN)
    host = f"[{host}]" if ":" in host else host
    return Dsn(f"{parts.scheme}://{host}{port}{base}/api/{project}/envelope/", key, secret)


def _readable_dsn(dsn: SecretStr) -> SecretStr:
    dsn_of(dsn.get_secret_value())
    return dsn


def _fillable(template: str) -> str:
    """Only a link whose fields are known: a mistake shows at the start, not on an event."""
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError:
        raise ValueError("has a brace too many or too few") from None
    if any(name is not None and (name not in REPLAY_FIELDS or spec or mark) for _, name, spec, mark in parts):
        raise ValueError(f"can name {', '.join(f'{{{name}}}' for name in sorted(REPLAY_FIELDS))}")
    if template and not re.match(r"https?://[^\s/]", template):
        raise ValueError("must be an address that begins with https:// or http://")
    return template


class Sample(BaseModel):
    """Which events of a fingerprint are sent. The first entry of the list that fits decides; without one, all are."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    app: str = "*"
    """Id or name of the app; `*` and `?` stand for other characters."""
    subject: str = "*"
    """What failed: `turn`, `tool NAME`, `node ID`, `model NAME`, `dataset ID`, `agent`, `trigger TYPE`,
    `indexing DATASET`; with `*` and `?`."""
    error_type: str = "*"
    """The type of the error, such as `rate_limit`; with `*` and `?`."""
    handled: bool | None = None
    """Only failures that the app handled (true), or that it did not (false); both where it is left out."""
    first: int = Field(default=0, ge=0, le=1000)
    """So many events of each fingerprint are sent in each hour (of Dify's time), whatever `then` says."""
    then: float = Field(ge=0, le=1)
    """Which share of all others is sent, 0 to 1. By the event's id: the same event is always decided alike."""


class Config(AdapterConfig):
    """Failures as issues, turns as transactions and alerts as issues in Sentry."""

    model_config = ConfigDict(hide_input_in_errors=True)

    type: Literal["sentry"]
    dsn: Annotated[SecretStr, AfterValidator(_readable_dsn)]
    """The project's DSN."""
    what: tuple[Literal["failures", "transactions", "alerts"], ...] = Field(default=("failures",), min_length=1)
    """What is sent: `failures` (failed steps and turns, triggers that never became a run and documents that can't be
    indexed, as issues), `transactions` (each turn with its steps), `alerts` (each alert that fires as an issue)."""
    causes_only: bool = True
    """Whether a turn, an iteration or a loop that failed because a step in it failed is left out: the step's event
    tells of it."""
    content: ContentPolicy = "none"
    """What leaves of inputs, outputs and error messages: `none`, `redacted` (personal data and keys masked) or
    `full`."""
    deployment_environment: str = ""
    """The environment in Sentry, such as `production`; left out when empty."""
    release: str = ""
    """The release in Sentry, such as `dify@1.9.2`; left out when empty."""
    replay_url: Annotated[str, AfterValidator(_fillable)] = ""
    """Address of a conversation's replay, put on each event: `https://replay.example.com/{conversation_id}`. Without
    one, events name the command that shows it."""
    max_age_ns: Annotated[_Duration, Field(gt=0, le=30 * _DAY_NS)] = Field(default=_DAY_NS, alias="max_age")
    """Events that happened longer ago are left out, at most `30d`: Sentry would show older ones as of now. Turns are
    left out as transactions after five days in any case: Sentry takes none of them."""
    sample: tuple[Sample, ...] = ()
    """Which failures are sent, so that an outage does not burn a quota; empty: all."""
    transaction_rate: float = Field(default=1.0, ge=0, le=1)
    """Which share of the turns is sent as transactions, 0 to 1. The same turn is always decided alike."""
    heartbeat: Annotated[str, Field(pattern=r"^[a-z0-9_-]{0,50}$")] = ""
    """Slug of a cron monitor in Sentry that is told that we are alive, of `a-z`, `0-9`, `_` and `-`, 50 at most. It is
    made there when it isn't. Empty: none."""
    heartbeat_every_ns: Annotated[_Duration, Field(ge=60 * _SECOND_NS, le=_DAY_NS, multiple_of=60 * _SECOND_NS)] = (
        Field(default=60 * _SECOND_NS, alias="heartbeat_every")
    )
    """How often; whole minutes from `1m` on."""
    own_crashes: bool = True
    """Whether crashes of `monitor` itself are reported to the same project, as logger `monitor`."""
    connections: int = Field(default=4, ge=1, le=32)
    """How many events may be on their way at once."""
    timeout_ns: Annotated[_Duration, Field(gt=0, le=300 * _SECOND_NS)] = Field(default=10 * _SECOND_NS, alias="timeout")
    """How long to wait for an answer, at most five minutes."""
    certificate: str = ""
    """File with the certificates (PEM) of the authority that signed the server's, where it is not one of the usual."""

    @property
    def timeout_s(self) -> float:
        """`timeout` in seconds."""
        return self.timeout_ns / _SECOND_NS

    @property
    def environment(self) -> str:
        """`deployment_environment` without what Sentry refuses."""
        return re.sub(r"[\s/]", "-", self.deployment_environment)[:64]

    @property
    def release_name(self) -> str:
        """`release` without what Sentry refuses."""
        return re.sub(r"[\s/\\]", "-", self.release)[:200]
