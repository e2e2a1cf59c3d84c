"""Every channel keeps the laws: one case for each."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest

from monitor.clock import SystemClock
from monitor.notify import webhook
from monitor.notify.console import Console
from monitor.ports import Tools
from monitor.runtime.registry import NOTIFIERS
from monitor.testing.notifier_laws import HttpNotifierCase, HttpNotifierLaws, NotifierCase, NotifierLaws
from monitor.testing.servers import LocalServer

TOOLS = Tools(clock=SystemClock(), logger=None, pseudonym=str)


class _Screen(io.StringIO):
    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []

    def write(self, text: str) -> int:
        if text:
            self.writes.append(text.encode())
        return super().write(text)


class TestConsole(NotifierLaws):
    @pytest.fixture
    def case(self) -> NotifierCase:
        screen = _Screen()
        return NotifierCase(Console("console", lambda: screen), heard=lambda: screen.writes, cut=screen.close)


class TestWebhook(HttpNotifierLaws):
    @pytest.fixture
    def case(self) -> Iterator[HttpNotifierCase]:
        with LocalServer() as server:
            config = webhook.Config.model_validate(
                {
                    "url": f"{server.url}/hooks/T0PSECRETPATH?key=t0psecretquery",
                    "headers": {"Authorization": "Bearer t0psecrettoken"},
                    "secret": "t0psecretsigningkey",
                    "timeout": "300ms",
                }
            )
            notifier = webhook.build(config, TOOLS)
            yield HttpNotifierCase(
                notifier,
                heard=lambda: [request.body for request in server.requests if request.method == "POST"],
                cut=server.close,
                secrets=("T0PSECRETPATH", "t0psecretquery", "t0psecrettoken", "t0psecretsigningkey"),
                server=server,
            )
            notifier.close()


def test_every_channel_has_a_case() -> None:
    assert set(NOTIFIERS) == {"console", "webhook"}
