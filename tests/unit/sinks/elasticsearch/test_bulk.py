"""How many documents go into a request, and what each answer means for each."""

from __future__ import annotations

import json
import threading

import pytest

from monitor.clock import SystemClock
from monitor.errors import Auth, Permanent, Retryable
from monitor.ports import Tools
from monitor.sinks import elasticsearch
from monitor.sinks.elasticsearch.bulk import Bulk, Item
from monitor.sinks.elasticsearch.connection import Connection
from monitor.sinks.elasticsearch.templates import resources
from monitor.testing.laws import WordKeeper
from monitor.testing.samples import agent_turn
from monitor.testing.servers import Answer, Request
from tests.support.elasticsearch import FakeElasticsearch, Items, documents_of

_BUSY = (429, "es_rejected_execution_exception", "queue full")


@pytest.fixture
def server():
    with FakeElasticsearch() as server:
        yield server


@pytest.fixture
def made(server):
    """A Bulk, and a sink, of the server."""
    config = elasticsearch.Config(type="elasticsearch", nodes=(server.url,), max_documents=8, max_requests=1)
    server.install(*resources(config))
    connection = Connection(config, SystemClock())
    sink = elasticsearch.build(config, Tools(clock=SystemClock(), logger=WordKeeper(), pseudonym=str))
    yield Bulk(connection, 8, 4000, with_content=False), sink
    connection.close()
    sink.close()


def items(count, size=10):
    action = json.dumps({"index": {"_index": "dify-turns-2025.09", "_id": "x"}}).encode()
    return [Item(seq, b'%b\n{"a":"%b"}\n' % (action, b"x" * size)) for seq in range(count)]


def counts(server):
    return [len(documents_of(seen.decoded)) for seen in server.bulks]


def test_requests_are_bounded_by_count_and_by_bytes(server, made):
    bulk, _ = made
    assert [each.what for each in bulk.send(items(20))] == ["done"] * 20
    assert counts(server) == [8, 8, 4]
    list(bulk.send(items(4, size=1500)))
    assert counts(server)[3:] == [2, 2]
    list(bulk.send(items(2, size=9000)))
    assert counts(server)[5:] == [1, 1]


def test_requests_are_compressed_and_say_who_asks(server, made):
    list(made[0].send(items(1)))
    (request,) = server.bulks
    assert request.headers["content-encoding"] == "gzip"
    assert request.headers["user-agent"].startswith("dify-monitor/")
    assert "x-elastic-client-meta" not in request.headers


def test_a_busy_server_gets_smaller_requests_and_then_larger_ones_again(server, made):
    bulk, _ = made
    server.answer(Items(told=(_BUSY,)))
    assert [each.what for each in bulk.send(items(8))] == ["again"] + ["done"] * 7
    assert bulk.limits[0] == 4
    server.answer(Answer(429))
    with pytest.raises(Retryable) as caught:
        list(bulk.send(items(8)))
    assert (caught.value.reason, bulk.limits[0]) == ("rate_limited", 2)
    server.answer(Answer())
    list(bulk.send(items(40)))
    assert bulk.limits[0] == 8


def test_a_limit_of_bytes_is_learned(server, made):
    bulk, _ = made
    server.answer(Answer(413), Answer())
    assert [each.what for each in bulk.send(items(8))] == ["done"] * 8
    assert counts(server)[0] == 8
    assert max(counts(server)[1:]) < 8
    assert bulk.limits[1] < 4000


def test_only_what_was_not_taken_is_sent_again(server, made):
    """A document that was refused in the first attempt is still reported when the last one is taken."""
    _, sink = made
    events = agent_turn()
    parts, seqs = [sink.encode(each) for each in events], [each.seq for each in events]
    server.answer(Items(told=(_BUSY, (400, "document_parsing_exception", "bad"), (503, "unavailable", "x"))))
    with pytest.raises(Retryable) as caught:
        sink.send(parts, seqs)
    assert caught.value.reason == "rate_limited"
    sink.resume("")
    server.answer(Answer())
    report = sink.send(parts, seqs)
    assert counts(server) == [4, 2]
    assert [(each.seq, each.reason) for each in report.rejected] == [(seqs[2], "mapping")]
    assert report.accepted == len(seqs) - 1
    sink.send(parts, seqs)
    assert counts(server)[-1] == 4, "what was delivered is not remembered longer than needed"


@pytest.mark.parametrize(
    ("told", "what", "detail"),
    [
        ((409, "version_conflict_engine_exception", "current version [5] is higher"), "done", ""),
        (_BUSY, "again", "es_rejected_execution_exception: queue full"),
        ((503, "unavailable_shards_exception", "primary shard is not active"), "again", ""),
        (
            (
                400,
                "document_parsing_exception",
                (
                    "[1:5] failed to parse field [dify.node.index] of type [long] in document with id 'x'. Preview of "
                    "field's value: 'alice@example.com'"
                ),
            ),
            "refused",
            "document_parsing_exception: field [dify.node.index] of type [long]",
        ),
        (
            (400, "mapper_parsing_exception", "failed. Preview of field's value: 'alice@example.com'"),
            "refused",
            "mapper_parsing_exception: failed",
        ),
        ((400, "illegal_argument_exception", "Limit of total fields [1000] has been exceeded"), "refused", ""),
    ],
)
def test_an_item_says_what_becomes_of_its_document(server, made, told, what, detail):
    """And the words name the field, never the value."""
    server.answer(Items(told=(told,)))
    verdict = next(made[0].send(items(2)))
    assert (verdict.seq, verdict.what) == (0, what)
    assert verdict.detail == detail or not detail
    assert "alice" not in verdict.detail


@pytest.mark.parametrize(
    ("kind", "reason", "detail"),
    [
        (
            "document_parsing_exception",
            "failed to parse field [dify.node.index] of type [long]. Preview of field's value: 'alice'",
            "document_parsing_exception: field [dify.node.index] of type [long]",
        ),
        ("document_parsing_exception", "field [alice] of type [long]", "document_parsing_exception: its answer is not"),
        ("illegal_argument_exception", "immense term: alice", "illegal_argument_exception: its answer is not shown"),
        ("alice was here", "field [dify.node.index] of type [alice was]", "error: field [dify.node.index]"),
    ],
)
def test_an_item_that_may_hold_content_is_told_in_our_own_words(server, made, kind, reason, detail):
    """Only names of ours and of Elasticsearch's own."""
    bulk = Bulk(made[0]._connection, 8, 4000, with_content=True)
    server.answer(Items(told=((400, kind, reason),)))
    verdict = next(bulk.send(items(2)))
    assert verdict.detail.startswith(detail)
    assert "alice" not in verdict.detail


@pytest.mark.parametrize(
    "told",
    [
        (403, "security_exception", "action [indices:data/write/bulk[s]] is unauthorized"),
        (403, "cluster_block_exception", "index [x] blocked by: [FORBIDDEN/8/index write (api)]"),
        (403, "an_exception_of_tomorrow", "not for you"),
        (404, "index_not_found_exception", "no such index"),
        (400, "index_closed_exception", "closed"),
        (400, "validation_exception", "this action would add [2] shards, but this cluster has [1000]/[1000]"),
    ],
)
def test_what_is_no_documents_fault_holds_everything(server, made, told):
    server.answer(Items(told=(told,)))
    with pytest.raises(Auth, match=told[1]):
        list(made[0].send(items(2)))


def test_a_busy_server_gets_no_further_request(server, made):
    """The rest waits with what it could not take; nothing of it is lost, and what was taken is not sent again."""
    _, sink = made
    events = [each for number in (1, 2, 3, 4) for each in agent_turn(number, seq=number * 5)]
    parts, seqs = [sink.encode(each) for each in events], [each.seq for each in events]
    server.answer(Items(told=(_BUSY,)))
    with pytest.raises(Retryable, match="9 of 16 documents"):
        sink.send(parts, seqs)
    assert counts(server) == [8]
    server.answer(Answer())
    assert sink.send(parts, seqs).accepted == len(seqs)
    assert sum(counts(server)) == 8 + 9


class Meeting(FakeElasticsearch):
    """Answers bulk requests only when so many are there together."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.barrier = threading.Barrier(count, timeout=10)

    def _take(self, request: Request) -> Answer:
        if request.path.startswith("/_bulk"):
            self.barrier.wait()
        return super()._take(request)


def test_requests_are_on_their_way_together():
    """As many as may be, and no more; every document has its verdict, whichever request was answered first."""
    with Meeting(3) as server:
        connection = Connection(elasticsearch.Config(type="elasticsearch", nodes=(server.url,)), SystemClock())
        verdicts = list(Bulk(connection, 8, 4000, 3, with_content=False).send(items(48)))
        connection.close()
    assert sorted(verdicts) == [(seq, "done", "", "") for seq in range(48)]
    assert counts(server) == [8] * 6


@pytest.mark.parametrize(
    ("answer", "kind"),
    [(Answer(503), Retryable), (Answer(429), Retryable), (Answer(401), Auth), (Answer(400), Permanent)],
)
def test_when_a_request_fails_the_others_are_still_answered(server, answer, kind):
    """What they delivered is settled, nothing more is sent, and a busy server is asked for less once, not thrice."""
    connection = Connection(elasticsearch.Config(type="elasticsearch", nodes=(server.url,)), SystemClock())
    bulk, told = Bulk(connection, 8, 4000, 3, with_content=False), []
    server.answer(answer, Answer())
    with pytest.raises(kind):
        told.extend(bulk.send(items(80)))
    connection.close()
    delivered = [seq for seq, what, *_ in told if what == "done"]
    assert len(server.bulks) < 10
    assert len(delivered) == 8 * (len(server.bulks) - 1)
    assert bulk.limits == ((4, 4000, 1) if answer.status == 429 else (8, 4000, 3))


@pytest.mark.parametrize("body", [b"{}", b"[]", b'{"items":[]}', b'{"items":5}', b"null"])
def test_an_answer_that_does_not_name_each_document_is_no_success(server, made, body):
    headers = {"x-elastic-product": "Elasticsearch", "content-type": "application/json"}
    server.answer(Answer(200, body, headers))
    with pytest.raises(Retryable):
        list(made[0].send(items(2)))


def test_another_product_is_a_wrong_address(server, made):
    server.answer(Answer(200, b"{}", {"content-type": "application/json"}))
    with pytest.raises(Auth, match="does not say that it is Elasticsearch"):
        list(made[0].send(items(1)))


def test_a_request_that_can_not_be_read_is_halved_by_the_shipper(server, made):
    server.answer(Answer(400, b"malformed"))
    with pytest.raises(Permanent, match="malformed"):
        list(made[0].send(items(2)))
