"""The `sentry` sink: what it sends when, what it holds back, what it leaves out, and that all of that repeats."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import Auth, MonitorError, Permanent, Retryable, TooLarge
from monitor.model import Recorded, Redaction, StepEnded
from monitor.normalise.redact import Leaving
from monitor.ports import Report, Tools
from monitor.sinks import sentry
from monitor.sinks.sentry.choice import belongs
from monitor.sinks.sentry.envelope import Envelope
from monitor.sinks.sentry.limits import RateLimits
from monitor.sinks.sentry.sink import SentrySink
from monitor.testing import samples
from monitor.testing.clock import HandClock
from monitor.testing.laws import WordKeeper
from monitor.testing.servers import Answer, LocalServer

KEY = "3b1c5e0f9a7d4e6f8b2a1c0d9e8f7a6b"
HOUR, DAY = 3600, 86_400
NOW_NS = samples.BASE_NS + 600 * samples.SECOND
BOTH = ("failures", "transactions")


class Recorder:
    """Implements `monitor.sinks.sentry.delivery.Transport`: keeps what it is given, and fails as it is told."""

    def __init__(self, clock: HandClock) -> None:
        self.limits, self.lanes = RateLimits(clock), 1
        self.sent: list[Envelope] = []
        self.fails: dict[int, MonitorError] = {}
        """By the number of the attempt, from 1."""
        self.attempts = 0

    def post(self, envelope: Envelope) -> None:
        self.attempts += 1
        if self.attempts in self.fails:
            raise self.fails[self.attempts]
        self.sent.append(envelope)

    def close(self) -> None:
        pass


def built(*, clock: HandClock | None = None, **settings: Any) -> tuple[SentrySink, Recorder]:
    clock = clock or HandClock(NOW_NS)
    wire = Recorder(clock)
    config = sentry.Config(type="sentry", dsn=f"https://{KEY}@s.example/1", **settings)
    leaving = Leaving(config.label, config.content, Redaction())
    return SentrySink(config, Tools(clock=clock, logger=WordKeeper(), pseudonym=str), wire, leaving), wire


def over_the_wire(
    server: LocalServer, clock: HandClock | None = None, words: WordKeeper | None = None, **settings: Any
) -> SentrySink:
    """A sink that speaks to the server, over one connection unless told otherwise."""
    dsn = server.url.replace("://", f"://{KEY}@") + "/1"
    config = sentry.Config(type="sentry", dsn=dsn, **({"connections": 1} | settings))
    tools = Tools(clock=clock or HandClock(NOW_NS), logger=words or WordKeeper(), pseudonym=str)
    return sentry.build(config, tools)


def send(sink: SentrySink, events: Sequence[Recorded]) -> Report:
    return sink.send([sink.encode(event) for event in events], [event.seq for event in events])


def failure(number: int = 1, *, after_s: float = 0, **changes: Any) -> Recorded:
    """A failed tool call of turn `number`."""
    turn = samples.turn_ref(number)
    at = samples.BASE_NS + round((number % 100 + after_s) * samples.SECOND)
    changes = {"status": "failed", "started_at": at, "ended_at": at} | changes
    return samples.recorded(StepEnded(turn=turn, step=samples.tool_step(turn, **changes)), seq=number)


def turns(count: int, *, failed: bool = True) -> list[Recorded]:
    return [event for n in range(1, count + 1) for event in samples.agent_turn(n, seq=(n - 1) * 5, failed=failed)]


def payloads(wire: Recorder, item: str) -> list[dict[str, Any]]:
    return [json.loads(each.payload) for each in wire.sent if each.item == item]


class TestTurns:
    def test_a_failure_tells_the_steps_that_led_there(self):
        sink, wire = built()
        events = samples.agent_turn(failed=True)
        send(sink, events)
        (found,) = payloads(wire, "event")
        assert [each["message"] for each in found["breadcrumbs"]["values"]] == ["llm gpt-4o-mini"]

    def test_a_failed_turn_tells_all_its_steps(self):
        sink, wire = built(causes_only=False)
        turn = samples.turn_ref()
        steps = [samples.llm_step(turn, 1), samples.tool_step(turn, 2, status="failed"), samples.llm_step(turn, 3)]
        facts = [StepEnded(turn=turn, step=step) for step in steps]
        send(sink, [samples.recorded(each) for each in (*facts, samples.turn_ended(turn, status="failed"))])
        crumbs = payloads(wire, "event")[-1]["breadcrumbs"]["values"]
        assert [(each["category"], each["level"]) for each in crumbs] == [
            ("llm", "info"), ("tool", "error"), ("llm", "info"),
        ]  # fmt: skip

    def test_a_step_that_comes_again_with_better_times_is_one_breadcrumb(self):
        sink, wire = built()
        turn = samples.turn_ref()
        first = samples.llm_step(turn, 1, provisional=True)
        again = samples.llm_step(turn, 1)
        tool = samples.tool_step(turn, 2, status="failed")
        send(sink, [samples.recorded(StepEnded(turn=turn, step=step)) for step in (first, again, tool)])
        assert len(payloads(wire, "event")[0]["breadcrumbs"]["values"]) == 1

    def test_a_failure_is_not_among_its_own_breadcrumbs(self):
        """It was seen before, with times that were not final."""
        sink, wire = built()
        turn = samples.turn_ref()
        before, tool = samples.llm_step(turn, 1), samples.tool_step(turn, 2, status="failed")
        early = samples.tool_step(turn, 2, status="failed", provisional=True)
        send(sink, [samples.recorded(StepEnded(turn=turn, step=step)) for step in (before, early, tool)])
        (found,) = payloads(wire, "event")
        assert [each["category"] for each in found["breadcrumbs"]["values"]] == ["llm"]

    def test_a_transaction_is_the_whole_tree(self):
        sink, wire = built(what=BOTH)
        for event in turns(1):
            send(sink, [event])
        (found,) = payloads(wire, "transaction")
        assert [span["op"] for span in found["spans"]] == ["gen_ai.chat", "gen_ai.execute_tool", "gen_ai.chat"]
        assert {span["parent_span_id"] for span in found["spans"]} == {found["contexts"]["trace"]["span_id"]}
        assert "extra" not in found

    def test_a_transaction_says_what_it_lacks(self):
        sink, wire = built(what=BOTH)
        send(sink, turns(1)[2:])
        (found,) = payloads(wire, "transaction")
        assert found["extra"] == {"dify.steps_missing": 1}

    def test_a_turn_that_ended_is_forgotten(self):
        sink, _ = built(what=BOTH)
        empty = len(send(sink, turns(1)).state)
        assert len(send(sink, turns(3)).state) == empty

    def test_memory_is_bounded(self):
        """A turn of 3,000 steps, and 3,000 turns that never end: the state stays small, the newest is kept."""
        sink, wire = built(what=BOTH)
        turn = samples.turn_ref()
        steps = [samples.llm_step(turn, 1, id=samples.uuid(n, 6)) for n in range(3000)]
        send(sink, [samples.recorded(StepEnded(turn=turn, step=step)) for step in steps])
        send(sink, [samples.recorded(samples.turn_ended(turn, status="failed", steps=tuple(s.id for s in steps)))])
        assert len(payloads(wire, "event")[0]["breadcrumbs"]["values"]) == 100
        assert 100 < len(payloads(wire, "transaction")[0]["spans"]) <= 1000
        open_ended = [failure(n, status="succeeded") for n in range(1, 3000)]
        assert len(send(sink, open_ended).state) < 1_000_000
        send(sink, [failure(2999, id="other")])
        assert payloads(wire, "event")[-1]["breadcrumbs"]["values"]

    @pytest.mark.parametrize("state", ["no state of mine", "1:", "1:!!!", "1:" + "0" * 50, "2:x"])
    def test_a_state_that_is_none_is_an_empty_memory(self, state):
        sink, wire = built(what=BOTH)
        assert sink.resume(state).startswith("1:")
        send(sink, turns(1))
        assert len(wire.sent) == 2


@given(cuts=st.lists(st.integers(1, 24), max_size=6), crash=st.lists(st.booleans(), min_size=7, max_size=7))
def test_windows_and_restarts_change_nothing(cuts: list[int], crash: list[bool]) -> None:
    """However the events are cut into windows, and whether the process is another one for each, the same is sent.

    Within a window failures go first, so the order is not the same.
    """
    events = turns(5)
    settings: dict[str, Any] = {"what": BOTH, "sample": [{"first": 2, "then": 0.3}]}
    sink, wire = built(**settings)
    send(sink, events)
    wanted = [each.to_bytes() for each in wire.sent]
    places = [0, *sorted(set(cuts)), len(events)]
    sink, wire = built(**settings)
    wires, state = [wire], ""
    for restarted, first, last in zip(crash, places, places[1:], strict=False):
        if restarted:
            sink, wire = built(**settings)
            wires.append(wire)
            sink.resume(state)
        state = send(sink, events[first:last]).state
    assert sorted(each.to_bytes() for wire in wires for each in wire.sent) == sorted(wanted)


class TestFailedDeliveries:
    def test_what_was_taken_is_not_sent_again(self):
        """The third request fails; the next try begins there."""
        sink, wire = built()
        wire.fails[3] = Retryable("busy")
        events = [failure(number) for number in range(1, 6)]
        with pytest.raises(Retryable):
            send(sink, events)
        sink.resume("")
        assert send(sink, events).accepted == 5
        assert Counter(each.event_id for each in wire.sent).most_common(1)[0][1] == 1
        assert len(wire.sent) == 5

    def test_also_not_when_the_window_is_halved(self):
        sink, wire = built()
        wire.fails[4] = Retryable("busy")
        events = [failure(number) for number in range(1, 7)]
        with pytest.raises(Retryable):
            send(sink, events)
        for half in (events[:2], events[2:4], events[4:]):
            send(sink, half)
        assert [each.seq for each in wire.sent] == [1, 2, 3, 4, 5, 6]

    def test_a_crash_before_the_commit_repeats_the_same_bytes(self):
        """Everything was taken, nothing committed: the next process has the state before, and sends what was sent."""
        settings: dict[str, Any] = {"what": BOTH, "sample": [{"first": 1, "then": 0}]}
        events = turns(4)
        sink, _ = built(**settings)
        committed = send(sink, events[:7]).state
        heard = []
        for _ in range(2):
            sink, wire = built(**settings)
            sink.resume(committed)
            report = send(sink, events[7:])
            heard.append(([each.to_bytes() for each in wire.sent], report))
        assert heard[0] == heard[1]
        assert heard[0][0]

    def test_a_failed_delivery_leaves_the_memory_as_it_was(self):
        sink, wire = built()
        wire.fails[1] = Retryable("busy")
        events = samples.agent_turn(failed=True)
        with pytest.raises(Retryable):
            send(sink, events)
        assert sink.left_out == {}
        send(sink, events)
        (found,) = payloads(wire, "event")
        assert len(found["breadcrumbs"]["values"]) == 1

    @pytest.mark.parametrize("error", [TooLarge("large"), Permanent("no", reason="http_400")])
    def test_one_refusal_among_several_is_told_by_name(self, error):
        sink, wire = built()
        wire.fails[2] = error
        report = send(sink, [failure(number) for number in (1, 2, 3)])
        assert [each.seq for each in report.rejected] == [2]
        assert report.accepted == 2
        assert [each.seq for each in wire.sent] == [1, 3]

    @pytest.mark.parametrize("error", [TooLarge("large"), Permanent("no"), Auth("who?"), Retryable("busy")])
    def test_a_lone_one_raises(self, error):
        sink, wire = built()
        wire.fails[1] = error
        with pytest.raises(type(error)):
            send(sink, [failure()])

    def test_a_slow_window_gives_way(self):
        clock = HandClock(NOW_NS)
        sink, wire = built(clock=clock)
        post: Callable[[Envelope], None] = wire.post

        def slow(envelope: Envelope) -> None:
            clock.move(25)
            post(envelope)

        wire.post = slow
        events = [failure(number) for number in range(1, 6)]
        with pytest.raises(Retryable, match="rest follows"):
            send(sink, events)
        send(sink, events)
        assert [each.seq for each in wire.sent] == [1, 2, 3, 4, 5]


class TestRateLimits:
    @pytest.mark.parametrize(
        ("header", "waits"),
        [
            ("60:error:organization", {"error": 60, "transaction": 0}),
            ("60:error;transaction:key, 2700:monitor:organization:quota", {"error": 60, "transaction": 60, "monitor": 2700}),
            ("50::project", {"error": 50, "transaction": 50}),
            ("50:", {"error": 50}),
            ("60:ERROR", {"error": 60}),
            ("2.5:error:key", {"error": 2.5}),
            (" 60 : error ; transaction : key ", {"error": 60, "transaction": 60}),
            ("60:error:organization:quota:custom;other:more:still", {"error": 60, "transaction": 0}),
            ("60:error, 2700:error:key, 30:error", {"error": 2700}),
            ("60:attachment;no_such_thing:key", {"error": 0, "transaction": 0}),
            ("", {"error": 0}),
            ("soon:error, :, ,7,-5:error,1e3:error,1.:error,.5:error,inf:error,٣:error", {"error": 0}),
            ("99999999999999:error", {"error": 31 * DAY}),
        ],
    )  # fmt: skip
    def test_reads_sentrys_header(self, header, waits):
        limits = RateLimits(HandClock())
        limits.learn(200, {"x-sentry-rate-limits": header}, None)
        assert {category: limits.wait_s(category) for category in waits} == waits

    def test_a_429_that_names_categories_holds_only_those(self):
        limits = RateLimits(HandClock())
        limits.learn(429, {"x-sentry-rate-limits": "60:error:key"}, 5.0)
        assert (limits.wait_s("error"), limits.wait_s("transaction")) == (60, 0)

    @pytest.mark.parametrize(("after_s", "waits_s"), [(None, 60), (17.0, 17), (0.0, 0)])
    def test_a_bare_429_holds_everything(self, after_s, waits_s):
        limits = RateLimits(HandClock())
        limits.learn(429, {}, after_s)
        assert limits.wait_s("error") == limits.wait_s("transaction") == waits_s

    def test_other_answers_limit_nothing(self):
        limits = RateLimits(HandClock())
        for status in (200, 400, 500, 503):
            limits.learn(status, {}, 17.0)
        assert limits.wait_s("error") == 0

    def test_the_clock_lifts_them(self):
        clock = HandClock()
        limits = RateLimits(clock)
        limits.learn(429, {"x-sentry-rate-limits": "60:error"}, None)
        clock.set_wall(0)
        clock.move(59)
        assert limits.wait_s("error") == 1
        clock.move(1)
        assert limits.wait_s("error") == 0

    def test_a_shorter_limit_lifts_no_longer_one(self):
        limits = RateLimits(HandClock())
        for header in ("3600:error:organization", "60:error:key"):
            limits.learn(200, {"x-sentry-rate-limits": header}, None)
        assert limits.wait_s("error") == 3600

    def test_a_category_that_nobody_knows_holds_nothing_up(self):
        """Even with a 429: only its Retry-After, which the caller obeys, is for all."""
        clock = HandClock(NOW_NS)
        with LocalServer() as server:
            server.answer(Answer(429, headers={"X-Sentry-Rate-Limits": "3600:no_such_thing:key", "Retry-After": "7"}))
            sink = over_the_wire(server, clock)
            with pytest.raises(Retryable) as caught:
                send(sink, [failure()])
            server.answer(Answer(200))
            assert (caught.value.after_s, send(sink, [failure()]).accepted) == (7, 1)
            sink.close()

    def test_failures_wait_and_none_is_lost(self):
        """No request leaves while the limit holds; the cursor stands still, and then all go."""
        clock = HandClock(NOW_NS)
        sink, wire = built(clock=clock)
        wire.limits.learn(200, {"x-sentry-rate-limits": "60:error:key"}, None)
        with pytest.raises(Retryable) as caught:
            send(sink, [failure()])
        assert (caught.value.reason, caught.value.after_s, wire.attempts) == ("rate_limited", 60, 0)
        clock.move(60)
        assert send(sink, [failure()]).accepted == 1
        assert sink.left_out == {}

    def test_a_moments_limit_on_transactions_is_waited_for(self):
        clock = HandClock(NOW_NS)
        sink, wire = built(clock=clock, what=BOTH)
        wire.limits.learn(200, {"x-sentry-rate-limits": "60:transaction:key"}, None)
        with pytest.raises(Retryable):
            send(sink, turns(1))
        clock.move(60)
        send(sink, turns(1))
        assert Counter(each.item for each in wire.sent) == {"event": 1, "transaction": 1}

    def test_a_long_one_leaves_them_out_and_lets_failures_through(self):
        sink, wire = built(what=BOTH)
        wire.limits.learn(200, {"x-sentry-rate-limits": "86400:transaction;span:organization"}, None)
        report = send(sink, turns(3))
        assert Counter(each.item for each in wire.sent) == {"event": 3}
        assert sink.left_out == {"rate_limited": 3}
        assert report.accepted == 12

    def test_a_quota_that_comes_as_short_limits_leaves_them_out_too(self):
        """Sentry says `60` of a quota that is used up, and again whenever asked."""
        clock = HandClock(NOW_NS)
        with LocalServer() as server:
            limited = Answer(429, headers={"X-Sentry-Rate-Limits": "60:transaction;span:organization:usage_exceeded"})
            server.answer(limited)
            sink = over_the_wire(server, clock, what=BOTH)
            waited = 0
            while not sink.left_out:
                try:
                    send(sink, turns(1, failed=False))
                except Retryable:
                    waited += 1
                    clock.move(60)
            assert (waited, sink.left_out) == (11, {"rate_limited": 1})
            assert send(sink, turns(2, failed=False)).left_out == 2
            clock.move(60)
            server.answer(Answer(200))
            assert send(sink, turns(1, failed=False)).left_out == 0
            server.answer(limited)
            with pytest.raises(Retryable):
                send(sink, turns(1, failed=False))
            sink.close()

    def test_transactions_hold_no_failure_of_their_window_up(self):
        sink, wire = built(what=BOTH)
        wire.limits.learn(200, {"x-sentry-rate-limits": "60:transaction:key"}, None)
        with pytest.raises(Retryable):
            send(sink, turns(3))
        assert [each.item for each in wire.sent] == ["event"] * 3

    def test_a_limit_on_failures_lets_transactions_wait_behind_them(self):
        """However long: what Sentry takes later is in the order of the journal."""
        sink, wire = built(what=BOTH)
        wire.limits.learn(200, {"x-sentry-rate-limits": "86400:error;transaction:key"}, None)
        with pytest.raises(Retryable) as caught:
            send(sink, turns(3))
        assert (caught.value.after_s, wire.sent, sink.left_out) == (86400, [], {})

    def test_a_fact_of_which_something_was_sent_was_taken(self):
        """A failed turn is an event and a transaction: the second is left out, the first counts."""
        sink, wire = built(what=BOTH)
        wire.limits.learn(200, {"x-sentry-rate-limits": "86400:transaction:organization"}, None)
        report = send(sink, [samples.recorded(samples.turn_ended(status="failed"))])
        assert report.accepted == 1
        assert sink.left_out == {"rate_limited": 1}

    def test_a_refusal_that_names_a_long_limit_leaves_the_transaction_out(self):
        """Over the wire: 429 for a transaction, and what comes after it is sent."""
        with LocalServer() as server:
            limited = Answer(429, headers={"X-Sentry-Rate-Limits": "86400:transaction:organization"})
            server.answer(Answer(200), limited, Answer(200))
            sink = over_the_wire(server, what=BOTH)
            report = send(sink, [*turns(1, failed=False), failure(50)])
            send(sink, [failure(51)])
            assert len(server.requests) == 3
            assert sink.left_out == {"rate_limited": 1}
            assert report.accepted == 5
            sink.close()

    def test_a_limit_that_comes_with_the_answer_counts_at_once(self):
        """Over the wire: after the first event, a 200 says that no transaction is wanted any more."""
        with LocalServer() as server:
            limited = Answer(200, headers={"X-Sentry-Rate-Limits": "86400:transaction:organization"})
            server.answer(limited)
            sink = over_the_wire(server, what=BOTH)
            send(sink, turns(2))
            assert len(server.requests) == 2
            sink.close()


class TestLeftOut:
    def test_old_events_are_left_out_and_counted(self):
        clock = HandClock(samples.BASE_NS + 2 * DAY * samples.SECOND)
        sink, wire = built(clock=clock, what=BOTH)
        report = send(sink, turns(2))
        assert not wire.sent
        assert sink.left_out == {"too_old": 4}
        assert report.accepted == 6
        assert len(report.state) < 100

    def test_what_is_old_is_not_remembered(self):
        """Neither an old turn that never ended, nor which events of an old hour were sent."""
        clock = HandClock(NOW_NS)
        sink, _ = built(clock=clock, sample=[{"first": 5, "then": 0}])
        assert len(send(sink, [failure(n) for n in range(1, 6)]).state) > 200
        clock.move(2 * DAY)
        assert len(send(sink, [failure(n, status="succeeded") for n in range(6, 40)]).state) < 100

    def test_what_is_left_out_is_counted_across_restarts(self):
        clock = HandClock(samples.BASE_NS + 2 * DAY * samples.SECOND)
        sink, _ = built(clock=clock)
        state = send(sink, turns(2)).state
        again, _ = built(clock=clock)
        assert again.resume(state) == state
        send(again, turns(1))
        assert again.left_out == {"too_old": 3}

    def test_a_transaction_that_sentry_would_throw_away_is_left_out(self):
        """It answers 200 to one that began more than five days ago, and keeps nothing of it."""
        clock = HandClock(samples.BASE_NS + 6 * DAY * samples.SECOND)
        sink, wire = built(clock=clock, max_age="30d", what=BOTH)
        send(sink, turns(1))
        assert [each.item for each in wire.sent] == ["event"]
        assert sink.left_out == {"too_old": 1}

    def test_max_age_is_a_setting(self):
        clock = HandClock(samples.BASE_NS + 2 * DAY * samples.SECOND)
        sink, wire = built(clock=clock, max_age="3d")
        send(sink, turns(2))
        assert len(wire.sent) == 2


class TestCauses:
    """A failure is told where it happened."""

    def chain(self, turn: Any = None, **inner: Any) -> list[Recorded]:
        """A tool fails in an iteration, which fails of it, and so does the turn."""
        turn = turn or samples.chatflow_ref()
        loop = samples.node_step(turn, 1, "iteration", status="failed")
        tool = samples.tool_step(turn, 2, **{"status": "failed", "parent_id": loop.id, **inner})
        facts = [StepEnded(turn=turn, step=tool), StepEnded(turn=turn, step=loop)]
        bodies = (*facts, samples.turn_ended(turn, status="failed"))
        return [samples.recorded(body, seq=seq) for seq, body in enumerate(bodies, 1)]

    def test_what_failed_because_of_it_is_left_out_and_counted(self):
        sink, wire = built()
        report = send(sink, self.chain())
        assert [each.seq for each in wire.sent] == [1]
        assert (sink.left_out, report.left_out) == ({"consequence": 2}, 2)
        assert report.left_out_by == {"consequence": 2}

    def test_so_it_is_in_windows_of_one(self):
        sink, wire = built()
        for fact in self.chain():
            send(sink, [fact])
        assert [each.seq for each in wire.sent] == [1]

    def test_a_failure_that_was_handled_is_no_cause(self):
        sink, wire = built()
        send(sink, self.chain(handled=True))
        assert [each.seq for each in wire.sent] == [1, 2]

    def test_what_is_not_yet_final_is_no_cause(self):
        sink, wire = built()
        send(sink, self.chain(provisional=True))
        assert [each.seq for each in wire.sent] == [2]

    def test_a_step_that_came_through_after_all_is_no_cause(self):
        sink, wire = built()
        first, *rest = self.chain()
        send(sink, [first, self.chain(status="succeeded")[0], *rest])
        assert [payload["transaction"].rpartition(" ")[2] for payload in payloads(wire, "event")] == [
            "query_order_status", "提取订单号",
        ]  # fmt: skip

    def test_another_turns_failure_is_no_cause(self):
        sink, wire = built()
        other = samples.recorded(samples.turn_ended(samples.chatflow_ref(2), status="failed"), seq=9)
        send(sink, [self.chain()[0], other])
        assert [each.seq for each in wire.sent] == [1, 9]

    def test_who_wants_all_gets_all(self):
        sink, wire = built(causes_only=False)
        send(sink, self.chain())
        assert [each.seq for each in wire.sent] == [1, 2, 3]

    def test_a_turn_as_a_transaction_is_sent_all_the_same(self):
        sink, wire = built(what=BOTH)
        send(sink, self.chain())
        assert [each.item for each in wire.sent] == ["event", "transaction"]


class TestSeveralAtOnce:
    def test_they_are_on_their_way_together(self):
        """Four requests stand at the server, none answered, before one is."""
        with LocalServer() as server:
            gate = server.hang()
            sink = over_the_wire(server, connections=4)
            done: list[Report] = []
            events = [failure(number) for number in range(1, 9)]
            thread = threading.Thread(target=lambda: done.append(send(sink, events)))
            thread.start()
            server.wait_for(4)
            gate.set()
            server.answer(Answer(200))
            thread.join(30)
            assert [report.accepted for report in done] == [8]
            assert len(server.requests) == 8
            sink.close()

    def test_one_that_fails_loses_and_repeats_none(self):
        with LocalServer() as server:
            server.answer(Answer(200), Answer(200), Answer(503), Answer(200))
            sink = over_the_wire(server, connections=4)
            events = [failure(number) for number in range(1, 41)]
            with pytest.raises(Retryable):
                send(sink, events)
            assert send(sink, events).accepted == 40
            ids = Counter(seen.decoded.splitlines()[0] for seen in server.requests)
            assert sorted(ids.values()) == [1] * 39 + [2]
            sink.close()

    def test_a_refusal_stops_nobody(self):
        with LocalServer() as server:
            server.answer(Answer(200), Answer(400), Answer(200))
            sink = over_the_wire(server, connections=4)
            report = send(sink, [failure(number) for number in range(1, 21)])
            assert (report.accepted, len(report.rejected), len(server.requests)) == (19, 1, 20)
            sink.close()


class TestSampling:
    def test_an_outage_does_not_burn_a_quota(self):
        """5,000 equal failures in an hour: the first ten, and one in a hundred of the others."""
        sink, wire = built(sample=[{"first": 10, "then": 0.01}])
        send(sink, [failure(number) for number in range(1, 5001)])
        assert 10 + 25 < len(wire.sent) < 10 + 75
        assert [each.seq for each in wire.sent[:10]] == list(range(1, 11))
        assert sink.left_out == {"sampled": 5000 - len(wire.sent)}

    def test_the_same_event_is_decided_alike(self):
        """In another process, in another order, and when it is delivered a second time."""
        events = [failure(number) for number in range(1, 301)]
        kept = []
        for order in (events, events[::-1]):
            sink, wire = built(sample=[{"then": 0.2}])
            send(sink, order)
            kept.append({each.event_id for each in wire.sent})
        assert kept[0] == kept[1]
        sink, wire = built(sample=[{"first": 5, "then": 0.2}])
        send(sink, events)
        once = [each.event_id for each in wire.sent]
        send(sink, events)
        assert [each.event_id for each in wire.sent] == once * 2

    def test_each_fingerprint_and_each_hour_has_its_first_ones(self):
        sink, wire = built(sample=[{"first": 1, "then": 0}])
        other = {"error_type": "rate_limit"}
        facts = [failure(1), failure(2), failure(3, **other), failure(4, **other), failure(5, after_s=HOUR)]
        clock = HandClock(samples.BASE_NS + 2 * HOUR * samples.SECOND)
        sink._clock = clock
        send(sink, facts)
        assert [each.seq for each in wire.sent] == [1, 3, 5]

    def test_the_first_sample_that_fits_decides(self):
        samples_ = [
            {"error_type": "rate_*", "then": 0},
            {"subject": "tool query_*", "app": "客服*", "then": 1},
            {"then": 0},
        ]
        sink, wire = built(sample=samples_)
        send(sink, [failure(1, error_type="rate_limit"), failure(2), failure(3, tool=None, kind="agent")])
        assert [each.seq for each in wire.sent] == [2]

    def test_what_the_app_handled_can_be_left_out(self):
        sink, wire = built(sample=[{"handled": True, "then": 0}])
        send(sink, [failure(1, handled=True), failure(2)])
        assert [each.seq for each in wire.sent] == [2]

    def test_without_a_sample_everything_is_sent(self):
        sink, wire = built()
        send(sink, [failure(number) for number in range(1, 101)])
        assert len(wire.sent) == 100

    def test_transactions_have_a_share_of_their_own(self):
        sink, wire = built(what=BOTH, transaction_rate=0.25)
        send(sink, turns(200, failed=False))
        assert 25 < len(wire.sent) < 75
        assert sink.left_out == {"sampled": 200 - len(wire.sent)}

    @given(key=st.text(), low=st.floats(0, 1), high=st.floats(0, 1))
    def test_who_is_in_a_share_is_in_every_larger_one(self, key, low, high):
        low, high = sorted((low, high))
        assert belongs(key, low) <= belongs(key, high)
        assert belongs(key, 1.0)
        assert not belongs(key, 0.0)


class TestHeartbeat:
    def beats(self, server: LocalServer, clock: HandClock, words: WordKeeper | None = None, **settings: Any) -> Any:
        return over_the_wire(server, clock, words, heartbeat="dify-monitor", **settings)

    def test_says_that_we_are_alive(self):
        clock = HandClock(NOW_NS)
        with LocalServer() as server:
            sink = self.beats(server, clock, heartbeat_every="5m", deployment_environment="prod")
            assert sink.heartbeat.every_s == 300
            for well in (True, True, False):
                sink.heartbeat.beat(well=well)
            clock.move(300)
            sink.heartbeat.beat(well=True)
            found = [json.loads(seen.decoded.splitlines()[2]) for seen in server.requests]
            sink.close()
        assert [each["status"] for each in found] == ["ok", "ok", "error", "ok"]
        assert len({each["check_in_id"] for each in found}) == 2
        assert found[0]["monitor_slug"] == "dify-monitor"
        assert found[0]["environment"] == "prod"
        assert found[0]["monitor_config"]["schedule"] == {"type": "interval", "value": 5, "unit": "minute"}

    def test_never_raises_and_obeys_limits(self):
        clock, words = HandClock(NOW_NS), WordKeeper()
        with LocalServer() as server:
            server.answer(Answer(429, headers={"x-sentry-rate-limits": "60:monitor:key"}))
            sink = self.beats(server, clock, words)
            sink.heartbeat.beat()
            sink.heartbeat.beat()
            assert len(server.requests) == 1
            server.close()
            clock.move(60)
            sink.heartbeat.beat()
            sink.close()
        assert [event for event, _ in words.said] == ["heartbeat_failed"] * 2
        assert KEY not in repr(words.said)

    def test_there_is_none_unless_asked_for(self):
        assert built()[0].heartbeat is None
