"""The rows of the turns that a page will tell, asked for table by table. Called by the reader only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from monitor.normalise.rows import MessageRow, RunRow, TurnRows
from monitor.sources.dify_database.candidate import Candidate
from monitor.sources.dify_database.setup import setup_of
from monitor.sources.dify_database.tables import Snapshot, Unreadable

__all__ = ["readable_rows", "turn_rows", "with_signals"]

_SEARCHING_MODES = frozenset({"chat", "completion"})
"""Modes whose searches Dify kept in a table of their own: agents and chatflows never did."""


def with_signals(tables: Snapshot, candidates: list[Candidate]) -> list[Candidate]:
    """The candidates with what their nodes or thoughts say in brief."""
    runs = [each.run for each in candidates if each.run is not None]
    alone = [each.message.id for each in candidates if each.message is not None and each.run is None]
    signals = tables.node_signals(runs) if runs else {}
    if alone:
        signals = {**signals, **tables.thought_signals(alone)}
    for each in candidates:
        each.signal = signals.get(each.name)
    return candidates


def turn_rows(tables: Snapshot, chosen: Sequence[Candidate]) -> dict[str, TurnRows]:
    """All rows of these turns, by candidate's name. The parents are asked for before their children."""
    messages: dict[str, MessageRow] = _by_id(tables.messages([each.message.id for each in chosen if each.message]))
    runs: dict[str, RunRow] = _by_id(tables.runs([each.run.id for each in chosen if each.run is not None]))
    nodes = _grouped(tables.nodes([each.run for each in chosen if each.run is not None]), "run_id")
    alone = [messages[name] for name in (_alone(each) for each in chosen) if name in messages]
    thoughts = _grouped(tables.thoughts([message.id for message in alone]) if alone else (), "message_id")
    searching = [message.id for message in alone if message.mode in _SEARCHING_MODES]
    resources = _grouped(tables.resources(searching) if searching else (), "message_id")
    setup = setup_of(tables, alone, runs.values())
    _name_pipelines(tables, runs.values())
    found = {}
    for each in chosen:
        message = messages.get(each.message.id) if each.message else None
        run = runs.get(each.run.id) if each.run else None
        if message is None and run is None:
            continue
        config = setup.config_of(message) if run is None else None
        definition = setup.definitions.get(run.workflow_id) if run is not None else None
        found[each.name] = TurnRows(
            message=message,
            thoughts=thoughts.get(message.id, []) if message else [],
            run=run,
            nodes=nodes.get(run.id, []) if run else [],
            graph=definition.nodes if definition is not None else {},
            agent_tools=config.tools if config is not None else {},
            resources=resources.get(message.id, []) if message else [],
            config_hash=setup.hash_of(message, run),
        )
    return found


def readable_rows(
    tables: Snapshot, chosen: Sequence[Candidate], unreadable: Callable[[Candidate, Unreadable], None]
) -> dict[str, TurnRows]:
    """The same; turns of which the server can't hand out a row are found by halving, and told to `unreadable`."""
    if not chosen:
        return {}
    try:
        with tables.apart():
            return turn_rows(tables, chosen)
    except Unreadable as exc:
        if len(chosen) == 1:
            unreadable(chosen[0], exc)
            return {}
    half = len(chosen) // 2
    return {
        **readable_rows(tables, chosen[:half], unreadable),
        **readable_rows(tables, chosen[half:], unreadable),
    }


def _alone(each: Candidate) -> str:
    """The message of a turn without a run."""
    return each.message.id if each.message is not None and each.run is None else ""


def _name_pipelines(tables: Snapshot, runs: Iterable[RunRow]) -> None:
    """A knowledge pipeline is no app: its runs find no name there."""
    for run in runs:
        app = tables.apps().get(run.app_id)
        if run.app_name is None and app is not None:
            run.app_name, run.mode = app.name, app.mode


def _by_id(rows: Iterable[Any]) -> dict[str, Any]:
    return {row.id: row for row in rows}


def _grouped(rows: Iterable[Any], field: str) -> dict[str, list[Any]]:
    groups: defaultdict[str, list[Any]] = defaultdict(list)
    for row in rows:
        groups[getattr(row, field)].append(row)
    return groups
