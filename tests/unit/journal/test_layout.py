"""Journals of an older layout: brought up to date by who opens them to write, refused plainly by everyone else."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from monitor.errors import JournalDamaged
from monitor.journal import SqliteJournal, layout
from monitor.journal.packing import unpack
from monitor.journal.survey import Survey
from monitor.model.answers import Rejection
from monitor.testing import samples
from tests.unit.journal.test_append import everything, step_event

OLDER = {number: Path(__file__).with_name(f"layout_{number}.sql").read_text() for number in (1, 2)}


def opened(path, clock, **asked):
    return SqliteJournal.open(path, clock, **({"min_free_bytes": 0} | asked))


@pytest.fixture(params=OLDER)
def number(request):
    return request.param


@pytest.fixture
def older(tmp_path, clock, number):
    """A journal as an older layout had it, with events, a source, a cursor and a parked event."""
    folder = tmp_path / "older"
    with opened(tmp_path / "new", clock) as journal:
        long = step_event(key="long", content={"output": "long " * 1000})
        journal.append("dify", [*(recorded.event for recorded in samples.stream(2)), long], b"p")
    folder.mkdir()
    connection = sqlite3.connect(folder / "journal.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    marks = f"PRAGMA application_id = {layout.APPLICATION_ID}; PRAGMA user_version = {number};"
    connection.executescript(f"BEGIN; {OLDER[number]} {marks} COMMIT;")
    connection.execute("ATTACH ? AS new", (str(tmp_path / "new" / "journal.db"),))
    for table in ("events", "names"):
        connection.execute(f"INSERT INTO {table} SELECT * FROM new.{table}")
    for *row, value, packed in connection.execute("SELECT id, field, salt, value, packed FROM new.content").fetchall():
        connection.execute("INSERT INTO content VALUES (?, ?, ?, ?)", (*row, unpack(value, packed)))
    connection.execute("UPDATE counters SET value = 11")
    connection.execute("INSERT INTO sources (name, position) VALUES ('dify', x'70')")
    connection.execute("INSERT INTO cursors VALUES ('a', 5, 's')")
    parked = (
        "INSERT INTO rejected (consumer, seq, reason, detail, attempts, at) VALUES ('a', 2, 'refused', 'bad', 3, 77)"
    )
    connection.execute(parked)
    connection.close()
    return folder


def shape(folder):
    """Columns and indexes of all tables."""
    connection = sqlite3.connect(folder / "journal.db")
    try:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        columns = {table: connection.execute(f"PRAGMA table_xinfo({table})").fetchall() for table in tables}
        indexes = connection.execute("SELECT name, tbl_name, sql FROM sqlite_master WHERE type = 'index'").fetchall()
        return columns, sorted(indexes, key=str), connection.execute("PRAGMA user_version").fetchone()[0]
    finally:
        connection.close()


def test_the_writer_brings_it_up_to_date_and_keeps_everything(older, tmp_path, clock):
    with opened(tmp_path / "new", clock) as new:
        held = everything(new)
    with opened(older, clock) as journal:
        assert everything(journal) == held
        assert (journal.position("dify"), journal.cursor("a")) == (b"p", (5, "s"))
        assert journal.rejected() == [Rejection("a", 2, "refused", "bad", 3, 77)]
        assert journal.dropped_counts() == {}
        assert journal.mark([("a", 2)]) == 1
        journal.append("dify", [step_event(key="more")], b"q", remember={"k": b"v"})
        assert journal.memory("dify").get(["k"]) == {"k": b"v"}


def test_it_is_then_as_a_new_one_is(older, tmp_path, clock):
    opened(older, clock).close()
    opened(tmp_path / "fresh", clock).close()
    assert shape(older) == shape(tmp_path / "fresh")
    opened(older, clock).close()
    assert shape(older) == shape(tmp_path / "fresh")


def test_when_a_source_was_read_before_is_not_known_and_then_is(older, clock):
    with opened(older, clock) as journal:
        with Survey.open(older) as survey:
            assert survey.readings() == [("dify", None)]
        journal.append("dify", [], b"p")
        with Survey.open(older) as survey:
            assert survey.readings() == [("dify", clock.ns)]


def test_those_who_only_look_say_what_to_do_and_change_nothing(older, number, clock):
    before = shape(older)
    what_to_do = rf"has layout {number}, .* knows layout {layout.LAYOUT}\. `monitor run` of this version"
    for look in (
        lambda: opened(older, clock, read_only=True),
        lambda: opened(older, clock, beside=True),
        lambda: Survey.open(older).__enter__(),
    ):
        with pytest.raises(JournalDamaged, match=what_to_do):
            look()
    assert shape(older) == before


def test_those_who_only_look_refuse_a_newer_one_too(tmp_path, clock):
    with opened(tmp_path / "j", clock) as journal, journal._writer.transaction() as connection:
        connection.execute(f"PRAGMA user_version = {layout.LAYOUT + 1}")
    with pytest.raises(JournalDamaged, match="Use a newer version"):
        opened(tmp_path / "j", clock, read_only=True)


def test_a_death_on_the_way_leaves_the_older_one_whole(older, clock, monkeypatch):
    """All of the script but its end was run, and the process died: the next one does it again."""
    whole = layout._text
    monkeypatch.setattr(layout, "_text", lambda name: whole(name) + "SELECT * FROM nowhere;")
    before = shape(older)
    with pytest.raises(Exception, match="nowhere"):
        opened(older, clock)
    assert shape(older) == before
    monkeypatch.undo()
    opened(older, clock).close()


def test_a_death_between_two_layouts_leaves_the_one_between_whole(older, tmp_path, clock, monkeypatch):
    whole, last = layout._text, f"from_{layout.LAYOUT - 1}"
    monkeypatch.setattr(layout, "_text", lambda name: whole(name) + "SELECT * FROM nowhere;" * (name == last))
    with pytest.raises(Exception, match="nowhere"):
        opened(older, clock)
    assert shape(older)[-1] == layout.LAYOUT - 1
    monkeypatch.undo()
    opened(older, clock).close()
    opened(tmp_path / "fresh", clock).close()
    assert shape(older) == shape(tmp_path / "fresh")


def test_another_programs_database_is_not_brought_anywhere(older, clock):
    connection = sqlite3.connect(older / "journal.db")
    connection.execute("PRAGMA application_id = 7")
    connection.close()
    before = shape(older)
    with pytest.raises(JournalDamaged, match="another program"):
        opened(older, clock)
    assert shape(older) == before


def test_a_copy_of_an_older_one_is_as_good(older, tmp_path, clock):
    shutil.copytree(older, tmp_path / "copy")
    opened(tmp_path / "copy", clock).close()
    with opened(tmp_path / "copy", clock, read_only=True) as journal:
        assert journal.head() == 11
