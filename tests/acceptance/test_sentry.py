"""The whole process with a real server that speaks Sentry's protocol: how failures group, and that none is lost.

Bugsink keeps the events. Before it stands a doorkeeper that says, as Sentry does, what is limited; it also takes what
Bugsink has no place for: transactions and check-ins.
"""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.backends.bugsink import Bugsink, Project
from tests.support.changes import Commit, PgPlayer
from tests.support.sentry import Doorkeeper, Limit
from tests.support.sidecar import Running, Sidecar, until
from tests.support.stage import bring_to_now, in_a_row, scenes_of

pytestmark = [pytest.mark.backend("postgres"), pytest.mark.backend("bugsink")]
_TOOL, _OTHER_TOOL = "query_order_status", "refund_order"
_SIX = [f"agent/05_tool_500_consecutive_{number}" for number in range(1, 7)]
_PRIVATE = "alice@example.com asked for order 12345"
_PLANTED = """
import itertools, pathlib
from monitor.runtime.projector import Projector

step, calls = Projector.step, itertools.count()

def crashing(self):
    private = pathlib.Path("private").read_text()
    if next(calls) == 1:
        raise KeyError(private)
    return step(self)

Projector.step = crashing
"""


def scenes(*names: str) -> list[list[Commit]]:
    return [scene for name in names for scene in scenes_of("1.9", name)]


def renamed(commits: Sequence[Commit]) -> list[Commit]:
    """The same calls of another tool."""
    return [
        replace(commit, changes=tuple(
            replace(change, row={name: value and value.replace(_TOOL, _OTHER_TOOL) for name, value in change.row.items()})
            for change in commit.changes
        ))
        for commit in commits
    ]  # fmt: skip


def give_a_second_tool(database: Any) -> None:
    """To every agent that has the one that was recorded."""
    with database.connection() as connection:
        query = "SELECT id, agent_mode FROM app_model_configs WHERE agent_mode LIKE %s"
        for config_id, text in connection.execute(query, [f"%{_TOOL}%"]).fetchall():
            mode = json.loads(text)
            mode["tools"] += json.loads(json.dumps(mode["tools"]).replace(_TOOL, _OTHER_TOOL))
            update = "UPDATE app_model_configs SET agent_mode = %s WHERE id = %s"
            connection.execute(update, [json.dumps(mode), config_id])


def to(dsn: str, **settings: Any) -> dict[str, Any]:
    return {"type": "sentry", "dsn": dsn, "max_age": "30d", **settings}


def counts(project: Project) -> dict[tuple[str, str], int]:
    return {(each["calculated_type"], each["transaction"]): each["digested_event_count"] for each in project.issues()}


def test_six_failures_of_a_tool_are_one_issue_and_two_tools_are_two(
    fresh_database: Callable[..., Any], bugsink: Bugsink, tmp_path: Path
) -> None:
    """While Dify writes: six failures of one tool, one of another in the same app, and one in another app."""
    database, project = fresh_database("1.9", rows="lookups"), bugsink.new_project("six")
    give_a_second_tool(database)
    others = [renamed(scene) for scene in scenes("agent/03_tool_500")]
    commits = in_a_row([*scenes(*_SIX), *others, *scenes("chatflow/04_tool_500")])
    sidecar = Sidecar(tmp_path, database.url, sinks=[to(project.dsn, content="full")])
    with PgPlayer(database.url) as player, sidecar.running() as process:
        for commit in commits:
            player.apply(commit)
        process.wait_for(lambda: sum(counts(project).values()) >= 8, "the failures are not there")
        assert process.end() == 0
    assert sidecar.once().returncode == 0
    assert counts(project) == {
        ("tool_invoke_error", f"客服 Agent: tool {_TOOL}"): 6,
        ("tool_invoke_error", f"客服 Agent: tool {_OTHER_TOOL}"): 1,
        ("tool_invoke_error", f"客服 Chatflow: tool {_TOOL}"): 1,
    }


def named(seconds: float, categories: str, rest: str = ":organization") -> dict[str, str]:
    return {"X-Sentry-Rate-Limits": f"{seconds}:{categories}{rest}", "Retry-After": f"{seconds:.0f}"}


_FAILURES_WAIT = [
    Limit("error", named(1, "default;error;security", ":key"), times=2),
    Limit("error", {"X-Sentry-Rate-Limits": "soon:error, :, ,7", "Retry-After": "1"}, times=1),
    Limit("error", {"X-Sentry-Rate-Limits": "3600:no_such_thing:key:why:a;b", "Retry-After": "1"}, times=1),
    Limit("error", named(1.5, "error"), status=200, times=1),
]
_TURNS_WAIT = [Limit("transaction", named(1, "transaction;span", ":organization:usage_exceeded:ns:more"), times=2)]
_HOUR = [Limit("error", named(3600, "error"))]


class _Lives:
    """A sidecar that is killed again and again while it is told to wait."""

    def __init__(self, sidecar: Sidecar, door: Doorkeeper) -> None:
        self._sidecar, self._door = sidecar, door

    def live(self, limits: Sequence[Limit], category: str, count: int) -> None:
        """Until so many of the category are taken; then SIGKILL, whatever is on its way."""
        self._door.limit(*limits)
        with self._sidecar.running() as process:
            process.wait_for(lambda: len(self._door.taken(category)) >= count, f"not so many {category}: {count}")
            process.kill()

    def wait_an_hour(self) -> None:
        """Told to hold failures for an hour, it sends none of them and waits; killed, and asked again, so it does."""
        self._door.limit(*_HOUR)
        with self._sidecar.running() as process:
            process.wait_for(lambda: process.said("sink_unavailable", reason="rate_limited"), "it does not wait")
            (said, *_) = process.said("sink_unavailable", reason="rate_limited")
            assert said["retry_in_s"] > 3000
            process.kill()


def test_limits_and_kills_delay_and_lose_nothing(
    fresh_database: Callable[..., Any], bugsink: Bugsink, tmp_path: Path
) -> None:
    """At the end Bugsink has what it has of a process that nobody troubled: every id once, every repeat the same."""
    database = fresh_database("1.9", rows="all")
    with database.connection() as connection:
        bring_to_now(connection)
    calm, troubled = bugsink.new_project("calm"), bugsink.new_project("troubled")
    what = {"what": ["failures", "transactions"], "content": "full", "causes_only": False}
    with Doorkeeper(calm.dsn) as quiet, Doorkeeper(troubled.dsn) as door:
        Sidecar(tmp_path / "calm", database.url, sinks=[to(quiet.dsn, **what)]).once()
        sidecar = Sidecar(tmp_path / "troubled", database.url, sinks=[to(door.dsn, **what, heartbeat="dify-monitor")])
        lives = _Lives(sidecar, door)
        lives.wait_an_hour()
        assert door.taken("error") == []
        lives.live(_FAILURES_WAIT, "error", 20)
        lives.live(_TURNS_WAIT, "transaction", 30)
        lives.live([*_FAILURES_WAIT, *_TURNS_WAIT], "error", 60)
        lives.wait_an_hour()
        door.limit()
        sidecar.once()
        for category in ("error", "transaction"):
            assert set(door.taken(category)) == set(quiet.taken(category))
            assert door.payloads(category) == quiet.payloads(category)
        assert door.refused["error"] >= 6
        assert door.refused["transaction"] >= 2
        assert len(door.taken("monitor")) >= 3
    for project in (calm, troubled):
        project.wait_for(lambda project: sum(counts(project).values()) == len(set(quiet.taken("error"))))
    ids = Counter(event["event_id"] for event in troubled.events())
    assert ids == Counter(str(uuid.UUID(event_id)) for event_id in set(quiet.taken("error")))
    assert counts(troubled) == counts(calm)


class _Planted(Sidecar):
    """A sidecar in which a worker crashes once."""

    @property
    def environment(self) -> dict[str, str]:
        found = super().environment
        return found | {"PYTHONPATH": f"{self.folder}:{found['PYTHONPATH']}"}


def test_a_crash_is_reported_and_nothing_of_anybodys_with_it(
    fresh_database: Callable[..., Any], bugsink: Bugsink, tmp_path: Path
) -> None:
    """A wrong setting at the start and a kill are no crashes; a worker that fails is one, and goes on."""
    database, project = fresh_database("1.9", rows="lookups"), bugsink.new_project("crash")
    sidecar = _Planted(tmp_path, database.url, sinks=[to(project.dsn, certificate="./none.pem")])
    assert sidecar.command("run").returncode == 2
    sidecar.configure(sinks=[to(project.dsn, deployment_environment="test")])
    with sidecar.running() as process:
        process.wait_until_shown()
        process.kill()
    (tmp_path / "sitecustomize.py").write_text(_PLANTED, encoding="utf-8")
    (tmp_path / "private").write_text(_PRIVATE, encoding="utf-8")
    with sidecar.running() as process:
        process.wait_for(project.events, "the crash is not reported")
        _is_well(process)
        assert process.end() == 0
    (found,) = project.events()
    assert found["data"]["tags"] == {"event": "worker_failed", "worker": "metrics"}
    assert found["data"]["logger"] == "monitor"
    assert found["data"]["release"].startswith("dify-monitor@")
    (exception,) = found["data"]["exception"]["values"]
    assert (exception["type"], exception["value"]) == ("KeyError", "")
    assert exception["stacktrace"]["frames"][-1]["function"] == "crashing"
    heard = json.dumps(found["data"], ensure_ascii=False)
    key = project.dsn.partition("://")[2].partition("@")[0]
    assert not [secret for secret in (_PRIVATE, key, database.url, "a-key-for-tests-only") if secret in heard]


def _is_well(process: Running) -> None:
    until(process.is_ready, "the worker did not come back")
