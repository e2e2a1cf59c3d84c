"""The `elasticsearch` sink under the laws of its port, against a server that answers as Elasticsearch does."""

from __future__ import annotations

import pytest

from monitor.clock import SystemClock
from monitor.errors import Auth, MonitorError, Permanent, Retryable
from monitor.ports import Tools
from monitor.sinks import elasticsearch
from monitor.sinks.elasticsearch.templates import resources
from monitor.testing.laws import HttpSinkCase, HttpSinkLaws, WordKeeper
from monitor.testing.samples import BASE_NS, agent_turn
from monitor.testing.servers import Answer
from tests.support.elasticsearch import FakeElasticsearch, Items, documents_of

SECRET = "VuaCfGcBCdbkQm-e5aOx:ui2lp2axTNmsyakw9tvNnw"
_STATUSES = [
    *((status, Auth) for status in (301, 302, 303, 307, 308, 401, 402, 403, 404, 405, 407, 410, 415, 426)),
    *((status, Retryable) for status in (408, 425, 429, 500, 501, 502, 503, 504, 529)),
    *((status, Permanent) for status in (400, 406, 409, 411, 412, 414, 422, 431, 451)),
]


class StoppedClock(SystemClock):
    def now_ns(self) -> int:
        return BASE_NS


def span_ids(payload: bytes) -> list[str]:
    return [document["span"]["id"] for _, document in documents_of(payload)]


def refusing(count: int, words: str) -> Answer:
    return Items(told=((400, "document_parsing_exception", words),) * count)


def _sent(sink, events):
    return sink.send([sink.encode(event) for event in events], [event.seq for event in events])


@pytest.mark.parametrize("case", ["none", "full"], indirect=True)
class TestElasticsearch(HttpSinkLaws):
    @pytest.fixture
    def case(self, request):
        words = WordKeeper()
        with FakeElasticsearch() as server:
            config = elasticsearch.Config(
                type="elasticsearch",
                nodes=(server.url,),
                api_key="VnVhQ2ZHY0JDZGJrUW0tZTVhT3g6dWkybHAyYXhUTm1zeWFrdzl0dk5udw==",
                timeout_s=0.5 if "hangs" in request.node.name else 10,
                content=request.param,
            )
            server.install(*resources(config))
            sink = elasticsearch.build(config, Tools(clock=StoppedClock(), logger=words, pseudonym=str))
            yield HttpSinkCase(
                sink=sink,
                payloads=lambda: [seen.decoded for seen in server.bulks],
                span_ids=span_ids,
                cut=server.close,
                secrets=(config.api_key.get_secret_value(),),
                words=words,
                server=server,
                now_ns=BASE_NS,
                refuses=refusing,
            )
            sink.close()

    @pytest.mark.parametrize(("status", "kind"), _STATUSES)
    def test_a_status_says_what_follows(self, case: HttpSinkCase, status: int, kind: type[MonitorError]) -> None:
        """The table for requests with documents; what is asked about the indices can't condemn an event."""
        _sent(case.sink, agent_turn())
        asked = len(case.server.requests)
        case.server.answer(Answer(status, headers={"location": f"{case.server.url}/elsewhere"}))
        with pytest.raises(kind) as caught:
            _sent(case.sink, agent_turn())
        assert type(caught.value) is kind
        with pytest.raises(Auth if kind is Permanent else kind):
            case.sink.check()
        assert len(case.server.requests) == asked + 2

    @pytest.mark.parametrize("status", [400, 413, 401])
    def test_a_refusal_before_the_documents_condemns_none(self, case: HttpSinkCase, status: int) -> None:
        """Templates and indices that can't be asked for are no document's fault."""
        case.server.answer(Answer(status))
        with pytest.raises(Auth):
            _sent(case.sink, agent_turn())

    def test_too_large_is_halved_until_one_stands_alone(self, case: HttpSinkCase) -> None:
        """A limit of the server, or of a proxy before it, costs only what is above it by itself."""
        _sent(case.sink, agent_turn())
        before = len(case.server.bulks)
        case.server.answer(Answer(413))
        report = _sent(case.sink, agent_turn())
        assert [each.reason for each in report.rejected] == ["too_large"] * 4
        counts = [len(documents_of(seen.decoded)) for seen in case.server.bulks[before:]]
        assert counts[0] == 4
        assert counts.count(1) == 4
