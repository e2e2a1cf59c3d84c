"""Judges the alert rules over the journal: a worker that folds events, moves alerts and writes down each change.

The states of rules and alerts, the cursor and the AlertChanged events commit together, so a crash neither loses
nor repeats a change. What stands in memory is a copy of what was committed: each batch works on a draft that is
taken over only after its commit. Telling people is the courier's work. The supervisor calls `step`.

Rules begin where the cursor stands when they are first loaded, at the very first start with all that the journal
holds. A definition that judges differently begins anew, and what fired under the old one ends.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from monitor.errors import ConfigError, JournalError, MonitorError, Retryable
from monitor.model import Alert, Finding, Recorded, StepEnded, TurnEnded
from monitor.ports import Batch, Clock, Journal, Projection
from monitor.rules.definition import LoadedRule
from monitor.rules.state import Moment, Reason, deadline_ns, fingerprint, observe, retire
from monitor.runtime.alert_rows import CONSUMER, Draft, Group, Judged, Raised, firing
from monitor.runtime.worker import Outcome

__all__ = ["CONSUMER", "Evaluator"]

_HOUR_NS = 3_600_000_000_000
_SECOND_NS = 1_000_000_000
_RETRY_S = 5.0
_NOTHING_KNOWN = Finding("no_data")


class Evaluator:
    """Implements `monitor.runtime.worker.Worker`. Reads what is known from the journal when it is built."""

    name = CONSUMER

    def __init__(
        self,
        journal: Journal,
        rules: Sequence[LoadedRule],
        clock: Clock,
        *,
        on_error: Callable[[str, Exception], None],
        on_judged: Callable[[str, float], None] = lambda _rule, _seconds: None,
        max_age_ns: int = _HOUR_NS,
        max_groups: int = 10_000,
        limit: int = 500,
    ) -> None:
        """`on_error` is told the rule's name and what went wrong; that fact is then passed over by that rule.

        `on_judged` is told the rule's name and how many seconds it took for a batch.
        A change whose fact had ended more than `max_age_ns` before it was read is history: recorded, never notified.
        Above `max_groups` groups a rule forgets those that were quiet longest and have no alert, and says so.
        Raises ConfigError for two rules of one name, JournalError.
        """
        self._journal, self._clock, self._on_error = journal, clock, on_error
        self._on_judged = on_judged
        self._max_age_ns, self._max_groups, self._limit = max_age_ns, max_groups, limit
        self._rules = _apart(rules)
        self._kinds = frozenset(kind for loaded in rules for kind in loaded.rule.needs)
        self._current = False
        self._load()

    def step(self) -> Outcome:
        """Judge one batch; where nothing is left to read, time passes. What the journal refuses is tried again."""
        try:
            batch = self._judge_batch()
        except (JournalError, Retryable) as exc:
            return Outcome(retry_in_s=_RETRY_S, error=exc)
        if batch.events or batch.behind or self._draft.changed:
            return Outcome(progressed=True)
        return Outcome(due_in_s=self._due_in_s())

    def firing(self) -> tuple[Alert, ...]:
        """The alerts that fire now, oldest first, those from history too. May be called from any thread."""
        return self._firing

    def _judge_batch(self) -> Batch:
        if not self._current:
            self._load()
        self._current = False  # until the commit is known to have worked, memory is not to be trusted
        batch = self._journal.project(CONSUMER, limit=self._limit, kinds=self._kinds, content=False, apply=self._apply)
        self._adopt()
        return batch

    def _load(self) -> None:
        """Start from what is committed."""
        self._judged = {rule.id: rule for rule in map(Judged, self._rules)}
        self._alerts: dict[str, Raised] = {}
        self._gone: list[str] = []
        for key, row in self._journal.projected(CONSUMER).items():
            self._load_row(key, row)
        self._orphans = [mark for mark, raised in self._active() if raised.definition not in self._judged]
        self._draft = self._new_draft()
        self._show()
        self._current = True

    def _load_row(self, key: str, row: bytes) -> None:
        sort, _, rest = key.partition("/")
        if sort == "alert":
            self._alerts[rest] = msgspec.msgpack.decode(row, type=Raised)
            return
        rule_id, _, mark = rest.rpartition("/")
        if rule_id in self._judged:
            self._judged[rule_id].groups[mark] = msgspec.msgpack.decode(row, type=Group)
        else:
            self._gone.append(key)

    def _adopt(self) -> None:
        """The draft was committed: it is what is known now."""
        self._draft.adopt()
        self._gone, self._orphans = [], []
        if self._draft.alerts.changed:
            self._show()
        self._current = True

    def _show(self) -> None:
        self._firing = firing(self._alerts.values())

    def _new_draft(self) -> Draft:
        return Draft(list(self._judged.values()), self._alerts)

    def _active(self) -> list[tuple[str, Raised]]:
        return [(mark, row) for mark, row in self._alerts.items() if row.standing.phase != "inactive"]

    def _apply(self, events: Sequence[Recorded]) -> Projection:
        """Work out what a batch changes, from the committed state alone: it may be called again."""
        self._draft = self._new_draft()
        self._retire()
        for judged in self._judged.values():
            self._judge(judged, events)
        return self._draft.projection()

    def _judge(self, judged: Judged, events: Sequence[Recorded]) -> None:
        """One rule over one batch."""
        begun = self._clock.monotonic()
        for recorded in events:
            self._guarded(judged, self._fold, judged, recorded)
        if not events:
            self._pass_time(judged)
        self._forget(judged)
        self._on_judged(judged.name, self._clock.monotonic() - begun)

    def _guarded(self, judged: Judged, work: Callable[..., None], *given: object) -> None:
        """One rule's mistake must not stop the others, nor the cursor."""
        try:
            work(*given)
        except Exception as exc:  # noqa: BLE001 - a bulkhead: whatever a rule raises is its own affair
            self._on_error(judged.name, exc)

    def _retire(self) -> None:
        """End what fired under definitions that are gone, and drop their states."""
        self._draft.gone = list(self._gone)
        names = {judged.name for judged in self._judged.values()}
        for mark in self._orphans:
            raised = self._alerts[mark]
            known = raised.definition.partition("/")[0] in names
            reason: Reason = "rule_changed" if known else "rule_removed"
            standing, change = retire(raised.standing, reason, self._clock.now_ns())
            self._draft.write(mark, raised, standing, change)

    def _fold(self, judged: Judged, recorded: Recorded) -> None:
        """One fact for one rule. Nothing is written to the draft before all of it was worked out."""
        rule = judged.loaded.rule
        labels = rule.group(recorded)
        if labels is None:
            return
        labels = labels | judged.loaded.definition.labels
        mark = fingerprint(judged.name, labels)
        group = self._draft.groups[judged.id].get(mark) or Group(rule.start(), 0, 0)
        at = _ended_ns(recorded)
        now = max(at, group.newest_ns)
        fresh = recorded.recorded_at - at <= self._max_age_ns
        moment = Moment(now, at, fresh=fresh, late=at < group.newest_ns)
        state = rule.fold(group.state, recorded)
        before, finding = rule.judge(group.state, now), rule.judge(state, now)
        alert = judged.alert(mark, labels, finding, recorded) if finding.verdict == "holds" else None
        self._draft.cause = recorded.seq
        self._draft.groups[judged.id].put(mark, Group(state, now, recorded.seq))
        self._move(judged, mark, before, Moment(now))
        self._move(judged, mark, finding, moment, alert)

    def _pass_time(self, judged: Judged) -> None:
        for mark, raised in self._active():
            if raised.definition == judged.id:
                self._guarded(judged, self._age, judged, mark)

    def _age(self, judged: Judged, mark: str) -> None:
        """Nothing is left to read: our clock moves this alert."""
        group = judged.groups.get(mark)
        now = max(self._clock.now_ns(), group.newest_ns if group else 0)
        finding = judged.loaded.rule.judge(group.state, now) if group else _NOTHING_KNOWN
        self._move(judged, mark, finding, Moment(now))

    def _move(self, judged: Judged, mark: str, finding: Finding, moment: Moment, alert: Alert | None = None) -> None:
        raised = self._draft.alerts.get(mark) or Raised()
        if raised.standing.phase == "inactive" and alert is None:
            return
        standing, change = observe(raised.standing, finding, judged.policy, moment)
        shown = Raised(raised.standing, judged.id, alert or raised.alert)
        if change is not None or standing != raised.standing or alert is not None:
            self._draft.write(mark, shown, standing, change)

    def _forget(self, judged: Judged) -> None:
        """Keep the number of groups bounded. Those with an alert stay: somebody waits for their end."""
        overlay = self._draft.groups[judged.id]
        if len(judged.groups) + len(overlay.changed) <= self._max_groups:
            return
        groups = overlay.items()
        surplus = len(groups) - self._max_groups
        if surplus <= 0:
            return
        quiet = sorted((row.seq, mark) for mark, row in groups if not self._has_alert(mark))
        forgotten = quiet[: surplus + self._max_groups // 10]
        for _, mark in forgotten:
            overlay.drop(mark)
        problem = f"more than {self._max_groups} groups: {len(forgotten)} that were quiet longest begin anew"
        self._on_error(judged.name, MonitorError(problem))

    def _has_alert(self, mark: str) -> bool:
        raised = self._draft.alerts.get(mark)
        return raised is not None and raised.standing.phase != "inactive"

    def _due_in_s(self) -> float | None:
        """Seconds until time alone changes an alert."""
        due = [
            deadline
            for _, raised in self._active()
            if (deadline := deadline_ns(raised.standing, self._judged[raised.definition].policy)) is not None
        ]
        return max(0, min(due) - self._clock.now_ns()) / _SECOND_NS if due else None


def _apart(rules: Sequence[LoadedRule]) -> list[LoadedRule]:
    names = [loaded.definition.name for loaded in rules]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError("two rules have this name", path="name", value=twice[0], remedy="Rename one of them")
    return list(rules)


def _ended_ns(recorded: Recorded) -> int:
    """When the fact ended in Dify."""
    body = recorded.event.body
    if isinstance(body, StepEnded):
        return body.step.ended_at
    return body.ended_at if isinstance(body, TurnEnded) else recorded.event.occurred_at
