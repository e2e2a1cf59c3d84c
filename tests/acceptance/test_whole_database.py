"""What Dify's rows hold beside the turns, through the whole process; SQL over the rows is the judge, app by app."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from monitor.model import ConfigChanged, FeedbackGiven, StepEnded, TurnStarted
from tests.support import truth
from tests.support.sidecar import Sidecar

pytestmark = pytest.mark.backend("postgres")


@pytest.fixture(params=["1.9", "0.15"])
def read(request: pytest.FixtureRequest, fresh_database: Callable[..., Any], tmp_path: Path) -> tuple[Any, Sidecar]:
    """A recording, read once."""
    database = fresh_database(request.param)
    sidecar = Sidecar(tmp_path / "a", database.url)
    sidecar.once()
    return database, sidecar


def test_retrieval_hits_equal_the_rows(read: tuple[Any, Sidecar]) -> None:
    database, sidecar = read
    with database.connection() as connection:
        hits = truth.retrieval_hits(connection)
    found: Counter[tuple[str, str, str, str]] = Counter()
    for recorded in sidecar.events("step_ended"):
        body = recorded.event.body
        assert isinstance(body, StepEnded)
        for hit in body.step.hits:
            found[body.turn.app_id, hit.dataset_id, hit.document_id, hit.segment_id] += 1
    assert found == hits


def test_feedback_equals_the_rows(read: tuple[Any, Sidecar]) -> None:
    database, sidecar = read
    with database.connection() as connection:
        ratings = truth.feedback(connection)
    bodies = [recorded.event.body for recorded in sidecar.events("feedback_given")]
    assert Counter((b.turn.app_id, b.rating, b.given_by) for b in bodies if isinstance(b, FeedbackGiven)) == ratings
    counted: Counter[tuple[str, str, str]] = Counter()
    for (name, labels), value in sidecar.metrics().items():
        if name == "dify_feedback_total":
            label = dict(labels)
            counted[label["app_id"], label["rating"], label["source"]] += int(value)
    assert +counted == ratings


def test_every_turn_says_under_which_configuration_it_ran(read: tuple[Any, Sidecar]) -> None:
    """Its hash is that of a ConfigChanged of its app, but for what ran from a draft."""
    _, sidecar = read
    known = {
        (b.app.app_id, b.hash)
        for b in (recorded.event.body for recorded in sidecar.events("config_changed"))
        if isinstance(b, ConfigChanged)
    }
    turns = [b.turn for b in (r.event.body for r in sidecar.events("turn_started")) if isinstance(b, TurnStarted)]
    assert all(turn.tenant_name for turn in turns)
    missing = [turn for turn in turns if (turn.app_id, turn.config_hash) not in known]
    assert [turn for turn in missing if turn.invoke_from != "debugger" and turn.workflow_version != "draft"] == []
    assert len(missing) < len(turns) / 10


def test_calls_inside_agent_nodes_equal_their_logs(read: tuple[Any, Sidecar]) -> None:
    database, sidecar = read
    with database.connection() as connection:
        calls = truth.agent_node_tool_calls(connection)
        nodes = {
            str(row[0])
            for row in connection.execute("SELECT id FROM workflow_node_executions WHERE node_type = 'agent'")
        }
    found: Counter[tuple[str, str, str]] = Counter()
    for recorded in sidecar.events("step_ended"):
        body = recorded.event.body
        assert isinstance(body, StepEnded)
        if body.step.parent_id in nodes and body.step.kind == "tool":
            found[body.turn.app_id, body.step.name, body.step.status] += 1
    assert found == calls
