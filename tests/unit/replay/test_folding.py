"""What of long lists is shown: the first ones, and whatever failed."""

from __future__ import annotations

import pytest

from monitor.model import Recorded
from monitor.replay.folding import QuietRounds, first_of, without_quiet_rounds
from monitor.replay.nouns import Round
from monitor.testing import samples
from tests.unit.replay.world import alert_event, shown, step_event

TURN = samples.chatflow_ref(1)


def step(status="succeeded"):
    (moment,) = shown([_recorded(samples.node_step(TURN, 1, status=status))]).moments
    return moment


def _recorded(fact):
    return samples.recorded(step_event(TURN, fact).body)


def rounds(*statuses):
    return [Round(index, (step(status),)) for index, status in enumerate(statuses)]


def drawn(moments):
    return [moment.index if isinstance(moment, Round) else tuple(moment) for moment in without_quiet_rounds(moments)]


@pytest.mark.parametrize(("count", "shown_"), [(0, 0), (5, 5), (7, 7), (8, 5), (100, 5)])
def test_one_or_two_more_are_not_worth_leaving_out(count, shown_):
    assert len(first_of(range(count))) == shown_


def test_of_many_rounds_the_first_are_shown_and_the_others_counted():
    assert drawn(rounds(*["succeeded"] * 30)) == [0, 1, 2, 3, 4, (25, 29, 25)]


def test_a_round_in_which_something_failed_is_always_shown():
    statuses = ["succeeded"] * 30
    statuses[17] = "failed"
    assert drawn(rounds(*statuses)) == [0, 1, 2, 3, 4, (12, 16, 12), 17, (12, 29, 12)]


def test_one_or_two_quiet_rounds_are_shown():
    statuses = ["succeeded"] * 7
    assert drawn(rounds(*statuses)) == list(range(7))


def test_a_round_with_an_alert_is_shown():
    fact = samples.node_step(TURN, 1)
    fired = alert_event((TURN.turn_id, fact.id, fact.ended_at), at=fact.ended_at)
    alert = Recorded(9, 0, "rules", fact.ended_at, fired)
    (alerted,) = shown([_recorded(fact)], alerts=[alert]).moments[-1:]
    quiet = rounds(*["succeeded"] * 20)
    loud = Round(12, (*quiet[12].moments, alerted))
    assert drawn([*quiet[:12], loud, *quiet[13:]]) == [0, 1, 2, 3, 4, (7, 11, 7), 12, (7, 19, 7)]


def test_what_is_no_round_is_never_left_out():
    steps = [step()] * 30
    assert list(without_quiet_rounds(steps)) == steps


def test_what_is_counted_says_how_many_steps():
    inner = Round(0, (step(), step(), Round(0, (step(),))))
    (*_, counted) = without_quiet_rounds([inner] * 10)
    assert counted == QuietRounds(rounds=5, last=0, steps=15)
