"""Whoever hangs or is dead holds up only themselves: every sink, channel and the metrics go at their own pace."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from monitor.testing.servers import Answer, LocalServer, Request, refused_url
from tests.support.sidecar import Running, Sidecar, Spans
from tests.support.stage import bring_to_now

pytestmark = pytest.mark.backend("postgres")
_FILE = {"type": "file", "path": "./spans.jsonl", "content": "full"}


@pytest.fixture
def database(fresh_database: Callable[..., Any]) -> Any:
    """A recording whose last message is of this moment, so that its alerts are news."""
    database = fresh_database("1.9")
    with database.connection() as connection:
        bring_to_now(connection)
    return database


def _expected(folder: Path, database: Any) -> Sidecar:
    """What a process whose sinks all work makes of the same rows."""
    sidecar = Sidecar(folder, database.url)
    sidecar.once()
    return sidecar


def _reaches_the_end(process: Running, consumer: str) -> None:
    process.wait_for(lambda: process.lag(consumer) == 0, f"{consumer} does not reach the journal's end")


def _ids(requests: list[Request]) -> set[tuple[str, str]]:
    found = set()
    for request in requests:
        message = ExportTraceServiceRequest.FromString(request.decoded)
        spans = [span for each in message.resource_spans for scope in each.scope_spans for span in scope.spans]
        found |= {(span.trace_id.hex(), span.span_id.hex()) for span in spans}
    return found


def test_a_hanging_otlp_server_holds_up_nobody_else(database: Any, tmp_path: Path) -> None:
    """It accepts and never answers. When it does at last, it gets everything."""
    expected = _expected(tmp_path / "expected", database)
    with LocalServer() as otlp, LocalServer() as hook:
        gate = otlp.hang()
        sidecar = Sidecar(
            tmp_path / "monitor",
            database.url,
            sinks=[{"type": "otlp", "endpoint": otlp.url, "timeout_s": 600}, _FILE],
            notifiers=[{"type": "webhook", "url": hook.url}],
        )
        with sidecar.running() as process:
            process.wait_for(lambda: otlp.requests, "nothing is sent to the server that hangs")
            metrics = process.wait_until_shown()
            _reaches_the_end(process, "sink:file")
            _reaches_the_end(process, "notify:webhook")
            assert process.lag("sink:otlp") not in {None, 0}
            assert len(otlp.requests) == 1, "it hangs since the first request"
            assert sorted(sidecar.lines()) == sorted(expected.lines())
            assert metrics.items() >= expected.metrics().items()
            assert "firing" in [json.loads(request.body)["status"] for request in hook.requests]
            assert len(hook.requests) == len(expected.alerts())

            otlp.answer(Answer())
            gate.set()
            _reaches_the_end(process, "sink:otlp")
            assert process.end() == 0
        assert _ids(otlp.requests) == set(Spans(expected.lines()).ids)


@pytest.mark.parametrize("how", ["refuses", "hangs"])
def test_a_dead_webhook_holds_up_neither_sinks_nor_metrics(database: Any, tmp_path: Path, how: str) -> None:
    """A second channel is told all the same; and an end in order does not wait for the dead one."""
    expected = _expected(tmp_path / "expected", database)
    with LocalServer() as dead, LocalServer() as hook:
        dead.hang()
        url = refused_url() if how == "refuses" else dead.url
        channels = [
            {"type": "webhook", "name": "dead", "url": url, "timeout": "2s"},
            {"type": "webhook", "name": "living", "url": hook.url},
        ]
        sidecar = Sidecar(tmp_path / "monitor", database.url, notifiers=channels)
        with sidecar.running() as process:
            metrics = process.wait_until_shown()
            process.wait_for(lambda: process.said("notifier_unavailable"), "nobody says that the channel is dead")
            _reaches_the_end(process, "sink:file")
            _reaches_the_end(process, "notify:living")
            assert process.lag("notify:dead") not in {None, 0}
            assert metrics.items() >= expected.metrics().items()
            assert sorted(sidecar.lines()) == sorted(expected.lines())
            assert len(hook.requests) == len(expected.alerts()) > 0
            assert process.end() == 0
