"""The recorded turns that the demo plays: read from the package, moved in time, given ids of their own.

`turns.json.gz` is made by `tests/recordings/make_demo.py` from a real Dify: rows of lookup tables, and then every
commit in its order. Its times begin with the first second of 1970. Pure but for `load`.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from importlib.resources import files
from typing import Literal
from uuid import UUID, uuid5

import msgspec

__all__ = ["Change", "Commit", "Recording", "load", "moved", "renewed"]

Row = dict[str, str | None]

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_NAMESPACE = UUID("6a1d7c0e-0c60-5d0a-9d3f-6f0f5b1c8e57")
_OWN_IDS = ("id", "node_execution_id")
"""Columns that name what the recording itself brings into the world."""


class Change(msgspec.Struct, frozen=True):
    """One row, as a change left it; of a deleted row, its id."""

    table: str
    op: Literal["insert", "update", "delete"]
    row: Row
    """Values are PostgreSQL's text."""

    @property
    def row_id(self) -> str:
        """The primary key."""
        return self.row["id"] or ""


class Commit(msgspec.Struct, frozen=True):
    """What became visible at once."""

    at_us: int
    scenario: str
    changes: tuple[Change, ...]


class Recording(msgspec.Struct, frozen=True):
    """What was there before, and what happened then."""

    version: str
    """Of the Dify that wrote the rows."""
    lookups: dict[str, tuple[Row, ...]]
    """Apps, users and the like, by table."""
    commits: tuple[Commit, ...]
    """In the order of time."""

    @property
    def begins_us(self) -> int:
        """When the first commit happened."""
        return self.commits[0].at_us

    @property
    def ends_us(self) -> int:
        """When the last commit happened."""
        return self.commits[-1].at_us


def load() -> Recording:
    """The recording that comes with the package, at its own times and with its own ids."""
    packed = files("monitor.demo").joinpath("turns.json.gz").read_bytes()
    return msgspec.json.decode(gzip.decompress(packed), type=Recording)


def moved(recording: Recording, by_us: int) -> Recording:
    """The same, so much later. Give whole seconds: times that Dify rounded to the second then stay rounded."""
    return msgspec.structs.replace(
        recording,
        lookups={table: tuple(_moved_row(row, by_us) for row in rows) for table, rows in recording.lookups.items()},
        commits=tuple(
            Commit(
                commit.at_us + by_us,
                commit.scenario,
                tuple(Change(each.table, each.op, _moved_row(each.row, by_us)) for each in commit.changes),
            )
            for commit in recording.commits
        ),
    )


def renewed(recording: Recording, edition: str) -> Recording:
    """The same turns as others: what happened gets new ids, wherever they stand; apps and users stay who they are.

    The same edition gives the same ids; the empty one the recorded ones.
    """
    if not edition:
        return recording
    names = _new_names(recording, edition)
    commits = tuple(
        msgspec.structs.replace(
            commit,
            changes=tuple(Change(each.table, each.op, _renamed(each.row, names)) for each in commit.changes),
        )
        for commit in recording.commits
    )
    return msgspec.structs.replace(recording, commits=commits)


def _new_names(recording: Recording, edition: str) -> dict[str, str]:
    rows = [change.row for commit in recording.commits for change in commit.changes]
    own = {value for row in rows for name in _OWN_IDS if (value := row.get(name))}
    kept: Collection[str] = {row["id"] or "" for rows in recording.lookups.values() for row in rows}
    return {name: str(uuid5(_NAMESPACE, f"{edition}/{name}")) for name in own if name not in kept}


def _renamed(row: Row, names: Mapping[str, str]) -> Row:
    return {
        column: _UUID.sub(lambda id_: names.get(id_[0], id_[0]), text) if text else text for column, text in row.items()
    }


def _moved_row(row: Row, by_us: int) -> Row:
    return {name: _moved_text(value, by_us) if value and name.endswith("_at") else value for name, value in row.items()}


def _moved_text(text: str, by_us: int) -> str:
    later = (datetime.fromisoformat(text) + timedelta(microseconds=by_us)).isoformat(" ")
    return later.rstrip("0") if "." in later else later  # as PostgreSQL prints it
