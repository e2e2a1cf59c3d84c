"""A journal in memory that keeps the same laws as the one on disk (tests/property/test_journal_laws.py runs both).

For tests of workers, rules, sinks and replay that need no disk. Nothing survives the object; there is one lock, and
content is kept as it came, so nothing here is a proof of anything.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Self

import msgspec

from monitor.errors import JournalError
from monitor.model import (
    COVERAGE_KEY,
    Coverage,
    Event,
    Recorded,
    kind_of,
)
from monitor.model.answers import UNNAMED, Lag, Rejection, Stats
from monitor.model.stored import clean, names_of, same_facts, storable, supersedes
from monitor.ports import Appended, Batch, Clock, Memory, Projection, RejectedEvent
from monitor.testing.memory import DictMemory
from monitor.testing.questions import MemoryQuestions, without_content

__all__ = ["MemoryJournal"]

_BATCH_BYTES = 4_000_000
_LOOK_S = 0.25
_NOTHING: Mapping[str, bytes] = MappingProxyType({})


class MemoryJournal(MemoryQuestions):
    """Implements `monitor.ports.Journal`, with the questions and the errors of `monitor.journal.SqliteJournal`."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._grown = threading.Condition(threading.RLock())
        self._positions: dict[str, bytes] = {}
        self._memories: dict[str, DictMemory] = {}
        self._cursors: dict[str, tuple[int, str]] = {}
        self._projections: dict[str, dict[str, bytes]] = {}
        self._rejected: dict[tuple[str, int], Rejection] = {}
        self._dropped: dict[tuple[str, str], int] = {}

    def close(self) -> None:
        """Wake all who wait."""
        self.ring()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def append(
        self,
        source: str,
        events: Sequence[Event],
        position: bytes | None,
        *,
        remember: Mapping[str, bytes] = _NOTHING,
        forget: Collection[str] = (),
    ) -> Appended:
        """Take events, the source's position and its memory together; `position` None leaves it as it is."""
        with self._grown:
            appended = self._take_in(source, [storable(event) for event in events])
            self._memories.setdefault(source, DictMemory()).keep(remember, forget)
            if position is not None:
                self._positions[source] = position
            return appended

    def memory(self, source: str) -> Memory:
        """What the source remembers."""
        return self._memories.setdefault(source, DictMemory())

    def position(self, source: str) -> bytes | None:
        """The source's last position."""
        return self._positions.get(source)

    def head(self) -> int:
        """The number of events ever appended."""
        return len(self._events)

    def read(
        self,
        consumer: str,
        *,
        limit: int,
        kinds: Collection[str],
        content: bool,
        max_bytes: int = _BATCH_BYTES,
    ) -> Batch:
        """The next events behind the consumer's cursor, at most `limit` and about `max_bytes`, but at least one."""
        start, _ = self.cursor(consumer)
        return self.scan(start, limit=limit, kinds=kinds, content=content, max_bytes=max_bytes)

    def scan(
        self, position: int, *, limit: int, kinds: Collection[str], content: bool, max_bytes: int = _BATCH_BYTES
    ) -> Batch:
        """The events from a position on, as `read` gives them, for those who only look and have no cursor."""
        with self._grown:
            taken: list[Recorded] = []
            room = max_bytes
            for recorded in self._events[position:]:
                if kind_of(recorded.event.body) in kinds:
                    room -= _weight(recorded, content=content)
                    if taken and (len(taken) >= limit or room < 0):
                        return Batch(taken, recorded.seq, behind=True)
                    taken.append(recorded if content else without_content(recorded))
            return Batch(taken, len(self._events), behind=False)

    def cursor(self, consumer: str) -> tuple[int, str]:
        """Position and last state of a consumer; (0, '') when it is new."""
        return self._cursors.get(consumer, (0, ""))

    def advance(
        self,
        consumer: str,
        position: int,
        *,
        rejected: Sequence[RejectedEvent] = (),
        delivered: Sequence[int] = (),
        state: str = "",
    ) -> None:
        """Move the cursor on, park events, forget delivered ones. Raises JournalError where that repeats or skips."""
        with self._grown:
            self._move(consumer, position, state)
            for seq in delivered:
                self._rejected.pop((consumer, seq), None)
            for event in rejected:
                self._park(consumer, event)

    def marked(self, consumer: str, *, content: bool) -> Recorded | None:
        """The consumer's first parked event that a person marked for another delivery; None when there is none."""
        marked = [entry.seq for entry in self.rejected(consumer, limit=None) if entry.retry_at is not None]
        return next(iter(self.events_at(marked, content=content)), None)

    def project(
        self,
        consumer: str,
        *,
        limit: int,
        kinds: Collection[str],
        content: bool,
        apply: Callable[[Sequence[Recorded]], Projection],
    ) -> Batch:
        """Read on and take what `apply` wants changed together with the cursor; nothing changes when it raises."""
        start, state = self.cursor(consumer)
        batch = self.read(consumer, limit=limit, kinds=kinds, content=content)
        change = apply(batch.events)
        with self._grown:
            if self.cursor(consumer) != (start, state):
                raise JournalError(f"{consumer} is read by two at once")
            self._take_in(consumer, [storable(event) for event in change.events])
            kept = self._projections.setdefault(consumer, {})
            for key in change.deletes:
                kept.pop(key, None)
            kept.update(change.puts)
            self._move(consumer, batch.position, state)
        return batch

    def projected(self, consumer: str) -> dict[str, bytes]:
        """Everything that a projection has put and not deleted."""
        return dict(self._projections.get(consumer, {}))

    def wait(self, seen: int, stop: threading.Event, seconds: float) -> None:
        """Wait until `head() > seen`, `stop`, `ring()`, or the seconds are over."""
        left = seconds
        with self._grown:
            while left > 0 and not stop.is_set() and self.head() <= seen:
                if self._grown.wait(min(left, _LOOK_S)):
                    return
                left -= _LOOK_S

    def ring(self) -> None:
        """Wake all threads in `wait`."""
        with self._grown:
            self._grown.notify_all()

    def lag(self, consumer: str) -> Lag:
        """How many events the consumer has not seen, and how long the oldest has been there."""
        start, _ = self.cursor(consumer)
        if start >= self.head():
            return Lag(0, 0)
        return Lag(self.head() - start, max(0, self._clock.now_ns() - self._events[start].recorded_at))

    def stats(self) -> Stats:
        """Size and age of the whole; the size is that of keys, bodies and content."""
        size = sum(_weight(recorded, content=True) for recorded in self._events)
        return Stats(size, self.head(), self._events[0].recorded_at if self._events else None)

    def rejected(
        self, consumer: str | None = None, *, reason: str | None = None, limit: int | None = 1000
    ) -> list[Rejection]:
        """What a consumer, or all of them, gave up on, for one reason or any; the latest first."""
        found = [
            entry
            for entry in self._rejected.values()
            if consumer in (None, entry.consumer) and reason in (None, entry.reason)
        ]
        return sorted(found, key=lambda entry: (-entry.at, entry.consumer, entry.seq))[:limit]

    def rejected_counts(self) -> dict[tuple[str, str], int]:
        """How many events are parked, by consumer and reason."""
        counts: dict[tuple[str, str], int] = {}
        for entry in self._rejected.values():
            counts[entry.consumer, entry.reason] = counts.get((entry.consumer, entry.reason), 0) + 1
        return counts

    def dropped_counts(self) -> dict[tuple[str, str], int]:
        """How many parked events were ever dropped, by consumer and reason."""
        return dict(self._dropped)

    def mark(self, entries: Collection[tuple[str, int]]) -> int:
        """Mark parked events, by consumer and position, for another delivery; how many could be."""
        with self._grown:
            known = [entry for name in set(entries) if (entry := self._rejected.get(name)) and entry.reason != UNNAMED]
            for entry in known:
                marked = msgspec.structs.replace(entry, retry_at=self._clock.now_ns())
                self._rejected[entry.consumer, entry.seq] = marked
            return len(known)

    def drop(self, entries: Collection[tuple[str, int]]) -> int:
        """Give parked events up for good, by consumer and position, and count them; how many there were."""
        with self._grown:
            gone = [self._rejected.pop(name) for name in set(entries) if name in self._rejected]
            for entry in gone:
                self._dropped[entry.consumer, entry.reason] = self._dropped.get((entry.consumer, entry.reason), 0) + 1
            return len(gone)

    def coverages(self) -> dict[str, Coverage]:
        """How much of what Dify holds is here, by source, as each said last; those that never said it are left out."""
        found: dict[str, Coverage] = {}
        for source, memory in self._memories.items():
            said = memory.get([COVERAGE_KEY]).get(COVERAGE_KEY)
            if said is not None:
                with contextlib.suppress(msgspec.DecodeError):
                    found[source] = msgspec.json.decode(said, type=Coverage)
        return found

    def erase(self, key: str, fields: Collection[str] | None = None) -> int:
        """Forget content of an event in all its revisions, all fields or those named; how many values went."""
        with self._grown:
            gone = 0
            for seq, recorded in enumerate(self._events):
                if recorded.event.key != key:
                    continue
                content = recorded.event.content
                going = content.keys() if fields is None else content.keys() & set(fields)
                gone += len(going)
                self._events[seq] = _without(recorded, going)
            return gone

    def erase_turns(self, turn_ids: Collection[str]) -> int:
        """As `erase`, for all events of these turns and the facts beside them; how many values went."""
        of_turns = [each for turn_id in turn_ids for each in (*self.turn_events(turn_id), *self.notes_of(turn_id))]
        return sum(self.erase(recorded.event.key) for recorded in of_turns)

    def _take_in(self, source: str, events: Iterable[Event]) -> Appended:
        """Append what is news."""
        new = revised = known = 0
        at = self._clock.now_ns()
        for event in events:
            seq = self._newest.get(event.key)
            if seq is None:
                self._put(Recorded(len(self._events), 0, source, at, event))
                new += 1
                continue
            revision = self._revision(seq, source, at, event)
            if revision is None:
                known += 1
            else:
                self._put(revision)
                revised += 1
        return Appended(new, revised, known)

    def _revision(self, seq: int, source: str, at: int, event: Event) -> Recorded | None:
        """The event as a revision of the one at `seq`; None when it says nothing new, or is the poorer."""
        newest = self._events[seq]
        erased = {field for each in self._events if each.event.key == event.key for field in each.erased}
        content = {field: text for field, text in event.content.items() if field not in erased}
        if not supersedes(event, newest.event.rank, newest.event.changed_at):
            return None
        if content == newest.event.content and same_facts(event.body, newest.event.body):
            return None
        kept = msgspec.structs.replace(event, content=content)
        return Recorded(len(self._events), newest.revision + 1, source, at, kept, tuple(sorted(erased)))

    def _put(self, recorded: Recorded) -> None:
        """Append one and wake all who wait."""
        self._events.append(recorded)
        self._newest[recorded.event.key] = recorded.seq
        self._names.update(names_of(recorded.event))
        self._grown.notify_all()

    def _move(self, consumer: str, position: int, state: str) -> None:
        """Move a cursor forward."""
        at, _ = self.cursor(consumer)
        if not at <= position <= self.head():
            raise JournalError(f"{consumer} can't go from {at} to {position} in a journal of {self.head()} events")
        self._cursors[consumer] = (position, state)

    def _park(self, consumer: str, event: RejectedEvent) -> None:
        """Write down an event that was given up, once more if it was before."""
        before = self._rejected.get((consumer, event.seq))
        attempts = 1 if before is None else before.attempts + 1
        self._rejected[consumer, event.seq] = Rejection(
            consumer, event.seq, clean(event.reason), clean(event.detail), attempts, self._clock.now_ns()
        )


def _weight(recorded: Recorded, *, content: bool) -> int:
    """About what the event would take on disk."""
    texts = sum(len(text.encode()) for text in recorded.event.content.values()) if content else 0
    return len(msgspec.json.encode(recorded.event.body)) + len(recorded.event.key) + texts


def _without(recorded: Recorded, fields: Collection[str]) -> Recorded:
    """The event with these fields erased."""
    content = {field: text for field, text in recorded.event.content.items() if field not in fields}
    erased = tuple(sorted({*recorded.erased, *fields}))
    return msgspec.structs.replace(
        recorded, event=msgspec.structs.replace(recorded.event, content=content), erased=erased
    )
