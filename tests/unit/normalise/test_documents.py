"""Facts to documents: index, id, version and fields."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.model import Alert, AlertChanged, Event, Recorded, SourceGap, StepEnded, TurnStarted, kind_of
from monitor.model.alerts import Evidence
from monitor.model.ids import span_id, trace_id
from monitor.normalise.document_fields import CONTENT, FIELDS
from monitor.normalise.documents import KINDS, Document, document_of, month_of, version_of
from monitor.testing import samples
from monitor.testing.laws import hostile
from monitor.testing.strategies import recorded_notes, recordeds
from tests.support.leaving import apply
from tests.unit.noted import NOTES, note

_TYPES = {"long": int, "double": (int, float), "boolean": bool, "keyword": str, "text": str, "date": str}
_LONGEST = 512


def document(recorded, content=None, common=None) -> Document:
    found = document_of(recorded, content or {}, common or {"service.name": "dify"})
    assert found is not None
    return found


def flat(source, before=""):
    """Name and value of every field, as Elasticsearch sees them."""
    for name, value in source.items():
        full = f"{before}{name}"
        if isinstance(value, dict) and FIELDS.get(full, {}).get("type") != "flattened":
            yield from flat(value, f"{full}.")
        else:
            yield full, value


def alert_changed(**changes) -> Recorded:
    proof = Evidence(key="k", turn_id=samples.uuid(1), step_id="s", at=1, status="failed")
    alert = Alert(
        fingerprint="f", rule="five failures", labels={"app": "客服", "a.b": "c"}, severity="critical", summary="s",
        state="firing", since=samples.BASE_NS, changes=1, value=5.0, evidence=(proof, proof),
    )  # fmt: skip
    alert = msgspec.structs.replace(alert, **changes)
    body = AlertChanged(alert=alert, was="pending", now="firing", reason="held_for")
    event = Event("alert:f:1", 40, samples.BASE_NS, samples.BASE_NS, body)
    return Recorded(seq=1, revision=0, source="rules", recorded_at=1, event=event)


def test_a_turn():
    ended = samples.turn_ended(status="failed", error_type="quota", failed_steps=2)
    recorded = samples.recorded(ended, content={"error": "no more"})
    found = document(recorded, {"error": "no more"}, {"service.name": "dify", "labels": {"site": "b"}})
    turn = ended.turn
    assert (found.stream, found.month, found.id) == ("turns", "2025.09", f"{turn.turn_id}:turn:ended")
    fields = dict(flat(found.source))
    assert fields["@timestamp"] == fields["event.start"] == "2025-09-24T08:00:01.000000000Z"
    assert (fields["event.end"], fields["event.duration"]) == ("2025-09-24T08:00:03.000000000Z", 2 * samples.SECOND)
    assert (fields["event.outcome"], fields["event.dataset"], fields["event.kind"]) == (
        "failure",
        "dify.turns",
        "event",
    )
    assert (fields["error.type"], fields["error.message"]) == ("quota", "no more")
    assert (fields["trace.id"], fields["span.id"]) == (
        trace_id(turn.turn_id),
        span_id(turn.turn_id, "turn", turn.turn_id),
    )
    assert (fields["dify.turn.status"], fields["dify.turn.failed_steps"]) == ("failed", 2)
    assert (fields["user.id"], fields["labels"]) == (turn.user, {"site": "b"})
    assert "parent.id" not in fields


def test_a_step():
    turn = samples.chatflow_ref()
    step = samples.llm_step(turn, provisional=True)
    fields = dict(flat(document(samples.recorded(StepEnded(turn=turn, step=step))).source))
    assert (fields["dify.step.kind"], fields["dify.step.provisional"]) == ("llm", True)
    assert (fields["gen_ai.request.model"], fields["gen_ai.usage.input_tokens"]) == (samples.MODEL, 75)
    assert fields["parent.id"] == span_id(turn.turn_id, "turn", turn.turn_id)
    assert fields["dify.usage.cost"] == 0.0003675


def test_a_step_belongs_to_the_month_in_which_its_turn_began():
    """A revision may move the step's own start, over the end of a month too; it must not make a second document."""
    turn = samples.turn_ref(started_at=1_759_276_799 * samples.SECOND)
    for start in (turn.started_at, turn.started_at + 10 * samples.SECOND):
        step = samples.tool_step(turn, started_at=start, ended_at=start + 1)
        found = document(samples.recorded(StepEnded(turn=turn, step=step)))
        assert (found.month, found.id) == ("2025.09", f"{turn.turn_id}:step:{step.id}")


@pytest.mark.parametrize("body", NOTES, ids=kind_of)
def test_a_fact_beside_the_turns(body):
    recorded = note(body, 7)
    found = document(recorded)
    fields = dict(flat(found.source))
    assert (found.stream, found.month, found.id) == ("notes", "2025.09", recorded.event.key)
    assert (fields["event.action"], fields["event.dataset"]) == (kind_of(body), "dify.notes")
    assert fields["@timestamp"] == "2025-09-24T08:00:07.000000000Z"
    if turn_id := getattr(body, "turn_id", "") or getattr(getattr(body, "turn", None), "turn_id", ""):
        assert fields["trace.id"] == trace_id(turn_id)


def test_what_people_thought_is_on_the_note():
    fields = dict(flat(document(note(NOTES[0]), {"comment": "wrong"}).source))
    assert (fields["gen_ai.evaluation.score.value"], fields["gen_ai.evaluation.score.label"]) == (0.0, "dislike")
    assert fields["gen_ai.evaluation.explanation"] == "wrong"


def test_an_alert():
    found = document(alert_changed())
    fields = dict(flat(found.source))
    assert (found.stream, found.id, fields["event.kind"]) == ("alerts", "alert:f:1", "alert")
    assert (fields["rule.name"], fields["dify.alert.severity"]) == ("five failures", "critical")
    assert (fields["dify.alert.state"], fields["dify.alert.was"]) == ("firing", "pending")
    assert fields["dify.alert.labels"] == {"app": "客服", "a.b": "c"}
    assert (fields["dify.alert.turns"], fields["trace.id"]) == ([samples.uuid(1)], [trace_id(samples.uuid(1))])
    assert dict(flat(document(alert_changed(value=float("nan"))).source)).keys() >= {"dify.alert.since"}


def test_a_gap():
    """A hole in what could be read is a document too."""
    body = SourceGap(what="messages:1", reason="unreadable", turn_id=samples.uuid(1), since=5)
    fields = dict(flat(document(samples.recorded(body)).source))
    assert (fields["dify.gap.what"], fields["dify.gap.since"]) == ("messages:1", 5)
    assert fields["trace.id"] == trace_id(samples.uuid(1))


def test_a_start_is_no_document():
    assert document_of(samples.recorded(TurnStarted(turn=samples.turn_ref())), {}, {}) is None
    assert "turn_started" not in KINDS


@pytest.mark.parametrize(
    ("ns", "month"),
    [
        (0, "1970.01"),
        (-1, "1970.01"),
        (samples.BASE_NS, "2025.09"),
        (1_767_225_599 * samples.SECOND + 999_999_999, "2025.12"),
        (1_767_225_600 * samples.SECOND, "2026.01"),
        (2**70, "2262.04"),
    ],
)
def test_months_are_those_of_utc(ns, month):
    assert month_of(ns) == month


@given(
    st.tuples(st.integers(0, 899), st.integers(0, 2**63 - 1)), st.tuples(st.integers(0, 899), st.integers(0, 2**63 - 1))
)
def test_versions_order_as_the_journal_does(one, other):
    """Rank before time; what is the better fact never has the lower version. All below 2^53."""
    versions = [
        version_of(Event("k", rank, changed_at, 0, samples.turn_started())) for rank, changed_at in sorted([one, other])
    ]
    assert versions == sorted(versions)
    assert versions[1] < 2**53


def test_a_long_key_becomes_an_id_that_elasticsearch_takes():
    """512 bytes are the most; keys that differ only at their end stay apart."""
    recorded = samples.recorded(samples.turn_ended())
    keys = [f"{'长' * 400}{end}" for end in "ab"]
    ids = [document(_with(recorded, key=key)).id for key in keys]
    assert len(set(ids)) == 2
    assert all(len(each.encode()) <= _LONGEST for each in ids)
    assert document(_with(recorded, key="k" * _LONGEST)).id == "k" * _LONGEST


def _with(recorded, **changes):
    return msgspec.structs.replace(recorded, event=msgspec.structs.replace(recorded.event, **changes))


def fits(source):
    """Each value is of its field's type, so that no document is refused for one."""
    for name, value in flat(source):
        if name in FIELDS and FIELDS[name]["type"] in _TYPES:
            values = value if isinstance(value, list) else [value]
            assert all(isinstance(each, _TYPES[FIELDS[name]["type"]]) for each in values), (name, value)
            if FIELDS[name]["type"] == "long":
                assert all(-(2**63) <= each < 2**63 for each in values), (name, value)
        else:
            assert name in FIELDS or (name in CONTENT and isinstance(value, str)), (name, value)


@given(st.one_of(recordeds, recorded_notes), st.sampled_from(["none", "redacted", "full"]))
def test_every_fact_fits_the_mapping(recorded, policy):
    """Whatever Dify holds: mapped names, values of their types, JSON without NaN, and no content under `none`."""
    content = apply(policy, recorded.event.content)
    found = document_of(recorded, content, {})
    assert (found is None) == (kind_of(recorded.event.body) not in KINDS)
    if found is None:
        return
    fits(found.source)
    json.dumps(found.source, allow_nan=False)
    if policy == "none":
        names = {name for name, _ in flat(found.source)} & set(CONTENT)
        assert names <= {"gen_ai.retrieval.documents"}


@pytest.mark.parametrize("number", range(11))
def test_hostile_facts_fit_the_mapping(number):
    recorded = list(hostile())[number]
    fits(document(recorded, recorded.event.content).source)
