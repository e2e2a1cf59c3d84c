"""`monitor status`: how a journal and its sidecar are, for people, for scripts and for cron."""

from __future__ import annotations

import os
from pathlib import Path

import click

from monitor.cli.options import config_option, journal_option, json_option, load_config
from monitor.cli.printing import console, print_json
from monitor.cli.status_facts import Limits, Names, take_status
from monitor.cli.status_text import document, draw
from monitor.clock import SystemClock
from monitor.journal.survey import Survey
from monitor.metrics.projection import CONSUMER as METRICS
from monitor.runtime.alert_rows import CONSUMER as RULES

__all__ = ["command"]

_NEEDS_A_PERSON = 1


@click.command(
    epilog="\b\nExit codes:\n"
    "  0    nothing needs a person\n"
    "  1    something does; what, and what to do, is printed\n"
    "  2    the configuration or the command line is wrong, or there is no journal\n"
    "  4    the journal can't be read"
)
@json_option
@config_option
@journal_option
@click.pass_context
def command(ctx: click.Context, as_json: bool, config_file: Path | None, journal_folder: Path | None) -> None:
    """Show how the journal and its sidecar are, and what needs a person.

    The journal is only read, beside a running `monitor run` or without one. A problem is: a source that was not read,
    or a consumer that is behind, for more than ten minutes while a sidecar runs; a source that was not read for a day
    without one; parked events that nobody has marked for another delivery; something of Dify's that could not be read
    within the last day; rows that a comparison with Dify found missing; rows that Dify's clean-up takes before they are
    read; a journal that is full. Alerts that fire are shown, and are no problem here.

    "Purge-safe up to" is the moment up to which Dify's rows may be deleted without losing anything.
    """
    settings = load_config(config_file, adapters=False).settings
    limits = Limits(settings.journal.max_bytes, settings.journal.min_free_bytes)
    with Survey.open(journal_folder or settings.journal.path) as survey:
        status = take_status(survey, _names(config_file), limits, SystemClock().now_ns())
    if as_json:
        print_json(document(status))
    else:
        draw(status, console())
    ctx.exit(_NEEDS_A_PERSON if status.problems else 0)


def _names(config_file: Path | None) -> Names | None:
    """Who should be there. A configuration without a source is that of no sidecar, so it says nothing of it."""
    from monitor.config import adapter_names  # noqa: PLC0415 - with the settings, not before

    named = adapter_names(config_file, os.environ)
    if not named["sources"]:
        return None
    sinks, notifiers = (f"sink:{name}" for name in named["sinks"]), (f"notify:{name}" for name in named["notifiers"])
    return Names(sources=named["sources"], consumers=(METRICS, RULES, *sinks, *notifiers))
