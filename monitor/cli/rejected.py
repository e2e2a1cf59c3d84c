"""`monitor rejected`: what sinks and channels refused for good; deliver it again, or drop it.

Works beside a running sidecar, which takes the marks up by itself, and without one. Reading opens the journal to read;
marking and dropping write to the tables of parked events alone.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from monitor.cli.options import config_option, folder_of, journal_option, json_option
from monitor.cli.printing import iso_text, moment_text, print_json
from monitor.clock import SystemClock
from monitor.journal import SqliteJournal
from monitor.journal.folder import Folder
from monitor.model import Recorded, StepEnded, TurnEnded, TurnStarted, kind_of
from monitor.model.answers import UNNAMED, Rejection
from monitor.model.stored import clean, noted_turn
from monitor.replay.plain import one_line
from monitor.replay.words import plural

__all__ = ["command"]

_NOTHING = 1
_LISTED = 50
_LONGEST_DETAIL = 500
_F = TypeVar("_F", bound=Callable[..., Any])


def _text(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    return None if value is None else clean(value)


_consumer = click.option("--consumer", metavar="NAME", callback=_text, help="Of this one alone, such as sink:otlp.")
_reason = click.option("--reason", metavar="WORD", callback=_text, help="For this reason alone, such as too_large.")
_all = click.option("--all", "everything", is_flag=True, help="All that is parked.")
_seqs = click.argument("seqs", metavar="[SEQ]...", nargs=-1, type=click.IntRange(min=0))


def _where(command: _F) -> _F:
    """The options that name the journal."""
    return config_option(journal_option(command))


@click.group()
def command() -> None:
    """List what sinks and channels refused; deliver it again, or drop it.

    An event that a sink or channel will never take is parked with the reason, and the rest goes on.
    """


@command.command(name="list", epilog="\b\nExit codes:\n  0    listed, also where there is nothing\n  4    no journal")
@_consumer
@_reason
@json_option
@_where
def list_(
    consumer: str | None, reason: str | None, as_json: bool, config_file: Path | None, journal_folder: Path | None
) -> None:
    """List parked events, the latest first: who refused which, why, how often, when."""
    with SqliteJournal.open(folder_of(config_file, journal_folder), SystemClock(), read_only=True) as journal:
        limit = None if as_json else _LISTED
        entries = journal.rejected(consumer, reason=reason, limit=limit)
        events = {each.seq: each for each in journal.events_at([each.seq for each in entries], content=False)}
        total = sum(_counts(journal, consumer, reason).values())
    if as_json:
        print_json({"version": 1, "rejected": [_plain(entry, events.get(entry.seq)) for entry in entries]})
        return
    for entry in entries:
        for line in _lines(entry, events.get(entry.seq)):
            click.echo(line)
    more = f"; the latest {len(entries)} are shown, --json lists all" if total > len(entries) else ""
    click.echo(f"{plural(total, 'event')} parked{more}" if total else "nothing is parked")


@command.command(epilog="\b\nExit codes:\n  0    shown\n  1    nothing is parked under this number")
@click.argument("seq", type=click.IntRange(min=0))
@click.option("--content", is_flag=True, help="With what people, models and tools wrote.")
@_where
@click.pass_context
def show(ctx: click.Context, seq: int, content: bool, config_file: Path | None, journal_folder: Path | None) -> None:
    """Show one parked event as JSON: who gave it up and why, and its facts; texts only with --content."""
    with SqliteJournal.open(folder_of(config_file, journal_folder), SystemClock(), read_only=True) as journal:
        entries = [entry for entry in journal.rejected(limit=None) if entry.seq == seq]
        events = journal.events_at([seq], content=content)
    if not entries:
        click.echo(f"monitor: event {seq} is not parked; `monitor rejected list` tells what is", err=True)
        ctx.exit(_NOTHING)
    rejected = [_plain(entry, None) for entry in sorted(entries, key=lambda entry: entry.consumer)]
    print_json({"version": 1, "rejected": rejected, "event": _event(events[0], content=content) if events else None})


@command.command(epilog="\b\nExit codes:\n  0    marked\n  1    there was nothing to mark")
@_seqs
@_consumer
@_reason
@_all
@_where
@click.pass_context
def retry(
    ctx: click.Context,
    *,
    seqs: tuple[int, ...],
    consumer: str | None,
    reason: str | None,
    everything: bool,
    config_file: Path | None,
    journal_folder: Path | None,
) -> None:
    """Mark parked events for another delivery: by their numbers (SEQ), their consumer, their reason, or --all.

    The running sidecar delivers them within seconds, before what is new; without one the next `monitor run` does. What
    is taken is no longer parked; what is refused again stays parked, with one attempt more.
    """
    _need_a_choice(seqs, consumer, reason, everything=everything)
    folder = folder_of(config_file, journal_folder)
    with SqliteJournal.open(folder, SystemClock(), beside=True) as journal:
        chosen = _chosen(journal, seqs, consumer, reason)
        named = [entry for entry in chosen if entry.reason != UNNAMED]
        marked = journal.mark([(entry.consumer, entry.seq) for entry in named])
    _say(_unnamed(len(chosen) - len(named)))
    _say(_missing(seqs, chosen))
    click.echo(f"marked for another delivery: {_summary(named) if marked else 'nothing'}")
    if not marked:
        ctx.exit(_NOTHING)
    running = Folder(folder).holder() is not None
    click.echo("the running sidecar takes them within seconds" if running else "the next `monitor run` delivers them")


@command.command(epilog="\b\nExit codes:\n  0    dropped\n  1    there was nothing to drop, or nobody wanted it")
@_seqs
@_consumer
@_reason
@_all
@click.option("--yes", is_flag=True, help="Do not ask.")
@_where
@click.pass_context
def drop(
    ctx: click.Context,
    *,
    seqs: tuple[int, ...],
    consumer: str | None,
    reason: str | None,
    everything: bool,
    yes: bool,
    config_file: Path | None,
    journal_folder: Path | None,
) -> None:
    """Give parked events up for good: by their numbers (SEQ), their consumer, their reason, or --all.

    The facts stay in the journal; the consumer will never get them. It is counted in dify_monitor_dropped_total.
    """
    _need_a_choice(seqs, consumer, reason, everything=everything)
    with SqliteJournal.open(folder_of(config_file, journal_folder), SystemClock(), beside=True) as journal:
        chosen = _chosen(journal, seqs, consumer, reason)
        _say(_missing(seqs, chosen))
        if chosen and not yes:
            _ask(chosen)
        dropped = journal.drop([(entry.consumer, entry.seq) for entry in chosen])
    click.echo(f"dropped: {_summary(chosen) if dropped else 'nothing'}")
    ctx.exit(0 if dropped else _NOTHING)


def _need_a_choice(seqs: Sequence[int], consumer: str | None, reason: str | None, *, everything: bool) -> None:
    choice = bool(seqs or consumer is not None or reason is not None)
    if everything == choice:
        raise click.UsageError("Say which: numbers, --consumer, --reason, or else --all.")


def _chosen(journal: SqliteJournal, seqs: Sequence[int], consumer: str | None, reason: str | None) -> list[Rejection]:
    found = journal.rejected(consumer, reason=reason, limit=None)
    return [entry for entry in found if not seqs or entry.seq in set(seqs)]


def _ask(chosen: Sequence[Rejection]) -> None:
    """Raises click.Abort where the answer is no."""
    if not _is_asked():
        raise click.UsageError("There is nobody to ask: add --yes.")
    click.confirm(f"Drop {_summary(chosen)} for good?", abort=True, err=True)


def _is_asked() -> bool:
    """Whether a person could answer."""
    return sys.stdin.isatty()


def _counts(journal: SqliteJournal, consumer: str | None, reason: str | None) -> dict[tuple[str, str], int]:
    counts = journal.rejected_counts().items()
    return {
        (whose, why): count for (whose, why), count in counts if consumer in (None, whose) and reason in (None, why)
    }


def _summary(entries: Iterable[Rejection]) -> str:
    """Such as `3 events (sink:otlp 2, notify:console 1)`."""
    counts = Counter(entry.consumer for entry in entries)
    told = ", ".join(f"{one_line(name)} {count}" for name, count in sorted(counts.items()))
    return f"{plural(counts.total(), 'event')} ({told})"


def _say(line: str) -> None:
    if line:
        click.echo(f"monitor: {line}", err=True)


def _unnamed(count: int) -> str:
    if not count:
        return ""
    stands = "stands" if count == 1 else "stand"
    return (
        f"{plural(count, 'entry', 'entries')} ({UNNAMED}) {stands} for events that were refused without saying which: "
        "that can't be tried again, only dropped"
    )


def _missing(seqs: Sequence[int], chosen: Iterable[Rejection]) -> str:
    missing = sorted(set(seqs) - {entry.seq for entry in chosen})
    return f"not parked there: {', '.join(map(str, missing))}" if missing else ""


def _lines(entry: Rejection, recorded: Recorded | None) -> Iterator[str]:
    tries = plural(entry.attempts, "attempt")
    mark = ", to be delivered again" if entry.retry_at is not None else ""
    yield f"{entry.seq}  {one_line(entry.consumer)}  {one_line(entry.reason)}, {tries}, {moment_text(entry.at)}{mark}"
    if recorded is None:
        yield "    event  no longer in the journal"
    else:
        yield f"    event  {one_line(recorded.event.key)}"
        if turn := _turn_id(recorded):
            yield f"    turn   {one_line(turn)}"
    if entry.detail:
        yield f"    error  {one_line(entry.detail, _LONGEST_DETAIL)}"


def _turn_id(recorded: Recorded) -> str:
    body = recorded.event.body
    if isinstance(body, TurnStarted | StepEnded | TurnEnded):
        return body.turn.turn_id
    noted = noted_turn(body, recorded.event.occurred_at)
    return noted.turn_id if noted else ""


def _plain(entry: Rejection, recorded: Recorded | None) -> dict[str, Any]:
    told: dict[str, Any] = {
        "seq": entry.seq,
        "consumer": entry.consumer,
        "reason": entry.reason,
        "detail": entry.detail,
        "attempts": entry.attempts,
        "at": iso_text(entry.at),
        "retry_at": iso_text(entry.retry_at),
    }
    if recorded is not None:
        told |= {"key": recorded.event.key, "turn_id": _turn_id(recorded)}
    return told


def _event(recorded: Recorded, *, content: bool) -> dict[str, Any]:
    event = recorded.event
    told = {
        "seq": recorded.seq,
        "key": event.key,
        "revision": recorded.revision,
        "kind": kind_of(event.body),
        "source": recorded.source,
        "occurred_at": iso_text(event.occurred_at),
        "recorded_at": iso_text(recorded.recorded_at),
        "facts": msgspec.to_builtins(event.body),
    }
    return told | ({"content": event.content, "erased": list(recorded.erased)} if content else {})
