"""Annotations: made, changed, removed. A hit counts up in the same row and is no change."""

from __future__ import annotations

from monitor.normalise.note_rows import AnnotationRow
from monitor.normalise.notes import annotation_made, annotation_removed
from monitor.sources.dify_database.registers.reading import Reading
from monitor.sources.dify_database.registers.refs import turn_ids
from monitor.sources.dify_database.registers.slices import Slice, fitting, slice_due
from monitor.sources.dify_database.registers.told import AnnotationTold, unpack

__all__ = ["read_annotations"]

_NAME, _TABLE = "annotation", "message_annotations"
_RUN_IS_TURN = frozenset({"advanced-chat", "workflow"})


def read_annotations(reading: Reading) -> None:
    """One slice, where it is due."""
    found = slice_due(reading, _NAME, "annotation_slice")
    if found is None:
        return
    told = {row_id: unpack(value, AnnotationTold) for row_id, value in found.told.items()}
    news = [(row_id, line[2]) for row_id, line in found.lines.items() if not _is_known(told.get(row_id), line[1])]
    chosen, whole = fitting(news)
    if not whole:
        found.cut(chosen[-1])
        reading.read_on()
    _tell(reading, found, chosen, told)
    for row_id in found.gone():
        _removed(reading, row_id, told[row_id])
    if found.end:
        reading.go_on(_NAME, found.end)
    else:
        reading.pass_over(_NAME)


def _is_known(told: AnnotationTold | None, mark: str) -> bool:
    return told is not None and told.mark == mark


def _tell(reading: Reading, found: Slice, chosen: list[str], told: dict[str, AnnotationTold | None]) -> None:
    rows = [AnnotationRow(*row) for row in reading.rows("annotations", chosen)]
    turns = turn_ids(reading, (row.message_id for row in rows))
    for row in rows:
        turn_id = turns.get(row.message_id or "") or _turn_of_gone(reading, row)
        _made(reading, row, turn_id, str(found.lines[row.id][1]), told.get(row.id))


def _turn_of_gone(reading: Reading, row: AnnotationRow) -> str:
    """The message is gone: its id is the turn's where no run can have been."""
    app = reading.apps.get(row.app_id)
    return row.message_id or "" if app is not None and app.mode not in _RUN_IS_TURN else ""


def _made(reading: Reading, row: AnnotationRow, turn_id: str, mark: str, told: AnnotationTold | None) -> None:
    number = told.number if told is not None else 0
    app = reading.app_ref(row.app_id)
    try:
        event = annotation_made(
            app,
            row,
            reading.pseudonym,
            at_us=row.created_us if told is None else _changed_us(row, reading.now_us),
            turn_id=turn_id,
            number=number,
            changed=told is not None,
        )
    except Exception as exc:  # noqa: BLE001 - one row that nobody foresaw must never stop the rest
        reading.gap(_TABLE, row.id, exc, number=number)
    else:
        reading.tell(event)
    kept = AnnotationTold(mark=mark, number=number + 1, app_id=row.app_id, tenant_id=app.tenant_id, turn_id=turn_id)
    reading.keep(_NAME, row.id, kept)


def _changed_us(row: AnnotationRow, now_us: int) -> int:
    """Up to Dify 1.9 a change leaves no time: then it is when it was seen."""
    updated_us = row.updated_us or 0
    return updated_us if updated_us > row.created_us else now_us


def _removed(reading: Reading, row_id: str, told: AnnotationTold | None) -> None:
    reading.drop(_NAME, row_id)
    if told is None:
        return
    app = reading.app_ref(told.app_id, told.tenant_id)
    reading.tell(annotation_removed(app, row_id, turn_id=told.turn_id, at_us=reading.now_us, number=told.number))
