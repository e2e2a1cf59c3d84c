"""One reading of Dify's tables: which turns have news, fetch those, tell what they prove, remember where we stand.

This is the source's whole judgement; it knows neither SQL nor the journal. `Reader.read` is called by the source with
a snapshot of the tables and hands back a page. The order of questions matters: a parent's state is asked before its
children's rows, so that "over" is never believed on the ground of older children.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from monitor.model import Event, SourceGap, TurnRef
from monitor.normalise.rows import MessageRow, NodeRow, RunRow, ThoughtRow, TurnRows
from monitor.normalise.turns import DATABASE_RANK, Ended, ref_of, single_step_events, turn_events
from monitor.ports import Page
from monitor.sources.dify_database.state import Open, State, decode, encode
from monitor.sources.dify_database.tables import Key, MessageState, RunState, Signal, Snapshot

__all__ = ["Limits", "Reader"]

_S = 1_000_000
_FUTURE_US = 60 * _S
"""How far a row may lie ahead of the database's clock before it is no longer allowed to move the mark."""
_MESSAGE_GRACE_US = 60 * _S
"""How long a chatflow's run waits for the message that it belongs to."""
_MESSAGE_BEFORE_US, _MESSAGE_AFTER_US = 600 * _S, 120 * _S
"""How much earlier or later than its run a message can have been created."""
_STOP_GRACE_US = 10 * _S
_SETTLE_FIRST_US = 5 * _S
_ABANDONED_FIRST_US = 60 * _S
_ABANDONED_FOR_US = 7 * 86_400 * _S
_MAX_ABANDONED = 1_000
_STEP_WINDOW_US = 1_800 * _S
_RUN_OVER = frozenset({"succeeded", "failed", "stopped", "partial-succeeded"})
_CHATFLOW = frozenset({"advanced-chat"})
_ALONE = frozenset({"workflow", "rag-pipeline"})
"""Types of runs that no message refers to. Of a type that nobody knows yet, one may."""


class Limits(msgspec.Struct, frozen=True):
    """How a source may read."""

    abandon_after_us: int = 1_800 * _S
    sweep_us: int = 120 * _S
    max_page_bytes: int = 16 << 20


class _Candidate(msgspec.Struct):
    """A turn that may have news."""

    key: str
    message: MessageState | None = None
    run: RunState | None = None
    entry: Open | None = None
    signal: Signal | None = None
    mark: Key | None = None
    """Where the messages' or runs' mark may go once this is read."""

    @property
    def told_elsewhere(self) -> bool:
        """A row that needs no telling here: a run of a known message, or one deleted between two questions."""
        return self.message is None and self.run is None

    @property
    def size(self) -> int:
        own = (self.message.size if self.message else 0) + (self.run.size if self.run else 0)
        return own + (self.signal.size if self.signal else 0)

    @property
    def last_us(self) -> int:
        created = max(row.created_us for row in (self.message, self.run) if row is not None)
        return max(created, self.signal.last_us if self.signal else 0)

    @property
    def fingerprint(self) -> str:
        message, run = self.message, self.run
        return "|".join(
            (
                "final" if message and message.final else "",
                message.run_id or "" if message else "",
                run.status if run else "",
                self.signal.mark if self.signal else "",
            )
        )


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
        self.now_us = tables.now_us()
        self.more = False

    def page(self, *, scan_runs: bool) -> Page:
        due = self._due()
        messages = self._new_messages()
        messages_read = not self.more
        runs = self._new_runs(messages_read=messages_read) if scan_runs else []
        candidates = self._with_signals(_claimed_once([*due, *messages, *runs]))
        chosen = self._within_bounds([each for each in candidates if self._has_news(each)])
        events = self._tell(chosen)
        events += self._single_steps() if messages_read else []
        told = {id(each) for each in chosen}
        self.state.messages = self._moved(self.state.messages, self.state.recent_messages, messages, told)
        self.state.runs = self._moved(self.state.runs, self.state.recent_runs, runs, told)
        self.state.forget_before(self.reader.limits.sweep_us)
        self._bound_abandoned()
        return Page(events=_in_order(events), position=encode(self.state), more=self.more)

    # -- which turns may have news

    def _due(self) -> list[_Candidate]:
        """The watched turns whose pause is over."""
        due = {key: entry for key, entry in self.state.watched.items() if entry.next_us <= self.now_us}
        messages = {row.id: row for row in self.tables.message_states(_ids(e.message_id for e in due.values()))}
        run_ids = _ids(entry.run_id or _run_of(messages.get(entry.message_id)) for entry in due.values())
        runs = {row.id: row for row in self.tables.run_states(run_ids)}
        found = []
        for key, entry in due.items():
            message = messages.get(entry.message_id)
            run = runs.get(entry.run_id or _run_of(message))
            if message is None and run is None:
                del self.state.watched[key]  # deleted in Dify while it was open: what we told of it stands
                continue
            found.append(_Candidate(key=key, message=message, run=run, entry=entry))
        return found

    def _new_messages(self) -> list[_Candidate]:
        keys = self._new_keys(
            self.state.messages, self.state.recent_messages, self.tables.message_keys, self.tables.message_keys_since
        )
        states = {row.id: row for row in self.tables.message_states([key.id for key in keys])}
        runs = {row.id: row for row in self.tables.run_states(_ids(_run_of(row) for row in states.values()))}
        return [
            _Candidate(key=key.id, message=states.get(key.id), run=runs.get(_run_of(states.get(key.id))), mark=key)
            for key in keys
        ]

    def _new_runs(self, *, messages_read: bool) -> list[_Candidate]:
        keys = self._new_keys(self.state.runs, self.state.recent_runs, self.tables.run_keys, self.tables.run_keys_since)
        states = {row.id: row for row in self.tables.run_states([key.id for key in keys])}
        watched = {entry.run_id for entry in self.state.watched.values()}
        fresh = [state for key in keys if (state := states.get(key.id)) is not None and state.id not in watched]
        belonging = self._with_message([run for run in fresh if run.type not in _ALONE])
        telling = {run.id: run for run in fresh if run.id not in belonging}
        for run in list(telling.values()):
            if run.type not in _ALONE and not (messages_read and self._message_is_late(run)):
                self.state.watched[run.id] = Open(run_id=run.id)
                del telling[run.id]
        return [_Candidate(key=key.id, run=telling.get(key.id), mark=key) for key in keys]

    def _message_is_late(self, run: RunState) -> bool:
        return self.now_us - run.created_us > _MESSAGE_GRACE_US

    def _with_message(self, runs: Sequence[RunState]) -> set[str]:
        """Chatflow runs whose message is there: the scan of the messages tells them."""
        if not runs:
            return set()
        times = [run.created_us for run in runs]
        since, until = min(times) - _MESSAGE_BEFORE_US, max(times) + _MESSAGE_AFTER_US
        return self.tables.runs_with_message([run.id for run in runs], since, until)

    def _new_keys(
        self,
        mark: Key | None,
        recent: dict[str, int],
        scan: Callable[[Key | None, int], Sequence[Key]],
        sweep: Callable[[int, Key], Sequence[Key]],
    ) -> list[Key]:
        """Ahead of the mark in order; and, once there is nothing more ahead, what appeared behind it."""
        ahead = sum((us, row_id) > (mark.us, mark.id) for row_id, us in recent.items()) if mark else 0
        asked = self.limit + ahead
        scanned = scan(mark, asked)
        keys = [key for key in scanned if key.id not in recent]
        if len(scanned) >= asked:
            self.more = True
        elif mark is not None:
            floor = max(mark.us - self.reader.limits.sweep_us, self.state.floor(recent))
            keys = [key for key in sweep(floor, mark) if key.id not in recent] + keys
        return keys

    # -- what is worth fetching

    def _with_signals(self, candidates: list[_Candidate]) -> list[_Candidate]:
        runs = [each.run for each in candidates if each.run is not None]
        alone = [each.message.id for each in candidates if each.message is not None and each.run is None]
        nodes = self.tables.node_signals(runs) if runs else {}
        thoughts = self.tables.thought_signals(alone) if alone else {}
        for each in candidates:
            if each.run is not None:
                each.signal = nodes.get(each.run.id)
            elif each.message is not None:
                each.signal = thoughts.get(each.message.id)
        return candidates

    def _has_news(self, each: _Candidate) -> bool:
        """Whether its turn may be told and something changed since it was; if not, when to look again."""
        ended = self._ended(each)
        if not self._may_be_told(each, ended):
            self._watch(each, "open", ref=None)
            return False
        entry = each.entry
        if entry is None or entry.ref is None or entry.signal != each.fingerprint:
            return True
        if ended != "no" and entry.phase == "open":
            return True
        self._look_again(each, entry)
        return False

    def _ended(self, each: _Candidate) -> Ended:
        message, run = each.message, each.run
        silent = self.now_us - each.last_us > self.reader.limits.abandon_after_us
        if message is not None:
            return "final" if message.final else "abandoned" if silent else "no"
        if run is not None and (run.status in _RUN_OVER or self._is_stopped_for_good(each)):
            return "final"
        paused = run is not None and run.status == "paused"
        return "abandoned" if silent and not paused else "no"

    def _is_stopped_for_good(self, each: _Candidate) -> bool:
        """A stopped node in a run that stays `running`: 1.12 leaves it so for ever, 1.9 only for a moment."""
        stopped = each.signal is not None and each.signal.stop_evidence
        return stopped and self.now_us - each.last_us > _STOP_GRACE_US

    def _may_be_told(self, each: _Candidate, ended: Ended) -> bool:
        """A chatflow's message waits for its run, a chatflow's run for its message; each only so long."""
        if each.entry is not None and each.entry.ref is not None:
            return True
        message, run = each.message, each.run
        if message is None:
            return run is not None and (run.type in _ALONE or self._message_is_late(run))
        known = message.mode is not None and message.mode not in _CHATFLOW
        return run is not None or known or ended != "no"

    def _within_bounds(self, candidates: list[_Candidate]) -> list[_Candidate]:
        """As many as fit into a page; at least one."""
        chosen: list[_Candidate] = []
        size = 0
        for each in candidates:
            size += each.size
            if chosen and (size > self.reader.limits.max_page_bytes or len(chosen) >= 2 * self.limit):
                self.more = True
                break
            chosen.append(each)
        return chosen

    # -- fetching and telling

    def _tell(self, chosen: list[_Candidate]) -> list[Event]:
        rows = self._rows_of(chosen)
        events: list[Event] = []
        for each in chosen:
            if each.key in rows:
                events.extend(self._tell_one(each, rows[each.key]))
        return events

    def _tell_one(self, each: _Candidate, rows: TurnRows) -> list[Event]:
        ended = self._ended(each)
        turn_id = each.run.id if each.run is not None else each.key
        try:
            ref = (each.entry.ref if each.entry else None) or self.reader.ref(rows)
            events = turn_events(ref, rows, ended)
        except Exception as exc:  # noqa: BLE001 - one row that nobody foresaw must never stop the rest
            self._watch(each, "settling", ref=None)
            return [self.reader.gap(f"turn {turn_id}", exc, turn_id, self.now_us)]
        self._watch(each, {"no": "open", "final": "settling", "abandoned": "abandoned"}[ended], ref=ref)
        return events

    def _rows_of(self, chosen: list[_Candidate]) -> dict[str, TurnRows]:
        messages = _by_id(self.tables.messages([c.message.id for c in chosen if c.message is not None]))
        runs = _by_id(self.tables.runs([c.run.id for c in chosen if c.run is not None]))
        nodes = _grouped(self.tables.nodes([c.run for c in chosen if c.run is not None]), "run_id")
        alone = [c.message.id for c in chosen if c.message is not None and c.run is None]
        thoughts = _grouped(self.tables.thoughts(alone) if alone else (), "message_id")
        graphs = self.tables.graphs({run.workflow_id for run in runs.values()})
        tools = self.tables.agent_tools(_config_ids(messages[i] for i in thoughts if i in messages))
        found = {}
        for each in chosen:
            message: MessageRow | None = messages.get(each.message.id) if each.message else None
            run: RunRow | None = runs.get(each.run.id) if each.run else None
            if message is None and run is None:
                continue  # deleted between two questions
            message_id = message.id if message else ""
            found[each.key] = TurnRows(
                message=message,
                thoughts=thoughts.get(message_id, []),
                run=run,
                nodes=nodes.get(run.id, []) if run else [],
                graph=graphs.get(run.workflow_id, {}) if run else {},
                agent_tools=tools.get((message.model_config_id or "") if message else "", {}),
            )
        return found

    def _single_steps(self) -> list[Event]:
        """Nodes tried out alone: few rows, looked at again for as long as one can run."""
        since = max(self.state.since_us, self.state.steps_us - _STEP_WINDOW_US)
        asked = self.limit + len(self.state.recent_steps)
        keys = self.tables.single_step_keys(since, asked)
        self.more = self.more or len(keys) >= asked
        fresh = [key for key in keys if key.id not in self.state.recent_steps]
        if not fresh:
            return []
        self.state.steps_us = max(self.state.steps_us, min(max(key.us for key in fresh), self.now_us))
        floor = self.state.steps_us - _STEP_WINDOW_US
        seen = self.state.recent_steps | {key.id: key.us for key in fresh}
        self.state.recent_steps = {row_id: us for row_id, us in seen.items() if us >= floor}
        rows = self.tables.single_steps([key.id for key in fresh])
        graphs = self.tables.graphs({row.workflow_id for row in rows})
        return [event for row in rows for event in self._single_step(row, graphs.get(row.workflow_id, {}))]

    def _single_step(self, row: NodeRow, graph: Any) -> list[Event]:
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

    def _watch(self, each: _Candidate, phase: str, *, ref: TurnRef | None) -> None:
        """Keep the turn in view, or let it go when nothing more can come."""
        self.state.watched.pop(each.key, None)
        age = self.now_us - each.last_us
        if phase == "settling" and age > self.reader.limits.sweep_us:
            return
        if phase == "abandoned" and age > _ABANDONED_FOR_US:
            return
        wait = {"settling": _SETTLE_FIRST_US, "abandoned": _ABANDONED_FIRST_US}.get(phase, 0)
        self.state.watched[ref.turn_id if ref else each.key] = Open(
            message_id=each.message.id if each.message else "",
            run_id=each.run.id if each.run else "",
            ref=ref,
            signal=each.fingerprint,
            phase=phase,
            next_us=self.now_us + wait if wait else 0,
            wait_us=wait,
        )

    def _look_again(self, each: _Candidate, entry: Open) -> None:
        """Nothing changed: an open turn is asked again at the next reading, the others ever less often."""
        if entry.phase == "open":
            return
        self._watch(each, entry.phase, ref=entry.ref)
        kept = self.state.watched.get(each.key)
        if kept is not None:
            kept.wait_us = min(entry.wait_us * 2, 3_600 * _S)
            kept.next_us = self.now_us + kept.wait_us

    def _moved(self, mark: Key | None, recent: dict[str, int], scanned: list[_Candidate], told: set[int]) -> Key | None:
        """The mark, as far as everything before it is told, watched, or somebody else's."""
        passed = []
        for each in scanned:
            if each.mark is None or not (each.told_elsewhere or id(each) in told or self._is_watched(each)):
                self.more = True
                break
            recent[each.mark.id] = each.mark.us
            passed.append(each.mark)
        return _advanced(mark, passed, self.now_us)

    def _is_watched(self, each: _Candidate) -> bool:
        return each.key in self.state.watched or (each.run is not None and each.run.id in self.state.watched)

    def _bound_abandoned(self) -> None:
        given_up = [key for key, entry in self.state.watched.items() if entry.phase == "abandoned"]
        for key in given_up[:-_MAX_ABANDONED] if len(given_up) > _MAX_ABANDONED else ():
            del self.state.watched[key]


def _run_of(message: MessageState | None) -> str:
    return (message.run_id or "") if message is not None else ""


def _ids(ids: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(row_id for row_id in ids if row_id))


def _claimed_once(candidates: list[_Candidate]) -> list[_Candidate]:
    """Without the runs that stand beside their own message in another candidate."""
    claimed = {each.run.id for each in candidates if each.message is not None and each.run is not None}
    asked = (each for each in candidates if not each.told_elsewhere)
    return [each for each in asked if each.message is not None or (each.run and each.run.id not in claimed)]


def _advanced(mark: Key | None, keys: Sequence[Key], now_us: int) -> Key | None:
    """The mark at the last key that is not from the future: a row of the year 2100 must not hide what comes before."""
    past = [key for key in keys if key.us <= now_us + _FUTURE_US]
    ahead = [key for key in past if mark is None or (key.us, key.id) > (mark.us, mark.id)]
    return max(ahead, key=lambda key: (key.us, key.id)) if ahead else mark


def _by_id(rows: Iterable[Any]) -> dict[str, Any]:
    return {row.id: row for row in rows}


def _grouped(rows: Iterable[ThoughtRow | NodeRow], field: str) -> dict[str, list[Any]]:
    groups: defaultdict[str, list[Any]] = defaultdict(list)
    for row in rows:
        groups[getattr(row, field)].append(row)
    return groups


def _config_ids(messages: Iterable[MessageRow]) -> set[str]:
    return {message.model_config_id for message in messages if message.model_config_id}


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
