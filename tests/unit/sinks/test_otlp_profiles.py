"""The `profile` setting of the `otlp` sink, as it arrives at the other side."""

from __future__ import annotations

import pytest
import structlog
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from pydantic import ValidationError

from monitor.clock import SystemClock
from monitor.model.semconv import SCHEMA_URL
from monitor.ports import Tools
from monitor.sinks import otlp
from monitor.testing import samples
from monitor.testing.servers import LocalServer

_RESOURCE = {"service.name": "shop", "deployment.environment.name": "test"}


def arrived(**settings):
    """Resource, schema, and names of the attributes of an agent's turn."""
    with LocalServer() as server:
        config = otlp.Config(
            type="otlp", endpoint=server.url, service_name="shop", deployment_environment="test", **settings
        )
        sink = otlp.build(config, Tools(SystemClock(), structlog.get_logger(), str), environ={})
        facts = samples.agent_turn()
        sink.send([sink.encode(fact) for fact in facts], [fact.seq for fact in facts])
        sink.close()
        entry = ExportTraceServiceRequest.FromString(server.requests[0].decoded).resource_spans[-1]
    (scope,) = entry.scope_spans
    resource = {each.key: each.value.string_value for each in entry.resource.attributes}
    return resource, scope.schema_url, {each.key for each in scope.spans[0].attributes}


def test_the_default_is_opentelemetry_s():
    resource, schema, names = arrived()
    assert (resource, schema) == (_RESOURCE, SCHEMA_URL)
    assert "gen_ai.operation.name" in names
    assert arrived(profile="otel") == (resource, schema, names)


def test_openinference_has_a_project_and_names_of_its_own():
    resource, schema, names = arrived(profile="openinference")
    assert (resource, schema) == ({**_RESOURCE, "openinference.project.name": "shop"}, "")
    assert "openinference.span.kind" in names
    assert not any(name.startswith(("gen_ai.", "dify.")) for name in names)


def test_sentry_has_its_op_beside_opentelemetry_s():
    resource, schema, names = arrived(profile="sentry")
    assert (resource, schema) == (_RESOURCE, SCHEMA_URL)
    assert {"sentry.op", "gen_ai.operation.name", "dify.app_id"} <= names


def test_another_profile_is_refused():
    with pytest.raises(ValidationError, match="openinference"):
        otlp.Config(type="otlp", profile="openllmetry")
