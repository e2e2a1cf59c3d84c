"""What is drawn of something beside a turn, by its kind: words, how they look, texts. Pure; called by terminal.py."""

from __future__ import annotations

from datetime import tzinfo

import msgspec

from monitor.replay import note_words
from monitor.replay.beside import Annotation, Feedback, Form, Trigger
from monitor.replay.notes import Beside
from monitor.replay.plain import one_line
from monitor.replay.texts import Passage

__all__ = ["NoteParts", "note_parts"]

_RATING_STYLES = {"like": "bold green", "dislike": "bold red"}
_TRIGGER_STYLES = {"failed": "bold red", "rate_limited": "bold red"}


class NoteParts(msgspec.Struct, frozen=True):
    """One note in parts."""

    kind: str
    said: str
    """What is to be said first."""
    facts: list[str]
    """What else."""
    passages: list[Passage]
    style: str = "bold"
    """How `said` looks."""
    estimated: bool = False
    """Dify kept no time of it."""


def note_parts(note: Beside, zone: tzinfo | None) -> NoteParts:
    """What is drawn of it."""
    if isinstance(note, Feedback):
        style = _RATING_STYLES.get(note.rating, "bold") if note.what != "withdrawn" else "bold"
        gone = note.what == "withdrawn"
        return NoteParts("Feedback", *note_words.feedback_words(note), _there(note.comment), style, gone)
    if isinstance(note, Annotation):
        texts, gone = _there(note.question, note.answer), note.what == "removed"
        return NoteParts("Annotation", *note_words.annotation_words(note), texts, estimated=gone)
    if isinstance(note, Form):
        kind = f"Form {one_line(note.node_title or note.node_id)}".rstrip()
        return NoteParts(kind, *note_words.form_words(note, zone), _there(note.asked, note.submitted))
    if isinstance(note, Trigger):
        kind = f"Trigger {one_line(note.trigger_type)}".rstrip()
        style = _TRIGGER_STYLES.get(note.status, "bold")
        return NoteParts(kind, *note_words.trigger_words(note), _there(note.input, note.error), style)
    return NoteParts("In Dify", note_words.deletion_words(note), [], [], estimated=True)


def _there(*passages: Passage | None) -> list[Passage]:
    return [passage for passage in passages if passage is not None]
