"""Tables whose ids are in the order of time (UUID version 7): followed from a mark on, and their open rows by id.

What appears behind the mark is found within `OVERLAP_US` before it (a row is there only once its transaction ended).
Only open rows and those of that last while are remembered, so the memory stays small however many rows there are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from uuid import UUID

import msgspec

from monitor.sources.dify_database.registers.reading import Reading
from monitor.sources.dify_database.registers.slices import (
    FIRST_ID,
    SLICE_ROWS,
    Line,
    Slice,
    fitting,
    kept_between,
    next_slice,
)
from monitor.sources.dify_database.registers.told import StatusTold, unpack

__all__ = ["OVERLAP_US", "Followed", "follow", "id_before"]

OVERLAP_US = 120_000_000
_EVERY_US = 5_000_000
_US_IN_MS = 1_000
_LATEST_MS = 2**48 - 1


class Followed(msgspec.Struct, frozen=True):
    """One such table. Its rows in brief are (id, status, created_us, size)."""

    name: str
    slices: str
    states: str
    is_news: Callable[[Line, StatusTold, int], bool]
    """Whether a row in brief says more than what is remembered of it; the last is the time now (us)."""
    tell: Callable[[Reading, Mapping[str, StatusTold | None]], Mapping[str, StatusTold]]
    """Tell these rows, given what was remembered of them; what to remember now."""


def follow(reading: Reading, table: Followed) -> None:
    """One slice of what is new, and one of the open rows before it."""
    if not reading.is_due(table.name):
        return
    floor = id_before(reading.round(table.name).since_us - OVERLAP_US)
    found = next_slice(reading, table.name, table.slices, reading.round(table.name).after or floor)
    if found is not None:
        _open_rows(reading, table, floor)
        _new_rows(reading, table, found)


def _new_rows(reading: Reading, table: Followed, found: Slice) -> None:
    before = _unpacked(found.told)
    news = _news(reading, table, found.lines, before)
    chosen, whole = fitting(news)
    if not whole:
        found.cut(chosen[-1])
    recent = id_before(reading.now_us - OVERLAP_US)
    for row_id, told in table.tell(reading, {row_id: before.get(row_id) for row_id in chosen}).items():
        if told.open or row_id >= recent:
            reading.keep(table.name, row_id, told)
        elif row_id in found.told:
            reading.drop(table.name, row_id)
    for row_id in found.gone():
        reading.drop(table.name, row_id)
    if not found.end:
        since_us = max(reading.round(table.name).since_us, reading.now_us)
        reading.pass_over(table.name, wait_us=_EVERY_US, since_us=since_us)
        return
    reading.go_on(table.name, found.end)
    if news:
        reading.read_on()


def _open_rows(reading: Reading, table: Followed, floor: str) -> None:
    """What is remembered from before the overlap: open rows, and those that were over before they got so old."""
    held = _unpacked(kept_between(reading, table.name, reading.round(table.name).within, floor))
    rows = reading.rows(table.states, held)
    if not rows:  # nothing is held here, or the table can't be read
        reading.move_within(table.name, "")
        return
    lines = {str(row[0]): row for row in rows if row[1] is not None}
    chosen, whole = fitting(_news(reading, table, lines, held))
    seen = list(held) if whole else [row_id for row_id in held if row_id <= chosen[-1]]
    told = table.tell(reading, {row_id: held[row_id] for row_id in chosen})
    for row_id in seen:
        now = told.get(row_id) or held[row_id]
        if row_id not in lines or now is None or not now.open:
            reading.drop(table.name, row_id)
        elif row_id in told:
            reading.keep(table.name, row_id, now)
    at_end = whole and len(held) < SLICE_ROWS
    reading.move_within(table.name, "" if at_end else seen[-1])
    if not whole:
        reading.read_on()


def _unpacked(held: Mapping[str, bytes]) -> dict[str, StatusTold | None]:
    return {row_id: unpack(value, StatusTold) for row_id, value in held.items()}


def _news(
    reading: Reading, table: Followed, lines: Mapping[str, Line], told: Mapping[str, StatusTold | None]
) -> list[tuple[str, int]]:
    """The rows that are new or say more than before, with their sizes, in the order of their ids."""
    found = []
    for row_id, line in sorted(lines.items()):
        before = told.get(row_id)
        if before is None or table.is_news(line, before, reading.now_us):
            found.append((row_id, line[3]))
    return found


def id_before(us: int) -> str:
    """The lowest id of that millisecond."""
    if us <= 0:
        return FIRST_ID
    return str(UUID(int=min(us // _US_IN_MS, _LATEST_MS) << 80))
