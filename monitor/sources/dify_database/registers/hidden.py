"""Conversations that are marked as deleted (Dify up to 1.7): each of their turns is told as hidden, once."""

from __future__ import annotations

from typing import Any

from monitor.normalise.note_rows import HiddenTurn
from monitor.normalise.notes import content_hidden
from monitor.sources.dify_database.registers.reading import Reading
from monitor.sources.dify_database.registers.slices import FIRST_ID, SLICE_ROWS, Slice, slice_due
from monitor.sources.dify_database.registers.told import HiddenTold

__all__ = ["read_hidden"]

_NAME, _TABLE = "hidden", "messages"


def read_hidden(reading: Reading) -> None:
    """One slice of conversations, and at most as many turns."""
    found = slice_due(reading, _NAME, "conversation_slice")
    if found is None:
        return
    hidden = [row_id for row_id, line in found.lines.items() if line[1] and row_id not in found.told]
    within = _tell(reading, found, hidden) if hidden else ""
    for row_id in found.told:
        if row_id not in found.lines or not found.lines[row_id][1]:
            reading.drop(_NAME, row_id)
    if within:
        reading.read_on()
    if within or found.end:
        reading.go_on(_NAME, found.end, within=within)
    else:
        reading.pass_over(_NAME, within="")


def _tell(reading: Reading, found: Slice, hidden: list[str]) -> str:
    """Tell their turns and remember those conversations that are told whole.

    Returns how far it came in one that is not, and cuts the slice before it.
    """
    rows = [HiddenTurn(*row) for row in _turns(reading, hidden)]
    for row in rows:
        row.deleted_us = found.lines[row.conversation_id][2]
        _hidden(reading, row)
    unfinished = rows[-1].conversation_id if len(rows) >= SLICE_ROWS else ""
    for row_id in hidden:
        if not unfinished or row_id < unfinished:
            reading.keep(_NAME, row_id, HiddenTold(at_us=reading.now_us))
    if not unfinished:
        return ""
    found.cut(max((row_id for row_id in found.lines if row_id < unfinished), default=reading.round(_NAME).after))
    return f"{unfinished}/{rows[-1].message_id}"


def _turns(reading: Reading, hidden: list[str]) -> list[tuple[Any, ...]]:
    """The next turns of these conversations: of the first one, those behind where the last reading came to."""
    conversation, _, message = reading.round(_NAME).within.partition("/")
    goes_on = conversation == hidden[0]
    return reading.tables.ask(
        "hidden_turns",
        ids=hidden,
        conversation=conversation if goes_on else FIRST_ID,
        message=message if goes_on else FIRST_ID,
        limit=SLICE_ROWS,
    )


def _hidden(reading: Reading, row: HiddenTurn) -> None:
    try:
        reading.tell(content_hidden(reading.app_ref(row.app_id), row))
    except Exception as exc:  # noqa: BLE001 - one row that nobody foresaw must never stop the rest
        reading.gap(_TABLE, row.message_id, exc)
