"""`monitor rejected` as it is typed, beside a process that holds the journal and without one."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from monitor.cli import cli
from monitor.clock import SystemClock
from monitor.journal import SqliteJournal
from monitor.model.answers import UNNAMED
from monitor.ports import RejectedEvent
from monitor.testing import notes, samples

TURN = samples.turn_ref(1)
OTLP, PHONE = "sink:otlp", "notify:phone"


@pytest.fixture
def journal(tmp_path):
    """Ten events, five of them parked, in a journal that a process holds."""
    with SqliteJournal.open(tmp_path / "journal", SystemClock(), min_free_bytes=0) as opened:
        opened.append("dify", [recorded.event for recorded in samples.stream(2)], b"p")
        opened.advance(
            OTLP,
            10,
            rejected=[
                RejectedEvent(1, "too_large", "413: the span has 9 MB"),
                RejectedEvent(2, "refused", "bad\n\x1b[31m attribute"),
                RejectedEvent(7, UNNAMED, "3 of the events from here on were refused"),
                RejectedEvent(8, "refused", ""),
            ],
        )
        opened.advance(PHONE, 10, rejected=[RejectedEvent(2, "refused", "no such field")])
        yield opened


def invoke(*args, answer=None, **env):
    return CliRunner().invoke(cli, ["rejected", *map(str, args)], input=answer, env=env)


def parked(journal, **asked):
    return sorted((entry.consumer, entry.seq) for entry in journal.rejected(**asked))


def marked(journal):
    return sorted((entry.consumer, entry.seq) for entry in journal.rejected() if entry.retry_at is not None)


# -- list


def test_the_list(journal):
    journal.mark([(OTLP, 1)])
    result = invoke("list")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "1  sink:otlp  too_large, 1 attempt, " in result.output
    assert ", to be delivered again" in result.output
    assert f"    event  {TURN.turn_id}:step:{samples.llm_step(TURN, 1).id}" in result.output
    assert f"    turn   {TURN.turn_id}" in result.output
    assert "    error  413: the span has 9 MB" in result.output
    assert "\x1b" not in result.output
    assert "    error  bad ␛[31m attribute" in result.output
    assert result.output.endswith("5 events parked\n")


def test_a_note_is_listed_with_the_turn_that_it_is_about(journal):
    journal.append("dify", [notes.annotation(TURN), notes.config_changed()], None)
    journal.advance("sink:file", 12, rejected=[RejectedEvent(seq, "refused", "") for seq in (10, 11)])
    listed = json.loads(invoke("list", "--consumer", "sink:file", "--json").output)["rejected"]
    assert {entry["seq"]: entry["turn_id"] for entry in listed} == {10: TURN.turn_id, 11: ""}


def test_the_list_of_one_consumer_or_reason(journal):
    assert invoke("list", "--consumer", PHONE).output.count("    event  ") == 1
    result = invoke("list", "--consumer", OTLP, "--reason", "refused")
    assert result.output.count("    event  ") == 2
    assert result.output.endswith("2 events parked\n")


def test_a_long_list_shows_the_latest_and_says_so(journal):
    journal.advance("sink:file", 10, rejected=[RejectedEvent(seq % 10, "refused", "") for seq in range(10)])
    for number in range(3, 40):
        journal.append("dify", [recorded.event for recorded in samples.agent_turn(number)], b"p")
    journal.advance(
        "sink:file", journal.head(), rejected=[RejectedEvent(seq, "refused", "") for seq in range(journal.head())]
    )
    result = invoke("list")
    assert result.output.count("    event  ") == 50
    assert result.output.splitlines()[-1] == (
        f"{journal.head() + 5} events parked; the latest 50 are shown, --json lists all"
    )
    assert len(json.loads(invoke("list", "--json").stdout)["rejected"]) == journal.head() + 5


def test_the_list_as_json(journal):
    journal.mark([(OTLP, 1)])
    told = json.loads(invoke("list", "--json", "--consumer", OTLP).stdout)
    assert told["version"] == 1
    first = next(entry for entry in told["rejected"] if entry["seq"] == 1)
    assert first["key"] == f"{TURN.turn_id}:step:{samples.llm_step(TURN, 1).id}"
    assert (first["turn_id"], first["reason"], first["attempts"]) == (TURN.turn_id, "too_large", 1)
    assert first["at"].endswith("Z")
    assert first["retry_at"].endswith("Z")
    assert next(entry for entry in told["rejected"] if entry["seq"] == 2)["retry_at"] is None


def test_an_empty_list(tmp_path):
    SqliteJournal.open(tmp_path / "journal", SystemClock(), min_free_bytes=0).close()
    assert (invoke("list").exit_code, invoke("list").output) == (0, "nothing is parked\n")
    assert json.loads(invoke("list", "--json").stdout) == {"version": 1, "rejected": []}


def test_an_entry_whose_event_is_gone_is_listed(journal):
    journal.advance(PHONE, 10, rejected=[RejectedEvent(10**6, "refused", "")])
    assert "no longer in the journal" in invoke("list").output
    assert json.loads(invoke("show", 10**6).stdout)["event"] is None


# -- show


def test_one_event_with_its_facts_and_without_its_texts(journal):
    result = invoke("show", 2)
    told = json.loads(result.stdout)
    assert [entry["consumer"] for entry in told["rejected"]] == [PHONE, OTLP]
    assert told["event"]["kind"] == "step_ended"
    assert told["event"]["facts"]["step"]["tool"]["name"] == "query_order_status"
    assert "content" not in told["event"]
    assert "order_id" not in result.stdout


def test_one_event_with_its_texts(journal):
    told = json.loads(invoke("show", 2, "--content").stdout)
    assert told["event"]["content"]["input"] == '{"order_id": "12345"}'
    journal.erase(told["event"]["key"], ["input"])
    told = json.loads(invoke("show", 2, "--content").stdout)
    assert told["event"]["erased"] == ["input"]
    assert "input" not in told["event"]["content"]


def test_an_event_that_is_not_parked(journal):
    result = invoke("show", 3)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "event 3 is not parked" in result.stderr


# -- retry


def test_retry_by_number_consumer_and_reason(journal):
    assert invoke("retry", 1).exit_code == 0
    assert marked(journal) == [(OTLP, 1)]
    result = invoke("retry", "--reason", "refused")
    assert result.output.splitlines() == [
        "marked for another delivery: 3 events (notify:phone 1, sink:otlp 2)",
        "the running sidecar takes them within seconds",
    ]
    assert marked(journal) == [(PHONE, 2), (OTLP, 1), (OTLP, 2), (OTLP, 8)]


def test_retry_of_a_number_at_one_consumer(journal):
    invoke("retry", 2, "--consumer", PHONE)
    assert marked(journal) == [(PHONE, 2)]


def test_what_has_no_name_cannot_be_retried_and_that_is_said(journal):
    result = invoke("retry", "--all")
    assert result.exit_code == 0
    assert marked(journal) == [(PHONE, 2), (OTLP, 1), (OTLP, 2), (OTLP, 8)]
    assert "1 entry (partial_success) stands for events that were refused without saying which" in result.stderr
    result = invoke("retry", 7)
    assert (result.exit_code, result.stdout) == (1, "marked for another delivery: nothing\n")
    assert "only dropped" in result.stderr


def test_numbers_that_are_not_parked_are_told(journal):
    result = invoke("retry", 1, 3, 99)
    assert result.exit_code == 0
    assert "monitor: not parked there: 3, 99\n" in result.stderr
    assert invoke("retry", 99).exit_code == 1


def test_without_a_sidecar_the_next_run_delivers(journal):
    journal.close()
    assert "the next `monitor run` delivers them" in invoke("retry", "--all").stdout


@pytest.mark.parametrize("command", ["retry", "drop"])
@pytest.mark.parametrize("args", [[], ["--all", "1"], ["--all", "--consumer", OTLP]])
def test_one_must_say_which(journal, command, args):
    result = invoke(command, *args)
    assert result.exit_code == 2
    assert "Say which: numbers, --consumer, --reason, or else --all." in result.stderr


# -- drop


def test_drop_without_a_question(journal):
    result = invoke("drop", "--consumer", OTLP, "--yes")
    assert (result.exit_code, result.stdout) == (0, "dropped: 4 events (sink:otlp 4)\n")
    assert parked(journal) == [(PHONE, 2)]
    assert journal.dropped_counts() == {(OTLP, "too_large"): 1, (OTLP, "refused"): 2, (OTLP, UNNAMED): 1}


def test_drop_where_nobody_can_be_asked(journal):
    result = invoke("drop", "--all")
    assert result.exit_code == 2
    assert "add --yes" in result.stderr
    assert len(parked(journal)) == 5


@pytest.mark.parametrize(("answer", "left"), [("y\n", 4), ("n\n", 5), ("", 5)])
def test_drop_asks(journal, monkeypatch, answer, left):
    monkeypatch.setattr("monitor.cli.rejected._is_asked", lambda: True)
    result = invoke("drop", 1, answer=answer)
    assert "Drop 1 event (sink:otlp 1) for good?" in result.stderr
    assert len(parked(journal)) == left
    assert result.exit_code == (0 if left == 4 else 1)


def test_nothing_to_drop(journal):
    result = invoke("drop", 99, "--yes")
    assert (result.exit_code, result.stdout) == (1, "dropped: nothing\n")
    assert "not parked there: 99" in result.stderr


# -- all


@pytest.mark.parametrize(
    "args", [["list"], ["show", "1"], ["retry", "--all"], ["drop", "--all", "--yes"]], ids=lambda args: args[0]
)
def test_no_journal_is_made(tmp_path, args):
    result = invoke(*args, "--journal", tmp_path / "none")
    assert result.exit_code == 2
    assert "there is no journal" in result.stderr
    assert not (tmp_path / "none").exists()


def test_the_configuration_may_name_the_journal(journal, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    config = tmp_path / "elsewhere" / "other.yaml"
    config.write_text(f"journal: {{path: {tmp_path / 'journal'}}}\nsinks: [{{type: otlp, endpoint: '${{NOT_SET}}'}}]\n")
    assert "5 events parked" in invoke("list", "--config", config).output


def test_an_argument_that_utf8_cannot_hold_finds_nothing(journal):
    assert invoke("list", "--consumer", "sink:\udcff").output == "nothing is parked\n"
