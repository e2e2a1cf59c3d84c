"""`monitor init`: ask Dify what is there, and write a configuration file that says so."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from monitor.cli.init_text import CONTENTS, configuration
from monitor.clock import SystemClock
from monitor.errors import Auth, ConfigError, Permanent, Retryable

if TYPE_CHECKING:
    from monitor.sources.dify_database.outline import Outline

__all__ = ["command"]

_SCHEMES = ("postgresql://", "postgres://", "postgresql+", "postgres+")
_QUESTION = """\
What of the conversations may leave this machine with traces?
  none      no text: only what happened, how long it took, what it cost
  redacted  texts without what looks like a credential, an address or a person's number
  full      texts as Dify kept them, but for credentials
The journal keeps the texts in any case, for replay."""


@click.command(
    epilog="\b\nExit codes:\n"
    "  0    the file is written (where Dify could not be asked, without its names)\n"
    "  1    the file can't be written\n"
    "  2    the command line is wrong, or the file is there already\n"
    "\b\nSuch as:\n"
    "  DIFY_DB_URL=postgresql://dify_monitor:change-me@127.0.0.1:5432/dify monitor init\n"
    "  monitor init --content redacted -o /etc/dify-monitor/monitor.yaml"
)
@click.option(
    "--url",
    metavar="URL",
    help="Dify's PostgreSQL, to ask it what is there; it is not written down. Default: $DIFY_DB_URL, or the file that "
    "$DIFY_DB_URL_FILE names. Others on this machine can see a command line: the variable is safer.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    default=Path("monitor.yaml"),
    show_default=True,
    metavar="FILE",
    help="Where to write it; - is standard output.",
)
@click.option(
    "--content",
    type=click.Choice(CONTENTS),
    help="What of the conversations may leave with traces. Default: asked for on a terminal, else none.",
)
@click.option("--force", is_flag=True, help="Overwrite the file if there is one.")
def command(url: str | None, output: Path, content: str | None, force: bool) -> None:
    """Write a configuration file, with what this Dify has: its apps, how busy they are, what may be left out.

    Dify's database is only read, with whatever role the URL names: for a few seconds, and without one the file is
    written all the same. The URL itself is never written into it. `monitor config check` takes what it writes, once
    DIFY_DB_URL is set.
    """
    to_stdout = str(output) == "-"
    if output.exists() and not force and not to_stdout:
        raise ConfigError("is there already", where=str(output), remedy="Name another file, or overwrite it by --force")
    dify = _asked(_address(url))
    chosen = content or _chosen()
    text = configuration(dify, chosen, SystemClock().now_ns())
    if to_stdout:
        click.echo(text.encode("utf-8"), nl=False)
        return
    _write(output, text, force=force)
    _tell(output, chosen, dify)


def _address(url: str | None) -> str:
    """The URL that is named, else that of the environment; '' where there is none. Raises ConfigError."""
    named = url or os.environ.get("DIFY_DB_URL", "")
    in_file = os.environ.get("DIFY_DB_URL_FILE", "")
    if not named and in_file:
        from monitor.config.interpolation import read_secret  # noqa: PLC0415 - only where it is needed

        named = read_secret(in_file)
    if named and not named.lower().startswith(_SCHEMES):
        raise ConfigError(
            "the URL's scheme is no dialect that we speak", where="DIFY_DB_URL", remedy="Use postgresql://"
        )
    return named


def _asked(url: str) -> Outline | None:
    """What Dify says; None, and why on standard error, where it can't be asked."""
    if not url:
        _say("DIFY_DB_URL is not set: the file is written without asking a Dify")
        return None
    from monitor.sources.dify_database.outline import outline  # noqa: PLC0415 - psycopg only where it is used

    try:
        return outline(url)
    except (Auth, Permanent, Retryable) as exc:
        _say(f"{exc}. The file is written without having seen this Dify; `monitor doctor` says more")
        return None


def _chosen() -> str:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        _say("no text of a conversation leaves with traces (content: none); --content chooses otherwise")
        return "none"
    click.echo(_QUESTION, err=True)
    answer: str = click.prompt("content", type=click.Choice(CONTENTS), default="none", err=True)
    return answer


def _write(path: Path, text: str, *, force: bool) -> None:
    """Whole or not at all; without `force` never over a file that is there."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_text(text, encoding="utf-8", newline="\n")
        try:
            if force:
                draft.replace(path)
            else:
                os.link(draft, path)
        finally:
            draft.unlink(missing_ok=True)
    except FileExistsError:
        raise ConfigError("is there already", where=str(path), remedy="Overwrite it by --force") from None
    except OSError as exc:
        raise Permanent(f"{path} can't be written: {exc.strerror}") from exc


def _tell(path: Path, content: str, dify: Outline | None) -> None:
    click.echo(f"{path} is written (content: {content}).", err=True)
    if dify is not None and dify.lacking:
        _say("the role of this URL may not read all that is read: see `monitor doctor`")
    option = "" if str(path) == "monitor.yaml" else f" --config {path}"
    click.echo(f"Next: monitor config check{option}, then monitor doctor{option}, then monitor run{option}", err=True)


def _say(text: str) -> None:
    click.echo(f"monitor: {text}.", err=True)
