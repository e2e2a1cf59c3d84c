"""An OpenTelemetry Collector that writes down what it is sent: OTLP over gRPC and HTTP in, JSON lines out.

`.ci/install` builds the program from `tests/backends/otelcol/` into the user's cache; MONITOR_TEST_OTELCOL may name
another. What arrived is read back with `spans` and `counts`; it stays while the Collector is stopped and started.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.backends.process import Server, cache, free_port, program, wait_for

__all__ = ["Collector", "Counts", "ReceivedSpan"]

_READY_S = 30.0
_POLL_S = 0.05
_CONFIG = """
receivers:
  otlp:
    protocols:
      grpc: {{endpoint: "127.0.0.1:{grpc}", max_recv_msg_size_mib: 64}}
      http: {{endpoint: "127.0.0.1:{http}"}}
exporters:
  file: {{path: "{file}", append: true, flush_interval: 20ms}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [file]}}
"""


@dataclass(frozen=True, slots=True)
class ReceivedSpan:
    """One span as it arrived. Ids are lower-case hex, times ns, `status` 0 unset, 1 ok, 2 error."""

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    kind: int
    start_ns: int
    end_ns: int
    attributes: dict[str, Any]
    status: int
    status_message: str
    events: tuple[tuple[str, int, dict[str, Any]], ...]
    """Name, time and attributes of each."""
    resource: dict[str, Any]
    scope: str


@dataclass(frozen=True, slots=True)
class Counts:
    """How much arrived."""

    requests: int
    spans: int
    distinct: int
    """Different (trace id, span id): a span sent twice counts once."""
    traces: int


class Collector(Server):
    """A Collector; use it in a `with`. `stop` and `start` are for tests of what happens when it is away."""

    def __init__(self) -> None:
        """Find the program; raises Unavailable."""
        super().__init__("otelcol")
        self._program = _find()
        self._ports = {"grpc": free_port(), "http": free_port()}

    def prepare(self, folder: Path) -> None:
        """Its configuration."""
        (folder / "config.yaml").write_text(_CONFIG.format(**self._ports, file=self._received))

    @property
    def grpc_endpoint(self) -> str:
        """Where OTLP over gRPC goes."""
        return f"http://127.0.0.1:{self._ports['grpc']}"

    @property
    def http_endpoint(self) -> str:
        """Where OTLP over HTTP goes; the traces' path is `/v1/traces`."""
        return f"http://127.0.0.1:{self._ports['http']}"

    def start(self) -> None:
        """Start it (again, on the same ports); what it received stays."""
        config = f"file:{self.folder / 'config.yaml'}"
        self.run(self._program, "--config", config, ready=self._answers, seconds=_READY_S)

    def _answers(self) -> bool:
        try:
            httpx.get(self.http_endpoint, trust_env=False)
        except httpx.TransportError:
            return False
        return True

    @property
    def _received(self) -> Path:
        return self.folder / "traces.jsonl"

    def requests(self) -> list[dict[str, Any]]:
        """Every export request as OTLP/JSON, oldest first."""
        text = self._received.read_bytes() if self._received.exists() else b""
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith(b"\n")]

    def spans(self) -> list[ReceivedSpan]:
        """Every span that arrived, as often as it did, oldest first."""
        return [span for request in self.requests() for span in _spans(request)]

    def counts(self) -> Counts:
        """How much arrived up to now."""
        requests = self.requests()
        spans = [span for request in requests for span in _spans(request)]
        keys = {(span.trace_id, span.span_id) for span in spans}
        return Counts(len(requests), len(spans), len(keys), len({trace for trace, _ in keys}))

    def wait_for(self, met: Callable[[Counts], bool], seconds: float = 20.0) -> Counts:
        """The counts as soon as they meet the condition; raises AssertionError with them when they do not in time."""
        wait_for(lambda: met(self.counts()), seconds, every_s=_POLL_S, there=self.counts)
        return self.counts()


def _find() -> Path:
    named = os.environ.get("MONITOR_TEST_OTELCOL")
    if named:
        return program(named, remedy="MONITOR_TEST_OTELCOL names it")
    return program("otelcol-test", [cache() / "bin"], remedy="run .ci/install, which builds it with Go")


def _spans(request: dict[str, Any]) -> list[ReceivedSpan]:
    return [
        _span(span, _attributes(group.get("resource", {})), scoped.get("scope", {}).get("name", ""))
        for group in request.get("resourceSpans", ())
        for scoped in group.get("scopeSpans", ())
        for span in scoped.get("spans", ())
    ]


def _span(span: dict[str, Any], resource: dict[str, Any], scope: str) -> ReceivedSpan:
    status = span.get("status", {})
    return ReceivedSpan(
        trace_id=span["traceId"],
        span_id=span["spanId"],
        parent_id=span.get("parentSpanId", ""),
        name=span.get("name", ""),
        kind=int(span.get("kind", 0)),
        start_ns=int(span.get("startTimeUnixNano", 0)),
        end_ns=int(span.get("endTimeUnixNano", 0)),
        attributes=_attributes(span),
        status=int(status.get("code", 0)),
        status_message=status.get("message", ""),
        events=tuple(
            (e.get("name", ""), int(e.get("timeUnixNano", 0)), _attributes(e)) for e in span.get("events", ())
        ),
        resource=resource,
        scope=scope,
    )


def _attributes(owner: dict[str, Any]) -> dict[str, Any]:
    return {item["key"]: _value(item.get("value", {})) for item in owner.get("attributes", ())}


def _value(value: dict[str, Any]) -> Any:
    match value:
        case {"intValue": number}:
            return int(number)
        case {"arrayValue": array}:
            return [_value(item) for item in array.get("values", ())]
        case {"kvlistValue": pairs}:
            return {item["key"]: _value(item.get("value", {})) for item in pairs.get("values", ())}
    return next(iter(value.values()), None)
