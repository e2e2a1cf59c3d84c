"""From an id to a timeline: which turns an id means, and what the journal knows of each.

Pure over a small reader, so that any journal will do. Called by the command line; every view draws what this returns.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from monitor.model import Recorded, TurnRef
from monitor.model.answers import Match, Matched
from monitor.replay.figures import moment_at, sum_of_totals
from monitor.replay.gaps import time_gaps_of
from monitor.replay.notes import configuration_of
from monitor.replay.nouns import Configuration, Passage, Timeline, Turn
from monitor.replay.turns import Records, turn_of

__all__ = ["VERSION", "Ambiguous", "Candidate", "Found", "Reader", "look_up", "timeline_of"]

VERSION = "1"
"""Of the timeline's form, as `--json` gives it."""

_FIRST_LOOK = 64
_MORE = 8
_MOST_MATCHES = 32_768
_MOST_CANDIDATES = 20


class Reader(Protocol):
    """What a journal must be able to answer. `monitor.journal.SqliteJournal` can."""

    def find(self, term: str, limit: int = ...) -> Sequence[Match]:
        """Turns that have the id `term`, else those of which an id begins with it; the earliest first."""
        ...

    def turns_of(self, conversation_id: str) -> Sequence[str]:
        """Ids of the conversation's turns in the order in which they began."""
        ...

    def turn_events(self, turn_id: str) -> Sequence[Recorded]:
        """The turn's start, steps and end, each in its newest revision, with content."""
        ...

    def alerts_of(self, turn_id: str) -> Sequence[Recorded]:
        """Changes of alerts that name the turn as evidence."""
        ...

    def gaps_of(self, turn_id: str) -> Sequence[Recorded]:
        """What of the turn could not be read."""
        ...

    def time_gaps(self) -> Sequence[Recorded]:
        """Stretches of time that could not be read, of no turn in particular."""
        ...

    def notes_of(self, turn_id: str) -> Sequence[Recorded]:
        """What is known beside the turn: ratings, forms, triggers, deletions, annotations made of it."""
        ...

    def configs_of(self, app_id: str, config_hash: str) -> Sequence[Recorded]:
        """What the app was configured to that has this hash, in the order in which it came."""
        ...


class Found(msgspec.Struct, frozen=True):
    """The one thing that a term means."""

    term: str
    matched: Matched
    id: str
    conversation_id: str
    turns: tuple[str, ...]
    """Turns to show."""
    siblings: tuple[str, ...]
    """All turns of the conversation."""


class Candidate(msgspec.Struct, frozen=True):
    """One of the things that a term may mean."""

    matched: Matched
    id: str
    started_at: datetime
    app_name: str
    turns: int
    question: Passage | None
    """The first turn's, where content may be shown."""


class Ambiguous(msgspec.Struct, frozen=True):
    """A term that is the beginning of several ids."""

    term: str
    candidates: tuple[Candidate, ...]
    more: int
    """How many candidates there are beside these, at least."""


def look_up(reader: Reader, term: str, *, content: bool = True) -> Found | Ambiguous | None:
    """What the term means: a conversation's, turn's, message's, run's or trace's id, or its unique beginning.

    `content`: whether the questions of candidates may be shown. None where nothing fits.
    """
    matches = _matches(reader, term)
    by_id: dict[str, list[Match]] = {}
    for match in matches:
        by_id.setdefault(match.id, []).append(match)
    if len(by_id) > 1:
        shown = [_candidate(reader, group, content=content) for group in list(by_id.values())[:_MOST_CANDIDATES]]
        return Ambiguous(term, tuple(shown), len(by_id) - len(shown))
    return _found(reader, term, matches) if matches else None


def timeline_of(reader: Reader, found: Found, *, content: bool = True) -> Timeline:
    """All that the journal knows of what was found, in order. `content`: whether texts are shown."""
    live = _Live(reader, content=content)
    asked = [_turn(reader, found, turn_id, live, content=content) for turn_id in found.turns]
    turns = tuple(turn for turn in asked if turn is not None)
    return Timeline(
        version=VERSION,
        term=found.term,
        matched=found.matched,
        id=found.id,
        conversation_id=found.conversation_id,
        conversation_turns=len(found.siblings),
        content=content,
        turns=turns,
        configs=tuple(live.used.values()),
        totals=sum_of_totals([turn.totals for turn in turns]),
        time_gaps=time_gaps_of(reader.time_gaps(), turns),
    )


def _matches(reader: Reader, term: str) -> Sequence[Match]:
    """Enough of them to tell whether the term is ambiguous: a long conversation may fill the first look."""
    limit = _FIRST_LOOK
    while True:
        matches = reader.find(term, limit)
        if len(matches) < limit or len({match.id for match in matches}) > 1 or limit > _MOST_MATCHES:
            return matches
        limit *= _MORE


def _found(reader: Reader, term: str, matches: Sequence[Match]) -> Found:
    """One id. A message can have two turns, should its run have become known late."""
    first = matches[0]
    conversation_id = first.turn.conversation_id
    matched = _most_telling(matches)
    turns = tuple(dict.fromkeys(match.turn.turn_id for match in matches))
    siblings = tuple(reader.turns_of(conversation_id)) if conversation_id else ()
    shown = siblings if matched == "conversation" else turns
    return Found(term, matched, first.id, conversation_id, shown, siblings or turns)


def _most_telling(matches: Sequence[Match]) -> Matched:
    """What an id is. A turn's own id is a run's or a message's."""
    if any(match.matched == "conversation" for match in matches):
        return "conversation"
    first = matches[0]
    if first.matched == "turn" and first.id in {first.turn.run_id, first.turn.message_id}:
        return "run" if first.id == first.turn.run_id else "message"
    return first.matched


def _candidate(reader: Reader, matches: list[Match], *, content: bool) -> Candidate:
    first, matched = matches[0], _most_telling(matches)
    turns = reader.turns_of(first.id) if matched == "conversation" else [match.turn.turn_id for match in matches]
    events = reader.turn_events(first.turn.turn_id) if content else ()
    return Candidate(
        matched=matched,
        id=first.id,
        started_at=moment_at(first.turn.started_at),
        app_name=first.turn.app_name,
        turns=len(set(turns)),
        question=turn_of(Records(events), 1, content=True).question if events else None,
    )


def _turn(reader: Reader, found: Found, turn_id: str, live: _Live, *, content: bool) -> Turn | None:
    """None for a turn that retention took away between two questions."""
    records = Records(
        events=reader.turn_events(turn_id),
        alerts=reader.alerts_of(turn_id),
        gaps=reader.gaps_of(turn_id),
        notes=reader.notes_of(turn_id),
    )
    if not records.events and not records.notes:
        return None
    number = found.siblings.index(turn_id) + 1 if turn_id in found.siblings else 1
    return turn_of(records, number, content=content, config_seq=live.seq_of(records.ref))


class _Live:
    """Finds what was live when a turn ran, and keeps each that was."""

    def __init__(self, reader: Reader, *, content: bool) -> None:
        self._reader, self._content = reader, content
        self._changes: dict[tuple[str, str], Sequence[Recorded]] = {}
        self.used: dict[int, Configuration] = {}

    def seq_of(self, ref: TurnRef) -> int | None:
        """The turn's configuration: the last one of its hash that was there when it began, else the first after."""
        if not ref.config_hash:
            return None
        same = self._of(ref.app_id, ref.config_hash)
        before = [one for one in same if one.event.occurred_at <= ref.started_at]
        for record in before[-1:] or same[:1]:
            known = configuration_of(record, content=self._content)
            if known is not None:
                self.used[known.seq] = known
                return known.seq
        return None

    def _of(self, app_id: str, config_hash: str) -> Sequence[Recorded]:
        asked = (app_id, config_hash)
        if asked not in self._changes:
            self._changes[asked] = self._reader.configs_of(*asked)
        return self._changes[asked]
