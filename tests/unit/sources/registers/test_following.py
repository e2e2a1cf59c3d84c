"""Trigger logs (Dify 1.10 and later) and human-input forms (1.13 and later): tables with ids in the order of time.

`workflow_trigger_logs.status` goes pending, queued, running and ends as succeeded, failed or rate_limited;
`human_input_forms.status` waits, and ends as submitted, timeout or expired. Ids are UUIDs of version 7.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.model import Event, FormChanged, TriggerLogged
from monitor.normalise.scrub import MASK
from monitor.sources.dify_database.registers.following import id_before
from tests.support.reading import pseudonym
from tests.unit.sources.registers.dify import DAY_US, Reader, S, Small, names, uuid7


def trigger(dify: Small, number: int, status: str, *, ago: float = 0, **columns: Any) -> str:
    created = dify.at(dify.now - ago)
    name = uuid7(created, number)
    kept = dify.rows["workflow_trigger_logs"].get(name, {}).get("created", created)
    return dify.put("workflow_trigger_logs", name, **({"status": status, "created": kept} | columns))


def said(events: list[Event]) -> list[tuple[str, str]]:
    return [
        (event.key.rsplit(":", 1)[1], event.body.status)
        for event in events
        if isinstance(event.body, TriggerLogged | FormChanged)
    ]


# -- triggers


def test_a_trigger_that_never_became_a_run_belongs_to_its_app() -> None:
    dify = Small()
    row = trigger(dify, 1, "rate_limited")
    reader = Reader(dify)
    (event,) = reader.read()
    body = event.body
    assert isinstance(body, TriggerLogged)
    assert event.key == f"app:workflow:trigger:{row}:0"
    assert (body.status, body.turn_id, body.trigger_type, body.error_type) == (
        "rate_limited",
        "",
        "trigger-webhook",
        "rate_limit",
    )
    assert body.app.app_name == "Workflow"
    assert reader.settle() == []


def test_a_trigger_is_told_when_it_is_over() -> None:
    dify = Small()
    row = trigger(dify, 1, "queued")
    reader = Reader(dify)
    assert reader.read() == []
    dify.put("workflow_trigger_logs", row, status="running", run="run")
    assert reader.read() == []
    dify.put(
        "workflow_trigger_logs",
        row,
        status="failed",
        error="status code: 429",
        data='{"token": "abc12345"}',
        retries=2,
        finished=dify.at(),
    )
    (event,) = reader.read()
    assert isinstance(event.body, TriggerLogged)
    assert event.key == f"run:trigger:{row}:0"
    assert (event.body.turn_id, event.body.error_type, event.body.retries) == ("run", "rate_limit", 2)
    assert event.content == {"input": f'{{"token":"{MASK}"}}', "error": "status code: 429"}
    assert reader.read(31 * 86_400) == []
    assert reader.settle() == []
    assert reader.memory.held == {}


def test_a_trigger_that_hangs_is_told_as_it_stands_and_again_when_it_ends() -> None:
    dify = Small()
    row = trigger(dify, 1, "queued")
    reader = Reader(dify)
    reader.read(1_790)
    assert said(reader.read(20)) == [("0", "queued")]
    assert reader.settle() == []
    dify.put("workflow_trigger_logs", row, status="succeeded")
    assert said(reader.read()) == [("1", "succeeded")]
    assert reader.settle() == []
    assert reader.memory.held == {}


def test_one_that_hangs_for_a_month_is_let_go() -> None:
    dify = Small()
    trigger(dify, 1, "running")
    reader = Reader(dify)
    reader.read()
    assert said(reader.read(31 * 86_400)) == [("0", "running")]
    assert reader.memory.held == {}
    assert reader.settle() == []


@pytest.mark.parametrize("end", ["succeeded", "failed", "rate_limited"])
@pytest.mark.parametrize("ago", [0, 86_400])
def test_a_failed_trigger_that_is_tried_again_is_told_again_when_that_ends(end: str, ago: int) -> None:
    """Dify rewrites the same row: retrying, then how it ended. That it is tried again is no fact."""
    dify = Small()
    row = trigger(dify, 1, "failed", ago=ago, error="no quota")
    reader = Reader(dify)
    assert said(reader.read()) == [("0", "failed")]
    assert reader.read(4 * 86_400) == []
    dify.put("workflow_trigger_logs", row, status="retrying", retries=1, error=None)
    assert reader.settle() == []
    dify.put("workflow_trigger_logs", row, status=end, finished=dify.at())
    assert said(reader.settle()) == [("1", end)]
    assert reader.read(31 * 86_400) == []
    assert reader.settle() == []
    assert reader.memory.held == {}


def test_a_row_that_appears_behind_the_mark_is_found() -> None:
    """Its transaction began before those that were seen and ended after them."""
    dify = Small()
    trigger(dify, 1, "succeeded")
    reader = Reader(dify)
    reader.read(10)
    dify.now += 60
    trigger(dify, 2, "failed", ago=60)
    assert said(reader.read(10)) == [("0", "failed")]
    assert reader.settle() == []


def test_history_is_told_once_and_then_only_what_is_new_is_looked_at() -> None:
    dify = Small()
    for number in range(1_300):
        trigger(dify, number, "succeeded", ago=100_000 - number)
    reader = Reader(dify)
    assert len(reader.page().events) == 500
    reader.read(0)
    assert len(set(names(reader.told))) == len(reader.told) == 1_300
    assert reader.memory.held == {}
    before = dify.returned
    dify.now += 31
    reader.page()
    assert dify.returned - before < 20
    trigger(dify, 9_999, "failed")
    assert said(reader.read()) == [("0", "failed")]


def test_open_rows_are_asked_for_by_id_however_old() -> None:
    dify = Small()
    rows = [trigger(dify, number, "running", ago=600) for number in range(700)]
    reader = Reader(dify)
    reader.read()
    for row in rows[::7]:
        dify.put("workflow_trigger_logs", row, status="succeeded")
    dify.delete("workflow_trigger_logs", rows[1])
    assert said(reader.settle()) == [("0", "succeeded")] * 100
    assert len(reader.memory.held) == 700 - 100 - 1


def test_a_flood_of_new_rows_is_read_at_once_but_a_known_flood_is_not() -> None:
    dify = Small()
    Reader(dify).read()
    reader = Reader(dify)
    reader.read()
    for number in range(1_100):
        trigger(dify, number, "succeeded")
    assert len(reader.read(6)) == 1_100
    dify.now += 6
    assert not reader.page().more


_STEPS = st.lists(
    st.tuples(st.sampled_from(["new", "late", "move", "read", "lose", "wait"]), st.integers(0, 6)), max_size=40
)


@given(_STEPS)
def test_whatever_happens_each_trigger_is_told_once_as_it_ended(steps: list[tuple[str, int]]) -> None:
    dify = Small()
    reader = Reader(dify)
    ends = ("running", "paused", "succeeded", "failed", "rate_limited")
    for number, (what, which) in enumerate(steps):
        rows = sorted(row for row in dify.rows["workflow_trigger_logs"])
        if what in {"new", "late"}:
            trigger(dify, number, ends[which % 5], ago=100 if what == "late" else 0)
        elif what == "move" and rows:
            row = dify.rows["workflow_trigger_logs"][rows[which % len(rows)]]
            if row["status"] in {"running", "paused"}:
                row["status"] = ends[which % 5]
        elif what == "read":
            reader.read(6)
        elif what == "lose":
            dify.now += 6
            reader.page(lose=True)
        elif what == "wait":
            dify.now += 11 * which  # well within the overlap, so that late rows are still late
    reader.settle()
    assert len(set(names(reader.told))) == len(reader.told)
    last = {event.body.trigger_id: event.body.status for event in reader.told if isinstance(event.body, TriggerLogged)}
    over = {row["id"]: row["status"] for row in dify.rows["workflow_trigger_logs"].values()}
    over = {row: status for row, status in over.items() if status in ends[2:]}
    assert {row: last.get(row) for row in over} == over


# -- forms


def form(dify: Small, number: int, status: str = "waiting", **columns: Any) -> str:
    name = uuid7(dify.at(), number)
    dify.put("end_users", "u", session="ann")
    return dify.put(
        "human_input_forms", name, **({"status": status, "updated": dify.at(), "created": dify.at()} | columns)
    )


def test_a_form_is_told_when_it_asks_and_when_it_was_answered() -> None:
    dify = Small()
    row = form(dify, 1, rendered="Approve? https://dify/form/AbCdEfGhIjKlMnOpQrStUv", created=dify.at())
    reader = Reader(dify)
    (asked,) = reader.read()
    assert isinstance(asked.body, FormChanged)
    assert asked.key == f"r:form:{row}:0"
    assert (asked.body.status, asked.body.turn_id, asked.body.node_id) == ("waiting", "r", "n1")
    assert asked.body.expires_at == (DAY_US + 3600 * S) * 1000
    assert asked.content == {"form": f"Approve? https://dify/form/{MASK}"}
    dify.now += 3_000
    assert reader.settle() == []
    dify.put(
        "human_input_forms", row, status="submitted", action="approve", data='{"why": "fine"}', submitted=dify.at()
    )
    (answered,) = reader.read()
    assert isinstance(answered.body, FormChanged)
    assert (answered.body.status, answered.body.action, answered.key[-2:]) == ("submitted", "approve", ":1")
    assert answered.body.user == pseudonym("ann")
    assert answered.content["answer"] == '{"why":"fine"}'
    assert answered.content["user"] == "ann"
    assert answered.occurred_at == dify.rows["human_input_forms"][row]["submitted"] * 1000
    assert reader.settle() == []
    assert reader.memory.held == {}


def test_the_facts_of_a_form_do_not_depend_on_when_we_looked() -> None:
    dify = Small()
    row = form(dify, 1, "timeout")
    events = Reader(dify).read()
    assert names(events) == [f"r:form:{row}:0", f"r:form:{row}:1"]
    assert said(events) == [("0", "waiting"), ("1", "timeout")]


def test_a_delivery_that_was_tried_out_is_no_fact() -> None:
    dify = Small()
    form(dify, 1, kind="delivery_test")
    reader = Reader(dify)
    assert reader.settle() == []
    assert reader.memory.held == {}


def test_the_lowest_id_of_a_moment_sorts_before_all_drawn_then() -> None:
    assert id_before(DAY_US) <= uuid7(DAY_US, 0) < id_before(DAY_US + 1000)
    assert id_before(-1) == id_before(0) == "00000000-0000-0000-0000-000000000000"
    assert len(id_before(2**62)) == 36
