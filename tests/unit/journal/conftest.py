"""Journals for the tests of this folder: one on disk, and either of the two for what both must do."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.journal import SqliteJournal
from monitor.testing.journal import MemoryJournal

KINDS = ("turn_started", "step_ended", "turn_ended", "alert_changed", "source_gap")


class HandClock:
    """A clock that stands until a test moves it."""

    def __init__(self) -> None:
        self.ns = 1_700_000_000_000_000_000

    def now_ns(self) -> int:
        return self.ns

    def monotonic(self) -> float:
        return self.ns / 1e9

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        self.ns += int(seconds * 1e9)
        return stop.is_set()


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def disk(tmp_path: Path, clock: HandClock) -> Iterator[SqliteJournal]:
    with SqliteJournal.open(tmp_path / "journal", clock, min_free_bytes=0) as journal:
        yield journal


@pytest.fixture(params=["disk", "memory"])
def journal(request: pytest.FixtureRequest, clock: HandClock) -> SqliteJournal | MemoryJournal:
    return MemoryJournal(clock) if request.param == "memory" else request.getfixturevalue("disk")
