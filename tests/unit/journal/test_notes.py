"""Facts beside the turns: found from the turn, from the app, and where nothing else is known of a turn; both journals."""

from __future__ import annotations

import msgspec
import pytest

from monitor.journal.export import Selection, export
from monitor.model import AnnotationRemoved, CoverageChanged, Event, IndexingChanged, SourceGap
from monitor.model.ids import note_key
from monitor.model.stored import noted_turn
from monitor.testing import notes, samples

TURN = samples.turn_ref(1)
FLOW = samples.chatflow_ref(2)
OTHER = samples.turn_ref(3)
ALL_OF_TURN = [
    notes.feedback(TURN),
    notes.annotation(TURN),
    notes.feedback_withdrawn(TURN),
    notes.content_deleted(TURN),
]


def removed(turn) -> Event:
    body = AnnotationRemoved(notes.app_ref(turn), "a", turn.turn_id)
    return Event(note_key(f"app:{turn.app_id}", "annotation", "a", 1), 40, 0, 0, body)


def keys(found):
    return [recorded.event.key for recorded in found]


@pytest.fixture
def filled(journal):
    page = [recorded.event for number in (1, 3) for recorded in samples.agent_turn(number)]
    journal.append("dify", page, b"p")
    journal.append("dify", [*ALL_OF_TURN, notes.feedback(OTHER), notes.annotation(OTHER, annotation_id="b")], b"q")
    return journal


def test_the_notes_of_a_turn_with_their_content_by_position(filled):
    found = filled.notes_of(TURN.turn_id)
    assert [recorded.event for recorded in found] == ALL_OF_TURN
    assert [recorded.seq for recorded in found] == [10, 11, 12, 13]


def test_forms_and_triggers_of_a_run(journal):
    page = [notes.trigger(FLOW), notes.form(FLOW), notes.form(FLOW, number=1)]
    journal.append("dify", page, None)
    assert [recorded.event for recorded in journal.notes_of(FLOW.turn_id)] == page


def test_a_trigger_under_its_apps_key_is_found_from_its_run(journal):
    """It was told before its run was known, so that its facts stay under the app."""
    event = msgspec.structs.replace(notes.trigger(FLOW), key=note_key(f"app:{FLOW.app_id}", "trigger", "t", 1))
    journal.append("dify", [event], None)
    assert keys(journal.notes_of(FLOW.turn_id)) == [event.key]


def test_an_annotation_that_was_removed_is_one_of_the_turns_notes(journal):
    journal.append("dify", [notes.annotation(TURN, annotation_id="a"), removed(TURN)], None)
    assert [type(each.event.body).__name__ for each in journal.notes_of(TURN.turn_id)] == [
        "AnnotationMade",
        "AnnotationRemoved",
    ]


def test_the_newest_revision_stands_for_all(journal):
    journal.append("dify", [notes.annotation(TURN)], None)
    again = msgspec.structs.replace(notes.annotation(TURN), content={"answer": "b"})
    journal.append("dify", [again], None)
    assert [(each.revision, each.event.content) for each in journal.notes_of(TURN.turn_id)] == [(1, {"answer": "b"})]


def test_notes_are_not_events_of_the_turn_nor_gaps_notes(filled):
    filled.append("dify", [Event(f"{TURN.turn_id}:gap:x", 1, 0, 0, SourceGap("x", "y", TURN.turn_id))], None)
    assert len(filled.turn_events(TURN.turn_id)) == 5
    assert len(filled.notes_of(TURN.turn_id)) == 4
    assert filled.notes_of("nobody") == []


def test_a_turn_whose_id_begins_another_is_not_that_other(journal):
    """Keys of `a` and `a:b` begin alike."""
    short, long = samples.turn_ref(1, turn_id="a"), samples.turn_ref(2, turn_id="a:b")
    journal.append("dify", [notes.feedback(short), notes.feedback(long)], None)
    assert keys(journal.notes_of("a")) == [notes.feedback(short).key]


@pytest.mark.parametrize("note", [*ALL_OF_TURN, removed(TURN)], ids=lambda note: type(note.body).__name__)
def test_a_turn_of_which_only_a_note_is_known_is_found(journal, note):
    journal.append("dify", [note], None)
    (match,) = journal.find(TURN.turn_id)
    assert (match.turn.turn_id, match.turn.tenant_id, match.turn.app_id) == (TURN.turn_id, TURN.tenant_id, TURN.app_id)
    assert [each.turn for each in journal.find(TURN.turn_id[:20])] == [match.turn]
    assert journal.turn_events(TURN.turn_id) == []
    assert keys(journal.notes_of(TURN.turn_id)) == [note.key]


def test_such_a_turn_is_found_by_the_other_ids_that_the_note_tells(journal):
    journal.append("dify", [notes.content_deleted(TURN), notes.form(FLOW)], None)
    assert journal.turns_of(TURN.conversation_id) == [TURN.turn_id]
    assert [(each.matched, each.id) for each in journal.find(TURN.conversation_id)] == [
        ("conversation", TURN.conversation_id)
    ]
    journal.append("dify", [notes.annotation(OTHER)], None)
    assert [each.turn.turn_id for each in journal.find(OTHER.message_id)] == [OTHER.turn_id]


def test_what_is_known_of_the_turn_itself_comes_before_what_a_note_tells(journal):
    journal.append("dify", [notes.content_deleted(TURN)], None)
    journal.append("dify", [samples.event(samples.turn_ended(TURN))], None)
    assert [each.turn for each in journal.find(TURN.turn_id)] == [TURN]
    assert journal.find(TURN.turn_id)[0].turn.app_name


def test_notes_about_no_turn_lead_nowhere(journal):
    refused = notes.trigger(FLOW, turn_id="", status="rate_limited")
    indexing = Event("dataset:d:document:x:0", 1, 0, 0, IndexingChanged("t", "d", "x", "failed"))
    coverage = Event("source:dify:coverage:-:0", 1, 0, 0, CoverageChanged("dify", "at_risk", 5))
    imported = notes.annotation(TURN, turn_id="", message_id="")
    page = [refused, indexing, coverage, imported, notes.config_changed()]
    journal.append("dify", page, None)
    assert [noted_turn(event.body, 0) for event in page] == [None] * 5
    for term in (FLOW.turn_id, TURN.turn_id, "dataset", "source", "app:", FLOW.app_id):
        assert journal.find(term) == []


def test_an_apps_configurations_of_a_hash_are_in_the_order_in_which_they_came(journal):
    """One that was gone back to has come twice."""
    app = notes.app_ref(TURN)
    page = [
        notes.config_changed(app, number=1, at=20, hash="a", was="b"),
        notes.config_changed(app, number=0, at=10, hash="a"),
        notes.config_changed(app, config_id="other", at=15, hash="c"),
        notes.config_changed(notes.app_ref(FLOW), at=5, hash="a"),
        notes.annotation(TURN),
    ]
    journal.append("dify", page, None)
    found = journal.configs_of(TURN.app_id, "a")
    assert [(each.event.body.hash, each.event.occurred_at) for each in found] == [("a", 10), ("a", 20)]
    assert found[0].event.content == {"prompt": "你是客服。", "config": "{}"}
    assert journal.configs_of("nobody", "a") == journal.configs_of(TURN.app_id, "?") == []


def test_erased_fields_of_a_note_are_named(filled):
    filled.erase(ALL_OF_TURN[0].key)
    assert filled.notes_of(TURN.turn_id)[0].erased == ("comment", "user")


def test_an_export_of_the_conversation_has_its_notes_and_deletions(disk, tmp_path):
    page = [recorded.event for recorded in samples.agent_turn(1)]
    disk.append("dify", [*page, *ALL_OF_TURN, notes.feedback(samples.turn_ref(9)), notes.config_changed()], b"q")
    lines = export(tmp_path / "journal", Selection(conversation=TURN.conversation_id), content=False)
    kinds = [msgspec.json.decode(line.text)["leaf"]["kind"] for line in lines]
    noted = ["feedback_given", "annotation_made", "feedback_withdrawn", "content_deleted"]
    assert kinds == ["turn_started", "step_ended", "step_ended", "step_ended", "turn_ended", *noted]
