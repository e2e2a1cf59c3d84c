"""Tells what the rows of chosen turns prove, and remembers that it was told. Called by the reader.

A row that nobody foresaw is a gap, never an error: it must not stop the rest. What the configuration leaves out is
remembered and counted, so that a comparison does not take it for lost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec

from monitor.model import Body, SourceGap, TurnRef, TurnStarted
from monitor.model.ids import note_key, turn_key
from monitor.normalise.rows import AppRow, Graph, NodeRow, TurnRows
from monitor.normalise.soft import Soft
from monitor.normalise.text import clean
from monitor.normalise.turns import Ended, ref_of, single_step_events, turn_events
from monitor.normalise.values import ns_of_us
from monitor.sources.dify_database.candidate import Candidate
from monitor.sources.dify_database.remembered import Remembered, Row, mark_of
from monitor.sources.dify_database.sheet import Sheet

__all__ = ["Chooses", "Teller", "stub"]

_NOBODY = AppRow(id="", tenant_id="", name="", mode="")
_NEW_APP_US = 180_000_000
"""Apps are known within a minute."""


class Chooses(Protocol):
    """What the configuration includes and excludes."""

    everything: bool
    """Whether nothing is left out."""
    mark: str
    """Names the choice: another one where something else is configured."""

    def admits(self, app: AppRow | None, invoke_from: str | None) -> bool:
        """Whether turns of that app, started that way, are wanted; None: facts of the app's own."""
        ...


class Teller:
    """Holds no state; `choice` None admits all."""

    def __init__(self, pseudonym: Callable[[str], str], log: Any, choice: Chooses | None, soft: Soft) -> None:
        self._pseudonym, self._log, self._choice, self._soft = pseudonym, log, choice, soft
        self.choice_mark = choice.mark if choice is not None else "all"

    def admits(self, app: AppRow | None, invoke_from: str) -> bool:
        """Whether the configuration wants it."""
        return self._choice is None or self._choice.admits(app, invoke_from)

    def admits_note(self, apps: Mapping[str, AppRow], body: Body) -> bool:
        """The same, of a fact beside the turns: as its turn, else as its app; what belongs to no app is wanted."""
        if self._choice is None or self._choice.everything:
            return True
        turn, app = getattr(body, "turn", None), getattr(body, "app", None)
        if turn is not None:
            return self._choice.admits(apps.get(turn.app_id), turn.invoke_from)
        return app is None or self._choice.admits(apps.get(app.app_id), None)

    def admits_turn(self, sheet: Sheet, each: Candidate) -> bool:
        """The same, of a turn."""
        if self._choice is None or self._choice.everything:
            return True
        return self.admits(sheet.tables.apps().get(each.app_id), each.invoke_from)

    def waits_for_app(self, sheet: Sheet, each: Candidate) -> bool:
        """Whether its app is so new that the tables have not heard of it: nobody can say yet whether it is wanted."""
        if self._choice is None or self._choice.everything or each.app_id in sheet.tables.apps():
            return False
        return sheet.now_us - each.created_us < _NEW_APP_US

    def leave_out(self, sheet: Sheet, each: Candidate) -> None:
        """Count the turn's rows, and remember them and by which choice they were left out."""
        held = sheet.held(each.rows)
        sheet.state.left_out += sum(not held[row].left_out if row in held else True for row in each.rows)
        for row in each.rows:
            sheet.keep(row, stub(), mark=self.choice_mark, left_out=True)

    def turn(self, sheet: Sheet, each: Candidate, rows: TurnRows, ended: Ended) -> TurnRef | None:
        """Tell all that the rows prove; whose turn it is, None where they could not be understood."""
        known = each.entry.ref if each.entry is not None else None
        try:
            ref = known or ref_of(rows, self._pseudonym)
            events = turn_events(ref, rows, ended, soft=self._soft)
        except Exception as exc:  # noqa: BLE001 - one row that nobody foresaw must never stop the rest
            self.not_understood(sheet, each, rows, exc)
            return None
        # A start is told once: what its rows say later is no more, and less where the message was deleted since.
        sheet.events += events if known is None else [e for e in events if not isinstance(e.body, TurnStarted)]
        left_out = _count_wanted(sheet, each)
        sheet.state.repaired += each.pulled and not left_out
        _remember(sheet, each, ref, ended=ended != "no")
        return ref

    def single_step(self, sheet: Sheet, ref: TurnRef, row: NodeRow, graph: Graph) -> None:
        """Tell a node that was tried out alone."""
        try:
            sheet.events += single_step_events(ref, row, graph, soft=self._soft)
        except Exception as exc:  # noqa: BLE001 - as above
            sheet.state.lost += 1
            self._gap(sheet, f"node {row.id}", exc, ref)

    def not_understood(self, sheet: Sheet, each: Candidate, rows: TurnRows, exc: Exception) -> None:
        """Tell the gap, and of the turn what needs no understanding: so it is found where its conversation is."""
        known = each.entry.ref if each.entry is not None else None
        ref = known or _bare_ref(each, rows, sheet.tables.apps().get(each.app_id))
        if known is None:
            sheet.tell(turn_key(ref.turn_id, "started"), TurnStarted(turn=ref), ref.started_at)
        self._gap(sheet, f"turn {ref.turn_id}", exc, ref)
        _count_wanted(sheet, each)
        _remember(sheet, each, ref, unread=True)

    def _gap(self, sheet: Sheet, what: str, exc: Exception, ref: TurnRef) -> None:
        self._log.error("rows_not_understood", action="recorded as a gap", what=what, error=type(exc).__name__)
        body = SourceGap(what=what, reason=type(exc).__name__, turn_id=ref.turn_id, app_id=ref.app_id)
        sheet.tell(note_key(f"source:{sheet.source_name}", "gap", what), body)


def stub(turn_id: str = "", tenant_id: str = "", conversation_id: str = "") -> TurnRef:
    """What an entry says of a turn that another one owns."""
    ref = TurnRef(turn_id=turn_id, tenant_id=tenant_id, app_id="", app_name="", mode="", started_at=0)
    return msgspec.structs.replace(ref, conversation_id=conversation_id)


def _remember(sheet: Sheet, each: Candidate, ref: TurnRef, *, ended: bool = False, unread: bool = False) -> None:
    *others, owner = each.rows
    _count_unread(sheet, sheet.held(each.rows), each.rows, unread=unread)
    sheet.keep(
        owner,
        ref,
        mark=mark_of(each.fingerprint),
        message_id=each.message.id if each.message is not None and others else "",
        owner=True,
        ended=ended,
        unread=unread,
    )
    for row in others:
        sheet.keep(row, stub(ref.turn_id, ref.tenant_id, ref.conversation_id), unread=unread)


def _count_wanted(sheet: Sheet, each: Candidate) -> int:
    """How many of its rows were left out until now: they no longer are."""
    left_out = sum(known.left_out for known in sheet.held(each.rows).values())
    sheet.state.left_out = max(0, sheet.state.left_out - left_out)
    return left_out


def _count_unread(sheet: Sheet, held: dict[Row, Remembered], rows: list[Row], *, unread: bool) -> None:
    for row in rows:
        was = row in held and held[row].unread
        sheet.state.unread = max(0, sheet.state.unread + unread - was)


def _bare_ref(each: Candidate, rows: TurnRows, app: AppRow | None) -> TurnRef:
    """Whose turn it is, by ids and names alone."""
    message, run = rows.message, rows.run
    state = each.message
    return TurnRef(
        turn_id=each.run_id or each.name,
        tenant_id=clean((run or message or app or each.run or _NOBODY).tenant_id),
        app_id=each.app_id,
        app_name=clean(app.name if app else ""),
        mode=clean((app.mode if app else "") or (state.mode if state else "")) or "unknown",
        started_at=ns_of_us(each.created_us),
        invoke_from=clean(each.invoke_from),
        conversation_id=clean(state.conversation_id if state else ""),
        message_id=each.message.id if each.message is not None else "",
        run_id=each.run_id,
    )
