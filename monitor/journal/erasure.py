"""Erases content: salt and value go, the fact and its hashes stay. Runs inside sqlite.py's transactions."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection

from monitor.journal.find import events_of_turn
from monitor.journal.statements import as_json

__all__ = ["erase_content", "erase_turns"]

_ERASE = """
DELETE FROM content WHERE id IN (
  SELECT content.id FROM events
   CROSS JOIN content ON content.id BETWEEN events.seq * 256 AND events.seq * 256 + 255
   WHERE events.key = :key AND (:fields IS NULL OR content.field IN (SELECT value FROM json_each(:fields))))
"""
_ERASE_AT = """
DELETE FROM content WHERE id IN (
  SELECT content.id FROM json_each(?) AS wanted
   CROSS JOIN content ON content.id BETWEEN wanted.value * 256 AND wanted.value * 256 + 255)
"""


def erase_content(connection: sqlite3.Connection, key: str, fields: Collection[str] | None) -> int:
    """Delete content of all revisions of the key: the named fields, or all; how many values went."""
    named = None if fields is None else as_json(fields)
    return connection.execute(_ERASE, {"key": key, "fields": named}).rowcount


def erase_turns(connection: sqlite3.Connection, turn_ids: Collection[str]) -> int:
    """Delete all content of the turns and of the facts beside them, in all revisions; how many values went."""
    seqs = [seq for turn_id in turn_ids for seq in events_of_turn(connection, turn_id)]
    return connection.execute(_ERASE_AT, (as_json(seqs),)).rowcount
