"""The demo's story: the recorded turns go through the real pipeline, one worker after the other, in one thread.

Every half second of the recorded time the source is read and every worker steps until it has nothing left to do, so
that the same recording gives the same story at any speed. Called by `monitor demo`.
"""

from __future__ import annotations

import io
import math
import threading
from contextlib import redirect_stdout

import msgspec
from rich.console import Console

from monitor.demo import chapters, house, outcome, paper
from monitor.demo.clock import StoryClock
from monitor.demo.house import Place
from monitor.demo.outcome import Outcome
from monitor.demo.recording import Recording, load, renewed
from monitor.demo.source import edition_of
from monitor.demo.truth import Truth, truth_of
from monitor.errors import MonitorError
from monitor.ports import Clock
from monitor.runtime.crew import Crew, crew_of
from monitor.runtime.worker import Worker

__all__ = ["AT_ONCE", "IN_TIME", "Pace", "tell"]

_NS = 1_000_000_000
_TICK_S = 0.5
_SLACK_S = 2.0
"""The first turn begins up to a second late, and the last one is still to be read."""


class Pace(msgspec.Struct, frozen=True):
    """How fast the story is told."""

    speed: float
    """How many seconds of the recording pass in one."""
    breath_s: float
    """Before each chapter behind the play."""


IN_TIME = Pace(speed=8.0, breath_s=0.7)
"""For people."""
AT_ONCE = Pace(speed=math.inf, breath_s=0.0)
"""For files, and for people in a hurry."""


def tell(place: Place, clock: Clock, console: Console, pace: Pace) -> None:
    """Play, show what came of it, and raise MonitorError where that is not what was played."""
    recording = renewed(load(), edition_of(place.earlier, 0))
    chapters.opening(console, recording, place)
    length_s = (recording.ends_us - recording.begins_us) / 1e6 + _SLACK_S
    story_clock = StoryClock(clock, _start_ns(clock, length_s, pace), pace.speed)
    with crew_of(house.build(place, story_clock)) as crew:
        _Telling(crew, console, clock, pace).tell(recording, place, length_s)


def _start_ns(clock: Clock, length_s: float, pace: Pace) -> int:
    """So long ago that the story's end is now. A whole second: the recording keeps to those, and so do the ticks."""
    behind_ns = round(length_s * (1.0 - 1.0 / pace.speed) * _NS)
    return (clock.now_ns() - behind_ns) // _NS * _NS


class _Telling:
    """One story on its way."""

    def __init__(self, crew: Crew, console: Console, clock: Clock, pace: Pace) -> None:
        self._crew, self._console, self._clock, self._pace = crew, console, clock, pace
        self._never = threading.Event()

    def tell(self, recording: Recording, place: Place, length_s: float) -> None:
        truth = truth_of(recording)
        made = self._made(truth, place, length_s)
        self._show(made, place)
        wrong = list(outcome.complaints(made, truth))
        if wrong:
            raise MonitorError("\n".join(["this is not what was played, which is a defect in monitor:", *wrong]))
        chapters.ending(self._console, truth, made.alert, place)

    def _made(self, truth: Truth, place: Place, length_s: float) -> Outcome:
        crew = self._crew
        self._tick()
        before = outcome.counts(outcome.scrape(crew))
        self._play(length_s)
        return Outcome(
            metrics=outcome.scrape(crew),
            counted_before=before,
            spans=outcome.spans_of(place.span_files(), truth.turn_ids),
            alert=outcome.alert_story(crew.journal, truth.turn_ids),
        )

    def _show(self, made: Outcome, place: Place) -> None:
        self._breathe()
        chapters.metrics(self._console, made.metrics)
        self._breathe()
        chapters.spans(self._console, made.spans, place)
        self._breathe()
        if made.alert.cause is not None:
            chapters.replay(self._console, self._crew.journal, made.alert.cause, place)
            self._breathe()

    def _play(self, length_s: float) -> None:
        clock = self._crew.clock
        end_ns = clock.now_ns() + round(length_s * _NS)
        while clock.now_ns() < end_ns:
            self._tick()
            clock.wait(self._never, _TICK_S)
        self._tick()

    def _tick(self) -> None:
        """Everybody's turn, in the order of the events' way."""
        for worker in (*self._crew.pollers, *self._crew.folding(), *self._crew.shippers):
            _to_its_end(worker)
        self._let_notifiers_speak()

    def _let_notifiers_speak(self) -> None:
        """The console notifier prints on standard output: its words, and no others, are put in quotes."""
        with redirect_stdout(io.StringIO()) as said:
            for courier in self._crew.couriers:
                _to_its_end(courier)
        if said.getvalue():
            paper.notification(self._console, said.getvalue())

    def _breathe(self) -> None:
        self._clock.wait(self._never, self._pace.breath_s)


def _to_its_end(worker: Worker) -> None:
    """Step until nothing is left to do. Raises what is in the way: a demo does not wait for better times."""
    while True:
        done = worker.step()
        if done.error is not None:
            raise done.error
        if not done.progressed:
            return
