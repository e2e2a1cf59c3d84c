"""Every sink under the laws of its port, each against a real other side on this machine."""

from __future__ import annotations

import json

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from monitor.clock import SystemClock
from monitor.ports import Tools
from monitor.sinks import file, otlp
from monitor.testing.laws import HttpSinkCase, HttpSinkLaws, SinkCase, SinkLaws, WordKeeper
from monitor.testing.samples import BASE_NS
from monitor.testing.servers import Answer, LocalServer
from tests.contract.trace_service import TraceService

SECRET = "Bearer t0psecret-0123456789"
NOW_NS = BASE_NS


class StoppedClock(SystemClock):
    def now_ns(self) -> int:
        return NOW_NS


def tools(words: WordKeeper) -> Tools:
    return Tools(clock=StoppedClock(), logger=words, pseudonym=str)


def span_ids_of_protobuf(payload: bytes) -> list[str]:
    return [
        span.span_id.hex()
        for resource_spans in ExportTraceServiceRequest.FromString(payload).resource_spans
        for scope_spans in resource_spans.scope_spans
        for span in scope_spans.spans
    ]


def span_ids_of_lines(payload: bytes) -> list[str]:
    return [
        span["spanId"]
        for line in payload.splitlines()
        for resource_spans in json.loads(line)["resourceSpans"]
        for scope_spans in resource_spans["scopeSpans"]
        for span in scope_spans["spans"]
    ]


def partial_success(count: int, words: str) -> Answer:
    response = ExportTraceServiceResponse()
    response.partial_success.rejected_spans = count
    response.partial_success.error_message = words
    return Answer(200, response.SerializeToString(), {"content-type": "application/x-protobuf"})


@pytest.mark.parametrize("case", ["none", "full"], indirect=True)
class TestOtlpOverHttp(HttpSinkLaws):
    @pytest.fixture
    def case(self, request):
        words = WordKeeper()
        with LocalServer() as server:
            config = otlp.Config(
                type="otlp",
                endpoint=server.url,
                headers={"Authorization": SECRET},
                timeout_s=0.5 if "hangs" in request.node.name else 10,
                content=request.param,
            )
            sink = otlp.build(config, tools(words), environ={})
            yield HttpSinkCase(
                sink=sink,
                payloads=lambda: [seen.decoded for seen in server.requests],
                span_ids=span_ids_of_protobuf,
                cut=server.close,
                secrets=(SECRET, "t0psecret"),
                words=words,
                server=server,
                now_ns=NOW_NS,
                refuses=partial_success,
            )
            sink.close()


class TestOtlpOverGrpc(SinkLaws):
    @pytest.fixture
    def case(self):
        words = WordKeeper()
        with TraceService(max_receive_message_length=64 * 1024 * 1024) as service:
            config = otlp.Config(
                type="otlp",
                protocol="grpc",
                endpoint=f"http://{service.target}",
                headers={"Authorization": SECRET},
            )
            sink = otlp.build(config, tools(words), environ={})
            yield SinkCase(
                sink=sink,
                payloads=lambda: [seen.SerializeToString() for seen in service.requests],
                span_ids=span_ids_of_protobuf,
                cut=service.close,
                secrets=(SECRET, "t0psecret"),
                words=words,
            )
            sink.close()


@pytest.mark.parametrize("case", ["none", "redacted", "full"], indirect=True)
class TestFile(SinkLaws):
    @pytest.fixture
    def case(self, request, tmp_path):
        words, written = WordKeeper(), []
        path = tmp_path / "made" / "spans.jsonl"
        sink = file.build(file.Config(type="file", path=str(path), content=request.param), tools(words))
        send = sink.send

        def watched(parts, seqs):
            before = path.stat().st_size if path.exists() else 0
            report = send(parts, seqs)
            written.append(path.read_bytes()[before:])
            return report

        sink.send = watched
        yield SinkCase(
            sink=sink,
            payloads=lambda: written,
            span_ids=span_ids_of_lines,
            cut=lambda: path.parent.symlink_to(tmp_path / "not mounted"),
            words=words,
        )
        sink.close()
