"""`monitor demo`: a small Dify in memory goes through the real pipeline, once or without end."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from pydantic import ValidationError

from monitor.cli.logs import configure_logs
from monitor.clock import SystemClock
from monitor.config.settings import LogSettings, ServerSettings
from monitor.demo.house import place_of
from monitor.demo.paper import console_on

__all__ = ["command"]

_LISTEN = "127.0.0.1:9464"


def _address(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """The address as the configuration would take it."""
    try:
        return ServerSettings(listen=value).listen
    except ValidationError:
        raise click.BadParameter("must be host:port, such as 127.0.0.1:9464 or [::1]:9464", ctx, param) from None


@click.command()
@click.option("--fast", is_flag=True, help="Do not wait: the whole story at once, as where the output is no terminal.")
@click.option(
    "--serve",
    "listen",
    is_flag=False,
    flag_value=_LISTEN,
    callback=_address,
    metavar="[HOST:PORT]",
    help=f"Play without end and serve /metrics, until Ctrl-C. Default: {_LISTEN}.",
)
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Keep the files here. Default: a new folder among the system's temporary ones.",
)
def command(fast: bool, listen: str | None, folder: Path | None) -> None:
    """See it work on recorded conversations, without Dify and without a network.

    Turns of a real Dify are played from memory through the real pipeline: a tool fails five times in a row, an alert
    fires and resolves. Then metrics, spans and a replay are shown. The exit code is 0 if they are what was played.
    """
    if fast and listen:
        raise click.UsageError("--fast tells the story once and --serve plays without end: name one of them.")
    clock = SystemClock()
    configure_logs(LogSettings(level="warning"), clock)
    console = console_on()
    place = place_of(folder, clock)
    if listen is not None:
        from monitor.demo.serving import serve  # noqa: PLC0415 - the server is only imported where it is wanted

        serve(place, clock, console, listen)
        return
    from monitor.demo.story import AT_ONCE, IN_TIME, tell  # noqa: PLC0415 - likewise

    tell(place, clock, console, IN_TIME if sys.stdout.isatty() and not fast else AT_ONCE)
