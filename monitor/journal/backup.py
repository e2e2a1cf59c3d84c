"""A copy of a journal's database while a sidecar goes on writing: whole, as of one moment, readable by its owner alone.

SQLite's online backup from a connection that holds its view of the journal, so that no commit makes it begin again.
The copy gets its name when it is complete. Called by `monitor journal backup`.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from monitor.errors import ConfigError, JournalError, JournalFull
from monitor.journal.connections import open_reader, plain_errors
from monitor.journal.folder import Folder
from monitor.journal.layout import check_layout
from monitor.journal.weights import Tell

__all__ = ["back_up"]

_PAGES = 512
"""Pages (of 8 KiB) between two words on how far it is."""
_ALONE = ("PRAGMA journal_mode = OFF", "PRAGMA synchronous = OFF", "PRAGMA locking_mode = EXCLUSIVE")
"""Nobody else knows the copy yet, and one that is not finished is thrown away."""


def back_up(path: Path | str, target: Path, tell: Tell) -> int:
    """Copy the journal in the folder `path` to the file `target`; its bytes. `tell` hears of pages done and in all.

    Raises ConfigError (no journal there, the target is there already or can't be written), Retryable and JournalError.
    """
    folder = Folder(path)
    folder.expect()
    with _unfinished(target) as unfinished:
        _copy(folder, unfinished, tell)
        _check(unfinished)
        _sync(unfinished)
        _name(unfinished, target)
    _sync(target.parent)
    return target.stat().st_size


@contextlib.contextmanager
def _unfinished(target: Path) -> Iterator[Path]:
    """A private file beside the target to write into; gone afterwards, whatever happened."""
    if target.exists():
        raise _in_the_way(target)
    unfinished = target.with_name(f"{target.name}.part")
    try:
        os.close(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError as exc:
        remedy = "Another backup writes it, or one was killed: remove it then"
        raise ConfigError("there is an unfinished backup", where=str(unfinished), remedy=remedy) from exc
    except OSError as exc:
        raise ConfigError(f"the backup can't be written: {exc.strerror}", where=str(unfinished)) from exc
    try:
        yield unfinished
    except OSError as exc:
        raise JournalError(f"the backup {target} can't be written: {exc.strerror}") from exc
    finally:
        unfinished.unlink(missing_ok=True)


def _copy(folder: Folder, unfinished: Path, tell: Tell) -> None:
    """All pages, as of one moment."""
    try:
        with plain_errors(), closing(open_reader(folder, read_only=True)) as source:
            source.execute("BEGIN")
            check_layout(source)  # the first reading fixes the moment
            with closing(_connect(unfinished)) as copy:
                for pragma in _ALONE:
                    copy.execute(pragma)
                source.backup(copy, pages=_PAGES, progress=lambda _, left, pages: tell(pages - left, pages))
    except JournalFull as exc:
        raise JournalError(f"there is no room for the backup in {unfinished.parent}") from exc


def _connect(file: Path) -> sqlite3.Connection:
    """A bare connection to the copy."""
    return sqlite3.connect(file.absolute().as_uri() + "?mode=rw", uri=True, isolation_level=None)


def _check(unfinished: Path) -> None:
    """Raise JournalDamaged unless what was written is a journal up to its last event."""
    uri = unfinished.absolute().as_uri() + "?mode=ro&immutable=1"
    with plain_errors(), closing(sqlite3.connect(uri, uri=True)) as copy:
        check_layout(copy)


def _sync(path: Path) -> None:
    """Wait until the disk has the file, or the folder's names."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _name(unfinished: Path, target: Path) -> None:
    """Give the finished copy its name, unless somebody took that meanwhile."""
    try:
        os.link(unfinished, target)
    except FileExistsError as exc:
        raise _in_the_way(target) from exc
    except OSError:  # a file system without links, such as FAT
        if target.exists():
            raise _in_the_way(target) from None
        unfinished.rename(target)


def _in_the_way(target: Path) -> ConfigError:
    return ConfigError("is there already, and a backup overwrites nothing", where=str(target), remedy="Name a new file")
