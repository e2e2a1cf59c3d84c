from __future__ import annotations

import hmac
import json
from collections.abc import Iterator

import pytest
from pydantic import ValidationError

from monitor.clock import SystemClock
from monitor.errors import Auth, ConfigError
from monitor.notify.render import as_json
from monitor.notify.webhook import Config, build
from monitor.ports import Clock, Notifier, Tools
from monitor.testing.notifier_laws import notification
from monitor.testing.samples import BASE_NS, SECOND
from monitor.testing.servers import Answer, LocalServer, Request


class StoppedClock(SystemClock):
    def now_ns(self) -> int:
        return BASE_NS + SECOND // 2


def made(clock: Clock | None = None, **settings: object) -> Notifier:
    tools = Tools(clock=clock or StoppedClock(), logger=None, pseudonym=str)
    return build(Config.model_validate({"type": "webhook"} | settings), tools)


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with LocalServer() as running:
        yield running


def posted(server: LocalServer, **settings: object) -> Request:
    notifier = made(url=f"{server.url}/hook?key=k", **settings)
    notifier.notify(notification())
    notifier.close()
    (request,) = server.requests
    return request


def test_posts_the_documented_json(server: LocalServer):
    request = posted(server, headers={"Authorization": "Bearer x1y2z3"})
    assert (request.method, request.path) == ("POST", "/hook?key=k")
    assert request.body == as_json(notification())
    assert json.loads(request.body)["rule"] == "tool_failed_five_times"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["authorization"] == "Bearer x1y2z3"
    assert request.headers["idempotency-key"] == notification().id
    assert request.headers["x-monitor-notification-id"] == notification().id
    assert "x-monitor-signature" not in request.headers


def test_signs_time_and_body(server: LocalServer):
    """Whoever knows the secret can check the sender, and refuse what is old."""
    request = posted(server, secret="0123456789abcdef")
    at_s, digest = (part.partition("=")[2] for part in request.headers["x-monitor-signature"].split(","))
    assert int(at_s) == BASE_NS // SECOND
    wanted = hmac.new(b"0123456789abcdef", f"{at_s}.".encode() + request.body, "sha256").hexdigest()
    assert digest == wanted


def test_a_strange_id_is_a_header_all_the_same(server: LocalServer):
    notifier = made(url=server.url)
    notifier.notify(notification(id="a\r\nx: 客b"))
    notifier.close()
    assert server.requests[0].headers["idempotency-key"] == "a__x:__b"


def test_asking_leaves_the_hook_alone(server: LocalServer):
    """Some receivers ring at any request: the host is asked for, not the hook. Whatever it answers, it is there."""
    server.answer(Answer(404))
    notifier = made(url=f"{server.url}/hook?key=k")
    notifier.check()
    notifier.close()
    assert [(request.method, request.path) for request in server.requests] == [("HEAD", "/")]


def test_errors_name_the_host_and_not_the_hook(server: LocalServer):
    server.answer(Answer(404, body=b"no hook at /services/T00/B00/s3cr3t here"))
    notifier = made(url=f"{server.url}/services/T00/B00/s3cr3t")
    with pytest.raises(Auth) as caught:
        notifier.notify(notification())
    notifier.close()
    assert str(caught.value) == f"{server.url} answered 404 (no hook at [secret] here)"


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"url": ""},
        {"url": "hooks.example/s3cr3t"},
        {"url": "ftp://hooks.example/s3cr3t"},
        {"url": "https:///s3cr3t"},
        {"url": "https://hooks.example:99999/s3cr3t"},
        {"url": "https://hooks.example/s3cr3t\n"},
        {"url": "https://[hooks.example/s3cr3t"},
        {"url": "https://h.example/", "secret": "s3cr3t"},
        {"url": "https://h.example/", "headers": {"X-Key": "s3cr3t\r\nX: y"}},
        {"url": "https://h.example/", "headers": {"X-Key": "s3cr3t客"}},
        {"url": "https://h.example/", "headers": {"X Key": "s3cr3t"}},
        {"url": "https://h.example/", "headers": {"Content-Type": "s3cr3t"}},
        {"url": "https://h.example/", "headers": {"X-Monitor-Signature": "s3cr3t"}},
        {"url": "https://h.example/", "timeout": "0s"},
        {"url": "https://h.example/", "timeout": "1h"},
        {"url": "https://h.example/", "colour": "s3cr3t"},
    ],
)
def test_wrong_settings_are_refused_without_quoting_them(settings: dict[str, object]):
    with pytest.raises(ValidationError) as caught:
        Config.model_validate({"type": "webhook"} | settings)
    assert "s3cr3t" not in str(caught.value)


def test_settings_show_no_secret():
    config = Config.model_validate(
        {"url": "https://h.example/s3cr3t", "headers": {"X-Key": "s3cr3t"}, "secret": "s3cr3t" * 3, "name": "ops"}
    )
    assert "s3cr3t" not in repr(config) + str(config) + config.model_dump_json()
    assert config.label == "ops"
    assert config.timeout_ns == 10 * SECOND


def test_an_authority_that_can_not_be_read():
    with pytest.raises(ConfigError, match="TLS file"):
        made(url="https://h.example/", ca_file="/nowhere.pem")
