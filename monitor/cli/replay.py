"""`monitor replay`: what a journal knows of a conversation or a turn, on the terminal or as JSON.

Opens the journal to read, beside a running `monitor run` or without one, and needs neither configuration nor Dify.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from datetime import UTC, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click
from rich.console import Console

from monitor.cli.options import config_option, journal_option, load_config
from monitor.clock import SystemClock
from monitor.journal import SqliteJournal
from monitor.model import SourceGap
from monitor.model.terms import SHORTEST_PREFIX
from monitor.replay import Ambiguous, Candidate, look_up, timeline_of
from monitor.replay.as_json import document
from monitor.replay.plain import one_line
from monitor.replay.terminal import LONGEST, draw
from monitor.replay.words import date_text, plural

__all__ = ["command"]

_NOTHING_FOUND, _AMBIGUOUS = 1, 2
_FIRST_WORDS = 60


def _zone(ctx: click.Context, param: click.Parameter, value: str | None) -> tzinfo | None:
    """The time zone of that name; None, the local one, where none is named."""
    if value is None:
        return None
    if value.upper() == "UTC":
        return UTC
    try:
        return ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        remedy = "Names are such as UTC, Europe/Berlin, Asia/Shanghai"
        raise click.BadParameter(f"no such time zone: {value!r}. {remedy}", ctx, param) from None


@click.command(
    epilog="\b\nExit codes:\n"
    "  0    shown\n"
    "  1    the journal has nothing with such an id\n"
    "  2    the id is the beginning of several, which are listed; or the command line is wrong\n"
    "  4    the journal can't be read"
)
@click.argument("conversation")
@click.option("--json", "as_json", is_flag=True, help="One JSON document: complete, with times in UTC.")
@config_option
@journal_option
@click.option("--tz", "zone", metavar="NAME", callback=_zone, help="Time zone, such as UTC. Default: the local one.")
@click.option("--full", is_flag=True, help="Show long texts and lists whole, and texts in the form that Dify kept.")
@click.option("--no-content", is_flag=True, help="Leave out what people, models and tools wrote: facts only.")
@click.pass_context
def command(
    ctx: click.Context,
    *,
    conversation: str,
    as_json: bool,
    config_file: Path | None,
    journal_folder: Path | None,
    zone: tzinfo | None,
    full: bool,
    no_content: bool,
) -> None:
    """Show what happened in one conversation, step by step.

    CONVERSATION is the id of a conversation, a message, a workflow run, a turn or a trace, or its beginning (four
    characters or more) where no other id begins so. A conversation is shown with all its turns, any other id with its
    one turn. The journal's folder is all that it needs; it is only read.

    Texts longer than 2,000 characters and long lists are shortened unless --full is given. The form of the JSON
    document is described by docs/reference/replay.schema.json.
    """
    if as_json and (full or zone is not None):
        raise click.UsageError("--json is complete and has its times in UTC: --full and --tz do not go with it.")
    folder = _folder(config_file, journal_folder)
    with SqliteJournal.open(folder, SystemClock(), read_only=True) as journal:
        found = look_up(journal, conversation, content=not no_content)
        if found is None:
            _say(_nothing_found(journal, conversation, folder))
            ctx.exit(_NOTHING_FOUND)
        if isinstance(found, Ambiguous):
            _say(_listed(found, zone))
            ctx.exit(_AMBIGUOUS)
        timeline = timeline_of(journal, found, content=not no_content)
    if as_json:
        click.echo(document(timeline).encode(), nl=False)
    else:
        draw(timeline, _console(), zone=zone, longest=None if full else LONGEST)


def _folder(config_file: Path | None, named: Path | None) -> Path:
    """The journal's folder. The configuration is only asked where it is not named."""
    if named is not None and config_file is not None:
        raise click.UsageError("--journal names the journal's folder: --config has nothing to add.")
    return named or load_config(config_file, adapters=False).settings.journal.path


def _console() -> Console:
    """Standard output; what its encoding lacks is shown as escapes."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    return Console(file=sys.stdout, markup=False, highlight=False, emoji=False)


def _say(lines: Iterator[str]) -> None:
    for line in lines:
        click.echo(line, err=True)


def _nothing_found(journal: SqliteJournal, term: str, folder: Path) -> Iterator[str]:
    """What was searched; and whether there is a turn of that id that could not be read."""
    yield f"monitor: nothing in the journal has the id {one_line(term)!r}, or one that begins so"
    for one in journal.gaps_of(term):
        body = one.event.body
        if isinstance(body, SourceGap):
            yield f"monitor: but {one_line(body.what)} could not be read from Dify: {one_line(body.reason)}"
    if len(term.strip()) < SHORTEST_PREFIX:
        yield f"monitor: the beginning of an id must have {SHORTEST_PREFIX} characters or more"
    events = plural(journal.head(), "record")
    yield f"monitor: searched: ids of conversations, messages, runs, turns and traces; {events} in {folder}"


def _listed(ambiguous: Ambiguous, zone: tzinfo | None) -> Iterator[str]:
    yield f"monitor: {one_line(ambiguous.term)!r} is the beginning of several ids; name one of them:"
    yield from (f"  {_candidate(candidate, zone)}" for candidate in ambiguous.candidates)
    if ambiguous.more:
        yield f"  and {ambiguous.more} or more others"


def _candidate(candidate: Candidate, zone: tzinfo | None) -> str:
    question = candidate.question
    words = one_line(question.text, _FIRST_WORDS) if question is not None and question.state == "kept" else ""
    started = date_text(candidate.started_at, zone).partition(".")[0]
    parts = [f"{candidate.matched:12}", one_line(candidate.id), started, one_line(candidate.app_name), words]
    return "  ".join(part for part in parts if part)
