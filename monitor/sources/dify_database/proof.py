"""Every statement that is sent to Dify's PostgreSQL, with its plan and what it cost, for the owner of that database.

First one reading of the source as it is, from the beginning and of a few turns; then every question about the newest
rows; then what was not asked by either, about the first rows of its table. Each is carried out twice: once to be
explained, once to be answered; all inside read-only snapshots. Called by `DatabaseSource.prove`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from monitor.errors import Auth, Permanent, Retryable
from monitor.model import Proof
from monitor.sources.dify_database.inquiry import Inquiry
from monitor.sources.dify_database.plan import plan_text
from monitor.sources.dify_database.postgres import PostgresTables
from monitor.sources.dify_database.probe import Probe
from monitor.sources.dify_database.snapshot import Explained
from monitor.sources.dify_database.state import key_at
from monitor.sources.dify_database.statements import Statement, fitted, statements
from monitor.sources.dify_database.tables import Key, Snapshot

__all__ = ["NoMemory", "prove"]

_TURNS = 25
_SWEEP_US = 120_000_000
_HOUR_US = 3_600_000_000
_FIRST, _LAST = "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"
_PLACE = re.compile(r"%\((\w+)\)s")
_TABLE = re.compile(r"\bFROM (\w+)")
_PLAIN: Mapping[str, Any] = {
    "after": _FIRST,
    "app": _FIRST,
    "apps": [_FIRST],
    "at": None,
    "conversation": _FIRST,
    "id": _FIRST,
    "ids": [_FIRST],
    "limit": 500,
    "message": _FIRST,
    "nodes": ["start"],
    "since_us": 0,
    "stop": "stopped",
    "tenants": [_FIRST],
    "triggered": "workflow-run",
    "until_us": 1,
    "workflows": [_FIRST],
}
"""For each place in a statement a value that does no harm: it finds no row, or the first ones."""


class NoMemory:
    """A `monitor.ports.Memory` in which nothing was told yet."""

    def get(self, keys: Collection[str]) -> dict[str, bytes]:
        """Nothing."""
        del keys
        return {}

    def between(self, first: str, last: str, limit: int) -> list[tuple[str, bytes]]:
        """Nothing."""
        del first, last, limit
        return []


def prove(tables: PostgresTables, read: Callable[[], object]) -> list[Proof]:
    """All statements in the order of their files. `read` is one reading. Raises Retryable, Permanent or Auth."""
    inquiry = Inquiry(tables)
    newest_us = _newest_us(inquiry)
    refused: dict[str, str] = {}
    with tables.explaining() as found:
        read()
        refused |= _ask_of_the_newest(tables, newest_us)
        for each in list(_unasked(inquiry.probe, found)):
            if each.name not in refused:
                refused |= _ask_alone(tables, each, inquiry)
    return [_proof(each, found, inquiry.probe, refused.get(name, "")) for name, each in statements().items()]


def _newest_us(inquiry: Inquiry) -> int:
    rows = inquiry.rows("newest_message")
    return int(rows[0][0]) if rows else 0


def _ask_of_the_newest(tables: PostgresTables, newest_us: int) -> dict[str, str]:
    """Every question of a reading; the statement at which it broke off, and why."""
    asked = ""
    try:
        with tables.snapshot() as snapshot:
            try:
                _ask_all(snapshot, newest_us)
            finally:
                asked = snapshot.asked
    except (Retryable, Permanent, Auth) as exc:
        return {asked: str(exc)}
    return {}


def _ask_all(tables: Snapshot, newest_us: int) -> None:
    """Each question about turns of which all is there."""
    until = msgspec.structs.replace(key_at(newest_us), id=_LAST)
    found = tables.message_keys_since(newest_us - _SWEEP_US, until)[-_TURNS:]
    ids = [key.id for key in found]
    tables.message_keys(found[-1] if found else None, _TURNS)
    states = tables.message_states(ids)
    tables.thought_signals(ids)
    tables.thoughts(ids)
    tables.resources(ids)
    tables.configs({row.model_config_id for row in tables.messages(ids) if row.model_config_id})
    _ask_of_runs(tables, until, [state.run_id for state in states if state.run_id])
    tables.apps()
    tables.external_runs()
    for table in ("messages", "workflow_runs"):
        tables.oldest_us(table)
        for app_id in list(tables.digests(table, newest_us - _HOUR_US, newest_us))[:1]:
            tables.ids_between(table, app_id, newest_us - _HOUR_US, newest_us)


def _ask_of_runs(tables: Snapshot, until: Key, named: Sequence[str]) -> None:
    tables.newest_run_keys(until.us - _HOUR_US, _TURNS)
    keys = tables.run_keys_since(until.us - _SWEEP_US, until)[-_TURNS:]
    tables.run_keys(keys[-1] if keys else until, _TURNS)
    ids = [*named, *(key.id for key in keys)]
    states = tables.run_states(ids)
    runs = tables.runs(ids)
    tables.runs_with_message(ids, until.us - _HOUR_US, until.us)
    tables.node_signals(states)
    tables.nodes(states)
    tables.definitions({run.workflow_id for run in runs})
    tables.single_steps([key.id for key in tables.single_step_keys(until.us - _HOUR_US, _TURNS)] or [_FIRST])


def _unasked(probe: Probe, found: Sequence[Explained]) -> Iterator[Statement]:
    """Those that this database takes and nobody has asked."""
    asked = {each.statement.name for each in found}
    for name, statement in statements().items():
        if name not in asked and fitted(statement, probe) is not None:
            yield statement


def _ask_alone(tables: PostgresTables, statement: Statement, inquiry: Inquiry) -> dict[str, str]:
    """Ask it about the first rows of its table; by its name, why it could not be asked."""
    places = set(_PLACE.findall(statement.text))
    table = _TABLE.search(statement.text)
    try:
        values = {place: _PLAIN[place] for place in places}
        if "ids" in places and table is not None:
            values["ids"] = inquiry.some_ids(table[1], _TURNS) or [_FIRST]
        with tables.snapshot() as snapshot:
            snapshot.ask(statement.name, **values)
    except KeyError as exc:
        return {statement.name: f"no value is known for {exc}"}
    except (Retryable, Permanent, Auth) as exc:
        return {statement.name: str(exc)}
    return {}


def _proof(statement: Statement, found: Sequence[Explained], probe: Probe, refused: str) -> Proof:
    own = [each for each in found if each.statement.name == statement.name]
    purpose = statement.purpose.rstrip(".") or statement.name
    if own:
        worst = max(own, key=lambda each: each.blocks)
        rows = int(worst.plan.get("Actual Rows", 0))
        return Proof(statement.name, purpose, worst.sql, plan_text(worst.plan), worst.blocks, rows)
    lacking = [need for need in statement.needs if not probe.may_read(need)]
    if lacking:
        tables = [need.partition(".")[0] for need in lacking]
        gone = dict.fromkeys(table for table in tables if not probe.has(table)) or lacking
        why = f"Not sent to this database: it has no {', '.join(gone)}, or the role may not read it."
    else:
        why = f"Not planned: {refused or 'nothing asked for it'}."
    return Proof(statement.name, purpose, statement.text, why, None)
