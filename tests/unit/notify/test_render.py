from __future__ import annotations

import json
from unicodedata import category

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.model import Alert, Evidence, Notification
from monitor.notify.render import as_json, as_text, plain, rfc3339
from monitor.testing.notifier_laws import notification
from monitor.testing.samples import BASE_NS, SECOND, uuid

TEXT = """\
FIRING  query_order_status failed 5 times in a row in 客服 Agent
  rule tool_failed_five_times, severity page, value 5, since 2025-09-24T08:00:04Z, changed 2025-09-24T08:00:04Z (condition_met)
  app_id=0000000b-0000-4000-800b-000000000001 tool=query_order_status
  Check the tool's credentials.
    2025-09-24T08:00:00Z  tool_invoke_error  0.5 s  conversation 00000004-0000-4000-8004-000000000000, message 00000002-0000-4000-8002-000000000000
    2025-09-24T08:00:01Z  tool_invoke_error  0.5 s  conversation 00000004-0000-4000-8004-000000000000, message 00000002-0000-4000-8002-000000000001
    2025-09-24T08:00:02Z  tool_invoke_error  0.5 s  conversation 00000004-0000-4000-8004-000000000000, message 00000002-0000-4000-8002-000000000002
    2025-09-24T08:00:03Z  tool_invoke_error  0.5 s  conversation 00000004-0000-4000-8004-000000000000, message 00000002-0000-4000-8002-000000000003
    2025-09-24T08:00:04Z  tool_invoke_error  0.5 s  conversation 00000004-0000-4000-8004-000000000001, message 00000002-0000-4000-8002-000000000004
  replay: monitor replay 00000004-0000-4000-8004-000000000001
  replay: monitor replay 00000004-0000-4000-8004-000000000000
  runbook: https://wiki.example/tools
  notification 0415f0a79659b9f6851e850b5fa76454-1

"""


def test_words_for_people():
    assert as_text(notification()) == TEXT


def test_the_end_is_told_without_advice():
    text = as_text(notification(now="resolved", was="firing", reason="condition_cleared", late=True))
    assert text.startswith("RESOLVED  query_order_status failed")
    assert "(condition_cleared, late)" in text
    assert "credentials" not in text


def test_only_the_newest_calls_are_listed():
    calls = tuple(
        Evidence(key=str(at), turn_id="t", step_id=str(at), at=BASE_NS + at, status="failed", run_id=f"run{at}")
        for at in range(15)
    )
    lines = as_text(notification(evidence=calls)).splitlines()
    assert "    … and 5 earlier" in lines
    assert sum("run run" in line for line in lines) == 10
    assert not any("replay" in line for line in lines)


def test_runs_without_a_conversation_are_replayed_by_their_turn():
    call = Evidence(key="k", turn_id=uuid(7, 3), step_id="s", at=BASE_NS, status="failed", run_id=uuid(7, 3))
    assert f"  replay: monitor replay {uuid(7, 3)}\n" in as_text(notification(evidence=(call, call)))


@pytest.mark.parametrize(
    ("fact", "line"),
    [
        (
            Evidence("k", uuid(1, 3), "", BASE_NS, "dislike", conversation_id=uuid(1, 4), message_id=uuid(1, 2)),
            f"dislike  conversation {uuid(1, 4)}, message {uuid(1, 2)}",
        ),
        (Evidence("dataset:d:document:x:0", "", "", BASE_NS, "failed", "quota"), "failed (quota)  dataset:d:document:x:0"),
        (Evidence("source:dify:coverage:-:3", "", "", BASE_NS, "overtaken"), "overtaken  source:dify:coverage:-:3"),
    ],
)  # fmt: skip
def test_a_fact_beside_the_turns_reads_well(fact, line):
    """A rating, a document, a source: no duration, and a name even where there is no turn."""
    assert f"    2025-09-24T08:00:00Z  {line}\n" in as_text(notification(evidence=(fact,)))


def test_what_is_pasted_into_a_shell_is_an_id():
    hostile = Evidence(key="k", turn_id="t", step_id="s", at=BASE_NS, status="failed", conversation_id="x; rm -rf /")
    assert "monitor replay" not in as_text(notification(evidence=(hostile,)))


def test_nothing_steers_a_terminal():
    """Names come from whoever makes tools and apps in Dify."""
    text = as_text(
        notification(summary="a\x1b[2Jb\x07\u202ec\x9bd\r\ne\u2028f\ud800g", labels={"tool": "x\x1b]0;t\x07"})
    )
    assert text.startswith("FIRING  a[2Jbcd efg\n")
    assert "\x1b" not in text


@given(st.text(st.characters(), max_size=60))
def test_plain_is_one_line_that_shows(text: str):
    shown = plain(text)
    assert plain(shown) == shown
    assert not {category(char) for char in shown} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert len(shown.splitlines()) <= 1


def test_long_texts_are_cut():
    assert plain("x" * 10_000, 10) == "x" * 9 + "…"


def test_the_documented_json():
    """The form that receivers rely on: fields may come, none may go or change."""
    document = json.loads(as_json(notification()))
    evidence = document.pop("evidence")
    assert document == {
        "version": "1",
        "id": "0415f0a79659b9f6851e850b5fa76454-1",
        "status": "firing",
        "rule": "tool_failed_five_times",
        "fingerprint": "0415f0a79659b9f6851e850b5fa76454",
        "severity": "page",
        "labels": {"app_id": uuid(1, 11), "tool": "query_order_status"},
        "summary": "query_order_status failed 5 times in a row in 客服 Agent",
        "description": "Check the tool's credentials.",
        "runbook": "https://wiki.example/tools",
        "since": "2025-09-24T08:00:04.000000Z",
        "at": "2025-09-24T08:00:04.000000Z",
        "value": 5.0,
        "reason": "condition_met",
        "late": False,
    }
    assert len(evidence) == 5
    assert evidence[0] == {
        "key": f"{uuid(0, 2)}:step:{uuid(0, 2)}/2/query_order_status",
        "turn_id": uuid(0, 2),
        "step_id": f"{uuid(0, 2)}/2/query_order_status",
        "at": "2025-09-24T08:00:00.000000Z",
        "status": "failed",
        "error_type": "tool_invoke_error",
        "duration_s": 0.5,
        "conversation_id": uuid(0, 4),
        "message_id": uuid(0, 2),
        "run_id": "",
    }


@pytest.mark.parametrize(("now", "status"), [("firing", "firing"), ("resolved", "resolved")])
def test_status(now: str, status: str):
    assert json.loads(as_json(notification(now=now)))["status"] == status


HOSTILE = st.text(st.characters(), max_size=30) | st.sampled_from(["\ud800", "\x00", "{value}", "x" * 5000])
NS = st.integers(-(2**63), 2**64)
ALERTS = st.builds(
    Alert,
    fingerprint=HOSTILE,
    rule=HOSTILE,
    labels=st.dictionaries(HOSTILE, HOSTILE, max_size=3),
    severity=HOSTILE,
    summary=HOSTILE,
    state=st.just("firing"),
    since=NS,
    changes=st.integers(),
    value=st.floats(),
    evidence=st.lists(
        st.builds(Evidence, key=HOSTILE, turn_id=HOSTILE, step_id=HOSTILE, at=NS, status=HOSTILE, duration_ns=NS),
        max_size=3,
    ).map(tuple),
)


@given(st.builds(Notification, id=HOSTILE, alert=ALERTS, was=HOSTILE, now=HOSTILE, reason=HOSTILE, at=NS))
def test_any_notification_can_be_told(hostile: Notification):
    json.loads(as_json(hostile))
    assert as_json(hostile) == as_json(msgspec.structs.replace(hostile))
    assert as_text(hostile).encode()


def test_times_outside_the_calendar_are_its_ends():
    assert rfc3339(-1) == "1970-01-01T00:00:00.000000Z"
    assert rfc3339(10**30, "seconds") == "9999-12-31T00:00:00Z"
    assert rfc3339(BASE_NS + SECOND // 2) == "2025-09-24T08:00:00.500000Z"
