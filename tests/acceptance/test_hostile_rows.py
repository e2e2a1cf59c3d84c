"""Rows that no Dify should hold: what stands beside them is read as ever, and they themselves become something."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from monitor.model.ids import trace_id
from tests.support.changes import PgPlayer
from tests.support.hostile import AGENT_CONVERSATION, CHATFLOW_CONVERSATION, LONG_CONVERSATION, Case, plant
from tests.support.sidecar import Sidecar
from tests.support.stage import in_a_row, scenes_of

pytestmark = pytest.mark.backend("postgres")
_STEERS_A_TERMINAL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]")
"""Every control character but tab and line feed, and the marks that turn the direction of reading for good."""


def _silent(sidecar: Sidecar, planted: Mapping[str, Case]) -> list[str]:
    """The cases of which neither an event nor a gap tells."""
    told = {recorded.event.key.split(":")[0] for recorded in sidecar.events("turn_started", "source_gap")}
    return [case.what for turn, case in planted.items() if turn not in told]


def _ordinary(sidecar: Sidecar, planted: Mapping[str, Case]) -> Counter[str]:
    """The lines of all other turns."""
    foreign = {trace_id(turn) for turn in planted}
    return Counter(line for line in sidecar.lines() if not any(trace in line for trace in foreign))


@pytest.fixture(scope="module")
def read(postgres: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The recording with the hostile turns in it, read once; and without them."""
    folder = tmp_path_factory.mktemp("hostile")
    with postgres.fresh_database("1.9") as database:
        clean = Sidecar(folder / "clean", database.url)
        clean.once()
        with database.connection() as connection:
            planted = plant(connection)
        hostile = Sidecar(folder / "hostile", database.url)
        said = hostile.once(timeout=120.0)
        yield clean, hostile, planted, said


def test_ordinary_turns_are_told_as_without_them(read: Any) -> None:
    clean, hostile, planted, _ = read
    assert _ordinary(hostile, planted) == Counter(clean.lines())


def test_each_hostile_turn_becomes_something(read: Any) -> None:
    _, hostile, planted, said = read
    assert _silent(hostile, planted) == []
    assert "Traceback" not in said.stderr
    assert set(hostile.spans().ids.values()) == {1}
    times = [(int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"])) for span in hostile.spans().all]
    assert all(0 <= start <= end < 2**63 for start, end in times)


def test_every_metric_stays_a_number(read: Any) -> None:
    _, hostile, _, _ = read
    metrics = hostile.metrics()
    assert [key for key, value in metrics.items() if not math.isfinite(value) or value < 0] == []
    assert len(metrics) < 5_000


def test_a_replay_of_ten_megabytes_is_shortened(read: Any) -> None:
    _, hostile, _, _ = read
    shown = hostile.command("replay", LONG_CONVERSATION, timeout=120.0)
    assert shown.returncode == 0, shown.stderr[-2000:]
    assert "more characters" in shown.stdout
    assert len(shown.stdout) < 20_000


@pytest.mark.parametrize("options", [[], ["--full"], ["--json"]], ids=["as text", "in full", "as JSON"])
@pytest.mark.parametrize("conversation", [AGENT_CONVERSATION, CHATFLOW_CONVERSATION], ids=["agent", "chatflow"])
def test_a_replay_harms_no_terminal(read: Any, conversation: str, options: list[str]) -> None:
    _, hostile, _, _ = read
    shown = hostile.command("replay", conversation, *options, timeout=120.0)
    assert shown.returncode == 0, shown.stderr[-2000:]
    assert len(shown.stdout) > 10_000
    assert set(_STEERS_A_TERMINAL.findall(shown.stdout + shown.stderr)) == set()


def test_what_comes_after_them_is_read_by_a_running_sidecar(fresh_database: Callable[..., Any], tmp_path: Path) -> None:
    """Rows of the year 2100 and of the end of time must not carry the reading past what is written next."""
    database, undisturbed = fresh_database("1.9", rows="lookups"), fresh_database("1.9", rows="lookups")
    sidecar = Sidecar(tmp_path / "live", database.url)
    with sidecar.running() as process:
        process.wait_until_shown()
        with database.connection(autocommit=False) as connection:
            planted = plant(connection)
        process.wait_for(lambda: not _silent(sidecar, planted), "hostile turns are not told", seconds=120.0)
        commits = in_a_row(scenes_of("1.9", "agent/0[1-5]*") + scenes_of("1.9", "workflow/0[1-4]*"))
        expected = Sidecar(tmp_path / "expected", undisturbed.url)
        for url in (database.url, undisturbed.url):
            with PgPlayer(url) as player:
                player.play(commits)
        expected.once()
        count = len(expected.lines())
        process.wait_for(lambda: _ordinary(sidecar, planted).total() >= count, "later turns are not read")
        assert process.end() == 0
        assert "Traceback" not in process.text()
    assert _ordinary(sidecar, planted) == Counter(expected.lines())
