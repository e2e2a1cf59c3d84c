"""Records of what is beside a turn (ratings, annotations, forms, triggers, deletion, configurations) to what is shown.

Pure: the same records give the same. Called by turns.py and timeline.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from monitor.model import (
    AnnotationMade,
    AnnotationRemoved,
    ConfigChanged,
    ContentDeleted,
    FeedbackGiven,
    FeedbackWithdrawn,
    FormChanged,
    Recorded,
    TriggerLogged,
)
from monitor.replay.beside import Annotation, Configuration, Deletion, Feedback, Form, Person, Trigger
from monitor.replay.content import Kept, passage_of
from monitor.replay.figures import moment_at

__all__ = ["Beside", "beside_of", "configuration_of"]

Beside = Feedback | Annotation | Form | Trigger | Deletion

_NOBODY = Person("", None)


def beside_of(notes: Sequence[Recorded], titles: Mapping[str, str], *, content: bool) -> list[Beside]:
    """All of it in the order in which it happened. `titles` of the turn's nodes, by node id."""
    shower = _Shower(notes, titles, content=content)
    found = [each for note in notes for each in shower.shown(note)]
    return sorted(found, key=lambda each: (each.at, each.seq))


def configuration_of(record: Recorded, *, content: bool) -> Configuration | None:
    """What an app was configured to; None for any other record."""
    body, kept = record.event.body, _kept(record, content=content)
    if not isinstance(body, ConfigChanged):
        return None
    return Configuration(
        hash=body.hash,
        at=moment_at(record.event.occurred_at),
        was=body.was,
        what=body.what,
        version=body.version,
        model_provider=body.model_provider,
        model_name=body.model_name,
        who=_person(body.user, kept),
        prompt=passage_of(kept, "prompt", "prompt"),
        note=passage_of(kept, "note", "note"),
        config=passage_of(kept, "config", "config", detail=True),
        config_id=body.config_id,
        seq=record.seq,
    )


def _kept(record: Recorded, *, content: bool) -> Kept:
    return Kept(record.event.content, record.erased, show=content)


def _person(user: str, kept: Kept) -> Person:
    return Person(user, passage_of(kept, "user", "user"))


class _Shower:
    """Knows a turn's notes, as some of them only speak of others."""

    def __init__(self, notes: Sequence[Recorded], titles: Mapping[str, str], *, content: bool) -> None:
        self._titles, self._content = titles, content
        self._raters: dict[str, Person] = {}
        self._told: set[tuple[str, str]] = set()
        for note in notes:
            body = note.event.body
            if isinstance(body, FeedbackGiven):
                self._raters[body.feedback_id] = _person(body.user, _kept(note, content=content))

    def shown(self, note: Recorded) -> Iterator[Beside]:
        """What is shown of one record; nothing for records of other kinds."""
        match note.event.body:
            case FeedbackGiven() as body:
                yield self._given(note, body)
            case FeedbackWithdrawn() as body:
                yield self._withdrawn(note, body)
            case AnnotationMade() | AnnotationRemoved() as body:
                yield self._annotation(note, body)
            case FormChanged() as body:
                yield self._form(note, body)
            case TriggerLogged() as body:
                yield self._trigger(note, body)
            case ContentDeleted(how=how):
                yield Deletion(moment_at(note.event.occurred_at), how, note.seq)

    def _given(self, note: Recorded, body: FeedbackGiven) -> Feedback:
        kept = _kept(note, content=self._content)
        return Feedback(
            at=moment_at(note.event.occurred_at),
            what="changed" if body.was else "given",
            rating=body.rating,
            was=body.was,
            given_by=body.given_by,
            who=_person(body.user, kept),
            comment=passage_of(kept, "comment", "comment"),
            feedback_id=body.feedback_id,
            seq=note.seq,
        )

    def _withdrawn(self, note: Recorded, body: FeedbackWithdrawn) -> Feedback:
        return Feedback(
            at=moment_at(note.event.occurred_at),
            what="withdrawn",
            rating=body.rating,
            was="",
            given_by=body.given_by,
            who=self._raters.get(body.feedback_id, _NOBODY),
            comment=None,
            feedback_id=body.feedback_id,
            seq=note.seq,
        )

    def _annotation(self, note: Recorded, body: AnnotationMade | AnnotationRemoved) -> Annotation:
        kept = _kept(note, content=self._content)
        made = isinstance(body, AnnotationMade)
        return Annotation(
            at=moment_at(note.event.occurred_at),
            what="removed" if not isinstance(body, AnnotationMade) else "changed" if body.changed else "made",
            who=_person(body.user, kept) if isinstance(body, AnnotationMade) else _NOBODY,
            question=passage_of(kept, "question", "question") if made else None,
            answer=passage_of(kept, "answer", "answer") if made else None,
            annotation_id=body.annotation_id,
            seq=note.seq,
        )

    def _form(self, note: Recorded, body: FormChanged) -> Form:
        kept = _kept(note, content=self._content)
        return Form(
            at=moment_at(note.event.occurred_at),
            status=body.status,
            action=body.action,
            who=_person(body.user, kept),
            asked=passage_of(kept, "form", "form", detail=self._again(body.form_id, kept.text("form"))),
            submitted=passage_of(kept, "answer", "submitted"),
            expires_at=moment_at(body.expires_at) if body.expires_at else None,
            node_id=body.node_id,
            node_title=self._titles.get(body.node_id, ""),
            form_id=body.form_id,
            seq=note.seq,
        )

    def _trigger(self, note: Recorded, body: TriggerLogged) -> Trigger:
        kept = _kept(note, content=self._content)
        return Trigger(
            at=moment_at(note.event.occurred_at),
            trigger_type=body.trigger_type,
            status=body.status,
            retries=body.retries,
            error_type=body.error_type,
            input=passage_of(kept, "input", "input", detail=self._again(body.trigger_id, kept.text("input"))),
            error=passage_of(kept, "error", "error"),
            workflow_id=body.workflow_id,
            trigger_id=body.trigger_id,
            seq=note.seq,
        )

    def _again(self, row_id: str, text: str) -> bool:
        """Whether an earlier record of the row had the text: every record repeats it, and it is worth reading once."""
        told = (row_id, text) in self._told
        self._told.add((row_id, text))
        return told
