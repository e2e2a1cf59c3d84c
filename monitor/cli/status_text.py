"""A status for people, in 80 columns, and as one JSON document. Called by `monitor status`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from monitor.cli.printing import ago_text, bytes_text, iso_text, local_text, moment_text, table
from monitor.cli.status_facts import BEHIND_NS, Problem, Status
from monitor.model import Alert, Coverage
from monitor.model.answers import Backlog
from monitor.replay.plain import one_line
from monitor.replay.words import duration_text, plural

__all__ = ["document", "draw"]

_NS = 1_000_000_000
_MOST_ALERTS = 10
_LONGEST_NAME = 40
_LONGEST_SUMMARY = 200


def draw(status: Status, console: Console) -> None:
    """Write all of it."""
    for section in (_head(status), _sources(status), _consumers(status)):
        console.print(section)
        console.print()
    for name, coverage in status.coverages.items():
        console.print(_coverage(status, name, coverage))
        console.print()
    _parked(status, console)
    _alerts(status, console)
    if status.gaps.newest_at is not None:
        last = f"{one_line(status.gaps.newest_what, _LONGEST_NAME)}, {ago_text(status.gaps.newest_at, status.at)}"
        console.print(Text(f"{plural(status.gaps.total, 'gap')} in what was read; the last one: {last}\n"))
    for problem in status.problems:
        _problem(problem, console)
    if not status.problems:
        console.print(Text("Nothing needs a person.", "green"))


def _head(status: Status) -> Table:
    grid = Table.grid(padding=(0, 2))
    for label, value in _facts(status):
        grid.add_row(Text(label, "bold"), Text(value))
    return grid


def _facts(status: Status) -> Iterator[tuple[str, str]]:
    yield "Journal", status.path
    turns = status.turns
    a_turn = f", {bytes_text(status.bytes / turns.begun)} a turn" if turns.begun else ""
    yield "Size", bytes_text(status.bytes) + a_turn
    yield "Events", f"{status.events:,} of {plural(turns.begun, 'turn')}"
    if status.recorded_at is not None:
        oldest, newest = status.recorded_at
        yield "Recorded", f"{moment_text(oldest)} to {moment_text(newest)}, {ago_text(newest, status.at)}"
    yield "Sidecar", _sidecar(status)
    yield "Open turns", _open(status)


def _sidecar(status: Status) -> str:
    holder = status.holder
    if holder is None:
        return "none holds the journal now"
    who = f"process {holder.pid} on {one_line(holder.host, _LONGEST_NAME)}" if holder.pid else "a process"
    return f"{who}, for {duration_text(status.running_ns / _NS)}"


def _open(status: Status) -> str:
    turns = status.turns
    if turns.oldest_started_at is None:
        return "none"
    return f"{turns.open:,}, the oldest began {ago_text(turns.oldest_started_at, status.at)}"


def _sources(status: Status) -> Table:
    drawn = table("Source", "Read last")
    for reading in status.sources:
        at = reading.committed_at
        read = "not known" if at is None else f"{ago_text(at, status.at)} ({moment_text(at)})"
        drawn.add_row(Text(_name(status, reading.source)), Text(read))
    if not status.sources:
        drawn.add_row(Text("none was ever read"), Text(""))
    return drawn


def _consumers(status: Status) -> Table:
    drawn = table("Consumer", "Events waiting", "For", right=("Events waiting", "For"))
    for backlog in status.consumers:
        waited_ns = 0 if backlog.oldest_at is None else max(0, status.at - backlog.oldest_at)
        style = "red" if waited_ns > BEHIND_NS and status.holder else ""
        drawn.add_row(
            Text(_name(status, backlog.consumer)),
            Text(f"{backlog.events:,}", style),
            Text("–" if backlog.oldest_at is None else duration_text(waited_ns / _NS), style),
        )
    return drawn


def _coverage(status: Status, name: str, coverage: Coverage) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_row(Text("Coverage", "bold"), Text(_name(status, name)))
    for label, value in _covered(status, coverage):
        grid.add_row(Text(f"  {label}"), value)
    return grid


def _covered(status: Status, coverage: Coverage) -> Iterator[tuple[str, Text]]:
    style = {"safe": "green", "at_risk": "yellow", "overtaken": "red"}.get(coverage.state, "")
    yield "Purge-safe", Text(f"up to {_when(status, coverage.purge_safe_at)} ({coverage.state})", style)
    yield "Oldest in Dify", Text(_when(status, coverage.oldest_at))
    yield "Compared", Text(_compared(status, coverage))
    yield "Repaired", Text(f"{plural(coverage.repaired, 'turn')} that a comparison found missing or changed")
    yield "Missing", Text(plural(coverage.missing, "row"), "red" if coverage.missing else "")
    yield "Gaps", Text(f"{coverage.gaps:,}", "red" if coverage.gaps else "")
    yield "Deleted", Text(f"{plural(coverage.deleted, 'recorded turn')} that Dify no longer holds")
    yield "Left out", Text(f"{plural(coverage.left_out, 'row')}, by include and exclude")
    if coverage.external_runs:
        yield "Runs", Text("Dify keeps its workflow runs outside of this database: see `monitor doctor`", "red")


def _when(status: Status, ns: int) -> str:
    return f"{local_text(ns)}, {ago_text(ns, status.at)}" if ns else "not known yet"


def _compared(status: Status, coverage: Coverage) -> str:
    if not coverage.checked_at:
        return "not yet: what Dify holds is compared with what is recorded from time to time"
    since = local_text(coverage.checked_since) if coverage.checked_since else "the beginning"
    until = local_text(coverage.checked_until)
    ago = ago_text(coverage.checked_at, status.at)
    return f"{since} to {until}, {ago}; {plural(coverage.compared, 'row')} in all"


def _name(status: Status, name: str) -> str:
    shown = one_line(name, _LONGEST_NAME)
    return shown if status.is_configured(name) else f"{shown} (no longer configured)"


def _parked(status: Status, console: Console) -> None:
    if status.parked:
        drawn = table("Gave up", "Reason", "Events", "To be retried", right=("Events", "To be retried"))
        for each in status.parked:
            name, reason = one_line(each.consumer, _LONGEST_NAME), one_line(each.reason, _LONGEST_NAME)
            drawn.add_row(Text(name), Text(reason), Text(f"{each.events:,}", "red"), Text(f"{each.marked:,}"))
        console.print(drawn)
        console.print()
    if status.dropped:
        console.print(Text(f"{plural(sum(status.dropped.values()), 'event')} dropped by hand so far\n"))


def _alerts(status: Status, console: Console) -> None:
    """Those that people were told of; apart from them those that were old when they were read."""
    told = [alert for alert in status.alerts if alert.fingerprint not in status.untold]
    history = [alert for alert in status.alerts if alert.fingerprint in status.untold]
    _alert_table("Firing", told, console)
    _alert_table("History, nobody was told", history, console)


def _alert_table(title: str, alerts: Sequence[Alert], console: Console) -> None:
    if not alerts:
        return
    drawn = table(title, "Severity", "Since (Dify's time)", "What")
    for alert in alerts[:_MOST_ALERTS]:
        drawn.add_row(
            Text(one_line(alert.rule, _LONGEST_NAME)),
            Text(one_line(alert.severity, _LONGEST_NAME)),
            Text(moment_text(alert.since)),
            Text(one_line(alert.summary, _LONGEST_SUMMARY)),
        )
    console.print(drawn)
    if len(alerts) > _MOST_ALERTS:
        console.print(Text(f"and {len(alerts) - _MOST_ALERTS} more"))
    console.print()


def _problem(problem: Problem, console: Console) -> None:
    grid = Table.grid(padding=(0, 1))
    grid.add_row(Text("!", "bold red"), Text(problem.problem, "bold"))
    grid.add_row(Text(), Text(problem.remedy))
    console.print(grid)


def document(status: Status) -> dict[str, Any]:
    """The status as plain data. Fields may be added under the same version; none goes or changes its meaning."""
    turns, holder, gaps = status.turns, status.holder, status.gaps
    oldest, newest = status.recorded_at or (None, None)
    return {
        "version": 1,
        "at": iso_text(status.at),
        "journal": {
            "path": status.path,
            "bytes": status.bytes,
            "bytes_per_turn": round(status.bytes / turns.begun) if turns.begun else None,
            "events": status.events,
            "oldest_recorded_at": iso_text(oldest),
            "newest_recorded_at": iso_text(newest),
        },
        "sidecar": None
        if holder is None
        else {"pid": holder.pid, "host": holder.host, "since": iso_text(holder.since)},
        "turns": {
            "begun": turns.begun,
            "open": turns.open,
            "oldest_open_started_at": iso_text(turns.oldest_started_at),
        },
        "sources": [
            {
                "name": each.source,
                "read_at": iso_text(each.committed_at),
                "configured": status.is_configured(each.source),
            }
            for each in status.sources
        ],
        "coverage": [_coverage_document(name, each) for name, each in status.coverages.items()],
        "consumers": [_backlog(status, each) for each in status.consumers],
        "rejected": [each._asdict() for each in status.parked],
        "dropped": [
            {"consumer": consumer, "reason": reason, "events": events}
            for (consumer, reason), events in sorted(status.dropped.items())
        ],
        "alerts": [_alert(status, alert) for alert in status.alerts],
        "gaps": {
            "total": gaps.total,
            "newest_recorded_at": iso_text(gaps.newest_at),
            "newest": gaps.newest_what,
            "newest_reason": gaps.newest_reason,
        },
        "problems": [{"problem": each.problem, "remedy": each.remedy} for each in status.problems],
    }


def _coverage_document(name: str, coverage: Coverage) -> dict[str, Any]:
    return {
        "source": name,
        "state": coverage.state,
        "said_at": iso_text(coverage.at or None),
        "purge_safe_at": iso_text(coverage.purge_safe_at or None),
        "oldest_at": iso_text(coverage.oldest_at or None),
        "checked_since": iso_text(coverage.checked_since or None),
        "checked_until": iso_text(coverage.checked_until or None),
        "checked_at": iso_text(coverage.checked_at or None),
        "compared": coverage.compared,
        "repaired": coverage.repaired,
        "missing": coverage.missing,
        "gaps": coverage.gaps,
        "deleted": coverage.deleted,
        "left_out": coverage.left_out,
        "external_runs": coverage.external_runs,
    }


def _backlog(status: Status, backlog: Backlog) -> dict[str, Any]:
    waited_ns = 0 if backlog.oldest_at is None else max(0, status.at - backlog.oldest_at)
    return {
        "name": backlog.consumer,
        "waiting_events": backlog.events,
        "waiting_seconds": waited_ns / _NS,
        "configured": status.is_configured(backlog.consumer),
    }


def _alert(status: Status, alert: Alert) -> dict[str, Any]:
    return {
        "fingerprint": alert.fingerprint,
        "rule": alert.rule,
        "severity": alert.severity,
        "summary": alert.summary,
        "labels": alert.labels,
        "since": iso_text(alert.since),
        "history": alert.fingerprint in status.untold,
    }
