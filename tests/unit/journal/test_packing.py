"""Long texts take less room, and nothing else is different: not what is read, not what is proven, not what is news."""

from __future__ import annotations

import os
import sqlite3

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import JournalDamaged
from monitor.journal import SqliteJournal
from monitor.journal.export import Selection, export
from monitor.journal.packing import pack, unpack
from monitor.ports import Appended
from tests.unit.journal.conftest import HandClock
from tests.unit.journal.test_append import everything, step_event

LONG = "退款要多久？\x00" * 400
NOISE = os.urandom(2000).hex()
MIXED = {"input": "short", "output": LONG, "process": "", "error": NOISE}


@given(st.binary(max_size=3000) | st.binary(min_size=1, max_size=20).map(lambda piece: piece * 100))
def test_what_is_packed_is_unpacked_and_never_longer(value):
    stored, packed = pack(value)
    assert unpack(stored, packed) == value
    assert len(stored) <= len(value)
    assert packed in (0, 1)


def test_short_values_and_what_would_not_shrink_stay_as_they_are():
    noise = os.urandom(5000)
    assert pack(b"a" * 500) == (b"a" * 500, 0)
    assert pack(noise) == (noise, 0)
    assert len(pack(b"a" * 501)[0]) < 50


def test_long_and_short_texts_of_one_event_come_back(disk):
    for expected in (Appended(new=1), Appended(known=1)):
        assert disk.append("dify", [step_event(content=MIXED)], None) == expected
    assert everything(disk)[0].event.content == MIXED
    changed = MIXED | {"output": LONG + "!"}
    assert disk.append("dify", [step_event(content=changed)], None) == Appended(revised=1)
    disk.erase(step_event().key, ["output"])
    assert disk.append("dify", [step_event(content=changed)], None) == Appended(known=1)
    assert [recorded.erased for recorded in everything(disk)] == [("output",), ("output",)]


def test_a_batch_is_weighed_by_what_it_unfolds_to(disk):
    """A consumer's bound is for its memory and its payload, not for our disk."""
    disk.append("dify", [step_event(key=key, content={"output": LONG}) for key in "abc"], None)
    weight = len(LONG.encode())
    assert len(disk.scan(0, limit=9, kinds=["step_ended"], content=True, max_bytes=weight * 2).events) == 1
    assert len(disk.scan(0, limit=9, kinds=["step_ended"], content=True, max_bytes=weight * 5).events) == 3


def test_an_export_has_the_text_itself(disk, tmp_path):
    disk.append("dify", [step_event(content=MIXED)], None)
    (line,) = export(tmp_path / "journal", Selection(), content=True)
    assert {field: kept["value"] for field, kept in msgspec.json.decode(line.text)["content"].items()} == MIXED


def test_values_of_before_are_read_on(disk, tmp_path):
    """Rows of an older layout are long and not packed."""
    disk.append("dify", [step_event(content=MIXED)], None)
    with disk._writer.transaction() as connection:
        connection.execute("UPDATE content SET value = ?, packed = 0 WHERE field = 'output'", (LONG.encode(),))
    assert everything(disk)[0].event.content == MIXED
    assert disk.append("dify", [step_event(content=MIXED)], None) == Appended(known=1)


def test_a_text_that_cannot_be_unpacked_is_damage(disk, tmp_path):
    disk.append("dify", [step_event(content=MIXED)], None)
    with disk._writer.transaction() as connection:
        connection.execute("UPDATE content SET value = x'00' WHERE packed")
    for read in (
        lambda: everything(disk),
        lambda: list(export(tmp_path / "journal", Selection(), content=True)),
    ):
        with pytest.raises(JournalDamaged, match="a text in the journal can't be read"):
            read()


def test_the_text_is_nowhere_in_the_file_after_it_was_erased(tmp_path):
    with SqliteJournal.open(tmp_path / "j", HandClock(), min_free_bytes=0) as journal:
        journal.append("dify", [step_event(content={"output": LONG})], None)
        stored = pack(LONG.encode())[0]
        journal.erase(step_event().key)
    assert stored[:64] not in (tmp_path / "j" / "journal.db").read_bytes()
    with sqlite3.connect(tmp_path / "j" / "journal.db") as connection:
        assert connection.execute("SELECT count(*) FROM content").fetchone() == (0,)
    connection.close()
