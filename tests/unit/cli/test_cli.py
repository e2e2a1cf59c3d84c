from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import click
import pytest
import yaml
from click.testing import CliRunner

from monitor import __version__
from monitor.cli import COMMANDS, LazyCommand, LazyGroup, cli
from monitor.cli.options import exit_code
from monitor.clock import SystemClock
from monitor.errors import Auth, ConfigError, JournalDamaged, JournalFull, JournalLocked, Permanent, Retryable, TooLarge
from monitor.journal import SqliteJournal

URL = "postgresql://u:hunter2-hunter2@127.0.0.1:1/dify"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    """A working directory without a monitor.yaml, and an environment that sets nothing."""
    monkeypatch.chdir(tmp_path)
    for name in ("DIFY_DB_URL", "DIFY_DB_URL_FILE", "MONITOR_CONFIG", "OTEL_EXPORTER_OTLP_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)


def invoke(*args, **env):
    return CliRunner().invoke(cli, args, env=env)


def group_of(body, monkeypatch):
    """A group with one command that does `body`."""
    module = ModuleType("a_command")
    module.command = click.command()(body)
    monkeypatch.setitem(sys.modules, "a_command", module)
    return LazyGroup(name="monitor", table={"go": LazyCommand("a_command", "Go.")})


# -- the frame


def test_help_lists_every_command_and_the_exit_codes():
    result = invoke("--help")
    assert result.exit_code == 0
    for name, command in COMMANDS.items():
        assert f"  {name} " in result.output
        assert command.short_help in result.output
    assert "4    not everything could be read" in result.output


def test_version():
    assert invoke("--version").output == f"monitor {__version__}\n"


@pytest.mark.parametrize("args", [["--help"], ["--version"]])
def test_help_and_version_import_nothing_heavy(args):
    """They are what people try first, and what health checks of images run."""
    heavy = "{'pydantic', 'psycopg', 'opentelemetry', 'prometheus_client', 'structlog', 'yaml', 'httpx'}"
    code = (
        "import sys\nfrom monitor.__main__ import main\n"
        f"sys.argv = ['monitor', *{args!r}]\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"sys.exit(', '.join({heavy} & set(sys.modules)) or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "monitor" in done.stdout


def test_every_command_has_its_module_and_says_what_it_does():
    context = click.Context(cli)
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert isinstance(command, click.Command), name
        assert command.help, name


def test_the_nearest_command_is_named():
    result = invoke("rnu")
    assert result.exit_code == 2
    assert "No such command 'rnu'. Did you mean 'run'?" in result.output
    assert "Did you mean" not in invoke("xyzzy").output
    assert invoke().exit_code == 2


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("x"), 2),
        (JournalLocked("x"), 4),
        (JournalFull("x"), 4),
        (JournalDamaged("x"), 4),
        (Retryable("x"), 1),
        (Permanent("x"), 1),
        (TooLarge("x"), 1),
        (Auth("x"), 1),
    ],
)
def test_an_error_is_one_line_and_an_exit_code(error, code, monkeypatch):
    def body():
        raise error

    result = CliRunner().invoke(group_of(body, monkeypatch), ["go"])
    assert exit_code(error) == code
    assert (result.exit_code, result.stderr, result.stdout) == (code, "monitor: x\n", "")


def test_several_problems_are_several_lines(monkeypatch):
    def body():
        raise ConfigError("a is wrong\nb is wrong")

    assert (
        CliRunner().invoke(group_of(body, monkeypatch), ["go"]).stderr == "monitor: a is wrong\nmonitor: b is wrong\n"
    )


def test_an_unexpected_exception_keeps_its_traceback(monkeypatch):
    def body():
        raise ZeroDivisionError

    result = CliRunner().invoke(group_of(body, monkeypatch), ["go"])
    assert isinstance(result.exception, ZeroDivisionError)


def test_an_interrupted_command_ends_with_130(monkeypatch):
    def body():
        raise KeyboardInterrupt

    assert CliRunner().invoke(group_of(body, monkeypatch), ["go"]).exit_code == 130


# -- run


def test_run_without_a_source_shows_the_fix():
    result = invoke("run", "--once")
    assert result.exit_code == 2
    assert "monitor: there is no source" in result.stderr
    assert "DIFY_DB_URL=postgresql://" in result.stderr
    assert "Traceback" not in result.stderr
    assert list(Path().iterdir()) == []


def test_run_with_a_wrong_file_tells_every_mistake():
    Path("m.yaml").write_text("log: {level: loud}\nsources: [{type: dify_database}]\n")
    result = invoke("run", "--config", "m.yaml", MONITOR_JOURNAL__PAHT="x")
    assert result.exit_code == 2
    assert (
        result.stderr
        == "monitor: MONITOR_JOURNAL__PAHT: there is no such setting. Did you mean MONITOR_JOURNAL__PATH?\n"
    )
    result = invoke("run", "--config", "m.yaml")
    assert result.stderr.startswith("monitor: m.yaml:1: log.level: must be 'debug'")


# -- config


def test_check_prints_what_is_in_force_and_no_secret():
    Path("m.yaml").write_text('sources: [{type: dify_database, url: "${DIFY_DB_URL}"}]\nrules: {max_age: 90}\n')
    result = invoke(
        "config", "check", "--config", "m.yaml", DIFY_DB_URL=URL, MONITOR_PSEUDONYM_KEY="hunter2-hunter2-key"
    )
    assert result.exit_code == 0, result.output
    assert result.output.startswith("# The configuration is right (m.yaml).\n# Rules in force: ")
    assert "hunter2" not in result.output
    data = yaml.safe_load(result.output)
    assert data["sources"][0]["type"] == "dify_database"
    assert data["rules"]["max_age"] == "1m30s"
    assert data["pseudonym_key"] == "***"
    assert sorted(path.name for path in Path().iterdir()) == ["m.yaml"]


def test_what_check_prints_is_a_configuration_again():
    first = invoke("config", "check", DIFY_DB_URL=URL)
    text = first.output.replace("'***'", '"${DIFY_DB_URL}"')
    Path("again.yaml").write_text(text)
    second = invoke("config", "check", "--config", "again.yaml", DIFY_DB_URL=URL)
    assert yaml.safe_load(second.output) == yaml.safe_load(first.output)


def test_check_hints_at_a_variable_that_is_ignored():
    result = invoke("config", "check", DIFY_DB_URL=URL, MONITOR_JOURNAL_PATH="x")
    assert "# MONITOR_JOURNAL_PATH is ignored: did you mean MONITOR_JOURNAL__PATH?\n" in result.output


def test_check_refuses_what_run_would_refuse():
    assert invoke("config", "check", DIFY_DB_URL="mysql://h/d").exit_code == 2
    assert invoke("config", "check").exit_code == 2


def test_schema_knows_every_adapter():
    schema = json.loads(invoke("config", "schema").output)
    assert {"sources.dify_database", "sinks.file", "sinks.otlp", "notifiers.console"} <= set(schema["$defs"])


# -- metrics


def test_metrics_of_a_journal(tmp_path):
    SqliteJournal.open(tmp_path / "j", SystemClock(), min_free_bytes=0).close()
    result = invoke("metrics", "--journal", str(tmp_path / "j"))
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "" or result.stdout.startswith("# HELP dify_")


def test_metrics_without_a_journal_make_none(tmp_path):
    result = invoke("metrics", "--journal", str(tmp_path / "none"))
    assert result.exit_code == 2
    assert "there is no journal" in result.stderr
    assert not (tmp_path / "none").exists()
