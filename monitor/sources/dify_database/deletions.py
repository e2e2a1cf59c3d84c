"""Rows that were told and that Dify no longer holds. Called by compare.py.

What was recorded of them stands. A deletion is told as a fact of its own, but not what Dify's clean-up took because of
its age: that is only forgotten, unless content is to be erased here as well.
"""

from __future__ import annotations

from monitor.model import ContentDeleted
from monitor.model.ids import note_key
from monitor.sources.dify_database.remembered import Remembered, Row, gone_key
from monitor.sources.dify_database.repair import Held
from monitor.sources.dify_database.sheet import Sheet
from monitor.sources.dify_database.tables import MessageState, RunState, Table

__all__ = ["Deletions"]

_NEVER_US = 1 << 62


class Deletions:
    """One reading's."""

    def __init__(self, sheet: Sheet) -> None:
        self._sheet, self._tables = sheet, sheet.tables
        self._oldest: dict[Table, int] = {}

    def look_at(self, table: Table, held: Held) -> None:
        """Rows that are not where they are remembered: moved (a run that is resumed begins anew), or deleted."""
        if not held:
            return
        states = self._tables.message_states(list(held)) if table == "messages" else self._tables.run_states(list(held))
        there: dict[str, MessageState | RunState] = {state.id: state for state in states}
        for row_id, (row, known) in held.items():
            if row_id in there:
                self._moved(row, known, there[row_id])
            else:
                self._deleted(row, known)

    def _moved(self, row: Row, known: Remembered, state: MessageState | RunState) -> None:
        now = row._replace(us=state.created_us, app_id=state.app_id)
        if now.key != row.key:
            self._sheet.drop(row.key)
            flags = {"owner": known.owner, "ended": known.ended, "left_out": known.left_out, "unread": known.unread}
            self._sheet.keep(now, known.turn, mark=known.mark, message_id=known.message_id, **flags)

    def _deleted(self, row: Row, known: Remembered) -> None:
        sheet, state = self._sheet, self._sheet.state
        sheet.drop(row.key)
        if known.left_out:
            return
        if known.unread:
            state.unread, state.lost = max(0, state.unread - 1), state.lost + 1
            return
        told = gone_key(known.ref.turn_id)
        if sheet.entries([told]):
            sheet.drop(told)
            return
        if not known.owner or known.message_id:  # the turn's other row may still be there
            sheet.put(told, b"")
        state.deleted += 1
        aged = self._is_aged(row, known)
        if not aged or sheet.limits.erase_deleted:
            self._tell(row, known, "aged" if aged else "gone")

    def _tell(self, row: Row, known: Remembered, how: str) -> None:
        ref = known.ref
        body = ContentDeleted(
            turn_id=ref.turn_id,
            tenant_id=ref.tenant_id,
            app_id=row.app_id,
            conversation_id=ref.conversation_id,
            how=how,
        )
        self._sheet.tell(note_key(ref.turn_id, "deleted", ref.turn_id), body)

    def _is_aged(self, row: Row, known: Remembered) -> bool:
        """Whether it lies before all that Dify still holds. Dify's clean-up of runs takes their messages with them."""
        if row.us < self._oldest_us(row.table):
            return True
        runs_kept_here = self._sheet.state.runs.seen_a_row and not self._sheet.state.external_runs
        is_chatflow = row.table == "messages" and known.ref.turn_id != row.id
        return is_chatflow and runs_kept_here and row.us < self._oldest_us("workflow_runs")

    def _oldest_us(self, table: Table) -> int:
        """Creation of the table's oldest row; later than all where it has none."""
        if table not in self._oldest:
            oldest = self._tables.oldest_us(table)
            if oldest is None and table == "workflow_runs":  # it has no index to say; one look at all of them does
                oldest = next((key.us for key in self._tables.run_keys(None, 1)), None)
            self._oldest[table] = _NEVER_US if oldest is None else oldest
        return self._oldest[table]
