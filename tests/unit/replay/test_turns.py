"""One turn out of its records: its ends, its times, its texts, its alerts."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from monitor.model import Attempt, Node, StepEnded, Tool, TurnStarted, Usage
from monitor.replay.figures import steps_in
from monitor.replay.nouns import Alert, Step
from monitor.testing import samples
from tests.unit.replay.world import SECOND, agent_turn, alert_event, journal_of, replay, shown, step_event

TURN = samples.turn_ref(1)
TOOL = samples.tool_step(TURN, 2, status="failed")


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(samples.BASE_NS / 1e9 + seconds, tz=UTC)


def test_a_turn_has_its_question_its_answer_and_what_happened_in_between():
    turn = shown(samples.agent_turn(1, failed=True))
    assert turn.question.text == samples.QUESTION
    assert turn.answer.text.startswith("您的订单")
    assert [(step.kind, step.status) for step in turn.moments] == [
        ("llm", "succeeded"),
        ("tool", "failed"),
        ("llm", "succeeded"),
    ]
    assert turn.user_id.text == "alice@example.com"
    assert turn.gaps == ()


def test_times_are_datetimes_and_durations_seconds():
    turn = shown(samples.agent_turn(1))
    outcome, step = turn.outcome, turn.moments[0]
    assert (outcome.started_at, outcome.ended_at, outcome.duration_s) == (at(1), at(3), 2.0)
    assert (step.started_at, step.ended_at, step.duration_s) == (at(1.5), at(2), 0.5)


def test_a_duration_that_dify_did_not_measure_is_worked_out_and_says_so():
    records = [samples.recorded(samples.turn_ended(TURN, duration_ns=None, estimated=True))]
    outcome = shown(records).outcome
    assert (outcome.duration_s, outcome.estimated) == (2.0, True)


def test_a_turn_without_an_end_is_open_and_counts_what_there_is():
    records = samples.agent_turn(1)[:-1]
    turn = shown(records)
    assert (turn.outcome.status, turn.outcome.ended_at, turn.outcome.duration_s) == ("open", None, None)
    assert turn.answer is None
    assert turn.totals.used.total_tokens == 186
    assert [gap.kind for gap in turn.gaps] == ["no_end"]


def test_an_open_turn_begins_no_later_than_its_steps():
    """Dify rounds a message's time to the second, up to half a second into the future."""
    early = samples.llm_step(TURN, 1, started_at=TURN.started_at - SECOND)
    records = [samples.recorded(TurnStarted(turn=TURN)), samples.recorded(StepEnded(turn=TURN, step=early), seq=1)]
    assert shown(records).outcome.started_at == at(0)


@pytest.mark.parametrize("lost", [0, 1, -1])
def test_whose_turn_it_is_can_be_told_by_any_record(lost):
    records = samples.agent_turn(1)
    del records[lost]
    assert shown(records).whose.app_name == "客服 Agent"


def test_the_question_comes_from_the_end_where_the_start_is_lost_or_erased():
    start, *others = samples.agent_turn(1)
    assert shown(others).question.text == samples.QUESTION
    erased = msgspec.structs.replace(
        start, event=msgspec.structs.replace(start.event, content={}), erased=("input", "user")
    )
    turn = shown([erased, *others])
    assert (turn.question.state, turn.question.text) == ("kept", samples.QUESTION)
    assert (turn.user_id.state, turn.user_id.text) == ("erased", "")


def test_erased_texts_are_told_as_erased():
    journal = journal_of(*agent_turn(1))
    for recorded in journal.turn_events(TURN.turn_id):
        journal.erase(recorded.event.key)
    (turn,) = replay(journal, TURN.turn_id).turns
    assert {turn.question.state, turn.answer.state, turn.user_id.state} == {"erased"}
    told = {passage.state for step in steps_in(turn.moments) for passage in step.passages}
    assert told == {"erased"}


def test_texts_are_withheld_where_they_are_not_wanted():
    turn = shown(samples.agent_turn(1), content=False)
    assert {turn.question.state, turn.answer.state, turn.user_id.state} == {"withheld"}
    assert turn.moments[1].passages[0].name == "arguments"
    assert turn.moments[1].passages[0].state == "withheld"


def test_a_record_says_how_often_it_was_revised():
    journal = journal_of(*agent_turn(1))
    end = samples.turn_ended(TURN)
    for more in (1, 2):
        better = msgspec.structs.replace(end, duration_ns=(2 + more) * SECOND, ended_at=end.ended_at + more)
        journal.append("dify", [samples.event(better)], None)
    (turn,) = replay(journal, TURN.turn_id).turns
    assert turn.outcome.revisions == 2
    assert turn.outcome.duration_s == 4.0


def test_a_step_tells_all_that_is_known_of_it():
    node = Node(node_id="n", node_type="tool", title="查询", status="exception", index=3)
    step = samples.tool_step(
        TURN,
        2,
        status="failed",
        handled=True,
        estimated=True,
        provisional=True,
        node=node,
        tool=Tool(name="t", provider="p", provider_type="api", known=False, calls=3),
        attempts=(Attempt(at=TURN.started_at, error="timeout"), Attempt(at=TURN.started_at + SECOND)),
        usage=Usage(input_tokens=1, output_tokens=2, total_tokens=3, price="0.5", currency="USD"),
        time_to_first_token_ns=SECOND // 2,
    )
    told = shown([samples.recorded(StepEnded(turn=TURN, step=step), seq=7, revision=2)]).moments[0]
    assert (told.title, told.node_id, told.node_type, told.dify_status) == ("查询", "n", "tool", "exception")
    assert (told.handled, told.estimated, told.provisional) == (True, True, True)
    assert (told.tool.provider, told.tool.known, told.tool.calls) == ("p", False, 3)
    assert [(attempt.at, attempt.error_type) for attempt in told.attempts] == [(at(1), "timeout"), (at(2), "")]
    assert (told.used.total_tokens, told.used.cost[0].amount, told.first_token_s) == (3, "0.5", 0.5)
    assert (told.seq, told.revisions) == (7, 2)


def test_where_the_records_stand_is_told():
    journal = journal_of(*agent_turn(1))
    journal.append("rules", [alert_event((TURN.turn_id, TOOL.id, TOOL.ended_at), at=TOOL.ended_at)], None)
    (turn,) = replay(journal, TURN.turn_id).turns
    assert turn.provenance.seqs == (0, 1, 2, 3, 4, 5)
    assert turn.provenance.sources == ("dify",)


def test_a_chat_turn_is_the_model_call_and_has_its_prompts():
    chat = samples.turn_ref(1, mode="chat")
    end = samples.turn_ended(chat, counts_usage=True, model_name="gpt-4o")
    prompt = '[{"role": "system", "text": "你是客服"}, {"role": "user", "text": "hi"}]'
    turn = shown([samples.recorded(end, content={"prompt": prompt})])
    assert turn.outcome.is_model_call
    assert turn.totals.model_calls == 1
    assert [(one.note, one.text, one.detail) for one in turn.prompts] == [
        ("system", "你是客服", False),
        ("user", "hi", False),
        ("", prompt, True),
    ]


def test_prompts_that_cannot_be_read_are_told_as_they_are():
    turn = shown([samples.recorded(samples.turn_ended(TURN), content={"prompt": "[1]"})])
    assert [(one.text, one.detail) for one in turn.prompts] == [("[1]", False)]


# -- alerts


def world_with(*alerts):
    return replay(journal_of(*agent_turn(1, failed=True), *alerts), TURN.turn_id).turns[0]


def proof(step=TOOL, turn=TURN):
    return turn.turn_id, step.id, step.ended_at


def test_an_alert_stands_right_behind_the_step_that_caused_it():
    elsewhere = (samples.uuid(9, 2), "s", TURN.started_at)
    turn = world_with(alert_event(elsewhere, proof(), at=TOOL.ended_at))
    assert [type(moment) for moment in turn.moments] == [Step, Step, Alert, Step]
    alert = turn.moments[2]
    assert (alert.rule, alert.was, alert.now, alert.at) == ("tool_failed_five_times", "inactive", "firing", at(2.5))
    assert (alert.caused_here, alert.steps, alert.steps_elsewhere) == (True, (TOOL.id,), 1)


def test_an_alert_inside_of_a_round_stands_there():
    flow = samples.chatflow_ref(1)
    loop = samples.node_step(flow, 1, "iteration")
    inside = Node(node_id="t", node_type="tool", title="t", iteration_index=0)
    tool = samples.tool_step(flow, 2, id=samples.uuid(7, 5), parent_id=loop.id, status="failed", node=inside)
    journal = journal_of(
        samples.event(TurnStarted(turn=flow)),
        step_event(flow, loop),
        step_event(flow, tool),
        alert_event((flow.turn_id, tool.id, tool.ended_at), at=tool.ended_at),
    )
    (turn,) = replay(journal, flow.turn_id).turns
    (iteration,) = turn.moments
    assert [type(moment) for moment in iteration.moments[0].moments] == [Step, Alert]


def test_an_alert_that_another_turn_caused_stands_where_its_time_puts_it():
    """A step of this turn was one of the five, the fifth was another's."""
    turn = world_with(alert_event(proof(), (samples.uuid(9, 2), "s", TOOL.ended_at + 1), at=TOOL.ended_at + 1))
    assert [type(moment) for moment in turn.moments] == [Step, Step, Step, Alert]
    assert not turn.moments[3].caused_here


def test_what_became_of_the_alert_after_the_turn_is_told_apart():
    resolved = alert_event(proof(), now="resolved", at=TURN.started_at + 60 * SECOND, reason="condition_cleared")
    fired = alert_event(proof(), at=TOOL.ended_at, history=True, late=True)
    turn = world_with(resolved, fired)
    assert [alert.now for alert in turn.afterwards] == ["resolved"]
    told = [moment for moment in turn.moments if isinstance(moment, Alert)]
    assert [(alert.now, alert.history, alert.late) for alert in told] == [("firing", True, True)]


def test_of_an_open_turn_no_alert_is_afterwards():
    fired = alert_event(proof(), at=TURN.started_at + 60 * SECOND)
    (turn,) = replay(journal_of(*agent_turn(1)[:-1], fired), TURN.turn_id).turns
    assert turn.afterwards == ()
    assert isinstance(turn.moments[-1], Alert)
