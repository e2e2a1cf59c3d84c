"""Source `dify_database`: Dify's own tables, read-only. The scheme of the URL picks the dialect.

`reader` judges (a `candidate` is a turn that may have news), `tables` is what it asks, `postgres` and `memory` answer,
`fetch` collects the rows of what is told, `state` is the position, `choice` what is wanted at all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Annotated, Literal

import msgspec
from pydantic import BeforeValidator, Field, SecretStr, field_validator

from monitor.model import Diagnosis, Proof
from monitor.model.units import duration_ns
from monitor.normalise.soft import Soft, SoftFailure
from monitor.ports import AdapterConfig, Clock, Memory, Page, Tools
from monitor.sources.dify_database.choice import Choice, Exclude, Include
from monitor.sources.dify_database.reader import Limits, Reader
from monitor.sources.dify_database.registers import Registers
from monitor.sources.dify_database.since import since_us
from monitor.sources.dify_database.state import Place, State, encode, key_at
from monitor.sources.dify_database.tables import Tables

__all__ = ["Config", "DatabaseSource", "build"]

_NS_US = 1_000
_SHORTEST_NS = 1_000_000
"""0 would switch a limit off, or never let a loop rest."""
_POSTGRES = re.compile(r"^(postgres|postgresql)(\+\w+)?://", re.IGNORECASE)
_SCAN_SHARE = 20
"""Without an index a scan of the runs may take a twentieth of the time at most."""
_SCAN_PAUSE_S = 60.0
"""And comes no more often, for nearly all new runs are found without it."""
_PROVEN_TURNS = 25

Nanoseconds = Annotated[int, BeforeValidator(duration_ns)]


class Config(AdapterConfig):
    """Reads Dify's database with a role that may only SELECT."""

    type: Literal["dify_database"] = "dify_database"
    url: SecretStr
    """`postgresql://user:password@host:5432/dify`, best from the environment: `${DIFY_DB_URL}`."""
    poll_interval: Nanoseconds = Field(default=5_000_000_000, validate_default=False)
    """How often new rows are looked for."""
    abandon_after: Nanoseconds = Field(default=1_800_000_000_000, validate_default=False)
    """A turn without a sign of life for so long is told as abandoned (should it end after all, that is told too)."""
    since: str = ""
    """Where the first start begins: a date (`2026-01-31`), a time, or how long ago (`30d`); empty: everything."""
    page_turns: int = Field(default=250, ge=1, le=10_000)
    """About how many turns one reading takes."""
    statement_timeout: Nanoseconds = Field(default=30_000_000_000, validate_default=False)
    """No statement of ours runs longer in Dify's database."""
    include: Include = Include()
    exclude: Exclude = Exclude()
    soft_failures: tuple[SoftFailure, ...] = ()
    """Calls that failed although Dify calls them successes, such as a business error answered with HTTP 200. A list of
    mappings: `tool` (name of the tool or title of the node, with `*` and `?`; every tool where it is left out) and
    `pattern`, a regular expression that is found in the output."""
    on_source_delete: Literal["keep", "erase_content"] = "keep"
    """What happens here when a conversation or message is deleted in Dify: `keep` what was recorded, or
    `erase_content`: its texts go, the numbers and the proof stay. What Dify's own clean-up takes counts as deleted."""
    dify_retention: Nanoseconds | None = Field(default=None, validate_default=False)
    """What Dify's clean-up is set to keep, such as `30d` (`WORKFLOW_LOG_RETENTION_DAYS`, or
    `SANDBOX_EXPIRED_RECORDS_RETENTION_DAYS`), so that you are warned before it takes rows that were not read yet.
    Left out: learned from what goes."""
    reconcile_every: Nanoseconds = Field(default=60_000_000_000, validate_default=False)
    """How often a stretch of what was read is compared with what Dify holds; what is missing is read again."""

    @field_validator("url")
    @classmethod
    def _known_dialect(cls, url: SecretStr) -> SecretStr:
        if not _POSTGRES.match(url.get_secret_value()):
            raise ValueError("the URL's scheme is no dialect that we speak; use postgresql://")
        return url

    @field_validator("poll_interval", "abandon_after", "statement_timeout", "dify_retention", "reconcile_every")
    @classmethod
    def _some_time(cls, value: int | None) -> int | None:
        if value is not None and value < _SHORTEST_NS:
            raise ValueError("must be at least 1ms")
        return value

    @field_validator("since")
    @classmethod
    def _readable_since(cls, since: str) -> str:
        since_us(since, now_ns=0)
        return since


def _nothing() -> list[Diagnosis]:
    return []


def _no_statements() -> list[Proof]:
    return []


class DatabaseSource:
    """Implements `monitor.ports.Source`. `diagnose` and `prove` say what is to be said of the database itself."""

    def __init__(
        self,
        name: str,
        tables: Tables,
        reader: Reader,
        clock: Clock,
        since: str = "",
        *,
        diagnose: Callable[[], Sequence[Diagnosis]] = _nothing,
        prove: Callable[[], Sequence[Proof]] = _no_statements,
    ) -> None:
        self.name = name
        self._tables, self._reader, self._clock, self._since = tables, reader, clock, since
        self._diagnose, self._prove = diagnose, prove
        self._scan_due = 0.0
        self._starting = True
        """Nothing was read since the start: the first page looks at everything once."""
        self._runs_left = True
        """Whether the last scan of the runs did not come to an end of everything."""

    def read(self, position: bytes | None, limit: int, memory: Memory) -> Page:
        """One page; see `Reader`. Raises Retryable, Permanent or Auth."""
        position = position if position is not None else self._beginning()
        indexed = self._tables.runs_indexed
        started = self._clock.monotonic()
        scan = indexed or started >= self._scan_due
        with self._tables.snapshot() as tables:
            page = self._reader.read(
                tables, position, limit, memory, scan_runs=scan, runs_indexed=indexed, whole=self._starting
            )
        self._starting = False
        return page if indexed else self._paced(page, started, scanned=scan)

    def _paced(self, page: Page, started: float, *, scanned: bool) -> Page:
        """When the runs may be scanned next: pages without that come in between, but none of them is the last."""
        if scanned:
            ended = self._clock.monotonic()
            self._scan_due = ended + max(_SCAN_PAUSE_S, (ended - started) * _SCAN_SHARE)
            self._runs_left = page.more
        elif self._runs_left and not page.more:
            self._scan_due = 0.0
            return msgspec.structs.replace(page, more=True)
        return page

    def _beginning(self) -> bytes | None:
        us = since_us(self._since, self._clock.now_ns())
        if not us:
            return None
        mark = key_at(us)
        return encode(State(messages=Place(mark=mark), runs=Place(mark=mark), steps_us=us, since_us=us))

    def check(self) -> None:
        """Connect and touch every table that is read."""
        self._tables.check()

    def diagnose(self) -> Sequence[Diagnosis]:
        """All that can be said of the database; what is wrong is a diagnosis, not an error."""
        return self._diagnose()

    def prove(self) -> Sequence[Proof]:
        """Every statement that is sent, with plan and cost. Raises Retryable, Permanent or Auth."""
        return self._prove()

    def close(self) -> None:
        """Let go of the connection."""
        self._tables.close()


def build(config: Config, tools: Tools) -> DatabaseSource:
    """The source of a configuration."""
    from monitor.sources.dify_database.postgres import PostgresTables  # noqa: PLC0415 - psycopg only where it is used

    url = re.sub(r"^(\w+)\+\w+://", r"\1://", config.url.get_secret_value())
    tables = PostgresTables(url, statement_timeout_s=config.statement_timeout / 1e9)

    def diagnosed() -> Sequence[Diagnosis]:
        from monitor.sources.dify_database.diagnosis import diagnose  # noqa: PLC0415 - only for the doctor

        return diagnose(tables, config, tools.clock)

    def proven() -> Sequence[Proof]:
        from monitor.sources.dify_database.proof import NoMemory, prove  # noqa: PLC0415 - only for the doctor

        return prove(tables, lambda: source.read(None, _PROVEN_TURNS, NoMemory()))

    reader = _reader(config, tools)
    source = DatabaseSource(config.label, tables, reader, tools.clock, config.since, diagnose=diagnosed, prove=proven)
    return source


def _reader(config: Config, tools: Tools) -> Reader:
    return Reader(
        Limits(
            abandon_after_us=config.abandon_after // _NS_US,
            reconcile_every_us=config.reconcile_every // _NS_US,
            dify_retention_us=(config.dify_retention or 0) // _NS_US,
            erase_deleted=config.on_source_delete == "erase_content",
        ),
        tools.pseudonym,
        tools.logger,
        name=config.label,
        choice=Choice(config.include, config.exclude),
        registers=Registers(tools.pseudonym, tools.logger, config.label),
        soft=Soft(config.soft_failures),
    )
