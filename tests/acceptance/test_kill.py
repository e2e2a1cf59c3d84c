"""Killed with SIGKILL again and again while Dify writes and a Collector comes and goes: nothing is lost, nothing twice."""

from __future__ import annotations

import random
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from monitor.model import AlertChanged, Recorded
from tests.backends.collector import Collector
from tests.support.changes import Commit, PgPlayer
from tests.support.sidecar import Running, Series, Sidecar, counters_of, series_of
from tests.support.stage import scenes_of, staged

pytestmark = [pytest.mark.backend("postgres"), pytest.mark.backend("collector")]
_STARTING, _WORKING, _SHOWING = "while it starts", "while it works", "after it has shown its metrics"
_DEATHS = [_STARTING, _WORKING, _WORKING, _SHOWING, _WORKING]
_IN_A_ROW = 5
_ENDLESS, _AT_ONCE = "1h", "1s"


class _Scraper:
    """Looks at `/metrics` all the time, over all lives, and keeps what went back."""

    def __init__(self) -> None:
        self.steps_back: list[str] = []
        self.scrapes_with_series = 0
        self.process: Running | None = None
        self._last: Series = {}
        self._seen = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._scrape)

    def __enter__(self) -> _Scraper:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _scrape(self) -> None:
        while not self._stop.wait(0.1):
            answer = self.process.get("/metrics") if self.process is not None else None
            if answer is not None and (dify := _dify_part(answer.text)) != self._seen:
                self._seen = dify
                self.look(counters_of(series_of(dify)))

    def look(self, series: Series) -> None:
        """Compare with the last scrape that had series; before a sidecar has caught up it shows none."""
        if not series:
            return
        self.scrapes_with_series += 1
        lower = [key for key, value in self._last.items() if series.get(key, -1.0) < value]
        self.steps_back += [f"{key}: {self._last[key]} -> {series.get(key)}" for key in lower]
        self._last = series


def _dify_part(text: str) -> str:
    """The text without the sidecar's own metrics, which change all the time."""
    return "\n".join(line for line in text.splitlines() if "dify_monitor_" not in line and not line.startswith("#"))


def _source(abandon_after: str) -> list[dict[str, Any]]:
    polling = {"type": "dify_database", "url": "${DIFY_DB_URL}", "poll_interval": "100ms"}
    return [{**polling, "abandon_after": abandon_after}]


@pytest.mark.parametrize(("version", "kills", "seed"), [("1.9", 15, 1), ("0.15", 5, 2)])
def test_kills_lose_nothing_and_repeat_nothing(
    fresh_database: Callable[..., Any], collector: Collector, tmp_path: Path, version: str, kills: int, seed: int
) -> None:
    """At the end the file, the Collector, the metrics and the alerts are those of a process that was never killed."""
    database = fresh_database(version, rows="lookups")
    otlp = {"type": "otlp", "endpoint": collector.http_endpoint, "content": "full", "timeout_s": 5}
    file = {"type": "file", "path": "./spans.jsonl", "content": "full"}
    killed = Sidecar(tmp_path / "killed", database.url, sinks=[file, otlp], sources=_source(_ENDLESS))
    scenes = scenes_of(version, without=["chat/delete_conversation"])  # what Dify has deleted, only the killed one knows
    rng, count = random.Random(seed), sum(map(len, scenes))
    deaths = rng.sample(_DEATHS * (kills // len(_DEATHS)), kills)
    with PgPlayer(database.url) as player, _Scraper() as scraper:
        _play_and_kill(killed, collector, staged(player, scenes), count, deaths, rng, scraper)
    collector.stop()
    collector.start()

    killed.configure(sources=_source(_AT_ONCE))  # what still runs will never end: now it is given up
    killed.once()
    fresh = Sidecar(tmp_path / "fresh", database.url, sources=_source(_AT_ONCE))
    fresh.once()

    spans = fresh.spans()
    assert Counter(killed.lines()) == Counter(fresh.lines())
    assert max(spans.ids.values()) == 1
    collector.wait_for(lambda counts: counts.distinct >= len(spans))
    assert {(span.trace_id, span.span_id) for span in collector.spans()} == set(spans.ids)
    scraper.look(counters_of(killed.metrics()))
    assert scraper.steps_back == []
    assert scraper.scrapes_with_series > 1
    assert killed.metrics() == fresh.metrics()
    assert [_told(change) for change in killed.alerts()] == _due(killed.events("step_ended"))
    assert {change.now for change in killed.alerts()} == {"firing", "resolved"}


def _play_and_kill(
    sidecar: Sidecar,
    collector: Collector,
    commits: Iterator[Commit],
    count: int,
    deaths: Sequence[str],
    rng: random.Random,
    scraper: _Scraper,
) -> None:
    """One life after the other while the commits are played; the last one sees their end and ends in order."""
    for life, death in enumerate([*deaths, ""]):
        with sidecar.running() as process:
            scraper.process = process
            collector.stop()
            if life % 3 == 0:
                collector.start()
            _wait_for_the_moment(process, death)
            played = rng.randrange(2 * count // len(deaths)) if death else count
            for _ in islice(commits, played):
                _PAUSE.wait(rng.uniform(0, 0.006))
            if death:
                _PAUSE.wait(rng.uniform(0, 0.3))
                process.kill()
            scraper.process = None
    assert next(commits, None) is None


_PAUSE = threading.Event()


def _wait_for_the_moment(process: Running, death: str) -> None:
    if death == _SHOWING:
        process.wait_until_shown()
    elif death == _WORKING:
        process.wait_for(lambda: process.said("running"), "it does not say that it runs")


def _told(change: AlertChanged) -> tuple[str, list[str]]:
    return change.now, [proof.key for proof in change.alert.evidence]


def _due(steps: Sequence[Recorded]) -> list[tuple[str, list[str]]]:
    """What the shipped rule must say of these steps: five failures of one tool in a row, and the success after them."""
    streaks: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    due: list[tuple[str, list[str]]] = []
    for recorded in steps:
        turn, step = recorded.event.body.turn, recorded.event.body.step  # type: ignore[union-attr]
        if step.tool is None or step.kind != "tool" or recorded.revision:
            continue
        streak = streaks[turn.tenant_id, turn.app_id, step.tool.provider, step.tool.name]
        if step.status == "failed":
            streak.append(recorded.event.key)
            due += [("firing", list(streak))] if len(streak) == _IN_A_ROW else []
        elif step.status == "succeeded":
            shown = streak[:_IN_A_ROW] + streak[_IN_A_ROW:][-10:]
            due += [("resolved", shown)] if len(streak) >= _IN_A_ROW else []
            streak.clear()
    return due
