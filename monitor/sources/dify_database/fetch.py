"""The rows of the turns that a page will tell, asked for table by table. Called by the reader only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from monitor.normalise.rows import MessageRow, NodeRow, RunRow, ThoughtRow, TurnRows
from monitor.sources.dify_database.candidate import Candidate
from monitor.sources.dify_database.tables import Snapshot

__all__ = ["turn_rows", "with_signals"]


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
    messages = _by_id(tables.messages([each.message.id for each in chosen if each.message is not None]))
    runs = _by_id(tables.runs([each.run.id for each in chosen if each.run is not None]))
    nodes = _grouped(tables.nodes([each.run for each in chosen if each.run is not None]), "run_id")
    alone = [each.message.id for each in chosen if each.message is not None and each.run is None]
    thoughts = _grouped(tables.thoughts(alone) if alone else (), "message_id")
    graphs = tables.graphs({run.workflow_id for run in runs.values()})
    tools = tables.agent_tools(_config_ids(messages[i] for i in thoughts if i in messages))
    found = {}
    for each in chosen:
        message: MessageRow | None = messages.get(each.message.id) if each.message else None
        run: RunRow | None = runs.get(each.run.id) if each.run else None
        if message is not None or run is not None:
            found[each.name] = TurnRows(
                message=message,
                thoughts=thoughts.get(message.id, []) if message else [],
                run=run,
                nodes=nodes.get(run.id, []) if run else [],
                graph=graphs.get(run.workflow_id, {}) if run else {},
                agent_tools=tools.get(message.model_config_id or "", {}) if message else {},
            )
    return found


def _by_id(rows: Iterable[Any]) -> dict[str, Any]:
    return {row.id: row for row in rows}


def _grouped(rows: Iterable[ThoughtRow | NodeRow], field: str) -> dict[str, list[Any]]:
    groups: defaultdict[str, list[Any]] = defaultdict(list)
    for row in rows:
        groups[getattr(row, field)].append(row)
    return groups


def _config_ids(messages: Iterable[MessageRow]) -> set[str]:
    return {message.model_config_id for message in messages if message.model_config_id}
