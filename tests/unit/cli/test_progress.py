"""Progress is shown where somebody sees it, told in lines elsewhere, and disturbs nothing."""

from __future__ import annotations

import io
import json
import sys
import threading
from contextlib import contextmanager, redirect_stderr
from types import SimpleNamespace

import pytest
import structlog

from monitor.cli import progress
from monitor.cli.logs import configure_logs
from monitor.cli.progress import current_stderr, steps, watching
from monitor.config.settings import LogSettings
from monitor.errors import JournalError
from monitor.testing import samples
from monitor.testing.clock import HandClock
from monitor.testing.journal import MemoryJournal


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self):
        return True


@pytest.fixture
def clock():
    return HandClock()


@contextmanager
def paper():
    """Standard error that nobody sees. Not a fixture: pytest puts its own there before each test."""
    with redirect_stderr(io.StringIO()) as stream:
        yield stream


@contextmanager
def screen():
    with redirect_stderr(Screen()) as stream:
        yield stream


@pytest.fixture(autouse=True)
def _logging_as_it_was(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    yield
    structlog.reset_defaults()


class Ticking(HandClock):
    """Lets so many waits pass, and then says that it is over."""

    def __init__(self, ticks: int) -> None:
        super().__init__()
        self.left, self.over = ticks, threading.Event()

    def wait(self, stop, seconds):
        super().wait(stop, seconds)
        if self.left == 0:
            self.over.set()
            return stop.wait(30)
        self.left -= 1
        return False


def crew_of(clock, journal=None):
    journal = journal or MemoryJournal(clock)
    journal.append("dify", [recorded.event for recorded in samples.stream(1)], None)
    workers = [SimpleNamespace(name="sink:file"), SimpleNamespace(name="notify:console")]
    return SimpleNamespace(clock=clock, journal=journal, delivering=lambda: workers)


def test_steps_on_paper_are_a_line_every_ten_seconds(clock):
    with paper() as stream, steps("copying", clock) as tell:
        for done in range(1, 26):
            clock.move(1)
            tell(done, 100)
    assert stream.getvalue().splitlines() == ["monitor: copying: 10 %", "monitor: copying: 20 %"]


def test_short_work_says_nothing_on_paper(clock):
    with paper() as stream, steps("copying", clock) as tell:
        tell(1, 1)
        tell(0, 0)
    assert stream.getvalue() == ""


def test_steps_on_a_terminal_are_a_bar(clock):
    with screen() as stream, steps("copying", clock) as tell:
        tell(1, 4)
        tell(4, 4)
    assert "copying" in stream.getvalue()
    assert "100%" in stream.getvalue()


def test_there_is_no_bar_where_it_would_get_between_lines(clock):
    with screen() as stream, steps("copying", clock, bar=False) as tell:
        tell(1, 4)
    assert stream.getvalue() == ""


def test_a_run_on_paper_is_told_in_the_log():
    clock = Ticking(2)
    crew = crew_of(clock)
    with paper() as stream:
        configure_logs(LogSettings(format="json"), clock, current_stderr())
        with watching(crew):
            assert clock.over.wait(30)
    assert set(clock.waits) == {10.0}
    first = json.loads(stream.getvalue().splitlines()[0])
    assert (first["event"], first["events_read"]) == ("once_progress", 0)
    assert first["waiting"] == "sink:file 5, notify:console 5"


def test_a_run_on_a_terminal_is_a_count_and_bars():
    clock = Ticking(3)
    with screen() as stream, watching(crew_of(clock)):
        assert clock.over.wait(30)
    shown = stream.getvalue()
    assert "read from Dify" in shown
    assert "sink:file" in shown
    assert "5 waiting" in shown
    assert set(clock.waits) == {0.5}


def test_log_lines_go_above_the_bars():
    clock = Ticking(2)
    with screen() as stream:
        configure_logs(LogSettings(format="json"), clock, current_stderr())
        with watching(crew_of(clock)):
            assert clock.over.wait(30)
            assert sys.stderr is not stream
            structlog.get_logger().info("hello")
        assert sys.stderr is stream
    assert '"event": "hello"' in stream.getvalue()


@pytest.mark.parametrize("where", [paper, screen])
def test_a_journal_that_does_not_answer_ends_nothing(where):
    """What only looks must not be what fails."""
    clock = Ticking(3)
    crew = crew_of(clock)

    def refuse(_consumer):
        raise JournalError("busy")

    crew.journal.cursor = refuse
    with where(), watching(crew):
        assert clock.over.wait(30)
    assert clock.left == 0


def test_what_is_read_counts_from_the_start_of_the_run(clock):
    crew = crew_of(clock)
    seen = progress._Seen(crew)
    assert (seen.read(), seen.waiting()) == (0, {"sink:file": (0, 5), "notify:console": (0, 5)})
    crew.journal.append("dify", [recorded.event for recorded in samples.agent_turn(2)], None)
    crew.journal.advance("sink:file", 7)
    assert (seen.read(), seen.waiting()["sink:file"]) == (5, (7, 10))


def test_output_of_its_own_reader_is_not_taken_along(capsys):
    """Standard output that is no terminal belongs to whoever reads it: alerts must not end up on the screen."""
    clock = Ticking(2)
    with screen() as stream, watching(crew_of(clock)):
        assert clock.over.wait(30)
        print("an alert", flush=True)
    assert "an alert" not in stream.getvalue()
    assert capsys.readouterr().out == "an alert\n"
