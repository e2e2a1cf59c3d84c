"""The folder: private, one writer, local, weighed."""

from __future__ import annotations

import fcntl
import os
import stat
import subprocess
import sys

import pytest

from monitor.errors import ConfigError, JournalFull, JournalLocked
from monitor.journal import SqliteJournal
from monitor.journal.folder import network_file_system
from tests.unit.journal.conftest import KINDS
from tests.unit.journal.test_append import step_event

MOUNTS = """\
/dev/sda1 / ext4 rw 0 0
server:/export /data nfs4 rw 0 0
/dev/sdb1 /data/local xfs rw 0 0
//nas/share /mnt/with\\040space cifs rw 0 0
me@host: /home/me/remote fuse.sshfs rw 0 0
/dev/sdc1 /over ext4 rw 0 0
server:/over /over nfs rw 0 0
broken
"""


def opened(path, clock, **asked):
    return SqliteJournal.open(path, clock, **({"min_free_bytes": 0} | asked))


def test_only_its_owner_may_look_in(tmp_path, clock):
    old = os.umask(0)
    try:
        with opened(tmp_path / "a" / "journal", clock) as journal:
            journal.append("dify", [step_event()], None)
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "a" / "journal").iterdir()}
    finally:
        os.umask(old)
    assert modes == dict.fromkeys(("journal.db", "journal.db-wal", "journal.db-shm", "lock"), 0o600)
    assert stat.S_IMODE((tmp_path / "a" / "journal").stat().st_mode) == 0o700


def test_a_second_writer_is_told_who_holds_it(tmp_path, clock):
    told = rf"process {os.getpid()} on .*stop that process"
    with opened(tmp_path / "j", clock), pytest.raises(JournalLocked, match=told):
        opened(tmp_path / "j", clock)
    opened(tmp_path / "j", clock).close()


def test_a_writer_in_another_process_is_seen_and_its_death_lets_go(tmp_path, clock):
    code = (
        "import sys; from monitor.clock import SystemClock; from monitor.journal import SqliteJournal\n"
        f"journal = SqliteJournal.open({str(tmp_path / 'j')!r}, SystemClock(), min_free_bytes=0)\n"
        "journal.append('dify', [], b'p'); print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(JournalLocked, match=str(other.pid)):
            opened(tmp_path / "j", clock)
        other.kill()
        other.wait()
    with opened(tmp_path / "j", clock) as journal:
        assert journal.position("dify") == b"p"


def test_who_asks_for_the_holder_keeps_no_writer_from_starting(tmp_path, clock):
    """The question holds the lock for an instant; a writer that meets it waits that instant out."""
    opened(tmp_path / "j", clock).close()
    asked = os.open(tmp_path / "j" / "lock", os.O_RDONLY)
    fcntl.flock(asked, fcntl.LOCK_SH)

    class Impatient(type(clock)):
        def wait(self, stop, seconds):
            fcntl.flock(asked, fcntl.LOCK_UN)
            return False

    opened(tmp_path / "j", Impatient()).close()
    os.close(asked)


def test_a_failed_opening_lets_go_of_the_lock(tmp_path, clock):
    (tmp_path / "j").mkdir()
    (tmp_path / "j" / "journal.db").write_bytes(b"not a database" * 1000)
    for _ in range(2):
        with pytest.raises(Exception, match="damaged or not a journal"):
            opened(tmp_path / "j", clock)
    (tmp_path / "j" / "journal.db").unlink()
    opened(tmp_path / "j", clock).close()


def test_a_file_where_the_folder_should_be_is_a_wrong_setting(tmp_path, clock):
    (tmp_path / "j").write_text("")
    with pytest.raises(ConfigError, match=r"journal\.path.*local disk"):
        opened(tmp_path / "j", clock)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/lib/journal", None),
        ("/data", "nfs4"),
        ("/data/journal", "nfs4"),
        ("/database", None),
        ("/data/local/journal", None),
        ("/mnt/with space/journal", "cifs"),
        ("/home/me/remote/x", "fuse.sshfs"),
        ("/over/x", "nfs"),
    ],
)
def test_network_file_systems_are_known_by_the_innermost_mount(path, kind):
    assert network_file_system(path, MOUNTS) == kind


def test_the_size_limit_stops_appends_and_nothing_else(tmp_path, clock):
    with opened(tmp_path / "j", clock, max_bytes=1) as journal:
        with pytest.raises(JournalFull, match=r"journal\.max_bytes is 1"):
            journal.append("dify", [step_event()], b"p")
        assert (journal.head(), journal.position("dify")) == (0, None)
        journal.advance("c", 0, state="s")
        assert list(journal.read("c", limit=1, kinds=KINDS, content=True).events) == []


def test_the_limit_counts_what_is_not_merged_yet(tmp_path, clock):
    with opened(tmp_path / "j", clock, max_bytes=500_000) as journal:
        large = [step_event(key=str(number), content={"output": os.urandom(100_000).hex()}) for number in range(4)]
        journal.append("dify", large[:3], None)
        assert journal.stats().bytes > 500_000
        with pytest.raises(JournalFull):
            journal.append("dify", large[3:], None)
        assert journal.head() == 3


def test_the_disks_reserve_stops_appends(tmp_path, clock):
    with opened(tmp_path / "j", clock, min_free_bytes=1 << 60) as journal:
        with pytest.raises(JournalFull, match=r"journal\.min_free_bytes"):
            journal.append("dify", [step_event()], b"p")
        assert journal.head() == 0
