"""Killed with SIGKILL again and again while Dify writes and a Collector comes and goes: nothing is lost, nothing twice."""

from __future__ import annotations

import random
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Self

import pytest

from monitor.model import AlertChanged, Recorded
from tests.backends.collector import Collector
from tests.support.changes import PgPlayer
from tests.support.sidecar import Running, Series, Sidecar, counters_of, series_of
from tests.support.stage import scenes_of, staged

pytestmark = [pytest.mark.backend("postgres"), pytest.mark.backend("collector")]
_STARTING, _WORKING, _SHOWING = "while it starts", "at any moment of its work", "after it has shown its metrics"
_LINE, _PAGE = "just when it has written lines", "just when it has written into its journal"
_DEATHS = [_STARTING, _LINE, _WORKING, _SHOWING, _PAGE, _LINE]
_WRITTEN = {_LINE: "spans.jsonl", _PAGE: "journal/journal.db-wal"}
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

    def __enter__(self) -> Self:
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


@pytest.mark.parametrize(("version", "kills"), [("1.9", 18), ("0.15", 6)])
def test_kills_lose_nothing_and_repeat_nothing(
    fresh_database: Callable[..., Any], collector: Collector, tmp_path: Path, version: str, kills: int
) -> None:
    """At the end the file, the Collector, the metrics and the alerts are those of a process that was never killed."""
    database = fresh_database(version, rows="lookups")
    otlp = {"type": "otlp", "endpoint": collector.http_endpoint, "content": "full", "timeout_s": 5}
    file = {"type": "file", "path": "./spans.jsonl", "content": "full"}
    killed = Sidecar(tmp_path / "killed", database.url, sinks=[file, otlp], sources=_source(_ENDLESS))
    with PgPlayer(database.url) as player:
        _Story(killed, collector, player, version).tell(kills)

    killed.configure(sources=_source(_AT_ONCE))  # what still runs will never end: now it is given up
    killed.once()
    fresh = Sidecar(tmp_path / "fresh", database.url, sources=_source(_AT_ONCE))
    fresh.once()

    spans = fresh.spans()
    assert Counter(killed.lines()) == Counter(fresh.lines())
    assert max(spans.ids.values()) == 1
    collector.wait_for(lambda counts: counts.distinct >= len(spans))
    assert {(span.trace_id, span.span_id) for span in collector.spans()} == set(spans.ids)
    assert killed.metrics() == fresh.metrics()
    assert [_told(change) for change in killed.alerts()] == _due(killed.events("step_ended"))
    assert {change.now for change in killed.alerts()} == {"firing", "resolved"}


class _Story:
    """Lives and deaths of a sidecar while all scenarios are played and the Collector comes and goes."""

    def __init__(self, sidecar: Sidecar, collector: Collector, player: PgPlayer, version: str) -> None:
        # What Dify has deleted meanwhile, only the one who was there knows.
        scenes = scenes_of(version, without=["chat/delete_conversation"])
        self._sidecar, self._collector = sidecar, collector
        self._commits, self._count = staged(player, scenes), sum(map(len, scenes))
        self._rng, self._pause = random.Random(version), threading.Event()

    def tell(self, kills: int) -> None:
        """All of it; the last life sees the end of the play and ends in order. The Collector is up then."""
        deaths = self._rng.sample(_DEATHS * (kills // len(_DEATHS)), kills)
        with _Scraper() as scraper:
            for number, death in enumerate([*deaths, ""]):
                with self._sidecar.running() as process:
                    scraper.process = process
                    self._collector.stop()
                    if number % 3 == 0:
                        self._collector.start()
                    self._live(process, death, most=2 * self._count // kills)
                    scraper.process = None
        scraper.look(counters_of(self._sidecar.metrics()))
        assert next(self._commits, None) is None
        assert scraper.steps_back == []
        assert scraper.scrapes_with_series > 1
        self._collector.stop()
        self._collector.start()

    def _live(self, process: Running, death: str, most: int) -> None:
        """One life: so many commits at most, and then its death, if it has one."""
        if death == _SHOWING:
            process.wait_until_shown()
        elif death != _STARTING:
            process.wait_for(lambda: process.said("running"), "it does not say that it runs")
        for _ in islice(self._commits, self._rng.randrange(most) if death else None):
            self._pause.wait(self._rng.uniform(0, 0.006))
        if death in _WRITTEN:
            self._play_until_it_writes(self._sidecar.folder / _WRITTEN[death])
        elif death:
            self._pause.wait(self._rng.uniform(0, 0.3))
        if death:
            process.kill()

    def _play_until_it_writes(self, path: Path) -> None:
        """Look so closely that what it does after the write has hardly begun."""
        before = _mark(path)
        for _ in self._commits:
            for _ in range(2_000):
                if _mark(path) != before:
                    return


def _mark(path: Path) -> tuple[int, int]:
    """Changes with each write."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return 0, 0
    return found.st_size, found.st_mtime_ns


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
