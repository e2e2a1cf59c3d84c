"""The channel that needs nothing: plain lines on standard output or standard error.

For a first try, for containers whose output is collected, and beside other channels. Not a terminal interface: no
colours, no control characters. Registered as `console`; the courier calls it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Literal, TextIO

from monitor.errors import Retryable
from monitor.model import Notification
from monitor.notify.render import as_text
from monitor.ports import AdapterConfig, Notifier, Tools

__all__ = ["Config", "build"]


class Config(AdapterConfig):
    """Prints alerts."""

    type: Literal["console"] = "console"
    """Always `console`."""
    stream: Literal["stdout", "stderr"] = "stdout"
    """Where to print. Logs go to `stderr`, so that `stdout` holds alerts alone."""


class Console:
    """Implements `monitor.ports.Notifier`. `stream` is asked each time, as a process may redirect its output."""

    def __init__(self, name: str, stream: Callable[[], TextIO | None]) -> None:
        self.name = name
        self._stream = stream

    def notify(self, notification: Notification) -> None:
        """Print it in one write, so that other output does not come between its lines. Raises Retryable."""
        stream = self._open()
        encoding = stream.encoding or "utf-8"
        text = as_text(notification).encode(encoding, "backslashreplace").decode(encoding)
        try:
            stream.write(text)
            stream.flush()
        except (OSError, ValueError) as exc:  # ValueError: the stream is closed
            raise Retryable(f"can't print: {type(exc).__name__}", reason="output") from exc

    def check(self) -> None:
        """Raise Retryable when nothing can be printed."""
        self._open()

    def close(self) -> None:
        """The streams belong to the process: nothing to let go of."""

    def _open(self) -> TextIO:
        stream = self._stream()
        if stream is None or stream.closed:  # None: the process was started without it
            raise Retryable("the output is closed", reason="output")
        return stream


def build(config: Config, tools: Tools) -> Notifier:  # noqa: ARG001 - every adapter's signature
    """The channel that the settings describe."""
    return Console(config.label, lambda: getattr(sys, config.stream))
