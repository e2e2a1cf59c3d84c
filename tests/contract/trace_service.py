"""A real OTLP/gRPC server on this machine, in the test's hands."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)


class TraceService(TraceServiceServicer):
    """`with TraceService() as service:` listens until the block ends; answers OK until told otherwise."""

    def __init__(self, credentials: grpc.ServerCredentials | None = None, port: int = 0, **options: int) -> None:
        self.requests: list[ExportTraceServiceRequest] = []
        self.metadata: list[dict[str, str | bytes]] = []
        self.response = ExportTraceServiceResponse()
        self.failure: tuple[grpc.StatusCode, str, tuple[tuple[str, bytes], ...]] | None = None
        self._gate = threading.Event()
        self._gate.set()
        self._server = grpc.server(
            ThreadPoolExecutor(4), options=[(f"grpc.{name}", value) for name, value in options.items()]
        )
        add_TraceServiceServicer_to_server(self, self._server)
        if credentials is None:
            self.port = self._server.add_insecure_port(f"127.0.0.1:{port}")
        else:
            self.port = self._server.add_secure_port(f"127.0.0.1:{port}", credentials)
        self.target = f"127.0.0.1:{self.port}"

    def Export(self, request, context):  # noqa: N802 - the service's own name
        self.requests.append(request)
        self.metadata.append({item.key: item.value for item in context.invocation_metadata()})
        self._gate.wait()
        if self.failure is not None:
            code, words, trailing = self.failure
            context.set_trailing_metadata(trailing)
            context.abort(code, words)
        return self.response

    def hang(self) -> None:
        self._gate.clear()

    def __enter__(self):
        self._server.start()
        return self

    def __exit__(self, *_):
        self.close()

    def close(self) -> None:
        self._gate.set()
        self._server.stop(None).wait()
