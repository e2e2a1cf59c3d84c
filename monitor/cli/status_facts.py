"""What `monitor status` knows of a journal, and what of it needs a person.

Reads one `Survey`, so all of it is as of one moment; prints nothing (status_text.py). What counts as a problem is told
in docs/howto/operate.md, as the exit code rests on it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from types import MappingProxyType

import msgspec

from monitor.cli.printing import local_text
from monitor.errors import JournalFull
from monitor.journal.survey import Survey
from monitor.metrics.projection import CONSUMER as METRICS
from monitor.model import Alert, Coverage
from monitor.model.answers import Backlog, Gaps, Holder, Parked, Reading, Turns
from monitor.replay.plain import one_line
from monitor.replay.words import duration_text, plural
from monitor.runtime.alert_rows import CONSUMER as RULES
from monitor.runtime.alert_rows import firing_in

__all__ = ["BEHIND_NS", "Limits", "Names", "Problem", "Status", "take_status"]

_S_NS = 1_000_000_000
BEHIND_NS = 600 * _S_NS
"""What a running sidecar may be behind before somebody should look."""

_UNREAD_NS = 86_400 * _S_NS
"""How long nothing may be read while no sidecar runs: `monitor run --once` may be started once a day."""
_FRESH_GAP_NS = 86_400 * _S_NS
"""How long a gap is news. It stays in the journal for ever, and must not hide what comes after it."""
_LET_IT_READ = "Switch Dify's clean-up off until the source has caught up, or let the sidecar run without a pause."
_KEEP_LONGER = (
    "What is lost stays lost: `monitor replay` shows the gaps. Let Dify keep its rows for longer than the sidecar may "
    "be away (WORKFLOW_LOG_RETENTION_DAYS, SANDBOX_EXPIRED_RECORDS_RETENTION_DAYS)."
)
_LOSSES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "at_risk": ("Dify's clean-up will soon delete what was not read yet", _LET_IT_READ),
        "overtaken": ("Dify's clean-up has deleted rows that were never read", _KEEP_LONGER),
    }
)
"""What a coverage's state means where it is not `safe`, and what to do."""


class Names(msgspec.Struct, frozen=True):
    """Who should be there by the configuration."""

    sources: Collection[str]
    consumers: Collection[str]


class Limits(msgspec.Struct, frozen=True):
    """From when on a sidecar reads no more."""

    max_bytes: int | None
    min_free_bytes: int


class Problem(msgspec.Struct, frozen=True):
    """Something that needs a person."""

    problem: str
    remedy: str


class Status(msgspec.Struct, frozen=True):
    """A journal at one moment. Times in ns."""

    at: int
    path: str
    bytes: int
    events: int
    recorded_at: tuple[int, int] | None
    """When the oldest and the newest event were recorded."""
    turns: Turns
    holder: Holder | None
    sources: tuple[Reading, ...]
    consumers: tuple[Backlog, ...]
    parked: tuple[Parked, ...]
    dropped: Mapping[tuple[str, str], int]
    alerts: tuple[Alert, ...]
    """Those that fire."""
    untold: frozenset[str]
    """Fingerprints of those of them that are history: their facts were old when they were read, so nobody was told."""
    gaps: Gaps
    coverages: Mapping[str, Coverage]
    """By source, for those that have said it."""
    full: str
    """Why no more is read; empty while there is room."""
    names: Names | None
    """None where no configuration says who should be there."""
    problems: tuple[Problem, ...] = ()

    @property
    def running_ns(self) -> int:
        """For how long a sidecar has been running."""
        return 0 if self.holder is None else max(0, self.at - self.holder.since)

    def is_configured(self, name: str) -> bool:
        """Whether a source or consumer should be there; so it is taken to be where nothing says otherwise."""
        if self.names is None:
            return True
        return name.removeprefix("erase:") in self.names.sources or name in self.names.consumers


def take_status(survey: Survey, names: Names | None, limits: Limits, now_ns: int) -> Status:
    """All of it, with its problems. Raises Retryable and JournalError."""
    alerts, untold = firing_in(survey.projected(RULES))
    status = Status(
        at=now_ns,
        path=str(survey.path),
        bytes=survey.size_bytes(),
        events=survey.events(),
        recorded_at=survey.recorded_at(),
        turns=survey.turns(),
        holder=survey.holder(),
        sources=tuple(_readings(survey, names)),
        consumers=tuple(survey.backlog(name) for name in _consumers(survey, names)),
        parked=tuple(survey.parked()),
        dropped=survey.dropped(),
        alerts=alerts,
        untold=untold,
        gaps=survey.gaps(),
        coverages=survey.coverages(),
        full=_full(survey, limits),
        names=names,
    )
    return msgspec.structs.replace(status, problems=tuple(_problems(status)))


def _readings(survey: Survey, names: Names | None) -> Iterator[Reading]:
    known = survey.readings()
    yield from known
    for name in names.sources if names else ():
        if name not in {reading.source for reading in known}:
            yield Reading(name, None)


def _consumers(survey: Survey, names: Names | None) -> Iterable[str]:
    """Those with a cursor, and those who should have one: a sink that never took anything has none."""
    return dict.fromkeys((METRICS, RULES, *survey.consumers(), *(names.consumers if names else ())))


def _full(survey: Survey, limits: Limits) -> str:
    try:
        survey.check_room(limits.max_bytes, limits.min_free_bytes)
    except JournalFull as exc:
        return str(exc)
    return ""


def _problems(status: Status) -> Iterator[Problem]:
    if status.full:
        yield Problem(status.full, "Raise the limit, or give the journal a larger disk. What is stored stays.")
    for reading in status.sources:
        yield from _of_source(status, reading)
    for backlog in status.consumers:
        yield from _of_consumer(status, backlog)
    for parked in status.parked:
        yield from _of_parked(parked)
    yield from _of_gaps(status)
    for name, coverage in status.coverages.items():
        if status.is_configured(name):
            yield from _of_coverage(status, one_line(name), coverage)


def _of_source(status: Status, reading: Reading) -> Iterator[Problem]:
    if not status.is_configured(reading.source):
        return
    name = one_line(reading.source)
    if status.holder is None:
        if reading.committed_at is not None and status.at - reading.committed_at > _UNREAD_NS:
            said = _for(status.at - reading.committed_at)
            yield Problem(
                f"source {name} was not read for {said}, and no sidecar runs.",
                "Start `monitor run`, or `monitor run --once` from cron. Dify keeps the facts meanwhile.",
            )
        return
    unread_ns = min(status.running_ns, status.at - (reading.committed_at or 0))
    if unread_ns > BEHIND_NS:
        yield Problem(
            f"source {name} was not read for {_for(unread_ns)}, though the sidecar runs.",
            "See source_not_read in its log: Dify's database, its address or its role, or a full journal.",
        )


def _of_consumer(status: Status, backlog: Backlog) -> Iterator[Problem]:
    if backlog.oldest_at is None or status.holder is None or not status.is_configured(backlog.consumer):
        return
    waiting_ns = min(status.running_ns, status.at - backlog.oldest_at)
    if waiting_ns > BEHIND_NS:
        what = f"{one_line(backlog.consumer)} is behind by {plural(backlog.events, 'event')}, {_for(waiting_ns)}."
        yield Problem(what, _remedy(backlog.consumer))


def _remedy(consumer: str) -> str:
    kind, _, _ = consumer.partition(":")
    if kind == "sink":
        return (
            "See sink_unavailable or sink_refused_credentials in the sidecar's log. "
            "Nothing is lost; while a long past is read, it only takes its time."
        )
    if kind == "notify":
        return "See notifier_unavailable or notifier_refused_credentials in the sidecar's log. Nothing is lost."
    return "See worker_failed in the sidecar's log. While a long past is read, it only takes its time."


def _of_parked(parked: Parked) -> Iterator[Problem]:
    left = parked.events - parked.marked
    if left:
        name = one_line(parked.consumer)
        yield Problem(
            f"{name} gave up {plural(left, 'event')} as {one_line(parked.reason)}.",
            "See `monitor rejected list`, then `monitor rejected retry` or `monitor rejected drop`.",
        )


def _of_gaps(status: Status) -> Iterator[Problem]:
    gaps = status.gaps
    if gaps.newest_at is not None and status.at - gaps.newest_at < _FRESH_GAP_NS:
        yield Problem(
            f"{one_line(gaps.newest_what)} could not be read ({one_line(gaps.newest_reason)}), "
            f"{_for(status.at - gaps.newest_at)} ago.",
            "A newer Dify may need a newer `monitor`. `monitor replay` shows what is there of a turn; "
            "after a day this is no longer a problem here.",
        )


def _of_coverage(status: Status, name: str, coverage: Coverage) -> Iterator[Problem]:
    """What Dify's clean-up takes before it was read, and what a comparison found missing."""
    if coverage.state in _LOSSES:
        what, remedy = _LOSSES[coverage.state]
        behind = f", which is {_for(status.at - coverage.purge_safe_at)} ago" if coverage.purge_safe_at else ""
        safe = f" Rows are safe to delete up to {local_text(coverage.purge_safe_at)}{behind}."
        yield Problem(f"source {name}: {what}.{safe if coverage.purge_safe_at else ''}", remedy)
    if coverage.missing and status.at - coverage.checked_at > BEHIND_NS:
        yield Problem(
            f"source {name}: {plural(coverage.missing, 'row')} that Dify holds are not recorded, "
            f"as of a comparison {_for(status.at - coverage.checked_at)} ago.",
            "They are read again by themselves; if this stays, see source_gap and source_not_read in the sidecar's "
            "log. Do not let Dify delete them before.",
        )


def _for(ns: int) -> str:
    return duration_text(max(0, ns) / _S_NS)
