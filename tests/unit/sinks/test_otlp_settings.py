from __future__ import annotations

import pytest
from pydantic import SecretStr, ValidationError

from monitor.errors import ConfigError
from monitor.sinks.otlp_settings import Config, in_clear, settings_of


def settled(environ=None, **fields):
    return settings_of(Config(type="otlp", **fields), environ or {})


def test_nothing_set_is_the_specifications_defaults():
    found = settled()
    assert (found.protocol, found.url, found.secure) == ("http/protobuf", "http://localhost:4318/v1/traces", False)
    assert (found.gzip, found.timeout_s, dict(found.headers)) == (True, 10.0, {})
    assert (found.certificate, found.client_certificate, found.client_key) == ("", "", "")
    assert settled(protocol="grpc").target == "localhost:4317"


@pytest.mark.parametrize(
    ("fields", "environ", "url"),
    [
        ({"endpoint": "https://a:4318"}, {}, "https://a:4318/v1/traces"),
        ({"endpoint": "https://a/base/"}, {}, "https://a/base/v1/traces"),
        ({"endpoint": "https://a", "traces_endpoint": "https://b/x"}, {}, "https://b/x"),
        ({}, {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://c"}, "https://c/v1/traces"),
        ({}, {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://d/as/it/is"}, "https://d/as/it/is"),
        (
            {},
            {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://d/t", "OTEL_EXPORTER_OTLP_ENDPOINT": "https://c"},
            "https://d/t",
        ),
        ({"endpoint": "https://a"}, {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://d"}, "https://a/v1/traces"),
        ({}, {"OTEL_EXPORTER_OTLP_ENDPOINT": "  "}, "http://localhost:4318/v1/traces"),
    ],
)
def test_where_spans_go(fields, environ, url):
    assert settled(environ, **fields).url == url


@pytest.mark.parametrize(
    ("fields", "environ", "target", "secure"),
    [
        ({"endpoint": "http://a:4317"}, {}, "a:4317", False),
        ({"endpoint": "https://a:4317/ignored"}, {}, "a:4317", True),
        ({"endpoint": "a:4317"}, {}, "a:4317", True),
        ({"endpoint": "a:4317", "insecure": True}, {}, "a:4317", False),
        ({"endpoint": "a:4317"}, {"OTEL_EXPORTER_OTLP_INSECURE": "true"}, "a:4317", False),
        ({"endpoint": "a:4317", "insecure": False}, {"OTEL_EXPORTER_OTLP_INSECURE": "true"}, "a:4317", True),
        ({"endpoint": "https://a:4317", "insecure": True}, {}, "a:4317", True),
        ({"endpoint": "[::1]:4317"}, {}, "[::1]:4317", True),
        ({"traces_endpoint": "http://b:1"}, {}, "b:1", False),
    ],
)
def test_where_spans_go_with_grpc(fields, environ, target, secure):
    found = settled(environ, protocol="grpc", **fields)
    assert (found.target, found.secure) == (target, secure)


ALL = {
    "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
    "OTEL_EXPORTER_OTLP_HEADERS": "api-key=general",
    "OTEL_EXPORTER_OTLP_COMPRESSION": "none",
    "OTEL_EXPORTER_OTLP_TIMEOUT": "2500",
    "OTEL_EXPORTER_OTLP_CERTIFICATE": "/ca",
    "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": "/cert",
    "OTEL_EXPORTER_OTLP_CLIENT_KEY": "/key",
}


def test_the_general_variables_complete_the_configuration():
    found = settled(ALL)
    assert (found.protocol, found.gzip, found.timeout_s) == ("grpc", False, 2.5)
    assert found.secrets == ("general",)
    assert (found.certificate, found.client_certificate, found.client_key) == ("/ca", "/cert", "/key")


def test_the_variables_for_traces_go_before_the_general_ones():
    traces = {
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
        "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "x=1",
        "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION": "gzip",
        "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT": "100",
        "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE": "/t-ca",
    }
    found = settled(ALL | traces)
    assert (found.protocol, found.gzip, found.timeout_s) == ("http/protobuf", True, 0.1)
    assert (found.secrets, found.certificate, found.client_key) == (("1",), "/t-ca", "/key")


def test_what_is_written_goes_before_the_variables():
    found = settled(
        ALL,
        protocol="http/protobuf",
        headers={"Authorization": SecretStr("Bearer x")},
        compression="gzip",
        timeout_s=3,
        certificate="",
        client_certificate="c",
        client_key="k",
    )
    assert (found.protocol, found.gzip, found.timeout_s) == ("http/protobuf", True, 3)
    assert (list(found.headers), found.secrets) == (["authorization"], ("Bearer x",))
    assert (found.certificate, found.client_certificate, found.client_key) == ("", "c", "k")


def test_variables_that_describe_our_own_process_are_not_dify_s():
    environ = {"OTEL_SERVICE_NAME": "monitor", "OTEL_RESOURCE_ATTRIBUTES": "service.name=monitor"}
    assert settled(environ) == settled()


@pytest.mark.parametrize(
    ("text", "headers"),
    [
        ("api-key=a%20b%2Cc", {"api-key": "a b,c"}),
        (" A=1 , b = x=y ,", {"a": "1", "b": "x=y"}),
        ("a=", {"a": ""}),
        ("Authorization=Basic dXNlcg==", {"authorization": "Basic dXNlcg=="}),
    ],
)
def test_headers_in_a_variable(text, headers):
    found = settled({"OTEL_EXPORTER_OTLP_HEADERS": text}).headers
    assert {name: value.get_secret_value() for name, value in found.items()} == headers


@pytest.mark.parametrize(
    "environ",
    [
        {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"},
        {"OTEL_EXPORTER_OTLP_COMPRESSION": "deflate"},
        {"OTEL_EXPORTER_OTLP_TIMEOUT": "10s"},
        {"OTEL_EXPORTER_OTLP_TIMEOUT": "0"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"},
        {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://h:port/"},
        {"OTEL_EXPORTER_OTLP_HEADERS": "t0psecret"},
        {"OTEL_EXPORTER_OTLP_HEADERS": "=t0psecret"},
        {"OTEL_EXPORTER_OTLP_TRACES_HEADERS": "a=t0psecret%0Ax"},
    ],
)
def test_a_variable_that_is_wrong_is_named_and_a_header_not_told(environ):
    with pytest.raises(ConfigError) as caught:
        settled(environ)
    (name,) = environ
    assert name in str(caught.value)
    assert "t0psecret" not in str(caught.value)


@pytest.mark.parametrize(
    "fields",
    [
        {"endpoint": "ftp://a"},
        {"endpoint": "http://"},
        {"endpoint": "http://[::1"},
        {"endpoint": "https://user:t0psecret@a"},
        {"traces_endpoint": "https://user:t0psecret@a", "protocol": "grpc"},
        {"headers": {"a b": "t0psecret"}},
        {"headers": {"a": "t0psecret\r\nx: y"}},
        {"headers": {"a": "t0psecretü"}},
    ],
)
def test_a_setting_that_is_wrong_is_named_and_a_secret_not_told(fields):
    with pytest.raises(ConfigError) as caught:
        settled(**fields)
    assert "endpoint" in str(caught.value) or "headers" in str(caught.value)
    assert "t0psecret" not in str(caught.value)


def test_validation_errors_do_not_quote_secrets():
    with pytest.raises(ValidationError) as caught:
        Config(type="otlp", headers={"a": ["t0psecret"]}, timeout_s=0)
    assert "t0psecret" not in str(caught.value)


def test_secrets_are_in_no_repr():
    config = Config(type="otlp", headers={"authorization": SecretStr("t0psecret")})
    assert "t0psecret" not in f"{config!r} {config} {settings_of(config, {})!r}"


def test_a_token_is_a_secret_without_its_scheme_too():
    headers = {"authorization": SecretStr("Bearer t0psecret"), "x": SecretStr(""), "y": SecretStr("a b")}
    assert settled(headers=headers).secrets == ("Bearer t0psecret", "t0psecret", "a b")


@pytest.mark.parametrize(("written", "size"), [("4MiB", 4 * 1024 * 1024), (5000, 5000)])
def test_sizes_are_written_as_people_write_them(written, size):
    assert Config(type="otlp", max_bytes=written).max_bytes == size


@pytest.mark.parametrize(
    ("fields", "unencrypted"),
    [
        ({"endpoint": "http://collector:4318", "headers": {"authorization": "x"}}, True),
        ({"endpoint": "http://10.0.0.1", "headers": {"x-api-key": "x"}}, True),
        ({"endpoint": "collector:4317", "protocol": "grpc", "insecure": True, "headers": {"api-token": "x"}}, True),
        ({"endpoint": "https://collector", "headers": {"authorization": "x"}}, False),
        ({"endpoint": "http://127.0.0.9", "headers": {"authorization": "x"}}, False),
        ({"endpoint": "http://[::1]:1", "headers": {"authorization": "x"}}, False),
        ({"endpoint": "http://localhost", "headers": {"authorization": "x"}}, False),
        ({"endpoint": "http://collector", "headers": {"x-scope-orgid": "dify"}}, False),
        ({"endpoint": "http://collector"}, False),
    ],
)
def test_credentials_in_clear_are_noticed(fields, unencrypted):
    assert in_clear(settled(**fields)) is unencrypted
