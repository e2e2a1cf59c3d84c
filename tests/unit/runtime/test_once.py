"""`--once`: to the end, and an exit code that says how it went."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from monitor.errors import Retryable
from monitor.runtime.once import DELIVERED, NOT_DELIVERED, NOT_READ, run_once
from monitor.runtime.worker import Outcome
from monitor.testing.clock import HandClock
from monitor.testing.journal import MemoryJournal

_DOWN = Outcome(retry_in_s=60.0, error=Retryable("refused"))


class ScriptedWorker:
    """Says what it is told to say, then that there is nothing to do."""

    def __init__(self, name: str, *outcomes: Outcome, always: Outcome | None = None) -> None:
        self.name = name
        self.steps = 0
        self._outcomes, self._always = list(outcomes), always

    def step(self) -> Outcome:
        self.steps += 1
        if self._always is not None:
            return self._always
        return self._outcomes.pop(0) if self._outcomes else Outcome()


def _crew(
    sources: list[ScriptedWorker],
    folding: list[ScriptedWorker],
    delivering: list[ScriptedWorker],
    erasing: list[ScriptedWorker] | None = None,
) -> Any:  # a crew is wide, and only this much of it is used
    clock = HandClock()
    return SimpleNamespace(
        clock=clock,
        journal=MemoryJournal(clock),
        pollers=sources,
        folding=lambda: folding,
        delivering=lambda: delivering,
        erasing=lambda: erasing or [],
    )


def test_who_watches_is_let_in_before_the_work_and_out_after_it() -> None:
    source, sink = ScriptedWorker("source:a", Outcome(progressed=True)), ScriptedWorker("sink:a")
    crew = _crew([source], [ScriptedWorker("metrics")], [sink])
    seen: list[tuple[str, int]] = []

    @contextmanager
    def watch(watched: Any) -> Iterator[None]:
        assert watched is crew
        seen.append(("in", source.steps))
        yield
        seen.append(("out", source.steps))

    assert run_once(crew, threading.Event(), watch) == DELIVERED
    assert seen == [("in", 0), ("out", 2)]


def test_what_waits_for_its_time_is_waited_for_and_then_not_delivered() -> None:
    """A marked event that the sink can't take now: nothing is in the way of others, but something is left."""
    waiting = Outcome(due_in_s=2.0, error=Retryable("500"))
    sink = ScriptedWorker("sink:a", always=waiting)
    crew = _crew([ScriptedWorker("source:a")], [ScriptedWorker("metrics")], [sink])
    assert run_once(crew, threading.Event()) == NOT_DELIVERED
    assert 2.0 in crew.clock.waits


def _run(sources: list[ScriptedWorker], delivering: list[ScriptedWorker]) -> int:
    return run_once(_crew(sources, [ScriptedWorker("metrics")], delivering), threading.Event())


def test_all_read_and_delivered_is_0() -> None:
    source = ScriptedWorker("source:a", Outcome(progressed=True), Outcome(progressed=True))
    sink = ScriptedWorker("sink:a", Outcome(progressed=True), Outcome(progressed=True))
    assert _run([source], [sink]) == DELIVERED
    assert source.steps == 3


def test_a_dead_sink_is_3_and_keeps_no_other_from_its_end() -> None:
    living = ScriptedWorker("sink:b", *[Outcome(progressed=True)] * 50)
    assert _run([ScriptedWorker("source:a")], [ScriptedWorker("sink:a", always=_DOWN), living]) == NOT_DELIVERED
    assert living.steps >= 51


def test_an_unread_source_is_4_even_where_a_sink_is_dead_too() -> None:
    dead = ScriptedWorker("source:a", always=_DOWN)
    assert _run([dead], [ScriptedWorker("sink:a", always=_DOWN)]) == NOT_READ
    assert dead.steps == 3


def test_a_failure_that_passes_is_no_failure() -> None:
    assert _run([ScriptedWorker("source:a", _DOWN, _DOWN, Outcome(progressed=True), _DOWN, _DOWN)], []) == DELIVERED


def test_a_defect_in_a_worker_is_not_swallowed() -> None:
    class Broken(ScriptedWorker):
        def step(self) -> Outcome:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        _run([ScriptedWorker("source:a")], [Broken("sink:a")])


def test_an_interrupted_run_says_that_it_was_not_read() -> None:
    stop = threading.Event()
    stop.set()
    crew = _crew([ScriptedWorker("source:a")], [ScriptedWorker("metrics")], [])
    assert run_once(crew, stop) == NOT_READ


def test_erasing_comes_last_and_whatever_became_of_the_rest() -> None:
    """What sinks get must not depend on who was faster."""
    order: list[str] = []

    class Noting(ScriptedWorker):
        def step(self) -> Outcome:
            order.append(self.name)
            return super().step()

    dead = Noting("sink:a", always=_DOWN)
    eraser = Noting("erase:a", Outcome(progressed=True))
    crew = _crew([Noting("source:a")], [Noting("metrics")], [dead], [eraser])
    assert run_once(crew, threading.Event()) == NOT_DELIVERED
    assert order[-2:] == ["erase:a", "erase:a"]
    assert order.count("erase:a") == 2


def test_what_could_not_be_erased_is_3() -> None:
    crew = _crew([ScriptedWorker("source:a")], [ScriptedWorker("metrics")], [], [ScriptedWorker("e", always=_DOWN)])
    assert run_once(crew, threading.Event()) == NOT_DELIVERED
