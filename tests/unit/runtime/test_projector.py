from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import pytest

from monitor.clock import SystemClock
from monitor.errors import JournalError, MonitorError, Retryable
from monitor.journal.sqlite import SqliteJournal
from monitor.metrics.own import SelfMetrics
from monitor.model import Recorded, StepEnded, Tool
from monitor.ports import Batch, Projection
from monitor.runtime.projector import Projector
from monitor.testing.journal import MemoryJournal
from monitor.testing.samples import agent_turn, event, tool_step, turn_ended, turn_ref, turn_started


class FlakyJournal(MemoryJournal):
    """Fails when told to, before or after it has committed."""

    def __init__(self) -> None:
        super().__init__(SystemClock())
        self.before: Exception | None = None
        self.after: Exception | None = None

    def project(
        self,
        consumer: str,
        *,
        limit: int,
        kinds: Collection[str],
        content: bool,
        apply: Callable[[Sequence[Recorded]], Projection],
    ) -> Batch:
        if self.before:
            raise self.before
        batch = super().project(consumer, limit=limit, kinds=kinds, content=content, apply=apply)
        if self.after:
            raise self.after
        return batch


@pytest.fixture
def journal():
    return FlakyJournal()


def turn(number: int):
    return [each.event for each in agent_turn(number)]


def in_flight(projector: Projector) -> int:
    snapshot = projector.shown()
    assert snapshot is not None
    return sum(numbers[0] for numbers in snapshot.series["dify_turns_in_flight"].values())


class TestGate:
    def test_nothing_is_shown_before_the_first_step(self, journal):
        projector = Projector(journal, SelfMetrics())
        assert projector.shown() is None
        assert not projector.caught_up

    def test_nothing_is_shown_while_behind(self, journal):
        journal.append("dify", turn(1), b"1")
        projector = Projector(journal, SelfMetrics(), limit=2)
        assert projector.step().progressed
        assert projector.shown() is None
        assert projector.step().progressed
        assert not projector.step().progressed
        assert projector.caught_up
        assert in_flight(projector) == 0

    def test_an_empty_journal_is_caught_up(self, journal):
        projector = Projector(journal, SelfMetrics())
        assert not projector.step().progressed
        assert projector.shown() is not None

    def test_once_open_it_stays_open(self, journal):
        projector = Projector(journal, SelfMetrics(), limit=1)
        projector.step()
        journal.append("dify", turn(1), b"1")
        assert projector.step().progressed
        assert in_flight(projector) == 1

    def test_it_opens_once_sources_were_read_to_their_end(self, journal):
        """Else the first scrape would be no baseline: what came while we were away would look like a burst."""
        read = False
        projector = Projector(journal, SelfMetrics(), sources_read=lambda: read)
        # A source may come to its end without a new event, so time alone must bring the next step.
        assert projector.step().due_in_s
        assert not projector.caught_up
        read = True
        assert projector.step().due_in_s is None
        assert projector.caught_up

    def test_a_source_that_ends_during_a_step_opens_it_with_the_next(self, journal):
        """What it appended meanwhile may not be in that step's batch."""
        answers = iter([False, True])
        projector = Projector(journal, SelfMetrics(), sources_read=lambda: next(answers))
        projector.step()
        assert not projector.caught_up
        projector.step()
        assert projector.caught_up


class TestErrors:
    @pytest.mark.parametrize("when", ["before", "after"])
    @pytest.mark.parametrize("error", [JournalError("full"), Retryable("busy")])
    def test_a_failed_commit_counts_once(self, journal, when, error):
        projector = Projector(journal, SelfMetrics())
        projector.step()
        journal.append("dify", [event(turn_started(turn_ref(1)))], b"1")
        setattr(journal, when, error)
        outcome = projector.step()
        assert (outcome.progressed, outcome.error) == (False, error)
        assert outcome.retry_in_s
        assert in_flight(projector) == 0
        setattr(journal, when, None)
        assert projector.step().error is None
        assert in_flight(projector) == 1

    def test_what_it_cannot_name_is_left_to_the_supervisor(self, journal):
        projector = Projector(journal, SelfMetrics())
        journal.append("dify", [event(turn_started(turn_ref(1)))], b"1")
        journal.after = ZeroDivisionError()
        with pytest.raises(ZeroDivisionError):
            projector.step()
        journal.after = None
        projector.step()
        assert in_flight(projector) == 1


def test_folded_measures_are_counted_once_committed(journal):
    own = SelfMetrics()
    projector = Projector(journal, own, max_series=1)
    tools = [tool_step(turn_ref(1), at, tool=Tool(name=f"t{at}"), id=f"m/{at}/t{at}") for at in range(3)]
    journal.append("dify", [event(StepEnded(turn_ref(1), step)) for step in tools], b"1")
    journal.before = Retryable("busy")
    projector.step()
    journal.before = None
    projector.step()
    value = own.registry.get_sample_value("dify_monitor_series_folded_total", {"metric": "dify_tool_calls_total"})
    assert value == 2


def test_revisions_change_no_counter(journal):
    """A turn given up, then ended after all, ends once; a start that is told better starts once."""
    given_up, ended = turn_ended(status="abandoned", duration_ns=None), turn_ended()
    journal.append("dify", [event(turn_started()), event(given_up, rank=40), event(ended, rank=41)], b"1")
    projector = Projector(journal, SelfMetrics())
    projector.step()
    assert journal.head() == 3
    assert in_flight(projector) == 0
    turns = {labels[-1]: numbers[0] for labels, numbers in projector.shown().series["dify_turns_total"].items()}
    assert turns == {"succeeded": 0, "failed": 0, "partial": 0, "stopped": 0, "abandoned": 1}


def test_counters_go_on_after_a_restart(tmp_path):
    """On disk: what a process counted, the next one goes on from, whether or not it was caught up."""
    for number in (1, 2, 3):
        with SqliteJournal.open(tmp_path / "journal", SystemClock(), min_free_bytes=0) as journal:
            journal.append("dify", turn(number), str(number).encode())
            projector = Projector(journal, SelfMetrics(), limit=2)
            if number == 2:
                projector.step()
                continue
            while projector.step().progressed:
                pass
    calls = projector.shown().series["dify_tool_calls_total"]
    assert {labels[-1]: numbers[0] for labels, numbers in calls.items()}["succeeded"] == 3
    assert in_flight(projector) == 0


def test_a_locked_out_journal_is_an_error_to_be_told(tmp_path):
    with SqliteJournal.open(tmp_path / "journal", SystemClock(), min_free_bytes=0) as journal:
        projector = Projector(journal, SelfMetrics())
    outcome = projector.step()
    assert isinstance(outcome.error, MonitorError)
