from __future__ import annotations

import threading
from pathlib import Path

import grpc
import pytest
from google.protobuf.any_pb2 import Any
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from monitor.clock import SystemClock
from monitor.errors import Auth, MonitorError, Permanent, Retryable, TooLarge
from monitor.ports import Tools
from monitor.sinks import otlp
from monitor.sinks.otlp_grpc import outcome
from monitor.testing import samples
from monitor.testing.laws import WordKeeper
from tests.contract.trace_service import TraceService

TLS = Path(__file__).parent / "tls"
LONG_S = 30.0


@pytest.fixture
def service():
    with TraceService(max_receive_message_length=20_000) as started:
        yield started


@pytest.fixture
def made():
    """Builds sinks that are closed after the test."""
    sinks = []

    def make(endpoint, **fields):
        config = otlp.Config(type="otlp", protocol="grpc", endpoint=endpoint, **fields)
        sinks.append(otlp.build(config, Tools(SystemClock(), WordKeeper(), str), environ={}))
        return sinks[-1]

    yield make
    for sink in sinks:
        sink.close()


def send(sink, events=None):
    events = samples.agent_turn() if events is None else events
    return sink.send([sink.encode(event) for event in events], [event.seq for event in events])


def retry_info(seconds=0, nanos=0) -> RetryInfo:
    info = RetryInfo()
    info.retry_delay.seconds, info.retry_delay.nanos = seconds, nanos
    return info


def details(*messages) -> bytes:
    status = Status()
    for message in messages:
        packed = Any()
        packed.Pack(message)
        status.details.append(packed)
    return status.SerializeToString()


RETRYABLE = {
    "CANCELLED",
    "DEADLINE_EXCEEDED",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNAVAILABLE",
    "DATA_LOSS",
    "INTERNAL",
    "UNKNOWN",
    "RESOURCE_EXHAUSTED",
}
CONFIGURATION = {"UNAUTHENTICATED", "PERMISSION_DENIED", "UNIMPLEMENTED", "NOT_FOUND"}


@pytest.mark.parametrize("code", list(grpc.StatusCode), ids=lambda code: code.name)
def test_every_status_has_an_outcome(code):
    found = outcome(code, "said", (), shown="words")
    kind = Retryable if code.name in RETRYABLE else Auth if code.name in CONFIGURATION else Permanent
    assert type(found) is kind
    assert "words" in str(found)
    assert "said" not in str(found)
    if kind is Permanent:
        assert found.reason == f"grpc_{code.name.lower()}"


@pytest.mark.parametrize(
    ("metadata", "after_s"),
    [
        ([("grpc-status-details-bin", details(retry_info(3, 500_000_000)))], 3.5),
        ([("grpc-status-details-bin", details(ErrorInfo(reason="x"), retry_info(7)))], 7.0),
        ([("google.rpc.retryinfo-bin", retry_info(2).SerializeToString())], 2.0),
        ([("grpc-status-details-bin", details(retry_info(10**9)))], 3600.0),
        ([("grpc-status-details-bin", details(retry_info(-5)))], 0.0),
        ([("grpc-status-details-bin", details(ErrorInfo(reason="x")))], None),
        ([("grpc-status-details-bin", b"\xff\xff")], None),
        ([("grpc-status-details-bin", "text")], None),
        ([("other-bin", details(retry_info(3)))], None),
    ],
)
def test_a_named_delay_is_handed_on(metadata, after_s):
    assert outcome(grpc.StatusCode.UNAVAILABLE, "", metadata).after_s == after_s


def test_an_exhausted_resource_is_too_large_or_comes_back():
    """A quota without a named delay is not dropped, as the specification would have it: waiting loses nothing."""
    exhausted = grpc.StatusCode.RESOURCE_EXHAUSTED
    delay = [("grpc-status-details-bin", details(retry_info(3)))]
    assert type(outcome(exhausted, "grpc: received message larger than max (9 vs. 4)", ())) is TooLarge
    assert type(outcome(exhausted, "quota", delay)) is Retryable
    assert outcome(exhausted, "quota", delay).after_s == 3
    assert type(outcome(exhausted, "quota", ())) is Retryable


@pytest.mark.parametrize("content", ["none", "full"])
def test_a_server_that_quotes_content_is_not_repeated(made, service, content):
    """Neither in an error, nor in the words of a partial success; what is too large is known as such all the same."""
    sink, planted = made(f"http://{service.target}", content=content), "why was alice fired"
    service.failure = grpc.StatusCode.INVALID_ARGUMENT, planted, ()
    with pytest.raises(Permanent) as caught:
        send(sink)
    service.failure = grpc.StatusCode.RESOURCE_EXHAUSTED, "message larger than max", ()
    with pytest.raises(TooLarge):
        send(sink)
    service.failure = None
    service.response.partial_success.rejected_spans = 1
    service.response.partial_success.error_message = planted
    told = [str(caught.value), repr(send(sink))]
    assert [planted in each for each in told] == [content == "none"] * 2


def test_a_call_carries_headers_and_spans(made, service):
    sink = made(f"http://{service.target}", headers={"Authorization": "Bearer x"})
    assert send(sink).accepted == 5
    assert len(service.requests[0].resource_spans) == 4
    assert service.metadata[0]["authorization"] == "Bearer x"
    assert "dify-monitor/" in service.metadata[0]["user-agent"]


@pytest.mark.parametrize("compression", ["gzip", "none"])
def test_compression_is_as_configured(made, service, compression):
    """The server's limit is one on what it has decompressed; both arrive."""
    assert send(made(f"http://{service.target}", compression=compression)).accepted == 5


def test_partial_success_is_told(made, service):
    service.response.partial_success.rejected_spans = 2
    service.response.partial_success.error_message = "bad attribute, x-a: t0psecret"
    report = send(made(f"http://{service.target}", headers={"x-a": "t0psecret"}))
    assert (report.accepted, report.rejected_unknown) == (3, 2)
    assert report.detail == "bad attribute, x-a: [secret]"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (grpc.StatusCode.UNAUTHENTICATED, Auth),
        (grpc.StatusCode.INVALID_ARGUMENT, Permanent),
        (grpc.StatusCode.UNAVAILABLE, Retryable),
    ],
)
def test_a_refusal_over_the_wire(made, service, code, kind):
    service.failure = (code, "no: t0psecret", (("grpc-status-details-bin", details(retry_info(4))),))
    sink = made(f"http://{service.target}", headers={"x-a": "t0psecret"})
    for attempt in (lambda: send(sink), sink.check):
        with pytest.raises(kind) as caught:
            attempt()
        assert caught.value.__suppress_context__
        assert caught.value.__cause__ is None
        assert "t0psecret" not in str(caught.value)
        assert not isinstance(caught.value, Retryable) or caught.value.after_s == 4
    assert len(service.requests) == 2


def test_a_message_above_the_servers_limit_is_too_large(made, service):
    with pytest.raises(TooLarge):
        send(made(f"http://{service.target}"), list(samples.stream(20)))


def test_a_server_that_hangs_holds_nobody(made, service):
    service.hang()
    sink, found = made(f"http://{service.target}", timeout_s=0.5), []

    def keep_error():
        try:
            send(sink)
        except MonitorError as error:
            found.append(error)

    worker = threading.Thread(target=keep_error, daemon=True)
    worker.start()
    worker.join(LONG_S)
    assert not worker.is_alive()
    assert [(type(error), error.reason) for error in found] == [(Retryable, "timeout")]


def test_tls_with_an_authority_and_a_certificate_of_one_s_own(made):
    files = {name: (TLS / name).read_bytes() for name in ("server.key", "server.pem", "ca.pem")}
    credentials = grpc.ssl_server_credentials(
        [(files["server.key"], files["server.pem"])], files["ca.pem"], require_client_auth=True
    )
    with TraceService(credentials) as service:
        sink = made(
            f"https://{service.target}",
            certificate=str(TLS / "ca.pem"),
            client_certificate=str(TLS / "client.pem"),
            client_key=str(TLS / "client.key"),
        )
        assert send(sink).accepted == 5
        with pytest.raises(Retryable):
            send(made(f"https://{service.target}", certificate=str(TLS / "ca.pem")))


def test_a_server_that_nobody_vouches_for_is_refused(made):
    pair = ((TLS / "server.key").read_bytes(), (TLS / "server.pem").read_bytes())
    with TraceService(grpc.ssl_server_credentials([pair])) as service:
        with pytest.raises(Auth, match="certificate"):
            send(made(f"https://{service.target}"))
        assert service.requests == []


def test_a_server_that_is_back_is_found_again(made):
    """On the same channel: its own patience between two connections is short."""
    with TraceService() as first:
        sink = made(f"http://{first.target}")
        send(sink)
    with pytest.raises(Retryable):
        send(sink)
    with TraceService(port=first.port) as second:
        pause = threading.Event()
        for _ in range(int(LONG_S / 0.05)):
            try:
                send(sink)
                break
            except Retryable:
                pause.wait(0.05)
        assert len(second.requests) == 1
