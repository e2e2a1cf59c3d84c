"""The heartbeat of a running house: `ok` while every worker runs, `error` once one has ended though nobody stopped it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from monitor.clock import SystemClock
from monitor.ports import Tools
from monitor.sinks import sentry
from monitor.testing.laws import WordKeeper
from monitor.testing.servers import LocalServer
from tests.support.sidecar import until
from tests.unit.runtime.test_supervisor import Basket, Feed, _events, _running


def check_ins(server: LocalServer) -> list[dict[str, Any]]:
    return [json.loads(seen.decoded.splitlines()[2]) for seen in server.requests]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_worker_that_ended_is_an_error(tmp_path: Path) -> None:
    feed, basket = Feed(), Basket()
    feed.events = _events(1)
    with LocalServer() as server:
        dsn = server.url.replace("://", "://" + "a" * 32 + "@") + "/1"
        config = sentry.Config(type="sentry", dsn=dsn, heartbeat="dify-monitor")
        sink = sentry.build(config, Tools(clock=SystemClock(), logger=WordKeeper(), pseudonym=str))
        sink.heartbeat.every_s = 0.05
        basket.heartbeat = sink.heartbeat  # type: ignore[attr-defined]
        with _running(tmp_path / "j", feed, basket):
            until(lambda: check_ins(server), "there is no check-in")
            basket.fault = sys.exit  # a thread that ends so is not started again
            feed.events += _events(2)[1:]
            until(lambda: check_ins(server)[-1]["status"] == "error", "no check-in says error")
        sink.close()
        assert check_ins(server)[0]["status"] == "ok"
