"""A real Prometheus scrapes a running sidecar: what it can be asked then is what `/metrics` says and SQL knows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.backends.prometheus import Prometheus
from tests.support import truth
from tests.support.sidecar import Running, Series, Sidecar

pytestmark = pytest.mark.backend("postgres")


@pytest.fixture
def database(fresh_database: Callable[..., Any]) -> Any:
    return fresh_database("1.9")


@pytest.fixture
def process(database: Any, tmp_path: Path) -> Iterator[Running]:
    """A sidecar that shows all of the recording."""
    with Sidecar(tmp_path, database.url).running() as process:
        process.wait_until_shown()
        yield process


def _sum(series: Series, name: str) -> float:
    return sum(value for (sample, _), value in series.items() if sample == name)


def test_what_prometheus_answers_is_what_the_rows_say(process: Running, database: Any, prometheus: Prometheus) -> None:
    prometheus.scrape(str(process.address).removeprefix("http://"))
    prometheus.wait_for("sum(dify_turns_total) > 0")
    with database.connection() as connection:
        calls = truth.tool_calls(connection).total()
        tokens = sum(sum(each) for each in truth.tokens(connection).values())
        turns = len(truth.turn_ids(connection))
    metrics = process.metrics()
    told = {"dify_tool_calls_total": calls, "dify_tokens_total": tokens, "dify_turns_total": turns}
    for name, expected in told.items():
        assert prometheus.value(f"sum({name})") == _sum(metrics, name) == expected
    for name in {name for name, _ in metrics if name.startswith("dify_") and name.endswith(("_total", "_count"))}:
        if not name.startswith("dify_monitor_"):
            assert prometheus.value(f"sum({name})") == _sum(metrics, name)


def test_each_tool_and_app_can_be_asked_for_by_name(process: Running, database: Any, prometheus: Prometheus) -> None:
    """Names come by a join with `dify_app_info`, as the documentation shows it."""
    prometheus.scrape(str(process.address).removeprefix("http://"))
    prometheus.wait_for("dify_app_info")
    by_name = "sum by (app_name, tool, status) (dify_tool_calls_total * on (tenant_id, app_id) group_left (app_name) dify_app_info)"
    with database.connection() as connection:
        names = {str(row[0]): row[1] for row in connection.execute("SELECT id, name FROM apps")}
        expected: Counter[tuple[str, str, str]] = Counter()
        for (app, tool, status), count in truth.tool_calls(connection).items():
            expected[names[app], tool, status] += count
    found: Counter[tuple[str, str, str]] = Counter()
    for labels, value in prometheus.query(by_name):
        found[labels["app_name"], labels["tool"], labels["status"]] += int(value)
    assert +found == expected


def test_quantiles_of_durations_can_be_asked_for(process: Running, prometheus: Prometheus) -> None:
    prometheus.scrape(str(process.address).removeprefix("http://"))
    quantile = "histogram_quantile(0.95, sum by (le) (dify_turn_duration_seconds_bucket))"
    ((_, value),) = prometheus.wait_for(quantile)
    assert 0.1 < value < 409.6


def test_prometheus_sees_the_sidecars_own_health(process: Running, prometheus: Prometheus) -> None:
    prometheus.scrape(str(process.address).removeprefix("http://"))
    prometheus.wait_for("dify_monitor_build_info == 1")
    process.wait_for(lambda: process.lag("sink:file") == 0, "the file is behind")
    prometheus.wait_for('dify_monitor_sink_lag_events{sink="sink:file"} == 0')
    prometheus.wait_for("up == 1")


def test_promtool_has_no_complaints(process: Running, promtool: Callable[..., Any]) -> None:
    answer = process.get("/metrics")
    assert answer is not None
    checked = promtool("check", "metrics", stdin=answer.text)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
