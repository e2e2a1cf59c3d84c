"""The eraser: what was deleted in Dify loses its texts here, whenever they come, and nothing else does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import structlog

from monitor.config import Settings
from monitor.errors import JournalError
from monitor.journal import SqliteJournal
from monitor.journal.survey import Survey
from monitor.metrics.own import SelfMetrics
from monitor.model import Event, StepEnded
from monitor.ports import Memory, Page
from monitor.runtime.crew import crew_of
from monitor.runtime.eraser import Eraser
from monitor.runtime.once import DELIVERED, run_once
from monitor.runtime.wiring import House
from monitor.testing import notes, samples
from monitor.testing.clock import HandClock
from monitor.testing.journal import MemoryJournal

GONE, KEPT = samples.turn_ref(1), samples.turn_ref(2)


@pytest.fixture(params=["memory", "disk"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    if request.param == "memory":
        yield MemoryJournal(HandClock())
        return
    with SqliteJournal.open(tmp_path / "journal", HandClock(), min_free_bytes=0) as opened:
        yield opened


@pytest.fixture
def own() -> SelfMetrics:
    return SelfMetrics()


@pytest.fixture
def eraser(journal: Any, own: SelfMetrics) -> Eraser:
    return Eraser(journal, "dify", own, structlog.get_logger())


def turn(number: int) -> list[Event]:
    return [recorded.event for recorded in samples.agent_turn(number)]


def to_the_end(eraser: Eraser) -> None:
    while eraser.step().progressed:
        pass


def texts(journal: Any, turn_id: str) -> int:
    events = [*journal.turn_events(turn_id), *journal.notes_of(turn_id)]
    return sum(len(recorded.event.content) for recorded in events)


def erased(own: SelfMetrics) -> float | None:
    return own.registry.get_sample_value("dify_monitor_content_erased_total", {"source": "dify"})


def test_the_texts_of_a_deleted_turn_go_and_are_counted(journal: Any, eraser: Eraser, own: SelfMetrics) -> None:
    journal.append("dify", [*turn(1), *turn(2), notes.feedback(GONE), notes.feedback(KEPT)], None)
    to_the_end(eraser)
    before, others = texts(journal, GONE.turn_id), texts(journal, KEPT.turn_id)
    assert before > 5
    journal.append("dify", [notes.content_deleted(GONE)], None)
    to_the_end(eraser)
    assert (texts(journal, GONE.turn_id), texts(journal, KEPT.turn_id)) == (0, others)
    assert erased(own) == before
    assert journal.cursor("erase:dify") == (13, "")
    assert [recorded.event.body for recorded in journal.turn_events(GONE.turn_id)] == [event.body for event in turn(1)]


def test_what_comes_after_the_deletion_is_erased_too(journal: Any, eraser: Eraser) -> None:
    """A step that was read late, and a rating whose row outlived its message."""
    journal.append("dify", [*turn(1), notes.content_deleted(GONE)], None)
    to_the_end(eraser)
    late = samples.event(StepEnded(GONE, samples.tool_step(GONE, 7)), content={"output": "late"})
    journal.append("dify", [late], None)
    to_the_end(eraser)
    assert texts(journal, GONE.turn_id) == 0
    journal.append("dify", [notes.feedback(GONE)], None)
    to_the_end(eraser)
    assert texts(journal, GONE.turn_id) == 0


def test_another_sources_deletions_are_not_its_business(journal: Any, eraser: Eraser) -> None:
    journal.append("dify", turn(1), None)
    journal.append("other", [notes.content_deleted(GONE)], None)
    to_the_end(eraser)
    assert texts(journal, GONE.turn_id) > 0


def test_deletions_of_before_it_was_hired_are_made_good(journal: Any, eraser: Eraser) -> None:
    journal.append("dify", [*turn(1), notes.content_deleted(GONE), *turn(2)], None)
    to_the_end(eraser)
    assert texts(journal, GONE.turn_id) == 0 < texts(journal, KEPT.turn_id)


def test_a_crash_between_erasure_and_cursor_repeats_harmlessly(
    journal: Any, own: SelfMetrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.append("dify", [*turn(1), notes.content_deleted(GONE)], None)
    eraser = Eraser(journal, "dify", own, structlog.get_logger())
    with monkeypatch.context() as dying:
        dying.setattr(journal, "advance", _fails(ZeroDivisionError()))
        with pytest.raises(ZeroDivisionError):
            eraser.step()
    counted = erased(own)
    to_the_end(eraser)
    assert texts(journal, GONE.turn_id) == 0
    assert erased(own) == counted


def test_a_journal_that_refuses_is_tried_again_and_the_cursor_stands(
    journal: Any, eraser: Eraser, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.append("dify", [*turn(1), notes.content_deleted(GONE)], None)
    with monkeypatch.context() as broken:
        broken.setattr(journal, "erase_turns", _fails(JournalError("the disk is gone")))
        outcome = eraser.step()
        assert isinstance(outcome.error, JournalError)
        assert outcome.retry_in_s
    assert journal.cursor("erase:dify") == (0, "")
    to_the_end(eraser)
    assert texts(journal, GONE.turn_id) == 0


def _fails(error: Exception) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


# -- in the house


class OnePage:
    """A source with all of it on one page."""

    name = "dify"

    def __init__(self, events: list[Event]) -> None:
        self.events = events

    def read(self, position: bytes | None, limit: int, memory: Memory) -> Page:
        return Page(self.events, b"end", more=False)

    def close(self) -> None:
        """Nothing."""


def run(folder: Path, policy: str) -> int:
    settings = Settings.model_validate({"journal": {"path": str(folder), "min_free_bytes": 0}})
    config = SimpleNamespace(on_source_delete=policy)
    source = OnePage([*turn(1), notes.content_deleted(GONE), *turn(2)])
    house = House(
        settings=settings, clock=HandClock(), journal_path=folder, sources=(source,), sinks=(), notifiers=(),
        rules=(), configs={"sources": (config,), "sinks": (), "notifiers": ()},  # type: ignore[arg-type]
    )  # fmt: skip
    with crew_of(house) as crew:
        return run_once(crew, threading.Event())


@pytest.mark.parametrize(("policy", "texts_left"), [("keep", True), ("erase_content", False)])
def test_once_erases_where_the_source_says_so(tmp_path: Path, policy: str, texts_left: bool) -> None:
    assert run(tmp_path, policy) == DELIVERED
    with SqliteJournal.open(tmp_path, HandClock(), read_only=True) as journal:
        assert bool(texts(journal, GONE.turn_id)) is texts_left
        assert texts(journal, KEPT.turn_id) > 0
    with Survey.open(tmp_path) as survey:
        assert ("erase:dify" in survey.consumers()) is not texts_left
        assert survey.backlog("erase:dify").events == (0 if not texts_left else 11)
