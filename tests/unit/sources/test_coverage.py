"""Up to which moment Dify's rows may be deleted without loss, and what is said when that comes near.

`a` are messages, `b` runs; times are seconds after the world's beginning.
"""

from __future__ import annotations

from typing import Any

import pytest

from monitor.model import CoverageChanged, SourceGap
from monitor.sources.dify_database.reader import Limits
from monitor.sources.dify_database.registers.page import RegisterPage
from monitor.sources.dify_database.state import Place, State, encode, key_at
from tests.unit.sources.world import DAY_US, Dify, S, Watcher, at, row_id, told

DONE = {"provider_response_latency": "1.5", "answer": "x"}
OVER = {"status": "succeeded", "finished_at": at(1)}
DAY = 86_400.0
DAY_LONG_US = 86_400 * S


def safe_s(watcher: Watcher) -> float:
    """The purge-safe mark, in seconds after the world's beginning."""
    return (watcher.coverage.purge_safe_at // 1_000 - DAY_US) / S


def changes(watcher: Watcher) -> list[str]:
    return [event.body.state for event in watcher.ledger.order if isinstance(event.body, CoverageChanged)]


def gaps(watcher: Watcher) -> list[SourceGap]:
    return [event.body for event in watcher.ledger.order if isinstance(event.body, SourceGap)]


# -- the purge-safe mark


def test_where_all_is_read_and_over_it_is_the_sweep_behind_now(dify, watcher):
    dify.message(1, **DONE)
    watcher.read(1_000)
    assert safe_s(watcher) == 880


def test_in_an_empty_dify_too(watcher):
    watcher.read(1_000)
    assert safe_s(watcher) == 880


def test_what_is_not_read_yet_is_not_safe(dify):
    watcher = Watcher(dify, limit=5)
    for number in range(50):
        dify.message(number, created=1_000.0 * number, **DONE)
    dify.now = 100_000
    watcher.page()
    assert safe_s(watcher) < 5_000
    watcher.read(61)
    assert safe_s(watcher) > 99_000


@pytest.mark.parametrize("status", ["running", "paused"])
def test_a_turn_that_is_not_over_holds_it(dify, watcher, status):
    dify.run(1, "workflow", created=500, status=status)
    dify.message(1, created=600, **DONE)
    dify.now = 1_000
    watcher.read()
    watcher.read(700)
    assert safe_s(watcher) == 500
    dify.run(1, "workflow", status="succeeded", finished_at=at(1_700))
    watcher.read(60)
    watcher.read(130)
    watcher.read(130)
    assert safe_s(watcher) == dify.now - 120


def test_a_row_that_waits_for_its_other_half_holds_it(dify, watcher):
    dify.run(1, created=0)
    watcher.read(30)
    assert safe_s(watcher) == -90  # the sweep's own
    watcher.read(30)
    watcher.read(61)
    assert safe_s(watcher) == 0


def test_a_turn_that_was_given_up_does_not_hold_it_for_ever(dify, watcher):
    dify.message(1, created=0)
    watcher.read()
    watcher.read(3_600)
    watcher.read(61)
    assert safe_s(watcher) > 3_000


def test_what_a_page_had_no_room_for_holds_it(dify):
    """Rows that came late, behind the mark."""
    watcher = Watcher(dify, limit=5, limits=Limits(max_page_bytes=1))
    dify.message(1, created=1_000, **DONE)
    dify.now = 1_900
    watcher.read()
    assert safe_s(watcher) == 1_780
    for number in range(2, 9):
        dify.message(number, created=1_000 - number, **DONE)
    dify.now = 2_000
    assert watcher.page().more
    assert safe_s(watcher) == 993  # the first was told
    watcher.read()
    assert safe_s(watcher) == 1_880


class Slices:
    """Registers with so many slices of history."""

    def __init__(self, slices: int) -> None:
        self.left = slices

    def read(self, tables: Any, memory: Any, rounds: Any, now_us: int) -> RegisterPage:
        self.left -= 1
        return RegisterPage(rounds=rounds, more=self.left > 0, remember={f"n/x/{self.left}": b""})


def test_while_the_registers_were_never_looked_over_nothing_is_safe(dify):
    """A rating is deleted with its message."""
    watcher = Watcher(dify, registers=Slices(3))
    dify.message(1, **DONE)
    dify.now = 1_000
    assert watcher.page().more
    assert watcher.coverage.purge_safe_at == 0
    watcher.read(61)
    assert safe_s(watcher) == 941
    assert watcher.ledger.memory.get(["n/x/2", "n/x/0"]).keys() == {"n/x/2", "n/x/0"}


def test_registers_wait_until_the_turns_are_read(dify):
    watcher = Watcher(dify, limit=2, registers=Slices(1))
    for number in range(5):
        dify.message(number, created=1_000.0 * number, **DONE)
    dify.now = 10_000
    watcher.page()
    assert watcher.registers.left == 1
    watcher.read()
    assert watcher.registers.left == 0


def test_it_is_written_once_a_minute_or_when_more_than_a_time_changed(dify, watcher):
    dify.message(1, **DONE)
    watcher.read(1_000)
    written = [bool(watcher.page().remember) for _ in range(3)]
    for _ in range(14):
        dify.now += 5
        written.append("coverage" in watcher.page().remember)
    assert sum(written) <= 3


# -- deleting what is safe


def test_deleting_what_is_safe_changes_nothing_that_was_told(dify, watcher):
    for number in range(40):
        created = -30 * DAY + number * DAY * 0.75
        run = dify.run(number, created=created, **OVER)
        dify.message(number, "advanced-chat", created=created, workflow_run_id=run, **DONE)
    watcher.read(400)
    watcher.read(70)
    before = len(watcher.ledger.order)
    mark_us = watcher.coverage.purge_safe_at // 1_000
    for table in ("messages", "workflow_runs"):
        for row_id_, row in list(dify.rows[table].items()):
            assert at((mark_us - DAY_US) / S) > (row["created_at"] or "")
            dify.delete(table, row_id_)
    for _ in range(30):
        watcher.read(61)
    dify.message(99, **DONE)
    assert told(watcher.read(61)) == ["started a99", "ended a99 succeeded"]
    assert len(watcher.ledger.order) == before + 2
    assert (gaps(watcher), changes(watcher)) == ([], [])
    assert watcher.coverage.deleted == 40


def test_deleting_it_while_nobody_reads_changes_nothing_either(dify, watcher):
    """Whatever was not safe to go is still there: the row at the mark."""
    dify.message(1, created=-10 * DAY, **DONE)
    dify.message(2, created=395, **DONE)
    watcher.read(400)
    dify.delete("messages", row_id("a", 1))
    dify.message(3, created=5 * DAY, **DONE)
    dify.now = 6 * DAY
    assert told(watcher.read()) == ["started a3", "ended a3 succeeded"]
    assert (gaps(watcher), changes(watcher)) == ([], [])


@pytest.mark.parametrize("away", [0.4 * DAY, 0.9 * DAY])
def test_deleting_all_of_it_while_nobody_reads_for_less_than_a_day_is_no_hole(dify, watcher, away):
    dify.message(1, **DONE)
    watcher.read(1_000)
    dify.delete("messages", row_id("a", 1))
    dify.message(2, created=0.3 * DAY, **DONE)
    dify.now = away
    assert told(watcher.read()) == ["started a2", "ended a2 succeeded"]
    assert (gaps(watcher), changes(watcher)) == ([], [])


# -- Dify's clean-up


def purge(dify: Dify, before: float) -> None:
    for table in ("messages", "workflow_runs"):
        for name, row in list(dify.rows[table].items()):
            if (row["created_at"] or "") < at(before):
                dify.delete(table, name)


def test_it_is_at_risk_when_the_clean_up_comes_near_and_safe_again_after(dify):
    """Dify's retention is configured to be ten days; a run has waited for a person for nine."""
    watcher = Watcher(dify, limits=Limits(dify_retention_us=10 * DAY_LONG_US))
    dify.run(1, "workflow", status="paused")
    watcher.read()
    for _ in range(8):
        watcher.read(DAY)
    assert changes(watcher) == []
    watcher.read(1.5 * DAY)
    assert changes(watcher) == ["at_risk"]
    (event,) = (event for event in watcher.ledger.order if isinstance(event.body, CoverageChanged))
    assert event.key == "source:dify_database:coverage:-:0"
    assert event.body.retention_ns == 10 * DAY_LONG_US * 1_000
    assert event.body.purge_safe_at == DAY_US * 1_000
    assert watcher.coverage.state == "at_risk"
    dify.run(1, "workflow", status="succeeded", finished_at=at(dify.now))
    for _ in range(5):
        watcher.read(130)
    assert changes(watcher) == ["at_risk", "safe"]
    assert "source:dify_database:coverage:-:1" in watcher.ledger.revisions


def _a_month(dify: Dify) -> Watcher:
    for number in range(40):
        dify.message(number, created=-29.5 * DAY + (number if number < 20 else (number - 19) * DAY), **DONE)
    return Watcher(dify, limit=1, limits=Limits(dify_retention_us=30 * DAY_LONG_US))


def test_a_history_that_is_read_at_once_is_never_at_risk(dify):
    """At the first start nothing is safe yet, and the oldest rows would go within a day."""
    watcher = _a_month(dify)
    watcher.read()
    watcher.read(61)
    assert changes(watcher) == []


def test_a_backlog_that_is_not_read_within_ten_minutes_is_at_risk_where_the_clean_up_would_reach_it(dify):
    watcher = _a_month(dify)
    states = []
    for _ in range(6):
        watcher.page()
        states.append(watcher.state.coverage)
        dify.now += 150
    assert states == ["safe"] * 5 + ["at_risk"]
    watcher.read()
    assert changes(watcher) == ["at_risk", "safe"]
    assert watcher.state.catching_up_us == 0


def test_where_dify_holds_nothing_old_nothing_is_at_risk(dify):
    """At the first start nothing is safe yet, but the clean-up is far from it."""
    watcher = Watcher(dify, registers=Slices(3), limits=Limits(dify_retention_us=10 * DAY_LONG_US))
    dify.message(1, **DONE)
    dify.now = 1_000
    watcher.page()
    assert (watcher.coverage.purge_safe_at, watcher.coverage.state) == (0, "safe")


@pytest.mark.parametrize("days", [1, 2, 30])
def test_who_keeps_up_is_never_at_risk_however_short_the_retention(dify, days):
    watcher = Watcher(dify, limits=Limits(dify_retention_us=days * DAY_LONG_US))
    for number in range(100):
        dify.now = number * DAY / 4
        dify.message(number, **DONE)
        purge(dify, dify.now - days * DAY)
        watcher.read(5)
    assert changes(watcher) == []
    assert gaps(watcher) == []


def test_a_retention_that_nobody_configured_is_seen(dify, watcher):
    for number in range(24):
        dify.now = number * DAY
        dify.message(number, **DONE)
        watcher.read(5)
    purge(dify, 12 * DAY)
    watcher.read(61)
    assert watcher.state.retention["messages"] == pytest.approx(11 * DAY_LONG_US, abs=2 * 61 * S)


def test_a_retention_that_was_seen_is_believed_as_long_as_rows_go(dify, watcher):
    """Dify's clean-up of workflow logs leaves chats alone, so each table is looked at for itself."""
    dify.message(1, created=-60 * DAY, **DONE)
    for number in range(40):
        dify.run(number, "workflow", created=-40 * DAY + number * DAY, **OVER)
    watcher.read(70)
    for number in range(20):
        dify.delete("workflow_runs", row_id("b", number))
    watcher.read(61)
    assert watcher.state.retention == {"workflow_runs": pytest.approx(20 * DAY_LONG_US, abs=400 * S)}
    assert changes(watcher) == []
    for _ in range(3):
        watcher.read(DAY)
    assert watcher.state.retention == {}


def test_somebody_who_deletes_a_young_conversation_is_no_clean_up(dify, watcher):
    dify.message(1, created=0, **DONE)
    dify.message(2, created=10_000, **DONE)
    dify.now = 12_000
    watcher.read()
    dify.delete("messages", row_id("a", 1))
    watcher.read(61)
    assert watcher.state.retention == {}


def test_what_since_leaves_out_is_no_hole(dify, watcher):
    """The first row comes long after the configured beginning."""
    mark = key_at(DAY_US - 30 * DAY_LONG_US)
    watcher.position = encode(State(messages=Place(mark=mark), runs=Place(mark=mark), since_us=mark.us))
    dify.message(1, **DONE)
    watcher.read(400)
    watcher.read(61)
    assert (gaps(watcher), changes(watcher)) == ([], [])
    assert watcher.state.compared_from_us == 0


def test_runs_that_are_kept_elsewhere_are_named(dify, watcher):
    """Dify 1.11.2 and later can keep its runs in a log store: its tables of runs stay empty."""
    for number in range(20):
        dify.message(number, "advanced-chat", workflow_run_id=row_id("b", number), **DONE)
    dify.now = 1_000
    watcher.read()
    assert watcher.coverage.external_runs
