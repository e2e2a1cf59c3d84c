"""The recordings into a real Collector by OTLP: every span once, whole, and readable by somebody else's program."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from monitor.testing.servers import LocalServer
from tests.backends.collector import Collector, ReceivedSpan
from tests.support.sidecar import Sidecar

pytestmark = [pytest.mark.backend("postgres"), pytest.mark.backend("collector")]
_FILE = {"type": "file", "path": "./spans.jsonl", "content": "full"}


def _sent(span: dict[str, Any]) -> tuple[Any, ...]:
    """A span as the file sink wrote it, in the form of `_arrived`."""
    status = span.get("status", {})
    return (
        (span["traceId"], span["spanId"], span.get("parentSpanId", ""), span["name"], span["kind"]),
        (int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"])),
        {name: _number(value) for name, value in span["attributes"].items()},
        (status.get("code", 0), status.get("message", "")),
    )


def _arrived(span: ReceivedSpan) -> tuple[Any, ...]:
    return (
        (span.trace_id, span.span_id, span.parent_id, span.name, span.kind),
        (span.start_ns, span.end_ns),
        {name: _number(value) for name, value in span.attributes.items()},
        (span.status, span.status_message),
    )


def _number(value: Any) -> Any:
    """OTLP/JSON writes 64-bit integers as text."""
    return int(value) if isinstance(value, str) and value.lstrip("-").isdigit() else value


@pytest.mark.parametrize("version", ["1.9", "0.15"])
@pytest.mark.parametrize(
    "way", [{"protocol": protocol, "compression": word} for protocol in ("http/protobuf", "grpc") for word in ("gzip", "none")],
    ids=lambda way: " ".join(way.values()),
)  # fmt: skip
def test_every_span_arrives_once_and_whole(
    fresh_database: Callable[..., Any], collector: Collector, tmp_path: Path, version: str, way: dict[str, str]
) -> None:
    endpoint = collector.grpc_endpoint if way["protocol"] == "grpc" else collector.http_endpoint
    otlp = {"type": "otlp", "endpoint": endpoint, "content": "full", **way}
    sidecar = Sidecar(tmp_path, fresh_database(version).url, sinks=[otlp, _FILE], service={"name": "客服 dify"})
    sidecar.once()
    ours = sidecar.spans()
    counts = collector.wait_for(lambda counts: counts.spans >= len(ours))
    assert (counts.spans, counts.distinct, counts.traces) == (len(ours), len(ours.ids), len(ours.traces()))
    arrived = {(span.trace_id, span.span_id): span for span in collector.spans()}
    for span in ours.all:
        assert _arrived(arrived[span["traceId"], span["spanId"]]) == _sent(span)
    assert {(span.resource["service.name"], span.scope) for span in arrived.values()} == {("客服 dify", "dify.monitor")}
    assert "客服 Agent" in {span.attributes["dify.app.name"] for span in arrived.values()}


def test_a_second_run_sends_nothing_again(
    fresh_database: Callable[..., Any], collector: Collector, tmp_path: Path
) -> None:
    otlp = {"type": "otlp", "endpoint": collector.http_endpoint}
    sidecar = Sidecar(tmp_path, fresh_database("1.9").url, sinks=[otlp])
    sidecar.once()
    before = collector.wait_for(lambda counts: counts.spans > 0)
    sidecar.once()
    assert collector.counts() == before


def test_content_stays_at_home_unless_it_is_asked_for(
    fresh_database: Callable[..., Any], collector: Collector, tmp_path: Path
) -> None:
    """What a sink is not told to send is not sent: no answer of a model, no text of a user."""
    sidecar = Sidecar(
        tmp_path, fresh_database("1.9").url, sinks=[{"type": "otlp", "endpoint": collector.http_endpoint}, _FILE]
    )
    sidecar.once()
    collector.wait_for(lambda counts: counts.spans >= len(sidecar.spans()))
    full = {name for span in sidecar.spans().all for name in span["attributes"]}
    bare = {name for span in collector.spans() for name in span.attributes}
    said = {"gen_ai.input.messages", "gen_ai.output.messages"}
    content = said | {"gen_ai.tool.call.arguments", "gen_ai.tool.call.result"}
    assert content <= full
    assert bare & content == set()
    assert all("订单" not in str(value) for span in collector.spans() for key, value in span.attributes.items()
               if key not in {"dify.app.name", "dify.node.title", "gen_ai.workflow.name"})  # fmt: skip


def test_compressed_requests_are_compressed(fresh_database: Callable[..., Any], tmp_path: Path) -> None:
    """A Collector takes both, so a server of our own looks at what is on the wire."""
    with LocalServer() as server:
        Sidecar(tmp_path, fresh_database("1.9").url, sinks=[{"type": "otlp", "endpoint": server.url}]).once()
        assert {request.headers["content-encoding"] for request in server.requests} == {"gzip"}
        assert sum(len(request.body) for request in server.requests) * 4 < sum(
            len(request.decoded) for request in server.requests
        )
