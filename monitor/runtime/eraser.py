"""Erases the content of turns that were deleted in Dify: a worker, hired where a source's `on_source_delete` says so.

It reads all that is said of turns, not deletions alone: what still comes of a turn after its deletion (a step that was
read late, a rating) is erased as well. Facts, hashes and the proof stay. Doing it twice changes nothing, so a crash
between the erasure and the cursor is harmless.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any, Protocol

from monitor.errors import MonitorError
from monitor.metrics.own import SelfMetrics
from monitor.model import Recorded, StepEnded, TurnEnded, TurnStarted
from monitor.model.stored import NOTE_KINDS, noted_turn
from monitor.ports import Journal
from monitor.runtime.worker import Outcome

__all__ = ["ErasableJournal", "Eraser"]

_KINDS = ("turn_started", "step_ended", "turn_ended", *NOTE_KINDS)
_AT_ONCE = 500
_RETRY_S = 5.0


class ErasableJournal(Journal, Protocol):
    """A journal that knows what was deleted, and can erase. Every method may raise MonitorError."""

    def deleted_turns(self, turn_ids: Collection[str], source: str) -> set[str]:
        """Those of the turns of which the source has said that they were deleted in Dify."""
        ...

    def erase_turns(self, turn_ids: Collection[str]) -> int:
        """Erase the content of these turns and of the facts beside them; how many values went."""
        ...


class Eraser:
    """Implements `monitor.runtime.worker.Worker` for the deletions that one source tells."""

    def __init__(self, journal: ErasableJournal, source: str, own: SelfMetrics, logger: Any) -> None:
        self.name = f"erase:{source}"
        self._journal, self._source, self._own, self._logger = journal, source, own, logger

    def step(self) -> Outcome:
        """Look at the next events; what was deleted of their turns goes before the cursor moves."""
        try:
            batch = self._journal.read(self.name, limit=_AT_ONCE, kinds=_KINDS, content=False)
            self._erase(batch.events)
            self._journal.advance(self.name, batch.position)
        except MonitorError as exc:
            return Outcome(retry_in_s=_RETRY_S, error=exc)
        return Outcome(progressed=batch.behind)

    def _erase(self, events: Sequence[Recorded]) -> None:
        turns = set(_turns_of(events))
        deleted = self._journal.deleted_turns(turns, self._source) if turns else set()
        values = self._journal.erase_turns(sorted(deleted)) if deleted else 0
        if values:
            self._own.content_erased.labels(self._source).inc(values)
            self._logger.info("content_erased", turns=len(deleted), texts=values, action="as they were deleted in Dify")


def _turns_of(events: Sequence[Recorded]) -> Iterator[str]:
    """The turns that the events are of or about."""
    for recorded in events:
        body = recorded.event.body
        if isinstance(body, TurnStarted | StepEnded | TurnEnded):
            yield body.turn.turn_id
        elif noted := noted_turn(body, recorded.event.occurred_at):
            yield noted.turn_id
