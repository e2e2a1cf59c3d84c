"""`monitor doctor`: what it finds on this machine and of adapters, how it says so, and its exit code."""

from __future__ import annotations

import json
import os
import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import msgspec
import pytest
from click.testing import CliRunner
from rich.console import Console

from monitor.cli import cli
from monitor.cli.doctor_facts import Part, examine, house_to_examine
from monitor.cli.doctor_machine import journal_findings, server_finding, terminal_findings
from monitor.cli.doctor_text import document, draw, proof_markdown, verdict
from monitor.clock import SystemClock
from monitor.config import load
from monitor.config.settings import JournalSettings, ServerSettings
from monitor.errors import Auth, Permanent, Retryable
from monitor.journal import SqliteJournal
from monitor.model import Diagnosis, Proof
from monitor.sinks.file_writer import Writer

URL = "postgresql://u:hunter2-hunter2@127.0.0.1:1/dify"
DIFY = "sources: [{type: dify_database, url: '${DIFY_DB_URL}'}]\nserver: {listen: null}\n"
CLOCK = SystemClock()


def invoke(*args, **env):
    return CliRunner().invoke(cli, ["doctor", *map(str, args)], env={"DIFY_DB_URL": URL, **env})


def journal(path, **settings):
    return {each.what: each for each in journal_findings(JournalSettings(path=path, **settings), CLOCK)}


def server(listen, path="journal"):
    return server_finding(ServerSettings(listen=listen), path)


# -- the command


def test_a_database_that_is_away_is_a_problem_with_a_remedy_and_no_secret(tmp_path):
    (tmp_path / "monitor.yaml").write_text(DIFY)
    result = invoke()
    assert (result.exit_code, result.stderr) == (1, "")
    assert "PROBLEM  source dify_database: database: Dify's database: connection failed" in result.output
    assert "-> Check host and port." in result.output
    assert result.output.endswith(f"1 problem, {2 if 'letters: standard' in result.output else 1} warning.\n")
    assert "hunter2" not in result.output


def test_it_changes_nothing(tmp_path):
    """Neither a journal nor a pseudonym key is made by looking."""
    (tmp_path / "monitor.yaml").write_text(DIFY)
    invoke()
    assert [path.name for path in tmp_path.iterdir()] == ["monitor.yaml"]


def test_json(tmp_path):
    (tmp_path / "monitor.yaml").write_text(DIFY)
    result = invoke("--json")
    told = json.loads(result.stdout)
    assert (result.exit_code, told["version"], told["problems"]) == (1, 1, 1)
    findings = {(each["part"], each["what"]): each for each in told["findings"]}
    assert findings["source dify_database", "database"]["outcome"] == "problem"
    assert findings["source dify_database", "database"]["remedy"]
    assert findings["journal", "folder"]["outcome"] == "ok"
    assert "hunter2" not in result.output


def test_a_wrong_configuration_is_exit_code_2(tmp_path):
    (tmp_path / "monitor.yaml").write_text("sources: [{type: nonsense}]")
    assert invoke().exit_code == 2
    assert invoke("--prove").exit_code == 2


@pytest.mark.parametrize(
    "args", [["--json", "--prove"], ["--grants", "--prove"], ["--grants", "--json"], ["--role", "x"]]
)
def test_options_that_do_not_go_together(args):
    assert invoke(*args).exit_code == 2


def test_grants_for_any_dify_where_none_can_be_asked():
    result = invoke("--grants", "--role", "Our Role")
    assert result.exit_code == 0
    assert "For any Dify from 0.15 on: it could not be asked what it has (Dify's database: connection" in result.output
    assert 'CREATE ROLE "Our Role" LOGIN' in result.output
    assert "hunter2" not in result.output
    assert "no database is configured" in invoke("--grants", DIFY_DB_URL="").output


def test_proof_of_a_database_that_is_away_fails_in_one_line():
    result = invoke("--prove")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("monitor: Dify's database: connection failed")


# -- adapters


class Adapter:
    """A sink or channel whose check does as it is told."""

    def __init__(self, name="x", check=lambda: None):
        self.name, self.check = name, check

    def close(self):
        pass


def parts(tmp_path, deadline_s=30.0, **adapters):
    (tmp_path / "m.yaml").write_text(DIFY)
    loaded = load(tmp_path / "m.yaml", {"DIFY_DB_URL": URL})
    house = house_to_examine(loaded, CLOCK)
    house = msgspec.structs.replace(house, **{"sources": (), "sinks": (), "notifiers": (), **adapters})
    return {part.name: part.findings for part in examine(loaded, house, CLOCK, deadline_s=deadline_s)}


def raising(error):
    def check():
        raise error

    return check


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (Auth("no rights; postgresql://u:hunter2@h/d"), "Credentials"),
        (Permanent("no"), "It was reached"),
        (Retryable("away"), "Nothing is lost"),
    ],
)
def test_what_a_check_raises_is_a_problem(tmp_path, error, remedy):
    (finding,) = parts(tmp_path, sinks=(Adapter("otlp", raising(error)),))["sink otlp"]
    assert finding.outcome == "problem"
    assert finding.remedy.startswith(remedy)
    assert "hunter2" not in finding.detail


def test_adapters_that_answer_are_reached(tmp_path):
    found = parts(tmp_path, sinks=(Adapter("a"),), notifiers=(Adapter("b"),))
    assert [found["sink a"][0].outcome, found["notifier b"][0].outcome] == ["ok", "ok"]


class Talkative(Adapter):
    """One that can say more than whether it is reached."""

    def __init__(self, check, *found):
        super().__init__("es", check)
        self._found = found

    def diagnose(self):
        return self._found


def test_what_an_adapter_says_itself_stands_beside_its_check(tmp_path):
    said = Diagnosis("templates", "warning", "old", "Set up again.")
    found = parts(tmp_path, sinks=(Talkative(lambda: None, said),))["sink es"]
    assert [each.what for each in found] == ["templates", "check"]


def test_a_problem_that_an_adapter_names_itself_is_told_once(tmp_path):
    """With its own remedy, not with the check's as well."""
    said = Diagnosis("templates", "problem", "missing", "Set up.")
    assert parts(tmp_path, sinks=(Talkative(raising(Auth("missing")), said),))["sink es"] == (said,)


def test_an_adapter_that_can_t_be_reached_says_nothing_else(tmp_path):
    class Away(Adapter):
        def diagnose(self):
            raise Retryable("away")

    (finding,) = parts(tmp_path, sinks=(Away("es"),))["sink es"]
    assert (finding.what, finding.outcome, finding.detail) == ("check", "problem", "away")


def test_one_that_hangs_is_a_problem_and_holds_up_nobody(tmp_path):
    stop = threading.Event()
    try:
        found = parts(tmp_path, 0.05, sinks=(Adapter("dead", stop.wait), Adapter("alive")))
    finally:
        stop.set()
    assert found["sink dead"][0].outcome == "problem"
    assert "no answer within" in found["sink dead"][0].detail
    assert found["sink alive"][0].outcome == "ok"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_defect_in_a_check_is_said_to_be_one(tmp_path):
    (finding,) = parts(tmp_path, sinks=(Adapter("odd", raising(ZeroDivisionError())),))["sink odd"]
    assert (finding.outcome, finding.detail) == ("problem", "the check broke off")


def test_no_sink_and_rules_that_are_off_are_warnings(tmp_path, monkeypatch):
    monkeypatch.setenv("MONITOR_RULES__ENABLED", "false")
    (tmp_path / "monitor.yaml").write_text(DIFY + "rules: {enabled: false}\n")
    findings = {(each["part"], each["what"]): each for each in json.loads(invoke("--json").stdout)["findings"]}
    assert findings["configuration", "rules"]["outcome"] == "warning"
    assert findings["configuration", "sinks"]["outcome"] == "warning"


# -- the journal


def test_a_journal_that_is_not_there_yet(tmp_path):
    found = journal(tmp_path / "a" / "b")
    assert found["folder"].outcome == "ok"
    assert "not there yet" in found["folder"].detail
    assert found["room"].outcome == "ok"
    assert not (tmp_path / "a").exists()


def test_a_journal_that_is_held_is_looked_at_beside_its_holder(tmp_path):
    with SqliteJournal.open(tmp_path / "j", CLOCK, min_free_bytes=0):
        found = journal(tmp_path / "j")
    assert f"held by process {os.getpid()} on " in found["folder"].detail
    assert {each.outcome for each in found.values()} == {"ok"}
    assert "held by nobody" in journal(tmp_path / "j")["folder"].detail


def test_a_journal_of_another_layout_is_a_problem(tmp_path):
    SqliteJournal.open(tmp_path / "j", CLOCK, min_free_bytes=0).close()
    (tmp_path / "j" / "journal.db").write_bytes(b"no journal")
    found = journal(tmp_path / "j")
    assert found["contents"].outcome == "problem"
    assert found["contents"].remedy


def test_a_folder_that_others_can_read_is_a_warning(tmp_path):
    SqliteJournal.open(tmp_path / "j", CLOCK, min_free_bytes=0).close()
    (tmp_path / "j").chmod(0o755)
    found = journal(tmp_path / "j")
    assert found["privacy"].outcome == "warning"
    assert found["privacy"].remedy == f"chmod 700 {tmp_path / 'j'}"


def test_a_journal_or_a_disk_that_is_full_is_a_problem(tmp_path):
    SqliteJournal.open(tmp_path / "j", CLOCK, min_free_bytes=0).close()
    assert journal(tmp_path / "j", max_bytes=1)["room"].outcome == "problem"
    assert journal(tmp_path / "j", min_free_bytes=2**62)["room"].outcome == "problem"
    assert journal(tmp_path / "none", min_free_bytes=2**62)["room"].outcome == "problem"


def test_a_file_in_the_folders_place_is_a_problem(tmp_path):
    (tmp_path / "j").write_text("")
    assert journal(tmp_path / "j")["folder"].outcome == "problem"


def test_a_damaged_pseudonym_key_is_a_problem(tmp_path):
    SqliteJournal.open(tmp_path / "j", CLOCK, min_free_bytes=0).close()
    (tmp_path / "j" / "pseudonym.key").write_text("short")
    assert journal(tmp_path / "j")["pseudonyms"].outcome == "problem"
    (tmp_path / "j" / "pseudonym.key").write_text("0123456789abcdef0123456789abcdef")
    assert journal(tmp_path / "j")["pseudonyms"].outcome == "ok"


# -- the server


@contextmanager
def page(body):
    """A server on a free port that answers with this."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"127.0.0.1:{http.server_port}"
        finally:
            http.shutdown()
            thread.join()


def test_no_server_and_a_free_port_are_fine():
    assert server(None).outcome == "ok"
    assert server("127.0.0.1:0").outcome == "ok"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert "is free" in server(f"127.0.0.1:{port}").detail


def test_our_own_sidecar_may_have_the_port(tmp_path):
    with page(b"monitor, the observability sidecar for Dify\n") as address:
        assert "another `monitor`" in server(address, tmp_path / "j").detail
        with SqliteJournal.open(tmp_path / "j", CLOCK, min_free_bytes=0):
            finding = server(address, tmp_path / "j")
    assert finding.outcome == "ok"
    assert f"process {os.getpid()}" in finding.detail


def test_anybody_else_on_the_port_is_a_problem(tmp_path):
    with page(b"hello") as address:
        assert "another program" in server(address, tmp_path / "j").detail
        assert server(address, tmp_path / "j").outcome == "problem"


def test_an_address_that_is_not_of_this_machine_is_a_problem():
    finding = server("203.0.113.1:9464")
    assert finding.outcome == "problem"
    assert "127.0.0.1:9464" in finding.remedy


# -- the terminal


def test_the_time_zone_is_named_or_missed(monkeypatch):
    found = {each.what: each for each in terminal_findings(CLOCK)}
    assert found["time zone"].outcome == "ok"
    monkeypatch.setenv("TZ", "Mars/Olympus")
    found = {each.what: each for each in terminal_findings(CLOCK)}
    assert found["time zone"].outcome == "warning"
    assert "Mars/Olympus" in found["time zone"].detail


# -- how it is said

PART = Part(
    "source \x1b[31mx",
    (
        Diagnosis("indexes", "warning", "a long \u202edetail " + "word " * 40, "As the owner:\nCREATE INDEX a;\nB;"),
        Diagnosis("clock", "ok", "fine"),
        Diagnosis("rights", "problem", "missing", "Ask for it."),
    ),
)


def drawn(part, **console):
    out = Console(record=True, width=80, markup=False, highlight=False, emoji=False, **console)
    with out.capture() as captured:
        draw(part, out)
    return captured.get()


def test_elsewhere_each_finding_is_one_plain_line():
    lines = drawn(PART, force_terminal=False).splitlines()
    assert [line.split(":")[0].strip() for line in lines if not line.strip().startswith("->")] == [
        "warning  source ␛[31mx",
        "ok       source ␛[31mx",
        "PROBLEM  source ␛[31mx",
    ]
    assert "         -> CREATE INDEX a;" in lines


def test_on_a_terminal_details_are_folded_and_statements_are_not():
    text = drawn(PART, force_terminal=True, color_system=None, legacy_windows=False)
    assert "✗" in text
    assert "CREATE INDEX a;" in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert max(map(len, text.splitlines())) <= 80


def test_the_verdict():
    assert verdict([PART]).plain == "1 problem, 1 warning."
    assert verdict([Part("a", PART.findings[:2])]).plain == "No problem, 1 warning."
    assert verdict([Part("a", PART.findings[1:2])]).plain == "All is well."
    assert document([PART], 0)["problems"] == 1


def test_a_proof_is_markdown():
    text = proof_markdown(
        "dify", [Proof("now", "The time", "SELECT 1", "Result", 3, 1), Proof("x", "Y", "SELECT", "Not sent", None)], 0
    )
    assert "| `now` | The time | 3 | 1 |" in text
    assert "| `x` | Y | – | – |" in text
    assert "## `now`\n\nThe time.\n\n```sql\nSELECT 1\n```\n\n```\nResult\n```\n" in text


# -- files of sinks


def sink_finding(tmp_path, path):
    (tmp_path / "monitor.yaml").write_text(DIFY + f"sinks: [{{type: file, path: {path}}}]\n")
    findings = json.loads(invoke("--json").stdout)["findings"]
    (found,) = [each for each in findings if each["part"] == "sink file"]
    return found


def test_a_sinks_file_that_is_not_there_is_not_made(tmp_path):
    found = sink_finding(tmp_path, "a/spans.jsonl")
    assert (found["outcome"], found["detail"]) == (
        "ok",
        "a/spans.jsonl is not there yet: the first `monitor run` makes it",
    )
    assert not (tmp_path / "a").exists()
    (tmp_path / "a").write_text("")
    assert sink_finding(tmp_path, "a/spans.jsonl")["outcome"] == "problem"


def test_a_sinks_file_that_the_sidecar_writes_is_fine_and_one_of_another_is_not(tmp_path):
    writer = Writer(tmp_path / "spans.jsonl", rotate_bytes=0, keep=0, fsync=False)
    writer.append(b"")
    try:
        assert sink_finding(tmp_path, "spans.jsonl")["outcome"] == "problem"
        with SqliteJournal.open(tmp_path / "journal", CLOCK, min_free_bytes=0):
            found = sink_finding(tmp_path, "spans.jsonl")
        assert found["outcome"] == "ok"
        assert f"running sidecar, process {os.getpid()}" in found["detail"]
    finally:
        writer.close()


def test_numbered_files_are_looked_at(tmp_path):
    """With `ecs` nothing stands at the path itself: the file is the one with the highest number."""
    path = "logs/facts.ndjson, format: ecs"
    assert "logs/facts.ndjson.1 is not there yet" in sink_finding(tmp_path, path)["detail"]
    (tmp_path / "logs").mkdir()
    for number in (1, 2):
        (tmp_path / "logs" / f"facts.ndjson.{number}").write_text("")
    assert sink_finding(tmp_path, path)["detail"] == "reached"
    assert not (tmp_path / "logs" / "facts.ndjson").exists()
    writer = Writer(tmp_path / "logs" / "facts.ndjson", rotate_bytes=0, keep=0, fsync=False, renames=False)
    writer.append(b"")
    try:
        assert sink_finding(tmp_path, path)["outcome"] == "problem"
        with SqliteJournal.open(tmp_path / "journal", CLOCK, min_free_bytes=0):
            assert "facts.ndjson.2 is written by the running" in sink_finding(tmp_path, path)["detail"]
    finally:
        writer.close()


def test_what_adapters_warn_of_does_not_mix_with_the_document(tmp_path):
    (tmp_path / "monitor.yaml").write_text(
        DIFY
        + "sinks: [{type: otlp, endpoint: 'http://backend.invalid:1', headers: {authorization: hunter2-hunter2}}]\n"
    )
    result = invoke("--json", "-c", "monitor.yaml")
    assert "otlp_headers_unencrypted" in result.stderr
    assert json.loads(result.stdout)["problems"] == 2
    assert "hunter2" not in result.output


def test_a_journal_on_another_machines_disk_is_a_problem(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "monitor.cli.doctor_machine._mounts", lambda: f"/dev/sda / ext4 rw\nnas:/x {tmp_path} nfs4 rw\n"
    )
    found = journal(tmp_path / "j")
    assert list(found) == ["folder"]
    assert (found["folder"].outcome, "nfs4" in found["folder"].detail) == ("problem", True)
