"""What the commands share: the `--config` option, reading the configuration, errors as lines and exit codes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from monitor.errors import ConfigError, JournalError, MonitorError

if TYPE_CHECKING:
    from monitor.config import Loaded

__all__ = [
    "INTERRUPTED",
    "config_option",
    "exit_code",
    "folder_of",
    "journal_option",
    "json_option",
    "load_config",
    "print_error",
]

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells use it."""

_OTHER, _CONFIG, _NOT_READ = 1, 2, 4

config_option = click.option(
    "-c",
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Configuration file. Default: $MONITOR_CONFIG, ./monitor.yaml or /etc/dify-monitor/monitor.yaml, "
    "whichever is there; the environment alone will do.",
)


journal_option = click.option(
    "--journal",
    "journal_folder",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="The journal's folder. Default: journal.path of the configuration.",
)


json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document, with times in UTC.")


def load_config(config_file: Path | None, *, adapters: bool = True) -> Loaded:
    """Settings from the file and this process's environment. Raises ConfigError.

    `adapters=False` for commands that only look into the journal: they need no secret of a source or a sink.
    """
    from monitor.config import load  # noqa: PLC0415 - `monitor --help` must not pay for pydantic

    return load(config_file, os.environ, adapters=adapters)


def folder_of(config_file: Path | None, journal_folder: Path | None) -> Path:
    """The journal's folder. The configuration is only asked where it is not named. Raises ConfigError."""
    return journal_folder or load_config(config_file, adapters=False).settings.journal.path


def exit_code(error: MonitorError) -> int:
    """2: the user must change something; 4: the journal can't be used; 1: anything else."""
    if isinstance(error, ConfigError):
        return _CONFIG
    return _NOT_READ if isinstance(error, JournalError) else _OTHER


def print_error(error: MonitorError) -> None:
    """Say it on standard error, one line for each problem, without a traceback."""
    for line in str(error).splitlines() or [type(error).__name__]:
        click.echo(f"monitor: {line}", err=True)
