"""The life of an alert, one step at a time."""

from __future__ import annotations

import pytest

from monitor.model import Finding
from monitor.rules.state import Change, Moment, Policy, Standing, deadline_ns, fingerprint, observe, retire

HOLDS, CLEAR, NO_DATA = Finding("holds", 5.0), Finding("clear"), Finding("no_data")
AT_ONCE = Policy()
AFTER_30 = Policy(for_ns=30)
KEEPS_60 = Policy(keep_ns=60)


def live(at: int, *, fresh: bool = True) -> Moment:
    return Moment(at, at, fresh=fresh)


def run(policy: Policy, *observed: tuple[Finding, Moment]) -> tuple[Standing, list[Change]]:
    standing, changes = Standing(), []
    for finding, moment in observed:
        standing, change = observe(standing, finding, policy, moment)
        changes += [change] if change else []
    return standing, changes


def said(changes: list[Change]) -> list[tuple[str, str, str, int]]:
    return [(change.was, change.now, change.reason, change.at_ns) for change in changes]


def test_fires_and_resolves_at_once():
    standing, changes = run(AT_ONCE, (HOLDS, live(10)), (HOLDS, live(11)), (CLEAR, live(12)), (CLEAR, live(13)))
    assert said(changes) == [
        ("inactive", "firing", "condition_met", 10),
        ("firing", "resolved", "condition_cleared", 12),
    ]
    assert standing == Standing(changes=2)


def test_pending_first_where_it_must_hold_for_a_time():
    standing, changes = run(AFTER_30, (HOLDS, live(10)), (HOLDS, live(39)))
    assert said(changes) == [("inactive", "pending", "condition_met", 10)]
    assert deadline_ns(standing, AFTER_30) == 40


def test_fires_at_the_moment_it_was_due():
    """However late time is looked at, and without a new fact."""
    _, changes = run(AFTER_30, (HOLDS, live(10)), (HOLDS, Moment(500)))
    assert said(changes)[-1] == ("pending", "firing", "held_for", 40)
    assert not changes[-1].history


def test_pending_ends_unsaid_when_it_clears():
    standing, changes = run(AFTER_30, (HOLDS, live(10)), (CLEAR, live(20)))
    assert said(changes)[-1] == ("pending", "inactive", "condition_cleared", 20)
    assert standing.phase == "inactive"


def test_kept_firing_over_a_short_calm():
    standing, changes = run(KEEPS_60, (HOLDS, live(10)), (CLEAR, live(20)), (CLEAR, Moment(79)))
    assert len(changes) == 1
    assert deadline_ns(standing, KEEPS_60) == 80
    back, change = observe(standing, HOLDS, KEEPS_60, live(79))
    assert change is None
    assert back.cleared_ns is None
    assert deadline_ns(back, KEEPS_60) is None


def test_resolves_when_the_calm_was_long_enough():
    _, changes = run(KEEPS_60, (HOLDS, live(10)), (CLEAR, live(20)), (CLEAR, live(25)), (CLEAR, Moment(300)))
    assert said(changes)[-1] == ("firing", "resolved", "keep_elapsed", 80)


def test_no_data_changes_nothing():
    """Neither does time end what nobody knows to be over, nor fire what nobody knows to hold."""
    for policy in (AT_ONCE, AFTER_30, KEEPS_60):
        standing, _ = run(policy, (HOLDS, live(10)))
        assert observe(standing, NO_DATA, policy, Moment(10_000)) == (standing, None)
    assert observe(Standing(), NO_DATA, AT_ONCE, live(1)) == (Standing(), None)


def test_old_facts_make_history_and_so_does_their_end():
    _, changes = run(AT_ONCE, (HOLDS, live(10, fresh=False)), (HOLDS, live(11, fresh=False)), (CLEAR, live(12)))
    assert [change.history for change in changes] == [True, True]


def test_history_that_goes_on_now_is_said_once():
    """A streak that began long ago and is still alive must page with its first failure that is news."""
    _, changes = run(AT_ONCE, (HOLDS, live(10, fresh=False)), (HOLDS, live(99)), (HOLDS, live(100)), (CLEAR, live(101)))
    assert said(changes) == [
        ("inactive", "firing", "condition_met", 10),
        ("firing", "firing", "still_holds", 99),
        ("firing", "resolved", "condition_cleared", 101),
    ]
    assert [change.history for change in changes] == [True, False, False]


def test_time_alone_never_makes_history_news():
    standing, changes = run(AT_ONCE, (HOLDS, live(10, fresh=False)), (HOLDS, Moment(10_000)))
    assert len(changes) == 1
    assert not standing.told


def test_pending_history_fires_as_history():
    _, changes = run(AFTER_30, (HOLDS, live(10, fresh=False)), (HOLDS, Moment(10_000)))
    assert [change.history for change in changes] == [True, True]


def test_said_alerts_end_aloud_even_by_an_old_fact():
    """People who were told of it are told that it is over."""
    _, changes = run(AT_ONCE, (HOLDS, live(10)), (CLEAR, live(12, fresh=False)))
    assert not changes[-1].history


def test_a_late_fact_marks_its_change():
    _, changes = run(AT_ONCE, (HOLDS, Moment(50, 10, fresh=True, late=True)), (CLEAR, Moment(50, 20, fresh=True)))
    assert [change.late for change in changes] == [True, False]
    assert said(changes)[0][3] == 10


def test_begins_again_with_the_count_going_on():
    standing, _ = run(AT_ONCE, (HOLDS, live(1)), (CLEAR, live(2)), (HOLDS, live(3)))
    assert standing.changes == 3
    assert standing.since_ns == 3


@pytest.mark.parametrize(
    ("fresh", "policy", "end", "history"),
    [(True, AT_ONCE, "resolved", False), (False, AT_ONCE, "resolved", True), (True, AFTER_30, "inactive", True)],
)
def test_an_alert_without_its_rule_ends(fresh, policy, end, history):
    standing, _ = run(policy, (HOLDS, live(10, fresh=fresh)))
    over, change = retire(standing, "rule_removed", 70)
    assert over == Standing(changes=2)
    assert change == Change(standing.phase, end, "rule_removed", 70, history=history)


def test_nothing_to_end():
    assert retire(Standing(changes=4), "rule_removed", 70) == (Standing(changes=4), None)


def test_fingerprint_is_of_name_and_labels():
    """Their order does not matter; where one ends and the next begins does. Pinned: it must outlive versions."""
    assert fingerprint("r", {"a": "1", "b": "2"}) == fingerprint("r", {"b": "2", "a": "1"})
    prints = {
        fingerprint("r", {"a": "1", "b": "2"}),
        fingerprint("s", {"a": "1", "b": "2"}),
        fingerprint("r", {"a": "1"}),
        fingerprint("r", {"a": "1,b=2"}),
        fingerprint("r", {"a1": "", "b": "2"}),
    }
    assert len(prints) == 5
    assert fingerprint("tool_failed_five_times", {"tool": "x"}) == "0415f0a79659b9f6851e850b5fa76454"
