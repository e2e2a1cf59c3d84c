"""Events on their way out of the journal: which ones fit into a batch, and their rows as `Recorded`.

Works on any connection that may read. Called by sqlite.py and find.py.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence

import msgspec

from monitor.errors import JournalDamaged
from monitor.journal.codec import decode_leaves, recorded_of
from monitor.journal.intake import FIELDS_BITS
from monitor.journal.packing import unpack
from monitor.journal.statements import as_json, joined_numbers, numbers
from monitor.model import Recorded
from monitor.ports import Batch

__all__ = ["SCAN_EVENTS", "next_batch", "present", "read_events"]

SCAN_EVENTS = 16_384
"""How many events one read looks through for its kinds, so that it returns in time however rare they are."""

_PLAN = """
SELECT group_concat(seq), group_concat(weight) FROM (
  SELECT seq, length(leaf) + CASE WHEN :content THEN content_bytes ELSE 0 END AS weight FROM events
   WHERE seq >= :start AND seq < :stop AND kind IN (SELECT value FROM json_each(:kinds))
   ORDER BY seq LIMIT :limit)
"""
_LEAVES = """
SELECT group_concat(events.seq), CAST(group_concat(events.leaf) AS BLOB)
  FROM json_each(:seqs) AS wanted CROSS JOIN events ON events.seq = wanted.value
"""
_PRESENT = """
SELECT group_concat(events.seq) FROM json_each(:seqs) AS wanted CROSS JOIN events ON events.seq = wanted.value
"""
_CONTENT = """
SELECT group_concat(content.id), group_concat(content.packed), group_concat(length(content.value)),
       json_group_array(content.field), CAST(group_concat(CAST(content.value AS TEXT), '') AS BLOB)
  FROM json_each(:seqs) AS wanted
 CROSS JOIN content ON content.id BETWEEN wanted.value * 256 AND wanted.value * 256 + 255
"""


def next_batch(
    connection: sqlite3.Connection,
    start: int,
    head: int,
    *,
    limit: int,
    kinds: Collection[str],
    content: bool,
    max_bytes: int,
) -> Batch:
    """The events of these kinds from `start` on, and the position that covers them."""
    stop = min(head, start + SCAN_EVENTS)
    if start >= stop:
        return Batch((), start, behind=False)
    asked = {
        "start": start,
        "stop": stop,
        "kinds": as_json(kinds),
        "limit": max(1, limit),
        "content": content,
    }
    seqs, weights = numbers(connection.execute(_PLAN, asked).fetchone())
    taken = seqs[: _fitting(weights, max_bytes)]
    position = stop if len(taken) == len(seqs) < max(1, limit) else taken[-1] + 1
    return Batch(read_events(connection, taken, content=content), position, behind=position < head)


def _fitting(weights: Sequence[int], max_bytes: int) -> int:
    """How many of them weigh no more than `max_bytes` together, but at least one."""
    total = 0
    for count, weight in enumerate(weights):
        total += weight
        if total > max_bytes and count:
            return count
    return len(weights)


def present(connection: sqlite3.Connection, seqs: Collection[int]) -> list[int]:
    """Those of the positions that hold an event, ascending."""
    return sorted(joined_numbers(connection.execute(_PRESENT, {"seqs": as_json(set(seqs))}).fetchone()[0]))


def read_events(connection: sqlite3.Connection, seqs: Sequence[int], *, content: bool) -> list[Recorded]:
    """The events at these positions, in the order given. Raises JournalDamaged when one is missing."""
    if not seqs:
        return []
    asked = as_json(seqs)
    found, joined = connection.execute(_LEAVES, {"seqs": asked}).fetchone()
    leaves = dict(zip(joined_numbers(found), decode_leaves(joined or b""), strict=True))
    texts = _content(connection, asked) if content else None
    try:
        return [recorded_of(seq, leaves[seq], None if texts is None else texts.get(seq, {})) for seq in seqs]
    except KeyError as exc:
        raise JournalDamaged(f"event {exc} is missing from the journal") from exc


def _content(connection: sqlite3.Connection, seqs: str) -> dict[int, dict[str, str]]:
    """By event and field, the content that is still kept."""
    *columns, fields, values = connection.execute(_CONTENT, {"seqs": seqs}).fetchone()
    found: dict[int, dict[str, str]] = {}
    ids, packed, lengths = numbers(columns)
    at = 0
    names = msgspec.json.decode(fields, type=list[str])
    for content_id, is_packed, length, field in zip(ids, packed, lengths, names, strict=True):
        text = unpack(values[at : at + length], is_packed).decode()
        found.setdefault(content_id >> FIELDS_BITS, {})[field] = text
        at += length
    return found
