"""Ratings: given, changed, withdrawn. Contents are compared: up to 1.9 Dify changes one and leaves `updated_at`."""

from __future__ import annotations

from collections.abc import Mapping

from monitor.model import TurnRef
from monitor.normalise.note_rows import FeedbackRow
from monitor.normalise.notes import feedback_given, feedback_withdrawn, ref_of_feedback
from monitor.normalise.text import short
from monitor.sources.dify_database.registers.holding import due, hold, let_all_go, let_go, tell_held
from monitor.sources.dify_database.registers.reading import Reading
from monitor.sources.dify_database.registers.refs import session_ids, turn_refs
from monitor.sources.dify_database.registers.slices import Line, Slice, fitting, slice_due
from monitor.sources.dify_database.registers.told import FeedbackTold, unpack

__all__ = ["read_feedbacks"]

_NAME, _TABLE = "feedback", "message_feedbacks"


def read_feedbacks(reading: Reading) -> None:
    """One slice, where it is due; or a page of what the slices of the last pass found."""
    if reading.is_due(_NAME) and reading.round(_NAME).until_us:
        _read_held(reading)
        return
    found = slice_due(reading, _NAME, "feedback_slice")
    if found is None:
        return
    told = {row_id: unpack(value, FeedbackTold) for row_id, value in found.told.items()}
    news = {row_id: line for row_id, line in found.lines.items() if not _is_known(told.get(row_id), line[1])}
    first = not reading.round(_NAME).after
    if first and not found.end and fitting((row_id, line[2]) for row_id, line in news.items())[1]:
        _settle(reading, {**news, **dict.fromkeys(found.gone())}, told, {})
        let_all_go(reading, _NAME)
        reading.pass_over(_NAME)
        return
    _hold(reading, found, news, told)
    began_us = reading.now_us if first else reading.round(_NAME).began_us
    if found.end:
        reading.go_on(_NAME, found.end, began_us=began_us)
    else:
        tell_held(reading, _NAME, began_us)


def _hold(reading: Reading, found: Slice, news: Mapping[str, Line], told: Mapping[str, FeedbackTold | None]) -> None:
    """More than one reading sees the table: nothing is told before the pass is over."""
    for row_id, (_, _, size, created_us, updated_us) in news.items():
        at_us = _happened_us(created_us or 0, updated_us, told.get(row_id), reading.now_us)
        hold(reading, _NAME, row_id, at_us, size)
    for row_id in found.gone():
        hold(reading, _NAME, row_id, reading.now_us, 0)


def _read_held(reading: Reading) -> None:
    """The next of what is held, as it stands by now."""
    at = due(reading, _NAME)
    lines = {str(row[0]): row for row in reading.rows("feedback_states", at.rows)}
    if not lines:  # nothing more is due, or the table can't be read
        reading.pass_over(_NAME)
        return
    kept = reading.kept(_NAME, at.rows)
    told = {row_id: unpack(value, FeedbackTold) for row_id, value in kept.items()}
    _settle(reading, {row_id: line if line[1] is not None else None for row_id, line in lines.items()}, told, at.rows)
    let_go(reading, _NAME, at.keys)
    reading.read_on()


def _settle(
    reading: Reading,
    lines: Mapping[str, Line | None],
    told: Mapping[str, FeedbackTold | None],
    seen_us: Mapping[str, int],
) -> None:
    """Tell of each row how it stands now (None: it is gone), where that was not told."""
    marks = {row_id: str(line[1]) for row_id, line in lines.items() if line is not None}
    news = {row_id: mark for row_id, mark in marks.items() if not _is_known(told.get(row_id), mark)}
    _tell(reading, news, told, seen_us)
    _withdrawn(reading, {row_id: told[row_id] for row_id in told if row_id in lines and row_id not in marks}, seen_us)


def _is_known(told: FeedbackTold | None, mark: str) -> bool:
    return told is not None and told.mark == mark


def _tell(
    reading: Reading,
    marks: Mapping[str, str],
    told: Mapping[str, FeedbackTold | None],
    seen_us: Mapping[str, int],
) -> None:
    rows = [FeedbackRow(*row) for row in reading.rows("feedbacks", marks)]
    sessions = session_ids(reading, (row.end_user_id for row in rows))
    refs = turn_refs(reading, (row.message_id for row in rows))
    for row in rows:
        row.session_id = sessions.get(row.end_user_id or "")
        before = told.get(row.id)
        at_us = _happened_us(row.created_us, row.updated_us, before, seen_us.get(row.id, reading.now_us))
        _given(reading, row, refs.get(row.message_id), marks[row.id], before, at_us=at_us)


def _given(
    reading: Reading, row: FeedbackRow, ref: TurnRef | None, mark: str, told: FeedbackTold | None, *, at_us: int
) -> None:
    number = told.number if told is not None else 0
    kept = FeedbackTold(mark=mark, number=number + 1, message_id=row.message_id)
    try:
        event = feedback_given(
            ref or ref_of_feedback(row, reading.apps.get(row.app_id)),
            row,
            reading.pseudonym,
            at_us=at_us,
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


def _happened_us(created_us: int, updated_us: int | None, told: FeedbackTold | None, seen_us: int) -> int:
    """Up to Dify 1.9 nothing notes when a rating was changed: then it is when it was seen."""
    if told is None:
        return created_us
    return updated_us if (updated_us or 0) > created_us and updated_us is not None else seen_us


def _withdrawn(reading: Reading, gone: dict[str, FeedbackTold | None], seen_us: Mapping[str, int]) -> None:
    """A rating that went together with its message, or with all that its app had, was deleted, not withdrawn."""
    refs = turn_refs(reading, (told.message_id for told in gone.values() if told is not None))
    for row_id, told in gone.items():
        reading.drop(_NAME, row_id)
        ref = refs.get(told.message_id) if told is not None else None
        if told is None or ref is None or not told.rating or ref.app_id not in reading.apps:
            continue
        at_us = seen_us.get(row_id, reading.now_us)
        event = feedback_withdrawn(
            ref, row_id, rating=told.rating, given_by=told.given_by, at_us=at_us, number=told.number
        )
        reading.tell(event)
