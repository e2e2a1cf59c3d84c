"""Reconciliation: what Dify holds against what is remembered as told, window by window (ADR 0013).

A window is a stretch of creation times. Per table and app, count and hash of ids are compared; only where they differ
are the ids themselves. What Dify has and we lack is read at once (repair.py); what we have and Dify lacks was deleted
(deletions.py). Two walks take turns: over the last day, where nodes that came late or were rewritten are noticed too,
and over all before. Called by the reader when it has read to the end.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from hashlib import md5

import msgspec

from monitor.sources.dify_database.candidate import Candidate
from monitor.sources.dify_database.deletions import Deletions
from monitor.sources.dify_database.remembered import Remembered
from monitor.sources.dify_database.repair import Held, Repairs
from monitor.sources.dify_database.sheet import Sheet
from monitor.sources.dify_database.state import Walk, key_at
from monitor.sources.dify_database.tables import Digest, Table

__all__ = ["Comparison"]

_S = 1_000_000
_HOUR_US = 3_600 * _S
_DAY_US = 86_400 * _S
_YOUNG_US = 300 * _S
"""What is younger may still be on its way."""
_MAX_ROWS = 2_000
"""So many rows of one table, about, are in a window, and are compared by one reading."""
_MAX_WINDOWS = 24
_NOTHING = Digest(count=0, hash=0)
_TABLES: tuple[Table, ...] = ("messages", "workflow_runs")


class _Window(msgspec.Struct):
    since_us: int
    until_us: int
    ours: dict[Table, Held]


class Comparison:
    """One reading's share of it. `found` are the reading's own candidates.

    Rows that another choice than `choice` left out are looked at again.

    Without an index on the runs every window costs a look at all of them: so it is as long as it can be, and alone.
    """

    def __init__(self, sheet: Sheet, found: Sequence[Candidate], *, choice: str, runs_indexed: bool) -> None:
        self._sheet, self._tables, self._state, self._now_us = sheet, sheet.tables, sheet.state, sheet.now_us
        self._choice_mark, self._indexed = choice, runs_indexed
        self._repairs, self._deletions = Repairs(sheet, found), Deletions(sheet)
        self._walk: Walk | None = None
        self._reached_us = self._end_us = 0
        self._recent = False

    def step(self) -> list[Candidate]:
        """Compare the next windows, if it is time; the turns that are missing or changed."""
        if self._now_us < self._state.compare_next_us:
            return []
        self._walk, rows, windows = self._choose(), 0, 0
        while self._walk is not None and self._goes_on(rows, windows):
            window = self._window(self._reached_us)
            rows += self._compare(window)
            windows += 1
            self._reached_us = window.until_us
        return self._repairs.candidates

    def _goes_on(self, rows: int, windows: int) -> bool:
        room = rows < _MAX_ROWS and windows < (_MAX_WINDOWS if self._indexed else 1)
        return room and self._reached_us < self._end_us and not self._repairs.full

    def settle(self, left: Sequence[Candidate]) -> None:
        """Go on from here next time; from where this step began, where not all that it found fitted into the page."""
        walk, state = self._walk, self._state
        if walk is None:
            return
        state.missing = sum(len(each.rows) for each in left if each.pulled) + self._repairs.left
        if state.missing:
            self._sheet.more, state.older_next = True, not self._recent
            return
        walk.at_us = self._reached_us
        state.compare_next_us = self._now_us + self._sheet.limits.reconcile_every_us
        if walk.at_us >= self._end_us:
            self._finish(walk)

    # -- walks

    def _choose(self) -> Walk | None:
        """The walk whose turn it is; the other one, where it has nowhere to go."""
        state = self._state
        for recent in (not state.older_next, state.older_next):
            walk = state.recent if recent else state.older
            end_us = self._now_us - (_YOUNG_US if recent else _DAY_US)
            if not walk.since_us or (recent and walk.at_us < self._now_us - _DAY_US):
                begin_us = max(self._floor_us(), self._now_us - _DAY_US) if recent else self._begin_us()
                walk.since_us = walk.at_us = begin_us
            if walk.at_us < end_us:
                self._reached_us, self._end_us, self._recent = walk.at_us, end_us, recent
                state.older_next = recent
                return walk
            walk.since_us = walk.at_us = 0
        return None

    def _floor_us(self) -> int:
        """Nothing before is compared."""
        return max(1, self._state.since_us, self._state.compared_from_us)

    def _begin_us(self) -> int:
        """The oldest row that is remembered, or that Dify holds."""
        floor_us = self._floor_us()
        times = [self._tables.oldest_us(table) for table in _TABLES]
        held = [row for table in _TABLES for row in self._sheet.held_between(table, floor_us, self._now_us, 1)]
        known = [us for us in times if us is not None] + [row.us for row in held]
        return max(floor_us, min(known, default=self._now_us))

    def _finish(self, walk: Walk) -> None:
        """Remember what was compared without a hole, as far as one can say it with two times."""
        state, since_us, until_us = self._state, walk.since_us, walk.at_us
        if self._recent:
            if since_us > state.checked_until_us:
                state.checked_since_us = since_us
            state.checked_until_us = until_us
        elif until_us >= state.checked_since_us:
            state.checked_since_us = since_us
            state.checked_until_us = max(state.checked_until_us, until_us)
        state.checked_at_us = self._now_us
        walk.since_us = walk.at_us = 0

    # -- windows

    def _window(self, since_us: int) -> _Window:
        """At most an hour and about so many remembered rows; where nothing is remembered, up to the next row."""
        until_us = min(since_us + _HOUR_US, self._end_us) if self._indexed else self._end_us
        held = {table: self._sheet.held_between(table, since_us, until_us, _MAX_ROWS + 1) for table in _TABLES}
        for rows in held.values():
            if len(rows) > _MAX_ROWS:
                until_us = min(until_us, max(row.us for row in rows))
        if until_us <= since_us:  # so many rows of one moment
            until_us = since_us + 1
            held = {table: self._sheet.held_between(table, since_us, until_us, 1 << 31) for table in _TABLES}
        if not any(held.values()):
            until_us = max(until_us, self._next_row_us(since_us))
        ours = {table: {row.id: (row, known) for row, known in rows.items()} for table, rows in held.items()}
        return _Window(since_us, until_us, ours)

    def _next_row_us(self, since_us: int) -> int:
        """The end of a stretch of which nothing is remembered, and where Dify has nothing, as far as it is indexed."""
        after = key_at(since_us)
        times = [row.us for table in _TABLES for row in self._sheet.held_between(table, since_us, self._end_us, 1)]
        times += [key.us for key in self._tables.message_keys(after, 1)]
        times += [key.us for key in self._tables.run_keys(after, 1)] if self._indexed else []
        return min([self._end_us, *times])

    def _compare(self, window: _Window) -> int:
        """How many rows were compared."""
        theirs = {table: self._tables.digests(table, window.since_us, window.until_us) for table in _TABLES}
        counts = [sum(each.count for each in digests.values()) for digests in theirs.values()]
        shorter_us = (window.until_us - window.since_us) * _MAX_ROWS // max(1, *counts)
        if max(counts) > 2 * _MAX_ROWS and shorter_us and self._indexed:  # most of it is not remembered
            window.until_us = window.since_us + shorter_us
            return self._compare(window)
        for table in _TABLES:
            ours = {row_id: held for row_id, held in window.ours[table].items() if held[0].us < window.until_us}
            self._compare_table(table, window, ours, theirs[table])
            if self._recent:
                self._repairs.look_for_changes(ours)
        self._state.compared += sum(counts)
        return sum(counts)

    def _compare_table(self, table: Table, window: _Window, ours: Held, theirs: dict[str, Digest]) -> None:
        """What could not be understood is tried again, as if it were missing; so is what another choice left out."""
        by_app: defaultdict[str, Held] = defaultdict(dict)
        for row_id, held in ours.items():
            by_app[held[0].app_id][row_id] = held
        missing: list[str] = []
        again: list[str] = []
        for app_id in sorted(by_app.keys() | theirs.keys()):
            mine = by_app[app_id]
            told = [row_id for row_id, (_, known) in mine.items() if not known.unread]
            left_out = {row_id for row_id, (_, known) in mine.items() if self._is_left_out_by_another(known)}
            if left_out or len(told) < len(mine) or _digest(told) != theirs.get(app_id, _NOTHING):
                there = {key.id for key in self._tables.ids_between(table, app_id, window.since_us, window.until_us)}
                self._deletions.look_at(table, {row_id: mine[row_id] for row_id in mine if row_id not in there})
                missing += sorted((there - mine.keys()) | (there & left_out))
                again += sorted(row_id for row_id in there & mine.keys() if mine[row_id][1].unread)
        self._repairs.pull(table, missing, again)

    def _is_left_out_by_another(self, known: Remembered) -> bool:
        return known.left_out and known.mark != self._choice_mark


def _digest(ids: Iterable[str]) -> Digest:
    """As `Snapshot.digests` makes it."""
    parts = [int(md5(row_id.encode(), usedforsecurity=False).hexdigest()[:15], 16) for row_id in ids]
    return Digest(count=len(parts), hash=sum(parts))
