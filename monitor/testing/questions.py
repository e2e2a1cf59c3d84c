"""What the journal in memory answers about ids: the same as `monitor.journal`, by walking through all it holds.

The base of `MemoryJournal`, which fills it; of no use without that.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec

from monitor.model import (
    Body,
    ConfigChanged,
    ContentDeleted,
    Recorded,
    SourceGap,
    StepEnded,
    TurnEnded,
    TurnRef,
    TurnStarted,
)
from monitor.model.answers import Match
from monitor.model.stored import Named, What, noted_turn
from monitor.model.terms import SHORTEST_PREFIX, matched_by, spellings

__all__ = ["MemoryQuestions", "without_content"]


class MemoryQuestions:
    """Answers about turns, apps and positions."""

    def __init__(self) -> None:
        self._events: list[Recorded] = []
        self._newest: dict[str, int] = {}
        """By key, the position of its newest revision."""
        self._names: set[Named] = set()

    def events_at(self, seqs: Collection[int], *, content: bool) -> list[Recorded]:
        """The events at these positions, by position; positions that hold none are passed over."""
        there = [self._events[seq] for seq in sorted(set(seqs)) if 0 <= seq < len(self._events)]
        return there if content else [without_content(recorded) for recorded in there]

    def find(self, term: str, limit: int = 20) -> list[Match]:
        """Turns that an id leads to, or the beginning of one, the earliest first."""
        refs = self._refs()
        for exact in (True, False):
            for text in spellings(term):
                if not exact and len(text) < SHORTEST_PREFIX:
                    continue
                pairs = ((ref, matched_by(ref, text, exact=exact)) for ref in refs if self._is_named(ref, text))
                found = [Match(ref, *how) for ref, how in pairs if how is not None]
                if found:
                    return found[:limit]
        return []

    def turn_events(self, turn_id: str) -> list[Recorded]:
        """The turn's events by position, each in its newest revision."""
        own = (self._events[seq] for seq in sorted(self._newest.values()))
        return [recorded for recorded in own if (ref := _ref(recorded)) and ref.turn_id == turn_id]

    def turns_of(self, conversation_id: str) -> list[str]:
        """Ids of the conversation's turns in the order in which they began."""
        return [ref.turn_id for ref in self._refs() if ref.conversation_id == conversation_id]

    def alerts_of(self, turn_id: str) -> list[Recorded]:
        """Changes of alerts that name the turn as evidence, by position."""
        return self._named(turn_id, "alert")

    def gaps_of(self, turn_id: str) -> list[Recorded]:
        """What of the turn could not be read, by position."""
        return self._named(turn_id, "gap")

    def time_gaps(self) -> list[Recorded]:
        """Stretches of time that could not be read, of no turn in particular, by position."""
        newest = (self._events[seq] for seq in sorted(self._newest.values()))
        return [without_content(recorded) for recorded in newest if _is_time_gap(recorded.event.body)]

    def notes_of(self, turn_id: str) -> list[Recorded]:
        """What is known beside the turn, by position, each in its newest revision."""
        newest = (self._events[seq] for seq in sorted(self._newest.values()))
        return [recorded for recorded in newest if (ref := _noted(recorded)) and ref.turn_id == turn_id]

    def deleted_turns(self, turn_ids: Collection[str], source: str) -> set[str]:
        """Those of the turns of which the source has said that they were deleted in Dify."""
        told = (recorded.event.body for recorded in self._events if recorded.source == source)
        return {body.turn_id for body in told if isinstance(body, ContentDeleted)} & set(turn_ids)

    def configs_of(self, app_id: str, config_hash: str) -> list[Recorded]:
        """What the app was configured to that has this hash, in the order in which it came."""
        newest = (self._events[seq] for seq in sorted(self._newest.values()))
        bodies = ((recorded, recorded.event.body) for recorded in newest)
        own = [
            each
            for each, body in bodies
            if isinstance(body, ConfigChanged) and (body.app.app_id, body.hash) == (app_id, config_hash)
        ]
        return sorted(own, key=lambda recorded: (recorded.event.occurred_at, recorded.seq))

    def _refs(self) -> list[TurnRef]:
        """All turns, the earliest first; told by their newest start, else by their first event or note."""
        found: dict[str, TurnRef] = {}
        for recorded in self._events:
            ref = _ref(recorded)
            if ref and (ref.turn_id not in found or isinstance(recorded.event.body, TurnStarted)):
                found[ref.turn_id] = ref
        for recorded in self._events:
            noted = _noted(recorded)
            if noted:
                found.setdefault(noted.turn_id, noted)
        return sorted(found.values(), key=lambda ref: (ref.started_at, ref.turn_id))

    def _is_named(self, ref: TurnRef, text: str) -> bool:
        """Whether the turn's own id, or a name that leads to the turn, begins with the text."""
        names: Mapping[str, None] = {
            name: None for name, what, to in self._names if (what, to) == ("turn", ref.turn_id)
        }
        return any(name.startswith(text) for name in (ref.turn_id, *names))

    def _named(self, turn_id: str, what: What) -> list[Recorded]:
        """Events that speak of the turn, each in its newest revision."""
        seqs = sorted(self._newest[key] for name, kind, key in self._names if (name, kind) == (turn_id, what))
        return [self._events[seq] for seq in seqs]


def without_content(recorded: Recorded) -> Recorded:
    """The event for a consumer that did not ask for content, and is told nothing of erasure."""
    bare = msgspec.structs.replace(recorded.event, content={})
    return msgspec.structs.replace(recorded, event=bare, erased=())


def _ref(recorded: Recorded) -> TurnRef | None:
    """Whose turn the event is of."""
    body = recorded.event.body
    return body.turn if isinstance(body, TurnStarted | StepEnded | TurnEnded) else None


def _is_time_gap(body: Body) -> bool:
    """Whether it is a stretch of time that could not be read, of no turn in particular."""
    return isinstance(body, SourceGap) and not body.turn_id and bool(body.since or body.until)


def _noted(recorded: Recorded) -> TurnRef | None:
    """The turn that a note is about."""
    return noted_turn(recorded.event.body, recorded.event.occurred_at)
