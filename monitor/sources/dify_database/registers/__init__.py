"""The small tables beside the turns, looked over again and again in slices: feedback, annotations, configurations, ...

A register is a small table. A slice of it, by primary key, is compared with what the memory says was told: what differs
is told, what is remembered and no longer there was withdrawn or removed. A slice is 500 rows at most, a pass over a
table begins every 30 seconds at most, and only what is new is read whole; so a reading costs the same however large a
table has become. Tables whose ids are in the order of time are followed from a mark on instead (`following.py`).

`Registers.read` is called by the reader inside its snapshot, once a reading. It holds no state: same memory, same
rounds, same rows, same page.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from monitor.ports import Memory
from monitor.sources.dify_database.registers.annotations import read_annotations
from monitor.sources.dify_database.registers.configs import read_app_configs, read_workflows
from monitor.sources.dify_database.registers.documents import read_documents
from monitor.sources.dify_database.registers.feedbacks import read_feedbacks
from monitor.sources.dify_database.registers.forms import read_forms
from monitor.sources.dify_database.registers.hidden import read_hidden
from monitor.sources.dify_database.registers.page import RegisterPage, Round
from monitor.sources.dify_database.registers.reading import Reading
from monitor.sources.dify_database.registers.triggers import read_triggers
from monitor.sources.dify_database.tables import Snapshot, Unreadable

__all__ = ["RegisterPage", "Registers", "Round"]

_REGISTERS = (
    read_app_configs,
    read_workflows,
    read_feedbacks,
    read_annotations,
    read_documents,
    read_triggers,
    read_forms,
    read_hidden,
)


class Registers:
    """All registers. `source_name` stands in the keys of gaps."""

    def __init__(self, pseudonym: Callable[[str], str], log: Any, source_name: str = "dify_database") -> None:
        self._pseudonym, self._log, self._source_name = pseudonym, log, source_name

    def read(self, tables: Snapshot, memory: Memory, rounds: dict[str, Round], now_us: int) -> RegisterPage:
        """One slice of every register that is due. `rounds` ({} at first) and `memory` are left as they are.

        `now_us` is the database's time. Raises what the tables raise.
        """
        reading = self._reading(tables, memory, rounds, now_us)
        try:
            with tables.apart():
                for read in _REGISTERS:
                    read(reading)
        except Unreadable:
            return self._one_by_one(self._reading(tables, memory, rounds, now_us))
        return reading.page()

    def _reading(self, tables: Snapshot, memory: Memory, rounds: dict[str, Round], now_us: int) -> Reading:
        return Reading(
            tables,
            memory,
            rounds,
            now_us,
            pseudonym=self._pseudonym,
            log=self._log,
            source_name=self._source_name,
        )

    def _one_by_one(self, reading: Reading) -> RegisterPage:
        """Each register apart: one that the server can't hand out must not stop the others."""
        for read in _REGISTERS:
            try:
                with reading.tables.apart():
                    read(reading)
            except Unreadable as exc:
                reading.give_up(exc)
        return reading.page()
