"""What triggers did (Dify 1.10 and later): each row is told when it is over, or when it has not moved for long.

A row that stands `rate_limited`, or failed before its run began, is all that ever tells of it. One that failed may be
tried again in the same row, and is told again when that ends.
"""

from __future__ import annotations

from collections.abc import Mapping

from monitor.normalise.note_rows import TriggerRow
from monitor.normalise.notes import trigger_logged
from monitor.normalise.text import short
from monitor.sources.dify_database.registers.following import Followed, follow
from monitor.sources.dify_database.registers.reading import Reading
from monitor.sources.dify_database.registers.slices import Line
from monitor.sources.dify_database.registers.told import StatusTold

__all__ = ["OPEN_FOR_US", "SLOW_AFTER_US", "read_triggers"]

SLOW_AFTER_US = 1_800_000_000
"""One that is not over by then is told as it stands."""
OPEN_FOR_US = 30 * 86_400_000_000
"""One that is not over by then is not looked at again."""
_OVER = frozenset({"succeeded", "failed", "rate_limited"})
_FAILED = "failed"
_TABLE = "workflow_trigger_logs"


def read_triggers(reading: Reading) -> None:
    """What is new, and a slice of those under way."""
    follow(reading, _FOLLOWED)


def _status_now(status: str, created_us: int, told: StatusTold, now_us: int) -> str:
    """The status that counts by now; empty: on its way.

    One that failed and is tried again counts as under way at once, and that is no fact: how it ends is.
    """
    retried = told.status == _FAILED or told.status == short(status)
    if status in _OVER or retried or now_us - created_us >= SLOW_AFTER_US:
        return short(status)
    return ""


def _is_fact(status: str, told: StatusTold) -> bool:
    return status not in {"", told.status} and (told.status != _FAILED or status in _OVER)


def _is_news(line: Line, told: StatusTold, now_us: int) -> bool:
    _, status, created_us, _ = line
    return told.open and (
        _status_now(status, created_us, told, now_us) != told.status or not _may_change(status, created_us, now_us)
    )


def _may_change(status: str, created_us: int, now_us: int) -> bool:
    """Dify may try one that failed again, in the same row."""
    return (status not in _OVER or status == _FAILED) and now_us - created_us < OPEN_FOR_US


def _tell(reading: Reading, told: Mapping[str, StatusTold | None]) -> dict[str, StatusTold]:
    found = {}
    for columns in reading.rows("triggers", told):
        row = TriggerRow(*columns)
        found[row.id] = _one(reading, row, told[row.id] or StatusTold(status="", number=0, open=True))
    return found


def _one(reading: Reading, row: TriggerRow, told: StatusTold) -> StatusTold:
    now_us = reading.now_us
    status, number = _status_now(row.status, row.created_us, told, now_us), told.number
    if _is_fact(status, told):
        try:
            reading.tell(trigger_logged(reading.app_ref(row.app_id, row.tenant_id), row, number=number))
        except Exception as exc:  # noqa: BLE001 - one row that nobody foresaw must never stop the rest
            reading.gap(_TABLE, row.id, exc, number=number)
        number += 1
    return StatusTold(status=status, number=number, open=_may_change(row.status, row.created_us, now_us))


_FOLLOWED = Followed(
    name="trigger",
    slices="trigger_slice",
    states="trigger_states",
    is_news=_is_news,
    tell=_tell,
)
