"""What every journal must agree on: which facts are the same, which is the better, how a fact is found again.

Pure. Called by `monitor.journal` and by the journal that tests use.
"""

from __future__ import annotations

import math
from typing import Any, Literal, get_args

import msgspec

from monitor.model.events import (
    AlertChanged,
    AnnotationMade,
    AnnotationRemoved,
    Body,
    ContentDeleted,
    Event,
    FeedbackGiven,
    FeedbackWithdrawn,
    FormChanged,
    Note,
    SourceGap,
    StepEnded,
    TriggerLogged,
    TurnEnded,
    TurnStarted,
)
from monitor.model.trace import AppRef, TurnRef

__all__ = [
    "NOTE_KINDS",
    "Named",
    "What",
    "canonical",
    "clean",
    "encodable",
    "names_of",
    "noted_turn",
    "same_facts",
    "storable",
    "supersedes",
]

NOTE_KINDS: tuple[str, ...] = tuple(str(each.__struct_config__.tag) for each in get_args(Note))
"""The kinds of facts beside the turns."""

What = Literal["turn", "alert", "gap", "note"]
"""What a name leads to: a turn by its id, or by its event's key what speaks of the turn that is the name."""

Named = tuple[str, What, str]
"""A name, what it leads to, and the turn's id or the event's key."""

_ENCODER = msgspec.json.Encoder(order="deterministic")
_DECODER: msgspec.json.Decoder[Body] = msgspec.json.Decoder(Body)


def clean(text: str) -> str:
    """The text as UTF-8 can hold it: a lone surrogate becomes a question mark."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _cleaned(value: Any) -> Any:
    """Plain data with every text in it cleaned."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(str(name)): _cleaned(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(item) for item in value]
    return value


def encodable(body: Body) -> Body:
    """The body without the one number that JSON would turn into something unreadable: an alert's NaN or infinity."""
    if isinstance(body, AlertChanged) and not math.isfinite(body.alert.value):
        return msgspec.structs.replace(body, alert=msgspec.structs.replace(body.alert, value=0.0))
    return body


def canonical(body: Body) -> Body:
    """The body as it reads back from storage. Applying it twice changes nothing more."""
    body = encodable(body)
    try:
        data = _ENCODER.encode(body)
    except UnicodeEncodeError:
        data = _ENCODER.encode(_cleaned(msgspec.to_builtins(body)))
    return _DECODER.decode(data)


def storable(event: Event) -> Event:
    """The event as it reads back from storage. A NUL in its key, which would cut the key short, is replaced."""
    return msgspec.structs.replace(
        event,
        key=clean(event.key).replace("\x00", "\ufffd"),
        body=canonical(event.body),
        content={clean(field): clean(text) for field, text in event.content.items()},
    )


def same_facts(one: Body, other: Body) -> bool:
    """Whether two bodies say the same once both have been stored."""
    return one == other or canonical(one) == canonical(other)


def supersedes(event: Event, rank: int, changed_at: int) -> bool:
    """Whether an event with other facts may replace the newest revision of its key: it must not be the poorer."""
    return (event.rank, event.changed_at) >= (rank, changed_at)


def names_of(event: Event) -> list[Named]:
    """The names under which the event is found, but for a turn's own id: that one stands in its events' keys."""
    body = event.body
    if isinstance(body, StepEnded):  # most events; its turn's start has named the turn
        return []
    if isinstance(body, TurnStarted | TurnEnded):
        return _ids_of(body.turn)
    if isinstance(body, AlertChanged):
        turns = dict.fromkeys(proof.turn_id for proof in body.alert.evidence if proof.turn_id)
        return [(turn_id, "alert", event.key) for turn_id in turns]
    if isinstance(body, SourceGap):
        return [(body.turn_id, "gap", event.key)] if body.turn_id else []
    return _names_of_note(event)


def noted_turn(body: Body, occurred_at: int) -> TurnRef | None:
    """The turn that a note is about, as far as the note tells; it may not say when that began, only when it itself was.

    None where it is about no turn, and for what is not a note.
    """
    if isinstance(body, FeedbackGiven | FeedbackWithdrawn):
        return body.turn
    if isinstance(body, ContentDeleted):
        app = AppRef(body.tenant_id, body.app_id)
        return _told(app, body.turn_id, occurred_at, conversation_id=body.conversation_id)
    if isinstance(body, TriggerLogged | FormChanged):
        return _told(body.app, body.turn_id, occurred_at, run_id=body.turn_id)
    if isinstance(body, AnnotationMade):
        return _told(body.app, body.turn_id, occurred_at, message_id=body.message_id)
    if isinstance(body, AnnotationRemoved):
        return _told(body.app, body.turn_id, occurred_at)
    return None


def _told(app: AppRef, turn_id: str, occurred_at: int, **ids: str) -> TurnRef | None:
    """A turn of which little is known."""
    if not turn_id:
        return None
    return TurnRef(
        turn_id, app.tenant_id, app.app_id, app.app_name, app.mode, occurred_at, tenant_name=app.tenant_name, **ids
    )


def _ids_of(turn: TurnRef) -> list[Named]:
    """The turn under each of its other ids."""
    own = ("", turn.turn_id)
    ids = (turn.conversation_id, turn.message_id, turn.run_id)
    return [(name, "turn", turn.turn_id) for name in ids if name not in own]


def _names_of_note(event: Event) -> list[Named]:
    """The note's turn under its other ids, and the note under the turn's where its key does not begin with that."""
    turn = noted_turn(event.body, event.occurred_at)
    if turn is None:
        return []
    names = _ids_of(turn)
    return names if event.key.startswith(f"{turn.turn_id}:") else [*names, (turn.turn_id, "note", event.key)]
