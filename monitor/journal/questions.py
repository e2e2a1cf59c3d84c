"""What a journal can be asked about ids, sources, and what was given up: no answer changes anything.

Needs readers and nothing else, so it works the same in the process that writes, beside it, and without one. The base
of `monitor.journal.SqliteJournal`. Not here: questions that need the head or the folder (sqlite.py), or many answers as
of one moment (survey.py).
"""

from __future__ import annotations

from collections.abc import Collection

from monitor.journal import find, memories, parked
from monitor.journal.connections import Readers
from monitor.journal.reading import present, read_events
from monitor.model import Coverage, Recorded
from monitor.model.answers import Match, Rejection

__all__ = ["Questions"]


class Questions:
    """Every method may raise Retryable (busy, or the disk fails) and JournalError (closed, damaged)."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers

    def find(self, term: str, limit: int = 20) -> list[Match]:
        """Turns that a conversation's, turn's, message's, run's or trace's id leads to, the earliest first.

        Where no id is the term, those that begin with it, from four characters on.
        """
        with self._readers.connection() as connection:
            return find.find_turns(connection, term, limit)

    def turn_events(self, turn_id: str) -> list[Recorded]:
        """The turn's events by position, each in its newest revision, with content."""
        with self._readers.connection() as connection:
            return find.turn_events(connection, turn_id)

    def turns_of(self, conversation_id: str) -> list[str]:
        """Ids of the conversation's turns in the order in which they began."""
        with self._readers.connection() as connection:
            return find.turns_of(connection, conversation_id)

    def alerts_of(self, turn_id: str) -> list[Recorded]:
        """Changes of alerts that name the turn as evidence, by position."""
        with self._readers.connection() as connection:
            return find.events_named(connection, turn_id, "alert")

    def gaps_of(self, turn_id: str) -> list[Recorded]:
        """What of the turn could not be read, by position."""
        with self._readers.connection() as connection:
            return find.events_named(connection, turn_id, "gap")

    def time_gaps(self) -> list[Recorded]:
        """Stretches of time that could not be read, of no turn in particular, by position."""
        with self._readers.connection() as connection:
            return find.time_gaps(connection)

    def notes_of(self, turn_id: str) -> list[Recorded]:
        """What is known beside the turn, by position, each in its newest revision, with content.

        Ratings, deletions, forms, triggers, and the annotations that were made of it.
        """
        with self._readers.connection() as connection:
            return find.notes_of(connection, turn_id)

    def deleted_turns(self, turn_ids: Collection[str], source: str) -> set[str]:
        """Those of the turns of which the source has said that they were deleted in Dify."""
        with self._readers.connection() as connection:
            return find.deleted_turns(connection, turn_ids, source)

    def configs_of(self, app_id: str, config_hash: str) -> list[Recorded]:
        """What the app was configured to that has this hash, in the order in which it came, with content."""
        with self._readers.connection() as connection:
            return find.configs_of(connection, app_id, config_hash)

    def events_at(self, seqs: Collection[int], *, content: bool) -> list[Recorded]:
        """The events at these positions, by position; positions that hold none are passed over."""
        with self._readers.connection() as connection:
            return read_events(connection, present(connection, seqs), content=content)

    def rejected(
        self, consumer: str | None = None, *, reason: str | None = None, limit: int | None = 1000
    ) -> list[Rejection]:
        """What a consumer, or all of them, gave up on, for one reason or any; the latest first, at most `limit`."""
        with self._readers.connection() as connection:
            return parked.rejections(connection, consumer, reason, -1 if limit is None else limit)

    def rejected_counts(self) -> dict[tuple[str, str], int]:
        """How many events are parked, by consumer and reason."""
        with self._readers.connection() as connection:
            return parked.rejected_counts(connection)

    def dropped_counts(self) -> dict[tuple[str, str], int]:
        """How many parked events were ever dropped, by consumer and reason."""
        with self._readers.connection() as connection:
            return parked.dropped_counts(connection)

    def coverages(self) -> dict[str, Coverage]:
        """How much of what Dify holds is here, by source, as each said last; those that never said it are left out."""
        with self._readers.connection() as connection:
            return memories.coverages(connection)
