"""What Sentry's client sends when `monitor` itself crashes, over the wire: where it happened, and nothing of anybody's."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from monitor.cli.crash_reports import crash_reports, scrubbed
from monitor.errors import Retryable
from monitor.sinks import file, sentry
from monitor.testing.clock import HandClock
from monitor.testing.servers import LocalServer

KEY = "3b1c5e0f9a7d4e6f8b2a1c0d9e8f7a6b"
PRIVATE = "alice@example.com asked for order 12345"


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with LocalServer() as server:
        yield server


@pytest.fixture(autouse=True)
def _quiet_log():
    structlog.configure(processors=[structlog.processors.format_exc_info, structlog.testing.LogCapture()])
    yield
    structlog.reset_defaults()


def config(server: LocalServer, **changes: Any) -> sentry.Config:
    dsn = server.url.replace("://", f"://{KEY}@") + "/1"
    return sentry.Config(type="sentry", dsn=dsn, deployment_environment="prod", **changes)


def reported(server: LocalServer) -> list[dict[str, Any]]:
    lines = [seen.decoded.splitlines() for seen in server.requests]
    return [json.loads(payload) for _, item, payload in lines if json.loads(item)["type"] == "event"]


def crash(words: str) -> None:
    private = words
    raise ValueError(f"can't read {private}")


def test_a_worker_that_is_started_again_is_a_crash(server):
    """The supervisor catches it and logs its traceback."""
    with crash_reports([config(server)]):
        try:
            crash(PRIVATE)
        except ValueError:
            structlog.get_logger().exception("worker_failed", worker="sink:otlp", action=PRIVATE)
    (found,) = reported(server)
    assert found["tags"] == {"event": "worker_failed", "worker": "sink:otlp"}
    assert found["logger"] == "monitor"
    assert found["environment"] == "prod"
    assert found["release"].startswith("dify-monitor@")
    (exception,) = found["exception"]["values"]
    assert exception["type"] == "ValueError"
    assert exception["stacktrace"]["frames"][-1]["function"] == "crash"


def test_what_ends_the_process_is_a_crash_and_goes_on(server):
    with pytest.raises(ZeroDivisionError), crash_reports([config(server)]):
        _ = 1 / 0
    assert [found["exception"]["values"][0]["type"] for found in reported(server)] == ["ZeroDivisionError"]


def test_nothing_of_anybodys_leaves(server):
    """No text of a foreign error, no local variable, no log line, no name of the host."""
    with crash_reports([config(server)]):
        structlog.get_logger().warning("said_before", detail=PRIVATE)
        try:
            try:
                crash(PRIVATE)
            except ValueError as exc:
                raise KeyError(PRIVATE) from exc
        except KeyError:
            structlog.get_logger().exception("worker_failed", detail=PRIVATE)
    (found,) = reported(server)
    heard = b"".join(seen.decoded for seen in server.requests).decode()
    assert PRIVATE[:17] not in heard  # its first words; the source lines in the report are our own
    assert {"server_name", "breadcrumbs", "contexts", "extra", "user", "request", "modules"}.isdisjoint(found)
    assert len(found["exception"]["values"]) == 2
    frames = [frame for each in found["exception"]["values"] for frame in each["stacktrace"]["frames"]]
    assert all("vars" not in frame and "abs_path" not in frame for frame in frames)


def on_purpose(words: str = "busy") -> None:
    raise Retryable(words)


def caused(words: str) -> None:
    try:
        on_purpose(words)
    except Retryable as exc:
        raise RuntimeError(PRIVATE) from exc


def test_errors_that_the_house_raises_on_purpose_are_no_crashes(server):
    with crash_reports([config(server)]):
        try:
            on_purpose()
        except Retryable:
            structlog.get_logger().exception("sink_unavailable")
    with pytest.raises(Retryable), crash_reports([config(server)]):
        on_purpose()
    assert reported(server) == []


def test_no_text_leaves_where_one_of_ours_is_the_cause(server):
    """Our own errors quote what a server said, and servers quote what they were sent."""
    with pytest.raises(RuntimeError), crash_reports([config(server)]):
        caused(f"s.example answered 400 (can't parse {PRIVATE})")
    (found,) = reported(server)
    assert [(each["type"], each["value"]) for each in found["exception"]["values"]] == [
        ("Retryable", ""), ("RuntimeError", ""),
    ]  # fmt: skip


def test_a_worker_that_fails_each_minute_is_told_once_an_hour(server):
    clock = HandClock()
    with crash_reports([config(server)], clock):
        for _ in range(62):
            log_crash()
            clock.move(60)
        log_another()
    tags = [found["tags"] for found in reported(server)]
    assert [each.get("repeats") for each in tags] == [None, "59", None]


def log_crash() -> None:
    try:
        crash(PRIVATE)
    except ValueError:
        structlog.get_logger().exception("poll_failed")


def log_another() -> None:
    try:
        _ = {}[PRIVATE]
    except KeyError:
        structlog.get_logger().exception("poll_failed")


def test_the_log_is_as_it_was(server):
    before = structlog.get_config()["processors"]
    hook = sys.excepthook
    with crash_reports([config(server)]):
        assert structlog.get_config()["processors"] != before
    assert structlog.get_config()["processors"] == before
    assert sys.excepthook is hook


def test_nobody_asked_nothing_is_sent(server, tmp_path):
    sinks = [file.Config(type="file", path=str(tmp_path / "x")), config(server, own_crashes=False)]
    with pytest.raises(ValueError, match="can't read"), crash_reports(sinks):
        crash(PRIVATE)
    assert server.requests == []


def test_scrubbing_takes_any_event():
    assert scrubbed({}, {}) == {"logger": "monitor"}
    assert scrubbed({"exception": {"values": [{}]}}, {})["exception"] == {"values": [{"value": ""}]}
