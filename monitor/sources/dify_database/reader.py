"""One reading of Dify's tables: which turns have news, fetch those, tell what they prove, remember where we stand.

This is the source's whole judgement; it knows neither SQL nor the journal. `Reader.read` is called by the source with
a snapshot of the tables and hands back a page. The order of questions matters: a parent's state is asked before its
children's rows, so that "over" is never believed on the ground of older children.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from monitor.model import Event, SourceGap, TurnEnded, TurnRef, TurnStarted
from monitor.model.ids import turn_key
from monitor.normalise.rows import Graph, NodeRow, TurnRows
from monitor.normalise.turns import DATABASE_RANK, Ended, ref_of, single_step_events, turn_events
from monitor.ports import Page
from monitor.sources.dify_database.candidate import Candidate, each_turn_once, ended, may_be_told, phase_of
from monitor.sources.dify_database.fetch import turn_rows, with_signals
from monitor.sources.dify_database.state import Open, Phase, Place, State, decode, encode
from monitor.sources.dify_database.tables import Key, MessageState, RunState, Snapshot

__all__ = ["Limits", "Reader"]

_S = 1_000_000
_FUTURE_US = 60 * _S
"""How far a row may lie ahead of the database's clock before it is no longer allowed to move the mark."""
_MESSAGE_BEFORE_US, _MESSAGE_AFTER_US = 600 * _S, 120 * _S
"""How much earlier or later than its run a message can have been created."""
_FIRST_WAIT_US: dict[Phase, int] = {"open": 0, "paused": 5 * _S, "settling": 5 * _S, "abandoned": 60 * _S}
_LONGEST_WAIT_US: dict[Phase, int] = {"open": 0, "paused": 60 * _S, "settling": 120 * _S, "abandoned": 3_600 * _S}
_ABANDONED_FOR_US = 7 * 86_400 * _S
_MAX_ABANDONED = 1_000
_STEP_WINDOW_US = 1_800 * _S
_STEPS_EVERY_US = 30 * _S
"""Nodes tried out alone are few, and looking for them costs a look at every draft."""


class Limits(msgspec.Struct, frozen=True):
    """How a source may read."""

    abandon_after_us: int = 1_800 * _S
    sweep_us: int = 120 * _S
    max_page_bytes: int = 16 << 20


class Reader:
    """Reads pages. Holds no state but what its arguments carry; safe to throw away between two readings."""

    def __init__(self, limits: Limits, pseudonym: Callable[[str], str], log: Any) -> None:
        self._limits, self._pseudonym, self._log = limits, pseudonym, log

    def read(self, tables: Snapshot, position: bytes | None, limit: int, *, scan_runs: bool = True) -> Page:
        """The next page. `scan_runs=False` leaves the scan of the runs table out (it is costly without an index)."""
        return _Reading(self, tables, decode(position), limit).page(scan_runs=scan_runs)

    @property
    def limits(self) -> Limits:
        """How it reads."""
        return self._limits

    def ref(self, rows: TurnRows) -> TurnRef:
        """A new turn's reference."""
        return ref_of(rows, self._pseudonym)

    def gap(self, what: str, exc: Exception, turn_id: str, now_us: int) -> Event:
        """The event that says that a turn's rows could not be understood."""
        self._log.error("rows_not_understood", action="recorded as a gap", what=what, error=type(exc).__name__)
        now_ns = now_us * 1000
        body = SourceGap(what=what, reason=type(exc).__name__, turn_id=turn_id)
        return Event(key=f"{turn_id}:gap", rank=DATABASE_RANK, changed_at=now_ns, occurred_at=now_ns, body=body)


class _Reading:
    """One call of `read`: the state on its way from one position to the next."""

    def __init__(self, reader: Reader, tables: Snapshot, state: State, limit: int) -> None:
        self.reader, self.tables, self.state, self.limit = reader, tables, state, limit
        self.limits = reader.limits
        self.now_us = tables.now_us()
        self.more = False
        self.events: list[Event] = []

    def page(self, *, scan_runs: bool) -> Page:
        state, tables = self.state, self.tables
        found = self._due()
        message_keys = self._scan(state.messages, tables.message_keys, tables.message_keys_since)
        found += self._new_messages(message_keys)
        messages_read = not self.more
        run_keys = self._scan(state.runs, tables.run_keys, tables.run_keys_since) if scan_runs else []
        found += self._new_runs(run_keys)
        candidates = with_signals(tables, each_turn_once(found))
        chosen, left = self._within_bounds([each for each in candidates if self._has_news(each)])
        self._tell(chosen)
        if messages_read:
            self._single_steps()
        self._pass(state.messages, message_keys, left)
        self._pass(state.runs, run_keys, left)
        self._bound_abandoned()
        return Page(events=_in_order(self.events), position=encode(state), more=self.more)

    # -- which turns may have news

    def _due(self) -> list[Candidate]:
        """The watched turns whose pause is over."""
        due = {key: entry for key, entry in self.state.watched.items() if entry.next_us <= self.now_us}
        messages = {row.id: row for row in self.tables.message_states(_ids(e.message_id for e in due.values()))}
        run_ids = _ids(entry.run_id or _run_of(messages.get(entry.message_id)) for entry in due.values())
        runs = {row.id: row for row in self.tables.run_states(run_ids)}
        found = []
        for key, entry in due.items():
            message = messages.get(entry.message_id)
            run = runs.get(entry.run_id or _run_of(message))
            if (message is None and run is None) or (message is None and entry.message_id and _is_told(entry)):
                self._deleted(key, entry)
                continue
            found.append(Candidate(keys=(key,), message=message, run=run, entry=entry))
        return found

    def _deleted(self, key: str, entry: Open) -> None:
        """Deleted in Dify. What was told of it stands; one that was open will never end."""
        del self.state.watched[key]
        if entry.ref is not None and entry.phase in {"open", "paused"}:
            self.events.append(_given_up(entry.ref))

    def _scan(
        self,
        place: Place,
        scan: Callable[[Key | None, int], Sequence[Key]],
        sweep: Callable[[int, Key], Sequence[Key]],
    ) -> list[Key]:
        """The next keys ahead of the mark, after those that may have appeared behind it."""
        asked = self.limit + place.ahead()
        ahead = scan(place.mark, asked)
        full = len(ahead) >= asked
        behind: Iterable[Key] = ()
        if place.mark is not None and (place.live or not full):
            behind = sweep(place.floor(self.limits.sweep_us, self.state.since_us), place.mark)
        place.live = not full
        self.more = self.more or full
        return [*(key for key in behind if key.id not in place.recent), *ahead]

    def _new_messages(self, keys: list[Key]) -> list[Candidate]:
        fresh = [key.id for key in keys if key.id not in self.state.messages.recent]
        states = self.tables.message_states(fresh)
        runs = {row.id: row for row in self.tables.run_states(_ids(_run_of(row) for row in states))}
        watched = self.state.watched
        return [
            Candidate(
                keys=(row.id, _run_of(row)),
                message=row,
                run=runs.get(_run_of(row)),
                entry=watched.get(row.id) or watched.get(_run_of(row)),
            )
            for row in states
        ]

    def _new_runs(self, keys: list[Key]) -> list[Candidate]:
        """Runs that nobody watches and no message stands for."""
        states = self.tables.run_states([key.id for key in keys if key.id not in self.state.runs.recent])
        watched = {entry.run_id for entry in self.state.watched.values()}
        alone = [run for run in states if run.id not in watched]
        belonging = self._with_message([run for run in alone if run.may_have_message])
        return [Candidate(keys=(run.id,), run=run) for run in alone if run.id not in belonging]

    def _with_message(self, runs: Sequence[RunState]) -> set[str]:
        """Chatflow runs whose message is there: the scan of the messages tells them."""
        if not runs:
            return set()
        times = [run.created_us for run in runs]
        since, until = min(times) - _MESSAGE_BEFORE_US, max(times) + _MESSAGE_AFTER_US
        return self.tables.runs_with_message([run.id for run in runs], since, until)

    # -- what is worth fetching

    def _ended(self, each: Candidate) -> Ended:
        return ended(each, self.now_us, self.limits.abandon_after_us)

    def _has_news(self, each: Candidate) -> bool:
        """Whether its turn may be told and something changed since it was; if not, when to look again."""
        state, entry = self._ended(each), each.entry
        if not may_be_told(each, state, self.now_us):
            self._watch(each, "open", ref=None)
            return False
        if entry is None or entry.ref is None or entry.signal != each.fingerprint:
            return True
        if state != "no" and entry.phase in {"open", "paused"}:
            return True
        self._look_again(each, entry)
        return False

    def _within_bounds(self, candidates: list[Candidate]) -> tuple[list[Candidate], set[str]]:
        """As many as fit into a page, at least one, and the names of those left for the next."""
        size = 0
        for at, each in enumerate(candidates):
            size += each.size
            if at and (size > self.limits.max_page_bytes or at >= 2 * self.limit):
                self.more = True
                return candidates[:at], {name for left in candidates[at:] for name in (left.name, *left.keys)}
        return candidates, set()

    # -- fetching and telling

    def _tell(self, chosen: list[Candidate]) -> None:
        rows = turn_rows(self.tables, chosen)
        for each in chosen:
            if each.name in rows:
                self.events += self._turn(each, rows[each.name])

    def _turn(self, each: Candidate, rows: TurnRows) -> list[Event]:
        state = self._ended(each)
        known = each.entry.ref if each.entry is not None else None
        try:
            ref = known or self.reader.ref(rows)
            events = turn_events(ref, rows, state)
        except Exception as exc:  # noqa: BLE001 - one row that nobody foresaw must never stop the rest
            turn_id = known.turn_id if known is not None else each.run_id or each.name
            self._watch(each, "settling", ref=known)
            return [self.reader.gap(f"turn {turn_id}", exc, turn_id, self.now_us)]
        self._watch(each, phase_of(each, state), ref=ref)
        # A start is told once: what its rows say later is no more, and less where the message was deleted since.
        return events if known is None else [event for event in events if not isinstance(event.body, TurnStarted)]

    def _single_steps(self) -> None:
        """Nodes tried out alone: few rows, looked at again for as long as one can run."""
        state = self.state
        if self.now_us < state.steps_next_us:
            return
        since = max(state.since_us, state.steps_us - _STEP_WINDOW_US)
        asked = self.limit + len(state.recent_steps)
        keys = self.tables.single_step_keys(since, asked)
        self.more = self.more or len(keys) >= asked
        fresh = [key for key in keys if key.id not in state.recent_steps]
        state.steps_next_us = 0 if len(keys) >= asked else self.now_us + _STEPS_EVERY_US
        if not fresh:
            return
        state.steps_us = max(state.steps_us, min(max(key.us for key in fresh), self.now_us))
        floor = state.steps_us - _STEP_WINDOW_US
        seen = state.recent_steps | {key.id: key.us for key in fresh}
        state.recent_steps = {row_id: us for row_id, us in seen.items() if us >= floor}
        rows = self.tables.single_steps([key.id for key in fresh])
        graphs = self.tables.graphs({row.workflow_id for row in rows})
        for row in rows:
            self.events += self._single_step(row, graphs.get(row.workflow_id, {}))

    def _single_step(self, row: NodeRow, graph: Graph) -> list[Event]:
        ref = TurnRef(
            turn_id=row.id,
            tenant_id=row.tenant_id,
            app_id=row.app_id,
            app_name=row.app_name or "",
            mode=row.mode or "workflow",
            started_at=max(0, row.created_us) * 1000,
            invoke_from="debugger",
            workflow_id=row.workflow_id,
        )
        try:
            return single_step_events(ref, row, graph)
        except Exception as exc:  # noqa: BLE001 - as above
            return [self.reader.gap(f"node {row.id}", exc, row.id, self.now_us)]

    # -- remembering

    def _watch(self, each: Candidate, phase: Phase, *, ref: TurnRef | None, wait_us: int = 0) -> None:
        """Keep the turn in view, or let it go when nothing more can come."""
        for key in each.keys:
            self.state.watched.pop(key, None)
        age = self.now_us - each.last_us
        if (phase == "settling" and age > self.limits.sweep_us) or (phase == "abandoned" and age > _ABANDONED_FOR_US):
            return
        wait_us = wait_us or _FIRST_WAIT_US[phase]
        self.state.watched[ref.turn_id if ref is not None else each.name] = Open(
            message_id=each.message.id if each.message is not None else "",
            run_id=each.run_id,
            ref=ref,
            signal=each.fingerprint,
            phase=phase,
            next_us=self.now_us + wait_us if wait_us else 0,
            wait_us=wait_us,
        )

    def _look_again(self, each: Candidate, entry: Open) -> None:
        """Nothing changed: an open turn is asked again at the next reading, the others ever less often."""
        if entry.phase != "open":
            wait_us = min(entry.wait_us * 2, _LONGEST_WAIT_US[entry.phase])
            self._watch(each, entry.phase, ref=entry.ref, wait_us=wait_us)

    def _pass(self, place: Place, keys: Sequence[Key], left: set[str]) -> None:
        """Move the mark as far as everything before it is told, watched, or somebody else's."""
        fresh = [key.id not in place.recent for key in keys]
        cut = next((at for at, key in enumerate(keys) if fresh[at] and key.id in left), len(keys))
        place.passed(keys[:cut], self.now_us + _FUTURE_US)
        place.forget(self.limits.sweep_us)
        near = place.mark is not None and place.mark.us > self.now_us - self.limits.sweep_us
        place.live = place.live or near or cut < len(keys)

    def _bound_abandoned(self) -> None:
        given_up = [key for key, entry in self.state.watched.items() if entry.phase == "abandoned"]
        for key in given_up[:-_MAX_ABANDONED] if len(given_up) > _MAX_ABANDONED else ():
            del self.state.watched[key]


def _is_told(entry: Open) -> bool:
    """Whether the turn's end was told, as far as it can be."""
    return entry.phase in {"settling", "abandoned"}


def _run_of(message: MessageState | None) -> str:
    return (message.run_id or "") if message is not None else ""


def _ids(ids: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(row_id for row_id in ids if row_id))


def _given_up(ref: TurnRef) -> Event:
    """The end of a turn whose rows went while it was open: what is known of it is when it began."""
    at = ref.started_at
    body = TurnEnded(turn=ref, started_at=at, ended_at=at, status="abandoned", estimated=True)
    return Event(key=turn_key(ref.turn_id, "ended"), rank=DATABASE_RANK, changed_at=at, occurred_at=at, body=body)


def _in_order(events: list[Event]) -> list[Event]:
    """By the time they happened; a turn's start before its first step, whatever rounding did to it."""
    first: dict[str, int] = {}
    for event in events:
        turn_id = event.key.split(":", 1)[0]
        first[turn_id] = min(first.get(turn_id, event.occurred_at), event.occurred_at)

    def place(at: int) -> tuple[int, str, int, int]:
        event = events[at]
        turn_id, _, kind = event.key.partition(":")
        started = kind == "turn:started"
        return (first[turn_id] if started else event.occurred_at, turn_id, 0 if started else 1, at)

    return [events[at] for at in sorted(range(len(events)), key=place)]
