from __future__ import annotations

import logging
import ssl
from email.utils import formatdate

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor import __version__
from monitor.clock import SystemClock
from monitor.errors import Auth, ConfigError, MonitorError, Permanent, Retryable, TooLarge
from monitor.http import Answer, Tls, client, error_of, excerpt, exchange, outcome, redact_url
from monitor.testing.servers import Answer as Served
from monitor.testing.servers import LocalServer, refused_url

NOW_NS = 1_758_700_800 * 10**9
CLOCK = SystemClock()


@pytest.fixture
def http():
    with client(timeout_s=5) as made:
        yield made


@pytest.fixture
def server():
    with LocalServer() as made:
        yield made


# --- the table


@pytest.mark.parametrize("status", range(100, 600))
def test_every_status_has_an_outcome(status):
    found = outcome(status, {}, now_ns=NOW_NS)
    if 200 <= status < 300:
        assert found is None
    elif 300 <= status < 400 or status in {401, 402, 403, 404, 405, 407, 410, 415, 426}:
        assert type(found) is Auth
    elif status == 413:
        assert type(found) is TooLarge
    elif status in {408, 425, 429} or status < 200 or status >= 500:
        assert type(found) is Retryable
        assert found.reason in {"timeout", "unavailable", "rate_limited", "server_error"}
    else:
        assert type(found) is Permanent
        assert found.reason == f"http_{status}"


@pytest.mark.parametrize(
    ("value", "after_s"),
    [
        ("7", 7.0),
        (" 7 ", 7.0),
        ("0", 0.0),
        ("86400", 3600.0),
        ("9" * 500, 3600.0),
        ("1.5", None),
        ("-1", None),
        ("nan", None),
        ("٣", None),
        ("Wed, 99 Foo 2015", None),
        (formatdate(NOW_NS / 1e9 + 30, usegmt=True), 30.0),
        (formatdate(NOW_NS / 1e9 - 30, usegmt=True), 0.0),
        ("Wed, 24 Sep 2025 08:00:30", 30.0),
        ("Wed, 24 Sep 2999 08:00:30 GMT", 3600.0),
    ],
)
def test_retry_after(value, after_s):
    assert outcome(503, {"Retry-After": value}, now_ns=NOW_NS).after_s == after_s
    assert outcome(429, {"retry-after": value}, now_ns=NOW_NS).after_s == after_s


@given(st.text(), st.integers())
def test_any_retry_after_at_any_time_is_read_or_passed_over(value, now_ns):
    after_s = outcome(503, {"retry-after": value}, now_ns=now_ns).after_s
    assert after_s is None or 0 <= after_s <= 3600


def test_an_outcome_says_where_and_what():
    assert str(outcome(400, {}, now_ns=0, where="http://h/p", said="bad")) == "http://h/p answered 400 (bad)"


# --- every error of httpx


def every_httpx_error() -> list[type[Exception]]:
    public = [getattr(httpx, name) for name in httpx.__all__]
    return [found for found in public if isinstance(found, type) and issubclass(found, Exception)]


def raised(kind: type[Exception]) -> Exception:
    """An instance without its constructor: they all differ."""
    error = kind.__new__(kind)
    error.args = ("Bearer t0psecret",)
    return error


def test_httpx_still_has_the_errors_that_we_know():
    assert len(every_httpx_error()) > 25


@pytest.mark.parametrize("kind", every_httpx_error())
def test_every_error_of_httpx_has_a_consequence(kind):
    found = error_of(raised(kind), "http://u:p@h/p?q")
    configuration = {"UnsupportedProtocol", "LocalProtocolError", "TooManyRedirects", "InvalidURL"}
    assert type(found) is (Auth if kind.__name__ in configuration else Retryable)
    assert str(found) == f"http://h/p: {kind.__name__}"
    if isinstance(found, Retryable):
        assert found.reason in {"timeout", "network", "protocol"}


def test_a_refused_certificate_is_a_matter_of_configuration():
    error = raised(httpx.ConnectError)
    error.__cause__ = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.__cause__.verify_message = "self-signed certificate"
    assert type(error_of(error, "https://h")) is Auth
    assert "self-signed certificate" in str(error_of(error, "https://h"))


# --- exchange


def test_an_exchange_sends_once_and_reads_the_answer(http, server):
    server.answer(Served(201, b"made", {"x-one": "1"}))
    answer = exchange(
        http, "PUT", f"{server.url}/a?b=c", clock=CLOCK, deadline_s=5, content=b"body", headers={"x-two": "2"}
    )
    assert (answer.status, answer.headers["x-one"], answer.body) == (201, "1", b"made")
    (seen,) = server.requests
    assert (seen.method, seen.path, seen.body, seen.headers["x-two"]) == ("PUT", "/a?b=c", b"body", "2")
    assert seen.headers["user-agent"] == f"dify-monitor/{__version__}"


def test_a_redirect_is_not_followed(http, server):
    server.answer(Served(302, headers={"location": f"{server.url}/elsewhere"}))
    assert exchange(http, "GET", server.url, clock=CLOCK, deadline_s=5).status == 302
    assert len(server.requests) == 1


def test_a_body_is_read_to_the_limit_only(http, server):
    server.answer(Served(200, b"x" * 300_000))
    assert exchange(http, "GET", server.url, clock=CLOCK, deadline_s=5, limit_bytes=1000).body == b"x" * 1000


def test_a_body_that_takes_too_long_is_a_timeout(http, server):
    """The clock of the test jumps, so that the first part already comes too late."""

    class JumpingClock(SystemClock):
        at = 0.0

        def monotonic(self):
            self.at += 100
            return self.at

    server.answer(Served(200, b"x" * 1000))
    with pytest.raises(Retryable) as caught:
        exchange(http, "GET", server.url, clock=JumpingClock(), deadline_s=5)
    assert caught.value.reason == "timeout"


def test_nobody_at_the_address(http):
    url = refused_url()
    with pytest.raises(Retryable, match="Connection refused") as caught:
        exchange(http, "GET", f"{url}/p?key=t0psecret", clock=CLOCK, deadline_s=5)
    assert caught.value.reason == "network"
    assert "t0psecret" not in str(caught.value)


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/x", "http://", "http://[::1", "http://a:b/"])
def test_an_address_that_is_none(http, url):
    with pytest.raises(Auth):
        exchange(http, "GET", url, clock=CLOCK, deadline_s=5)


def test_a_header_that_is_none_is_not_told(http, server):
    with pytest.raises(Auth) as caught:
        exchange(http, "GET", server.url, clock=CLOCK, deadline_s=5, headers={"authorization": "t0psecret\n"})
    shown: BaseException | None = caught.value
    assert shown.__suppress_context__
    assert shown.__cause__ is None
    assert "t0psecret" not in repr(shown)


def test_addresses_with_their_queries_stay_out_of_the_log(http, server, caplog):
    with caplog.at_level(logging.DEBUG):
        exchange(http, "GET", f"{server.url}/?key=t0psecret", clock=CLOCK, deadline_s=5)
    assert "t0psecret" not in caplog.text


def test_the_environments_proxy_is_used_only_when_asked_to(server, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", server.url)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with client(timeout_s=5, trust_env=True) as proxied:
        assert exchange(proxied, "GET", "http://nowhere.invalid/x", clock=CLOCK, deadline_s=5).status == 200
    assert server.requests[0].path == "http://nowhere.invalid/x"
    with client(timeout_s=5, trust_env=False) as direct:
        assert exchange(direct, "GET", f"{server.url}/y", clock=CLOCK, deadline_s=5).status == 200
    assert server.requests[1].path == "/y"


@pytest.mark.parametrize("tls", [Tls(ca_file="/no/such/file"), Tls(certificate_file="/no/such/file")])
def test_a_tls_file_that_is_not_there_is_told_at_once(tls):
    with pytest.raises(ConfigError, match="/no/such/file"):
        client(timeout_s=5, tls=tls)


def test_a_tls_file_that_is_none_is_told_at_once(tmp_path):
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(ConfigError, match=r"ca\.pem"):
        client(timeout_s=5, tls=Tls(ca_file=str(tmp_path / "ca.pem")))


# --- what may be shown


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:pass@example.com:8443/v1/traces?key=t0psecret#x", "https://example.com:8443/v1/traces"),
        ("http://[::1]:4318/v1", "http://[::1]:4318/v1"),
        ("http://HOST", "http://host"),
        ("no address", "(not an address)"),
        ("http://h:port/", "(not an address)"),
        ("http://[", "(not an address)"),
        ("http://h/\x1b", "(not an address)"),
        ("", "(not an address)"),
    ],
)
def test_an_address_is_shown_without_its_secrets(url, shown):
    assert redact_url(url) == shown


@given(st.text())
def test_any_address_can_be_shown(url):
    assert redact_url(url).isprintable()


def test_nothing_is_quoted_of_an_answer_to_content():
    assert "alice" not in excerpt(b"invalid value: alice", after_content=True)
    assert excerpt(b"", after_content=True) == ""


def test_an_excerpt_is_short_printable_and_keeps_secrets():
    assert (
        excerpt(b"you sent\n\n Bearer abc \x00\xff", ["Bearer abc", ""], after_content=False)
        == "you sent [secret] \ufffd"
    )
    assert len(excerpt(b"x" * 100_000, after_content=False)) == 200


def test_the_answers_headers_are_found_whatever_their_case():
    answer = Answer(200, httpx.Headers({"Retry-After": "3"}), b"")
    assert answer.headers["retry-after"] == "3"


def test_errors_are_the_houses_own():
    assert issubclass(type(outcome(500, {}, now_ns=0)), MonitorError)
