"""What a comparison found missing or changed, as candidates for the reading that is under way. Called by compare.py."""

from __future__ import annotations

from collections.abc import Sequence

from monitor.sources.dify_database.candidate import Candidate
from monitor.sources.dify_database.fetch import with_signals
from monitor.sources.dify_database.lookup import each_id_once, message_candidates, run_of, split_runs
from monitor.sources.dify_database.remembered import Remembered, Row, mark_of
from monitor.sources.dify_database.sheet import Sheet
from monitor.sources.dify_database.state import Open
from monitor.sources.dify_database.tables import Table

__all__ = ["Held", "Repairs"]

_MAX_PULLED = 4_000
_NEAR_US = 600_000_000
_MAX_NEAR = 20_000
"""How many remembered messages are looked through for the one that a run belongs to."""

Held = dict[str, tuple[Row, Remembered]]
"""What is remembered of rows of one table, by id."""


class Repairs:
    """`found` are the reading's own candidates; they and what is watched are left alone."""

    def __init__(self, sheet: Sheet, found: Sequence[Candidate]) -> None:
        self._sheet, self._tables, self._watched = sheet, sheet.tables, sheet.state.watched
        self._busy = {name for each in found for name in (each.name, *each.keys)}
        for key, entry in self._watched.items():
            self._busy.update((key, entry.message_id, entry.run_id))
        self.candidates: list[Candidate] = []
        self.left = 0
        """Rows that are missing and too many to be looked at now."""

    @property
    def full(self) -> bool:
        """Whether there is enough to do."""
        return len(self.candidates) >= self._sheet.limit or self.left > 0

    def pull(self, table: Table, missing: Sequence[str], again: Sequence[str]) -> None:
        """Read these rows now; those of `again` were tried before, so they come last and never hold up the rest."""
        fresh = [row_id for row_id in missing if row_id not in self._busy]
        tried = [row_id for row_id in again if row_id not in self._busy][: self._sheet.limit]
        wanted = [*fresh[:_MAX_PULLED], *tried]
        if not wanted:
            return
        found = self._messages(wanted) if table == "messages" else self._runs(wanted)
        self._add(found)
        if found:
            self.left += max(0, len(fresh) - _MAX_PULLED)

    def _messages(self, ids: Sequence[str]) -> list[Candidate]:
        return message_candidates(self._tables, ids, self._watched)

    def _runs(self, ids: Sequence[str]) -> list[Candidate]:
        """The runs that no message stands for, and the messages of the others.

        Where such a message is missing as well, it is found in its own window, and its run with it.
        """
        alone, belonging = split_runs(self._tables, self._tables.run_states(ids))
        found = [Candidate(keys=(run.id,), run=run) for run in alone]
        if not belonging:
            return found
        names, times = {run.id for run in belonging}, [run.created_us for run in belonging]
        near = self._sheet.held_between("messages", min(times) - _NEAR_US, max(times) + _NEAR_US, _MAX_NEAR)
        return [*found, *self._messages([row.id for row, known in near.items() if known.ref.turn_id in names])]

    def look_for_changes(self, ours: Held) -> None:
        """Turns whose rows or nodes are no longer as they were told: Dify can be set up to write nodes late."""
        owners = {row_id: held for row_id, held in ours.items() if self._may_have_changed(*held)}
        found = [each for each in self._as_they_are(owners).values() if each is not None]
        marks = {row_id: known.mark for row_id, (_, known) in owners.items()}
        signalled = with_signals(self._tables, found)
        self._add([each for each in signalled if mark_of(each.fingerprint) != marks[each.keys[0]]])

    def _may_have_changed(self, row: Row, known: Remembered) -> bool:
        """Whether nobody else looks at the turn that the entry owns."""
        return known.owner and not known.unread and row.id not in self._busy and known.ref.turn_id not in self._busy

    def _as_they_are(self, owners: Held) -> dict[str, Candidate | None]:
        """The turns' states now. None where a row was deleted: what was told of such a turn stands."""
        named = {i: known.message_id if row.table == "workflow_runs" else i for i, (row, known) in owners.items()}
        messages = {each.id: each for each in self._tables.message_states(each_id_once(named.values()))}
        run_ids = {i: i if owners[i][0].table == "workflow_runs" else run_of(messages.get(named[i])) for i in owners}
        runs = {each.id: each for each in self._tables.run_states(each_id_once(run_ids.values()))}
        found: dict[str, Candidate | None] = {}
        for row_id, (row, known) in owners.items():
            message, run = messages.get(named[row_id]), runs.get(run_ids[row_id])
            deleted = (message is None and named[row_id]) or (run is None and row.table == "workflow_runs")
            each = Candidate(keys=(row_id, run_ids[row_id]), message=message, run=run, entry=Open(ref=known.turn))
            found[row_id] = None if deleted else each
        return found

    def _add(self, found: list[Candidate]) -> None:
        for each in found:
            each.pulled = True
            self._busy.update((each.name, *each.keys))
        self.candidates += found
