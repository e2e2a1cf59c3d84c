"""What is beside a turn, in plain English: ratings, annotations, forms, triggers, deletion. Pure; see words.py."""

from __future__ import annotations

from datetime import tzinfo

from monitor.replay.beside import Annotation, Deletion, Feedback, Form, Person, Trigger
from monitor.replay.plain import one_line
from monitor.replay.words import date_text, error_words, plural

__all__ = [
    "annotation_words",
    "deletion_briefly",
    "deletion_words",
    "feedback_words",
    "form_words",
    "person_words",
    "trigger_words",
]

_RATERS = {"user": "the end user", "admin": "somebody of the workspace"}
_DELETED = {
    "hidden": "marked as deleted with its conversation; the rows were still there",
    "gone": "no longer there: its conversation or message was deleted",
    "aged": "no longer there: Dify's clean-up takes what is so old",
}
_BRIEFLY = {"hidden": "marked as deleted", "gone": "deleted", "aged": "taken by Dify's clean-up"}
_FORMS = {
    "waiting": "a person was asked",
    "submitted": "a person answered",
    "timeout": "nobody answered in time",
    "expired": "nobody answered before it expired",
}


def person_words(person: Person) -> str:
    """The pseudonym, and the true id where it is there and may be shown; empty where nobody is known."""
    known = person.user_id
    if known is None or known.state == "withheld":
        return one_line(person.user)
    true = one_line(known.text) if known.state == "kept" else "true id erased from the journal"
    return f"{one_line(person.user)} ({true})".lstrip()


def feedback_words(feedback: Feedback) -> tuple[str, list[str]]:
    """What became of the rating; by whom."""
    rating = one_line(feedback.rating) or "no rating"
    by = _RATERS.get(feedback.given_by, one_line(feedback.given_by))
    whose = " ".join(part for part in (by, person_words(feedback.who)) if part)
    if feedback.what == "withdrawn":
        said = f"{rating} withdrawn"
    elif feedback.was and feedback.was != feedback.rating:
        said = f"{rating} instead of {one_line(feedback.was)}"
    else:
        said = f"still {rating}, changed" if feedback.what == "changed" else rating
    return said, [f"by {whose}"] if whose else []


def annotation_words(annotation: Annotation) -> tuple[str, list[str]]:
    """What became of it; by whom."""
    said = {
        "made": "made of this turn, to answer its question from then on",
        "changed": "changed",
        "removed": "removed from Dify",
    }
    who = person_words(annotation.who)
    return said[annotation.what], [f"by {who}"] if who else []


def form_words(form: Form, zone: tzinfo | None) -> tuple[str, list[str]]:
    """How it stood; what was chosen, by whom, until when there was time."""
    who = person_words(form.who)
    said = [
        f"action {one_line(form.action)}" if form.action else "",
        f"by {who}" if who else "",
        f"until {date_text(form.expires_at, zone)}" if form.expires_at is not None and form.status == "waiting" else "",
    ]
    status = one_line(form.status) or "no status"
    words = _FORMS.get(form.status)
    return f"{status}: {words}" if words else status, [part for part in said if part]


def trigger_words(trigger: Trigger) -> tuple[str, list[str]]:
    """How it stood; what it took."""
    status = one_line(trigger.status) or "no status"
    failed = trigger.status == "failed" or trigger.error_type
    kind = f": {error_words(trigger.error_type)}" if trigger.error_type else ""
    said = f"{'FAILED' if trigger.status == 'failed' else status}{kind}" if failed else status
    return said, [f"tried again {plural(trigger.retries, 'time')}"] if trigger.retries else []


def deletion_words(deletion: Deletion) -> str:
    """What became of it in Dify."""
    return _DELETED.get(deletion.how, one_line(deletion.how))


def deletion_briefly(deletion: Deletion) -> str:
    """The same in a few words."""
    said = _BRIEFLY.get(deletion.how, one_line(deletion.how))
    return f"{said}; what is shown here was recorded before"
