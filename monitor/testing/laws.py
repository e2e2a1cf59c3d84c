"""The laws of `monitor.ports.Sink`, one test each. A test class inherits them and brings a fixture `case`.

    class TestOtlpOverHttp(HttpSinkLaws):
        @pytest.fixture
        def case(self): yield HttpSinkCase(...)

Written for pytest and shipped, so that a sink that lives elsewhere is held to the same laws. `SinkLaws` are for every
sink, `HttpSinkLaws` for those that speak HTTP.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

import msgspec
import pytest

from monitor.errors import Auth, MonitorError, Permanent, Retryable, TooLarge
from monitor.http import ANSWER_NOT_SHOWN
from monitor.model import Body, Recorded, SourceGap, StepEnded, Usage, kind_of
from monitor.normalise.spans import spans_of
from monitor.ports import Report, Sink
from monitor.testing import samples
from monitor.testing.servers import Answer, LocalServer

__all__ = ["HttpSinkCase", "HttpSinkLaws", "SinkCase", "SinkLaws", "WordKeeper", "hostile"]

_LONG_S = 30.0
"""No law waits so long: who is not back by then hangs."""
_MEGABYTE = 1024 * 1024
_NS_IN_S = 1_000_000_000
_YEAR_2100_NS = 4_102_444_800 * _NS_IN_S


@dataclass
class WordKeeper:
    """A logger for `Tools` that keeps what it is told."""

    said: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def __getattr__(self, level: str) -> Callable[..., None]:
        """Any level's method."""
        if level.startswith("_"):
            raise AttributeError(level)
        return lambda event, **values: self.said.append((event, values))


@dataclass(frozen=True, kw_only=True)
class SinkCase:
    """One sink with the other side in the test's hands."""

    sink: Sink
    payloads: Callable[[], Sequence[bytes]]
    """What arrived so far, one entry for each `send` (an HTTP body without its compression, a file's new lines)."""
    span_ids: Callable[[bytes], Sequence[str]]
    """The span ids in such an entry, in order."""
    cut: Callable[[], None]
    """Make the other side unreachable from now on, in a way that time may heal."""
    secrets: Sequence[str] = ()
    """What must never be shown."""
    words: WordKeeper = field(default_factory=WordKeeper)
    """The logger that the sink was given."""


@dataclass(frozen=True, kw_only=True)
class HttpSinkCase(SinkCase):
    """A sink that speaks HTTP to a LocalServer, with a timeout below a second."""

    server: LocalServer
    now_ns: int
    """What the sink's clock says."""
    refuses: Callable[[int, str], Answer] | None = None
    """The answer that accepts a request but for so many of its items, with these words; None where there is none."""
    credential_header: str = "authorization"
    """The header that carries `secrets[0]`."""


def hostile() -> Iterator[Recorded]:
    """Facts at the edges of what a journal can hold."""
    turn, far = samples.turn_ref(), 2**63 - 1
    node = msgspec.structs.replace(samples.node_step().node or _no_node(), elapsed_s=float("nan"), index=2**63)
    yield from (
        _step(samples.tool_step(), output="长" * (10 * _MEGABYTE // 3)),
        _step(samples.llm_step(), process='{"prompts":' * 5000, output="\x00\x1b[2J\u202e\ufffd"),
        _step(samples.node_step(node=node), input="NaN", output='{"a": NaN, "b": "\\ud800"}', process="]"),
        _step(samples.tool_step(name="n" * 10_000, tool=None, error_type="e" * 10_000, status="failed"), error="x"),
        _step(samples.llm_step(usage=Usage(input_tokens=2**63, output_tokens=-1, price="NaN", currency="🪙"))),
        _step(samples.tool_step(started_at=0, ended_at=0)),
        _step(samples.tool_step(started_at=-1, ended_at=-5)),
        _step(samples.tool_step(started_at=_YEAR_2100_NS, ended_at=_YEAR_2100_NS)),
        _step(samples.tool_step(started_at=far, ended_at=2**64 - 1)),
        samples.recorded(samples.turn_ended(_emptied(turn), started_at=far, ended_at=0), content={"input": "👩‍👩‍👧‍👦"}),
        samples.recorded(samples.turn_ended(status="failed"), content={"error": "失败：超时\n" * 1000}),
    )


def _step(step: Any, **content: str) -> Recorded:
    return samples.recorded(StepEnded(turn=samples.turn_ref(), step=step), content=content)


def _no_node() -> Any:
    raise AssertionError("the sample has no node")


def _emptied(turn: Any) -> Any:
    """The turn with every text empty but its own id."""
    texts = {name: "" for name in turn.__struct_fields__ if isinstance(getattr(turn, name), str) and name != "turn_id"}
    return msgspec.structs.replace(turn, **texts)


def _sent(sink: Sink, events: Sequence[Recorded]) -> Report:
    return sink.send([sink.encode(event) for event in events], [event.seq for event in events])


def _wanted(sink: Sink, events: Sequence[Recorded]) -> list[str]:
    """The span ids that should arrive."""
    spans = [spans_of(event, {}) for event in events if kind_of(event.event.body) in sink.kinds]
    return [span.span_id for span in spans if span is not None]


def _shown(error: BaseException | None) -> list[str]:
    """All texts of an error and of what caused it."""
    texts: list[str] = []
    while error is not None:
        texts += [str(error), repr(error)]
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return texts


class SinkLaws:
    """What every sink must keep to. `case` is a fixture that gives a SinkCase."""

    def test_delivers_all_in_order_and_changes_nothing(self, case: SinkCase) -> None:
        """Every span arrives once, in the order of the events; the events are what they were."""
        events = list(samples.stream(6))
        before = msgspec.json.encode(events)
        for batch in (events[:7], events[7:]):
            assert _sent(case.sink, batch).accepted == len(batch)
        assert [found for payload in case.payloads() for found in case.span_ids(payload)] == _wanted(case.sink, events)
        assert msgspec.json.encode(events) == before

    def test_the_same_again_is_the_same_bytes(self, case: SinkCase) -> None:
        """So that a repeat after a crash can be recognised."""
        events = list(samples.stream(3))
        _sent(case.sink, events)
        _sent(case.sink, events)
        first, second = case.payloads()
        assert first == second
        assert first

    def test_says_nothing_of_other_facts(self, case: SinkCase) -> None:
        """Kinds that it does not want give no bytes, and a batch of them alone is accepted."""
        others: list[Body] = [samples.turn_started(), SourceGap(what="messages", reason="unreadable")]
        unwanted = [
            samples.recorded(body, seq=seq) for seq, body in enumerate(others) if kind_of(body) not in case.sink.kinds
        ]
        assert [case.sink.encode(event) for event in unwanted] == [b""] * len(unwanted)
        assert _sent(case.sink, unwanted).accepted == len(unwanted)

    def test_takes_anything(self, case: SinkCase) -> None:
        """`encode` never raises; `send` takes it, or says by a typed error what follows."""
        for event in hostile():
            part = case.sink.encode(event)
            assert part == case.sink.encode(event)
            try:
                case.sink.send([part], [event.seq])
            except MonitorError:
                continue

    def test_sends_content_only_when_asked_to(self, case: SinkCase) -> None:
        """By default metadata leaves, nothing that anybody wrote."""
        _sent(case.sink, samples.agent_turn(failed=True))
        heard = b"".join(case.payloads()).decode("utf-8", "replace")
        assert ("Reached maximum retries" in heard) == case.sink.wants_content
        assert "alice@example.com" not in heard

    def test_can_be_asked(self, case: SinkCase) -> None:
        """`check` passes where a send would, and sends no span."""
        case.sink.check()
        assert [found for payload in case.payloads() for found in case.span_ids(payload)] == []

    def test_unreachable_is_worth_another_try(self, case: SinkCase) -> None:
        """Neither sending nor asking raises anything but Retryable, with a word for the metrics."""
        case.cut()
        events = samples.agent_turn()
        for attempt in (lambda: _sent(case.sink, events), case.sink.check):
            with pytest.raises(Retryable) as caught:
                attempt()
            assert caught.value.reason
            assert not [secret for secret in case.secrets if any(secret in text for text in _shown(caught.value))]

    def test_resumes_from_its_own_state(self, case: SinkCase) -> None:
        """The first start, a state of its own, and one that it can't read."""
        for state in ("", _sent(case.sink, samples.agent_turn()).state, "no state of mine"):
            case.sink.resume(state)
        assert _sent(case.sink, samples.agent_turn(2)).accepted == len(samples.agent_turn(2))

    def test_can_be_closed_at_any_time(self, case: SinkCase) -> None:
        """Before use, and twice."""
        case.sink.close()
        case.sink.close()

    def test_closes_after_use(self, case: SinkCase) -> None:
        """Nothing is left open, and what was closed can be used again."""
        for number in (1, 2):
            _sent(case.sink, samples.agent_turn(number))
            case.sink.close()
            case.sink.close()

    def test_says_what_it_is(self, case: SinkCase) -> None:
        """For logs, metrics, its cursor and the batches it is given."""
        assert case.sink.name
        assert case.sink.kinds
        assert case.sink.max_events > 0
        assert case.sink.max_bytes > 0

    def test_keeps_its_secrets(self, case: SinkCase, caplog: pytest.LogCaptureFixture) -> None:
        """They are in no repr and no log."""
        with caplog.at_level(0):
            _sent(case.sink, samples.agent_turn())
            case.sink.check()
        shown = [repr(case.sink), str(case.sink), repr(vars(case.sink)), repr(case.words.said), caplog.text]
        assert not [secret for secret in case.secrets if any(secret in text for text in shown)]


_STATUSES: list[tuple[int, type[MonitorError] | None]] = [
    *((status, None) for status in (200, 201, 202, 204)),
    *((status, Auth) for status in (301, 302, 303, 307, 308, 401, 402, 403, 404, 405, 407, 410, 415, 426)),
    *((status, Retryable) for status in (408, 425, 429, 500, 501, 502, 503, 504, 529)),
    (413, TooLarge),
    *((status, Permanent) for status in (400, 406, 409, 411, 412, 414, 422, 431, 451)),
]
_PLANTED = "why was alice fired"
_DELAYS = [("17", 17.0), ("0", 0.0), ("soon", None), ("-5", None), ("", None), ("999999999", 3600.0)]


class HttpSinkLaws(SinkLaws):
    """What besides every sink that speaks HTTP must keep to. `case` gives an HttpSinkCase."""

    @pytest.mark.parametrize(("status", "kind"), _STATUSES)
    def test_a_status_says_what_follows(self, case: HttpSinkCase, status: int, kind: type[MonitorError] | None) -> None:
        """The full table, for sending and for asking alike; one request each, and no redirect is followed."""
        case.server.answer(Answer(status, headers={"location": f"{case.server.url}/elsewhere"}))
        for attempt in (lambda: _sent(case.sink, samples.agent_turn()), case.sink.check):
            if kind is None:
                attempt()
            else:
                with pytest.raises(kind) as caught:
                    attempt()
                assert type(caught.value) is kind
        assert len(case.server.requests) == 2  # noqa: PLR2004 - one for each attempt

    @pytest.mark.parametrize("status", [429, 503])
    @pytest.mark.parametrize(("text", "after_s"), _DELAYS)
    def test_a_named_delay_is_handed_on(
        self, case: HttpSinkCase, status: int, text: str, after_s: float | None
    ) -> None:
        """Retry-After in seconds, bounded; what can't be read is no delay."""
        case.server.answer(Answer(status, headers={"retry-after": text}))
        with pytest.raises(Retryable) as caught:
            _sent(case.sink, samples.agent_turn())
        assert caught.value.after_s == after_s

    @pytest.mark.parametrize("later_s", [90, -90])
    def test_a_named_time_is_handed_on_as_a_delay(self, case: HttpSinkCase, later_s: int) -> None:
        """Retry-After as a date, against the clock that the sink was given."""
        date = formatdate(case.now_ns / _NS_IN_S + later_s, usegmt=True)
        case.server.answer(Answer(503, headers={"retry-after": date}))
        with pytest.raises(Retryable) as caught:
            _sent(case.sink, samples.agent_turn())
        assert caught.value.after_s == pytest.approx(max(later_s, 0), abs=1.0)

    @pytest.mark.parametrize(
        "answer", [Answer(cut=True), Answer(503, b"x" * 1000, cut_body_at=10), Answer(200, b"x" * 1000, cut_body_at=10)]
    )
    def test_a_cut_connection_is_worth_another_try(self, case: HttpSinkCase, answer: Answer) -> None:
        """Whether before the answer or within it."""
        case.server.answer(answer)
        with pytest.raises(Retryable):
            _sent(case.sink, samples.agent_turn())

    def test_a_server_that_hangs_holds_nobody(self, case: HttpSinkCase) -> None:
        """Back with Retryable when the time is over, though the server never answers."""
        case.server.hang()
        found: list[BaseException] = []
        worker = threading.Thread(target=_keep_error, args=(case.sink, found), daemon=True)
        worker.start()
        worker.join(_LONG_S)
        assert not worker.is_alive()
        assert [type(error) for error in found] == [Retryable]

    def test_what_was_refused_is_told(self, case: HttpSinkCase) -> None:
        """A partial success counts what was refused, by name or by number, and hands on words that can't be content."""
        if case.refuses is None:
            pytest.skip("this protocol knows no partial success")
        case.server.answer(case.refuses(2, "bad attribute"))
        events = samples.agent_turn()
        report = _sent(case.sink, events)
        assert len(report.rejected) + report.rejected_unknown == 2  # noqa: PLR2004 - as answered
        assert report.accepted == len(events) - 2
        assert (ANSWER_NOT_SHOWN if case.sink.wants_content else "bad attribute") in report.detail

    @pytest.mark.parametrize("status", [400, 401, 429, 503])
    def test_a_server_that_repeats_credentials_is_not_repeated(self, case: HttpSinkCase, status: int) -> None:
        """Error texts quote the answer, and servers quote the request."""
        case.server.answer(Answer(status, b"you sent ", echo=case.credential_header))
        with pytest.raises(MonitorError) as caught:
            _sent(case.sink, samples.agent_turn())
        assert case.secrets[0] in case.server.requests[0].headers[case.credential_header]
        assert "you sent" in str(caught.value) or ANSWER_NOT_SHOWN in str(caught.value)
        assert not [secret for secret in case.secrets if any(secret in text for text in _shown(caught.value))]

    @pytest.mark.parametrize("status", [400, 401, 413, 429, 503])
    def test_a_server_that_quotes_content_is_not_repeated(self, case: HttpSinkCase, status: int) -> None:
        """Where content is sent, nothing of an answer gets into errors, the log and what is kept of rejected events."""
        _sent(case.sink, samples.agent_turn())
        case.server.answer(Answer(status, f'{{"error":"invalid value: {_PLANTED}"}}'.encode()))
        told = _told(case)
        if case.refuses is not None:
            case.server.answer(case.refuses(1, f"failed to parse field [{_PLANTED}] of type [{_PLANTED}]"))
            told += _told(case)
        assert told
        assert (_PLANTED in told) == (not case.sink.wants_content)

    def test_what_an_empty_request_is_answered_is_shown(self, case: HttpSinkCase) -> None:
        """A check sends no content, so what is said to it helps."""
        case.server.answer(Answer(401, b"the key has expired"))
        with pytest.raises(Auth, match="the key has expired"):
            case.sink.check()


def _told(case: HttpSinkCase) -> str:
    """Everything that a sink says of a window that was refused."""
    try:
        report = _sent(case.sink, samples.agent_turn(2, failed=True))
    except MonitorError as error:
        return "".join((*_shown(error), repr(case.words.said)))
    return "".join((repr(report), repr(case.words.said)))


def _keep_error(sink: Sink, found: list[BaseException]) -> None:
    try:
        _sent(sink, samples.agent_turn())
    except MonitorError as error:
        found.append(error)
