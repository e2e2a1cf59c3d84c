"""How far long work is, on standard error: bars on a terminal, else a line every ten seconds.

`Steps` is for work that says itself how much of how much is done. `watching` looks at a `monitor run --once` from
outside, twice a second on a terminal, so that the work itself knows nothing of it and is not slowed.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO, cast

import click
import structlog
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn

from monitor.errors import MonitorError
from monitor.ports import Clock
from monitor.runtime.crew import Crew

__all__ = ["Steps", "current_stderr", "steps", "watching"]

_LINE_EVERY_S = 10.0
_LOOK_EVERY_S = 0.5
_NAME_CELLS = 24


class Steps:
    """Hears how much of how much is done, and says so now and then."""

    def __init__(self, doing: str, clock: Clock, bar: Progress | None) -> None:
        self._doing, self._clock, self._bar = doing, clock, bar
        self._task: TaskID | None = None
        self._said_at = clock.monotonic()

    def __call__(self, done: int, total: int) -> None:
        """So much of so much."""
        if self._bar is not None:
            self._draw(self._bar, done, total)
        elif self._clock.monotonic() - self._said_at >= _LINE_EVERY_S:
            self._said_at = self._clock.monotonic()
            click.echo(f"monitor: {self._doing}: {100 * done // max(1, total)} %", err=True)

    def _draw(self, bar: Progress, done: int, total: int) -> None:
        if self._task is None:
            self._task = bar.add_task(self._doing)
        bar.update(self._task, completed=done, total=total)


@contextmanager
def steps(doing: str, clock: Clock, *, bar: bool = True) -> Iterator[Steps]:
    """For the time of the block. `bar`: whether there may be one, on a terminal."""
    if not (bar and sys.stderr.isatty()):
        yield Steps(doing, clock, None)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=_console(), transient=True, refresh_per_second=4) as progress:
        yield Steps(doing, clock, progress)


@contextmanager
def watching(crew: Crew) -> Iterator[None]:
    """Show how far a run is until the block is left."""
    done = threading.Event()
    show = _Bars(crew) if sys.stderr.isatty() else _Lines(crew)
    thread = threading.Thread(target=show.follow, args=(done,), name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


class _Seen:
    """What can be seen of a crew without disturbing it: positions in the journal, a few small readings."""

    def __init__(self, crew: Crew) -> None:
        self._crew, self._began = crew, crew.journal.head()
        self.names = [worker.name for worker in crew.delivering()]

    def read(self) -> int:
        """Events read since the start."""
        return self._crew.journal.head() - self._began

    def waiting(self) -> dict[str, tuple[int, int]]:
        """By sink and channel, how many events it has passed of how many there are."""
        head = self._crew.journal.head()
        return {name: (min(head, self._crew.journal.cursor(name)[0]), head) for name in self.names}


class _Lines:
    """A line in the log every ten seconds."""

    def __init__(self, crew: Crew) -> None:
        self._seen, self._clock = _Seen(crew), crew.clock

    def follow(self, done: threading.Event) -> None:
        """Until it is done. A journal that does not answer is not asked again before the next line."""
        log = structlog.get_logger()
        while not self._clock.wait(done, _LINE_EVERY_S):
            try:
                waiting = {name: total - at for name, (at, total) in self._seen.waiting().items()}
            except MonitorError:
                continue
            told = ", ".join(f"{name} {count}" for name, count in waiting.items() if count)
            log.info("once_progress", events_read=self._seen.read(), waiting=told or "nothing")


class _Bars:
    """A count of what was read, and a bar for each sink and channel."""

    def __init__(self, crew: Crew) -> None:
        self._seen, self._clock = _Seen(crew), crew.clock
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[told]}"))
        # Standard output is taken along only where it is the same terminal: elsewhere it has another reader.
        self._progress = Progress(
            *columns,
            console=_console(),
            transient=True,
            auto_refresh=False,
            redirect_stdout=sys.stdout.isatty(),
        )

    def follow(self, done: threading.Event) -> None:
        """Until it is done."""
        with self._progress as progress:
            reading = progress.add_task("read from Dify", total=None, told="")
            bars = {name: progress.add_task(name[:_NAME_CELLS], total=None, told="") for name in self._seen.names}
            while not self._clock.wait(done, _LOOK_EVERY_S):
                self._draw(progress, reading, bars)

    def _draw(self, progress: Progress, reading: TaskID, bars: dict[str, TaskID]) -> None:
        try:
            seen = self._seen.waiting()
        except MonitorError:
            return
        progress.update(reading, told=f"{self._seen.read():,} events")
        for name, (at, total) in seen.items():
            progress.update(bars[name], completed=at, total=total, told=f"{total - at:,} waiting")
        progress.refresh()


def _console() -> Console:
    return Console(stderr=True, markup=False, highlight=False)


def current_stderr() -> TextIO:
    """Standard error as it is at each write: a bar takes it over for a while, so that log lines go above the bar."""
    return cast("TextIO", _CurrentStderr())


class _CurrentStderr:
    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()

    def isatty(self) -> bool:
        return sys.stderr.isatty()
