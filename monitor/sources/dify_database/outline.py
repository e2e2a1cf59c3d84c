"""What a Dify has, in brief: version, workspaces, apps and how busy they are. For `monitor init`."""

from __future__ import annotations

from typing import Any

import msgspec

from monitor.errors import Auth, Permanent, Retryable
from monitor.normalise.rows import AppRow
from monitor.sources.dify_database.inquiry import Inquiry, tables_of
from monitor.sources.dify_database.probe import MUST_HAVE
from monitor.sources.dify_database.versions import version_text

__all__ = ["AppOutline", "Outline", "outline"]

_DAYS = 7
_FEW_RUNS = 100_000
"""So many runs may be counted without an index."""


class AppOutline(msgspec.Struct, frozen=True):
    """One app."""

    id: str
    name: str
    mode: str
    workspace: str
    turns_a_day: float | None
    """Over the last week; None: not counted."""


class Outline(msgspec.Struct, frozen=True):
    """A Dify at one moment."""

    version: str
    postgres: str
    apps: tuple[AppOutline, ...]
    """The busiest first."""
    workspaces: tuple[str, ...]
    messages: int
    """About how many, by the server's own statistics."""
    runs: int
    runs_indexed: bool
    oldest_us: int | None
    """Creation of the oldest message; None: there is none."""
    lacking: bool
    """Whether the role that was used may not read all that a sidecar reads."""

    @property
    def turns_a_day(self) -> float:
        """Over all apps."""
        return sum(app.turns_a_day or 0.0 for app in self.apps)


def outline(url: str) -> Outline:
    """Ask the database of a URL. Raises Retryable, Permanent or Auth."""
    tables = tables_of(url)
    try:
        return _outline(Inquiry(tables))
    finally:
        tables.close()


def _outline(inquiry: Inquiry) -> Outline:
    probe = inquiry.probe
    if not probe.has("messages") or not probe.has("apps"):
        raise Permanent("this is no database of Dify's: it has no tables messages and apps", reason="database")
    sizes = {row[0]: int(row[1]) for row in inquiry.rows("sizes", tables=["messages", "workflow_runs"])}
    revisions = [row[0] for row in inquiry.rows("revision")]
    indexed = probe.begins("workflow_runs", "created_at")
    oldest = _tried(inquiry, "oldest_message") if probe.begins("messages", "created_at") else []
    apps = _apps(inquiry, count_runs=indexed or sizes.get("workflow_runs", 0) < _FEW_RUNS)
    lacking, forbidden = probe.lacking(MUST_HAVE)
    return Outline(
        version=version_text(revisions[-1] if revisions else "", probe.columns),
        postgres=inquiry.server().version,
        apps=tuple(sorted(apps, key=lambda app: (-(app.turns_a_day or 0), app.name, app.id))),
        workspaces=tuple(sorted({app.workspace for app in apps if app.workspace})),
        messages=sizes.get("messages", 0),
        runs=sizes.get("workflow_runs", 0),
        runs_indexed=indexed,
        oldest_us=oldest[0][0] if oldest else None,
        lacking=bool(lacking or forbidden),
    )


def _apps(inquiry: Inquiry, *, count_runs: bool) -> list[AppOutline]:
    turns = _tried(inquiry, "activity")
    runs = _tried(inquiry, "run_activity") if count_runs else None
    found = []
    for row in [*inquiry.rows("apps"), *inquiry.rows("pipelines")]:
        app = AppRow(*row)
        counted = runs if app.mode in {"workflow", "rag-pipeline"} else turns
        a_day = None if counted is None else dict(counted).get(app.id, 0) / _DAYS
        found.append(AppOutline(app.id, app.name, app.mode, app.tenant_name, a_day))
    return found


def _tried(inquiry: Inquiry, question: str) -> list[Any] | None:
    """The rows; None where that takes too long, or may not be asked."""
    try:
        return inquiry.rows(question)
    except (Auth, Permanent, Retryable):
        return None
