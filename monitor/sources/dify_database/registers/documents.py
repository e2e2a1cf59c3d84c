"""Documents of knowledge bases that could not be indexed, are stuck or paused, and what became of them after that.

They come through, or are deleted, alone or with their knowledge base.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from monitor.normalise.note_rows import DocumentRow
from monitor.normalise.notes import Indexing, indexing_changed, indexing_of
from monitor.normalise.text import short
from monitor.sources.dify_database.registers.reading import Reading
from monitor.sources.dify_database.registers.slices import Slice, slice_due
from monitor.sources.dify_database.registers.told import DocumentTold, unpack

__all__ = ["read_documents"]

_NAME, _TABLE = "document", "documents"
_DELETED: Indexing = "deleted"
_WELL = frozenset({"completed", _DELETED})


def read_documents(reading: Reading) -> None:
    """One slice, where it is due."""
    found = slice_due(reading, _NAME, "document_slice")
    if found is None:
        return
    news = []
    for row_id, line in found.lines.items():
        row = DocumentRow(*line)
        told = unpack(found.told.get(row_id), DocumentTold)
        if _is_news(row, told, reading.now_us):
            news.append((row, told))
    _tell(reading, news)
    gone = set(found.gone())
    _deleted(reading, found, gone | _without_dataset(reading, found, {row.id for row, _ in news}))
    for row_id in gone:
        reading.drop(_NAME, row_id)
    if found.end:
        reading.go_on(_NAME, found.end)
    else:
        reading.pass_over(_NAME)


def _is_news(row: DocumentRow, told: DocumentTold | None, now_us: int) -> bool:
    status, since_us = indexing_of(row, now_us)
    if told is not None and told.status == _DELETED:
        return False
    if status in {"", "completed"}:
        return status == "completed" and told is not None and told.status != "completed"
    return told is None or (told.status, told.since_us) != (status, since_us)


def _tell(reading: Reading, news: list[tuple[DocumentRow, DocumentTold | None]]) -> None:
    if not news:
        return
    details = {row[0]: row for row in reading.rows("documents", (row.id for row, _ in news))}
    datasets = _names(reading, "dataset_names", (row[2] for row in details.values()))
    tenants = _names(reading, "tenant_names", (row[1] for row in details.values()))
    for row, told in news:
        if row.id not in details:
            continue
        _, row.tenant_id, row.dataset_id, row.name, row.error = details[row.id]
        row.tenant_name, row.dataset_name = tenants.get(row.tenant_id), datasets.get(row.dataset_id)
        _changed(reading, row, told)


def _names(reading: Reading, statement: str, ids: Any) -> dict[str, str]:
    return {row[0]: row[1] for row in reading.rows(statement, ids)}


def _changed(reading: Reading, row: DocumentRow, told: DocumentTold | None) -> None:
    status: Indexing
    status, since_us = indexing_of(row, reading.now_us)
    number = told.number if told is not None else 0
    try:
        reading.tell(indexing_changed(row, status, since_us, number=number))
    except Exception as exc:  # noqa: BLE001 - one row that nobody foresaw must never stop the rest
        reading.gap(_TABLE, row.id, exc, number=number)
    # Kept also where it is fine now: should it fail again, that is another fact.
    reading.keep(_NAME, row.id, _told(row, status, since_us, number + 1))


def _told(row: DocumentRow, status: Indexing, since_us: int, number: int) -> DocumentTold:
    return DocumentTold(
        status=status,
        since_us=since_us,
        number=number,
        dataset_id=row.dataset_id,
        tenant_id=row.tenant_id,
        dataset_name=short(row.dataset_name),
        tenant_name=short(row.tenant_name),
    )


# -- deletions


def _without_dataset(reading: Reading, found: Slice, news: Collection[str]) -> set[str]:
    """Documents whose knowledge base is gone, while their own rows are still there."""
    unwell = {
        row_id: told.dataset_id
        for row_id, value in found.told.items()
        if row_id not in news and (told := unpack(value, DocumentTold)) is not None and told.status not in _WELL
    }
    gone = {row[0] for row in reading.rows("dataset_states", unwell.values()) if not row[1]}
    return {row_id for row_id, dataset_id in unwell.items() if dataset_id in gone}


def _deleted(reading: Reading, found: Slice, row_ids: Iterable[str]) -> None:
    """What was wrong with them is over: nobody will ever see them come through."""
    for row_id in sorted(row_ids):
        told = unpack(found.told[row_id], DocumentTold)
        if told is None or told.status in _WELL or not told.dataset_id:
            continue
        row = DocumentRow(
            id=row_id,
            stage="",
            is_paused=False,
            stage_us=None,
            completed_us=None,
            stopped_us=None,
            paused_us=None,
            tenant_id=told.tenant_id,
            dataset_id=told.dataset_id,
            tenant_name=told.tenant_name,
            dataset_name=told.dataset_name,
        )
        reading.tell(indexing_changed(row, _DELETED, reading.now_us, number=told.number))
        if row_id in found.lines:
            reading.keep(_NAME, row_id, _told(row, _DELETED, reading.now_us, told.number + 1))
