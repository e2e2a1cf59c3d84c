"""`monitor demo` as a person runs it: in a process of its own, from an empty folder, on a terminal and without one."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from monitor.model.semconv import SCOPE_NAME

TIMEOUT_S = 120
TITLES = ("monitor demo", "Metrics", "Spans", "Replay", "Checked", "Next")
NO_NETWORK = """\
import socket, sys
def watch(event, args):
    if event in ("socket.connect", "socket.bind", "socket.getaddrinfo"):
        raise RuntimeError(f"the network was used: {event} {args}")
sys.addaudithook(watch)
from monitor.__main__ import main
sys.argv = ["monitor", *sys.argv[1:]]
main()
"""


def environment(tmp_path, **changes):
    """What a person has, without any setting of this machine's."""
    left_out = ("DIFY_", "MONITOR_", "OTEL_", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "PYTHON")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    here = {"PYTHONPATH": str(Path(__file__).parents[2]), "TMPDIR": str(tmp_path), "LANG": "C.UTF-8", "TERM": "xterm"}
    return kept | here | changes


def monitor(tmp_path, *args, code="from monitor.__main__ import main; main()", **env):
    command = [sys.executable, "-W", "error", "-c", code, *args]
    return subprocess.run(
        command,
        cwd=tmp_path,
        env=environment(tmp_path, **env),
        capture_output=True,
        encoding="utf-8",
        timeout=TIMEOUT_S,
        check=False,
    )


def on_a_terminal(tmp_path, *args, **env):
    """Exit code and everything that the terminal was sent."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "monitor", *args]
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment(tmp_path, **env), stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    sent = b""
    try:
        while chunk := os.read(ours, 65_536):
            sent += chunk
    except OSError:  # Linux says so when the other side is closed
        pass
    finally:
        os.close(ours)
    return process.wait(TIMEOUT_S), sent.decode()


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """One run in a folder that does not exist yet, without a terminal and without a network."""
    tmp_path = tmp_path_factory.mktemp("demo")
    done = monitor(tmp_path, "demo", "--dir", "kept", code=NO_NETWORK)
    assert (done.returncode, done.stderr) == (0, "")
    return tmp_path, done.stdout


def chapter(text, title):
    return re.split(r"(?m)^━━ ", text)[1:][TITLES.index(title)]


def test_it_is_told_to_its_end_without_a_terminal(told):
    _, text = told
    assert re.findall(r"(?m)^━━ (.+?) ━", text) == list(TITLES)


def test_plain_text_has_no_control_characters(told):
    _, text = told
    assert {char for char in text if ord(char) < 32} == {"\n"}


def test_chinese_is_shown_as_it_is(told):
    _, text = told
    for words in ("客服 Agent", "我的订单 #12345 到哪了？", "订单批处理 Workflow", "提示：应用“客服 Agent”中的工具"):
        assert words in text


def test_the_alert_fires_at_the_fifth_failure_and_resolves_at_the_next_success(told):
    _, text = told
    play = chapter(text, "monitor demo")
    before, after = play.split("FIRING  query_order_status failed 5 times in a row in 客服 Agent")
    assert before.count("✗ Tool query_order_status") == 5
    between, rest = after.split("RESOLVED  query_order_status failed 6 times in a row in 客服 Agent")
    assert between.count("✗ Tool query_order_status") == 1
    assert between.rindex("✓ Tool query_order_status") > between.rindex("✗ Tool query_order_status")
    assert "FIRING" not in rest


def test_nothing_that_is_told_is_wider_than_the_page(told):
    """But for commands and paths, which are there to be copied."""
    _, text = told
    wide = [line for line in text.splitlines() if len(line) > 80]
    assert not [line for line in wide if "monitor replay" not in line and "/" not in line]


def test_what_it_says_of_spans_is_what_is_in_the_file(told):
    folder, text = told
    written = map(json.loads, (folder / "kept" / "spans.jsonl").read_text().splitlines())
    spans = [line["resourceSpans"][0]["scopeSpans"][0] for line in written if "resourceSpans" in line]
    assert {span["scope"]["name"] for span in spans} == {SCOPE_NAME}
    traces = {span["spans"][0]["traceId"] for span in spans}
    assert f"{len(spans)} spans of {len(traces)} traces" in chapter(text, "Spans")


def test_what_it_says_of_metrics_is_what_the_journal_says(told):
    folder, text = told
    done = monitor(folder, "metrics", "--journal", "kept/journal")
    failed = re.findall(r'dify_tool_calls_total\{.*tool="query_order_status",status="failed"\} (\d+)', done.stdout)
    shown = re.findall(r'tool="query_order_status" status="failed" +(\d+)', chapter(text, "Metrics"))
    assert [int(count) for count in failed if count != "0"] == [int(count) for count in shown] == [6, 1]


def test_the_commands_that_it_names_work(told):
    folder, text = told
    named = re.findall(r"monitor ((?:replay|metrics) .+)", chapter(text, "Next"))
    assert len(named) == 2
    for arguments in named:
        done = monitor(folder, *arguments.split())
        assert (done.returncode, done.stderr) == (0, "")
    conversation = named[0].split()[1]
    assert conversation in monitor(folder, *named[0].split()).stdout


def test_the_replay_is_the_commands_own(told):
    folder, text = told
    command, _, page = chapter(text, "Replay").partition("$ monitor ")[2].partition("\n")
    assert monitor(folder, *command.split()).stdout.strip() == page.strip()


def test_the_same_folder_again_goes_on_with_other_conversations(told, tmp_path):
    folder, text = told
    shutil.copytree(folder / "kept", tmp_path / "kept")
    done = monitor(tmp_path, "demo", "--fast", "--dir", "kept")
    assert (done.returncode, done.stderr) == (0, "")
    first, second = (re.search(r"monitor replay (\S+)", chapter(each, "Next"))[1] for each in (text, done.stdout))
    assert first != second
    for conversation in (first, second):
        assert monitor(tmp_path, "replay", conversation, "--journal", "kept/journal").returncode == 0


def test_without_a_folder_it_makes_a_fresh_one_and_says_where(tmp_path):
    done = monitor(tmp_path, "demo")
    folder = Path(re.search(r"Files: (\S+)", done.stdout)[1])
    assert folder.parent == tmp_path
    assert f"    {folder}\n" in chapter(done.stdout, "Next")
    assert sorted(each.name for each in folder.iterdir()) == ["journal", "spans.jsonl"]


def test_on_a_terminal_there_are_colours_unless_they_are_not_wanted(tmp_path):
    code, sent = on_a_terminal(tmp_path, "demo", "--fast")
    assert code == 0
    assert "\x1b[1;31m" in sent
    code, sent = on_a_terminal(tmp_path, "demo", "--fast", NO_COLOR="1")
    assert code == 0
    assert "\x1b" not in sent
    assert "客服 Agent" in sent


def test_where_the_encoding_is_poor_it_is_told_all_the_same(tmp_path):
    done = monitor(tmp_path, "demo", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.isascii()
    assert "\\u5ba2" in done.stdout


def test_wrong_ways_to_call_it_are_told_plainly(tmp_path):
    (tmp_path / "file").write_text("")
    for args, complaint in (
        (("--fast", "--serve"), "name one of them"),
        (("--serve", "nowhere"), "must be host:port"),
        (("--dir", "file"), "there is no folder to work in"),
    ):
        done = monitor(tmp_path, "demo", *args)
        assert done.returncode == 2
        assert complaint in done.stderr
        assert "Traceback" not in done.stderr


# -- without end


@pytest.fixture
def serving(tmp_path):
    """The running demo, and the address that it says it serves on."""
    command = [sys.executable, "-m", "monitor", "demo", "--serve", "127.0.0.1:0"]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        env=environment(tmp_path, PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    try:
        yield process, url_of(process)
    finally:
        process.kill()
        process.communicate(timeout=TIMEOUT_S)


def url_of(process):
    for line in process.stdout:
        if found := re.search(r"(http://127\.0\.0\.1:\d+)/metrics", line):
            return found[1]
    raise AssertionError(process.stderr.read())


def get(url):
    with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:
        return answer.read().decode()


def test_it_serves_metrics_of_what_is_played_until_it_is_interrupted(serving):
    process, url = serving
    for line in process.stdout:
        if "✓ succeeded" in line:
            break
    assert "dify_monitor_build_info" in get(f"{url}/metrics")
    assert get(f"{url}/healthz")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=TIMEOUT_S)
    assert (process.returncode, err) == (0, "")
    assert "Ended. Files: " in out


def test_a_port_that_is_taken_is_told_plainly_and_leaves_nothing(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = monitor(tmp_path, "demo", "--serve", f"127.0.0.1:{port}")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"monitor: --serve: can't listen on 127.0.0.1:{port}: Address already in use")
    assert list(tmp_path.iterdir()) == []
