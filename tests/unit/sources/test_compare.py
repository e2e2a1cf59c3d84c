"""Reconciliation: what Dify holds against what was told. Each test is a small history, read again and again.

`a` are messages, `b` runs, `d` node executions; times are seconds. What is younger than five minutes is not compared
yet, and a turn is watched for two minutes after its end, so the histories lie back a while.
"""

from __future__ import annotations

import pytest

from monitor.model import ContentDeleted, StepEnded
from monitor.sources.dify_database.choice import Choice, Exclude
from monitor.sources.dify_database.reader import Limits
from tests.unit.sources.world import Watcher, at, row_id, told

DONE = {"provider_response_latency": "1.5", "answer": "x"}
OVER = {"status": "succeeded", "finished_at": at(1)}
HOUR, DAY = 3_600.0, 86_400.0


def walk(watcher: Watcher, readings: int = 4) -> list[str]:
    """Let the comparisons go round, and say what they told."""
    return [line for _ in range(readings) for line in told(watcher.read(61))]


def deletions(watcher: Watcher) -> list[ContentDeleted]:
    return [event.body for event in watcher.ledger.order if isinstance(event.body, ContentDeleted)]


def once(watcher: Watcher) -> bool:
    return all(len(held) == 1 for held in watcher.ledger.revisions.values())


# -- what is missing


def test_where_nothing_is_missing_nothing_is_told(dify, watcher):
    for number in range(30):
        run = dify.run(number, created=number, **OVER)
        dify.message(number, "advanced-chat", created=number, workflow_run_id=run, **DONE)
        dify.run(100 + number, "workflow", created=number, **OVER)
    watcher.read(700)
    assert walk(watcher, 10) == []
    assert watcher.coverage.compared >= 90
    assert (watcher.coverage.repaired, watcher.coverage.missing, watcher.coverage.deleted) == (0, 0, 0)


@pytest.mark.parametrize("created", [-300.0, -2 * HOUR, -30 * DAY])
def test_a_row_that_was_lost_behind_the_mark_is_found_and_told(dify, watcher, created):
    """Its transaction took longer than the sweep reaches back, say. Whenever it was: since the oldest row that we know."""
    dify.message(1, created=-31 * DAY, **DONE)
    dify.message(2, created=0, **DONE)
    watcher.read(400)
    dify.message(3, created=created, **DONE)
    assert walk(watcher, 40) == ["started a3", "ended a3 succeeded"]
    assert (watcher.coverage.repaired, watcher.coverage.missing) == (1, 0)


def test_a_row_older_than_all_that_we_know_is_found_too(dify, watcher):
    dify.message(1, **DONE)
    watcher.read(400)
    dify.message(2, created=-40 * DAY, **DONE)
    assert walk(watcher, 40) == ["started a2", "ended a2 succeeded"]


def test_a_lost_chatflow_is_told_as_one_turn(dify, watcher):
    dify.message(1, **DONE)
    watcher.read(800)
    run = dify.run(5, created=-200, **OVER)
    dify.message(5, "advanced-chat", created=-201, workflow_run_id=run, **DONE)
    assert walk(watcher) == ["started b5", "ended b5 succeeded"]
    assert watcher.coverage.repaired == 1
    assert walk(watcher, 10) == []


def test_a_run_that_is_written_late_brings_its_steps(dify, watcher):
    """Dify 1.8 and later can save runs and nodes through a queue that tries again for minutes."""
    dify.message(1, "advanced-chat", workflow_run_id=row_id("b", 1), **DONE)
    watcher.read(5)
    watcher.read(700)
    assert told(watcher.ledger.order) == ["started b1", "ended b1 succeeded"]
    run = dify.run(1, created=0, **OVER)
    dify.node(1, run, created=0.5, status="succeeded", finished_at=at(1))
    assert "step d1 succeeded" in walk(watcher)
    assert {event.body.turn.message_id for event in watcher.ledger.order} == {row_id("a", 1)}


def test_a_message_that_comes_much_later_than_its_run_changes_nothing_that_was_told(dify, watcher):
    dify.run(1, **OVER)
    dify.message(9, created=600, **DONE)
    watcher.read(700)
    before = dict(watcher.ledger.facts())
    dify.message(1, "advanced-chat", created=0.5, workflow_run_id=row_id("b", 1), **DONE)
    walk(watcher, 10)
    assert len({event.body.turn for event in watcher.ledger.order}) == 2
    assert watcher.ledger.facts().keys() == before.keys()
    order = len(watcher.ledger.order)
    assert watcher.coverage.repaired == 1
    walk(watcher, 10)
    assert len(watcher.ledger.order) == order
    assert watcher.coverage.repaired == 1


def test_what_only_waits_to_be_told_is_left_alone(dify, watcher):
    """A chatflow's run without its message, seen for the first time when it was five minutes old already."""
    dify.message(1, **DONE)
    watcher.read(1_000)
    dify.run(1, created=dify.now - 320)
    dify.message(2, "advanced-chat", created=dify.now - 320)
    watcher.read(1)
    assert walk(watcher, 3) == ["started b1"]
    assert watcher.coverage.repaired == 0


def test_what_is_watched_is_left_alone_too(dify, watcher):
    run = dify.run(1, "workflow", created=0)
    watcher.read(400)
    for number in range(10):
        dify.node(number, run, status="succeeded", finished_at=at(dify.now))
        assert walk(watcher, 1) == [f"step d{number} succeeded"]
    assert watcher.coverage.repaired == 0


def test_more_than_fits_into_a_page_is_told_page_by_page(dify):
    watcher = Watcher(dify, limit=5)
    dify.message(1, created=-3 * DAY, **DONE)
    dify.message(2, **DONE)
    watcher.read(400)
    for number in range(100, 180):
        dify.message(number, created=-1_000 + number, **DONE)
    lines = walk(watcher, 2)
    assert len(lines) == len(set(lines)) == 160
    assert (watcher.coverage.repaired, watcher.coverage.missing) == (80, 0)


def test_a_page_that_was_lost_before_it_was_committed_is_repeated(dify, watcher):
    dify.message(1, created=-2_000, **DONE)
    dify.message(2, **DONE)
    watcher.read(400)
    dify.message(3, created=-1_000, **DONE)
    dify.now += 200
    kept = watcher.position, watcher.ledger.memory.kept
    first = watcher.page()
    watcher.position, watcher.ledger.memory = kept[0], type(watcher.ledger.memory)(kept[1])
    assert watcher.page() == first


# -- late and rewritten nodes


def test_a_node_that_comes_half_an_hour_after_its_run_was_over_is_told(dify, watcher):
    run = dify.run(1, "workflow", **OVER)
    watcher.read(700)
    dify.node(1, run, created=0.5, status="succeeded", finished_at=at(1))
    assert "step d1 succeeded" in walk(watcher)
    assert watcher.coverage.repaired == 1
    assert walk(watcher, 10) == []


def test_a_node_that_is_rewritten_is_a_revision_and_the_rest_is_not(dify, watcher):
    run = dify.run(1, "workflow", **OVER)
    dify.node(1, run, created=0.2, status="succeeded", finished_at=at(0.5))
    dify.node(2, run, created=0.5, status="succeeded", finished_at=at(0.8))
    watcher.read(700)
    dify.rows["apps"]["workflow"]["name"] = "renamed since"
    dify.node(2, run, status="failed", error="x", finished_at=at(0.9))
    walk(watcher)
    revised = {key: held[-1].body for key, held in watcher.ledger.revisions.items() if len(held) > 1}
    steps = [body.step.status for body in revised.values() if isinstance(body, StepEnded)]
    assert steps == ["failed"]
    assert {event.body.turn.app_name for event in watcher.ledger.order} == {"workflow"}


def test_what_changes_after_a_day_is_not_looked_for(dify, watcher):
    run = dify.run(1, "workflow", created=-2 * DAY, **OVER)
    watcher.read(700)
    dify.node(1, run, created=-2 * DAY, status="succeeded", finished_at=at(1))
    assert walk(watcher, 10) == []


# -- what is gone


def test_a_deleted_message_is_told_once_and_what_was_told_of_it_stands(dify, watcher):
    """Dify 1.8 and later: a conversation that somebody deletes is gone for good."""
    for number in range(3):
        dify.message(number, created=number, conversation_id=f"c{number}", **DONE)
    watcher.read(700)
    dify.delete("messages", row_id("a", 1))
    assert walk(watcher, 10) == []
    (body,) = deletions(watcher)
    name = row_id("a", 1)
    assert body == ContentDeleted(turn_id=name, tenant_id="t", app_id="chat", conversation_id="c1", how="gone")
    assert f"{name}:deleted:{name}:0" in watcher.ledger.revisions
    assert once(watcher)
    assert watcher.coverage.deleted == 1


@pytest.mark.parametrize("order", [["messages", "workflow_runs"], ["workflow_runs", "messages"]])
@pytest.mark.parametrize("at_once", [True, False])
def test_a_chatflow_of_which_both_rows_go_is_told_once(dify, watcher, order, at_once):
    """Deleting a conversation leaves its runs behind, as orphans, which Dify's clean-up takes some day."""
    dify.message(1, created=-100, **DONE)
    dify.run(1, "workflow", created=-100, **OVER)
    dify.message(5, "advanced-chat", conversation_id="c", workflow_run_id=dify.run(5, **OVER), **DONE)
    watcher.read(700)
    for table in order:
        dify.delete(table, row_id("a" if table == "messages" else "b", 5))
        walk(watcher, 0 if at_once else 6)
    walk(watcher, 6)
    assert [(body.turn_id, body.conversation_id, body.how) for body in deletions(watcher)] == [
        (row_id("b", 5), "c", "gone")
    ]
    assert once(watcher)
    assert not [key for key in watcher.ledger.memory.kept if key.startswith("d/")]
    assert watcher.coverage.deleted == 1


def test_an_orphan_is_not_told_again_without_its_message(dify, watcher):
    """What its run alone says is less than what was told."""
    run = dify.run(5, status="succeeded", finished_at=at(9))
    dify.message(5, "advanced-chat", workflow_run_id=run, **DONE)
    watcher.read(700)
    dify.delete("messages", row_id("a", 5))
    walk(watcher, 10)
    assert once(watcher)
    assert watcher.coverage.repaired == 0


def test_what_the_clean_up_takes_is_forgotten_and_nothing_is_told(dify, watcher):
    """Dify's clean-up deletes by age: all before the oldest row that is left."""
    for number in range(10):
        dify.message(number, created=-40 * DAY + number * HOUR, **DONE)
    dify.message(20, **DONE)
    watcher.read(700)
    for number in range(10):
        dify.delete("messages", row_id("a", number))
    assert walk(watcher, 20) == []
    assert deletions(watcher) == []
    assert watcher.coverage.deleted == 10
    assert not [key for key in watcher.ledger.memory.kept if row_id("a", 3) in key]


def test_the_messages_of_aged_runs_are_aged_though_older_chats_are_still_there(dify, watcher):
    """Dify's clean-up of workflow logs (1.8 and later) deletes runs by age, and the messages of those runs with them."""
    dify.message(1, created=-50 * DAY, **DONE)
    dify.message(5, "advanced-chat", created=-40 * DAY, workflow_run_id=dify.run(5, created=-40 * DAY, **OVER), **DONE)
    dify.message(6, "advanced-chat", created=-2 * DAY, workflow_run_id=dify.run(6, created=-2 * DAY, **OVER), **DONE)
    watcher.read(700)
    dify.delete("workflow_runs", row_id("b", 5))
    dify.delete("messages", row_id("a", 5))
    walk(watcher, 20)
    assert deletions(watcher) == []
    assert watcher.coverage.deleted == 1


def test_where_content_is_to_be_erased_here_too_the_clean_up_is_told(dify):
    watcher = Watcher(dify, limits=Limits(erase_deleted=True))
    dify.message(1, created=-40 * DAY, **DONE)
    dify.message(2, **DONE)
    watcher.read(700)
    dify.delete("messages", row_id("a", 1))
    walk(watcher, 20)
    assert [(body.turn_id, body.how) for body in deletions(watcher)] == [(row_id("a", 1), "aged")]


def test_a_run_that_begins_anew_when_it_is_resumed_is_not_deleted(dify, watcher):
    """A run that waited for a person may get a new creation time when it goes on (1.12's code does that)."""
    dify.run(1, "workflow", **OVER)
    watcher.read(700)
    dify.run(1, created_at=at(100), finished_at=at(101))
    walk(watcher, 10)
    assert deletions(watcher) == []
    assert len([key for key in watcher.ledger.memory.kept if row_id("b", 1) in key]) == 1
    assert len({event.body.turn for event in watcher.ledger.order}) == 1


def test_a_gap_whose_row_is_deleted_stays_a_gap(dify, watcher):
    dify.message(1, created=-DAY, **DONE)
    dify.message(2, from_account_id="poison", **DONE)

    def pseudonym(user: str) -> str:
        raise ValueError(user)

    watcher.read(700, pseudonym=pseudonym)
    dify.delete("messages", row_id("a", 2))
    for _ in range(10):
        watcher.read(61, pseudonym=pseudonym)
    assert deletions(watcher) == []
    assert (watcher.coverage.gaps, watcher.coverage.missing) == (1, 0)


# -- what is left out


def test_what_is_left_out_is_counted_and_not_taken_for_lost(dify):
    watcher = Watcher(dify, choice=Choice(exclude=Exclude(apps=("chat",), invoke_from=("debugger",))))
    dify.message(1, **DONE)
    dify.run(2, "workflow", triggered_from="debugging", **OVER)
    dify.run(3, "workflow", **OVER)
    dify.message(4, "advanced-chat", invoke_from="debugger", workflow_run_id=dify.run(4, **OVER), **DONE)
    dify.node(5, None, status="succeeded", finished_at=at(1))
    assert told(watcher.read(5)) == ["started b3", "ended b3 succeeded"]
    assert list(watcher.state.watched) == [row_id("b", 3)]
    assert walk(watcher, 12) == []
    assert watcher.coverage.left_out == 5
    dify.delete("messages", row_id("a", 1))
    walk(watcher, 6)
    assert (deletions(watcher), watcher.coverage.deleted) == ([], 0)


@pytest.mark.parametrize("wider", [None, Choice(), Choice(exclude=Exclude(apps=("workflow",)))])
def test_what_is_no_longer_left_out_is_read_after_all(dify, wider):
    """However old it is, once, and without being counted as lost and repaired."""
    watcher = Watcher(dify, choice=Choice(exclude=Exclude(modes=("chat", "advanced-chat", "workflow"))))
    dify.message(1, created=-3 * DAY, **DONE)
    dify.message(2, "advanced-chat", created=-500, workflow_run_id=dify.run(2, created=-500, **OVER), **DONE)
    dify.run(3, "workflow", created=-9 * DAY, **OVER)
    assert told(watcher.read(5)) == []
    assert walk(watcher, 12) == []
    assert watcher.coverage.left_out == 4
    watcher.choice = wider
    wanted = {"a1", "b2"} if wider is not None and not wider.everything else {"a1", "b2", "b3"}
    expected = {f"started {name}" for name in wanted} | {f"ended {name} succeeded" for name in wanted}
    assert set(walk(watcher, 12)) == expected
    assert once(watcher)
    assert walk(watcher, 12) == []
    watcher.read(61)
    assert watcher.coverage.left_out == 4 - len(wanted) - 1
    assert (watcher.coverage.repaired, watcher.coverage.missing) == (0, 0)


def test_what_another_choice_leaves_out_too_is_not_asked_for_again_and_again(dify):
    watcher = Watcher(dify, limit=2, choice=Choice(exclude=Exclude(apps=("chat",))))
    for number in range(9):
        dify.message(number, created=-1_000 - number, **DONE)
    watcher.read(5)
    watcher.choice = Choice(exclude=Exclude(modes=("chat",)))
    assert walk(watcher, 12) == []
    written = [bool(watcher.page().remember.keys() - {"coverage"}) for _ in range(3)]
    assert (watcher.state.left_out, any(written)) == (9, False)


def test_an_app_that_nobody_has_heard_of_yet_is_waited_for(dify):
    """Apps are read once a minute; a turn of one that was made since must not be left out, nor told, for that."""
    watcher = Watcher(dify, choice=Choice(exclude=Exclude(apps=("secret",))))
    dify.message(1, "secret", **DONE)
    dify.message(2, "open", **DONE)
    dify.message(3, "deleted", created=-400, **DONE)
    assert told(watcher.read(5)) == ["started a3", "ended a3 succeeded"]
    for name in ("secret", "open"):
        dify.rows["apps"][name] = {"id": name, "tenant_id": "t", "name": name, "mode": "chat"}
    assert told(watcher.read(5)) == ["started a2", "ended a2 succeeded"]
    watcher.read(61)
    assert watcher.coverage.left_out == 1


def test_what_is_left_out_is_not_watched_once_that_is_known(dify):
    """A chatflow's message waits for its run first: who started it may stand in either."""
    watcher = Watcher(dify, choice=Choice(exclude=Exclude(modes=("advanced-chat",))))
    message = dify.message(1, "advanced-chat")
    watcher.read(1)
    assert list(watcher.state.watched) == [message]
    dify.message(1, workflow_run_id=dify.run(1))
    watcher.read(1)
    assert watcher.state.watched == {}
    watcher.read(61)
    assert watcher.coverage.left_out == 2


def test_a_turn_that_was_begun_is_told_to_its_end_whatever_is_left_out_since(dify, watcher):
    dify.message(1)
    watcher.read()
    watcher.choice = Choice(exclude=Exclude(apps=("chat",)))
    dify.message(1, **DONE)
    assert told(watcher.read(5)) == ["ended a1 succeeded"]
