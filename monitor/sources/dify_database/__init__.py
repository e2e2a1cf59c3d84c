"""Source `dify_database`: Dify's own tables, read-only. The scheme of the URL picks the dialect.

`reader` judges (a `candidate` is a turn that may have news), `tables` is what it asks, `postgres` and `memory` answer,
`fetch` collects the rows of what is told, `state` is the position.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr, field_validator

from monitor.model.units import duration_ns
from monitor.ports import AdapterConfig, Clock, Page, Tools
from monitor.sources.dify_database.reader import Limits, Reader
from monitor.sources.dify_database.state import Place, State, encode
from monitor.sources.dify_database.tables import Key, Tables

__all__ = ["Config", "DatabaseSource", "build"]

_NS_US = 1_000
_SHORTEST_NS = 1_000_000
"""0 would switch a limit off, or never let a loop rest."""
_POSTGRES = re.compile(r"^(postgres|postgresql)(\+\w+)?://", re.IGNORECASE)
_MIN_ID = "00000000-0000-0000-0000-000000000000"
_SCAN_SHARE = 20
"""Without an index a scan of the runs may take a twentieth of the time at most."""

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

    @field_validator("url")
    @classmethod
    def _known_dialect(cls, url: SecretStr) -> SecretStr:
        if not _POSTGRES.match(url.get_secret_value()):
            raise ValueError("the URL's scheme is no dialect that we speak; use postgresql://")
        return url

    @field_validator("poll_interval", "abandon_after", "statement_timeout")
    @classmethod
    def _some_time(cls, value: int) -> int:
        if value < _SHORTEST_NS:
            raise ValueError("must be at least 1ms")
        return value

    @field_validator("since")
    @classmethod
    def _readable_since(cls, since: str) -> str:
        _since_us(since, now_ns=0)
        return since


def _since_us(since: str, now_ns: int) -> int:
    if not since:
        return 0
    try:
        moment = datetime.fromisoformat(since)
    except ValueError:
        return max(0, now_ns - duration_ns(since)) // _NS_US
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(aware.timestamp() * 1_000_000)


class DatabaseSource:
    """Implements `monitor.ports.Source`."""

    def __init__(self, name: str, tables: Tables, reader: Reader, clock: Clock, since: str = "") -> None:
        self.name = name
        self._tables, self._reader, self._clock, self._since = tables, reader, clock, since
        self._scan_due = 0.0

    def read(self, position: bytes | None, limit: int) -> Page:
        """One page; see `Reader`. Raises Retryable, Permanent or Auth."""
        position = position if position is not None else self._beginning()
        indexed = self._tables.runs_indexed
        started = self._clock.monotonic()
        scan = indexed or started >= self._scan_due
        with self._tables.snapshot() as tables:
            page = self._reader.read(tables, position, limit, scan_runs=scan)
        if scan and not indexed and not page.more:
            ended = self._clock.monotonic()
            self._scan_due = ended + (ended - started) * _SCAN_SHARE
        return page

    def _beginning(self) -> bytes | None:
        us = _since_us(self._since, self._clock.now_ns())
        if not us:
            return None
        at = datetime.fromtimestamp(us / 1_000_000, UTC).replace(tzinfo=None).isoformat(sep=" ")
        mark = Key(id=_MIN_ID, at=at, us=us)
        return encode(State(messages=Place(mark=mark), runs=Place(mark=mark), steps_us=us, since_us=us))

    def check(self) -> None:
        """Connect and touch every table that is read."""
        self._tables.check()

    def close(self) -> None:
        """Let go of the connection."""
        self._tables.close()


def build(config: Config, tools: Tools) -> DatabaseSource:
    """The source of a configuration."""
    from monitor.sources.dify_database.postgres import PostgresTables  # noqa: PLC0415 - psycopg only where it is used

    url = re.sub(r"^(\w+)\+\w+://", r"\1://", config.url.get_secret_value())
    tables = PostgresTables(url, statement_timeout_s=config.statement_timeout / 1e9)
    limits = Limits(abandon_after_us=config.abandon_after // _NS_US)
    reader = Reader(limits, tools.pseudonym, tools.logger)
    return DatabaseSource(config.label, tables, reader, tools.clock, config.since)
