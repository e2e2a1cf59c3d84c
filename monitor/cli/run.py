"""`monitor run`: settings to a house, and the house to the supervisor."""

from __future__ import annotations

from pathlib import Path

import click
import structlog

from monitor.cli.crash_reports import crash_reports
from monitor.cli.logs import configure_logs
from monitor.cli.options import config_option, load_config
from monitor.cli.progress import current_stderr, watching
from monitor.clock import SystemClock
from monitor.runtime.wiring import build_house

__all__ = ["command"]


@click.command()
@config_option
@click.option("--once", is_flag=True, help="Read everything that Dify has now, deliver it, and end.")
@click.pass_context
def command(ctx: click.Context, config_file: Path | None, once: bool) -> None:
    """Follow Dify: ship traces, serve metrics, judge alert rules.

    Runs until it is interrupted (Ctrl-C or SIGTERM), then ends in order; nothing is lost by killing it. With --once it
    shows how far it is: as bars on a terminal, else in the log.
    """
    loaded = load_config(config_file)
    clock = SystemClock()
    configure_logs(loaded.settings.log, clock, current_stderr() if once else None)
    for hint in loaded.hints:
        structlog.get_logger().warning("setting_ignored", detail=hint)
    house = build_house(loaded.settings, clock, loaded.places)
    from monitor.runtime import supervisor  # noqa: PLC0415 - a wrong setting is told before workers are imported

    with crash_reports(house.configs["sinks"]):
        code = supervisor.run(house, once=once, watch=watching)
    ctx.exit(code)
