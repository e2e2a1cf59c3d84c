"""Alerts of a running sidecar, while Dify writes commit by commit: said when the fifth call fails, once, and not before.

The failing calls are the recording's `agent/05_tool_500_consecutive_*`: one tool, six turns of one conversation, one
failure each. Tests wait for what arrives at a local server, never for time.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from monitor.model import StepEnded
from monitor.model.events import Body
from monitor.testing.servers import LocalServer
from tests.support.changes import Commit, PgPlayer
from tests.support.sidecar import Running, Sidecar
from tests.support.stage import bring_to_now, in_a_row, scenes_of

pytestmark = pytest.mark.backend("postgres")
_FAILURES = [f"agent/05_tool_500_consecutive_{number}" for number in range(1, 7)]
_SUCCESS = "agent/01_order_ok"
_TWO_YEARS_US = 2 * 365 * 86_400 * 1_000_000


class _World:
    """A Dify in which one conversation's tool fails, a sidecar that watches it, and the person who is told."""

    def __init__(self, database: Any, folder: Path, hook: LocalServer, player: PgPlayer) -> None:
        self.hook, self.player, self._database = hook, player, database
        self._commits: deque[Commit] = deque()
        self.sidecar = Sidecar(
            folder,
            database.url,
            sources=[{"type": "dify_database", "url": "${DIFY_DB_URL}", "poll_interval": "100ms"}],
            notifiers=[{"type": "webhook", "url": f"{hook.url}/alerts"}],
        )

    def stage(self, *scenarios: str) -> None:
        """What is going to be played: these turns one after the other, the last of them now."""
        self._commits = deque(in_a_row([scene for name in scenarios for scene in scenes_of("1.9", name)]))

    def play(self, *scenarios: str) -> None:
        """These whole turns, or what is left of them."""
        while self._commits and self._commits[0].scenario in scenarios:
            self.player.apply(self._commits.popleft())

    def play_until_the_call_failed(self, scenario: str) -> None:
        """The turn up to the commit that shows the failed call; the rest of it waits for `play`."""
        while self._commits[0].scenario == scenario:
            commit = self._commits.popleft()
            self.player.apply(commit)
            if _shows_a_result(commit):
                return
        raise AssertionError(f"no call failed in {scenario}")

    def unfinished(self) -> int:
        """How many messages Dify is still writing."""
        with self._database.connection() as connection:
            found = connection.execute("SELECT count(*) FROM messages WHERE provider_response_latency = 0").fetchone()
        return int(found[0])

    def failed_calls(self) -> list[str]:
        """Keys of the failed tool calls that the journal has."""
        events = [recorded.event for recorded in self.sidecar.events("step_ended")]
        return [event.key for event in events if _is_failed_call(event.body)]

    def said(self) -> list[dict[str, Any]]:
        """Every notification that arrived."""
        return [json.loads(request.body) for request in self.hook.requests]

    def wait_for_notifications(self, process: Running, count: int) -> list[dict[str, Any]]:
        process.wait_for(lambda: len(self.hook.requests) >= count, f"there is no notification number {count}")
        return self.said()


def _is_failed_call(body: Body) -> bool:
    return isinstance(body, StepEnded) and body.step.kind == "tool" and body.step.status == "failed"


def _shows_a_result(commit: Commit) -> bool:
    return any(change.table == "message_agent_thoughts" and change.row["observation"] for change in commit.changes)


@pytest.fixture
def world(fresh_database: Callable[..., Any], tmp_path: Path) -> Iterator[_World]:
    database = fresh_database("1.9", rows="lookups")
    with LocalServer() as hook, PgPlayer(database.url) as player:
        yield _World(database, tmp_path / "monitor", hook, player)


def _message_ids(scenarios: Sequence[str]) -> list[str]:
    """The messages of these turns, by their rows."""
    commits = [commit for name in scenarios for commit in scenes_of("1.9", name)[0]]
    changes = [change for commit in commits for change in commit.changes]
    return [change.row_id for change in changes if (change.table, change.op) == ("messages", "insert")]


def test_the_fifth_failure_is_told_before_its_turn_ends_and_a_success_resolves_it(world: _World) -> None:
    world.stage(*_FAILURES, _SUCCESS)
    with world.sidecar.running() as process:
        world.play(*_FAILURES[:4])
        world.play_until_the_call_failed(_FAILURES[4])
        (firing,) = world.wait_for_notifications(process, 1)
        assert world.unfinished() == 1, "Dify has written the turn's end"
        assert (firing["status"], firing["value"], firing["labels"]["tool"]) == ("firing", 5, "query_order_status")
        assert [call["message_id"] for call in firing["evidence"]] == _message_ids(_FAILURES[:5])
        assert {call["status"] for call in firing["evidence"]} == {"failed"}
        assert {call["conversation_id"] for call in firing["evidence"]} == {"8a96b290-c918-48a0-bb35-d5fb0ae032e8"}
        world.play(*_FAILURES[4:], _SUCCESS)
        _, resolved = world.wait_for_notifications(process, 2)
        assert (resolved["status"], resolved["fingerprint"]) == ("resolved", firing["fingerprint"])
        assert resolved["id"] != firing["id"]
        assert process.end() == 0
    world.sidecar.once()
    assert len(world.said()) == 2
    assert [change.now for change in world.sidecar.alerts()] == ["firing", "resolved"]


def test_four_failures_and_a_success_are_nobodys_business(world: _World) -> None:
    """Nor are the two failures that follow: the success began a new count."""
    world.stage(*_FAILURES[:4], _SUCCESS, *_FAILURES[4:])
    with world.sidecar.running() as process:
        process.wait_until_shown()
        world.play(*_FAILURES, _SUCCESS)
        process.wait_for(lambda: len(world.failed_calls()) == 6, "not all calls are read")
        assert process.end() == 0
    world.sidecar.once()
    assert world.said() == []
    assert world.sidecar.alerts() == []


@pytest.mark.parametrize("caught_up", [True, False], ids=["caught up", "at any moment"])
def test_a_kill_between_the_third_and_the_fourth_failure_changes_nothing(world: _World, caught_up: bool) -> None:
    world.stage(*_FAILURES)
    with world.sidecar.running() as process:
        process.wait_until_shown()
        world.play(*_FAILURES[:3])
        if caught_up:
            process.wait_for(lambda: len(world.failed_calls()) == 3, "the three calls are not read")
            process.wait_for(lambda: process.lag("notify:webhook") == 0, "the courier is behind")
        process.kill()
    assert world.said() == []
    with world.sidecar.running() as process:
        world.play(_FAILURES[3])
        world.play_until_the_call_failed(_FAILURES[4])
        (firing,) = world.wait_for_notifications(process, 1)
        assert [call["message_id"] for call in firing["evidence"]] == _message_ids(_FAILURES[:5])
        world.play(_FAILURES[4])
    world.sidecar.once()
    assert len(world.said()) == 1
    assert [change.now for change in world.sidecar.alerts()] == ["firing"]


def test_what_happened_two_years_ago_rings_nobody(fresh_database: Callable[..., Any], tmp_path: Path) -> None:
    """The first reading of an old Dify finds old alerts: they are recorded as history and said to nobody."""
    database = fresh_database("1.9")
    with database.connection() as connection:
        bring_to_now(connection, ago_us=_TWO_YEARS_US)
    with LocalServer() as hook:
        sidecar = Sidecar(
            tmp_path / "monitor", database.url, notifiers=[{"type": "webhook", "url": hook.url}, {"type": "console"}]
        )
        done = sidecar.once()
        assert hook.requests == []
    assert done.stdout == ""
    alerts = sidecar.alerts()
    assert {change.now for change in alerts} == {"firing", "resolved"}
    assert all(change.history for change in alerts)
