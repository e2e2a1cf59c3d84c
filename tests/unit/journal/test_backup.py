"""A backup is whole, private, as of one moment whatever is written meanwhile, and overwrites nothing."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import threading

import pytest

from monitor.errors import ConfigError, JournalError
from monitor.journal import SqliteJournal, backup
from monitor.journal.backup import back_up
from monitor.ports import RejectedEvent
from monitor.testing import samples
from tests.unit.journal.test_append import everything, step_event


def quiet(_done, _total):
    """Says nothing."""


@pytest.fixture
def filled(disk):
    disk.append("dify", [recorded.event for recorded in samples.stream(20)], b"p")
    disk.advance("a", 50, rejected=[RejectedEvent(3, "refused", "no")], state="s")
    return disk


def restored(file, folder, clock, **asked):
    """The backup as its user opens it."""
    folder.mkdir()
    shutil.copy(file, folder / "journal.db")
    return SqliteJournal.open(folder, clock, **({"read_only": True} | asked))


def test_it_holds_all_that_the_journal_holds(filled, tmp_path, clock):
    size = back_up(tmp_path / "journal", tmp_path / "copy.db", quiet)
    assert size == (tmp_path / "copy.db").stat().st_size
    with restored(tmp_path / "copy.db", tmp_path / "r", clock) as copy:
        assert everything(copy) == everything(filled)
        assert (copy.position("dify"), copy.cursor("a"), copy.rejected()) == (b"p", (50, "s"), filled.rejected())


def test_one_can_go_on_with_it(filled, tmp_path, clock):
    back_up(tmp_path / "journal", tmp_path / "copy.db", quiet)
    with restored(tmp_path / "copy.db", tmp_path / "r", clock, read_only=False, min_free_bytes=0) as copy:
        copy.append("dify", [step_event(key="more")], b"q")
        assert copy.head() == filled.head() + 1


def test_only_its_owner_may_read_it_and_nothing_else_is_left(filled, tmp_path):
    old = os.umask(0)
    try:
        back_up(tmp_path / "journal", tmp_path / "copy.db", quiet)
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "copy.db").stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy.db", "journal"]


def test_a_writer_beside_it_neither_waits_nor_shows(filled, tmp_path, clock, monkeypatch):
    """Every page is a step, and between any two of them there is a commit; it ends all the same."""
    monkeypatch.setattr(backup, "_PAGES", 1)
    held = everything(filled)
    steps = []

    def write(done, total):
        steps.append((done, total))
        filled.append("dify", [step_event(key=f"w{len(steps)}", content={"input": "x" * 9000})], None)

    back_up(tmp_path / "journal", tmp_path / "copy.db", write)
    assert len(steps) > 5
    assert steps[-1][0] == steps[-1][1]
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)
    with restored(tmp_path / "copy.db", tmp_path / "r", clock) as copy:
        assert everything(copy) == held


def test_beside_a_writer_in_another_thread(filled, tmp_path, clock, monkeypatch):
    monkeypatch.setattr(backup, "_PAGES", 2)
    stop, began = threading.Event(), threading.Event()

    def write():
        number = 0
        while not stop.is_set():
            number += 1
            filled.append("dify", [step_event(key=f"w{number}")], b"%d" % number)
            began.set()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        assert began.wait(10)
        back_up(tmp_path / "journal", tmp_path / "copy.db", quiet)
    finally:
        stop.set()
        thread.join(10)
    with restored(tmp_path / "copy.db", tmp_path / "r", clock) as copy:
        assert [recorded.seq for recorded in everything(copy)] == list(range(copy.head()))
        assert everything(copy) == everything(filled)[: copy.head()]


def test_a_file_that_is_there_is_left_alone(filled, tmp_path):
    (tmp_path / "copy.db").write_text("precious")
    with pytest.raises(ConfigError, match="overwrites nothing"):
        back_up(tmp_path / "journal", tmp_path / "copy.db", quiet)
    assert (tmp_path / "copy.db").read_text() == "precious"
    assert not (tmp_path / "copy.db.part").exists()


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_comes_meanwhile_is_left_alone(filled, tmp_path, monkeypatch, links):
    if not links:
        monkeypatch.setattr(os, "link", unlinkable)

    def somebody(_done, _total):
        (tmp_path / "copy.db").write_text("precious")

    with pytest.raises(ConfigError, match="overwrites nothing"):
        back_up(tmp_path / "journal", tmp_path / "copy.db", somebody)
    assert (tmp_path / "copy.db").read_text() == "precious"
    assert not (tmp_path / "copy.db.part").exists()


def unlinkable(*_):
    raise OSError(errno.EPERM, "Operation not permitted")


def test_a_file_system_without_links_will_do(filled, tmp_path, clock, monkeypatch):
    monkeypatch.setattr(os, "link", unlinkable)
    back_up(tmp_path / "journal", tmp_path / "copy.db", quiet)
    with restored(tmp_path / "copy.db", tmp_path / "r", clock) as copy:
        assert copy.head() == 100


def test_an_unfinished_one_of_somebody_else_is_told(filled, tmp_path):
    (tmp_path / "copy.db.part").write_text("theirs")
    with pytest.raises(ConfigError, match=r"unfinished backup.*remove it"):
        back_up(tmp_path / "journal", tmp_path / "copy.db", quiet)
    assert (tmp_path / "copy.db.part").read_text() == "theirs"


def test_an_interrupted_one_leaves_nothing(filled, tmp_path):
    def interrupt(_done, _total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        back_up(tmp_path / "journal", tmp_path / "copy.db", interrupt)
    assert [path.name for path in tmp_path.iterdir()] == ["journal"]


def test_a_place_that_cannot_be_written_to_is_a_wrong_argument(filled, tmp_path):
    with pytest.raises(ConfigError, match="can't be written"):
        back_up(tmp_path / "journal", tmp_path / "missing" / "copy.db", quiet)


def test_no_journal_no_backup(tmp_path):
    with pytest.raises(ConfigError, match="there is no journal"):
        back_up(tmp_path / "none", tmp_path / "copy.db", quiet)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fails_at_the_end_is_told(filled, tmp_path, monkeypatch):
    def fail(_descriptor):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(JournalError, match="can't be written: Input/output error"):
        back_up(tmp_path / "journal", tmp_path / "copy.db", quiet)
    assert [path.name for path in tmp_path.iterdir()] == ["journal"]
