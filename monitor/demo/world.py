"""A small Dify: its tables in memory, and the recording that goes on in them as time passes.

Whoever looks finds the tables as they are at that moment: all commits that are due have been made. The demo's source
reads it through `MemoryTables`, as it would read a database.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from monitor.demo.recording import Commit, Recording, Row, moved, renewed
from monitor.demo.set_up import answer
from monitor.sources.dify_database.memory import MemoryTables

__all__ = ["LiveTables", "Play", "World"]

_SECOND_US = 1_000_000
_PAUSE_US = 3 * _SECOND_US
"""Between two rounds."""
_ROUNDS_KEPT = 5
"""Rounds whose rows stay. Together they are longer than the source looks back, which is two minutes."""


class World:
    """Rows under their ids, under their tables."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[str, Row]] = {}

    def settle(self, recording: Recording) -> None:
        """Put down what is there before anything happens."""
        for table, rows in recording.lookups.items():
            for row in rows:
                self._table(table)[row["id"] or ""] = row

    def apply(self, commit: Commit) -> None:
        """Make the commit's changes."""
        for change in commit.changes:
            rows = self._table(change.table)
            if change.op == "delete":
                rows.pop(change.row_id, None)
            else:
                rows[change.row_id] = {**rows.get(change.row_id, {}), **change.row}

    def forget(self, recording: Recording) -> None:
        """Drop all rows that the recording's commits brought."""
        for commit in recording.commits:
            for change in commit.changes:
                self._table(change.table).pop(change.row_id, None)

    def _table(self, name: str) -> dict[str, Row]:
        return self.tables.setdefault(name, {})


class Play:
    """Rounds of a recording, one behind the other, each with ids of its own."""

    def __init__(self, recording: Recording, begin_us: int, edition: Callable[[int], str], rounds: int | None) -> None:
        """The first commit is at `begin_us`, or less than a second later. `edition` names the ids of round 0, 1, ...

        `rounds`: how many; None never ends.
        """
        self.world = World()
        self._recording, self._edition, self._rounds = recording, edition, rounds
        self._waiting: deque[Commit] = deque()
        self._played: deque[Recording] = deque()
        self._begun = 0
        self._next_us = begin_us
        self.world.settle(beginning_at(recording, begin_us))

    def go_to(self, now_us: int) -> None:
        """Make all commits that are due. Rounds that nobody looked at, as while a laptop slept, are left out."""
        while True:
            while self._waiting and self._waiting[0].at_us <= now_us:
                self.world.apply(self._waiting.popleft())
            if self._waiting or self._begun == self._rounds or self._next_us > now_us:
                return
            self._begin(now_us)

    def _begin(self, now_us: int) -> None:
        """The next round."""
        length = self._recording.ends_us - self._recording.begins_us
        begin_us = self._next_us if now_us - self._next_us <= length else now_us
        round_ = beginning_at(renewed(self._recording, self._edition(self._begun)), begin_us)
        self._waiting.extend(round_.commits)
        self._played.append(round_)
        if len(self._played) > _ROUNDS_KEPT:
            self.world.forget(self._played.popleft())
        self._begun += 1
        self._next_us = round_.ends_us + _PAUSE_US


def beginning_at(recording: Recording, begin_us: int) -> Recording:
    """The recording moved by whole seconds, so that it begins at that time or less than a second later."""
    seconds = -((recording.begins_us - begin_us) // _SECOND_US)
    return moved(recording, seconds * _SECOND_US)


class LiveTables(MemoryTables):
    """`MemoryTables` over a play that goes on whenever somebody looks."""

    def __init__(self, play: Play, now_us: Callable[[], int]) -> None:
        super().__init__(play.world.tables, now_us)
        self._play = play

    @contextmanager
    def snapshot(self) -> Iterator[MemoryTables]:
        """The tables as they are now; they stay so until somebody looks again."""
        self._play.go_to(self.now_us())
        yield self

    def ask(self, name: str, **values: Any) -> list[tuple[Any, ...]]:
        """How the apps are set up; nothing else is kept beside the turns."""
        return answer(self._play.world.tables, name, values)
