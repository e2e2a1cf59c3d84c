"""A slice of a register: the next rows by primary key, side by side with what the memory holds between the same ids."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from monitor.sources.dify_database.registers.reading import Reading, prefix_of

__all__ = [
    "FIRST_ID", "MAX_BYTES", "SLICE_ROWS", "Line", "Slice", "fitting", "kept_between", "next_slice", "slice_due",
]  # fmt: skip

SLICE_ROWS = 500
MAX_BYTES = 4 << 20
"""About how much text one register may bring at one reading."""
FIRST_ID = "00000000-0000-0000-0000-000000000000"

Line = tuple[Any, ...]
"""A row in brief; its id comes first."""


class Slice(msgspec.Struct):
    """Rows and memory between two ids; `end` is empty where the table ends too."""

    lines: dict[str, Line]
    told: dict[str, bytes]
    end: str

    def gone(self) -> list[str]:
        """What is remembered and no longer there."""
        return [row_id for row_id in self.told if row_id not in self.lines]

    def cut(self, end: str) -> None:
        """Leave what lies behind `end` for the next reading."""
        self.lines = {row_id: line for row_id, line in self.lines.items() if row_id <= end}
        self.told = {row_id: value for row_id, value in self.told.items() if row_id <= end}
        self.end = end


def next_slice(reading: Reading, register: str, statement: str, after: str) -> Slice | None:
    """The slice behind `after` (empty: the first); None where the table can't be read."""
    rows = reading.tables.ask(statement, after=after or FIRST_ID, limit=SLICE_ROWS)
    if not rows:
        return None
    told = kept_between(reading, register, after, "")
    ends = [str(rows[-1][0])] if len(rows) >= SLICE_ROWS else []
    ends += [next(reversed(told))] if len(told) >= SLICE_ROWS else []
    found = Slice(lines={str(row[0]): row for row in rows if row[0] is not None}, told=told, end="")
    if ends:
        found.cut(min(ends))
    return found


def slice_due(reading: Reading, register: str, statement: str) -> Slice | None:
    """The slice at which the register's pass stands; None where none is due, or the table can't be read."""
    if not reading.is_due(register):
        return None
    return next_slice(reading, register, statement, reading.round(register).after)


def kept_between(reading: Reading, register: str, after: str, before: str) -> dict[str, bytes]:
    """What is remembered behind `after` and before `before` (empty: to the end), a slice of it, in order."""
    prefix = prefix_of(register)
    first = f"{prefix}{after}!" if after else prefix  # `!` sorts before all that an id can go on with
    last = f"{prefix}{before}" if before else f"{prefix[:-1]}0"  # `0` is what comes after `/`
    return {key.removeprefix(prefix): value for key, value in reading.memory.between(first, last, SLICE_ROWS)}


def fitting(news: Iterable[tuple[str, int]]) -> tuple[list[str], bool]:
    """Of rows with their sizes, those that fit into a page (one at least), and whether those are all."""
    chosen: list[str] = []
    size = 0
    for row_id, row_bytes in news:
        size += row_bytes
        if chosen and size > MAX_BYTES:
            return chosen, False
        chosen.append(row_id)
    return chosen, True
