"""What is beside a turn: shown once each, in the order of time, with who did it."""

from __future__ import annotations

import msgspec

from monitor.model import (
    AnnotationMade,
    AnnotationRemoved,
    AppRef,
    ContentDeleted,
    Event,
    FeedbackGiven,
    FeedbackWithdrawn,
    FormChanged,
    IndexingChanged,
    Recorded,
    TriggerLogged,
)
from monitor.model.ids import note_key
from monitor.replay.beside import Annotation, Deletion, Feedback, Form, Trigger
from monitor.replay.notes import beside_of
from monitor.testing import samples

SECOND = samples.SECOND
TURN = samples.turn_ref(1)
APP = AppRef(TURN.tenant_id, TURN.app_id)
AT = TURN.started_at + 60 * SECOND


def note(body, number=0, **content):
    at = AT + number * SECOND
    event = Event(note_key(TURN.turn_id, "note", "x", number), 40, at, at, body, content)
    return Recorded(number, 0, "dify", at + SECOND, event)


def told(*notes, content=True, titles=None):
    return beside_of(notes, titles or {}, content=content)


def test_a_rating_that_was_given_changed_and_withdrawn():
    """Withdrawing deletes the row, so who it was is only known from before."""
    given = note(FeedbackGiven(TURN, "f", "dislike", "user", "u_1"), 0, user="alice", comment="太慢")
    changed = note(FeedbackGiven(TURN, "f", "like", "user", "u_1", was="dislike"), 1, user="alice")
    withdrawn = note(FeedbackWithdrawn(TURN, "f", "like", "user"), 2)
    found = told(withdrawn, given, changed)
    assert [(each.what, each.rating, each.was) for each in found] == [
        ("given", "dislike", ""),
        ("changed", "like", "dislike"),
        ("withdrawn", "like", ""),
    ]
    assert [each.who.user for each in found] == ["u_1"] * 3
    assert [each.who.user_id.text for each in found] == ["alice"] * 3
    assert [each.comment and each.comment.text for each in found] == ["太慢", None, None]


def test_a_rating_of_which_only_the_withdrawal_is_known_is_nobodys():
    (found,) = told(note(FeedbackWithdrawn(TURN, "f", "like", "admin")))
    assert (found.who.user, found.who.user_id) == ("", None)


def test_an_annotation_that_was_made_changed_and_removed():
    made = note(AnnotationMade(APP, "a", turn_id=TURN.turn_id, user="u_2"), 0, question="q", answer="a")
    changed = note(AnnotationMade(APP, "a", turn_id=TURN.turn_id, user="u_2", changed=True), 1, answer="b")
    removed = note(AnnotationRemoved(APP, "a", TURN.turn_id), 2)
    found = told(made, changed, removed)
    assert [type(each) for each in found] == [Annotation] * 3
    assert [each.what for each in found] == ["made", "changed", "removed"]
    assert [each.answer and each.answer.text for each in found] == ["a", "b", None]


def test_a_form_says_who_chose_what_when_and_repeats_nothing():
    """Dify 1.13 and later: a Human Input node asks a person. Each of its records has what was asked."""
    asked = {"form": "同意退款吗？"}
    waiting = note(FormChanged(APP, "f", TURN.turn_id, "n1", "waiting", expires_at=AT), 0, **asked)
    body = FormChanged(APP, "f", TURN.turn_id, "n1", "submitted", "approve", "u_3")
    submitted = note(body, 1, user="boss", answer='{"reason": "ok"}', **asked)
    first, second = told(waiting, submitted, titles={"n1": "审批"})
    assert isinstance(first, Form)
    assert (first.node_title, first.expires_at is None, second.expires_at) == ("审批", False, None)
    assert (second.action, second.who.user, second.submitted.text) == ("approve", "u_3", '{"reason": "ok"}')
    assert (first.asked.detail, second.asked.detail) == (False, True)


def test_a_trigger_says_what_it_was_and_repeats_nothing():
    """Dify 1.10 and later: the row of a trigger's log is rewritten as it goes on."""
    queued = note(TriggerLogged(APP, "t", "trigger-webhook", "queued", TURN.turn_id), 0, input='{"a":1}')
    failed = note(
        TriggerLogged(APP, "t", "trigger-webhook", "failed", TURN.turn_id, error_type="timeout", retries=2),
        1,
        input='{"a":1}',
        error="too late",
    )
    first, second = told(queued, failed)
    assert isinstance(first, Trigger)
    assert (first.input.detail, second.input.detail) == (False, True)
    assert (second.status, second.retries, second.error_type, second.error.text) == (
        "failed",
        2,
        "timeout",
        "too late",
    )


def test_a_deletion_says_how():
    (found,) = told(note(ContentDeleted(TURN.turn_id, "", "", how="aged")))
    assert isinstance(found, Deletion)
    assert found.how == "aged"


def test_what_is_about_no_turn_is_not_shown():
    assert told(note(IndexingChanged("t", "d", "x", "failed"))) == []


def test_without_content_only_facts_are_told():
    rated = note(FeedbackGiven(TURN, "f", "like", "user", "u_1"), user="alice", comment="好")
    (found,) = told(rated, content=False)
    assert isinstance(found, Feedback)
    assert (found.who.user_id.state, found.comment.state) == ("withheld", "withheld")
    assert (found.who.user_id.text, found.comment.text) == ("", "")


def test_what_was_erased_is_told_as_erased():
    rated = note(FeedbackGiven(TURN, "f", "like", "user", "u_1"))
    (found,) = told(msgspec.structs.replace(rated, erased=("comment", "user")))
    assert (found.who.user_id.state, found.comment.state) == ("erased", "erased")
