"""What a pass over a large register found, held back until it can be told in the order it happened.

A register is walked by random ids, so two slices of one pass bring their facts in no order, and what reads them in
order (alert rules) would be misled. So where a pass takes more than one reading, what it finds is written into the
memory under its time. When the pass is over, what happened before the pass began is told, the oldest first: all of that
was seen by then. What is younger waits for the end of the next pass, as a row that appeared behind the walk may come
before it.

What is held is part of the memory, so a lost page loses nothing. It is never more than what is remembered of told rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from monitor.sources.dify_database.registers.reading import Reading
from monitor.sources.dify_database.registers.slices import fitting, kept_between
from monitor.sources.dify_database.registers.told import Held, unpack

__all__ = ["Due", "due", "hold", "let_all_go", "let_go", "tell_held"]

_LATE_US = 2_000_000
"""A row is there only once its transaction ended, and Dify rounds its times to seconds."""


class Due(NamedTuple):
    """Held rows that are told now."""

    rows: dict[str, int]
    """By id, when it happened (us), as far as that was known when it was found."""
    keys: list[str]
    """Under which they are held."""


def _held(register: str) -> str:
    return f"{register}.held"


def hold(reading: Reading, register: str, row_id: str, at_us: int, size: int) -> None:
    """Keep a row for later that has something to tell, which happened at `at_us`."""
    at_us = min(max(0, at_us), reading.now_us)
    reading.keep(_held(register), f"{at_us:020d}/{row_id}", Held(size=size))


def tell_held(reading: Reading, register: str, began_us: int) -> None:
    """The pass came to the table's end: tell what happened before it began, from the next reading on."""
    whole = began_us == reading.now_us  # one look saw all there is
    reading.go_on(register, "", until_us=began_us + 1 if whole else max(1, began_us - _LATE_US))
    reading.read_on()


def due(reading: Reading, register: str) -> Due:
    """The held rows whose turn it is, as many as fit into a page, the oldest first."""
    last = f"{reading.round(register).until_us:020d}"
    held = {key: unpack(value, Held) for key, value in kept_between(reading, _held(register), "", last).items()}
    keys, _ = fitting((key, each.size) for key, each in held.items() if each is not None)
    rows: dict[str, int] = {}
    for key in keys:
        at, _, row_id = key.partition("/")
        rows.setdefault(row_id, int(at))
    return Due(rows, keys)


def let_go(reading: Reading, register: str, keys: Iterable[str]) -> None:
    """What was told is held no longer."""
    for key in keys:
        reading.drop(_held(register), key)


def let_all_go(reading: Reading, register: str) -> None:
    """The whole table was seen at once and is told from that."""
    let_go(reading, register, kept_between(reading, _held(register), "", ""))
