"""The supervisor keeps everybody running, notices a scheduler that fell asleep, and ends in good order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from monitor.clock import SystemClock
from monitor.config import Settings
from monitor.errors import Permanent
from monitor.journal import SqliteJournal
from monitor.model import Event, Recorded, StepEnded
from monitor.ports import Memory, Page, Report
from monitor.runtime.crew import crew_of
from monitor.runtime.supervisor import Supervisor
from monitor.runtime.wiring import House
from monitor.testing.samples import event, tool_step, turn_ref

_DEADLINE_S = 20.0


class Feed:
    """A source that hands over what the test has put in, one event a page."""

    name = "feed"

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.broken: Callable[[], None] = lambda: None
        self.polls = 0
        self.polled = threading.Condition()

    def read(self, position: bytes | None, limit: int, memory: Memory) -> Page:
        with self.polled:
            self.polls += 1
            self.polled.notify_all()
        self.broken()
        at = int(position or b"0")
        return Page(
            events=self.events[at : at + 1],
            position=b"%d" % min(at + 1, len(self.events)),
            more=at + 1 < len(self.events),
        )

    def wait_for(self, polls: int) -> None:
        with self.polled:
            assert self.polled.wait_for(lambda: self.polls >= polls, _DEADLINE_S)

    def check(self) -> None:
        """Always there."""

    def close(self) -> None:
        """Nothing."""


class Basket:
    """A sink that keeps what it gets; `fault` runs before each send."""

    kinds: Collection[str] = ("step_ended",)
    wants_content = False
    max_events, max_bytes = 100, 1 << 20

    def __init__(self, name: str = "basket") -> None:
        self.name = name
        self.parts: list[bytes] = []
        self.fault: Callable[[], None] = lambda: None
        self.got = threading.Condition()

    def resume(self, state: str) -> str:
        return state

    def encode(self, recorded: Recorded) -> bytes:
        return recorded.event.key.encode()

    def send(self, parts: Sequence[bytes], seqs: Sequence[int]) -> Report:
        self.fault()
        with self.got:
            self.parts += parts
            self.got.notify_all()
        return Report(accepted=len(seqs))

    def wait_for(self, count: int) -> None:
        with self.got:
            assert self.got.wait_for(lambda: len(self.parts) >= count, _DEADLINE_S)

    def check(self) -> None:
        """Always there."""

    def close(self) -> None:
        """Nothing."""


def _events(count: int) -> list[Event]:
    return [event(StepEnded(turn=turn_ref(), step=tool_step(id=f"s{n}"))) for n in range(count)]


@contextmanager
def _running(folder: Path, feed: Feed, *baskets: Basket, every_s: float = 0.05) -> Iterator[Supervisor]:
    settings = Settings.model_validate(
        {"journal": {"path": str(folder), "min_free_bytes": 0}, "server": {"listen": "127.0.0.1:0"}}
    )
    configs = {"sources": (SimpleNamespace(poll_interval=round(every_s * 1e9)),), "sinks": (), "notifiers": ()}
    house = House(
        settings=settings, clock=SystemClock(), journal_path=folder, sources=(feed,), sinks=baskets, notifiers=(),
        rules=(), configs=configs,  # type: ignore[arg-type]
    )  # fmt: skip
    with crew_of(house) as crew, Supervisor(crew, house, threading.Event()) as running:
        yield running


def test_what_a_source_has_reaches_every_sink(tmp_path: Path) -> None:
    feed, one, two = Feed(), Basket("one"), Basket("two")
    feed.events = _events(7)
    with _running(tmp_path / "j", feed, one, two):
        one.wait_for(7)
        two.wait_for(7)
        feed.events += _events(9)[7:]
        one.wait_for(9)
    assert one.parts == [each.key.encode() for each in feed.events]


def test_a_worker_that_crashes_comes_back_and_the_others_never_notice(tmp_path: Path) -> None:
    feed, faulty, sound = Feed(), Basket("faulty"), Basket("sound")
    feed.events = _events(3)
    crashes = iter([True, True])

    def fault() -> None:
        if next(crashes, False):
            raise ZeroDivisionError

    faulty.fault = fault
    with _running(tmp_path / "j", feed, faulty, sound) as running:
        sound.wait_for(3)
        faulty.wait_for(3)
        assert running.problems() == []


def test_a_poll_that_crashes_is_tried_again(tmp_path: Path) -> None:
    feed, basket = Feed(), Basket()
    feed.events = _events(1)
    crashes = iter([True, True])

    def broken() -> None:
        if next(crashes, False):
            raise ZeroDivisionError

    feed.broken = broken
    with _running(tmp_path / "j", feed, basket):
        basket.wait_for(1)


class Heart:
    """A heartbeat that counts."""

    every_s = 0.05

    def __init__(self) -> None:
        self.beats: list[bool] = []
        self.beaten = threading.Condition()

    def beat(self, *, well: bool) -> None:
        with self.beaten:
            self.beats.append(well)
            self.beaten.notify_all()

    def wait_for(self, count: int) -> None:
        with self.beaten:
            assert self.beaten.wait_for(lambda: len(self.beats) >= count, _DEADLINE_S)


def test_a_heart_beats_while_the_house_runs(tmp_path: Path) -> None:
    """Also while its sink hangs: it says that the process lives, not that Sentry takes events."""
    feed, basket, heart = Feed(), Basket(), Heart()
    feed.events = _events(1)
    basket.heartbeat = heart  # type: ignore[attr-defined]
    barrier = threading.Event()
    basket.fault = lambda: barrier.wait(_DEADLINE_S) and None
    with _running(tmp_path / "j", feed, basket):
        heart.wait_for(3)
        barrier.set()
    assert set(heart.beats) == {True}


def test_a_hanging_sink_holds_nobody_but_itself(tmp_path: Path) -> None:
    feed, hanging, sound = Feed(), Basket("hanging"), Basket("sound")
    feed.events = _events(5)
    barrier = threading.Event()
    hanging.fault = lambda: barrier.wait(_DEADLINE_S) and None
    with _running(tmp_path / "j", feed, hanging, sound):
        sound.wait_for(5)
        assert hanging.parts == []
        barrier.set()
        hanging.wait_for(5)


def test_health_and_readiness_are_served(tmp_path: Path) -> None:
    feed, basket = Feed(), Basket()
    feed.events = _events(1)
    gate = threading.Event()
    feed.broken = lambda: gate.wait(_DEADLINE_S) and None
    with _running(tmp_path / "j", feed, basket) as running:
        assert running.server is not None
        host, port = running.server.address
        with httpx.Client(base_url=f"http://{host}:{port}", trust_env=False) as client:
            assert client.get("/healthz").status_code == 200
            assert client.get("/readyz").status_code == 503
            gate.set()
            basket.wait_for(1)
            while client.get("/readyz").status_code != 200:  # the projector may be a step behind
                pass
            assert "dify_monitor_build_info" in client.get("/metrics").text


def test_what_a_person_marks_beside_a_running_sidecar_is_delivered(tmp_path: Path) -> None:
    feed, basket = Feed(), Basket()
    feed.events = _events(3)
    refusing = basket.send

    def picky(parts: Sequence[bytes], seqs: Sequence[int]) -> Report:
        if 1 in seqs:
            raise Permanent("no")
        return refusing(parts, seqs)

    basket.send = picky  # type: ignore[method-assign]
    with _running(tmp_path / "j", feed, basket):
        basket.wait_for(2)
        with SqliteJournal.open(tmp_path / "j", SystemClock(), beside=True) as beside:
            (entry,) = beside.rejected("sink:basket")
            basket.send = refusing  # type: ignore[method-assign]
            assert beside.mark([(entry.consumer, entry.seq)]) == 1
            feed.events = _events(4)
            basket.wait_for(4)
    assert sorted(basket.parts) == [each.key.encode() for each in feed.events]
    with SqliteJournal.open(tmp_path / "j", SystemClock(), read_only=True) as journal:
        assert journal.rejected() == []


def test_a_scheduler_stalled_by_the_wall_clock_is_armed_again(tmp_path: Path) -> None:
    """Its next time lies hours ahead, as after a clock set back; the steady clock notices."""
    feed = Feed()
    with _running(tmp_path / "j", feed, Basket(), every_s=0.2) as running:
        feed.wait_for(1)
        job: Any = running._scheduler.get_job("source:feed")
        far = job.next_run_time.replace(year=job.next_run_time.year + 1)
        running._scheduler.modify_job("source:feed", next_run_time=far)
        seen = feed.polls
        feed.wait_for(seen + 2)


def test_a_taken_port_is_an_error_at_the_start_and_leaves_nothing_behind(tmp_path: Path) -> None:
    from monitor.errors import ConfigError  # noqa: PLC0415

    feed = Feed()
    with _running(tmp_path / "a", feed, Basket()) as running:
        assert running.server is not None
        host, port = running.server.address
        settings = Settings.model_validate({"server": {"listen": f"{host}:{port}"}})
        house = House(
            settings=settings, clock=SystemClock(), journal_path=tmp_path / "b", sources=(), sinks=(), notifiers=(), rules=(),
            configs={"sources": (), "sinks": (), "notifiers": ()},
        )  # fmt: skip
        with pytest.raises(ConfigError), crew_of(house) as crew, Supervisor(crew, house, threading.Event()):
            pass
