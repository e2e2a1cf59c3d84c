"""From the ids of rows to candidates: a message with its run, a run that no message stands for.

Asks the tables for states only. Called by the reader for rows that it scanned, and by the comparisons for rows that
they found missing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from monitor.sources.dify_database.candidate import Candidate
from monitor.sources.dify_database.state import Open
from monitor.sources.dify_database.tables import MessageState, RunState, Snapshot

__all__ = ["each_id_once", "message_candidates", "run_candidates", "run_of", "split_runs"]

_S = 1_000_000
_MESSAGE_BEFORE_US, _MESSAGE_AFTER_US = 600 * _S, 120 * _S
"""How much earlier or later than its run a message can have been created."""


def message_candidates(tables: Snapshot, ids: Collection[str], watched: dict[str, Open]) -> list[Candidate]:
    """These messages with their runs; deleted ones are left out."""
    states = tables.message_states(ids)
    runs = {row.id: row for row in tables.run_states(each_id_once(run_of(row) for row in states))}
    return [
        Candidate(
            keys=(row.id, run_of(row)),
            message=row,
            run=runs.get(run_of(row)),
            entry=watched.get(row.id) or watched.get(run_of(row)),
        )
        for row in states
    ]


def run_candidates(tables: Snapshot, ids: Collection[str], watched: dict[str, Open]) -> list[Candidate]:
    """Those of the runs that nobody watches and no message stands for."""
    names = {entry.run_id for entry in watched.values()}
    alone, _ = split_runs(tables, [run for run in tables.run_states(ids) if run.id not in names])
    return [Candidate(keys=(run.id,), run=run) for run in alone]


def split_runs(tables: Snapshot, runs: Sequence[RunState]) -> tuple[list[RunState], list[RunState]]:
    """The runs that no message refers to, and those that have one."""
    asked = [run for run in runs if run.may_have_message]
    times = [run.created_us for run in asked]
    belonging: set[str] = set()
    if asked:
        since_us, until_us = min(times) - _MESSAGE_BEFORE_US, max(times) + _MESSAGE_AFTER_US
        belonging = tables.runs_with_message([run.id for run in asked], since_us, until_us)
    return [run for run in runs if run.id not in belonging], [run for run in runs if run.id in belonging]


def run_of(message: MessageState | None) -> str:
    """The run that the message names."""
    return (message.run_id or "") if message is not None else ""


def each_id_once(ids: Iterable[str]) -> list[str]:
    """The ids in their order, without empty ones."""
    return list(dict.fromkeys(row_id for row_id in ids if row_id))
