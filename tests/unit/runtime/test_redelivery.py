"""Marked events are delivered again before anything new, one by one, on the way that new ones take."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import Auth, MonitorError, Permanent, Retryable, TooLarge
from monitor.metrics.own import SelfMetrics
from monitor.model import StepEnded
from monitor.ports import RejectedEvent, Report, Tools
from monitor.runtime.redelivery import POISON_AFTER
from monitor.runtime.shipper import Shipper
from monitor.sinks.file import Config, FileSink, build
from monitor.testing.clock import HandClock
from monitor.testing.journal import MemoryJournal
from monitor.testing.samples import SECOND, event, tool_step, turn_ref
from tests.unit.runtime.alert_world import FakeClock
from tests.unit.runtime.test_courier import Office
from tests.unit.runtime.test_shipper import World

CONSUMER = "sink:list"


def parked(*seqs: int, events: int = 10) -> World:
    """A world in which all events were delivered but these, which were refused."""
    world = World(events)
    world.sink.poison = {world.keys[seq]: Permanent("no") for seq in seqs}
    assert world.drain() is None
    assert [seq for seq, _ in world.parked()] == sorted(seqs)
    world.sink.poison, world.sink.taken = {}, []
    return world


def mark(world: World, *seqs: int) -> None:
    assert world.journal.mark([(CONSUMER, seq) for seq in seqs]) == len(seqs)


def more(world: World, count: int) -> list[bytes]:
    bodies = [event(StepEnded(turn=turn_ref(2), step=tool_step(turn_ref(2), id=f"more-{n:04d}"))) for n in range(count)]
    world.journal.append("s", bodies, b"")
    return [each.key.encode() for each in bodies]


def counted(world: World, name: str, **labels: str) -> float | None:
    return world.own.registry.get_sample_value(f"dify_monitor_{name}", labels)


@given(st.sets(st.integers(0, 9), min_size=1, max_size=5), st.data())
def test_marked_ones_come_alone_in_order_and_before_what_is_new(seqs: set[int], data: st.DataObject) -> None:
    world = parked(*seqs)
    marked = sorted(data.draw(st.sets(st.sampled_from(sorted(seqs)))))
    mark(world, *marked)
    new = more(world, 3)
    assert world.drain() is None
    assert world.sink.taken == [*(world.keys[seq] for seq in marked), *new]
    assert [seq for seq, _ in world.parked()] == sorted(seqs - set(marked))
    assert world.journal.cursor(CONSUMER)[0] == world.journal.head()


def test_each_is_sent_alone() -> None:
    world = parked(2, 3, 4)
    mark(world, 2, 3, 4)
    world.sink.calls = 0
    world.drain()
    assert world.sink.calls == 3


@pytest.mark.parametrize(
    ("error", "reason"), [(Permanent("still no", reason="bad_request"), "bad_request"), (TooLarge("413"), "too_large")]
)
def test_refused_again_counts_an_attempt_and_is_left_alone(error: MonitorError, reason: str) -> None:
    world = parked(4)
    mark(world, 4)
    world.sink.poison = {world.keys[4]: error}
    new = more(world, 2)
    assert world.drain() is None
    (entry,) = world.journal.rejected(CONSUMER)
    assert (entry.reason, entry.detail, entry.attempts, entry.retry_at) == (reason, str(error), 2, None)
    assert world.sink.taken == new
    calls = world.sink.calls
    world.drain()
    assert world.sink.calls == calls
    assert counted(world, "rejected_total", consumer=CONSUMER, reason=reason) == 1


def test_what_the_report_refuses_is_parked_again_under_its_name() -> None:
    """A backend that tells only how many were refused has told which, when it was sent one alone."""
    world = parked(4)
    mark(world, 4)
    world.sink.report = Report(accepted=0, rejected_unknown=1, detail="attribute too long")
    assert world.drain() is None
    (entry,) = world.journal.rejected(CONSUMER)
    assert (entry.reason, entry.detail, entry.attempts) == ("refused", "attribute too long", 2)
    assert counted(world, "rejected_total", consumer=CONSUMER, reason="refused") == 2


def test_while_the_sink_is_down_it_stays_marked_and_nothing_is_lost() -> None:
    world = parked(4)
    mark(world, 4)
    new = more(world, 2)
    world.sink.down = Retryable("down")
    for _ in range(3 * POISON_AFTER):
        assert isinstance(world.drain(), Retryable)
    assert world.journal.marked(CONSUMER, content=False) is not None
    world.sink.down = None
    world.clock.move(3600)
    assert world.drain() is None
    assert world.sink.taken == [world.keys[4], *new]
    assert world.parked() == []


def test_refused_credentials_keep_the_mark() -> None:
    world = parked(4)
    mark(world, 4)
    world.sink.down = Auth("401")
    for _ in range(2 * POISON_AFTER):
        assert isinstance(world.drain(), Auth)
    assert world.parked() == [(4, "refused")]
    assert world.journal.marked(CONSUMER, content=False) is not None


def test_one_that_cannot_be_taken_now_does_not_hold_up_what_is_new() -> None:
    world = parked(4)
    mark(world, 4)
    world.sink.poison = {world.keys[4]: Retryable("500", reason="server_error")}
    new = more(world, 20)
    while world.shipper.step().progressed:
        pass
    assert world.sink.taken == new
    assert world.journal.marked(CONSUMER, content=False) is not None


def test_until_it_is_due_the_worker_says_what_it_waits_for() -> None:
    """So that `--once` knows that something is left, and a sidecar wakes up for it and for new events alike."""
    world = parked(4)
    mark(world, 4)
    world.sink.poison = {world.keys[4]: Retryable("500", after_s=7)}
    for _ in range(3):
        outcome = world.shipper.step()
        assert (outcome.progressed, outcome.retry_in_s, outcome.due_in_s) == (False, None, 7)
        assert isinstance(outcome.error, Retryable)
    assert world.journal.drop([(CONSUMER, 4)]) == 1
    world.clock.move(7)
    assert world.shipper.step().error is None


def test_what_fails_again_and_again_in_a_living_sink_is_poison_again() -> None:
    world = parked(4)
    mark(world, 4)
    world.sink.poison = {world.keys[4]: Retryable("500", reason="server_error")}
    for _ in range(POISON_AFTER + 1):
        world.drain()
        world.clock.move(60)
    (entry,) = world.journal.rejected(CONSUMER)
    assert (entry.reason, entry.attempts, entry.retry_at) == ("poison", 2, None)
    assert world.drain() is None


def test_a_rate_limit_is_no_poison() -> None:
    world = parked(4)
    mark(world, 4)
    world.sink.poison = {world.keys[4]: Retryable("429", reason="rate_limited")}
    for _ in range(3 * POISON_AFTER):
        world.drain()
        world.clock.move(60)
    assert world.parked() == [(4, "refused")]


def test_one_that_means_nothing_to_the_sink_any_more_is_done() -> None:
    world = World(0)
    world.journal.append("s", [event(StepEnded(turn=turn_ref(), step=tool_step(id="silent-1")))], b"")
    world.drain()
    world.journal.advance(CONSUMER, 1, rejected=[RejectedEvent(0, "refused", "no")])
    mark(world, 0)
    assert world.drain() is None
    assert (world.parked(), world.sink.calls) == ([], 0)


def test_the_state_that_the_delivery_led_to_commits_with_it() -> None:
    world = parked(4)
    mark(world, 4)
    world.sink.report = Report(accepted=0, state="after")
    world.drain()
    assert world.journal.cursor(CONSUMER) == (10, "after")


def test_a_lost_commit_delivers_it_once_more_from_the_committed_state(monkeypatch: pytest.MonkeyPatch) -> None:
    world = parked(4)
    mark(world, 4)
    world.sink.report = Report(accepted=0, state="after")
    world.journal.advance(CONSUMER, 10, state="begin")
    advance = world.journal.advance

    def fail_once(*args: object, **kwargs: object) -> None:
        monkeypatch.setattr(world.journal, "advance", advance)
        raise Retryable("database is locked", reason="journal_busy")

    monkeypatch.setattr(world.journal, "advance", fail_once)
    world.sink.resumed = []
    assert isinstance(world.drain(), Retryable)
    assert world.drain() is None
    assert world.sink.taken == [world.keys[4]] * 2
    assert world.sink.resumed[0] == "begin"
    assert world.journal.cursor(CONSUMER) == (10, "after")
    assert world.parked() == []


# -- the file sink: each span exactly once


class FileWorld:
    """A shipper with the real file sink."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "spans.jsonl"
        self.clock = HandClock()
        self.journal = MemoryJournal(self.clock)
        ref = turn_ref()
        bodies = [event(StepEnded(turn=ref, step=tool_step(ref, id=f"step-{n}"))) for n in range(6)]
        self.journal.append("s", bodies, b"")
        self.start()

    def start(self) -> None:
        """A new process."""
        tools = Tools(clock=self.clock, logger=structlog.get_logger(), pseudonym=str)
        self.sink = build(Config(type="file", path=str(self.path), fsync=False), tools)
        assert isinstance(self.sink, FileSink)
        self.shipper = Shipper(
            self.journal, self.sink, self.clock, SelfMetrics(), random=lambda: 1.0, logger=structlog.get_logger()
        )

    def drain(self) -> None:
        while self.shipper.step().progressed:
            pass

    def names(self) -> list[str]:
        """The ids of the spans in the file."""
        lines = [json.loads(line) for line in self.path.read_text().splitlines()]
        return [line["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["spanId"] for line in lines]


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileWorld]:
    """Six events in the file but the third, which was parked, and is marked now."""
    world = FileWorld(tmp_path)
    send = world.sink.send

    def picky(parts: Sequence[bytes], seqs: Sequence[int]) -> Report:
        if 2 in seqs:
            raise Permanent("no")
        return send(parts, seqs)

    with monkeypatch.context() as patched:
        patched.setattr(world.sink, "send", picky)
        world.drain()
    assert len(world.names()) == 5
    assert world.journal.mark([("sink:file", 2)]) == 1
    yield world
    world.sink.close()


def test_a_line_that_was_refused_is_appended_and_stays_through_a_restart(files: FileWorld) -> None:
    files.drain()
    lines = files.path.read_bytes()
    assert len(set(files.names())) == len(files.names()) == 6
    assert files.journal.rejected() == []
    files.sink.close()
    files.start()
    files.drain()
    assert files.path.read_bytes() == lines


def test_a_death_between_the_line_and_its_commit_leaves_it_there_once(
    files: FileWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_args: object, **_settings: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(files.journal, "advance", die)
        with pytest.raises(KeyboardInterrupt):
            files.drain()
    assert len(files.names()) == 6
    files.sink.close()
    files.start()
    files.drain()
    assert len(set(files.names())) == len(files.names()) == 6
    assert files.journal.rejected() == []


# -- couriers


@pytest.fixture
def office():
    clock = FakeClock()
    made = Office(MemoryJournal(clock), clock)
    made.courier.start()
    made.happens("FFFFF")
    made.channel.raises = [Permanent("no such field", reason="bad_request")]
    made.deliver()
    made.outcomes.clear()
    return made


def marked(office: Office) -> None:
    (entry,) = office.journal.rejected("notify:phone")
    assert office.journal.mark([(entry.consumer, entry.seq)]) == 1


def test_a_marked_alert_is_said_before_new_ones(office: Office) -> None:
    office.happens(" S")
    marked(office)
    office.deliver()
    assert office.heard == [("firing", "condition_met"), ("resolved", "condition_cleared")]
    assert office.journal.rejected() == []
    assert office.outcomes == [("said", ""), ("said", "")]


def test_a_marked_alert_that_is_refused_again_stays_parked(office: Office) -> None:
    marked(office)
    office.channel.raises = [TooLarge("413")]
    office.deliver()
    (entry,) = office.journal.rejected()
    assert (entry.reason, entry.attempts, entry.retry_at) == ("too_large", 2, None)
    assert office.outcomes == [("rejected", "too_large")]


def test_a_marked_alert_that_cannot_be_said_now_holds_no_new_one_up(office: Office) -> None:
    office.happens(" S")
    marked(office)
    office.channel.raises = [Retryable("500", reason="server_error")]
    outcome = office.deliver()
    assert office.heard == [("resolved", "condition_cleared")]
    assert isinstance(outcome.error, Retryable)
    assert outcome.due_in_s is not None
    office.clock.time_ns += 60 * SECOND
    office.deliver()
    assert [now for now, _ in office.heard] == ["resolved", "firing"]


def test_refused_credentials_hold_a_marked_alert(office: Office) -> None:
    marked(office)
    office.channel.raises = [Auth("401")]
    assert office.deliver().retry_in_s == 60
    office.deliver()
    assert office.heard == [("firing", "condition_met")]


def test_a_courier_that_starts_anew_finds_the_mark(office: Office) -> None:
    marked(office)
    office.hire()
    office.deliver()
    assert office.heard == [("firing", "condition_met")]
