"""What a turn's rows say of it: over or not, to be told or not yet, whose it is. And what is remembered of rows."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.model import TurnRef
from monitor.sources.dify_database.candidate import (
    Candidate,
    each_turn_once,
    ended,
    lagging_since,
    may_be_told,
    seen_since,
    silent_us,
)
from monitor.sources.dify_database.remembered import Row, edge, mark_of, recalled, row_at, stored
from monitor.sources.dify_database.state import Open
from monitor.sources.dify_database.tables import MessageState, RunState, Signal
from monitor.sources.dify_database.telling import stub

S = 1_000_000
NOW = 1_795_500_000 * S


def message(**known: object) -> MessageState:
    plain = {
        "id": "a1",
        "created_us": NOW,
        "ended_us": NOW,
        "mode": "advanced-chat",
        "run_id": "b1",
        "final": False,
        "size": 5,
    }
    return MessageState(**{**plain, "app_id": "app", **known})  # type: ignore[arg-type]


def run(**known: object) -> RunState:
    plain = {
        "id": "b1",
        "created_us": NOW,
        "type": "chat",
        "status": "running",
        "size": 7,
        "tenant_id": "t",
        "app_id": "app",
    }
    return RunState(**{**plain, "workflow_id": "w", "triggered_from": "app-run", **known})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("trigger", "said", "expected"),
    [
        ("app-run", "", "app-run"),
        ("app-run", "service-api", "service-api"),
        ("debugging", "", "debugger"),
        ("rag-pipeline-debugging", "", "debugger"),
        ("webhook", "", "webhook"),
    ],
)
def test_by_which_way_a_turn_was_started(trigger, said, expected):
    """The message's own word, else what the run's trigger comes to; a debugged run is one of the debugger's."""
    rows = {"run": run(triggered_from=trigger), "message": message(invoke_from=said) if said else None}
    assert Candidate(**rows).invoke_from == expected


def test_its_rows_and_when_it_began():
    both = Candidate(message=message(created_us=NOW + 1), run=run())
    assert both.rows == [Row("messages", NOW + 1, "app", "a1"), Row("workflow_runs", NOW, "app", "b1")]
    assert both.created_us == NOW
    assert both.size == 12
    assert Candidate().rows == []


@pytest.mark.parametrize("type_", ["chat", "of-next-year"])
def test_a_run_that_may_have_a_message_is_seen_to_wait_for_it(type_):
    """Its own age says nothing: it may have been committed late, or have another clock's time."""
    late = Candidate(run=run(type=type_, created_us=NOW - 300 * S))
    assert not may_be_told(late, "no", NOW)
    assert lagging_since(late, NOW) == NOW
    seen = Candidate(run=late.run, entry=Open(lagging_us=NOW - 11 * S))
    assert may_be_told(seen, "no", NOW)
    assert lagging_since(seen, NOW) == NOW - 11 * S
    assert may_be_told(Candidate(run=run(type=type_, created_us=NOW - 601 * S)), "no", NOW)


def test_a_workflows_run_waits_for_nothing():
    assert may_be_told(Candidate(run=run(type="workflow")), "no", NOW)
    assert lagging_since(Candidate(run=run(type="workflow")), NOW) == 0


def test_a_final_message_is_ahead_of_its_run_until_that_was_seen_long_enough():
    rows = {"message": message(final=True, ended_us=NOW - 60 * S), "run": run()}
    assert ended(Candidate(**rows), NOW, 1_800 * S) == "no"
    assert ended(Candidate(**rows, entry=Open(lagging_us=NOW - 11 * S)), NOW, 1_800 * S) == "final"
    stopped = Signal(mark="", last_us=NOW, size=0, stop_evidence=True)
    assert ended(Candidate(**rows, signal=stopped), NOW, 1_800 * S) == "final"


_FAR_US = 9_223_371_331_200_000_000


@pytest.mark.parametrize("future_us", [NOW + 1, NOW + 4_000_000 * S, _FAR_US])
def test_a_sign_of_life_from_the_future_counts_from_when_it_was_seen(future_us):
    each = Candidate(run=run(type="workflow"), signal=Signal(mark="n", last_us=future_us, size=0))
    assert (seen_since(each, NOW), silent_us(each, NOW)) == (NOW, 0)
    each.entry = Open(signal=each.fingerprint, seen_us=NOW - 1_800 * S)
    assert ended(each, NOW, 1_800 * S) == "no"
    each.entry.seen_us -= 1
    assert ended(each, NOW, 1_800 * S) == "abandoned"
    each.signal = Signal(mark="n2", last_us=future_us, size=0)  # another sign
    assert (seen_since(each, NOW), ended(each, NOW, 1_800 * S)) == (NOW, "no")


def test_a_turn_that_begins_in_the_future_is_given_a_day():
    """Its clock is wrong, or the database's."""
    each = Candidate(run=run(type="workflow", created_us=_FAR_US))
    each.entry = Open(signal=each.fingerprint, seen_us=NOW - 86_400 * S)
    assert ended(each, NOW, 1_800 * S) == "no"
    each.entry.seen_us -= 1
    assert ended(each, NOW, 1_800 * S) == "abandoned"


def test_a_sign_of_life_that_is_over_needs_no_such_moment():
    each = Candidate(run=run(created_us=NOW - 7), entry=Open(seen_us=NOW - 9))
    assert (seen_since(each, NOW), silent_us(each, NOW)) == (0, 7)


def test_a_stopped_run_with_a_node_of_the_future_is_over_once_that_was_seen_long_enough():
    each = Candidate(run=run(type="workflow"), signal=Signal(mark="n", last_us=_FAR_US, size=0, stop_evidence=True))
    assert ended(each, NOW, 1_800 * S) == "no"
    each.entry = Open(signal=each.fingerprint, lagging_us=NOW - 11 * S, seen_us=NOW - 11 * S)
    assert ended(each, NOW, 1_800 * S) == "final"


def test_one_turn_is_one_candidate():
    first, second = (
        Candidate(keys=("b1",), run=run()),
        Candidate(keys=("x",), run=run(), message=message(), pulled=True),
    )
    (each,) = each_turn_once([first, second])
    assert (each.keys, each.message, each.pulled) == (("b1", "x"), second.message, True)


# -- what is remembered

_text = st.text(st.characters(codec="utf-8", exclude_characters="/"), max_size=12)
_names = st.sampled_from(["a1", "b1", "c1"])


@st.composite
def _refs(draw: st.DrawFn) -> TurnRef:
    """References as turns have them: named by the run, else by the message."""
    run_id, message_id = draw(_names | st.just("")), draw(_names)
    return TurnRef(
        turn_id=run_id or message_id, run_id=run_id, message_id=message_id, tenant_id=draw(_text), app_id="app",
        app_name=draw(_text), mode=draw(_text), started_at=draw(st.integers(0, 2**62)), invoke_from=draw(_text),
        conversation_id=draw(_text), workflow_id=draw(_text), user=draw(_text), config_hash=draw(_text),
    )  # fmt: skip


@given(ref=_refs(), us=st.integers(-(2**63), 2**63 - 1))
def test_the_entry_that_owns_a_turn_knows_its_reference_again(ref, us):
    """Also where its row was created in the year 1 or at infinity."""
    row = Row("workflow_runs", us, "app", ref.turn_id) if ref.run_id else Row("messages", us, "app", ref.message_id)
    known = recalled(row_at(row.key), stored(row, ref, mark="m", message_id="a9", owner=True, ended=True))
    assert known.turn == ref
    assert (known.mark, known.message_id, known.owner, known.ended, known.left_out, known.unread) == (
        *("m", "a9", True, True),
        *(False, False),
    )


def test_another_row_of_the_turn_knows_whose_it_is():
    row = Row("messages", NOW, "app", "a1")
    known = recalled(row, stored(row, stub("b1", "t", "c"))).ref
    assert (known.turn_id, known.tenant_id, known.conversation_id, known.app_id) == ("b1", "t", "c", "app")
    assert recalled(row, stored(row, stub(), left_out=True)).ref.turn_id == "a1"


@given(st.lists(st.integers(0, 9_999_999_999_999_999), min_size=2))
def test_keys_are_in_the_order_of_creation(times):
    keys = [Row("messages", us, "app", "a1").key for us in sorted(times)]
    assert keys == sorted(keys)
    assert (
        edge("messages", min(times)) <= keys[0] < edge("messages", min(times) + 1)
        or min(times) == 9_999_999_999_999_999
    )


def test_an_entry_is_small():
    """One is written for every row that there is."""
    names = [f"{n}1b2c3d4-0000-4000-8000-000000000000" for n in range(7)]
    ref = TurnRef(
        turn_id=names[0], run_id=names[0], tenant_id=names[1], app_id=names[2], app_name="Support", mode="advanced-chat",
        started_at=NOW * 1_000, invoke_from="service-api", conversation_id=names[3], message_id=names[4], workflow_id=names[5],
        workflow_version="2026-01-01 00:00:00.000000", user="0" * 32, tenant_name="Company", config_hash="0" * 16,
    )  # fmt: skip
    row = Row("workflow_runs", NOW, names[2], names[0])
    assert len(stored(row, ref, mark=mark_of("x"), message_id=names[4], owner=True)) < 450
    assert len(msgspec.json.encode(ref)) > 550
