"""`monitor init`: what it writes is right whatever apps are called, overwrites nothing, and holds no secret."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from hypothesis import example, given
from hypothesis import strategies as st

from monitor.cli import cli
from monitor.cli.init_text import CONTENTS, configuration, quoted
from monitor.config import load
from monitor.config.interpolation import Interpolation
from monitor.config.places import Places
from monitor.runtime.wiring import plan_house
from monitor.sources.dify_database.outline import AppOutline, Outline

URL = "postgresql://u:hunter2-hunter2@127.0.0.1:1/dify"
HOSTILE = [
    '客服 Agent "VIP"',
    "a\nsinks: []\n# ",
    "b\r\n- c",
    "x\u2028y\u0085z\x1b[31m\x00\x7f",
    "${DIFY_DB_URL} $${X} ${file:/etc/passwd}",
    "*",
    "\U0001f600\U000e0041",
    "\ud800",
    "",
    "n" * 1000,
    "\\",
]


def dify(*names, **changed):
    apps = tuple(
        AppOutline(f"id-{number}", name, "agent-chat", "Workspace\n1", number / 7 or None)
        for number, name in enumerate(names)
    )
    fields = {
        "version": "Dify 1.9.0 (schema revision 68519ad5cd18)",
        "postgres": "15.1",
        "apps": apps,
        "workspaces": ("one", "two\n"),
        "messages": 1234,
        "runs": 1,
        "runs_indexed": False,
        "oldest_us": 1_758_000_000_000_000,
        "lacking": False,
    }
    return Outline(**(fields | changed))


def invoke(*args, **env):
    return CliRunner().invoke(cli, ["init", *map(str, args)], env=env)


def planned(text, tmp_path):
    """The file as `monitor config check` takes it."""
    file = tmp_path / "written.yaml"
    file.write_text(text, encoding="utf-8")
    loaded = load(file, {"DIFY_DB_URL": URL, "ALERT_WEBHOOK_URL": "http://127.0.0.1:1/x"})
    return plan_house(loaded.settings, loaded.places)


def uncommented(text):
    """The file with every example of it in force."""
    examples = r"^( *)# (?=( *)(- type:|since:|include:|exclude:|apps:|workspaces:|invoke_from:|endpoint:|content:|url:|environment:))"
    return re.sub(examples, r"\1", text, flags=re.MULTILINE)


# -- the file


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("seen", [None, dify(*HOSTILE), dify(oldest_us=None)])
def test_what_it_writes_is_a_right_configuration(tmp_path, content, seen):
    plan = planned(configuration(seen, content, 0), tmp_path)
    (sink,) = plan.adapters["sinks"]
    assert sink.config.content == content
    (source,) = plan.adapters["sources"]
    assert source.config.url.get_secret_value() == URL
    assert source.config.include.apps == ()


@pytest.mark.parametrize("name", HOSTILE)
def test_so_it_is_with_every_example_taken_in(tmp_path, name):
    text = uncommented(configuration(dify(name, "other"), "redacted", 0))
    plan = planned(text.replace('paths: ["rules/*.yaml"]', ""), tmp_path)
    (source,) = plan.adapters["sources"]
    assert source.config.exclude.invoke_from == ("debugger",)
    assert source.config.include.workspaces == ("one", "two\n")
    expected = name.encode("utf-8", "replace").decode() if 0 < len(name.strip()) <= 120 else "id-0"
    assert set(source.config.include.apps) == {expected, "other"}
    assert [each.config.type for each in plan.adapters["sinks"]] == ["file", "otlp"]
    assert [each.config.type for each in plan.adapters["notifiers"]] == ["console", "webhook"]


@given(st.text())
@example("\x85")
@example("\ufffe")
def test_a_quoted_name_reads_back_as_itself_and_is_one_printable_line(name):
    text = quoted(name)
    clean = name.encode("utf-8", "replace").decode()
    read = yaml.safe_load(text)
    assert read == clean.replace("${", "$${")
    resolved = Interpolation({}, Places()).resolve({"x": read})
    assert resolved == {"x": clean}
    assert text == "".join(text.splitlines())


def test_it_says_what_is_there():
    text = configuration(dify("客服 Agent", "b"), "none", 1_764_000_000_000_000_000)
    assert text.startswith(
        "# Written by `monitor init` on 2025-11-24, for Dify 1.9.0 (schema revision 68519ad5cd18).\n"
    )
    assert "about 1,234 messages and 1 run, the oldest of 2025-09-16." in text
    assert "This Dify has 2 apps in 2 workspaces" in text
    assert '#           ?  agent-chat     "客服 Agent"' in text
    assert "workflow_runs has no index on its creation" in text
    assert all(line.isprintable() for line in text.splitlines())


def test_a_dify_of_many_apps_is_cut_short():
    text = configuration(dify(*(f"app {number}" for number in range(500))), "none", 0)
    assert "and 460 more" in text
    assert len(text.splitlines()) < 150


# -- the command


def test_without_a_database_it_writes_a_template_and_says_so(tmp_path):
    result = invoke()
    assert result.exit_code == 0
    assert "DIFY_DB_URL is not set: the file is written without asking a Dify." in result.stderr
    assert "no text of a conversation leaves with traces (content: none)" in result.stderr
    assert "Next: monitor config check, then monitor doctor, then monitor run" in result.stderr
    assert planned((tmp_path / "monitor.yaml").read_text(), tmp_path)


def test_a_database_that_is_away_is_told_without_its_password(tmp_path):
    result = invoke("--url", URL, "--content", "full", "-o", "x.yaml")
    assert result.exit_code == 0
    assert "connection failed" in result.stderr
    assert "hunter2" not in result.output + (tmp_path / "x.yaml").read_text()
    assert "content: full" in (tmp_path / "x.yaml").read_text()
    assert "--config x.yaml" in result.stderr


def test_the_url_may_stand_in_a_file(tmp_path):
    (tmp_path / "secret").write_text(URL + "\n")
    assert "connection failed" in invoke(DIFY_DB_URL_FILE="secret").stderr
    assert invoke("-o", "b.yaml", DIFY_DB_URL_FILE="none").exit_code == 2


def test_a_dialect_that_we_do_not_speak_is_refused():
    result = invoke(DIFY_DB_URL="mysql://u:hunter2@h/d")
    assert result.exit_code == 2
    assert "Use postgresql://" in result.stderr
    assert "hunter2" not in result.output


def test_a_file_that_is_there_is_overwritten_by_force_only(tmp_path):
    (tmp_path / "monitor.yaml").write_text("mine")
    refused = invoke()
    assert refused.exit_code == 2
    assert "monitor.yaml: is there already" in refused.stderr
    assert "--force" in refused.stderr
    assert (tmp_path / "monitor.yaml").read_text() == "mine"
    assert invoke("--force").exit_code == 0
    assert "sources:" in (tmp_path / "monitor.yaml").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["monitor.yaml"]


def test_it_leaves_no_draft_and_an_ordinary_file(tmp_path):
    invoke("-o", "a.yaml")
    assert [path.name for path in tmp_path.iterdir()] == ["a.yaml"]
    assert stat.S_IMODE((tmp_path / "a.yaml").stat().st_mode) in {0o600, 0o640, 0o644, 0o664}


def test_standard_output(tmp_path):
    result = invoke("-o", "-")
    assert result.stdout.startswith("# Written by `monitor init`")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_exit_code_1():
    result = invoke("-o", "none/monitor.yaml")
    assert result.exit_code == 1
    assert "can't be written" in result.stderr


def test_on_a_terminal_it_asks_what_may_leave(tmp_path):
    """The question and the answer go over the terminal; only there is it asked."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3]), "TERM": "dumb"}
    process = subprocess.Popen(
        [sys.executable, "-m", "monitor", "init"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment,
        cwd=tmp_path,
    )
    os.close(theirs)
    said = b""
    with contextlib.suppress(OSError):  # the terminal is closed when the process ends
        while b"content (none, redacted, full) [none]:" not in said:
            said += os.read(ours, 4096)
        os.write(ours, b"redacted\n")
        while data := os.read(ours, 4096):
            said += data
    os.close(ours)
    assert process.wait(60) == 0
    assert b"What of the conversations may leave this machine with traces?" in said
    assert "    content: redacted\n" in (tmp_path / "monitor.yaml").read_text()
