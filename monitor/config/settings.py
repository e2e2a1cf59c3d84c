"""What a user can set, except what adapters set for themselves.

The sections of sources, sinks and notifiers stay raw here, as the configuration knows no adapter:
`monitor.runtime.wiring` validates each by its `type`. The docstring under a field is its text in
docs/reference/configuration.md, and a section's docstring opens its chapter there.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, field_validator

from monitor.model import DEFAULT_REGIONS, ContentPolicy, Detected
from monitor.model.units import duration_ns, size_bytes

__all__ = [
    "Duration",
    "JournalSettings",
    "LogSettings",
    "MetricsSettings",
    "RawAdapter",
    "RedactionSettings",
    "RulesSettings",
    "ServerSettings",
    "ServiceSettings",
    "Settings",
    "Size",
]

Duration = Annotated[int, BeforeValidator(duration_ns)]
"""Nanoseconds, written as `45s`, `1h30m` or a number of seconds."""

Size = Annotated[int, BeforeValidator(size_bytes)]
"""Bytes, written as `20GB`, `512MiB` or a number of bytes."""

RawAdapter = dict[str, Any]
"""One entry of `sources`, `sinks` or `notifiers` as written. May hold secrets: never print it unmasked."""

_LISTEN = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[^\s:\[\]/]*):(\d{1,5})", re.ASCII)
_LAST_PORT = 65_535


class _Section(BaseModel):
    """Strict and unchangeable; errors never quote what was written, as it may be a secret."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, hide_input_in_errors=True)


class JournalSettings(_Section):
    """Where facts are kept until every sink has them, and for replay."""

    path: Path = Path("journal")
    """Folder of the journal, on a local disk. It holds conversations: guard it like a database."""
    max_bytes: Size | None = None
    """Once the journal is this large, polling stops and says so. Nothing is lost: Dify has the facts."""
    min_free_bytes: Size = 512 * 1024**2
    """Once the journal's disk has less room than this, polling stops in the same way."""


class RulesSettings(_Section):
    """Which alert rules are judged."""

    enabled: bool = True
    """Whether rules are judged at all."""
    paths: tuple[str, ...] = ()
    """Files of rules, or patterns such as `rules/*.yaml`; empty: the rules that `monitor` ships."""
    max_age_ns: Duration = Field(default=3_600_000_000_000, alias="max_age")
    """An alert about something that ended longer ago than this is recorded as history and never notified."""


class ServerSettings(_Section):
    """The small HTTP server for `/metrics` and health checks."""

    listen: str | None = "127.0.0.1:9464"
    """Address and port, such as `0.0.0.0:9464` or `[::1]:9464`. Port 0 takes a free one; null: no server."""

    @field_validator("listen", mode="before")
    @classmethod
    def _has_a_port(cls, value: object) -> object:
        match = _LISTEN.fullmatch(value) if isinstance(value, str) else None
        if value is not None and (match is None or int(match[2]) > _LAST_PORT):
            raise ValueError("must be host:port, such as 127.0.0.1:9464 or [::1]:9464")
        return value

    @property
    def address(self) -> tuple[str, int] | None:
        """Host (without brackets; '' is every interface) and port; None when no server is wanted."""
        if self.listen is None:
            return None
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]"), int(port)


class MetricsSettings(_Section):
    """What Prometheus is shown."""

    max_series_per_metric: int = Field(default=2000, ge=1)
    """From here on, new label values of a metric are counted together as `other`."""


class ServiceSettings(_Section):
    """What Dify is called in traces. Sinks use it unless their own section says otherwise."""

    name: str = Field(default="dify", min_length=1)
    """`service.name` of Dify's spans."""
    environment: str = ""
    """`deployment.environment.name` of Dify's spans; left out where empty."""


class AppSettings(_Section):
    """What leaves of some apps' content."""

    app: str = Field(min_length=1)
    """Id or name of the app, in any case; `*` stands for any characters, `?` for one."""
    content: ContentPolicy
    """`none`, `redacted` or `full`, whatever the sinks' own `content` says."""
    sinks: tuple[str, ...] = ()
    """Names of the sinks that it is about; empty: all."""


class PatternSettings(_Section):
    """Something of the house's own that `redacted` masks."""

    pattern: str = Field(min_length=1, max_length=1000)
    """A regular expression as RE2 reads it: no look-around, no back-references."""
    mask: str = Field(pattern=r"^\[[^\[\]\s\"\\]{1,40}\]$")
    """What stands there instead: a word in square brackets, such as `[contract]`, without spaces."""


class RedactionSettings(_Section):
    """What leaves of content, beside what each sink's `content` says, and what is masked where that is `redacted`."""

    apps: tuple[AppSettings, ...] = ()
    """Apps whose content leaves otherwise: each with `app` (id or name, `*` and `?` as in file names), `content` and,
    where only some sinks are meant, `sinks`. The first that fits decides. Name ids: a name is the one that the app had
    when the fact was read, so a rule by name ends where an app is renamed. `app: "*"` is also about facts of no app."""
    patterns: tuple[PatternSettings, ...] = ()
    """Something of your own that is masked: each with `pattern` (a regular expression as RE2 reads it) and `mask`,
    such as `[contract]`. A match is masked in pieces where it is longer than about 1,000 bytes."""
    words: tuple[str, ...] = Field(default=(), repr=False)
    """Names and other words that are always masked, as `[name]`, in any case; Latin ones only as whole words."""
    words_file: Path | None = None
    """A text file with more of them, one a line; lines that begin with `#` are passed over. Read at the start."""
    regions: tuple[str, ...] = DEFAULT_REGIONS
    """Countries whose telephone numbers are known without `+` in front of them, by two letters such as `HK` or `DE`.
    International numbers always are."""
    keep: tuple[Detected, ...] = ()
    """What is not masked of: `card`, `email`, `id`, `ip`, `key`, `name`, `phone`."""


class LogSettings(_Section):
    """What `monitor` says of itself, on standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least important message that is still written."""
    format: Literal["console", "json"] | None = None
    """`console` for people, `json` for collectors; null: `console` on a terminal, else `json`."""


class Settings(_Section):
    """The whole of it, each section with working defaults."""

    journal: JournalSettings = JournalSettings()
    sources: tuple[RawAdapter, ...] = Field(default=(), repr=False)
    """Where facts come from. Where it is left out: the database of `DIFY_DB_URL` or `DIFY_DB_URL_FILE`."""
    sinks: tuple[RawAdapter, ...] = Field(default=(), repr=False)
    """Where facts go. Where it is left out and OpenTelemetry's endpoint variable is set: one `otlp` sink."""
    notifiers: tuple[RawAdapter, ...] = Field(default=(), repr=False)
    """Who is told of alerts. Where it is left out: the console."""
    rules: RulesSettings = RulesSettings()
    server: ServerSettings = ServerSettings()
    metrics: MetricsSettings = MetricsSettings()
    service: ServiceSettings = ServiceSettings()
    redaction: RedactionSettings = RedactionSettings()
    log: LogSettings = LogSettings()
    pseudonym_key: SecretStr | None = Field(default=None, min_length=16)
    """Key of the pseudonyms that stand for users in every sink. Where it is left out, a random one is made
    once and kept in the journal's folder as `pseudonym.key`. Another key makes other pseudonyms."""
