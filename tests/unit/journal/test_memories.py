"""What a source remembers: beside its position, in both journals and in the dict that tests of sources use."""

from __future__ import annotations

import sqlite3

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import JournalError, JournalFull
from monitor.journal import SqliteJournal
from monitor.journal.survey import Survey
from monitor.model import COVERAGE_KEY, Coverage
from monitor.ports import Page
from monitor.testing.memory import DictMemory
from tests.unit.journal.test_append import step_event

MANY = {f"m/{number:04d}": b"%d" % number for number in range(1200)}


def test_it_is_there_with_events_and_without(journal):
    journal.append("dify", [step_event()], b"p", remember={"a": b"1"})
    journal.append("dify", [], b"p", remember={"b": b"2"})
    journal.append("dify", [], None, remember={"c": b""})
    assert journal.memory("dify").get(["a", "b", "c", "d"]) == {"a": b"1", "b": b"2", "c": b""}
    journal.append("dify", [], b"p", forget=["a", "never"])
    assert journal.memory("dify").between("", "~", 9) == [("b", b"2"), ("c", b"")]


def test_each_source_has_its_own(journal):
    journal.append("dify", [], b"p", remember={"a": b"1"})
    journal.append("other", [], b"p", remember={"a": b"2"})
    journal.append("other", [], b"p", forget=["a"])
    assert journal.memory("dify").get(["a"]) == {"a": b"1"}
    assert journal.memory("other").get(["a"]) == {}
    assert journal.memory("nobody").between("", "~", 1) == []


def test_what_is_forgotten_and_remembered_at_once_is_remembered(journal):
    journal.append("dify", [], b"p", remember={"a": b"1"})
    journal.append("dify", [], b"p", remember={"a": b"2"}, forget=["a"])
    assert journal.memory("dify").get(["a"]) == {"a": b"2"}


def test_a_stretch_of_keys_goes_from_the_first_to_before_the_last(journal):
    journal.append("dify", [], b"p", remember=MANY)
    memory = journal.memory("dify")
    assert memory.between("m/0010", "m/0012", 100) == [("m/0010", b"10"), ("m/0011", b"11")]
    assert memory.between("m/", "m0", 3) == [("m/0000", b"0"), ("m/0001", b"1"), ("m/0002", b"2")]
    assert memory.between("m/", "m0", 5000) == sorted(MANY.items())
    assert memory.between("m/0012", "m/0010", 100) == []
    assert memory.between("m/", "m0", 0) == []
    assert memory.get(MANY) == MANY
    assert memory.get([]) == {}


def test_a_memory_that_is_kept_shows_what_is_committed_later(journal):
    memory = journal.memory("dify")
    journal.append("dify", [], b"p", remember={"a": b"1"})
    assert memory.get(["a"]) == {"a": b"1"}


PLAIN = st.text(st.characters(codec="ascii", exclude_characters="\x00"), max_size=5)


@given(kept=st.dictionaries(PLAIN, st.binary(max_size=40), max_size=6))
def test_any_bytes_come_back_in_the_order_of_their_keys(kept):
    """NUL and what is no UTF-8 included, though they leave the database joined as text."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    from monitor.journal import memories  # noqa: PLC0415 - the statements alone, without a folder

    class Lent:
        @staticmethod
        def connection():
            return connection

    try:
        connection.execute("CREATE TABLE memories (source, key, value, PRIMARY KEY (source, key)) WITHOUT ROWID")
        memories.keep(connection, "s", kept, [])
        memory = memories.SourceMemory(Lent, "s")
        assert memory.get(list(kept)) == kept
        assert memory.between("", "\x7f\x7f", 10) == sorted(kept.items())
    finally:
        connection.close()


def test_it_survives_the_process(tmp_path, clock):
    with SqliteJournal.open(tmp_path / "j", clock, min_free_bytes=0) as journal:
        journal.append("dify", [], b"p", remember={"a": b"1", "b": b"2"})
        journal.append("dify", [], b"p", forget=["b"])
    with SqliteJournal.open(tmp_path / "j", clock, min_free_bytes=0) as journal:
        assert journal.memory("dify").between("", "~", 9) == [("a", b"1")]
    with SqliteJournal.open(tmp_path / "j", clock, read_only=True) as journal:
        assert journal.memory("dify").get(["a"]) == {"a": b"1"}
        with pytest.raises(JournalError, match="opened to read"):
            journal.append("dify", [], None, remember={"a": b"2"})


def test_it_commits_with_the_events_or_not_at_all(disk):
    """Too many fields fail within the transaction, after the head was read and before anything is written."""
    many = step_event(content={str(number): "x" for number in range(257)})
    with pytest.raises(JournalError):
        disk.append("dify", [many], b"p", remember={"a": b"1"})
    assert (disk.memory("dify").get(["a"]), disk.position("dify")) == ({}, None)


def test_what_is_remembered_already_is_not_written_again(disk, tmp_path):
    """A source may say the same at each poll; that must not cost a commit."""
    disk.append("dify", [], b"p", remember={"a": b"1"})
    before = (tmp_path / "journal" / "journal.db-wal").stat().st_size
    disk.append("dify", [], b"p", remember={"a": b"1"}, forget=["never"])
    disk.append("dify", [], None, forget=["never"])
    assert (tmp_path / "journal" / "journal.db-wal").stat().st_size == before


def test_a_full_journal_takes_no_memory_but_forgets(tmp_path, clock):
    with SqliteJournal.open(tmp_path / "j", clock, min_free_bytes=0) as journal:
        journal.append("dify", [], b"p", remember={"a": b"1"})
    with SqliteJournal.open(tmp_path / "j", clock, min_free_bytes=0, max_bytes=1) as journal:
        with pytest.raises(JournalFull):
            journal.append("dify", [], b"q", remember={"b": b"2"})
        assert (journal.position("dify"), journal.memory("dify").get(["b"])) == (b"p", {})
        journal.append("dify", [], b"p", forget=["a"])
        assert journal.memory("dify").get(["a"]) == {}


def test_the_bytes_of_it_are_told(disk, tmp_path):
    disk.append("dify", [], b"p", remember={"key": b"value", "other": b""})
    with Survey.open(tmp_path / "journal") as survey:
        weighed = survey.weigh(1, lambda *_: None)
    assert weighed.memory_bytes == len("key" + "value" + "other")
    assert weighed.file_bytes == weighed.memory_bytes + weighed.free_bytes + weighed.other_bytes


def test_what_each_source_covers_is_told(journal):
    said = Coverage(at=5, purge_safe_at=4, missing=2)
    journal.append("dify", [], b"p", remember={COVERAGE_KEY: msgspec.json.encode(said)})
    journal.append("push", [], b"p")
    journal.append("odd", [], b"p", remember={COVERAGE_KEY: b"not JSON"})
    assert journal.coverages() == {"dify": said}


def test_what_each_source_covers_is_seen_beside_the_writer(disk, tmp_path):
    said = Coverage(at=5)
    disk.append("dify", [], b"p", remember={COVERAGE_KEY: msgspec.json.encode(said)})
    with Survey.open(tmp_path / "journal") as survey:
        assert survey.coverages() == {"dify": said}


def test_a_dict_takes_over_what_a_page_says():
    memory = DictMemory({"a": b"1"})
    memory.apply(Page([], b"p", more=False, remember={"b": b"2"}, forget=["a"]))
    assert memory.kept == {"b": b"2"}
    memory.kept.clear()
    assert memory.get(["a", "b"]) == {"b": b"2"}
