"""The journal's folder: made private, kept to one writer, refused on network file systems, weighed.

Knows file names and nothing of SQL. Called by sqlite.py. POSIX only, as the whole project.
"""

from __future__ import annotations

import fcntl
import os
import platform
import re
import threading
from pathlib import Path

from monitor.errors import ConfigError, JournalFull, JournalLocked
from monitor.model.answers import Holder
from monitor.ports import Clock

__all__ = ["Folder", "network_file_system"]

_NETWORK = frozenset(
    {"afs", "ceph", "cifs", "davfs", "glusterfs", "gfs2", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2"}
) | {
    "smb2",
    "smb3",
    "smbfs",
    "fuse.ceph",
    "fuse.cifs",
    "fuse.davfs",
    "fuse.gcsfuse",
    "fuse.glusterfs",
    "fuse.juicefs",
    "fuse.mfs",
    "fuse.rclone",
    "fuse.s3fs",
    "fuse.sshfs",
}
"""Types whose locks or shared memory do not hold between machines. 9p is absent: sandboxes show local disks as 9p,
and where it can't share memory SQLite refuses WAL by itself."""

_HOLDER = re.compile(r"process (\d+) on (.*)")
_LOCK_TRIES, _LOCK_WAIT_S = 5, 0.02
"""Who asks whether the lock is held holds it for an instant: that must not keep a sidecar from starting."""

_OCTAL = re.compile(r"\\([0-7]{3})")
_PRIVATE_FOLDER = 0o700
_PRIVATE_FILE = 0o600


class Folder:
    """Where a journal lives."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(os.path.realpath(path))
        self.database = self.path / "journal.db"
        self._wal = self.path / "journal.db-wal"
        self._lock = self.path / "lock"
        self._held: int | None = None

    def claim(self, clock: Clock) -> None:
        """Make the folder where it is missing and become its one writer. Raises JournalLocked, ConfigError."""
        _refuse_network(self.path)
        try:
            self.path.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
            self._held = _lock(self._lock, clock)
            os.close(os.open(self.database, os.O_CREAT | os.O_RDWR, _PRIVATE_FILE))
        except OSError as exc:
            self.release()
            raise ConfigError(
                f"the journal's folder can't be used: {exc.strerror}",
                path="journal.path",
                value=str(self.path),
                remedy="It must be a folder on a local disk that this process may write to",
            ) from exc

    def release(self) -> None:
        """Let the next writer in; safe twice. The lock's file stays, as deleting it would let two writers in."""
        held, self._held = self._held, None
        if held is not None:
            os.close(held)

    def expect(self) -> None:
        """Raise ConfigError where there is no journal to read."""
        _refuse_network(self.path)
        if not self.database.is_file():
            raise ConfigError(
                "there is no journal",
                path="journal.path",
                value=str(self.path),
                remedy="`monitor run` makes one; name its folder",
            )

    def holder(self) -> Holder | None:
        """The process that writes this journal now; None when nobody does."""
        try:
            asked = os.open(self._lock, os.O_RDONLY)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(asked, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            known = _HOLDER.fullmatch(_written(asked))
            pid, host = (int(known[1]), known[2]) if known else (0, "")
            return Holder(pid, host, os.fstat(asked).st_mtime_ns)
        finally:
            os.close(asked)
        return None

    def has_wal(self) -> bool:
        """Whether something is not merged into the main file yet."""
        return self._wal.exists()

    def bytes(self) -> int:
        """Bytes on disk."""
        return sum(_size(path) for path in (self.database, self._wal))

    def check_room(self, max_bytes: int | None, min_free_bytes: int) -> None:
        """Raise JournalFull where nothing more may be written."""
        used = self.bytes()
        if max_bytes is not None and used >= max_bytes:
            raise JournalFull(
                f"the journal in {self.path} holds {used} bytes and journal.max_bytes is {max_bytes}: "
                "nothing more is read from Dify until it is raised; Dify keeps the facts meanwhile"
            )
        disk = os.statvfs(self.path)
        free = disk.f_bavail * disk.f_frsize
        if free < min_free_bytes:
            raise JournalFull(
                f"the disk of the journal in {self.path} has {free} bytes left, less than "
                f"journal.min_free_bytes, {min_free_bytes}: nothing more is read from Dify until there is room"
            )


def _size(path: Path) -> int:
    """Bytes of a file; 0 where there is none, as a WAL may go at any time."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _lock(path: Path, clock: Clock) -> int:
    """Take the lock and write down who holds it."""
    held = os.open(path, os.O_CREAT | os.O_RDWR, _PRIVATE_FILE)
    if not _taken(held, clock):
        holder = _written(held)
        os.close(held)
        raise JournalLocked(
            f"the journal in {path.parent} is in use by {holder or 'another process'}: stop that process, or "
            "give this one another journal.path. Commands that only read work beside it"
        )
    os.ftruncate(held, 0)
    os.pwrite(held, f"process {os.getpid()} on {platform.node()}\n".encode(), 0)
    return held


def _taken(held: int, clock: Clock) -> bool:
    """Whether the lock could be had."""
    never = threading.Event()
    for _ in range(_LOCK_TRIES):
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            clock.wait(never, _LOCK_WAIT_S)
        else:
            return True
    return False


def _written(lock: int) -> str:
    """What the lock's file says of its holder."""
    return os.pread(lock, 200, 0).decode("utf-8", "replace").strip()


def _refuse_network(path: Path) -> None:
    """Raise ConfigError where the path lies on another machine's disk."""
    try:
        mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    kind = network_file_system(str(path), mounts)
    if kind is not None:
        raise ConfigError(
            f"the journal can't live on a network file system ({kind}), as its locks do not hold there",
            path="journal.path",
            value=str(path),
            remedy="Name a folder on a local disk or a local volume",
        )


def network_file_system(path: str, mounts: str) -> str | None:
    """The type of the network file system that holds `path`, by the text of /proc/mounts; None for a local one."""
    best, kind = "", ""
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:  # noqa: PLR2004 - device, mount point, type
            continue
        point = _OCTAL.sub(lambda match: chr(int(match[1], 8)), fields[1])
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, fields[2]
    return kind if kind in _NETWORK else None
