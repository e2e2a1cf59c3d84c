"""The `sentry` sink under the laws of its port, against a real HTTP server on this machine.

With transactions asked for every turn gives one request, so that all laws bite; a transaction's spans come in the order
in which the steps ended, its root last, as from any sink of spans.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from monitor.clock import SystemClock
from monitor.http import ANSWER_NOT_SHOWN
from monitor.ports import Tools
from monitor.sinks import sentry
from monitor.testing.laws import HttpSinkCase, HttpSinkLaws, WordKeeper
from monitor.testing.samples import BASE_NS, agent_turn
from monitor.testing.servers import Answer, LocalServer

KEY = "3b1c5e0f9a7d4e6f8b2a1c0d9e8f7a6b"


class StoppedClock(SystemClock):
    def now_ns(self) -> int:
        return BASE_NS


def items(payload: bytes) -> list[tuple[str, dict[str, Any]]]:
    """Type and content of each item in envelopes that were sent one after another."""
    found, rest = [], payload
    while rest:
        _, _, rest = rest.partition(b"\n")
        header, _, rest = rest.partition(b"\n")
        item = json.loads(header)
        found.append((item["type"], json.loads(rest[: item["length"]])))
        rest = rest[item["length"] + 1 :]
    return found


def span_ids(payload: bytes) -> list[str]:
    return [
        each
        for kind, item in items(payload)
        if kind == "transaction"
        for each in (*(span["span_id"] for span in item["spans"]), item["contexts"]["trace"]["span_id"])
    ]


@pytest.mark.parametrize("case", ["none", "full"], indirect=True)
class TestSentry(HttpSinkLaws):
    @pytest.fixture
    def case(self, request):
        words, sends = WordKeeper(), []
        with LocalServer() as server:
            config = sentry.Config(
                type="sentry",
                dsn=server.url.replace("://", f"://{KEY}@") + "/42",
                what=["failures", "transactions"],
                content=request.param,
                connections=1,
                timeout="500ms" if "hangs" in request.node.name else "10s",
            )
            sink = sentry.build(config, Tools(clock=StoppedClock(), logger=words, pseudonym=str))

            def watched(call):
                def counted(*args):
                    before = len(server.requests)
                    try:
                        return call(*args)
                    finally:
                        sends.append(b"".join(seen.decoded for seen in server.requests[before:]))

                return counted

            sink.send, sink.check = watched(sink.send), watched(sink.check)
            yield HttpSinkCase(
                sink=sink,
                payloads=lambda: sends,
                span_ids=span_ids,
                cut=server.close,
                secrets=(KEY,),
                words=words,
                server=server,
                now_ns=BASE_NS,
                credential_header="x-sentry-auth",
            )
            sink.close()

    def test_what_was_refused_is_told(self, case):
        """Of several requests each has its own answer, so what was refused is told by name, and the others are sent."""
        case.server.answer(Answer(200), Answer(400, b"bad attribute"), Answer(200))
        events = [event for number in (1, 2, 3) for event in agent_turn(number, seq=number * 5)]
        report = case.sink.send([case.sink.encode(event) for event in events], [event.seq for event in events])
        assert [(each.seq, each.reason) for each in report.rejected] == [(14, "http_400")]
        shown = ANSWER_NOT_SHOWN if case.sink.wants_content else "bad attribute"
        assert shown in report.rejected[0].detail
        assert report.accepted == len(events) - 1
        assert len(case.server.requests) == 3
