"""Opening, closing, reading beside a writer, and what is not a journal."""

from __future__ import annotations

import shutil
import sqlite3
import threading

import pytest

from monitor.errors import ConfigError, JournalDamaged, JournalError, JournalFull, Retryable
from monitor.journal import SqliteJournal, connections, layout
from monitor.ports import Journal, Projection
from monitor.testing import samples
from monitor.testing.journal import MemoryJournal
from tests.unit.journal.conftest import KINDS
from tests.unit.journal.test_append import everything, step_event


def opened(path, clock, **asked):
    return SqliteJournal.open(path, clock, **({"min_free_bytes": 0} | asked))


def damaged(path, clock):
    with pytest.raises(JournalDamaged) as caught:
        opened(path, clock)
    return str(caught.value)


def test_both_journals_fit_the_port_and_each_other():
    def public(cls):
        return {name for name in dir(cls) if not name.startswith("_")}

    assert public(SqliteJournal) - {"open"} == public(MemoryJournal)
    assert {name for name in vars(Journal) if not name.startswith("_")} <= public(MemoryJournal)


def test_what_was_committed_is_there_after_reopening(tmp_path, clock):
    page = [recorded.event for recorded in samples.agent_turn()]
    with opened(tmp_path / "j", clock) as journal:
        journal.append("dify", page, b"p")
        journal.project("p", limit=2, kinds=KINDS, content=True, apply=lambda _: Projection(puts={"a": b"1"}))
        before = everything(journal)
    assert sorted(path.name for path in (tmp_path / "j").iterdir()) == ["journal.db", "lock"]
    with opened(tmp_path / "j", clock) as journal:
        assert everything(journal) == before
        assert (journal.head(), journal.position("dify"), journal.cursor("p")) == (5, b"p", (2, ""))
        assert journal.projected("p") == {"a": b"1"}
        journal.append("dify", [step_event(key="new")], None)
        assert everything(journal)[-1].seq == 5


def test_positions_are_never_given_twice_even_when_rows_are_gone(tmp_path, clock):
    with opened(tmp_path / "j", clock) as journal:
        journal.append("dify", [recorded.event for recorded in samples.agent_turn()], None)
        with journal._writer.transaction() as connection:
            connection.execute("DELETE FROM events")
        assert journal.stats().oldest_recorded_at is None
        journal.append("dify", [step_event(key="new")], None)
        assert journal.head() == 6
        assert journal.stats().events == 1
    with opened(tmp_path / "j", clock) as journal:
        assert journal.head() == 6


def test_closing_twice_is_fine_and_afterwards_nothing_works(tmp_path, clock):
    journal = opened(tmp_path / "j", clock)
    journal.close()
    journal.close()
    with pytest.raises(JournalError, match="closed"):
        journal.cursor("c")
    with pytest.raises(JournalError, match="closed"):
        journal.append("dify", [step_event()], None)


def test_a_reader_beside_a_writer_sees_what_is_committed(tmp_path, clock, disk):
    with opened(tmp_path / "journal", clock, read_only=True) as reader:
        assert reader.head() == 0
        disk.append("dify", [step_event()], b"p")
        assert reader.head() == 1
        assert everything(reader) == everything(disk)
        reader.wait(0, threading.Event(), 3600)
        assert reader.lag("c").events == 1


def test_a_reader_changes_nothing(tmp_path, clock, disk):
    disk.append("dify", [step_event(content={"input": "a"})], b"p")
    with opened(tmp_path / "journal", clock, read_only=True) as reader:
        for write in (
            lambda: reader.append("dify", [step_event(key="b")], None),
            lambda: reader.advance("c", 1),
            lambda: reader.erase(step_event().key),
            lambda: reader.project("c", limit=1, kinds=KINDS, content=False, apply=lambda _: Projection()),
        ):
            with pytest.raises(JournalError, match="opened to read"):
                write()


def test_a_closed_or_killed_journal_can_be_read(tmp_path, clock):
    with opened(tmp_path / "j", clock) as journal:
        journal.append("dify", [step_event()], b"p")
        shutil.copytree(tmp_path / "j", tmp_path / "killed", ignore=shutil.ignore_patterns("*-shm", "lock"))
        killed = everything(journal)
    for name in ("j", "killed"):
        with opened(tmp_path / name, clock, read_only=True) as reader:
            assert everything(reader) == killed


def test_a_copy_on_a_read_only_disk_can_be_read(tmp_path, clock):
    """Of use where tests do not run as root, whom no mode stops."""
    with opened(tmp_path / "j", clock) as journal:
        journal.append("dify", [step_event()], b"p")
        held = everything(journal)
    (tmp_path / "j" / "journal.db").chmod(0o400)
    (tmp_path / "j").chmod(0o500)
    try:
        with opened(tmp_path / "j", clock, read_only=True) as reader:
            assert everything(reader) == held
    finally:
        (tmp_path / "j").chmod(0o700)


def test_where_there_is_no_journal_a_reader_says_so_and_makes_none(tmp_path, clock):
    with pytest.raises(ConfigError, match="there is no journal"):
        opened(tmp_path / "j", clock, read_only=True)
    assert list(tmp_path.iterdir()) == []


def test_a_database_of_another_program_is_left_alone(tmp_path, clock):
    (tmp_path / "j").mkdir()
    other = sqlite3.connect(tmp_path / "j" / "journal.db")
    other.execute("CREATE TABLE theirs (x)")
    other.commit()
    other.close()
    assert "another program" in damaged(tmp_path / "j", clock)
    with pytest.raises(JournalDamaged, match="another program"):
        opened(tmp_path / "j", clock, read_only=True)


@pytest.mark.parametrize(("number", "which"), [(layout.LAYOUT + 1, "a newer"), (0, "an older")])
def test_another_layout_is_not_touched(tmp_path, clock, number, which):
    with opened(tmp_path / "j", clock) as journal, journal._writer.transaction() as connection:
        connection.execute(f"PRAGMA user_version = {number}")
    assert which in damaged(tmp_path / "j", clock)


def test_a_counter_that_disagrees_with_the_events_is_damage(tmp_path, clock):
    with opened(tmp_path / "j", clock) as journal:
        journal.append("dify", [step_event()], None)
        with journal._writer.transaction() as connection:
            connection.execute("UPDATE counters SET value = 7")
    assert "last event is 0" in damaged(tmp_path / "j", clock)


def test_a_death_while_it_is_laid_out_leaves_nothing_behind(tmp_path, clock, monkeypatch):
    monkeypatch.setattr(layout, "LAYOUT", "not SQL;")
    with pytest.raises(JournalError):
        opened(tmp_path / "j", clock)
    monkeypatch.undo()
    opened(tmp_path / "j", clock).close()


def test_another_process_that_holds_the_database_is_waited_for_then_retryable(tmp_path, clock, monkeypatch):
    monkeypatch.setattr(connections, "_BUSY_S", 0.01)
    with opened(tmp_path / "j", clock) as journal:
        shell = sqlite3.connect(tmp_path / "j" / "journal.db", isolation_level=None)
        shell.execute("BEGIN IMMEDIATE")
        with pytest.raises(Retryable, match="busy") as caught:
            journal.append("dify", [step_event()], b"p")
        assert caught.value.reason == "journal_busy"
        assert everything(journal) == []
        shell.execute("ROLLBACK")
        shell.close()
        journal.append("dify", [step_event()], b"p")
        assert len(everything(journal)) == 1


def test_a_full_disk_in_the_middle_of_a_page_leaves_nothing_of_it(tmp_path, clock):
    """`max_page_count` makes SQLite answer as it does on a full disk."""
    with opened(tmp_path / "j", clock) as journal:
        journal.append("dify", [step_event()], b"p1")
        with journal._writer.transaction() as connection:
            pages = connection.execute("PRAGMA page_count").fetchone()[0]
            connection.execute(f"PRAGMA max_page_count = {pages + 5}")
        events = [recorded.event for recorded in samples.stream(300)]
        with pytest.raises(JournalFull, match="disk is full"):
            journal.append("dify", events, b"p2")
        assert (journal.head(), journal.position("dify"), len(everything(journal))) == (1, b"p1", 1)
        with journal._writer.transaction() as connection:
            connection.execute("PRAGMA max_page_count = 1000000")
        journal.append("dify", events, b"p2")
        assert [recorded.seq for recorded in everything(journal)] == list(range(journal.head()))


@pytest.mark.parametrize(
    ("code", "error", "reason"),
    [
        (sqlite3.SQLITE_BUSY, Retryable, "journal_busy"),
        (sqlite3.SQLITE_LOCKED, Retryable, "journal_busy"),
        (sqlite3.SQLITE_IOERR_WRITE, Retryable, "journal_io"),
        (sqlite3.SQLITE_FULL, JournalFull, None),
        (sqlite3.SQLITE_CORRUPT, JournalDamaged, None),
        (sqlite3.SQLITE_NOTADB, JournalDamaged, None),
        (sqlite3.SQLITE_READONLY, JournalError, None),
    ],
)
def test_sqlites_errors_are_told_by_what_follows(code, error, reason):
    failed = sqlite3.OperationalError("why")
    failed.sqlite_errorcode = code
    with pytest.raises(error, match="why") as caught, connections.plain_errors():
        raise failed
    assert getattr(caught.value, "reason", None) == reason


def test_many_threads_share_one_journal(disk):
    """One writer, four readers: everyone sees every event once and in order, whatever the timing."""
    seen: dict[str, list[int]] = {name: [] for name in "abcd"}
    failures = []

    def consume(name):
        try:
            while len(seen[name]) < 500:
                batch = disk.read(name, limit=7, kinds=KINDS, content=True)
                seen[name] += [recorded.seq for recorded in batch.events]
                disk.advance(name, batch.position)
                if not batch.events:
                    disk.wait(batch.position, threading.Event(), 1)
        except Exception as exc:  # noqa: BLE001 - told by the assertion below
            failures.append(exc)

    threads = [threading.Thread(target=consume, args=(name,)) for name in seen]
    for thread in threads:
        thread.start()
    for number in range(1, 101):
        disk.append("dify", [recorded.event for recorded in samples.agent_turn(number)], b"")
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert all(seqs == list(range(500)) for seqs in seen.values())


def test_closing_while_others_read_breaks_nobody(tmp_path, clock):
    """A reader that is busy when the journal closes ends with JournalError and leaves no connection open."""
    journal = opened(tmp_path / "j", clock)
    journal.append("dify", [recorded.event for recorded in samples.stream(50)], None)
    outcome, reading = [], threading.Event()

    def read():
        try:
            while True:
                journal.read("c", limit=100, kinds=KINDS, content=True)
                reading.set()
        except JournalError as exc:
            outcome.append(str(exc))

    thread = threading.Thread(target=read)
    thread.start()
    assert reading.wait(10)
    journal.close()
    thread.join(10)
    assert outcome == ["the journal is closed"]
