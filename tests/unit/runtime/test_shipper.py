"""The shipper's laws: nothing lost, nothing out of order, poison alone is parked, a dead sink holds its cursor."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import Auth, MonitorError, Permanent, Retryable, TooLarge
from monitor.metrics.own import SelfMetrics
from monitor.model import Recorded, StepEnded
from monitor.ports import Report
from monitor.runtime.shipper import Shipper
from monitor.testing.clock import HandClock
from monitor.testing.journal import MemoryJournal
from monitor.testing.samples import event, node_step, tool_step, turn_ref


class ListSink:
    """Takes what it is given, but for what the test says."""

    name = "list"
    kinds: Collection[str] = ("step_ended",)
    wants_content = False
    max_events = 8
    max_bytes = 1 << 20

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.resumed: list[str] = []
        self.poison: dict[bytes, MonitorError] = {}
        self.down: MonitorError | None = None
        self.report = Report(accepted=0)
        self.stands = ""
        self.calls = 0

    def resume(self, state: str) -> str:
        self.resumed.append(state)
        return self.stands

    def encode(self, recorded: Recorded) -> bytes:
        return b"" if "silent" in recorded.event.key else recorded.event.key.encode()

    def send(self, parts: Sequence[bytes], seqs: Sequence[int]) -> Report:
        self.calls += 1
        assert list(seqs) == sorted(seqs)
        if self.down is not None:
            raise self.down
        for part in parts:
            if part in self.poison:
                raise self.poison[part]
        self.taken += parts
        return Report(
            accepted=len(parts),
            rejected_unknown=self.report.rejected_unknown,
            detail=self.report.detail,
            state=self.report.state,
        )

    def check(self) -> None:
        if self.down is not None:
            raise self.down

    def close(self) -> None:
        """Nothing."""


class World:
    def __init__(self, events: int) -> None:
        self.clock = HandClock()
        self.journal = MemoryJournal(self.clock)
        self.sink = ListSink()
        ref = turn_ref()
        bodies = [event(StepEnded(turn=ref, step=tool_step(ref, id=f"step-{n:04d}"))) for n in range(events)]
        self.keys = [each.key.encode() for each in bodies]
        self.journal.append("s", bodies, b"")
        self.shipper = self.new_shipper()

    def new_shipper(self) -> Shipper:
        self.own = SelfMetrics()
        return Shipper(self.journal, self.sink, self.clock, self.own, random=lambda: 1.0, logger=structlog.get_logger())

    def drain(self, most: int = 500) -> MonitorError | None:
        for _ in range(most):
            outcome = self.shipper.step()
            if outcome.error is not None:
                self.clock.move(outcome.retry_in_s or 0)
                return outcome.error
            if not outcome.progressed:
                return None
        raise AssertionError("the shipper never comes to rest")

    def parked(self) -> list[tuple[int, str]]:
        return [(each.seq, each.reason) for each in self.journal.rejected("sink:list")]


def test_everything_arrives_once_and_in_order() -> None:
    world = World(30)
    assert world.drain() is None
    assert world.sink.taken == world.keys
    assert world.journal.cursor("sink:list")[0] == world.journal.head()


@given(st.integers(1, 40), st.sets(st.integers(0, 39), max_size=5), st.sampled_from([Permanent("no"), TooLarge("big")]))
def test_poison_alone_is_parked(events: int, poisoned: set[int], error: MonitorError) -> None:
    world = World(events)
    bad = sorted(each for each in poisoned if each < events)
    world.sink.poison = {world.keys[each]: error for each in bad}
    assert world.drain() is None
    assert world.sink.taken == [key for each, key in enumerate(world.keys) if each not in bad]
    assert [seq for seq, _ in world.parked()] == bad
    assert world.journal.cursor("sink:list")[0] == world.journal.head()


@given(st.lists(st.sampled_from([Retryable("down"), Auth("who?"), None]), max_size=12))
def test_a_sink_that_comes_and_goes_loses_nothing(moments: list[MonitorError | None]) -> None:
    world = World(25)
    for down in moments:
        world.sink.down = down
        outcome = world.shipper.step()
        assert (outcome.error is None) == (down is None) or outcome.progressed is False
    world.sink.down = None
    assert world.drain() is None
    assert world.sink.taken == world.keys
    assert world.parked() == []


def test_refused_credentials_never_reject_anything() -> None:
    world = World(3)
    world.sink.down = Auth("401")
    for _ in range(30):
        assert isinstance(world.drain(), Auth)
    assert world.journal.cursor("sink:list")[0] == 0
    assert world.parked() == []


def test_a_failure_that_only_one_event_provokes_in_a_living_sink_is_poison() -> None:
    world = World(10)
    world.sink.poison = {world.keys[4]: Retryable("500", reason="server_error")}
    for _ in range(200):
        if world.drain() is None:
            break
    assert world.parked() == [(4, "poison")]
    assert world.sink.taken == [key for at, key in enumerate(world.keys) if at != 4]


def test_in_a_dead_sink_the_same_failure_is_an_outage() -> None:
    world = World(10)
    world.sink.down = Retryable("500", reason="server_error")
    for _ in range(60):
        assert isinstance(world.drain(), Retryable)
    assert world.parked() == []
    assert world.journal.cursor("sink:list")[0] == 0


def test_a_rate_limit_is_waited_for_and_never_poison() -> None:
    world = World(1)
    world.sink.poison = {world.keys[0]: Retryable("429", reason="rate_limited", after_s=7)}
    outcomes = [world.shipper.step() for _ in range(40)]
    assert all((each.retry_in_s or 0) >= 7 for each in outcomes)
    assert world.parked() == []


def test_what_is_refused_without_a_name_is_parked_as_a_number() -> None:
    world = World(2)
    world.sink.report = Report(accepted=2, rejected_unknown=1, detail="attribute too long")
    assert world.drain() is None
    assert world.parked() == [(0, "partial_success")]


def test_of_an_event_that_was_sent_alone_it_is_known_that_it_was_refused() -> None:
    world = World(1)
    world.sink.report = Report(accepted=0, rejected_unknown=1, detail="attribute too long")
    assert world.drain() is None
    (entry,) = world.journal.rejected("sink:list")
    assert (entry.seq, entry.reason, entry.detail) == (0, "refused", "attribute too long")


def test_events_that_mean_nothing_to_the_sink_are_passed_over() -> None:
    world = World(0)
    world.journal.append(
        "s", [event(StepEnded(turn=turn_ref(), step=node_step(id=f"silent-{n}"))) for n in range(20)], b""
    )
    assert world.drain() is None
    assert world.sink.calls == 0
    assert world.journal.cursor("sink:list")[0] == 20


def test_the_state_goes_with_the_cursor_and_is_handed_back() -> None:
    world = World(3)
    world.sink.stands = "begin"
    world.sink.report = Report(accepted=0, state="after")
    assert world.drain() is None
    assert world.journal.cursor("sink:list") == (3, "after")
    assert world.sink.resumed == [""]
    world.shipper = world.new_shipper()
    world.drain()
    assert world.sink.resumed == ["", "after"]


def test_where_a_new_sink_stands_is_committed_before_it_is_sent_anything() -> None:
    world = World(3)
    world.sink.stands = "begin"
    world.sink.down = Retryable("down")
    world.drain()
    assert world.journal.cursor("sink:list") == (0, "begin")


def test_after_a_failed_commit_the_sink_resumes_from_what_was_committed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was sent but not committed is taken back by a sink that can, and sent again."""
    world = World(3)
    world.sink.stands = "begin"
    advance = world.journal.advance
    failing = iter([False, True])

    def sometimes(*args: object, **kwargs: object) -> None:
        if next(failing, False):
            raise Retryable("database is locked", reason="journal_busy")
        advance(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(world.journal, "advance", sometimes)
    assert isinstance(world.drain(), Retryable)
    assert world.drain() is None
    assert world.sink.resumed == ["", "begin"]
    assert world.sink.taken == world.keys * 2
