"""The life of an alert keeps its invariants, and judging a journal is exact."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from monitor.errors import JournalError
from monitor.model import AlertChanged, Event, Finding, Recorded, StepEnded, Tool
from monitor.ports import Projection
from monitor.rules.state import Change, Moment, Policy, Standing, deadline_ns, observe
from monitor.runtime.evaluator import Evaluator
from monitor.testing.journal import MemoryJournal
from monitor.testing.rules import told
from monitor.testing.samples import BASE_NS, SECOND
from tests.unit.runtime.alert_world import RULE, FakeClock, rules

FINDINGS = st.sampled_from([Finding("holds", 1.0), Finding("clear"), Finding("no_data")])
POLICIES = st.builds(Policy, for_ns=st.sampled_from([0, 3, 10]), keep_ns=st.sampled_from([0, 3, 10]))
OBSERVED = st.lists(st.tuples(FINDINGS, st.integers(0, 8), st.sampled_from([True, False, None]), st.booleans()))


def _live(policy: Policy, observed: Sequence[tuple[Finding, int, bool | None, bool]]) -> list[tuple[Change, int]]:
    """Every change of an alert with the time when it was seen; checks each step on its way."""
    standing, now, changes = Standing(), 100, []
    for finding, passed, fresh, late in observed:
        now += passed
        at = 0 if fresh is None else now - (7 if late else 0)
        before = standing
        standing, change = observe(before, finding, policy, Moment(now, at, fresh=fresh, late=late))
        assert standing.changes == before.changes + (change is not None)
        due = deadline_ns(standing, policy)
        assert due is None or standing.phase in {"pending", "firing"}
        changes += [(change, now)] if change else []
    return changes


@given(POLICIES, OBSERVED)
def test_the_life_of_an_alert(policy: Policy, observed: list[tuple[Finding, int, bool | None, bool]]) -> None:
    """Each change begins where the last one ended; nothing happens before its time or in the future."""
    phase = "inactive"
    for change, now in _live(policy, observed):
        assert change.was == phase
        assert change.at_ns <= now
        assert (change.now == "pending") <= (policy.for_ns > 0 and phase == "inactive")
        assert (change.now == "firing") <= (phase == "pending" or policy.for_ns == 0 or change.reason == "still_holds")
        assert (change.now == "resolved") == (phase == "firing" and change.reason != "still_holds")
        phase = "inactive" if change.now == "resolved" else change.now


@given(POLICIES, OBSERVED)
def test_people_hear_of_both_ends_or_of_none(
    policy: Policy, observed: list[tuple[Finding, int, bool | None, bool]]
) -> None:
    """Of what is said, firing and resolved take turns, beginning with firing."""
    said = [change.now for change, _ in _live(policy, observed) if not change.history]
    heard = [now for now in said if now in {"firing", "resolved"}]
    assert heard == (["firing", "resolved"] * len(heard))[: len(heard)]


TOOLS = ("a", "b")
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["failed", "failed", "failed", "succeeded", "stopped", "unknown"]),
        st.sampled_from(TOOLS),
        st.sampled_from([1, 1, 1, 100]),
        st.booleans(),
    ),
    max_size=40,
)
PLAN = st.lists(st.sampled_from(["step", "step", "restart", "crash before commit", "crash after commit"]), max_size=60)
COUNT = 2
MAX_AGE_S = 60


def _naive(facts: Sequence[Recorded]) -> list[tuple[str, str, str, float, bool, bool]]:
    """What should come out, counted as a person would: tool, state, reason, value, history, late."""
    streak, firing, known, newest = (dict.fromkeys(TOOLS, 0) for _ in range(4))
    out = []
    for fact in facts:
        body = fact.event.body
        assert isinstance(body, StepEnded)
        assert body.step.tool is not None
        tool, at = body.step.tool.name, body.step.ended_at
        if body.step.status not in {"failed", "succeeded"}:
            continue
        late, newest[tool] = at < newest[tool], max(at, newest[tool])
        fresh = fact.recorded_at - at <= MAX_AGE_S * SECOND
        if body.step.status == "succeeded":
            if firing[tool]:
                out.append((tool, "resolved", "condition_cleared", streak[tool], not known[tool], late))
            streak[tool] = firing[tool] = known[tool] = 0
            continue
        streak[tool] += 1
        if streak[tool] == COUNT or (streak[tool] > COUNT and fresh and not known[tool]):
            reason = "still_holds" if firing[tool] else "condition_met"
            out.append((tool, "firing", reason, streak[tool], not fresh, late))
            firing[tool], known[tool] = 1, int(fresh)
    return out


class _Crashed(Exception):
    pass


class _Fragile(MemoryJournal):
    """A journal whose process may die on either side of a commit."""

    dies = ""

    def project(self, consumer, *, apply, **settings):  # type: ignore[no-untyped-def]
        dies, self.dies = self.dies, ""

        def work_out(events: Sequence[Recorded]) -> Projection:
            change = apply(events)
            if dies == "crash before commit":
                raise JournalError(dies)
            return change

        batch = super().project(consumer, apply=work_out, **settings)
        if dies:
            raise JournalError(dies)
        return batch


def _events(steps: Sequence[tuple[str, str, int, bool]]) -> list[tuple[Event, int]]:
    """Each event with the time at which it is read; every fourth or so belongs before the one before it."""
    now, events = 0, []
    for number, (status, tool, delay_s, late) in enumerate(steps):
        now += 3
        fact = told(status, now - (8 if late else 0) + 10, tool=Tool(name=tool), id=str(number))  # type: ignore[arg-type]
        key = f"{number}"
        events.append((msgspec.structs.replace(fact.event, key=key), BASE_NS + (now + 10 + delay_s) * SECOND))
    return events


@given(STEPS, PLAN, st.integers(1, 7))
@example([("failed", "a", 100, False)] * 3 + [("failed", "a", 1, False)] * 2, ["crash after commit"] * 4, 1)
@example([("failed", "a", 1, False)] * 2 + [("succeeded", "a", 100, True)], ["crash before commit", "restart"], 2)
def test_judging_is_exact(steps: list[tuple[str, str, int, bool]], plan: list[str], limit: int) -> None:
    """Any batches, any crashes, any restarts: the changes are those of a naive count, each once, in order."""
    clock = FakeClock()
    journal = _Fragile(clock)
    loaded = rules(RULE.replace("count: 5", f"count: {COUNT}"))

    def started() -> Evaluator:
        return Evaluator(
            journal, loaded, clock, on_error=lambda _, exc: _raise(exc), max_age_ns=MAX_AGE_S * SECOND, limit=limit
        )

    evaluator = started()
    waiting = _events(steps)
    for act in plan:
        if waiting:
            event, clock.time_ns = waiting.pop(0)
            journal.append("dify", [event], None)
        if act == "restart":
            evaluator = started()
            continue
        journal.dies = act if act.startswith("crash") else ""
        outcome = evaluator.step()
        assert (outcome.error is not None) == act.startswith("crash")
    for event, clock.time_ns in waiting:
        journal.append("dify", [event], None)
    while evaluator.step().progressed:
        pass
    _compare(journal, evaluator)


def _compare(journal: MemoryJournal, evaluator: Evaluator) -> None:
    everything = journal.read("all", limit=10_000, kinds=("step_ended", "alert_changed"), content=False).events
    facts = [one for one in everything if isinstance(one.event.body, StepEnded)]
    changes = [one for one in everything if isinstance(one.event.body, AlertChanged)]
    bodies = [one.event.body for one in changes if isinstance(one.event.body, AlertChanged)]
    assert [
        (body.alert.labels["tool"], body.now, body.reason, body.alert.value, body.history, body.late) for body in bodies
    ] == _naive(facts)
    keys = [one.event.key for one in changes]
    assert len(keys) == len(set(keys))
    assert all(one.revision == 0 for one in changes)
    last = {body.alert.fingerprint: body.now for body in bodies}
    assert {alert.fingerprint for alert in evaluator.firing()} == {one for one, now in last.items() if now == "firing"}


def _raise(error: Exception) -> None:
    raise error
