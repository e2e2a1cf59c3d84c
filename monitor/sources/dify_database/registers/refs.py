"""Whose turn a note is about: the reference that the turn's own events carry, from the rows' small columns only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from monitor.model import TurnRef
from monitor.normalise.rows import MessageRow, RunRow, TurnRows
from monitor.normalise.turns import ref_of
from monitor.sources.dify_database.registers.reading import Reading
from monitor.sources.dify_database.setup import setup_of

__all__ = ["session_ids", "turn_ids", "turn_refs"]

_GONE = "00000000-0000-0000-0000-000000000000"
"""No configuration: a conversation that is gone may have had another than its app."""


def turn_refs(reading: Reading, message_ids: Iterable[str | None]) -> dict[str, TurnRef]:
    """By message; those that are gone are left out."""
    messages = _messages(reading, message_ids)
    runs = _runs(reading, messages)
    hashes = _config_hashes(reading, messages, runs)
    return {
        message.id: ref_of(
            TurnRows(message=message, run=runs.get(message.run_id or ""), config_hash=hashes.get(message.id, "")),
            reading.pseudonym,
        )
        for message in messages
    }


def turn_ids(reading: Reading, message_ids: Iterable[str | None]) -> dict[str, str]:
    """By message, the turn's id alone."""
    return {row[0]: row[3] or row[0] for row in reading.rows("note_messages", message_ids)}


def session_ids(reading: Reading, end_user_ids: Iterable[str | None]) -> dict[str, str]:
    """By end user, the caller's own name for them."""
    return {row[0]: row[1] for row in reading.rows("note_users", end_user_ids) if row[1]}


def _messages(reading: Reading, message_ids: Iterable[str | None]) -> list[MessageRow]:
    rows = reading.rows("note_messages", message_ids)
    conversations = {row[0]: row for row in reading.rows("note_conversations", (row[2] for row in rows))}
    sessions = session_ids(reading, (row[10] for row in rows))
    return [_message(reading, row, conversations, sessions) for row in rows]


def _message(
    reading: Reading, row: tuple[Any, ...], conversations: dict[str, tuple[Any, ...]], sessions: dict[str, str]
) -> MessageRow:
    app = reading.apps.get(row[1])
    _, config_id, tried = conversations.get(row[2] or "", (None, _GONE, None))
    return MessageRow(
        id=row[0],
        app_id=row[1],
        tenant_id=app.tenant_id if app else None,
        app_name=app.name if app else None,
        mode=app.mode if app else None,
        conversation_id=row[2],
        run_id=row[3],
        created_us=row[4] or 0,
        status=row[5],
        error=None,
        latency_s=row[6] or 0.0,
        query=None,
        inputs=None,
        answer=None,
        prompt=None,
        model_provider=row[7],
        model_id=row[8],
        input_tokens=0,
        output_tokens=0,
        price=None,
        currency=None,
        metadata=None,
        invoke_from=row[9],
        end_user_id=row[10],
        account_id=row[11],
        session_id=sessions.get(row[10] or ""),
        model_config_id=config_id,
        tenant_name=app.tenant_name if app else None,
        override=row[12] if row[12] is not None else tried,
    )


def _runs(reading: Reading, messages: list[MessageRow]) -> dict[str, RunRow]:
    rows = reading.rows("note_runs", (message.run_id for message in messages))
    sessions = session_ids(reading, (row[10] for row in rows))
    return {row[0]: _run(reading, row, sessions) for row in rows}


def _run(reading: Reading, row: tuple[Any, ...], sessions: dict[str, str]) -> RunRow:
    app = reading.apps.get(row[2])
    return RunRow(
        id=row[0],
        tenant_id=row[1],
        app_id=row[2],
        app_name=app.name if app else None,
        mode=app.mode if app else None,
        workflow_id=row[3],
        version=row[4],
        type=row[5],
        triggered_from=row[6],
        status=row[7],
        created_us=row[8] or 0,
        finished_us=row[9],
        error=None,
        inputs=None,
        outputs=None,
        total_tokens=None,
        created_by=row[10],
        session_id=sessions.get(row[10]),
        tenant_name=app.tenant_name if app else None,
    )


def _config_hashes(reading: Reading, messages: list[MessageRow], runs: dict[str, RunRow]) -> dict[str, str]:
    """By message, as the turn itself has it, or empty: never of what came into force since."""
    alone = [message for message in messages if message.run_id not in runs]
    setup = setup_of(reading.tables, alone, runs.values()) if messages else None
    return {
        message.id: setup.hash_of(message, runs.get(message.run_id or "")) for message in messages if setup is not None
    }
