"""Every `monitor ...` that a page tells people to type exists with these options; every shell block is shell."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator

import click
import pytest

from monitor.cli import cli
from tests.docs.pages import PAGES, ROOT, block_ids, blocks, inline

_SHELL = blocks("sh")
_BETWEEN = re.compile(r"&&|\|\||[|;<>]")
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=.*")


def commands(text: str) -> Iterator[list[str]]:
    """The arguments of each `monitor` that is called in the text."""
    for line in text.replace("\\\n", " ").splitlines():
        for part in _BETWEEN.split(line):
            words = _words(part)
            if words and words[0].rpartition("/")[2] == "monitor":
                yield words[1:]


def _words(part: str) -> list[str]:
    try:
        words = shlex.split(part, comments=True)
    except ValueError:  # a quote that a split at `|` took apart: no command of ours
        return []
    while words and (words[0] in {"$", "export"} or _ASSIGNMENT.fullmatch(words[0])):
        words.pop(0)
    return words


def refuse(arguments: list[str]) -> str:
    """Why the command line can't be typed like this; empty where it can.

    A command that is only named (`monitor replay`) need not have its arguments.
    """
    command: click.Command = cli
    # With the settings of the real one: click remembers a command's help option from the first context that it sees.
    context = click.Context(cli, info_name="monitor", **cli.context_settings)
    rest = list(arguments)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        found = command.get_command(context, rest[0])
        if found is None:
            return f"there is no command {rest[0]}"
        command, rest = found, rest[1:]
    try:
        command.make_context("monitor", list(rest), parent=context)
    except click.UsageError as exc:
        return exc.format_message() if rest else ""
    except click.exceptions.Exit:  # --help and --version
        return ""
    return ""


_TYPED = [(block_ids(block), arguments) for block in _SHELL for arguments in commands(block.text)]
_TYPED += [
    (str(page.relative_to(ROOT)), arguments)
    for page in PAGES
    for code in inline(page)
    if re.match(r"([A-Z_]+=\S+ )*monitor [a-z-]", code)
    for arguments in commands(code.replace("...", "x"))
]


@pytest.mark.parametrize(("where", "arguments"), _TYPED, ids=[f"{where} {' '.join(a)}" for where, a in _TYPED])
def test_the_command_exists_with_these_options(where, arguments):
    assert not refuse(arguments), where


def test_wrong_commands_are_found():
    assert list(commands("A=1 .venv/bin/monitor run --once && ls | monitor metrics > x")) == [
        ["run", "--once"],
        ["metrics"],
    ]
    assert refuse(["run", "--once"]) == ""
    assert "no command" in refuse(["rnu"])
    assert "no-such-option" in refuse(["run", "--no-such-option"])
    assert refuse(["replay", "--json"])
    assert refuse(["replay"]) == ""
    assert refuse(["config", "schema", "more"])


def test_there_are_commands_to_check():
    assert {arguments[0] for _, arguments in _TYPED if arguments} >= {"run", "demo", "replay", "metrics", "config"}


@pytest.mark.parametrize("block", _SHELL, ids=block_ids)
def test_shell_blocks_are_shell(block):
    done = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
