"""The demo's source, `demo`: the source `dify_database` over the small Dify in memory.

An adapter like any other, though no configuration file can name it: `monitor.demo.house` registers it for itself.
"""

from __future__ import annotations

from typing import Literal

from monitor.demo.recording import load
from monitor.demo.world import LiveTables, Play
from monitor.ports import AdapterConfig, Clock, Tools
from monitor.sources.dify_database import DatabaseSource
from monitor.sources.dify_database.reader import Limits, Reader
from monitor.sources.dify_database.registers import Registers

__all__ = ["Config", "build", "edition_of"]

_NS_US = 1_000


class Config(AdapterConfig):
    """Plays recorded turns as if they happened now."""

    type: Literal["demo"] = "demo"
    rounds: int | None = 1
    """How often the recording is played; null: without end."""
    earlier: int = 0
    """How many events the journal held before; the ids of this play are made from it."""
    poll_interval: int = 1_000_000_000
    """Nanoseconds between two readings."""


def build(config: Config, tools: Tools) -> DatabaseSource:
    """The source; its first turn begins within a second from now."""

    def now_us() -> int:
        return _now_us(tools.clock)

    def edition(round_: int) -> str:
        return edition_of(config.earlier, round_)

    tables = LiveTables(Play(load(), now_us(), edition, config.rounds), now_us)
    registers = Registers(tools.pseudonym, tools.logger, config.label)
    reader = Reader(Limits(), tools.pseudonym, tools.logger, name=config.label, registers=registers)
    return DatabaseSource(config.label, tables, reader, tools.clock)


def edition_of(earlier: int, round_: int) -> str:
    """The name of a round's ids: the recorded ones the first time, others whenever the journal knows those."""
    return f"{earlier}.{round_}" if earlier or round_ else ""


def _now_us(clock: Clock) -> int:
    return clock.now_ns() // _NS_US
