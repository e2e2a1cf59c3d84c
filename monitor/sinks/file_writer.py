"""Appends to a file so that a crash, a full disk or a rotation never leaves a line twice, nor half of one.

The file belongs to one writer (it is locked). A batch is written whole or cut off again. `append` says how far the
file goes; `resume`, given the last of those words that was committed, cuts off what was written behind them. Files
that somebody else has moved or shortened are left as they are.

Rotation renames the full file to `path.N` and begins a new one, or, for readers that follow files by their names, gives
every file its number from the beginning and renames none. It happens before a batch is written, never within one: a
crash in between leaves the committed end in an old file, and then nothing in the new one was committed.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from pathlib import Path

import msgspec

from monitor.errors import Auth, MonitorError, Retryable

__all__ = ["Writer", "error_of"]

_OWNER_MODE, _GROUP_MODE = 0o600, 0o640
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
_RIGHTS = frozenset(
    {
        errno.EACCES,
        errno.EPERM,
        errno.EROFS,
        errno.ENOTDIR,
        errno.EISDIR,
        errno.ELOOP,
        errno.ENAMETOOLONG,
        errno.ENXIO,
    }
)
"""Not a matter of patience: somebody must change the path or the rights."""


class _State(msgspec.Struct, frozen=True):
    """How far which file goes."""

    file: str
    inode: int
    size: int


class Writer:
    """One file, its old ones, and how far it goes. Not for several threads at once."""

    def __init__(
        self,
        path: str,
        *,
        rotate_bytes: int,
        keep: int,
        fsync: bool,
        group_may_read: bool = False,
        renames: bool = True,
    ) -> None:
        """`renames`: whether the present file is `path` and becomes `path.N`; else it is the highest `path.N`."""
        self._path = Path(path)
        self._renames = renames
        self._at = self._path
        """Where the open file stands."""
        self._mode = _GROUP_MODE if group_may_read else _OWNER_MODE
        self._rotate_bytes = rotate_bytes
        self._keep = keep
        self._fsync = fsync
        self._fd = -1
        self._size = 0
        """The end of the last whole batch; what lies behind it is ours and broken."""

    def resume(self, state: str) -> None:
        """Cut off what was written behind the committed state. An unreadable or empty one changes nothing.

        Raises Retryable or Auth where the file can't be opened.
        """
        known = _read_state(state)
        if known is None or known.file != str(self._path) or not self.present().exists():
            return
        with _telling(self._path):
            self._open()
            inode, size = self._now()
            if inode == known.inode:
                end = known.size if self._ends_line(known.size) else size
            else:
                end = 0 if self._was_rotated(known) else size
            if end < size:
                self._cut(end)

    def append(self, lines: bytes) -> str:
        """Write the lines, all or none, and say how far the file goes now.

        Raises Retryable (reason `disk`) or Auth; the file then ends where it did before.
        """
        with _telling(self._path):
            self._open()
            if lines:
                self._begin_new_if_full(len(lines))
                # Half a line that somebody left must not swallow the first of ours.
                self._write(lines if self._ends_line(self._size) else b"\n" + lines)
            inode, _ = self._now()
        return msgspec.json.encode(_State(str(self._path), inode, self._size)).decode()

    def present(self) -> Path:
        """Where the present file stands, or is to be made."""
        return self._path if self._renames else self._numbered(max(1, self._highest()))

    def check(self) -> None:
        """Open the file, as a write would."""
        with _telling(self._path):
            self._open()

    def close(self) -> None:
        """Close the file; safe twice and before use."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _open(self) -> None:
        """Have the file open that stands at the path, and no broken batch at its end."""
        if self._fd >= 0 and not self._is_at_path():
            self.close()
        if self._fd < 0:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._at = self.present()
            self._fd = _locked(self._at, self._mode)
            self._size = self._now()[1]
            if self._mode == _GROUP_MODE and not self._size:
                os.fchmod(self._fd, self._mode)  # a umask may have taken it away
            if self._fsync and not self._size:
                _sync_folder(self._path.parent)  # a new file's name is the folder's content
        elif self._now()[1] > self._size:
            self._cut(self._size)
        else:
            self._size = self._now()[1]

    def _is_at_path(self) -> bool:
        try:
            found = self._at.stat()
        except FileNotFoundError:
            return False
        return found.st_ino == self._now()[0]

    def _numbered(self, number: int) -> Path:
        return Path(f"{self._path}.{number}")

    def _highest(self) -> int:
        """The highest number that a file has; 0 where none has one."""
        return max((number for number, _ in self._files()), default=0)

    def _now(self) -> tuple[int, int]:
        """Inode and size of the open file."""
        found = os.fstat(self._fd)
        return found.st_ino, found.st_size

    def _cut(self, size: int) -> None:
        os.ftruncate(self._fd, size)
        self._size = size

    def _write(self, lines: bytes) -> None:
        try:
            left = memoryview(lines)
            while left:
                left = left[os.write(self._fd, left) :]
            if self._fsync:
                os.fsync(self._fd)
        except OSError:
            os.ftruncate(self._fd, self._size)
            raise
        self._size += len(lines)

    def _begin_new_if_full(self, coming: int) -> None:
        if not self._size or self._size + coming <= self._rotate_bytes:
            return
        following = self._numbered(self._highest() + 1)
        if self._renames:
            self._path.rename(following)
        else:
            following.touch(self._mode, exist_ok=False)
        self.close()
        self._open()
        self._forget()

    def _forget(self) -> None:
        for _, file in self._old_files()[: -self._keep] if self._keep else ():
            file.unlink(missing_ok=True)

    def _old_files(self) -> list[tuple[int, Path]]:
        """What was rotated, the latest last."""
        found = self._files()
        return found if self._renames else found[:-1]

    def _files(self) -> list[tuple[int, Path]]:
        """Files that have a number, the highest last."""
        start = len(self._path.name) + 1
        ends = ((file.name[start:], file) for file in self._path.parent.glob(f"{_literal(self._path.name)}.*"))
        return sorted((int(end), file) for end, file in ends if end.isascii() and end.isdigit())

    def _was_rotated(self, known: _State) -> bool:
        """Whether the committed end is that of an old file: then nothing in the present one was committed."""
        return any(_is(file, known) for _, file in self._old_files())

    def _ends_line(self, size: int) -> bool:
        """Whether a line of ours can end there; if not, the file is not what it was, and not ours to cut."""
        if size == 0:
            return True
        return os.pread(self._fd, 1, size - 1) == b"\n"


def _read_state(state: str) -> _State | None:
    try:
        return msgspec.json.decode(state, type=_State)
    except msgspec.DecodeError:
        return None


def _literal(name: str) -> str:
    """The name for a glob, every special character taken literally."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def _is(file: Path, known: _State) -> bool:
    try:
        found = file.stat()
    except FileNotFoundError:
        return False
    return (found.st_ino, found.st_size) == (known.inode, known.size)


def _locked(path: Path, mode: int) -> int:
    """Open and lock the file. Raises OSError, or Auth where it is no plain file or another writer has it."""
    fd = os.open(path, _FLAGS, mode)
    try:
        _lock(fd, path)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _lock(fd: int, path: Path) -> None:
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        raise Auth(f"{path} is not a regular file")
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        raise Auth(f"{path} belongs to another writer") from exc


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


class _telling:  # noqa: N801 - reads as a word where it is used
    """Turns an operating system's error into what follows from it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if isinstance(error, OSError):
            raise error_of(error, self._path) from error


def error_of(error: OSError, path: Path) -> MonitorError:
    """What follows from an operating system's error at that path."""
    detail = f"{path}: {error.strerror or error}"
    return Auth(detail) if error.errno in _RIGHTS else Retryable(detail, reason="disk")
