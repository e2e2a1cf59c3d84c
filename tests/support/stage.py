"""Plays recorded scenarios on a real database as if they happened now, for tests of a sidecar that runs meanwhile.

What waits for a grace, or gives a turn up, then sees times as in a Dify that is used. `tests.support.changes` does
the work.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import psycopg

from tests.support.changes import Commit, PgPlayer, load_changes, shift_database, shift_to, shifted

__all__ = ["bring_to_now", "in_a_row", "scenes_of", "staged"]

_SECOND_US = 1_000_000


def bring_to_now(connection: psycopg.Connection[Any], *, ago_us: int = 0) -> None:
    """Move a loaded recording's times so that its last message is of this moment, or of so long ago."""
    row = connection.execute("SELECT extract(epoch FROM max(created_at))::bigint FROM messages").fetchone()
    assert row is not None
    by_us = time.time_ns() // 1000 - ago_us - int(row[0]) * _SECOND_US
    shift_database(connection, by_us // _SECOND_US * _SECOND_US)


def scenes_of(version: str, scenario_glob: str = "*", *, without: Sequence[str] = ()) -> list[list[Commit]]:
    """The scenarios' commits, one list for each scenario, in the order in which they were recorded."""
    commits = load_changes(version, scenario_glob)
    scenes = [list(scene) for _, scene in groupby(commits, key=lambda commit: commit.scenario)]
    return [scene for scene in scenes if scene[0].scenario not in without]


def staged(player: PgPlayer, scenes: Sequence[Sequence[Commit]]) -> Iterator[Commit]:
    """Play commit after commit, as often as the caller asks for the next one; each was played when it comes.

    Each scene's last commit is of the moment when its first one is played, so scenes lie over one another in time.
    """
    for scene in scenes:
        for commit in shift_to(scene, time.time_ns() // 1000):
            player.apply(commit)
            yield commit


def in_a_row(scenes: Sequence[Sequence[Commit]]) -> list[Commit]:
    """The scenes' commits with the scenes one after the other in time, in the order given; the last one ends now."""
    placed: list[Commit] = []
    for scene in scenes:
        end_us = placed[-1].at_us if placed else scene[0].at_us
        seconds = -(-(end_us - scene[0].at_us) // _SECOND_US) + 1  # created_at of messages is rounded
        placed += shifted(scene, seconds * _SECOND_US)
    return shift_to(placed, time.time_ns() // 1000)
