"""`monitor journal`: what takes how much room, a copy while it is in use, and all events as lines of JSON."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from monitor.cli.options import config_option, folder_of, journal_option, json_option
from monitor.cli.printing import bytes_text, console, print_json, table
from monitor.cli.progress import steps
from monitor.clock import SystemClock
from monitor.journal.backup import back_up
from monitor.journal.export import Line, Selection, export
from monitor.journal.survey import Survey
from monitor.model.answers import Large, Weighed, Weight
from monitor.model.stored import clean
from monitor.model.units import duration_ns
from monitor.replay.plain import one_line
from monitor.replay.words import plural

__all__ = ["command"]

_NOTHING = 1
_LARGEST = 10
_DAYS = 30
_WEIGHTS = ("Events", "Facts", "Content")


@click.group()
def command() -> None:
    """Weigh, back up or export the journal, beside a running `monitor run` or without one."""


@command.command()
@json_option
@config_option
@journal_option
def stats(as_json: bool, config_file: Path | None, journal_folder: Path | None) -> None:
    """Tell what takes how much room: by kind, by the day it was recorded (UTC), and the largest events.

    On disk, long texts are packed; by kind, day and event they are counted as they came. All of the journal is read,
    which takes some seconds for a million events.
    """
    clock = SystemClock()
    with Survey.open(folder_of(config_file, journal_folder)) as survey, steps("weighing", clock) as tell:
        weighed = survey.weigh(_LARGEST, tell)
    if as_json:
        print_json(_plain(weighed))
    else:
        _draw(weighed, console())


@command.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@config_option
@journal_option
def backup(file: Path, config_file: Path | None, journal_folder: Path | None) -> None:
    """Copy the journal's database to FILE, as of one moment, while a sidecar goes on writing.

    FILE must not exist, and only its owner may read it. To use it, put it into a folder of its own as journal.db and
    name that folder with --journal. Users' pseudonyms need the file pseudonym.key of the journal's folder, too.
    """
    clock = SystemClock()
    with steps("backing up", clock) as tell:
        size = back_up(folder_of(config_file, journal_folder), file, tell)
    click.echo(f"{one_line(str(file))} holds the journal, {bytes_text(size)}")


def _moment(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """Nanoseconds of a date, a time, or how long ago."""
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        try:
            return SystemClock().now_ns() - duration_ns(value)
        except ValueError:
            remedy = "write 2026-01-31, 2026-01-31T08:00:00Z, or how long ago: 12h, 30d"
            raise click.BadParameter(f"neither a time nor how long ago; {remedy}", ctx, param) from None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(aware.timestamp()) * 1_000_000_000 + aware.microsecond * 1000


@command.command(
    name="export", epilog="\b\nExit codes:\n  0    written\n  1    nothing was there to write\n  4    no journal"
)
@click.option(
    "--since", metavar="TIME", callback=_moment, help="What happened since: a date, a time, or how long ago: 12h."
)
@click.option("--until", metavar="TIME", callback=_moment, help="What happened before.")
@click.option("--conversation", metavar="ID", help="One conversation, with all that names its turns.")
@click.option("--content", is_flag=True, help="With what people, models and tools wrote, and the salts of its hashes.")
@config_option
@journal_option
@click.pass_context
def export_(
    ctx: click.Context,
    *,
    since: int | None,
    until: int | None,
    conversation: str | None,
    content: bool,
    config_file: Path | None,
    journal_folder: Path | None,
) -> None:
    """Write events to standard output, one line of JSON each, in the journal's order.

    A line has the event's position (`seq`), its stored form (`leaf`, with facts and the hashes of its content) and the
    hash of that (`leaf_hash`). Times are those of Dify; one without a zone is in UTC. Every revision is a line.
    """
    asked = Selection(since, until, None if conversation is None else clean(conversation))
    lines = export(folder_of(config_file, journal_folder), asked, content=content)
    with closing(lines):
        written = _write(lines)
    click.echo(f"monitor: wrote {plural(written, 'event')}", err=True)
    ctx.exit(0 if written else _NOTHING)


def _write(lines: Iterator[Line]) -> int:
    """Write the lines; how many. A bar is drawn where it can't get between them."""
    written = 0
    out = sys.stdout.buffer
    with steps("exporting", SystemClock(), bar=not sys.stdout.isatty()) as tell:
        for line in lines:
            out.write(line.text)
            written += bool(line.text)
            tell(line.done, line.total)
        out.flush()
    return written


def _draw(weighed: Weighed, out: Console) -> None:
    grid = Table.grid(padding=(0, 2))
    grid.add_column()
    grid.add_column(justify="right")
    grid.add_column(justify="right")
    for label, count in _parts(weighed).items():
        share = f"{100 * count / max(1, weighed.file_bytes):.0f} %"
        grid.add_row(Text(label, "bold"), Text(bytes_text(count)), Text(share))
    out.print(grid)
    for title, weights in (("Kind", weighed.kinds), ("Day", weighed.days[-_DAYS:])):
        out.print()
        out.print(_weights(title, weights))
    if len(weighed.days) > _DAYS:
        out.print(Text(f"and {len(weighed.days) - _DAYS} days before; --json has all"))
    if weighed.largest:
        out.print()
        out.print(_largest(weighed.largest))


def _parts(weighed: Weighed) -> dict[str, int]:
    return {
        "Facts": weighed.leaf_bytes,
        "Content": weighed.content_bytes,
        "Memory of the sources": weighed.memory_bytes,
        "Keys, indexes, the rest": weighed.other_bytes,
        "Free, for what comes": weighed.free_bytes,
        "On disk": weighed.file_bytes,
    }


def _weights(title: str, weights: Sequence[Weight]) -> Table:
    drawn = table(title, *_WEIGHTS, right=_WEIGHTS)
    for each in weights:
        sizes = (Text(bytes_text(count)) for count in (each.leaf_bytes, each.content_bytes))
        drawn.add_row(Text(one_line(each.name)), Text(f"{each.events:,}"), *sizes)
    return drawn


def _largest(largest: Sequence[Large]) -> Table:
    drawn = table("Seq", "Facts", "Content", "Largest events", right=("Seq", "Facts", "Content"))
    for each in largest:
        sizes = (Text(bytes_text(count)) for count in (each.leaf_bytes, each.content_bytes))
        drawn.add_row(Text(str(each.seq)), *sizes, Text(one_line(each.key)))
    return drawn


def _plain(weighed: Weighed) -> dict[str, Any]:
    return {
        "version": 1,
        "bytes": {
            "on_disk": weighed.file_bytes,
            "facts": weighed.leaf_bytes,
            "content": weighed.content_bytes,
            "memory": weighed.memory_bytes,
            "other": weighed.other_bytes,
            "free": weighed.free_bytes,
        },
        "kinds": [each._asdict() for each in weighed.kinds],
        "days": [each._asdict() for each in weighed.days],
        "largest": [each._asdict() for each in weighed.largest],
    }
