"""What Dify's rows themselves show `monitor doctor`: how many, how old, from the future, kept elsewhere, left out.

Each question costs a few blocks, by an index, or is not asked. Called by `diagnosis`.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

from monitor.model import Diagnosis
from monitor.normalise.rows import AppRow
from monitor.ports import Clock
from monitor.sources.dify_database.choice import Choice, Include, Selection
from monitor.sources.dify_database.inquiry import Inquiry
from monitor.sources.dify_database.postgres import PostgresTables
from monitor.sources.dify_database.since import since_us

__all__ = ["Asked", "RowsOf", "rows_findings"]

_DAY_US = 86_400_000_000
_OURS = ("messages", "message_agent_thoughts", "workflow_runs", "workflow_node_executions")
_USUAL_DAYS = (30, 1.5)
"""What Dify's clean-up jobs keep unless they are told otherwise, and how near to that is no accident."""
_MOST = 1000
_MODES = ("completion", "chat", "agent-chat", "advanced-chat", "workflow", "rag-pipeline", "channel", "agent")
_CALLERS = (
    "service-api", "openapi", "web-app", "explore", "debugger", "trigger", "published", "validation",
    "app-run", "debugging", "webhook", "schedule", "plugin", "rag-pipeline-run", "rag-pipeline-debugging",
    "single-step",
)  # fmt: skip
"""Dify's words for where a turn was called from; of runs without a message, for what triggered them."""
_MOST_ALIKE = 3
_WRONG_ZONE_US = 25 * 60 * 1_000_000

Found = tuple[str, Callable[[], Iterable[Diagnosis]]]


class Asked(Protocol):
    """The settings of a source that a diagnosis looks at."""

    @property
    def since(self) -> str:
        """As it is written."""
        ...

    @property
    def statement_timeout(self) -> int:
        """In ns."""
        ...

    @property
    def include(self) -> Selection:
        """What is wanted."""
        ...

    @property
    def exclude(self) -> Selection:
        """What is not."""
        ...


class RowsOf(NamedTuple):
    """Whose rows are looked at, and for which settings."""

    inquiry: Inquiry
    tables: PostgresTables
    config: Asked
    clock: Clock


def rows_findings(of: RowsOf) -> tuple[Found, ...]:
    """Name and check of each question; the checks raise Retryable, Permanent or Auth."""
    return (
        ("rows", lambda: _sizes(of)),
        ("times", lambda: _future(of)),
        ("retention", lambda: _retention(of)),
        ("runs", lambda: _elsewhere(of)),
        ("payloads", lambda: _offloaded(of)),
        ("apps", lambda: _chosen(of)),
        ("since", lambda: _since(of)),
    )


def _sizes(of: RowsOf) -> Iterator[Diagnosis]:
    rows = of.inquiry.rows("sizes", tables=list(_OURS))
    if not any(count for _, count, *_ in rows):
        yield Diagnosis("rows", "ok", "none, or the tables were never analysed by the server")
        return
    told = ", ".join(f"{count:,} in {table}" for table, count, *_ in sorted(rows, key=lambda row: _OURS.index(row[0])))
    yield Diagnosis("rows", "ok", f"about {told}")


# -- times


def _future(of: RowsOf) -> Iterator[Diagnosis]:
    now_us = _now_us(of)
    asked = [("messages", "future_messages")] if of.inquiry.probe.begins("messages", "created_at") else []
    if of.inquiry.probe.begins("workflow_runs", "created_at"):
        asked.append(("workflow_runs", "future_runs"))
    for table, question in asked:
        ((count, farthest_us),) = of.inquiry.rows(question)
        if count:
            ahead_us = farthest_us - now_us
            more = "or more " if count >= _MOST else ""
            zone = " Dify's API and worker must run in UTC: is TZ set there?" if ahead_us > _WRONG_ZONE_US else ""
            yield Diagnosis(
                "times",
                "warning",
                f"{count} {more}rows of {table} lie in the future, by up to {_length(ahead_us)}: they are read, and "
                "their age in metrics and alerts is wrong",
                f"Set the clocks of Dify's machines by NTP.{zone}",
            )


def _now_us(of: RowsOf) -> int:
    return int(of.inquiry.rows("clock")[0][0])


def _retention(of: RowsOf) -> Iterator[Diagnosis]:
    now_us, indexed = _now_us(of), of.inquiry.probe.begins("workflow_runs", "created_at")
    messages_us = _first(of.inquiry.rows("oldest_message"))
    runs_us = _first(of.inquiry.rows("oldest_run")) if indexed else None
    if messages_us is None and runs_us is None:
        yield Diagnosis("retention", "ok", "there is no message and no run yet")
        return
    told = [f"messages since {_day(messages_us)}" if messages_us is not None else "no message"]
    if runs_us is not None:
        told.append(f"runs since {_day(runs_us)}")
    elif indexed:
        told.append("no run")
    ages = [now_us - us for us in (messages_us, runs_us) if us is not None]
    usual, near = _USUAL_DAYS
    cleaned = any(abs(age / _DAY_US - usual) < near for age in ages)
    more = "; that looks like a clean-up after 30 days" if cleaned else ""
    yield Diagnosis(
        "retention",
        "ok",
        f"Dify still holds {' and '.join(told)}{more}. Whether its clean-up is on can't be seen in the "
        "database; `monitor status` says up to when its rows may be deleted",
    )


def _first(rows: list[tuple[int | None]]) -> int | None:
    return rows[0][0] if rows else None


def _since(of: RowsOf) -> Iterator[Diagnosis]:
    if not of.config.since:
        return
    begin_us = since_us(of.config.since, of.clock.now_ns())
    newest_us = _newest_us(of)
    if newest_us is not None and begin_us > newest_us:
        yield Diagnosis(
            "since",
            "warning",
            f"`since: {of.config.since}` begins at {_day(begin_us)}, behind the newest row, of {_day(newest_us)}: "
            "a first start finds nothing until there are newer ones",
            "Name an earlier moment, or leave `since` out to read everything. It only matters at the first start.",
        )
    else:
        yield Diagnosis("since", "ok", f"a first start begins with rows of {_day(begin_us)}")


def _newest_us(of: RowsOf) -> int | None:
    """The newest row's creation; None where there is none, or no index leads to it."""
    probe, found = of.inquiry.probe, []
    for table, question in (("messages", "newest_message"), ("workflow_runs", "newest_run")):
        if not probe.begins(table, "created_at"):
            return None
        found += of.inquiry.rows(question)
    return max((row[0] for row in found), default=None)


# -- what is kept elsewhere


def _elsewhere(of: RowsOf) -> Iterator[Diagnosis]:
    with of.tables.snapshot() as snapshot:
        external = snapshot.external_runs()
    if external:
        yield Diagnosis(
            "runs",
            "problem",
            "messages name workflow runs that this database does not hold: Dify keeps its runs elsewhere (Logstore). "
            "Their messages are read, their nodes and tool calls are not",
            "Set LOGSTORE_DUAL_WRITE_ENABLED=true in Dify's environment, so that it writes its runs here as well.",
        )


def _offloaded(of: RowsOf) -> Iterator[Diagnosis]:
    rows = of.inquiry.rows("offloaded")
    count = rows[0][0] if rows else 0
    if count:
        more = "or more " if count >= _MOST else ""
        yield Diagnosis(
            "payloads",
            "ok",
            f"{count} {more}long texts of nodes lie in Dify's object storage; here they are cut short, and marked so",
        )


# -- include and exclude


def _chosen(of: RowsOf) -> Iterator[Diagnosis]:
    include, exclude = of.config.include, of.config.exclude
    apps = {row[0]: AppRow(*row) for row in [*of.inquiry.rows("pipelines"), *of.inquiry.rows("apps")]}
    choice = Choice(_of_apps(include), _of_apps(exclude))
    wanted = sum(choice.admits(app, "") for app in apps.values())
    if choice.everything:
        yield Diagnosis("apps", "ok", f"all are read: {len(apps)} apps and knowledge pipelines")
    elif wanted or not apps:
        yield Diagnosis("apps", "ok", f"{wanted} of {len(apps)} apps and knowledge pipelines are read")
    else:
        yield Diagnosis(
            "apps",
            "problem",
            f"include and exclude leave out all {len(apps)} apps: nothing is read",
            "Correct the names under include and exclude; `monitor init` lists this Dify's.",
        )
    for setting, selection in (("include", include), ("exclude", exclude)):
        yield from _unmatched(setting, selection, apps)


def _of_apps(selection: Selection) -> Selection:
    """The selection without what is not known of an app as such."""
    return selection.model_copy(update={"invoke_from": ()})


def _unmatched(setting: str, selection: Selection, apps: Mapping[str, AppRow]) -> Iterator[Diagnosis]:
    """Words that name nothing in this Dify, each with those that were perhaps meant."""
    known = apps.values()
    words = {
        "apps": [name for app in known for name in (app.name, app.id)],
        "workspaces": [name for app in known for name in (app.tenant_name, app.tenant_id)],
        "modes": [*_MODES, *(app.mode for app in known)],
        "invoke_from": list(_CALLERS),
    }
    for field, names in words.items():
        for word in getattr(selection, field):
            if not _names_one(word, names):
                alike = difflib.get_close_matches(word, names, n=3, cutoff=0.5)
                meant = (
                    f"Did you mean {', '.join(map(repr, dict.fromkeys(alike)))}?" if alike else "See `monitor init`."
                )
                yield Diagnosis("apps", "warning", f"{setting}.{field}: {word!r} names nothing in this Dify", meant)


def _names_one(word: str, names: Iterable[str]) -> bool:
    """Whether the word, which may have `*` and `?`, means one of the names."""
    choice = Choice(Include(modes=(word,)))
    return any(choice.admits(AppRow("", "", "", name), "") for name in names)


# -- words


def _day(us: int) -> str:
    try:
        return f"{datetime.fromtimestamp(us / 1_000_000, UTC):%Y-%m-%d %H:%M} UTC"
    except (OverflowError, ValueError, OSError):
        return "a time beyond the calendar"


def _length(us: int) -> str:
    minutes = us // 60_000_000
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"  # noqa: PLR2004
