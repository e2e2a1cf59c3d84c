from __future__ import annotations

import io

import pytest
from pydantic import ValidationError

from monitor.clock import SystemClock
from monitor.errors import Retryable
from monitor.notify.console import Config, Console, build
from monitor.notify.render import as_text
from monitor.ports import Tools
from monitor.testing.notifier_laws import notification

TOOLS = Tools(clock=SystemClock(), logger=None, pseudonym=str)


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_prints_where_it_is_told(stream: str, capsys: pytest.CaptureFixture[str]):
    build(Config.model_validate({"type": "console", "stream": stream}), TOOLS).notify(notification())
    captured = capsys.readouterr()
    assert {"stdout": captured.out, "stderr": captured.err}[stream] == as_text(notification())
    assert captured.out + captured.err == as_text(notification())


def test_prints_to_standard_output_unless_told_otherwise(capsys: pytest.CaptureFixture[str]):
    console = build(Config(), TOOLS)
    assert console.name == "console"
    console.notify(notification())
    assert capsys.readouterr().out.startswith("FIRING")


def test_a_name_of_its_own():
    assert build(Config(name="screen"), TOOLS).name == "screen"


def test_a_poor_terminal_gets_what_it_can_show():
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii", write_through=True)
    Console("console", lambda: stream).notify(notification())
    assert b"in \\u5ba2\\u670d Agent" in raw.getvalue()
    stream.detach()


def test_one_write_for_one_notification():
    """Other output can't come between its lines."""
    writes: list[str] = []

    class Stream(io.StringIO):
        def write(self, text: str) -> int:
            writes.append(text)
            return len(text)

    stream = Stream()
    Console("console", lambda: stream).notify(notification())
    assert len(writes) == 1


class Full(io.StringIO):
    def flush(self) -> None:
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("stream", [None, Full()])
def test_an_output_that_is_gone_is_worth_another_try(stream: io.StringIO | None):
    with pytest.raises(Retryable) as caught:
        Console("console", lambda: stream).notify(notification())
    assert caught.value.reason == "output"


def test_only_two_streams():
    with pytest.raises(ValidationError):
        Config.model_validate({"type": "console", "stream": "/dev/tty"})
