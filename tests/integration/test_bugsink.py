"""Failures from the journal into a real server that speaks Sentry's protocol: they group, and a repeat is no second one.

Bugsink is strict here: it checks every event against Sentry's schema before it stores it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import structlog

from monitor.clock import SystemClock
from monitor.errors import Auth
from monitor.journal import SqliteJournal
from monitor.metrics.own import SelfMetrics
from monitor.model import IndexingChanged, Recorded, StepEnded
from monitor.ports import Tools
from monitor.runtime.shipper import Shipper
from monitor.sinks import sentry
from monitor.testing import notes, samples
from tests.backends.bugsink import Bugsink, Project

pytestmark = pytest.mark.backend("bugsink")


@pytest.fixture
def project(bugsink: Bugsink, request: pytest.FixtureRequest) -> Project:
    return bugsink.new_project(request.node.name)


class Clock(SystemClock):
    """The samples' time: nothing is old."""

    def now_ns(self) -> int:
        return samples.BASE_NS + 600 * samples.SECOND


def built(project: Project, **settings: Any) -> Any:
    config = sentry.Config(type="sentry", dsn=project.dsn, **settings)
    return sentry.build(config, Tools(clock=Clock(), logger=structlog.get_logger(), pseudonym=str))


def ship(journal: SqliteJournal, project: Project, **settings: Any) -> dict[str, int]:
    """All that waits in the journal, as a process that was just started; what was left out."""
    sink = built(project, **settings)
    shipper = Shipper(
        journal, sink, Clock(), SelfMetrics(), random=lambda: 0.0, logger=structlog.get_logger()
    )  # fmt: skip
    while (outcome := shipper.step()).progressed:
        pass
    assert outcome.error is None
    sink.close()
    return dict(sink.left_out)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[SqliteJournal]:
    with SqliteJournal.open(tmp_path / "journal", Clock(), min_free_bytes=1) as journal:
        yield journal


def fill(journal: SqliteJournal, facts: Sequence[Recorded]) -> None:
    journal.append("dify", [each.event for each in facts], b"")


def outage() -> list[Recorded]:
    """Twelve turns of two apps: the tool fails in eight, with two types of errors and as many texts as turns."""
    facts: list[Recorded] = []
    for number in range(1, 13):
        turn = samples.turn_ref(number, app_id=samples.uuid(number % 2, 11), app_name=f"App {number % 2}")
        failed = {"status": "failed", "error_type": "rate_limit" if number > 4 else "timeout"} if number <= 8 else {}
        steps = [samples.llm_step(turn, 1), samples.tool_step(turn, 2, **failed)]
        content = {"error": f"Alice asked {number}", "input": f"{number}", "output": "x"}
        facts += [samples.recorded(StepEnded(turn=turn, step=step), content=content) for step in steps]
        facts.append(samples.recorded(samples.turn_ended(turn, steps=tuple(step.id for step in steps))))
    return facts


def test_failures_become_issues_by_app_tool_and_error(journal: SqliteJournal, project: Project) -> None:
    fill(journal, outage())
    ship(journal, project, content="full", release="dify@1.9.2", deployment_environment="test")
    project.wait_for(lambda project: len(project.events()) == 8)
    seen = {
        (issue["calculated_type"], issue["transaction"]): issue["digested_event_count"] for issue in project.issues()
    }
    tool = "tool query_order_status"
    assert seen == {
        (error, f"App {app}: {tool}"): 2 for error in ("timeout", "rate_limit") for app in (0, 1)
    }  # fmt: skip


def test_an_event_arrives_whole(journal: SqliteJournal, project: Project) -> None:
    fill(journal, outage()[:3])
    ship(journal, project, content="redacted", release="dify@1.9.2", replay_url="https://r.example/{turn_id}")
    project.wait_for(lambda project: len(project.events()) == 1)
    (found,) = project.events()
    turn = samples.turn_ref(1)
    value = "tool query_order_status failed in App 1: Alice asked 1"
    assert found["data"]["exception"]["values"][0]["value"] == value
    assert found["data"]["contexts"]["dify"]["replay"] == f"https://r.example/{turn.turn_id}"
    assert [each["message"] for each in found["data"]["breadcrumbs"]["values"]] == ["llm gpt-4o-mini"]
    assert found["data"]["release"] == "dify@1.9.2"
    assert found["timestamp"].startswith("2025-09-24T08:00:0")


def test_a_repeat_is_no_second_event(journal: SqliteJournal, project: Project, tmp_path: Path) -> None:
    """Another journal of the same Dify sends the same ids, as a process does that crashed before it committed."""
    fill(journal, outage())
    ship(journal, project)
    with SqliteJournal.open(tmp_path / "other", Clock(), min_free_bytes=1) as other:
        fill(other, [*outage(), _last()])
        ship(other, project)
    project.wait_for(lambda project: any("turn" in str(issue["transaction"]) for issue in project.issues()))
    assert len(project.events()) == 9
    assert len(project.issues()) == 5


def test_what_it_does_not_take_holds_nothing_up(journal: SqliteJournal, project: Project) -> None:
    """Bugsink has no transactions, and says so in each answer; failures arrive, and what was left out is counted."""
    fill(journal, outage())
    left_out = ship(journal, project, what=["failures", "transactions"])
    project.wait_for(lambda project: len(project.events()) == 8)
    assert set(left_out) == {"rate_limited"}
    assert 12 - 4 <= left_out["rate_limited"] <= 12, "only those that were on their way with the first answer"


def test_sampling_keeps_an_outage_small(journal: SqliteJournal, project: Project) -> None:
    fill(journal, outage())
    left_out = ship(journal, project, sample=[{"first": 1, "then": 0}])
    project.wait_for(lambda project: len(project.events()) == 4)
    assert left_out == {"sampled": 4}


def test_what_fails_beside_the_turns_is_an_issue_too(journal: SqliteJournal, project: Project) -> None:
    """Two webhooks that never became a run, and a document that can't be indexed."""
    stuck = IndexingChanged("t", samples.uuid(1, 14), "d-1", "stuck", "indexing", dataset_name="售后政策")
    refused = [
        notes.trigger(turn_id="", status="rate_limited", error_type="rate_limit", trigger_id=samples.uuid(number, 24))
        for number in (1, 2)
    ]
    journal.append("dify", [*refused, samples.event(stuck)], b"")
    ship(journal, project)
    project.wait_for(lambda project: len(project.events()) == 3)
    assert {(each["transaction"], each["digested_event_count"]) for each in project.issues()} == {
        ("客服 Chatflow: trigger-webhook", 2), ("售后政策: indexing", 1),
    }  # fmt: skip


def test_a_wrong_key_is_told(project: Project) -> None:
    key = project.dsn.partition("://")[2].partition("@")[0]
    project.dsn = project.dsn.replace(key, "0" * 32)
    sink = built(project)
    with pytest.raises(Auth) as caught:
        sink.check()
    assert key not in str(caught.value)
    sink.close()


def test_it_can_be_asked_and_told_that_we_live(project: Project) -> None:
    sink = built(project, heartbeat="dify-monitor")
    sink.check()
    sink.heartbeat.beat()
    sink.close()
    assert project.events() == []


def _last() -> Recorded:
    turn = samples.turn_ref(99, app_name="last")
    return samples.recorded(samples.turn_ended(turn, status="failed", error_type="quota"))
