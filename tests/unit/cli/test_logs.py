from __future__ import annotations

import io
import json
import logging
import threading

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from monitor.cli.logs import QUIET_S, DuplicateFilter, configure_logs
from monitor.config.settings import LogSettings


class HandClock:
    """A clock that is moved by hand."""

    def __init__(self):
        self.now = 0.0

    def now_ns(self):
        return 1_700_000_000_000_000_000 + int(self.now * 1e9)

    def monotonic(self):
        return self.now

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        self.now += seconds
        return stop.is_set()


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock():
    return HandClock()


def logged(clock, out=None, **settings):
    out = out or io.StringIO()
    configure_logs(LogSettings(**settings), clock, out)
    return structlog.get_logger(), out


def lines(out):
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_json_has_time_level_and_event(clock):
    logger, out = logged(clock, format="json")
    logger.bind(sink="otlp").info("shipped", events=3, text="ü\nx")
    assert lines(out) == [
        {
            "timestamp": "2023-11-14T22:13:20.000Z",
            "level": "info",
            "event": "shipped",
            "sink": "otlp",
            "events": 3,
            "text": "ü\nx",
        }
    ]


def test_time_level_and_event_come_first(clock):
    logger, out = logged(clock, format="json")
    logger.bind(sink="otlp").info("shipped", events=3)
    assert list(lines(out)[0]) == ["timestamp", "level", "event", "sink", "events"]


def test_a_terminal_gets_lines_for_people_and_all_else_json(clock):
    logger, terminal = logged(clock, Terminal())
    logger.info("hello", n=1)
    assert "hello" in terminal.getvalue()
    assert not terminal.getvalue().startswith("{")
    logger, pipe = logged(clock)
    logger.info("hello")
    assert lines(pipe)[0]["event"] == "hello"


def test_less_important_than_the_level_is_not_written(clock):
    logger, out = logged(clock, format="json", level="warning")
    logger.info("no")
    logger.warning("yes")
    assert [line["event"] for line in lines(out)] == ["yes"]


@pytest.mark.parametrize("style", ["json", "console"])
def test_a_traceback_never_shows_local_variables(clock, style):
    logger, out = logged(clock, format=style)
    password = "hunter2"
    try:
        _ = 1 / 0
    except ZeroDivisionError:
        logger.exception("failed")
    assert "ZeroDivisionError" in out.getvalue()
    assert password not in out.getvalue()


def test_the_same_is_said_once_in_a_while_and_then_with_a_count(clock):
    logger, out = logged(clock, format="json")
    log = logger.bind(sink="otlp")
    for attempt in range(5):
        log.warning("retry", error="refused", attempt=attempt)
    clock.now = QUIET_S
    log.warning("retry", error="refused", attempt=9)
    clock.now = 2 * QUIET_S
    log.warning("retry", error="refused", attempt=10)
    assert [(line["attempt"], line.get("suppressed")) for line in lines(out)] == [(0, None), (9, 4), (10, None)]


def test_what_differs_in_logger_event_error_or_level_is_said(clock):
    logger, out = logged(clock, format="json")
    logger.bind(sink="a").warning("retry", error="refused")
    logger.bind(sink="b").warning("retry", error="refused")
    logger.bind(sink="a").warning("retry", error="timeout")
    logger.bind(sink="a").error("retry", error="refused")
    logger.bind(sink="a").warning("gave up", error="refused")
    assert len(lines(out)) == 5


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 40)), max_size=40))
def test_every_message_is_written_or_counted(messages):
    """For each message: what was written plus what was told or is still remembered as suppressed is what was said."""
    clock, said = HandClock(), {}
    through = DuplicateFilter(clock)
    for event, pause in messages:
        clock.now += pause
        total, passed_at = said.get(event, (0, None))
        try:
            out = through(None, "info", {"event": event})
        except structlog.DropEvent:
            assert clock.now - passed_at < QUIET_S
            said[event] = (total + 1, passed_at)
        else:
            assert passed_at is None or clock.now - passed_at >= QUIET_S
            assert out.get("suppressed", 0) == total
            said[event] = (0, clock.now)


def test_the_memory_of_messages_is_bounded(clock):
    through = DuplicateFilter(clock)
    for number in range(5000):
        through(None, "info", {"event": f"e{number}"})
    assert len(through._said) <= 1024


def test_libraries_speak_in_the_same_format(clock):
    _, out = logged(clock, format="json")
    logging.getLogger("urllib3.connectionpool").warning("missed by %s", "1s")
    logging.getLogger("httpx").info("GET http://u:hunter2@h")
    try:
        _ = 1 / 0
    except ZeroDivisionError:
        logging.getLogger("lib").exception("broken")
    first, second = lines(out)
    assert (first["event"], first["logger"], first["level"]) == ("missed by 1s", "urllib3.connectionpool", "warning")
    assert "ZeroDivisionError" in second["exception"]


def test_threads_may_log_at_once(clock):
    logger, out = logged(clock, format="json")
    start = threading.Barrier(4)

    def say(name):
        start.wait(10)
        for _ in range(50):
            logger.info("busy", worker=name)

    threads = [threading.Thread(target=say, args=(f"w{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(line["worker"] for line in lines(out)) == ["w0", "w1", "w2", "w3"]
