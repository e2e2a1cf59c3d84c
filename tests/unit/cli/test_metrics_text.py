from __future__ import annotations

import io

import pytest

from monitor.cli.metrics import print_metrics
from monitor.clock import SystemClock
from monitor.errors import Retryable
from monitor.journal.sqlite import SqliteJournal
from monitor.metrics.exposition import dify_text
from monitor.metrics.own import SelfMetrics
from monitor.model import StepEnded, Tool
from monitor.runtime.projector import Projector
from monitor.testing.journal import MemoryJournal
from monitor.testing.samples import agent_turn, event, tool_step, turn_ref


def turn(number: int):
    return [each.event for each in agent_turn(number, failed=number % 2 == 0)]


def printed(journal, **settings) -> str:
    out = io.StringIO()
    print_metrics(journal, out, **settings)
    return out.getvalue()


def caught_up_text(journal) -> str:
    projector = Projector(journal, SelfMetrics())
    while projector.step().progressed:
        pass
    return dify_text(projector.shown(), openmetrics=False)


@pytest.mark.parametrize("steps", [0, 1, 3, 100])
def test_prints_what_a_caught_up_sidecar_shows(tmp_path, steps):
    """However far it had come when it was stopped, and without changing anything."""
    with SqliteJournal.open(tmp_path / "journal", SystemClock(), min_free_bytes=0) as journal:
        for number in range(1, 5):
            journal.append("dify", turn(number), b"")
        projector = Projector(journal, SelfMetrics(), limit=3)
        for _ in range(steps):
            projector.step()
    with SqliteJournal.open(tmp_path / "journal", SystemClock(), read_only=True) as journal:
        before = journal.cursor("metrics"), journal.projected("metrics")
        text = printed(journal)
        assert (journal.cursor("metrics"), journal.projected("metrics")) == before
    with SqliteJournal.open(tmp_path / "journal", SystemClock(), min_free_bytes=0) as journal:
        assert text == caught_up_text(journal)
    assert "dify_turns_total" in text


def test_an_empty_journal_has_no_metrics():
    assert printed(MemoryJournal(SystemClock())) == ""


def test_beside_a_sidecar_that_commits_in_between():
    """Series and remainder are of one moment, or the text would count events twice or not at all."""

    class Moving(MemoryJournal):
        moves = 0

        def projected(self, consumer: str) -> dict[str, bytes]:
            kept = super().projected(consumer)
            if self.moves:
                self.moves -= 1
                projector.step()
            return kept

    journal = Moving(SystemClock())
    projector = Projector(journal, SelfMetrics(), limit=1)
    for number in range(1, 4):
        journal.append("dify", turn(number), b"")
    projector.step()
    journal.moves = 5
    text = printed(journal)
    assert journal.moves == 0
    assert text == caught_up_text(journal)


def test_a_sidecar_that_never_holds_still_is_told_of():
    class Racing(MemoryJournal):
        position = 0

        def cursor(self, consumer: str) -> tuple[int, str]:
            self.position += 1
            return self.position, ""

    with pytest.raises(Retryable, match="catching up"):
        printed(Racing(SystemClock()))


def test_the_cap_is_the_sidecars():
    journal = MemoryJournal(SystemClock())
    ref = turn_ref()
    steps = [tool_step(ref, at, id=f"m/{at}", tool=Tool(name=f"tool{at}")) for at in range(2)]
    journal.append("dify", [event(StepEnded(ref, step)) for step in steps], b"")
    assert 'tool="other"' not in printed(journal)
    assert 'tool="other"' in printed(journal, max_series=1)
