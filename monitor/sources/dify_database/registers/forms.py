"""Forms that workflows put before people (Dify 1.13 and later): asked, then answered, timed out or expired.

That it was asked is a fact of its own, told also where the end is there already: so the facts do not depend on when we
looked. Forms of a delivery that was only tried out are no facts.
"""

from __future__ import annotations

from collections.abc import Mapping

from monitor.normalise.note_rows import FormRow
from monitor.normalise.notes import form_changed
from monitor.normalise.text import short
from monitor.sources.dify_database.registers.following import Followed, follow
from monitor.sources.dify_database.registers.reading import Reading
from monitor.sources.dify_database.registers.refs import session_ids
from monitor.sources.dify_database.registers.slices import Line
from monitor.sources.dify_database.registers.told import StatusTold

__all__ = ["read_forms"]

_WAITING = "waiting"
_TRIED_OUT = "delivery_test"
_TABLE = "human_input_forms"


def read_forms(reading: Reading) -> None:
    """What is new, and a slice of those that wait."""
    follow(reading, _FOLLOWED)


def _is_news(line: Line, told: StatusTold, now_us: int) -> bool:
    del now_us
    return told.open and short(line[1]) != told.status


def _tell(reading: Reading, told: Mapping[str, StatusTold | None]) -> dict[str, StatusTold]:
    rows = [FormRow(*columns) for columns in reading.rows("forms", told)]
    sessions = session_ids(reading, (row.end_user_id for row in rows))
    found = {}
    for row in rows:
        row.session_id = sessions.get(row.end_user_id or "")
        found[row.id] = _one(reading, row, told[row.id])
    return found


def _one(reading: Reading, row: FormRow, told: StatusTold | None) -> StatusTold:
    status = short(row.status)
    if row.kind == _TRIED_OUT:
        return StatusTold(status=status, number=0, open=False)
    number = told.number if told is not None else 0
    for each in ([_WAITING] if told is None else []) + ([status] if status != _WAITING else []):
        try:
            app = reading.app_ref(row.app_id, row.tenant_id)
            reading.tell(form_changed(app, row, reading.pseudonym, status=each, number=number))
        except Exception as exc:  # noqa: BLE001 - one row that nobody foresaw must never stop the rest
            reading.gap(_TABLE, row.id, exc, number=number)
        number += 1
    return StatusTold(status=status, number=number, open=status == _WAITING)


_FOLLOWED = Followed(
    name="form",
    slices="form_slice",
    states="form_states",
    is_news=_is_news,
    tell=_tell,
)
