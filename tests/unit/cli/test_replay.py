"""`monitor replay` as it is typed."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from monitor.cli import cli
from monitor.journal import SqliteJournal
from monitor.model import TurnStarted
from monitor.testing import samples
from tests.unit.replay.world import HandClock, agent_turn, gap_event

TURN = samples.turn_ref(4)
CONVERSATION = TURN.conversation_id


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    """A working directory without a monitor.yaml, and an environment that sets nothing."""
    monkeypatch.chdir(tmp_path)
    for name in ("DIFY_DB_URL", "DIFY_DB_URL_FILE", "MONITOR_CONFIG", "OTEL_EXPORTER_OTLP_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TZ", "UTC")


@pytest.fixture
def folder(tmp_path):
    """A journal with a conversation of two turns, and a turn that could not be read."""
    path = tmp_path / "records"
    with SqliteJournal.open(path, HandClock(), min_free_bytes=0) as journal:
        journal.append("dify", [*agent_turn(4, failed=True), *agent_turn(5), gap_event("lonely-turn")], None)
    return path


def invoke(*args, **env):
    return CliRunner().invoke(cli, ["replay", *map(str, args)], env=env)


def test_the_journals_folder_is_all_it_needs(folder):
    result = invoke(CONVERSATION, "--journal", folder, "--tz", "UTC")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.output.startswith(f"Conversation {CONVERSATION}\n")
    assert "我的订单 #12345 到哪了？" in result.output
    assert "✗ Tool query_order_status  FAILED: tool_invoke_error" in result.output
    assert "Turn 2 of 2" in result.output


def test_a_wrong_configuration_does_not_matter_where_the_journal_is_named(folder):
    assert invoke(TURN.turn_id, "--journal", folder, MONITOR_CONFIG="/does/not/exist").exit_code == 0


def test_the_configuration_may_name_the_journal(folder, tmp_path):
    """It needs no source, sink or database for this."""
    config = tmp_path / "other.yaml"
    config.write_text(f"journal:\n  path: {folder}\n")
    assert invoke(TURN.turn_id, "--config", config).exit_code == 0


def test_without_either_the_default_folder_is_read(folder, tmp_path):
    folder.rename(tmp_path / "journal")
    assert invoke(TURN.turn_id).exit_code == 0


def test_it_works_beside_a_running_sidecar(folder):
    with SqliteJournal.open(folder, HandClock(), min_free_bytes=0) as journal:
        journal.append("dify", [samples.event(TurnStarted(turn=samples.turn_ref(6)))], None)
        assert invoke(samples.turn_ref(6).turn_id, "--journal", folder).exit_code == 0


def test_a_message_is_shown_alone_and_tells_its_conversation(folder):
    result = invoke(TURN.message_id, "--journal", folder)
    assert f"turn 1 of 2 of the conversation {CONVERSATION}" in result.output
    assert "Turn 2 of 2" not in result.output


def test_json_is_one_document(folder):
    result = invoke(CONVERSATION[:13], "--journal", folder, "--json")
    document = json.loads(result.stdout)
    assert document["id"] == CONVERSATION
    assert [turn["number"] for turn in document["turns"]] == [1, 2]
    assert document["turns"][0]["question"]["text"] == samples.QUESTION


def test_facts_only(folder):
    result = invoke(CONVERSATION, "--journal", folder, "--no-content")
    assert "我的订单" not in result.output
    assert "query_order_status" in result.output
    document = invoke(CONVERSATION, "--journal", folder, "--no-content", "--json").stdout
    assert "我的订单" not in document
    assert "alice" not in document
    assert json.loads(document)["content"] is False


def test_the_zone_of_times(folder):
    shanghai = invoke(TURN.turn_id, "--journal", folder, "--tz", "Asia/Shanghai").output
    assert "2025-09-24 16:00:04.000 UTC+08:00" in shanghai
    assert "2025-09-24 08:00:04.000 UTC" in invoke(TURN.turn_id, "--journal", folder, "--tz", "utc").output


@pytest.mark.parametrize("name", ["Mars/Olympus", "../../etc/passwd", "", "x" * 300])
def test_no_such_zone(folder, name):
    result = invoke(TURN.turn_id, "--journal", folder, "--tz", name)
    assert result.exit_code == 2
    assert "no such time zone" in result.stderr
    assert "Asia/Shanghai" in result.stderr


def test_long_texts_are_shown_in_full_where_that_is_asked_for(tmp_path):
    event = samples.event(TurnStarted(turn=TURN), content={"input": "§" * 5_000})
    with SqliteJournal.open(tmp_path / "long", HandClock(), min_free_bytes=0) as journal:
        journal.append("dify", [event], None)
    short = invoke(TURN.turn_id, "--journal", tmp_path / "long").output
    assert "[3,000 more characters]" in short
    full = invoke(TURN.turn_id, "--journal", tmp_path / "long", "--full").output
    assert "more characters" not in full
    assert full.count("§") == 5_000


def test_what_begins_several_ids_is_an_error_that_lists_them(folder):
    result = invoke("0000000", "--journal", folder, "--tz", "UTC")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines() == [
        "monitor: '0000000' is the beginning of several ids; name one of them:",
        f"  message       {TURN.message_id}  2025-09-24 08:00:04  客服 Agent  {samples.QUESTION}",
        f"  message       {samples.uuid(5, 2)}  2025-09-24 08:00:05  客服 Agent  {samples.QUESTION}",
    ]


def test_candidates_without_content(folder):
    result = invoke("0000000", "--journal", folder, "--no-content")
    assert samples.QUESTION not in result.stderr


def test_nothing_found_says_what_was_searched(folder):
    result = invoke("ffffffff", "--journal", folder)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.splitlines() == [
        "monitor: nothing in the journal has the id 'ffffffff', or one that begins so",
        f"monitor: searched: ids of conversations, messages, runs, turns and traces; 11 records in {folder}",
    ]


def test_too_short_a_beginning_is_told(folder):
    result = invoke("ff", "--journal", folder)
    assert result.exit_code == 1
    assert "must have 4 characters or more" in result.stderr


def test_a_turn_of_which_nothing_could_be_read_is_told(folder):
    result = invoke("lonely-turn", "--journal", folder)
    assert result.exit_code == 1
    assert "but turn lonely-turn could not be read from Dify: ValueError" in result.stderr


@pytest.mark.parametrize("args", [["--json", "--full"], ["--json", "--tz", "UTC"]])
def test_what_json_has_no_use_for_is_refused(folder, args):
    result = invoke(TURN.turn_id, "--journal", folder, *args)
    assert result.exit_code == 2
    assert "--json is complete" in result.stderr


def test_two_ways_to_name_the_journal_are_refused(folder):
    result = invoke(TURN.turn_id, "--journal", folder, "--config", "x.yaml")
    assert result.exit_code == 2
    assert "--config has nothing to add" in result.stderr


def test_no_journal_there(tmp_path):
    result = invoke(TURN.turn_id, "--journal", tmp_path / "nowhere")
    assert result.exit_code == 2
    assert "there is no journal" in result.stderr


def test_a_hostile_id_cannot_act_on_the_terminal(folder):
    result = invoke("\x1b[31mabcd", "--journal", folder)
    assert "\x1b" not in result.stderr
    assert "␛[31mabcd" in result.stderr


def test_an_output_that_lacks_our_letters_is_no_error(folder):
    result = CliRunner(charset="ascii").invoke(cli, ["replay", TURN.turn_id, "--journal", str(folder)])
    assert result.exit_code == 0
    assert "\\u6211" in result.stdout


def test_help_tells_the_exit_codes():
    result = invoke("--help")
    assert result.exit_code == 0
    for line in ("0    shown", "1    the journal has nothing with such an id", "docs/reference/replay.schema.json"):
        assert line in result.output
