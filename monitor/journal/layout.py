"""The tables of a journal: laid out in a new database, brought up to date in an older one, checked before use.

Each layout has a number (`PRAGMA user_version`). Only who opens the journal to write changes it; everyone else is told
plainly. Called by connections.py and by those who open a journal.
"""

from __future__ import annotations

import sqlite3
from importlib import resources

from monitor.errors import JournalDamaged

__all__ = ["APPLICATION_ID", "LAYOUT", "bring_up", "check_layout"]

APPLICATION_ID = 0x4D4F4E4A
"""`MONJ`: what makes a database file one of ours."""

LAYOUT = 3
"""Version of schema.sql."""

_FIRST = 1


def bring_up(connection: sqlite3.Connection) -> None:
    """Lay out an empty database, or bring an older journal to this layout; wholly or not at all."""
    if _is_empty(connection):
        marks = f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {LAYOUT};"
        connection.executescript(f"BEGIN IMMEDIATE; {_text('schema')} {marks} COMMIT;")
    elif _pragma(connection, "application_id") == APPLICATION_ID:
        while _FIRST <= (older := _pragma(connection, "user_version")) < LAYOUT:
            mark = f"PRAGMA user_version = {older + 1};"
            connection.executescript(f"BEGIN IMMEDIATE; {_text(f'from_{older}')} {mark} COMMIT;")


def check_layout(connection: sqlite3.Connection) -> None:
    """Raise JournalDamaged unless the database is a journal that this version can use."""
    if _pragma(connection, "application_id") != APPLICATION_ID:
        raise JournalDamaged("journal.db is a database of another program. Give `monitor` a folder of its own")
    layout = _pragma(connection, "user_version")
    if layout != LAYOUT:
        raise JournalDamaged(f"the journal has layout {layout}, this version knows layout {LAYOUT}. {_remedy(layout)}")
    head = connection.execute("SELECT value FROM counters WHERE name = 'next_seq'").fetchone()
    last = connection.execute("SELECT max(seq) FROM events").fetchone()[0]
    if head is None or (last is not None and last != head[0] - 1):
        raise JournalDamaged(f"the journal's last event is {last}, its counter says {head}. Restore it from a backup")


def _remedy(layout: int) -> str:
    """What to do about a journal of another layout."""
    if _FIRST <= layout < LAYOUT:
        return "`monitor run` of this version brings it up to date when it starts: start it, or restart it, first"
    return f"Use {'a newer' if layout > LAYOUT else 'an older'} version of `monitor`, or another folder"


def _is_empty(connection: sqlite3.Connection) -> bool:
    """Whether nothing was ever put into the database."""
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    return bool(tables == 0 and _pragma(connection, "application_id") == 0)


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    """The value of a numeric pragma."""
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def _text(name: str) -> str:
    """A script of this room."""
    return resources.files("monitor.journal").joinpath(f"{name}.sql").read_text(encoding="utf-8")
