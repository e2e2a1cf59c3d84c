"""`monitor metrics`: Dify's metrics out of a journal, without a server."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from monitor.cli.metrics import print_metrics
from monitor.cli.options import config_option, journal_option, load_config
from monitor.clock import SystemClock
from monitor.journal import SqliteJournal

__all__ = ["command"]


@click.command()
@config_option
@journal_option
def command(config_file: Path | None, journal_folder: Path | None) -> None:
    """Print Dify's metrics in Prometheus's text format, for cron and node_exporter's textfile collector.

    The journal is only read, beside a running `monitor run` or without one.
    """
    settings = load_config(config_file, adapters=False).settings
    folder = journal_folder or settings.journal.path
    with SqliteJournal.open(folder, SystemClock(), read_only=True) as journal:
        print_metrics(journal, sys.stdout, max_series=settings.metrics.max_series_per_metric)
