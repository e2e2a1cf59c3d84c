"""Completion by click: a script for each shell, and answers that import nothing heavy."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from monitor.cli import COMMANDS

CALL = "import sys; sys.argv[0] = 'monitor'; from monitor.__main__ import main; main()"


def monitor(**variables):
    environment = os.environ | {"_MONITOR_COMPLETE": "", **variables}
    done = subprocess.run(
        [sys.executable, "-c", CALL], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stderr == ""
    return done.stdout


def offered(words, **more):
    """What bash would offer; a word behind a space is a new one."""
    typed = words.split(" ")
    place = str(len(typed) - 1)
    out = monitor(_MONITOR_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=place, **more)
    return [line.partition(",")[2] for line in out.splitlines()]


@pytest.mark.parametrize("shell", ["zsh", "fish", "bash"])
def test_each_shell_is_given_a_script(shell):
    script = monitor(_MONITOR_COMPLETE=f"{shell}_source")
    assert f"_MONITOR_COMPLETE={shell}_complete" in script


def test_commands_are_offered_in_the_order_in_which_people_need_them():
    assert offered("monitor ") == list(COMMANDS)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("monitor sta", ["status"]),
        ("monitor re", ["replay", "rejected", "redact"]),
        ("monitor rejected r", ["retry"]),
        ("monitor journal ", ["backup", "export", "stats"]),
        ("monitor status --js", ["--json"]),
        ("monitor rejected retry --co", ["--consumer", "--config"]),
        ("monitor --vers", ["--version"]),
        ("monitor do", ["doctor"]),
        ("monitor doctor --pr", ["--prove"]),
        ("monitor init --content ", ["none", "redacted", "full"]),
    ],
)
def test_what_is_offered(typed, expected):
    assert offered(typed) == expected


def test_an_unknown_command_is_no_error_while_one_types():
    assert isinstance(offered("monitor nonsense x"), list)


def test_a_key_press_imports_nothing_heavy():
    heavy = "{'pydantic', 'psycopg', 'opentelemetry', 'prometheus_client', 'structlog', 'yaml', 'httpx', 'rich'}"
    code = (
        "import sys; sys.argv[0] = 'monitor'\nfrom monitor.__main__ import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"sys.exit(', '.join({heavy} & set(sys.modules)) or 0)\n"
    )
    variables = {"_MONITOR_COMPLETE": "bash_complete", "COMP_WORDS": "monitor s", "COMP_CWORD": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "plain,setup\nplain,status\n"
