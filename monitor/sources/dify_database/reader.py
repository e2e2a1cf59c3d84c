"""One reading of Dify's tables: which turns have news, fetch those, tell what they prove, remember where we stand.

This is the source's whole judgement; it knows neither SQL nor the journal. `Reader.read` is called by the source with
a snapshot of the tables and hands back a page. The order of questions matters: a parent's state is asked before its
children's rows, so that "over" is never believed on the ground of older children.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from monitor.errors import Retryable
from monitor.model import Event, TurnEnded, TurnRef
from monitor.model.ids import turn_key
from monitor.normalise.rows import TurnRows
from monitor.normalise.soft import NO_SOFT_FAILURES, Soft
from monitor.normalise.turns import DATABASE_RANK, Ended
from monitor.ports import Memory, Page
from monitor.sources.dify_database.candidate import (
    Candidate,
    each_turn_once,
    ended,
    lagging_since,
    may_be_told,
    phase_of,
    seen_since,
    silent_us,
)
from monitor.sources.dify_database.compare import Comparison
from monitor.sources.dify_database.coverage import look_at_oldest, tell_coverage
from monitor.sources.dify_database.fetch import readable_rows, with_signals
from monitor.sources.dify_database.lookup import each_id_once, message_candidates, run_candidates, run_of
from monitor.sources.dify_database.registers import Registers
from monitor.sources.dify_database.remembered import mark_of
from monitor.sources.dify_database.sheet import Limits, Sheet
from monitor.sources.dify_database.single_steps import tell_single_steps
from monitor.sources.dify_database.state import Open, Phase, Place, decode, encode
from monitor.sources.dify_database.tables import Key, Snapshot, Unreadable
from monitor.sources.dify_database.telling import Chooses, Teller

__all__ = ["Limits", "Reader"]

_S = 1_000_000
_FUTURE_US = 60 * _S
"""How far a row may lie ahead of the database's clock before it is no longer allowed to move the mark."""
_FIRST_WAIT_US: dict[Phase, int] = {"open": 0, "paused": 5 * _S, "settling": 5 * _S, "abandoned": 60 * _S}
_LONGEST_WAIT_US: dict[Phase, int] = {"open": 0, "paused": 60 * _S, "settling": 120 * _S, "abandoned": 3_600 * _S}
_ABANDONED_FOR_US = 7 * 86_400 * _S
_MAX_ABANDONED = 1_000


class Reader:
    """Reads pages. Holds no state but what its arguments carry; safe to throw away between two readings.

    `choice` None wants everything, `registers` None looks at none. `name` is the source's, for keys of its own facts.
    """

    def __init__(
        self,
        limits: Limits,
        pseudonym: Callable[[str], str],
        log: Any,
        *,
        name: str = "dify_database",
        choice: Chooses | None = None,
        registers: Registers | None = None,
        soft: Soft = NO_SOFT_FAILURES,
    ) -> None:
        self._limits, self._name, self._registers = limits, name, registers
        self._teller = Teller(pseudonym, log, choice, soft)

    def read(
        self,
        tables: Snapshot,
        position: bytes | None,
        limit: int,
        memory: Memory,
        *,
        scan_runs: bool = True,
        runs_indexed: bool = True,
        whole: bool = False,
    ) -> Page:
        """The next page.

        `scan_runs=False` leaves out what looks at the whole table of runs: their scan and, where they have no index
        (`runs_indexed=False`), comparisons. `whole=True` also looks at what is only looked at now and then.
        """
        state = decode(position)
        if whole:
            state.look_at_everything()
        sheet = Sheet(tables, memory, state, self._limits, limit, source_name=self._name)
        state.begin_to_remember(sheet.now_us)
        reading = _Reading(sheet, self._teller, self._registers, runs_indexed=runs_indexed)
        look_at_oldest(sheet, scan_runs=scan_runs, whole=whole)
        reading.run(scan_runs=scan_runs)
        events = _in_order(sheet.events)
        return Page(
            events=events, position=encode(state), more=sheet.more, remember=sheet.remember, forget=sheet.forget
        )


class _Reading:
    """One call of `read`: the state on its way from one position to the next."""

    def __init__(self, sheet: Sheet, teller: Teller, registers: Registers | None, *, runs_indexed: bool) -> None:
        self.sheet, self.teller, self.registers, self.runs_indexed = sheet, teller, registers, runs_indexed
        self.tables, self.state, self.limits, self.now_us = sheet.tables, sheet.state, sheet.limits, sheet.now_us

    def run(self, *, scan_runs: bool) -> None:
        state, tables, sheet = self.state, self.tables, self.sheet
        found = self._due()
        message_keys = self._scan(state.messages, tables.message_keys, tables.message_keys_since)
        fresh = [key.id for key in message_keys if key.id not in state.messages.recent]
        found += message_candidates(tables, fresh, state.watched)
        messages_read = not sheet.more
        run_keys = self._scan(state.runs, tables.run_keys, tables.run_keys_since) if scan_runs else self._newest_runs()
        fresh = [key.id for key in run_keys if key.id not in state.runs.recent]
        found += run_candidates(tables, fresh, state.watched)
        comparison = Comparison(sheet, found, choice=self.teller.choice_mark, runs_indexed=self.runs_indexed)
        if scan_runs and not sheet.more:
            found += comparison.step()
        candidates = with_signals(tables, each_turn_once(found))
        self._recall(candidates)
        chosen, left = self._within_bounds([each for each in candidates if self._has_news(each)])
        self._tell(chosen)
        if messages_read:
            tell_single_steps(sheet, self.teller)
        names = {name for each in left for name in (each.name, *each.keys)}
        self._pass(state.messages, message_keys, names, scanned=True)
        self._pass(state.runs, run_keys, names, scanned=scan_runs)
        self._bound_abandoned()
        comparison.settle(left)
        self._look_over_registers()
        untold_us = min((each.created_us for each in left), default=None)
        tell_coverage(sheet, untold_us, registers=self.registers is not None)

    # -- which turns may have news

    def _due(self) -> list[Candidate]:
        """The watched turns whose pause is over."""
        due = {key: entry for key, entry in self.state.watched.items() if entry.next_us <= self.now_us}
        messages = {row.id: row for row in self.tables.message_states(each_id_once(e.message_id for e in due.values()))}
        run_ids = each_id_once(entry.run_id or run_of(messages.get(entry.message_id)) for entry in due.values())
        runs = {row.id: row for row in self.tables.run_states(run_ids)}
        found = []
        for key, entry in due.items():
            message = messages.get(entry.message_id)
            run = runs.get(entry.run_id or run_of(message))
            if (message is None and run is None) or (message is None and entry.message_id and _is_told(entry)):
                self._deleted(key, entry)
                continue
            found.append(Candidate(keys=(key,), message=message, run=run, entry=entry))
        return found

    def _deleted(self, key: str, entry: Open) -> None:
        """Deleted in Dify. What was told of it stands; one that was open will never end."""
        del self.state.watched[key]
        if entry.ref is not None and entry.phase in {"open", "paused"}:
            self.sheet.events.append(_given_up(entry.ref))

    def _scan(
        self,
        place: Place,
        scan: Callable[[Key | None, int], Sequence[Key]],
        sweep: Callable[[int, Key], Sequence[Key]],
    ) -> list[Key]:
        """The next keys ahead of the mark, after those that may have appeared behind it."""
        asked = self.sheet.limit + place.ahead()
        ahead = scan(place.mark, asked)
        full = len(ahead) >= asked
        behind: Iterable[Key] = ()
        if place.mark is not None and (place.live or not full):
            behind = sweep(place.floor(self.limits.sweep_us, self.state.since_us), place.mark)
        place.live = not full
        self.sheet.more = self.sheet.more or full
        return [*(key for key in behind if key.id not in place.recent), *ahead]

    def _newest_runs(self) -> list[Key]:
        """Between two scans of runs that have no index: those that other indexes find. They move no mark."""
        place = self.state.runs
        if place.mark is None:
            return []
        since = place.floor(self.limits.sweep_us, self.state.since_us)
        return list(self.tables.newest_run_keys(since, self.sheet.limit + len(place.recent)))

    # -- what is worth fetching

    def _recall(self, candidates: list[Candidate]) -> None:
        """What the memory knows of turns that are not watched: a turn that was told keeps its reference."""
        strangers = [each for each in candidates if each.entry is None or each.entry.ref is None]
        held = self.sheet.held(row for each in strangers for row in each.rows)
        for each in strangers:
            known = next((held[row] for row in reversed(each.rows) if row in held and held[row].owner), None)
            if known is None:
                continue
            same = known.mark == mark_of(each.fingerprint)
            each.stuck = known.unread and same
            if not known.unread:
                each.recalled = True
                each.entry = Open(
                    ref=known.turn,
                    signal=each.fingerprint if same else "",
                    lagging_us=each.entry.lagging_us if each.entry is not None else 0,
                    seen_us=each.entry.seen_us if each.entry is not None else 0,
                    phase="settling" if known.ended else "open",
                )

    def _ended(self, each: Candidate) -> Ended:
        return ended(each, self.now_us, self.limits.abandon_after_us)

    def _has_news(self, each: Candidate) -> bool:
        """Whether its turn may be told and something changed since it was; if not, when to look again."""
        state, entry = self._ended(each), each.entry
        if not may_be_told(each, state, self.now_us):
            self._watch(each, "open", ref=None)
            return False
        if entry is None or entry.ref is None:
            return self._is_wanted(each, state)
        if entry.signal != each.fingerprint or (state != "no" and entry.phase in {"open", "paused"}):
            return True
        if each.recalled:
            self._watch(each, phase_of(each, state), ref=entry.ref)
        else:
            self._look_again(each, entry)
        return False

    def _is_wanted(self, each: Candidate, state: Ended) -> bool:
        """Whether a turn that was never told is to be told now."""
        if self.teller.waits_for_app(self.sheet, each):
            self._watch(each, "open", ref=None)
            return False
        if not self.teller.admits_turn(self.sheet, each):
            self.teller.leave_out(self.sheet, each)
            self._unwatch(each)
            return False
        if not each.stuck or each.pulled:
            return True
        phase = phase_of(each, state)
        if each.entry is not None and each.entry.phase == phase:
            self._look_again(each, each.entry)
        else:
            self._watch(each, phase, ref=None)
        return False

    def _within_bounds(self, candidates: list[Candidate]) -> tuple[list[Candidate], list[Candidate]]:
        """As many as fit into a page, at least one, and those left for the next."""
        size = 0
        for at, each in enumerate(candidates):
            size += each.size
            if at and (size > self.limits.max_page_bytes or at >= 2 * self.sheet.limit):
                self.sheet.more = True
                return candidates[:at], candidates[at:]
        return candidates, []

    def _tell(self, chosen: list[Candidate]) -> None:
        self.sheet.held(row for each in chosen for row in each.rows)  # one question for all of them
        unreadable: list[tuple[Candidate, Unreadable]] = []
        rows = readable_rows(self.tables, chosen, lambda each, exc: unreadable.append((each, exc)))
        if len(unreadable) == len(chosen) > 1:
            raise Retryable(f"Dify's database can't hand out any row: {unreadable[0][1]}", reason="database")
        for each, exc in unreadable:
            self.teller.not_understood(self.sheet, each, TurnRows(), exc)
            self._watch(each, phase_of(each, self._ended(each)), ref=None)
        for each in chosen:
            if each.name in rows:
                state = self._ended(each)
                ref = self.teller.turn(self.sheet, each, rows[each.name], state)
                known = each.entry.ref if each.entry is not None else None
                self._watch(each, phase_of(each, state), ref=ref or known)

    # -- remembering

    def _unwatch(self, each: Candidate) -> None:
        for key in each.keys:
            self.state.watched.pop(key, None)

    def _watch(self, each: Candidate, phase: Phase, *, ref: TurnRef | None, wait_us: int = 0) -> None:
        """Keep the turn in view, or let it go when nothing more can come."""
        self._unwatch(each)
        age = silent_us(each, self.now_us)
        if (phase == "settling" and age > self.limits.sweep_us) or (phase == "abandoned" and age > _ABANDONED_FOR_US):
            return
        wait_us = wait_us or _FIRST_WAIT_US[phase]
        self.state.watched[ref.turn_id if ref is not None else each.name] = Open(
            message_id=each.message.id if each.message is not None else "",
            run_id=each.run_id,
            ref=ref,
            signal=each.fingerprint,
            lagging_us=lagging_since(each, self.now_us),
            seen_us=seen_since(each, self.now_us),
            phase=phase,
            next_us=self.now_us + wait_us if wait_us else 0,
            wait_us=wait_us,
            created_us=each.created_us,
        )

    def _look_again(self, each: Candidate, entry: Open) -> None:
        """Nothing changed: an open turn is asked again at the next reading, the others ever less often."""
        if entry.phase != "open":
            wait_us = min(entry.wait_us * 2, _LONGEST_WAIT_US[entry.phase])
            self._watch(each, entry.phase, ref=entry.ref, wait_us=wait_us)

    def _pass(self, place: Place, keys: Sequence[Key], left: set[str], *, scanned: bool) -> None:
        """Move the mark as far as everything before it is told, watched, or somebody else's."""
        fresh = [key.id not in place.recent for key in keys]
        cut = next((at for at, key in enumerate(keys) if fresh[at] and key.id in left), len(keys))
        if not scanned:
            place.recent.update((key.id, key.us) for key in keys[:cut])
            return
        is_whole, mark = place.live and cut == len(keys), place.mark
        if is_whole:
            place.end_us = self.now_us
        place.passed(keys[:cut], self.now_us + _FUTURE_US)
        place.behind = not is_whole and (place.behind or place.mark != mark)
        place.forget(self.limits.sweep_us)
        near = place.mark is not None and place.mark.us > self.now_us - self.limits.sweep_us
        place.live = place.live or near or cut < len(keys)

    def _bound_abandoned(self) -> None:
        given_up = [key for key, entry in self.state.watched.items() if entry.phase == "abandoned"]
        for key in given_up[:-_MAX_ABANDONED] if len(given_up) > _MAX_ABANDONED else ():
            del self.state.watched[key]

    def _look_over_registers(self) -> None:
        """Once the turns are read to the end, for the facts beside them speak of turns."""
        sheet, state = self.sheet, self.state
        if self.registers is None or sheet.more:
            return
        page = self.registers.read(self.tables, sheet.memory, state.rounds, self.now_us)
        state.rounds = page.rounds
        wanted = [event for event in page.events if self.teller.admits_note(self.tables.apps(), event.body)]
        state.left_out += len(page.events) - len(wanted)
        sheet.events += wanted
        sheet.remember.update(page.remember)
        sheet.forget.update(page.forget)
        sheet.more = page.more
        state.registered = state.registered or not page.more


def _is_told(entry: Open) -> bool:
    """Whether the turn's end was told, as far as it can be."""
    return entry.phase in {"settling", "abandoned"}


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
