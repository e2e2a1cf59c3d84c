"""The recordings in a real PostgreSQL, through the whole process; SQL over the rows is the judge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from monitor.model.ids import span_id, trace_id
from tests.support import truth
from tests.support.sidecar import Sidecar

pytestmark = pytest.mark.backend("postgres")
_VERSIONS = ["1.9", "0.15"]


@pytest.fixture(params=_VERSIONS)
def read(request: pytest.FixtureRequest, fresh_database: Callable[..., Any], tmp_path: Path) -> tuple[Any, Sidecar]:
    """A recording, read once."""
    database = fresh_database(request.param)
    sidecar = Sidecar(tmp_path / "a", database.url)
    sidecar.once()
    return database, sidecar


def test_every_turn_is_one_trace_and_one_tree(read: tuple[Any, Sidecar]) -> None:
    """Every message and run is one trace; every node execution and thought has its own span; one root each."""
    database, sidecar = read
    spans = sidecar.spans()
    with database.connection() as connection:
        turns, steps, thoughts = truth.turn_ids(connection), truth.node_steps(connection), truth.thoughts(connection)
        alone = {
            str(r[0])
            for r in connection.execute("SELECT id FROM workflow_node_executions WHERE workflow_run_id IS NULL")
        }
        thought_ids = {str(row[0]) for row in connection.execute("SELECT id FROM message_agent_thoughts")}
    traces = spans.traces()
    assert set(traces) == {trace_id(turn) for turn in turns | alone}
    assert max(spans.ids.values()) == 1
    for trace in traces.values():
        own = {span["spanId"] for span in trace}
        roots = [span for span in trace if not span.get("parentSpanId")]
        assert len(roots) == 1
        assert {span["parentSpanId"] for span in trace if span.get("parentSpanId")} <= own
        for span in trace:
            if span["name"].startswith(("feedback", "annotation")):
                continue  # what people thought of the turn afterwards
            assert int(roots[0]["startTimeUnixNano"]) <= int(span["startTimeUnixNano"]) <= int(span["endTimeUnixNano"])
            assert int(span["endTimeUnixNano"]) <= int(roots[0]["endTimeUnixNano"])
    written = {span["spanId"] for span in spans.all}
    assert {span_id("", "", row_id) for row_id in [*steps, *thought_ids]} <= written
    assert len(thought_ids) == thoughts


def test_tool_calls_tokens_and_money_equal_the_rows(read: tuple[Any, Sidecar]) -> None:
    database, sidecar = read
    metrics = sidecar.metrics()
    with database.connection() as connection:
        calls, tokens, cost = truth.tool_calls(connection), truth.tokens(connection), truth.cost(connection)
    assert _tool_calls(metrics) == +calls
    assert _tokens(metrics) == {app: (each.input, each.output, each.unsplit) for app, each in tokens.items()}
    found = {key: Decimal(str(value)) for key, value in _cost(metrics).items() if value}
    assert found == {key: value for key, value in cost.items() if value}


def test_a_second_run_from_nothing_writes_the_same_bytes(read: tuple[Any, Sidecar], tmp_path: Path) -> None:
    database, first = read
    second = Sidecar(tmp_path / "b", database.url)
    second.once()
    assert (second.folder / "spans.jsonl").read_bytes() == (first.folder / "spans.jsonl").read_bytes()


def test_a_second_run_on_the_same_journal_writes_nothing(read: tuple[Any, Sidecar]) -> None:
    _, sidecar = read
    before = (sidecar.folder / "spans.jsonl").read_bytes()
    metrics = sidecar.metrics()
    sidecar.once()
    assert (sidecar.folder / "spans.jsonl").read_bytes() == before
    assert sidecar.metrics() == metrics


def _labels(metrics: dict[Any, float], name: str) -> list[tuple[dict[str, str], float]]:
    return [(dict(labels), value) for (sample, labels), value in metrics.items() if sample == name]


def _tool_calls(metrics: dict[Any, float]) -> Counter[tuple[str, str, str]]:
    found: Counter[tuple[str, str, str]] = Counter()
    for labels, value in _labels(metrics, "dify_tool_calls_total"):
        found[labels["app_id"], labels["tool"], labels["status"]] += int(value)
    return +found


def _tokens(metrics: dict[Any, float]) -> dict[str, tuple[int, int, int]]:
    found: dict[str, Counter[str]] = {}
    for labels, value in _labels(metrics, "dify_tokens_total"):
        found.setdefault(labels["app_id"], Counter())[labels["direction"]] += int(value)
    sums = {app: (each["input"], each["output"], each["unsplit"]) for app, each in found.items()}
    return {app: each for app, each in sums.items() if any(each)}


def _cost(metrics: dict[Any, float]) -> dict[tuple[str, str], float]:
    found: Counter[tuple[str, str]] = Counter()
    for labels, value in _labels(metrics, "dify_cost_total"):
        found[labels["app_id"], labels["currency"]] += value  # type: ignore[assignment]
    return {key: round(value, 10) for key, value in found.items()}
