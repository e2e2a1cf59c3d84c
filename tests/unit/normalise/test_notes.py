"""Facts beside the turns, row by row. Pure: same rows, same events, and nothing in them that may not be stored."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.model import AppRef, ContentDeleted, Event, FeedbackGiven, FormChanged, IndexingChanged, TriggerLogged
from monitor.model.trace import TurnRef
from monitor.normalise import notes
from monitor.normalise.note_rows import AnnotationRow, DocumentRow, FeedbackRow, FormRow, HiddenTurn, TriggerRow
from monitor.normalise.rows import AppRow
from monitor.normalise.scrub import MASK
from tests.unit.normalise.dify import DAY_US, ns, us

APP = AppRef(tenant_id="t", app_id="app", app_name="Orders", mode="chat")
REF = TurnRef(turn_id="turn", tenant_id="t", app_id="app", app_name="Orders", mode="chat", started_at=ns(0))


def swapped(user: str) -> str:
    return user[::-1]


def feedback(**columns: Any) -> FeedbackRow:
    given_columns: dict[str, Any] = {
        "id": "f", "app_id": "app", "conversation_id": "c", "message_id": "m", "rating": "like", "comment": None,
        "given_by": "user", "end_user_id": "u", "account_id": None, "created_us": us(1), "updated_us": us(1),
    }  # fmt: skip
    return FeedbackRow(**(given_columns | columns))


def document(**columns: Any) -> DocumentRow:
    given_columns: dict[str, Any] = {
        "id": "doc", "stage": "indexing", "is_paused": False, "stage_us": us(0), "completed_us": None,
        "stopped_us": None, "paused_us": None, "dataset_id": "d",
    }  # fmt: skip
    return DocumentRow(**(given_columns | columns))


def form(**columns: Any) -> FormRow:
    given_columns: dict[str, Any] = {
        "id": "f", "tenant_id": "t", "app_id": "app", "run_id": "run", "kind": "runtime", "node_id": "n", "status": "waiting",
        "rendered": "Approve?", "action": None, "submitted": None, "account_id": None, "end_user_id": None,
        "created_us": us(1), "updated_us": us(2), "expires_us": us(60), "submitted_us": None,
    }  # fmt: skip
    return FormRow(**(given_columns | columns))


def trigger(**columns: Any) -> TriggerRow:
    given_columns: dict[str, Any] = {
        "id": "tr", "tenant_id": "t", "app_id": "app", "workflow_id": "w", "run_id": None, "trigger_type": "trigger-webhook",
        "status": "failed", "trigger_data": "{}", "inputs": '{"b": 1,  "a": 2}', "error": None, "retries": None,
        "created_us": us(1), "triggered_us": us(2), "finished_us": None,
    }  # fmt: skip
    return TriggerRow(**(given_columns | columns))


# -- ratings


def test_who_rated_is_a_pseudonym_and_the_true_id_is_content() -> None:
    """The caller's own name for an end user where Dify has one, else Dify's id, as for a turn's user."""
    for columns, user in (
        ({"session_id": "ann"}, "ann"),
        ({}, "u"),
        ({"end_user_id": None, "account_id": "boss"}, "boss"),
    ):
        event = notes.feedback_given(REF, feedback(**columns), swapped, at_us=us(1))
        assert isinstance(event.body, FeedbackGiven)
        assert (event.body.user, event.content["user"]) == (user[::-1], user)


def test_a_comments_credentials_are_masked_and_an_empty_one_is_left_out() -> None:
    event = notes.feedback_given(REF, feedback(comment="my key is sk-abcdefghijklmnop1234"), swapped, at_us=us(1))
    assert event.content["comment"] == f"my key is {MASK}"
    event = notes.feedback_given(REF, feedback(comment="", end_user_id=None), swapped, at_us=us(1))
    assert event.content == {}


def test_a_rating_of_a_deleted_message_knows_its_app_or_only_its_ids() -> None:
    app = AppRow(id="app", tenant_id="t", name="Orders", mode="chat", tenant_name="Shop")
    known, unknown = notes.ref_of_feedback(feedback(), app), notes.ref_of_feedback(feedback(), None)
    assert (known.turn_id, known.tenant_id, known.app_name, known.tenant_name) == ("m", "t", "Orders", "Shop")
    assert (unknown.turn_id, unknown.app_id, unknown.tenant_id, unknown.app_name) == ("m", "app", "", "")


def test_facts_about_one_row_are_numbered() -> None:
    keys = [
        notes.feedback_given(REF, feedback(), swapped, at_us=1).key,
        notes.feedback_given(REF, feedback(), swapped, at_us=1, number=1, was="like").key,
        notes.feedback_withdrawn(REF, "f", rating="like", given_by="user", at_us=1, number=2).key,
    ]
    assert keys == ["turn:feedback:f:0", "turn:feedback:f:1", "turn:feedback:f:2"]


# -- documents


@pytest.mark.parametrize(
    ("columns", "status"),
    [
        ({}, ""),
        ({"stage_us": us(-1_801)}, "stuck"),
        ({"stage_us": None}, ""),
        ({"is_paused": True, "stage_us": us(-9_999)}, "paused"),
        ({"stage": "error", "is_paused": True}, "failed"),
        ({"stage": "completed", "stage_us": us(-9_999)}, "completed"),
        ({"stage": "waiting", "stage_us": us(-1_800)}, "stuck"),
    ],
)
def test_how_a_document_stands(columns: dict[str, Any], status: str) -> None:
    assert notes.indexing_of(document(**columns), us(0))[0] == status


def test_a_documents_error_is_told_only_while_it_has_failed() -> None:
    row = document(stage="error", error="quota exhausted", name="a.txt")
    failed = notes.indexing_changed(row, "failed", us(5))
    assert isinstance(failed.body, IndexingChanged)
    assert (failed.body.error_type, failed.content) == ("quota", {"name": "a.txt", "error": "quota exhausted"})
    assert "error" not in notes.indexing_changed(row, "completed", us(6), number=1).content


# -- triggers and forms


def test_what_triggered_is_content_without_credentials() -> None:
    row = trigger(trigger_data='{"headers": {"Authorization": "Bearer abcdefgh12345678"}}')
    event = notes.trigger_logged(APP, row)
    assert event.content["input"] == f'{{"headers":{{"Authorization":"Bearer {MASK}"}}}}'
    assert notes.trigger_logged(APP, trigger()).content["input"] == '{"a":2,"b":1}'


def test_a_trigger_belongs_to_its_run_or_to_its_app() -> None:
    assert notes.trigger_logged(APP, trigger(), number=2).key == "app:app:trigger:tr:2"
    event = notes.trigger_logged(APP, trigger(run_id="run", retries=-1, error="status code: 503"))
    assert event.key == "run:trigger:tr:0"
    assert isinstance(event.body, TriggerLogged)
    assert (event.body.turn_id, event.body.retries, event.body.error_type) == ("run", 0, "http_5xx")
    assert event.occurred_at == ns(2)


def test_links_to_forms_lose_their_tokens() -> None:
    """Whoever has a form's access token can answer it."""
    link = "https://dify.example/form/AbCdEfGhIjKlMnOpQrStUv"
    row = form(rendered=f"Please open {link} now", submitted=f'{{"seen": "{link}"}}', status="submitted")
    event = notes.form_changed(APP, row, swapped, status="submitted", number=1)
    assert "AbCdEfGh" not in str(event)
    assert event.content["form"] == f"Please open https://dify.example/form/{MASK} now"


def test_who_answered_is_not_said_of_the_question() -> None:
    row = form(account_id="boss", action="yes", status="submitted", submitted_us=us(9))
    asked = notes.form_changed(APP, row, swapped, status="waiting")
    answered = notes.form_changed(APP, row, swapped, status="submitted", number=1)
    assert isinstance(asked.body, FormChanged)
    assert isinstance(answered.body, FormChanged)
    assert (asked.body.user, asked.body.action, asked.occurred_at) == ("", "", ns(1))
    assert (answered.body.user, answered.body.action, answered.occurred_at) == ("ssob", "yes", ns(9))


# -- deletions


def test_a_hidden_turn_is_told_no_earlier_than_it_began() -> None:
    row = HiddenTurn("c", "m", None, "app", us(5), us(1))
    event = notes.content_hidden(APP, row)
    assert isinstance(event.body, ContentDeleted)
    assert (event.key, event.occurred_at, event.body.how) == ("m:deleted:m:0", ns(5), "hidden")


# -- whatever the rows hold

_TEXT = st.text(st.characters(codec=None), max_size=30) | st.sampled_from(["\ud800", "a\x00b", "[1,", '{"a": NaN}'])
_MAYBE = st.none() | _TEXT
_US = st.integers(-(2**63), 2**63 - 1)


def _storable(event: Event) -> None:
    assert 0 <= event.occurred_at < 2**63
    for text in event.content.values():
        assert text
        assert "\x00" not in text
        text.encode()


@given(st.data())
def test_nothing_raises_and_all_can_be_stored(data: st.DataObject) -> None:
    """Texts with NULs and lone surrogates, times of no calendar, JSON that is none."""

    def some(row: type[Any], **fixed: Any) -> Any:
        of = {"str": _TEXT, "str | None": _MAYBE, "int": _US, "int | None": st.none() | _US, "bool": st.booleans()}
        drawn = {name: data.draw(of[kind]) for name, kind in row.__annotations__.items() if name not in fixed}
        return row(**drawn, **fixed)

    events = [
        notes.feedback_given(REF, some(FeedbackRow, id="f"), swapped, at_us=data.draw(_US)),
        notes.annotation_made(APP, some(AnnotationRow, id="n", app_id="app"), swapped, at_us=data.draw(_US)),
        notes.trigger_logged(APP, some(TriggerRow, id="t", app_id="app")),
        notes.form_changed(APP, some(FormRow, id="f", app_id="app"), swapped, status="submitted"),
    ]
    row = some(DocumentRow, id="d", dataset_id="d", tenant_id="t")
    status, since = notes.indexing_of(row, DAY_US)
    events.append(notes.indexing_changed(row, status or "stuck", since))
    for event in events:
        _storable(event)
