"""A page on its way into the journal: which of its events are new, which are revisions, which were known.

Runs inside the caller's write transaction and knows nothing of cursors or folders. Called by sqlite.py alone.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence

import msgspec

from monitor.errors import JournalError
from monitor.journal.codec import Leaf, decode_leaves, encode_leaf, leaf_hash, new_leaf
from monitor.journal.commitments import SALT_BYTES, commitment, value_bytes
from monitor.journal.packing import pack
from monitor.journal.statements import as_json, insert_many, joined_numbers
from monitor.model import AlertChanged, Event
from monitor.model.stored import Named, names_of, same_facts, storable, supersedes
from monitor.ports import Appended

__all__ = ["FIELDS_BITS", "Entropy", "take_in"]

Entropy = Callable[[int], bytes]
"""That many random bytes; `os.urandom` but for tests."""

FIELDS_BITS = 8
"""Content ids are `seq << FIELDS_BITS | number of the field`."""

_LARGE_BYTES = 16_384
"""A compiled insert keeps a copy of what it inserted last; larger values go one by one, so that this stays small."""

_LEAVES = """
SELECT group_concat(seq), CAST(group_concat(leaf) AS BLOB)
  FROM events WHERE key IN (SELECT value FROM json_each(?))
"""
_SALTS = """
SELECT group_concat(content.id), json_group_array(content.field), CAST(group_concat(content.salt, '') AS BLOB)
  FROM json_each(:seqs) AS wanted
 CROSS JOIN content ON content.id BETWEEN wanted.value * 256 AND wanted.value * 256 + 255
"""
_EVENT = "INSERT INTO events (seq, key, revision, kind, content_bytes, leaf, leaf_hash)"
_CONTENT = "INSERT INTO content (id, field, salt, value, packed)"
_NAME = "INSERT OR IGNORE INTO names (name, what, ref)"


_NOTHING: frozenset[str] = frozenset()


class _Known(msgspec.Struct, frozen=True):
    """The newest revision of a key."""

    leaf: Leaf
    salts: dict[str, bytes]
    """By field; none for what was erased."""
    erased: frozenset[str] = _NOTHING
    """Fields that were erased from any revision of the key."""


def take_in(
    connection: sqlite3.Connection, source: str, events: Sequence[Event], now_ns: int, entropy: Entropy
) -> tuple[Appended, int]:
    """Append what is news of these events, in order; also the journal's new head."""
    page = [_tidied(event) for event in events]
    head = int(connection.execute("SELECT value FROM counters WHERE name = 'next_seq'").fetchone()[0])
    draft = _Draft(
        source,
        recorded_at=now_ns,
        head=head,
        known=_newest(connection, {event.key for event in page}),
        salts=entropy(SALT_BYTES * sum(len(event.content) for event in page)),
    )
    for event in page:
        draft.add(event)
    draft.write(connection)
    return Appended(new=draft.new, revised=draft.revised, known=len(page) - draft.new - draft.revised), draft.head


def _tidied(event: Event) -> Event:
    """The event, rebuilt only where something in it might not come back from storage as it is."""
    plain = event.key.isascii() and "\x00" not in event.key and all(map(str.isascii, event.content))
    return event if plain and not isinstance(event.body, AlertChanged) else storable(event)


class _Draft:
    """The rows that a page becomes."""

    def __init__(self, source: str, *, recorded_at: int, head: int, known: dict[str, _Known], salts: bytes) -> None:
        self.head, self.new, self.revised = head, 0, 0
        self._source, self._recorded_at, self._known = source, recorded_at, known
        self._salts = iter([salts[at : at + SALT_BYTES] for at in range(0, len(salts), SALT_BYTES)])
        self._events: list[tuple[int, str, int, str, int, bytes, bytes]] = []
        self._content: list[tuple[int, str, bytes, bytes, int]] = []
        self._names: dict[Named, None] = {}

    def add(self, event: Event) -> None:
        """Decide on one event. Later events of the page see this one as known."""
        known = self._known.get(event.key)
        if known is None:
            self._put(event, 0, _NOTHING)
            self.new += 1
        elif _is_news(known, event):
            self._put(event, known.leaf.revision + 1, known.erased)
            self.revised += 1

    def write(self, connection: sqlite3.Connection) -> None:
        """Insert the rows and move the head."""
        if not self._events:
            return
        insert_many(connection, _EVENT, self._events)
        insert_many(connection, _CONTENT, [row for row in self._content if len(row[3]) <= _LARGE_BYTES])
        for row in self._content:
            if len(row[3]) > _LARGE_BYTES:
                insert_many(connection, _CONTENT, [row])
        insert_many(connection, _NAME, list(self._names))
        connection.execute("UPDATE counters SET value = ? WHERE name = 'next_seq'", (self.head,))

    def _put(self, event: Event, revision: int, erased: frozenset[str]) -> None:
        """Make the rows of one revision."""
        salts, commitments, weight = self._put_content(event, erased)
        leaf = new_leaf(
            event,
            revision,
            self._source,
            self._recorded_at,
            commitments=commitments,
            erased=tuple(sorted(erased)) if erased else (),
        )
        data = encode_leaf(leaf)
        self._events.append((self.head, event.key, revision, leaf.kind, weight, data, leaf_hash(data)))
        for name in names_of(event):
            self._names[name] = None
        self._known[event.key] = _Known(leaf, salts, erased)
        self.head += 1

    def _put_content(self, event: Event, erased: frozenset[str]) -> tuple[dict[str, bytes], dict[str, str], int]:
        """Make the content rows; their salts, their commitments, and their bytes."""
        salts: dict[str, bytes] = {}
        commitments: dict[str, str] = {}
        weight = 0
        first = self.head << FIELDS_BITS
        for field, text in event.content.items():
            if field in erased:
                continue
            value, salt = value_bytes(text), next(self._salts)
            salts[field], commitments[field] = salt, commitment(salt, field, value)
            self._content.append((first + len(salts) - 1, field, salt, *pack(value)))
            weight += len(value)
        if len(salts) > 1 << FIELDS_BITS:
            raise JournalError(f"{event.key} has {len(salts)} content fields; an event holds {1 << FIELDS_BITS}")
        return salts, commitments, weight


def _is_news(known: _Known, event: Event) -> bool:
    """Whether the event says something else than the newest revision, and is not the poorer of the two."""
    if not supersedes(event, known.leaf.rank, known.leaf.changed_at):
        return False
    return not (_same_content(known, event) and same_facts(known.leaf.body, event.body))


def _same_content(known: _Known, event: Event) -> bool:
    """Whether what is still kept is what the event brings, erased fields left aside."""
    fields = event.content.keys() - known.erased
    if fields != known.salts.keys():
        return False
    return all(
        commitment(known.salts[field], field, value_bytes(event.content[field])) == known.leaf.commitments[field]
        for field in fields
    )


def _newest(connection: sqlite3.Connection, keys: Iterable[str]) -> dict[str, _Known]:
    """The newest revision of each of the keys that the journal has."""
    joined_seqs, joined = connection.execute(_LEAVES, (as_json(keys),)).fetchone()
    if joined is None:
        return {}
    seqs = joined_numbers(joined_seqs)
    salts = _salts(connection, seqs)
    revisions: dict[str, list[tuple[int, Leaf]]] = {}
    for seq, leaf in zip(seqs, decode_leaves(joined), strict=True):
        revisions.setdefault(leaf.key, []).append((seq, leaf))
    return {key: _known(found, salts) for key, found in revisions.items()}


def _salts(connection: sqlite3.Connection, seqs: Iterable[int]) -> dict[int, dict[str, bytes]]:
    """By event and field, the salts that are still kept. Values are not read: that spares their pages."""
    ids, fields, salts = connection.execute(_SALTS, {"seqs": as_json(seqs)}).fetchone()
    found: dict[int, dict[str, bytes]] = {}
    names = msgspec.json.decode(fields, type=list[str])
    for number, (content_id, field) in enumerate(zip(joined_numbers(ids), names, strict=True)):
        salt = salts[number * SALT_BYTES : (number + 1) * SALT_BYTES]
        found.setdefault(content_id >> FIELDS_BITS, {})[field] = salt
    return found


def _known(revisions: Sequence[tuple[int, Leaf]], salts: dict[int, dict[str, bytes]]) -> _Known:
    """What a key's revisions come to."""
    seq, newest = max(revisions, key=lambda revision: revision[1].revision)
    erased: set[str] = set()
    for each, leaf in revisions:
        erased.update(leaf.erased, leaf.commitments.keys() - salts.get(each, {}).keys())
    return _Known(newest, salts.get(seq, {}), frozenset(erased))
