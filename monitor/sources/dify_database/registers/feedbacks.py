"""Ratings: given, changed, withdrawn. Contents are compared: up to 1.9 Dify changes one and leaves `updated_at`."""

from __future__ import annotations

from monitor.model import TurnRef
from monitor.normalise.note_rows import FeedbackRow
from monitor.normalise.notes import feedback_given, feedback_withdrawn, ref_of_feedback
from monitor.normalise.text import short
from monitor.sources.dify_database.registers.reading import Reading
from monitor.sources.dify_database.registers.refs import session_ids, turn_refs
from monitor.sources.dify_database.registers.slices import Slice, fitting, slice_due
from monitor.sources.dify_database.registers.told import FeedbackTold, unpack

__all__ = ["read_feedbacks"]

_NAME, _TABLE = "feedback", "message_feedbacks"


def read_feedbacks(reading: Reading) -> None:
    """One slice, where it is due."""
    found = slice_due(reading, _NAME, "feedback_slice")
    if found is None:
        return
    told = {row_id: unpack(value, FeedbackTold) for row_id, value in found.told.items()}
    news = [(row_id, line[2]) for row_id, line in found.lines.items() if not _is_known(told.get(row_id), line[1])]
    chosen, whole = fitting(news)
    if not whole:
        found.cut(chosen[-1])
        reading.read_on()
    _tell(reading, found, chosen, told)
    _withdrawn(reading, {row_id: told[row_id] for row_id in found.gone()})
    if found.end:
        reading.go_on(_NAME, found.end)
    else:
        reading.pass_over(_NAME)


def _is_known(told: FeedbackTold | None, mark: str) -> bool:
    return told is not None and told.mark == mark


def _tell(reading: Reading, found: Slice, chosen: list[str], told: dict[str, FeedbackTold | None]) -> None:
    rows = [FeedbackRow(*row) for row in reading.rows("feedbacks", chosen)]
    sessions = session_ids(reading, (row.end_user_id for row in rows))
    refs = turn_refs(reading, (row.message_id for row in rows))
    for row in rows:
        row.session_id = sessions.get(row.end_user_id or "")
        _given(reading, row, refs.get(row.message_id), str(found.lines[row.id][1]), told.get(row.id))


def _given(reading: Reading, row: FeedbackRow, ref: TurnRef | None, mark: str, told: FeedbackTold | None) -> None:
    number = told.number if told is not None else 0
    kept = FeedbackTold(mark=mark, number=number + 1, message_id=row.message_id)
    try:
        event = feedback_given(
            ref or ref_of_feedback(row, reading.apps.get(row.app_id)),
            row,
            reading.pseudonym,
            at_us=row.created_us if told is None else _changed_us(row, reading.now_us),
            number=number,
            was=told.rating if told is not None else "",
        )
        kept = FeedbackTold(
            mark=mark,
            number=number + 1,
            message_id=row.message_id,
            rating=short(row.rating),
            given_by=short(row.given_by),
        )
    except Exception as exc:  # noqa: BLE001 - one row that nobody foresaw must never stop the rest
        reading.gap(_TABLE, row.id, exc, number=number)
    else:
        reading.tell(event)
    reading.keep(_NAME, row.id, kept)


def _changed_us(row: FeedbackRow, now_us: int) -> int:
    """Up to Dify 1.9 nothing notes when a rating was changed: then it is when it was seen."""
    updated_us = row.updated_us or 0
    return updated_us if updated_us > row.created_us else now_us


def _withdrawn(reading: Reading, gone: dict[str, FeedbackTold | None]) -> None:
    """A rating that went together with its message, or with all that its app had, was deleted, not withdrawn."""
    refs = turn_refs(reading, (told.message_id for told in gone.values() if told is not None))
    for row_id, told in gone.items():
        reading.drop(_NAME, row_id)
        ref = refs.get(told.message_id) if told is not None else None
        if told is None or ref is None or not told.rating or ref.app_id not in reading.apps:
            continue
        reading.tell(
            feedback_withdrawn(
                ref, row_id, rating=told.rating, given_by=told.given_by, at_us=reading.now_us, number=told.number
            )
        )
