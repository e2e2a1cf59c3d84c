"""Facts in plain English."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import msgspec
import pytest

from monitor.model import StepEnded
from monitor.replay import words
from monitor.replay.nouns import Alert, Gap, Money, Totals, Used
from monitor.testing import samples
from tests.unit.replay.world import shown

NOON = datetime(2025, 9, 24, 12, 0, 0, 123_456, tzinfo=UTC)
NOTHING = Used(None, None, 0, ())
TOTALS = Totals(turns=1, steps=0, model_calls=0, tool_calls=0, retrievals=0, failed=0, handled=0, used=NOTHING)


def totals(**changes) -> Totals:
    return msgspec.structs.replace(TOTALS, **changes)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 ms"),
        (0.00123, "1.23 ms"),
        (0.148, "148 ms"),
        (3.64, "3.64 s"),
        (23.12, "23.1 s"),
        (60, "1 min 0 s"),
        (125, "2 min 5 s"),
        (3_720, "1 h 2 min"),
        (90_000, "1 d 1 h"),
        (-0.5, "-500 ms"),
    ],
)
def test_durations(seconds, text):
    assert words.duration_text(seconds) == text


def test_times_name_their_zone():
    shanghai = ZoneInfo("Asia/Shanghai")
    assert words.date_text(NOON, UTC) == "2025-09-24 12:00:00.123 UTC"
    assert words.date_text(NOON, shanghai) == "2025-09-24 20:00:00.123 UTC+08:00"
    assert words.clock_text(NOON, shanghai) == "20:00:00.123"
    assert words.zone_text(NOON, shanghai) == "Asia/Shanghai"
    assert words.zone_text(NOON, UTC) == "UTC"
    assert words.zone_text(NOON, None).endswith(" (local time)")


def test_tokens_and_money():
    used = Used(3333, 147, 3480, (Money("0.0098025", "USD"), Money("1", "RMB")))
    assert words.used_words(used) == ["3,480 tokens (3,333 in, 147 out)", "0.0098025 USD + 1 RMB"]
    assert words.used_briefly(used)[0] == "3,333 in + 147 out tokens"
    assert words.used_briefly(Used(None, None, 5, ())) == ["5 tokens"]
    assert words.used_words(NOTHING) == []


@pytest.mark.parametrize(
    ("status", "changes", "text"),
    [
        ("succeeded", {}, "succeeded"),
        ("succeeded", {"failed": 6, "handled": 6}, "succeeded, with 6 failed steps (all handled)"),
        ("succeeded", {"failed": 3, "handled": 1}, "succeeded, with 3 failed steps (1 handled)"),
        ("partial", {"failed": 1, "handled": 1}, "succeeded in part, with 1 failed step (handled)"),
        ("failed", {"failed": 1}, "FAILED"),
        ("stopped", {}, "stopped before its end"),
        ("abandoned", {}, "abandoned: it showed no end for so long that it was given up"),
        ("open", {}, "no end is recorded"),
    ],
)
def test_how_a_turn_ended(status, changes, text):
    outcome = msgspec.structs.replace(shown(samples.agent_turn(1)).outcome, status=status)
    assert words.status_words(outcome, totals(**changes)) == text


def test_a_failed_turn_says_of_what_kind():
    outcome = shown(samples.agent_turn(1)).outcome
    failed = msgspec.structs.replace(outcome, status="failed", error_type="rate_limit")
    assert words.status_words(failed, TOTALS) == "FAILED: rate_limit"
    other = msgspec.structs.replace(failed, error_type="_OTHER")
    assert words.status_words(other, TOTALS) == "FAILED: unclassified error"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"status": "succeeded"}, ""),
        ({"status": "failed"}, "FAILED: tool_invoke_error"),
        ({"status": "failed", "handled": True}, "FAILED: tool_invoke_error, handled"),
        ({"status": "failed", "error_type": ""}, "FAILED"),
        ({"status": "stopped"}, "stopped before its end"),
        ({"status": "unknown"}, "how it ended is not known"),
    ],
)
def test_how_a_step_ended(changes, text):
    record = samples.recorded(StepEnded(turn=samples.turn_ref(1), step=samples.tool_step(**changes)))
    if "error_type" in changes:
        step = msgspec.structs.replace(record.event.body.step, error_type="")
        record = samples.recorded(StepEnded(turn=samples.turn_ref(1), step=step))
    assert words.step_words(shown([record]).moments[0]) == text


def test_what_a_turn_consisted_of():
    counted = totals(steps=14, model_calls=1, tool_calls=4, retrievals=2, failed=1, used=Used(None, None, 7, ()))
    assert words.totals_words(counted) == [
        "14 steps",
        "1 model call",
        "4 tool calls",
        "2 searches",
        "1 failed step",
        "7 tokens",
    ]


def alert(**changes) -> Alert:
    plain = Alert(
        at=NOON,
        rule="r",
        severity="page",
        summary="s",
        was="inactive",
        now="firing",
        reason="condition_met",
        since=NOON,
        value=5.0,
        labels={},
        fingerprint="f",
        caused_here=True,
        steps=("a", "b"),
        steps_elsewhere=3,
        late=False,
        history=False,
        seq=1,
    )
    return msgspec.structs.replace(plain, **changes)


def test_what_is_said_of_an_alert():
    assert words.alert_words(alert()) == ["the condition was met", "rests on 5 steps, 2 of this turn"]
    assert words.alert_words(alert(steps_elsewhere=0))[1] == "rests on 2 steps, all of this turn"
    more = words.alert_words(alert(steps=(), reason="new_reason", late=True, history=True))
    assert more == ["new reason", "came to be known late", "found in old records, so nobody was notified"]


@pytest.mark.parametrize(
    ("kind", "steps", "beginning"),
    [
        ("no_start", (), "The record of the turn's start is missing"),
        ("no_end", (), "No end is recorded: as of NOON, the turn was still running or never ended."),
        ("missing_steps", ("a", "b"), "The turn's end lists 2 steps that the journal does not have"),
        ("late_steps", ("a",), "1 step came after the turn's end was recorded, which does not list it"),
        ("lost_parent", ("a", "b"), "2 steps ran inside of a step that the journal does not have, and so stand at"),
        ("unreadable", (), "Dify's records could not be read at NOON"),
        ("steps_not_told", (), "The turn is one model call."),
        ("no_records", (), "Nothing of the turn itself is recorded"),
        ("no_steps", (), "Dify kept no steps of this turn."),
    ],
)
def test_every_gap_is_a_sentence(kind, steps, beginning):
    assert words.gap_words(Gap(kind, NOON, "", "", None, None, steps), "NOON").startswith(beginning)


def test_foreign_words_are_made_plain():
    hostile = words.money_text((Money("1", "\x1b[31m"),))
    assert hostile == "1 ␛[31m"
