from __future__ import annotations

import gzip
import ssl
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from monitor.clock import SystemClock
from monitor.errors import Auth, ConfigError, Permanent
from monitor.model import StepEnded, kind_of
from monitor.ports import Tools
from monitor.sinks import otlp
from monitor.testing import samples
from monitor.testing.laws import WordKeeper
from monitor.testing.servers import Answer, LocalServer
from tests.unit.noted import NOTES, note

TLS = Path(__file__).parent / "tls"
"""A made-up authority, a server's and a client's certificate for 127.0.0.1; their keys protect nothing."""
PROTOBUF = {"content-type": "application/x-protobuf"}


@pytest.fixture
def made():
    """Builds sinks that are closed after the test; `made.words` is what their logger was told."""

    class Made:
        def __init__(self):
            self.words, self.sinks = WordKeeper(), []

        def __call__(self, environ=None, **fields):
            tools = Tools(clock=SystemClock(), logger=self.words, pseudonym=str)
            self.sinks.append(otlp.build(otlp.Config(type="otlp", **fields), tools, environ=environ or {}))
            return self.sinks[-1]

    factory = Made()
    yield factory
    for sink in factory.sinks:
        sink.close()


@pytest.fixture
def server():
    with LocalServer() as started:
        yield started


def send(sink, events):
    return sink.send([sink.encode(event) for event in events], [event.seq for event in events])


def request_of(server, at=0) -> ExportTraceServiceRequest:
    return ExportTraceServiceRequest.FromString(server.requests[at].decoded)


def test_a_request_is_what_the_specification_asks_for(made, server):
    send(made(endpoint=server.url, headers={"X-Scope": "dify"}), samples.agent_turn())
    (seen,) = server.requests
    assert (seen.method, seen.path) == ("POST", "/v1/traces")
    wanted = {"content-type": "application/x-protobuf", "content-encoding": "gzip", "x-scope": "dify"}
    assert seen.headers.items() >= wanted.items()
    assert gzip.decompress(seen.body) == seen.decoded
    assert seen.body[4:8] == bytes(4), "the gzip header must hold no time: the same events are the same bytes"


def test_without_compression(made, server):
    send(made(endpoint=server.url, compression="none"), samples.agent_turn())
    (seen,) = server.requests
    assert "content-encoding" not in seen.headers
    assert len(ExportTraceServiceRequest.FromString(seen.body).resource_spans) == 4


def test_the_environment_completes_the_configuration(made, server):
    environ = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{server.url}/in", "OTEL_EXPORTER_OTLP_HEADERS": "x=%2C1"}
    send(made(environ), samples.agent_turn())
    assert (server.requests[0].path, server.requests[0].headers["x"]) == ("/in", ",1")


def test_the_process_environment_is_the_default(monkeypatch, server):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.url)
    tools = Tools(clock=SystemClock(), logger=WordKeeper(), pseudonym=str)
    sink = otlp.build(otlp.Config(type="otlp"), tools)
    sink.check()
    sink.close()
    assert server.requests[0].path == "/v1/traces"


@pytest.mark.parametrize(
    ("fields", "attributes"),
    [
        ({}, {"service.name": "dify"}),
        (
            {"service_name": "dify-eu", "deployment_environment": "production"},
            {"service.name": "dify-eu", "deployment.environment.name": "production"},
        ),
    ],
)
def test_the_resource_is_dify_s_and_nothing_of_ours(made, server, fields, attributes):
    send(made(endpoint=server.url, **fields), samples.agent_turn())
    resource = request_of(server).resource_spans[0].resource
    assert {each.key: each.value.string_value for each in resource.attributes} == attributes


def test_a_provisional_step_waits_for_its_revision(made, server):
    sink = made(endpoint=server.url)
    turn, step = samples.turn_ref(), samples.tool_step(provisional=True)
    first = samples.recorded(StepEnded(turn=turn, step=step))
    second = samples.recorded(StepEnded(turn=turn, step=msgspec.structs.replace(step, provisional=False)), revision=1)
    assert sink.encode(first) == b""
    assert sink.encode(second)
    assert send(sink, [first]).accepted == 1
    assert server.requests == []


def test_facts_beside_the_turns_leave_where_they_are_spans(made, server):
    """What people thought of an answer, what a person was asked, and triggers that never became a run."""
    sink = made(endpoint=server.url)
    send(sink, [note(body, at) for at, body in enumerate(NOTES)])
    spans = [each.scope_spans[0].spans[0] for each in request_of(server).resource_spans]
    assert [span.name for span in spans] == [
        "feedback dislike",
        "feedback withdrawn",
        "annotation changed",
        "annotation removed",
        "trigger trigger-webhook",
        "human_input submitted",
    ]
    assert [event.name for span in spans for event in span.events] == ["gen_ai.evaluation.result"] * 4
    assert {kind_of(body) for body in NOTES if sink.encode(note(body))} <= set(sink.kinds)


@pytest.mark.parametrize(("policy", "shown"), [("none", set()), ("redacted", {"[email]"}), ("full", {"a@b.com"})])
def test_content_leaves_as_the_policy_says(made, policy, shown):
    sink = made(endpoint="http://localhost", content=policy)
    part = sink.encode(samples.recorded(samples.turn_ended(), content={"output": "write to a@b.com"}))
    assert {word for word in ("[email]", "a@b.com") if word.encode() in part} == shown
    assert sink.wants_content is (policy != "none")


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200),
        Answer(200, b"{}", {"content-type": "application/json"}),
        Answer(200, b"<html>", {"content-type": "text/html"}),
        Answer(200, b"\xff\xff\xff", PROTOBUF),
        Answer(202, b"\x0a\x00", PROTOBUF),
    ],
)
def test_an_answer_without_refusals_is_success(made, server, answer):
    server.answer(answer)
    report = send(made(endpoint=server.url), samples.agent_turn())
    assert (report.accepted, report.rejected_unknown, report.detail) == (5, 0, "")


@pytest.mark.parametrize("refused", [b"\x08\x90\x4e", b"\x08" + b"\xff" * 9 + b"\x01"])
def test_numbers_that_can_t_be_are_not_believed(made, server, refused):
    """10,000 of four refused, and minus one."""
    server.answer(Answer(200, b"\x0a" + bytes([len(refused)]) + refused, PROTOBUF))
    report = send(made(endpoint=server.url), samples.agent_turn())
    assert report.accepted + report.rejected_unknown == 5
    assert 0 <= report.rejected_unknown <= 5


def test_a_warning_beside_success_is_handed_on(made, server):
    response = ExportTraceServiceResponse()
    response.partial_success.error_message = "slow\nx-a: t0p"
    server.answer(Answer(200, response.SerializeToString(), PROTOBUF))
    report = send(made(endpoint=server.url, headers={"x-a": "t0p"}), samples.agent_turn())
    assert (report.accepted, report.detail) == (5, "slow x-a: [secret]")


def test_a_refusal_s_status_message_is_told(made, server):
    server.answer(Answer(400, Status(code=3, message="span 2 has no name").SerializeToString(), PROTOBUF))
    with pytest.raises(Permanent, match="span 2 has no name") as caught:
        send(made(endpoint=server.url), samples.agent_turn())
    assert caught.value.reason == "http_400"


def test_batches_are_as_the_configuration_says(made):
    sink = made(endpoint="http://localhost", max_spans=7, max_bytes="1MiB", name="tempo")
    assert (sink.name, sink.max_events, sink.max_bytes) == ("tempo", 7, 1024 * 1024)
    assert made(endpoint="http://localhost").name == "otlp"


def test_credentials_in_clear_are_warned_of_once_and_not_told(made):
    made(endpoint="http://collector.example:4318", headers={"authorization": "t0psecret"})
    ((event, values),) = made.words.said
    assert event == "otlp_headers_unencrypted"
    assert values["endpoint"] == "http://collector.example:4318/v1/traces"
    assert "t0psecret" not in repr(values)


def test_no_warning_where_nothing_is_wrong(made):
    made(endpoint="https://collector.example", headers={"authorization": "t0psecret"})
    made(endpoint="http://127.0.0.1:4318", headers={"authorization": "t0psecret"})
    assert made.words.said == []


# --- TLS


@pytest.fixture
def tls_server():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "server.pem", TLS / "server.key")
    context.load_verify_locations(TLS / "ca.pem")
    context.verify_mode = ssl.CERT_OPTIONAL
    with LocalServer(tls=context) as started:
        yield started


def test_a_server_that_nobody_vouches_for_is_refused(made, tls_server):
    with pytest.raises(Auth, match=r"self-signed|unable to get local issuer"):
        send(made(endpoint=tls_server.url), samples.agent_turn())
    assert tls_server.requests == []


def test_an_authority_of_one_s_own_and_a_client_s_certificate(made, tls_server):
    sink = made(
        endpoint=tls_server.url,
        certificate=str(TLS / "ca.pem"),
        client_certificate=str(TLS / "client.pem"),
        client_key=str(TLS / "client.key"),
    )
    assert send(sink, samples.agent_turn()).accepted == 5
    assert len(tls_server.requests) == 1


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
@pytest.mark.parametrize("field", ["certificate", "client_certificate"])
def test_a_file_that_is_not_there_is_told_at_the_start(made, protocol, field):
    with pytest.raises(ConfigError, match="/no/such/file"):
        made(endpoint="https://localhost", protocol=protocol, **{field: "/no/such/file"})


# --- what is loaded when


def loaded(code: str) -> set[str]:
    """Which heavy packages are loaded after the code ran in a process of its own."""
    heavy = "{name for name in ('grpc', 'google.protobuf', 'httpx', 'opentelemetry.sdk.trace') if name in sys.modules}"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\nprint({heavy})"], capture_output=True, text=True, check=True
    )
    return eval(done.stdout) if done.stdout.strip() != "set()" else set()


def test_a_configuration_alone_loads_nothing_heavy():
    assert loaded("from monitor.sinks import otlp, file\notlp.Config(type='otlp')") == set()


def test_http_does_without_grpc():
    code = (
        "from monitor.sinks import otlp\nfrom monitor.ports import Tools\nfrom monitor.clock import SystemClock\n"
        "otlp.build(otlp.Config(type='otlp'), Tools(SystemClock(), None, str), environ={}).close()"
    )
    assert loaded(code) == {"google.protobuf", "httpx"}
