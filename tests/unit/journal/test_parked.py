"""Parked events: marked for another delivery, delivered after all, dropped and counted. In both journals, and beside."""

from __future__ import annotations

import sqlite3
import threading

import pytest

from monitor.errors import ConfigError, JournalDamaged, JournalError, Retryable
from monitor.journal import SqliteJournal, connections
from monitor.model.answers import UNNAMED
from monitor.ports import Projection, RejectedEvent
from monitor.testing import samples
from tests.unit.journal.conftest import KINDS
from tests.unit.journal.test_append import everything, step_event


@pytest.fixture
def filled(journal):
    """Ten events, of which `a` gave up four and `b` one."""
    return fill(journal)


def fill(journal):
    journal.append("dify", [recorded.event for recorded in samples.stream(2)], b"")
    journal.advance(
        "a",
        8,
        rejected=[
            RejectedEvent(5, "too_large", "no"),
            RejectedEvent(2, "refused", "bad"),
            RejectedEvent(7, UNNAMED, "3 of them"),
            RejectedEvent(3, "refused", "bad"),
        ],
        state="s",
    )
    journal.advance("b", 3, rejected=[RejectedEvent(2, "refused", "bad")])
    return journal


def seqs(journal, *asked, **more):
    return [entry.seq for entry in journal.rejected(*asked, **more)]


def test_nothing_is_marked_before_a_person_says_so(filled):
    assert filled.marked("a", content=False) is None
    assert all(entry.retry_at is None for entry in filled.rejected())


def test_marked_ones_come_one_by_one_in_the_journals_order(filled, clock):
    clock.ns += 5
    assert filled.mark([("a", 5), ("a", 2), ("b", 2)]) == 3
    assert filled.marked("a", content=False).seq == 2
    assert filled.marked("b", content=False).seq == 2
    assert {(entry.consumer, entry.seq, entry.retry_at) for entry in filled.rejected() if entry.retry_at} == {
        ("a", 2, clock.ns),
        ("a", 5, clock.ns),
        ("b", 2, clock.ns),
    }
    filled.advance("a", 8, delivered=[2], state="s")
    assert filled.marked("a", content=False).seq == 5
    assert filled.marked("b", content=False).seq == 2


def test_content_comes_where_it_is_asked_for(filled):
    filled.mark([("a", 2)])
    assert filled.marked("a", content=True) == everything(filled)[2]
    assert filled.marked("a", content=False).event.content == {}


def test_delivered_after_all_leaves_the_list_with_the_state_and_without_moving_on(filled):
    filled.mark([("a", 2)])
    filled.advance("a", 8, delivered=[2], state="further")
    assert filled.cursor("a") == (8, "further")
    assert seqs(filled, "a") == [3, 5, 7]
    assert seqs(filled, "b") == [2]


def test_refused_again_counts_an_attempt_and_takes_the_mark(filled, clock):
    filled.mark([("a", 2)])
    clock.ns += 5
    filled.advance("a", 8, rejected=[RejectedEvent(2, "too_large", "still no")], state="s")
    (entry,) = [entry for entry in filled.rejected("a") if entry.seq == 2]
    assert (entry.reason, entry.detail, entry.attempts, entry.at, entry.retry_at) == (
        "too_large",
        "still no",
        2,
        clock.ns,
        None,
    )
    assert filled.marked("a", content=False) is None


def test_what_has_no_name_cannot_be_marked(filled):
    assert filled.mark([("a", 7), ("a", 2), ("a", 99), ("c", 2)]) == 1
    assert filled.marked("a", content=False).seq == 2


def test_dropped_ones_are_gone_and_counted_by_consumer_and_reason(filled):
    filled.mark([("a", 2)])
    assert filled.drop([("a", 2), ("a", 3), ("a", 7), ("a", 7), ("b", 9)]) == 3
    assert filled.dropped_counts() == {("a", "refused"): 2, ("a", UNNAMED): 1}
    assert filled.drop([("b", 2), ("a", 5)]) == 2
    assert filled.drop([("b", 2)]) == 0
    assert filled.dropped_counts() == {
        ("a", "refused"): 2,
        ("a", UNNAMED): 1,
        ("b", "refused"): 1,
        ("a", "too_large"): 1,
    }
    assert filled.rejected() == []
    assert filled.marked("a", content=False) is None


def test_an_event_that_the_journal_lacks_is_never_delivered_again(filled):
    filled.advance("c", 10, rejected=[RejectedEvent(1000, "refused", ""), RejectedEvent(4, "refused", "")])
    filled.mark([("c", 1000)])
    assert filled.marked("c", content=False) is None
    filled.mark([("c", 4)])
    assert filled.marked("c", content=False).seq == 4


def test_the_list_by_consumer_reason_and_length(filled):
    assert seqs(filled, "a", reason="refused") == [2, 3]
    assert len(filled.rejected(reason="refused")) == 3
    assert len(filled.rejected(limit=2)) == 2
    assert len(filled.rejected(limit=None)) == 5
    assert filled.rejected("nobody") == []


def test_events_by_their_positions(filled):
    found = filled.events_at([9, 1, 1, 77, -1], content=True)
    assert found == [everything(filled)[1], everything(filled)[9]]
    assert [recorded.event.content for recorded in filled.events_at([0, 1], content=False)] == [{}, {}]
    assert filled.events_at([], content=True) == []


# -- beside the process that holds the journal


@pytest.fixture
def beside(tmp_path, clock, disk):
    fill(disk)
    with SqliteJournal.open(tmp_path / "journal", clock, beside=True) as journal:
        yield journal


def test_marks_and_drops_beside_a_writer(beside, disk):
    assert beside.mark([("a", 2), ("a", 5)]) == 2
    assert disk.marked("a", content=False).seq == 2
    assert beside.drop([("a", 2)]) == 1
    assert disk.marked("a", content=False).seq == 5
    assert disk.dropped_counts() == beside.dropped_counts() == {("a", "refused"): 1}
    disk.append("dify", [step_event(key="more")], b"p")
    assert (beside.head(), len(everything(beside))) == (11, 11)


def test_beside_without_a_writer(tmp_path, clock):
    with SqliteJournal.open(tmp_path / "j", clock, min_free_bytes=0) as journal:
        fill(journal)
    with SqliteJournal.open(tmp_path / "j", clock, beside=True) as journal:
        journal.mark([("b", 2)])
        with SqliteJournal.open(tmp_path / "j", clock, min_free_bytes=0) as writer:
            assert writer.marked("b", content=False).seq == 2


def test_nothing_else_can_be_written_beside(beside, disk):
    before = (everything(disk), disk.position("dify"), disk.cursor("a"))
    for write in (
        lambda: beside.append("dify", [step_event(key="b")], None),
        lambda: beside.advance("a", 9),
        lambda: beside.erase(step_event().key),
        lambda: beside.project("a", limit=1, kinds=KINDS, content=False, apply=lambda _: Projection()),
    ):
        with pytest.raises(JournalError, match="beside its sidecar"):
            write()
    assert (everything(disk), disk.position("dify"), disk.cursor("a")) == before


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM events",
        "UPDATE cursors SET position = 0",
        "INSERT INTO projections VALUES ('a', 'b', x'')",
        "INSERT INTO sources (name, position) VALUES ('x', x'')",
        "DELETE FROM content",
        "UPDATE counters SET value = 0",
        "DROP TABLE rejected",
        "CREATE TABLE more (x)",
        "PRAGMA user_version = 9",
        "ATTACH ':memory:' AS other",
    ],
)
def test_sqlite_itself_refuses_whatever_the_code_may_try(beside, statement):
    with (
        pytest.raises(JournalError, match="not authorized"),
        beside._operating().transaction() as connection,
    ):
        connection.execute(statement)


def test_a_reader_can_do_neither(tmp_path, clock, disk):
    fill(disk)
    with SqliteJournal.open(tmp_path / "journal", clock, read_only=True) as reader:
        for write in (lambda: reader.mark([("a", 2)]), lambda: reader.drop([("a", 2)])):
            with pytest.raises(JournalError, match="opened to read"):
                write()


def test_beside_makes_no_journal(tmp_path, clock):
    with pytest.raises(ConfigError, match="there is no journal"):
        SqliteJournal.open(tmp_path / "j", clock, beside=True)
    assert list(tmp_path.iterdir()) == []


def test_beside_leaves_an_older_journal_as_it_is(tmp_path, clock):
    with SqliteJournal.open(tmp_path / "j", clock, min_free_bytes=0) as journal:
        with journal._writer.transaction() as connection:
            connection.execute("PRAGMA user_version = 1")
        with pytest.raises(JournalDamaged, match="`monitor run` of this version brings it up to date"):
            SqliteJournal.open(tmp_path / "j", clock, beside=True)


def test_a_journal_that_is_always_written_to_is_waited_for_and_then_retryable(tmp_path, clock, monkeypatch):
    monkeypatch.setattr(connections, "_BESIDE_BUSY_S", 0.01)
    with SqliteJournal.open(tmp_path / "j", clock, min_free_bytes=0) as journal:
        fill(journal)
    with SqliteJournal.open(tmp_path / "j", clock, beside=True) as journal:
        shell = sqlite3.connect(tmp_path / "j" / "journal.db", isolation_level=None)
        shell.execute("BEGIN IMMEDIATE")
        with pytest.raises(Retryable, match="busy"):
            journal.mark([("a", 2)])
        shell.execute("ROLLBACK")
        shell.close()
        assert journal.mark([("a", 2)]) == 1


def test_two_write_at_once_and_neither_loses_anything(beside, disk):
    """A sidecar appends and parks while a command drops: every event is parked or counted as dropped."""
    parked = threading.Event()

    def work():
        for number in range(60):
            disk.append("dify", [step_event(key=f"w{number}")], b"%d" % number)
            disk.advance("w", disk.head(), rejected=[RejectedEvent(disk.head() - 1, "refused", "")])
        parked.set()

    thread = threading.Thread(target=work)
    thread.start()
    dropped = 0
    while True:
        over = parked.is_set()
        dropped += beside.drop([(entry.consumer, entry.seq) for entry in beside.rejected("w")])
        if over:
            break
    thread.join(30)
    assert dropped == 60
    assert beside.dropped_counts() == {("w", "refused"): 60}
    assert len(everything(disk)) == 70
