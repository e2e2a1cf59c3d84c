"""`monitor journal` as it is typed."""

from __future__ import annotations

import json
import shutil
import stat

import pytest
from click.testing import CliRunner

from monitor.cli import cli
from monitor.clock import SystemClock
from monitor.journal import SqliteJournal
from monitor.testing import samples

TURN = samples.turn_ref(1)


@pytest.fixture
def journal(tmp_path):
    """A journal that a process holds, with four turns."""
    with SqliteJournal.open(tmp_path / "journal", SystemClock(), min_free_bytes=0) as opened:
        opened.append("dify", [recorded.event for recorded in samples.stream(4)], b"p")
        yield opened


def invoke(*args, **env):
    return CliRunner().invoke(cli, ["journal", *map(str, args)], env=env)


def exported(*args):
    return [json.loads(line) for line in invoke("export", *args).stdout.splitlines()]


# -- stats


def test_stats(journal):
    result = invoke("stats")
    assert (result.exit_code, result.stderr) == (0, "")
    told = [" ".join(line.split()) for line in result.output.splitlines()]
    assert any(line.startswith("On disk ") and line.endswith(" 100 %") for line in told)
    assert any(line.startswith("step_ended 12 ") for line in told)
    assert any("query_order_status" in line for line in told)
    assert max(map(len, result.output.splitlines())) <= 80


def test_stats_as_json(journal):
    told = json.loads(invoke("stats", "--json").stdout)
    assert told["version"] == 1
    parts = told["bytes"]
    assert parts["facts"] + parts["content"] + parts["other"] + parts["free"] == parts["on_disk"]
    assert {kind["name"]: kind["events"] for kind in told["kinds"]} == {
        "turn_started": 4,
        "step_ended": 12,
        "turn_ended": 4,
    }
    assert [day["events"] for day in told["days"]] == [20]
    assert len(told["largest"]) == 10


def test_stats_of_an_empty_journal(tmp_path):
    SqliteJournal.open(tmp_path / "journal", SystemClock(), min_free_bytes=0).close()
    assert invoke("stats").exit_code == 0


# -- backup


def test_a_backup_opens_as_a_journal(journal, tmp_path):
    result = invoke("backup", tmp_path / "copy.db")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith(f"{tmp_path}/copy.db holds the journal, ")
    assert stat.S_IMODE((tmp_path / "copy.db").stat().st_mode) == 0o600
    (tmp_path / "restored").mkdir()
    shutil.copy(tmp_path / "copy.db", tmp_path / "restored" / "journal.db")
    replay = CliRunner().invoke(cli, ["replay", TURN.turn_id, "--journal", str(tmp_path / "restored")])
    assert replay.exit_code == 0
    assert samples.QUESTION in replay.output


def test_a_backup_under_the_right_name_needs_no_copying(journal, tmp_path):
    (tmp_path / "b").mkdir()
    assert invoke("backup", tmp_path / "b" / "journal.db").exit_code == 0
    assert CliRunner().invoke(cli, ["status", "--journal", str(tmp_path / "b")]).exit_code == 0


def test_a_backup_overwrites_nothing(journal, tmp_path):
    (tmp_path / "copy.db").write_text("precious")
    result = invoke("backup", tmp_path / "copy.db")
    assert result.exit_code == 2
    assert "overwrites nothing" in result.stderr
    assert (tmp_path / "copy.db").read_text() == "precious"


# -- export


def test_an_export_is_one_event_a_line(journal):
    result = invoke("export")
    assert (result.exit_code, result.stderr) == (0, "monitor: wrote 20 events\n")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["seq"] for line in lines] == list(range(20))
    assert samples.QUESTION not in result.stdout


def test_an_export_with_content(journal):
    assert samples.QUESTION in invoke("export", "--content").stdout


def test_an_export_of_some_time(journal):
    """The samples begin on 2025-09-24 at 08:00:00 UTC, one turn a second."""
    assert len(exported("--since", "2025-09-24")) == 20
    assert len(exported("--until", "2025-09-24")) == 0
    later = exported("--since", "2025-09-24T08:00:04Z")
    assert 0 < len(later) < 20
    assert exported("--since", "2025-09-24T16:00:04+08:00") == later
    earlier = exported("--until", "2025-09-24T08:00:04")
    assert len(earlier) + len(later) == 20
    assert exported("--since", "12h") == []


def test_an_export_of_a_conversation(journal):
    found = exported("--conversation", TURN.conversation_id)
    assert {line["leaf"]["body"]["turn"]["conversation_id"] for line in found} == {TURN.conversation_id}
    result = invoke("export", "--conversation", "nobody")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "monitor: wrote 0 events\n"


@pytest.mark.parametrize("time", ["yesterday", "12 parsecs", ""])
def test_a_time_that_is_none(journal, time):
    result = invoke("export", "--since", time)
    assert result.exit_code == 2
    assert "2026-01-31T08:00:00Z" in result.stderr


@pytest.mark.parametrize("args", [["stats"], ["backup", "copy.db"], ["export"]], ids=lambda args: args[0])
def test_no_journal(tmp_path, args):
    result = invoke(*args, "--journal", tmp_path / "none")
    assert result.exit_code == 2
    assert "there is no journal" in result.stderr
    assert list(tmp_path.iterdir()) == []
