"""What the evaluator knows and what one batch of it changes: rows of groups and alerts, and drafts of them.

Rows stand in the journal as `group/{rule}/{digest}/{fingerprint}` and `alert/{fingerprint}`. A draft lies over the
committed rows and is either thrown away or, after its commit, taken over. `monitor.runtime.evaluator` uses all of this;
who only looks into a journal asks `firing_in`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import msgspec

from monitor.errors import JournalDamaged
from monitor.model import Alert, AlertChanged, Event, Finding, Recorded
from monitor.ports import Projection
from monitor.rules.definition import LoadedRule, render_text
from monitor.rules.matcher import fields_of
from monitor.rules.state import Change, Policy, Standing

__all__ = ["CONSUMER", "Draft", "Group", "Judged", "Overlay", "Raised", "firing", "firing_in"]

CONSUMER = "rules"
"""The cursor's and the projection's name in the journal."""

_ALERT = "alert/"
_RANK = 100
"""Alert changes have one way in, so the number only has to stay the same."""
_Row = TypeVar("_Row")


class Group(msgspec.Struct, frozen=True, array_like=True):
    """What one rule knows of one group."""

    state: bytes
    newest_ns: int
    """The latest end among the facts folded."""
    seq: int
    """Position of the fact folded last."""


class Raised(msgspec.Struct, frozen=True, omit_defaults=True):
    """One alert, kept from its first change on for ever: its number of changes must never go back."""

    standing: Standing = Standing()
    definition: str = ""
    """The rule's name and digest; empty while inactive, as the two below."""
    alert: Alert | None = None


class Overlay(Generic[_Row]):
    """Changes to committed rows that can still be thrown away."""

    def __init__(self, rows: dict[str, _Row]) -> None:
        self._rows = rows
        self.changed: dict[str, _Row | None] = {}

    def get(self, key: str) -> _Row | None:
        """The row as the draft sees it."""
        return self.changed[key] if key in self.changed else self._rows.get(key)

    def put(self, key: str, row: _Row) -> None:
        """Write a row."""
        self.changed[key] = row

    def drop(self, key: str) -> None:
        """Delete a row."""
        self.changed[key] = None

    def items(self) -> list[tuple[str, _Row]]:
        """All rows as the draft sees them."""
        both = self._rows | self.changed
        return [(key, row) for key, row in both.items() if row is not None]

    def adopt(self) -> None:
        """Change the rows themselves."""
        for key, row in self.changed.items():
            if row is None:
                self._rows.pop(key, None)
            else:
                self._rows[key] = row


@dataclass
class Judged:
    """One rule in force with what is known of its groups, by fingerprint."""

    loaded: LoadedRule
    groups: dict[str, Group] = field(default_factory=dict)

    def __post_init__(self) -> None:
        definition = self.loaded.definition
        self.name = definition.name
        self.id = f"{definition.name}/{definition.digest}"
        self.policy = Policy(definition.for_ns, definition.keep_firing_for_ns)

    def alert(self, mark: str, labels: dict[str, str], finding: Finding, recorded: Recorded) -> Alert:
        """The alert as this fact shows it; its texts are those of the last fact for which it held."""
        definition = self.loaded.definition
        values = fields_of(recorded) | labels | {"value": _number(finding.value)}
        return Alert(
            fingerprint=mark,
            rule=self.name,
            labels=labels,
            severity=definition.severity,
            summary=render_text(definition.summary, values),
            description=render_text(definition.description, values),
            runbook=definition.runbook,
            state="inactive",
            since=0,
            changes=0,
            value=finding.value,
            evidence=finding.evidence,
        )


class Draft:
    """What one batch changes."""

    def __init__(self, judged: Sequence[Judged], alerts: dict[str, Raised]) -> None:
        self.groups = {rule.id: Overlay(rule.groups) for rule in judged}
        self.alerts = Overlay(alerts)
        self.cause = -1
        """Position of the fact in work; -1 where time or a new definition causes changes."""
        self._events: list[tuple[int, Event]] = []
        self.gone: list[str] = []
        """Keys of states that no rule in force wants."""

    @property
    def changed(self) -> bool:
        """Whether any alert changed."""
        return bool(self._events)

    def write(self, mark: str, raised: Raised, standing: Standing, change: Change | None) -> None:
        """The alert's new row, and the event where it changed. `raised` has what is shown, `standing` what is true."""
        if raised.alert is None:
            return
        over = standing.phase == "inactive"
        alert = msgspec.structs.replace(
            raised.alert,
            state=standing.phase if change is None else change.now,
            since=raised.standing.since_ns if over else standing.since_ns,
            changes=standing.changes,
        )
        self.alerts.put(mark, Raised(standing) if over else Raised(standing, raised.definition, alert))
        if change is not None:
            self._events.append((self.cause, _event(alert, change)))

    def projection(self) -> Projection:
        """All of it, for one commit; events in the order of the facts that caused them."""
        rows: dict[str, Raised | Group | None] = {}
        rows |= {f"{_ALERT}{mark}": row for mark, row in self.alerts.changed.items()}
        for rule_id, overlay in self.groups.items():
            rows |= {f"group/{rule_id}/{mark}": row for mark, row in overlay.changed.items()}
        puts = {key: msgspec.msgpack.encode(row) for key, row in rows.items() if row is not None}
        deletes = [key for key, row in rows.items() if row is None]
        in_order = sorted(self._events, key=lambda pair: pair[0])  # rules are judged one after the other
        return Projection(puts=puts, deletes=(*deletes, *self.gone), events=[event for _, event in in_order])

    def adopt(self) -> None:
        """The commit is through: make the changes true."""
        self.alerts.adopt()
        for overlay in self.groups.values():
            overlay.adopt()


def _event(alert: Alert, change: Change) -> Event:
    return Event(
        key=f"alert:{alert.fingerprint}:{alert.changes}",
        rank=_RANK,
        changed_at=change.at_ns,
        occurred_at=change.at_ns,
        body=AlertChanged(
            alert=alert,
            was=change.was,
            now=change.now,
            reason=change.reason,
            late=change.late,
            history=change.history,
        ),
    )


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() else f"{value:.6g}"


def firing_in(projected: Mapping[str, bytes]) -> tuple[tuple[Alert, ...], frozenset[str]]:
    """The alerts that fire as of a journal's `projected(CONSUMER)`, oldest first, and those said to nobody.

    The latter by fingerprint. Raises JournalDamaged.
    """
    rows = [row for key, row in projected.items() if key.startswith(_ALERT)]
    try:
        raised = [msgspec.msgpack.decode(row, type=Raised) for row in rows]
        alerts = firing(raised)
        told = {one.alert.fingerprint for one in raised if one.alert and one.standing.told}
        return alerts, frozenset(alert.fingerprint for alert in alerts) - told
    except (msgspec.DecodeError, ValueError) as exc:
        raise JournalDamaged(f"an alert's row in the journal can't be read: {exc}") from exc


def firing(rows: Iterable[Raised]) -> tuple[Alert, ...]:
    """The alerts that fire, oldest first."""
    alerts = [row.alert for row in rows if row.standing.phase == "firing" and row.alert]
    return tuple(sorted(alerts, key=lambda alert: (alert.since, alert.fingerprint)))
