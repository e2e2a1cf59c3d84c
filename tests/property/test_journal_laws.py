"""The laws of `monitor.ports.Journal`, walked at random over both journals, with death at any statement.

The expectation is a list of revisions and a few dicts. A death is that of `kill -9`: before some statement of a
transaction the files are copied as they are, and the copy is opened; nothing gets a chance to tidy up.
"""

from __future__ import annotations

import copy
import shutil
import sqlite3
import tempfile
import threading
import types
import typing
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from monitor.journal import SqliteJournal
from monitor.model import Body, Event, Recorded, SourceGap, TurnStarted, kind_of
from monitor.model.stored import canonical, storable
from monitor.ports import Appended, Projection, RejectedEvent
from monitor.testing.journal import MemoryJournal
from monitor.testing.samples import turn_ref

FAST_DISK = "/dev/shm" if Path("/dev/shm").is_dir() else None
KINDS = ("turn_started", "source_gap")
FIELDS = ("input", "output")

EVENTS = st.builds(
    Event,
    key=st.sampled_from(["a", "b", "c", "d:turn:started"]),
    rank=st.integers(1, 2),
    changed_at=st.integers(0, 2),
    occurred_at=st.integers(0, 1),
    body=st.builds(SourceGap, what=st.sampled_from("xy"), reason=st.just("r")) | st.just(TurnStarted(turn_ref())),
    content=st.dictionaries(st.sampled_from(FIELDS), st.sampled_from(["", "1", "2"])),
)
PAGES = st.lists(EVENTS, max_size=5)
NOTES = ("k", "m/1", "m/2", "n")
REMEMBERED = st.dictionaries(st.sampled_from(NOTES), st.binary(max_size=3), max_size=3)
FORGOTTEN = st.lists(st.sampled_from(NOTES), max_size=2)
SOURCES = ("dify", "push")
CONSUMERS = st.sampled_from(["one", "two"])
WANTED = st.sampled_from([KINDS, ("source_gap",)])
LIMITS = st.integers(1, 4)


class ManualClock:
    ns = 1000

    def now_ns(self) -> int:
        return self.ns

    def monotonic(self) -> float:
        return 0.0

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        return stop.is_set()


class Killed(BaseException):
    """The process is dead; nothing catches this but the test."""


class Mortal:
    """A connection that dies before its `lives`th statement."""

    def __init__(self, real: sqlite3.Connection, lives: int, die) -> None:
        self._real, self._lives, self._die = real, lives, die

    def execute(self, *args):
        if self._lives == 0:
            self._die()
        if self._lives <= 0:
            self._lives = -1
            raise Killed
        self._lives -= 1
        return self._real.execute(*args)

    def __getattr__(self, name):
        return getattr(self._real, name)


class Expected:
    """What the journal must hold."""

    def __init__(self) -> None:
        self.log: list[Recorded] = []
        self.erased: dict[str, set[str]] = {}
        self.positions: dict[str, bytes] = {}
        self.memories: dict[str, dict[str, bytes]] = {source: {} for source in SOURCES}
        self.cursors: dict[str, tuple[int, str]] = {}
        self.counts: dict[str, bytes] = {}
        self.rejected: dict[tuple[str, int], int] = {}
        self.marked: set[tuple[str, int]] = set()
        self.dropped: dict[tuple[str, str], int] = {}

    def next_marked(self, consumer: str) -> int | None:
        there = (seq for name, seq in self.marked if name == consumer and seq < len(self.log))
        return min(there, default=None)

    def park(self, consumer: str, seq: int) -> None:
        self.rejected[consumer, seq] = self.rejected.get((consumer, seq), 0) + 1
        self.marked.discard((consumer, seq))

    def forget(self, consumer: str, seq: int) -> None:
        self.rejected.pop((consumer, seq), None)
        self.marked.discard((consumer, seq))

    def append(self, source: str, page: list[Event], position: bytes | None, at: int) -> Appended:
        outcome = [self._take(source, event, at) for event in page]
        if position is not None:
            self.positions[source] = position
        return Appended(outcome.count("new"), outcome.count("revised"), outcome.count("known"))

    def keep(self, source: str, remember: dict[str, bytes], forget: list[str]) -> None:
        kept = {key: value for key, value in self.memories[source].items() if key not in forget}
        self.memories[source] = kept | remember

    def _take(self, source: str, event: Event, at: int) -> str:
        gone = self.erased.get(event.key, set())
        kept = {field: text for field, text in event.content.items() if field not in gone}
        revisions = [recorded for recorded in self.log if recorded.event.key == event.key]
        if revisions:
            last = revisions[-1].event
            poorer = (event.rank, event.changed_at) < (last.rank, last.changed_at)
            if poorer or (event.body, kept) == (last.body, last.content):
                return "known"
        event = msgspec.structs.replace(event, content=kept)
        # Only a revision can come after an erasure, so what it leaves out is named as erased.
        self.log.append(Recorded(len(self.log), len(revisions), source, at, event, tuple(sorted(gone))))
        return "revised" if revisions else "new"

    def erase(self, key: str, fields: list[str]) -> int:
        gone = 0
        for seq, recorded in enumerate(self.log):
            going = recorded.event.content.keys() & set(fields) if recorded.event.key == key else set()
            if going:
                content = {field: text for field, text in recorded.event.content.items() if field not in going}
                event = msgspec.structs.replace(recorded.event, content=content)
                erased = tuple(sorted({*recorded.erased, *going}))
                self.log[seq] = msgspec.structs.replace(recorded, event=event, erased=erased)
                self.erased.setdefault(key, set()).update(going)
                gone += len(going)
        return gone

    def wanted(self, start: int, stop: int, kinds: tuple[str, ...]) -> list[Recorded]:
        return [
            recorded
            for recorded in self.log[start:stop]
            if ("turn_started" if isinstance(recorded.event.body, TurnStarted) else "source_gap") in kinds
        ]


class JournalLaws(RuleBasedStateMachine):
    """Every walk over a journal, for one that can't die."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.expected = Expected()
        self.journal: Any = self.open()

    def open(self):
        return MemoryJournal(self.clock)

    def teardown(self) -> None:
        self.journal.close()

    @initialize(page=PAGES)
    def start(self, page) -> None:
        self.append("dify", page, b"first")

    @rule(
        source=st.sampled_from(SOURCES),
        page=PAGES,
        position=st.none() | st.binary(max_size=2),
        remember=REMEMBERED,
        forget=FORGOTTEN,
    )
    def append(self, source, page, position, remember=None, forget=()) -> None:
        """With events or without, each with a memory or without."""
        self.clock.ns += 1
        told = self.journal.append(source, page, position, remember=remember or {}, forget=forget)
        assert told == self.expected.append(source, page, position, self.clock.ns)
        self.expected.keep(source, remember or {}, forget)

    @rule(page=PAGES, remember=REMEMBERED, forget=FORGOTTEN)
    def append_twice(self, page, remember, forget) -> None:
        """An answer that got lost: the source reads the same page again, and nothing comes of it."""
        page = list({event.key: event for event in page}.values())
        self.append("dify", page, b"once", remember, forget)
        again = self.journal.append("dify", page, b"once", remember=remember, forget=forget)
        assert again == Appended(known=len(page))

    @rule(
        consumer=CONSUMERS,
        limit=LIMITS,
        kinds=WANTED,
        max_bytes=st.sampled_from([1, 900, 4_000_000]),
        done=st.sampled_from([None, "", "s"]),
    )
    def consume(self, consumer, limit, kinds, max_bytes, done) -> None:
        """Read, and get it over the line with a state, or not."""
        start, _ = self.expected.cursors.get(consumer, (0, ""))
        batch = self.journal.read(consumer, limit=limit, kinds=kinds, content=True, max_bytes=max_bytes)
        assert list(batch.events) == self.expected.wanted(start, batch.position, kinds)
        assert len(batch.events) <= limit
        assert batch.behind == (batch.position < len(self.expected.log))
        assert batch.position > start or not batch.behind
        if done is not None:
            rejected = [RejectedEvent(recorded.seq, "refused", "") for recorded in batch.events[:1]]
            self.journal.advance(consumer, batch.position, rejected=rejected, state=done)
            self.expected.cursors[consumer] = (batch.position, done)
            for event in rejected:
                self.expected.park(consumer, event.seq)

    @rule(consumer=CONSUMERS, seqs=st.lists(st.integers(0, 12), max_size=3))
    def mark(self, consumer, seqs) -> None:
        known = {(consumer, seq) for seq in seqs} & self.expected.rejected.keys()
        assert self.journal.mark([(consumer, seq) for seq in seqs]) == len(known)
        self.expected.marked |= known

    @rule(consumer=CONSUMERS, state=st.sampled_from(["s", "t"]), taken=st.booleans())
    def deliver_again(self, consumer, state, taken) -> None:
        """What was marked leaves the list, or stays on it with another attempt; the cursor stays where it is."""
        marked = self.journal.marked(consumer, content=True)
        assert (None if marked is None else marked.seq) == self.expected.next_marked(consumer)
        if marked is None:
            return
        assert marked == self.expected.log[marked.seq]
        position, _ = self.expected.cursors.get(consumer, (0, ""))
        if taken:
            self.journal.advance(consumer, position, delivered=[marked.seq], state=state)
            self.expected.forget(consumer, marked.seq)
        else:
            refused = RejectedEvent(marked.seq, "refused", "again")
            self.journal.advance(consumer, position, rejected=[refused], state=state)
            self.expected.park(consumer, marked.seq)
        self.expected.cursors[consumer] = (position, state)

    @rule(consumer=CONSUMERS, seqs=st.lists(st.integers(0, 12), max_size=3))
    def drop(self, consumer, seqs) -> None:
        known = {(consumer, seq) for seq in seqs} & self.expected.rejected.keys()
        assert self.journal.drop([(consumer, seq) for seq in seqs]) == len(known)
        for _, seq in known:
            self.expected.forget(consumer, seq)
            self.expected.dropped[consumer, "refused"] = self.expected.dropped.get((consumer, "refused"), 0) + 1

    @rule(key=st.sampled_from("abc"), fields=st.lists(st.sampled_from(FIELDS), min_size=1, unique=True))
    def erase(self, key, fields) -> None:
        assert self.journal.erase(key, fields) == self.expected.erase(key, fields)

    def tally(self, events, derived) -> Projection:
        """Count each event under its position: one that is seen twice shows."""
        counts = dict(self.journal.projected("counts"))
        puts = {str(recorded.seq): bytes([*counts.get(str(recorded.seq), b""), 1]) for recorded in events}
        return Projection(puts=puts, events=derived if events else ())

    def projected(self, position, events, derived) -> None:
        """What a projection that got through must leave."""
        self.expected.append("counts", derived if events else [], None, self.clock.ns)
        self.expected.counts |= {str(recorded.seq): b"\x01" for recorded in events}
        self.expected.cursors["counts"] = (position, "")

    @rule(limit=LIMITS, kinds=WANTED, derived=PAGES)
    def project(self, limit, kinds, derived) -> None:
        self.clock.ns += 1
        start, _ = self.expected.cursors.get("counts", (0, ""))
        batch = self.journal.project(
            "counts", limit=limit, kinds=kinds, content=True, apply=lambda events: self.tally(events, derived)
        )
        assert list(batch.events) == self.expected.wanted(start, batch.position, kinds)
        self.projected(batch.position, batch.events, derived)

    @rule(limit=LIMITS)
    def project_and_fail(self, limit) -> None:
        def fail(events):
            raise Killed

        try:
            self.journal.project("counts", limit=limit, kinds=KINDS, content=False, apply=fail)
        except Killed:
            return
        raise AssertionError("the failure was swallowed")

    @invariant()
    def it_holds_what_it_should(self) -> None:
        head = len(self.expected.log)
        assert self.journal.head() == head
        batch = self.journal.read("fresh", limit=10_000, kinds=KINDS, content=True)
        assert list(batch.events) == self.expected.log
        for source in SOURCES:
            assert self.journal.position(source) == self.expected.positions.get(source)
            self.it_remembers(source)
        for consumer in ("one", "two", "counts"):
            assert self.journal.cursor(consumer) == self.expected.cursors.get(consumer, (0, ""))
            behind = head - self.expected.cursors.get(consumer, (0, ""))[0]
            assert self.journal.lag(consumer).events == behind
        assert self.journal.projected("counts") == self.expected.counts
        parked = {(entry.consumer, entry.seq): entry.attempts for entry in self.journal.rejected()}
        assert parked == self.expected.rejected
        marked = {(entry.consumer, entry.seq) for entry in self.journal.rejected() if entry.retry_at is not None}
        assert marked == self.expected.marked
        assert self.journal.dropped_counts() == self.expected.dropped

    def it_remembers(self, source) -> None:
        memory, kept = self.journal.memory(source), self.expected.memories[source]
        assert memory.between("", "~", 100) == sorted(kept.items())
        assert (
            memory.between("m/", "m0", 1)
            == sorted(kept.items() & {("m/1", kept.get("m/1")), ("m/2", kept.get("m/2"))})[:1]
        )
        assert memory.get(["k", "n", "never"]) == {key: kept[key] for key in ("k", "n") if key in kept}

    @invariant()
    def a_poorer_revision_never_follows_a_better_one(self) -> None:
        best: dict[str, tuple[int, int]] = {}
        for recorded in self.journal.read("fresh", limit=10_000, kinds=KINDS, content=False).events:
            order = (recorded.event.rank, recorded.event.changed_at)
            assert order >= best.get(recorded.event.key, order)
            best[recorded.event.key] = order


class SqliteLaws(JournalLaws):
    """The same walks, and death."""

    def __init__(self) -> None:
        self.folder = tempfile.TemporaryDirectory(dir=FAST_DISK)
        self.lifetimes = 0
        super().__init__()

    @property
    def path(self) -> Path:
        return Path(self.folder.name) / str(self.lifetimes)

    def open(self):
        return SqliteJournal.open(self.path, self.clock, min_free_bytes=0)

    def teardown(self) -> None:
        super().teardown()
        self.folder.cleanup()

    def save_files(self) -> None:
        """What a `kill -9` at this moment leaves on disk."""
        left = self.path
        self.lifetimes += 1
        shutil.copytree(left, self.path, ignore=shutil.ignore_patterns("lock", "*-shm"))

    def reborn(self) -> None:
        """Clear away the dead process and start the next one on what it left."""
        self.journal.close()
        self.journal = self.open()

    def mortal(self, lives: int) -> None:
        writer = self.journal._writer
        writer._connection = Mortal(writer._connection, lives, self.save_files)

    @rule()
    def close_and_open(self) -> None:
        self.journal.close()
        self.journal = self.open()

    @rule()
    def killed_between_transactions(self) -> None:
        self.save_files()
        self.reborn()

    @rule(page=PAGES, remember=REMEMBERED, forget=FORGOTTEN, lives=st.integers(0, 15))
    def killed_while_appending(self, page, remember, forget, lives) -> None:
        """The page, its position and what is remembered of it are there together or not at all."""
        self.clock.ns += 1
        before = copy.deepcopy(self.expected)
        after = self.expected.append("dify", page, b"dying", self.clock.ns)
        self.expected.keep("dify", remember, forget)
        self.mortal(lives)
        try:
            assert self.journal.append("dify", page, b"dying", remember=remember, forget=forget) == after
        except Killed:
            self.expected = before
            self.reborn()
        else:
            self.journal._writer._connection = self.journal._writer._connection._real

    @precondition(lambda self: self.expected.log)
    @rule(limit=LIMITS, derived=PAGES, lives=st.integers(0, 14))
    def killed_while_projecting(self, limit, derived, lives) -> None:
        """A projection's values, its events and its cursor are there together or not at all."""
        self.clock.ns += 1
        self.mortal(lives)
        try:
            batch = self.journal.project(
                "counts", limit=limit, kinds=KINDS, content=True, apply=lambda events: self.tally(events, derived)
            )
        except Killed:
            self.reborn()
        else:
            self.journal._writer._connection = self.journal._writer._connection._real
            self.projected(batch.position, batch.events, derived)

    @rule(lives=st.integers(0, 5))
    def killed_while_advancing(self, lives) -> None:
        head = len(self.expected.log)
        self.mortal(lives)
        try:
            self.journal.advance("one", head, state="dying", rejected=[RejectedEvent(10**6, "refused", "")])
        except Killed:
            self.reborn()
        else:
            self.journal._writer._connection = self.journal._writer._connection._real
            self.expected.cursors["one"] = (head, "dying")
            self.expected.park("one", 10**6)

    @rule(lives=st.integers(0, 5))
    def killed_while_delivering_again(self, lives) -> None:
        """The entry goes with the state that its delivery led to, or neither does."""
        seq = self.expected.next_marked("one")
        if seq is None:
            return
        position, _ = self.expected.cursors.get("one", (0, ""))
        self.mortal(lives)
        try:
            self.journal.advance("one", position, delivered=[seq], state="dying")
        except Killed:
            self.reborn()
        else:
            self.journal._writer._connection = self.journal._writer._connection._real
            self.expected.cursors["one"] = (position, "dying")
            self.expected.forget("one", seq)

    @rule(seqs=st.lists(st.integers(0, 12), min_size=1, max_size=3), lives=st.integers(0, 8))
    def killed_while_dropping(self, seqs, lives) -> None:
        """What is gone is counted."""
        known = {("one", seq) for seq in seqs} & self.expected.rejected.keys()
        self.mortal(lives)
        try:
            assert self.journal.drop([("one", seq) for seq in seqs]) == len(known)
        except Killed:
            self.reborn()
        else:
            self.journal._writer._connection = self.journal._writer._connection._real
            for _, seq in known:
                self.expected.forget("one", seq)
                self.expected.dropped["one", "refused"] = self.expected.dropped.get(("one", "refused"), 0) + 1


TestMemoryJournal = JournalLaws.TestCase
TestMemoryJournal.settings = settings(stateful_step_count=30)
TestSqliteJournal = SqliteLaws.TestCase
TestSqliteJournal.settings = settings(stateful_step_count=30)


TEXT = st.text(st.characters(), max_size=20)
PRIMITIVES = {str: TEXT, int: st.integers(-(2**80), 2**80), float: st.floats(), bool: st.booleans()}


def anything(kind: Any) -> st.SearchStrategy:
    """Any value that the annotation allows, hostile ones first."""
    kind = getattr(kind, "__value__", kind)
    if kind in PRIMITIVES:
        return PRIMITIVES[kind]
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return st.builds(kind, **{field.name: anything(field.type) for field in msgspec.structs.fields(kind)})
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return st.sampled_from(inner)
    if origin is tuple:
        return st.lists(anything(inner[0]), max_size=2).map(tuple)
    if origin is dict:
        return st.dictionaries(anything(inner[0]), anything(inner[1]), max_size=2)
    if origin in (typing.Union, types.UnionType):
        return st.one_of([st.none() if each is type(None) else anything(each) for each in inner])
    raise TypeError(kind)


BODIES = st.one_of([anything(kind) for kind in typing.get_args(Body)])


@given(body=BODIES, key=TEXT, content=st.dictionaries(TEXT, TEXT, max_size=3))
def test_whatever_the_model_can_say_is_stored_read_back_and_known_again(body, key, content):
    """No text, number or absence makes an event unstorable, unreadable, or news the second time."""
    event = Event(key, 1, 2, 3, body, content)
    with tempfile.TemporaryDirectory(dir=FAST_DISK) as folder:
        for journal in (SqliteJournal.open(folder, ManualClock(), min_free_bytes=0), MemoryJournal(ManualClock())):
            with journal:
                assert journal.append("s", [event], b"") == Appended(new=1)
                assert journal.append("s", [event], b"") == Appended(known=1)
                (recorded,) = journal.read("c", limit=1, kinds=[kind_of(body)], content=True).events
                assert recorded.event == storable(event)


@given(body=BODIES)
def test_what_was_stored_once_is_stored_the_same_again(body):
    assert canonical(canonical(body)) == canonical(body)
