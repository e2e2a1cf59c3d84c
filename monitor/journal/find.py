"""From an id that a person has at hand to turns, and from a turn to all that the journal knows of it.

Ids are Dify's, whole or their beginning. Works on any connection that may read; called by sqlite.py.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable

from monitor.errors import JournalDamaged
from monitor.journal.codec import Leaf, decode_leaves
from monitor.journal.reading import read_events
from monitor.journal.statements import as_json, joined_numbers
from monitor.model import ConfigChanged, ContentDeleted, Recorded, SourceGap, StepEnded, TurnEnded, TurnRef, TurnStarted
from monitor.model.answers import Match
from monitor.model.ids import turn_key
from monitor.model.stored import NOTE_KINDS, What, noted_turn
from monitor.model.terms import SHORTEST_PREFIX, matched_by, spellings

__all__ = [
    "configs_of",
    "deleted_turns",
    "events_named",
    "events_of_conversation",
    "events_of_turn",
    "find_turns",
    "notes_of",
    "time_gaps",
    "turn_events",
    "turns_of",
]

_LAST = "\U0010ffff"
"""Sorts after all that follows a prefix."""

_OF_KEYS = """
SELECT group_concat(seq), CAST(group_concat(leaf) AS BLOB)
  FROM events WHERE key IN (SELECT value FROM json_each(?))
"""
_OF_TURN = """
SELECT group_concat(seq), CAST(group_concat(leaf) AS BLOB) FROM events
 WHERE key >= ? AND key < ? AND kind IN ('turn_started', 'step_ended', 'turn_ended')
"""
_NOTES = """
SELECT group_concat(seq), CAST(group_concat(leaf) AS BLOB) FROM events
 WHERE key >= ? AND key < ? AND kind IN (SELECT value FROM json_each(?))
"""
_DELETED = """
SELECT group_concat(events.seq), CAST(group_concat(events.leaf) AS BLOB)
  FROM json_each(?) AS asked
 CROSS JOIN events ON events.key >= asked.value || ':deleted:' AND events.key < asked.value || ':deleted;'
 WHERE events.kind = 'content_deleted'
"""
_TIME_GAPS = """
SELECT group_concat(seq), CAST(group_concat(leaf) AS BLOB) FROM events INDEXED BY source_gaps
 WHERE kind = 'source_gap' AND seq >= 0 AND json_extract(CAST(leaf AS TEXT), '$.body.turn_id') IS NULL
"""
_NAMED = "SELECT ref FROM names WHERE name = ? AND what = ? ORDER BY ref"
_BEGINNING = """
SELECT DISTINCT CASE what WHEN 'turn' THEN ref ELSE name END FROM names
 WHERE name >= ? AND name < ? AND what IN ('turn', 'note') ORDER BY name, ref LIMIT ?
"""
_NEXT_KEY = "SELECT key FROM events WHERE key >= ? AND key < ? ORDER BY key LIMIT 1"


def find_turns(connection: sqlite3.Connection, term: str, limit: int) -> list[Match]:
    """Turns that have the id `term`, else those of which an id begins with it; the earliest first."""
    for text in spellings(term):
        exact = _matches(connection, {text, *_named(connection, text, "turn")}, text, exact=True)
        if exact:
            return exact[:limit]
    for text in spellings(term):
        if len(text) >= SHORTEST_PREFIX:
            found = _matches(connection, _beginning(connection, text, limit), text, exact=False)
            if found:
                return found[:limit]
    return []


def turns_of(connection: sqlite3.Connection, conversation_id: str) -> list[str]:
    """The conversation's turns in the order in which they began."""
    refs = _refs(connection, _named(connection, conversation_id, "turn"))
    own = [ref for ref in refs if ref.conversation_id == conversation_id]
    return [ref.turn_id for ref in sorted(own, key=_by_start)]


def turn_events(connection: sqlite3.Connection, turn_id: str) -> list[Recorded]:
    """The turn's start, steps and end, each in its newest revision, with content, by position."""
    found = _leaves(connection, _OF_TURN, _range(turn_id))
    own = [(seq, leaf) for seq, leaf in found if (ref := _ref(leaf)) and ref.turn_id == turn_id]
    return read_events(connection, _newest(own), content=True)


def events_named(connection: sqlite3.Connection, turn_id: str, what: What) -> list[Recorded]:
    """Alerts or gaps that speak of the turn, each in its newest revision, by position."""
    keys = _named(connection, turn_id, what)
    return read_events(connection, _newest(_leaves(connection, _OF_KEYS, (as_json(keys),))), content=True)


def time_gaps(connection: sqlite3.Connection) -> list[Recorded]:
    """Stretches of time that could not be read, of no turn in particular, in their newest revisions, by position."""
    found = _leaves(connection, _TIME_GAPS, ())
    own = [
        (seq, leaf) for seq, leaf in found if isinstance(leaf.body, SourceGap) and (leaf.body.since or leaf.body.until)
    ]
    return read_events(connection, _newest(own), content=False)


def notes_of(connection: sqlite3.Connection, turn_id: str) -> list[Recorded]:
    """Facts beside the turn that are about it, each in its newest revision, with content, by position."""
    return read_events(connection, _newest(_notes(connection, turn_id)), content=True)


def configs_of(connection: sqlite3.Connection, app_id: str, config_hash: str) -> list[Recorded]:
    """What the app was configured to that has this hash, in the order in which it came, newest revisions, with content.

    Others' content is not read: an app may have hundreds of large graphs.
    """
    within = _range(f"app:{app_id}:config")
    found = _leaves(connection, _NOTES, (*within, as_json(["config_changed"])))
    own = [
        (seq, leaf)
        for seq, leaf in found
        if isinstance(leaf.body, ConfigChanged) and (leaf.body.app.app_id, leaf.body.hash) == (app_id, config_hash)
    ]
    changes = read_events(connection, _newest(own), content=True)
    return sorted(changes, key=lambda recorded: (recorded.event.occurred_at, recorded.seq))


def events_of_conversation(connection: sqlite3.Connection, conversation_id: str) -> list[int]:
    """Positions of all that was recorded of the conversation's turns, in every revision.

    That is: their own events, the facts beside them, and the alerts and gaps that name them.
    """
    found: set[int] = set()
    for turn_id in turns_of(connection, conversation_id):
        named = [*_named(connection, turn_id, "alert"), *_named(connection, turn_id, "gap")]
        found.update(seq for seq, _ in _leaves(connection, _OF_KEYS, (as_json(named),)))
        found.update(events_of_turn(connection, turn_id))
    return sorted(found)


def events_of_turn(connection: sqlite3.Connection, turn_id: str) -> list[int]:
    """Positions of the turn's own events and of the facts beside it, in every revision, ascending."""
    own = _leaves(connection, _OF_TURN, _range(turn_id))
    found = {seq for seq, leaf in own if (ref := _ref(leaf)) and ref.turn_id == turn_id}
    return sorted(found.union(seq for seq, _ in _notes(connection, turn_id)))


def deleted_turns(connection: sqlite3.Connection, turn_ids: Collection[str], source: str) -> set[str]:
    """Those of the turns of which the source has said that they were deleted in Dify."""
    found = _leaves(connection, _DELETED, (as_json(turn_ids),))
    told = (leaf.body for _, leaf in found if leaf.source == source)
    return {body.turn_id for body in told if isinstance(body, ContentDeleted)} & set(turn_ids)


def _matches(connection: sqlite3.Connection, turn_ids: Iterable[str], text: str, *, exact: bool) -> list[Match]:
    """What of these turns agrees with the text, the earliest first."""
    refs = sorted(_refs(connection, turn_ids), key=_by_start)
    pairs = ((ref, matched_by(ref, text, exact=exact)) for ref in refs)
    return [Match(ref, *how) for ref, how in pairs if how is not None]


def _by_start(ref: TurnRef) -> tuple[int, str]:
    """Order of turns."""
    return ref.started_at, ref.turn_id


def _named(connection: sqlite3.Connection, name: str, what: What) -> list[str]:
    """What the name leads to."""
    return [ref for (ref,) in connection.execute(_NAMED, (name, what))]


def _beginning(connection: sqlite3.Connection, prefix: str, limit: int) -> set[str]:
    """Turns of which an id may begin with the prefix."""
    found = {ref for (ref,) in connection.execute(_BEGINNING, (prefix, prefix + _LAST, limit))}
    at = prefix
    for _ in range(limit):
        row = connection.execute(_NEXT_KEY, (at, prefix + _LAST)).fetchone()
        if row is None:
            break
        owner, colon, _rest = row[0].partition(":")
        found.add(owner)
        at = owner + (";" if colon else "\x00")  # the first key after all that begin with `owner:`
    return found


def _refs(connection: sqlite3.Connection, turn_ids: Iterable[str]) -> list[TurnRef]:
    """Those of the turns that the journal has. A turn whose start is not there is told by what else is known of it."""
    asked = set(turn_ids)
    started = as_json(turn_key(turn_id, "started") for turn_id in asked)
    found = {ref.turn_id: ref for _, leaf in _leaves(connection, _OF_KEYS, (started,)) if (ref := _ref(leaf))}
    for turn_id in asked - found.keys():
        ref = _told_otherwise(connection, turn_id)
        if ref:
            found[turn_id] = ref
    return [ref for turn_id, ref in found.items() if turn_id in asked]


def _told_otherwise(connection: sqlite3.Connection, turn_id: str) -> TurnRef | None:
    """The turn as its first event tells it, else as the first note about it does."""
    for _, leaf in _leaves(connection, _OF_TURN, _range(turn_id)):
        ref = _ref(leaf)
        if ref and ref.turn_id == turn_id:
            return ref
    notes = (noted_turn(leaf.body, leaf.occurred_at) for _, leaf in _notes(connection, turn_id))
    return next(notes, None)


def _notes(connection: sqlite3.Connection, turn_id: str) -> list[tuple[int, Leaf]]:
    """All revisions of the notes about the turn, by position: those under its keys and those that name it."""
    kinds = as_json(NOTE_KINDS)
    found = _leaves(connection, _NOTES, (*_range(turn_id), kinds))
    named = _named(connection, turn_id, "note")
    found += _leaves(connection, _OF_KEYS, (as_json(named),)) if named else []
    own = {
        seq: leaf for seq, leaf in found if (ref := noted_turn(leaf.body, leaf.occurred_at)) and ref.turn_id == turn_id
    }
    return sorted(own.items())


def _range(turn_id: str) -> tuple[str, str]:
    """First and last bound of the keys that begin with the turn's id and a colon."""
    return f"{turn_id}:", f"{turn_id};"


def _leaves(connection: sqlite3.Connection, query: str, asked: tuple[str, ...]) -> list[tuple[int, Leaf]]:
    """Events with their positions, by position."""
    seqs, joined = connection.execute(query, asked).fetchone()
    if joined is None:
        return []
    leaves = decode_leaves(joined)
    positions = joined_numbers(seqs)
    if len(leaves) != len(positions):
        raise JournalDamaged(f"the journal holds {len(leaves)} facts in {len(positions)} events")
    return sorted(zip(positions, leaves, strict=True), key=lambda found: found[0])


def _ref(leaf: Leaf) -> TurnRef | None:
    """Whose turn the event is of."""
    return leaf.body.turn if isinstance(leaf.body, TurnStarted | StepEnded | TurnEnded) else None


def _newest(found: Iterable[tuple[int, Leaf]]) -> list[int]:
    """Positions of the newest revisions; a later position of the same key is a later revision."""
    return sorted({leaf.key: seq for seq, leaf in found}.values())
