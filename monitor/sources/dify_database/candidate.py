"""A turn that may have news, and what its rows' states say about it: over or not, to be told or not yet.

The reader finds candidates and asks; nothing here asks the tables anything.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from monitor.normalise.turns import RUN_OVER, Ended
from monitor.sources.dify_database.remembered import Row
from monitor.sources.dify_database.state import Open, Phase
from monitor.sources.dify_database.tables import MessageState, RunState, Signal

__all__ = [
    "Candidate",
    "each_turn_once",
    "ended",
    "lagging_since",
    "may_be_told",
    "phase_of",
    "seen_since",
    "silent_us",
]

_S = 1_000_000
_MESSAGE_GRACE_US = 60 * _S
"""How long a chatflow's run waits for the message that it belongs to."""
_STOP_GRACE_US = 10 * _S
"""How long a run may lag behind what its message or its nodes already say."""
_HISTORY_US = 600 * _S
"""Rows older than that do not wait for each other any more. For younger ones it counts how long they were seen to wait:
their own times may be late, or of a clock that is."""
_PAUSED_FOR_US = 30 * 86_400 * _S
"""How long a turn may wait for a person before it is given up."""
_UNBORN_FOR_US = 86_400 * _S
"""How long a turn at least that is not even begun by the database's clock: one of the two clocks is wrong."""
_CHATFLOW = frozenset({"advanced-chat"})
_TRIED_OUT = {"debugging": "debugger", "rag-pipeline-debugging": "debugger"}


class Candidate(msgspec.Struct):
    """A turn that may have news: a message, a run, or a run with its message."""

    keys: tuple[str, ...] = ()
    """Under which it is watched."""
    message: MessageState | None = None
    run: RunState | None = None
    entry: Open | None = None
    signal: Signal | None = None
    recalled: bool = False
    """It was told before and is not watched: its entry was made from the memory."""
    pulled: bool = False
    """A comparison found it."""
    stuck: bool = False
    """As it stands, it was tried and not understood."""

    @property
    def name(self) -> str:
        """What its rows are called here: the run, or a message without one."""
        return self.run.id if self.run is not None else self.message.id if self.message is not None else ""

    @property
    def run_id(self) -> str:
        """The run that it is, or that its message names."""
        return self.run.id if self.run is not None else (self.message.run_id or "") if self.message is not None else ""

    @property
    def app_id(self) -> str:
        """Whose app it is."""
        return self.message.app_id if self.message is not None else self.run.app_id if self.run is not None else ""

    @property
    def invoke_from(self) -> str:
        """By which way it was started: the message's own word, else what the run's trigger comes to."""
        if self.message is not None and self.message.invoke_from:
            return self.message.invoke_from
        return _TRIED_OUT.get(self.run.triggered_from, self.run.triggered_from) if self.run is not None else ""

    @property
    def rows(self) -> list[Row]:
        """Its rows, as the memory names them; the one that owns the turn comes last."""
        message, run = self.message, self.run
        rows = [Row("messages", message.created_us, message.app_id, message.id)] if message is not None else []
        return [*rows, Row("workflow_runs", run.created_us, run.app_id, run.id)] if run is not None else rows

    @property
    def created_us(self) -> int:
        """Creation of its first row."""
        return min((row.us for row in self.rows), default=0)

    @property
    def size(self) -> int:
        """About how many bytes its rows hold."""
        return sum(part.size for part in (self.message, self.run, self.signal) if part is not None)

    @property
    def last_us(self) -> int:
        """The last sign of life, as its rows have it: it may claim to be from the future."""
        message, run, signal = self.message, self.run, self.signal
        return max(
            message.ended_us if message is not None else run.created_us if run is not None else 0,
            run.created_us if run is not None else message.created_us if message is not None else 0,
            signal.last_us if signal is not None else 0,
        )

    @property
    def fingerprint(self) -> str:
        """Changes when there is something to tell."""
        message, run, signal = self.message, self.run, self.signal
        return "|".join(
            (
                "final" if message is not None and message.final else "",
                (message.run_id or "") if message is not None else "",
                run.status if run is not None else "",
                signal.mark if signal is not None else "",
            )
        )


def each_turn_once(candidates: Iterable[Candidate]) -> list[Candidate]:
    """The candidates with those of one turn made one: its run may be found beside its message, or watched already."""
    found: dict[str, Candidate] = {}
    for each in candidates:
        other = found.setdefault(each.name, each)
        if other is not each:
            other.keys += each.keys
            other.message = other.message or each.message
            other.entry = _better(other.entry, each.entry)
            other.pulled = other.pulled or each.pulled
    return list(found.values())


def _better(one: Open | None, other: Open | None) -> Open | None:
    return other if one is None or (one.ref is None and other is not None) else one


def ended(each: Candidate, now_us: int, abandon_after_us: int) -> Ended:
    """Whether the turn is over. A chatflow is over when its message is; its run lags or is never updated at all."""
    message, run = each.message, each.run
    if message is not None and message.final:
        waited = _has_waited(each, message.ended_us, _STOP_GRACE_US, now_us)
        return "final" if waited or not _is_ahead_of_its_run(each) else "no"
    if message is None and run is not None:
        waited = _is_stopped(each) and _has_waited(each, each.last_us, _STOP_GRACE_US, now_us)
        if run.status in RUN_OVER or waited:
            return "final"
    longest_us = _PAUSED_FOR_US if _is_paused(each) else abandon_after_us
    if each.created_us > now_us:
        longest_us = max(longest_us, _UNBORN_FOR_US)
    return "abandoned" if silent_us(each, now_us) > longest_us else "no"


def seen_since(each: Candidate, now_us: int) -> int:
    """When its last sign of life was seen, where that claims to be from the future; 0: it does not.

    A node of the year 2100 would keep its turn open until then.
    """
    entry = each.entry
    if each.last_us <= now_us:
        return 0
    return entry.seen_us if entry is not None and entry.seen_us and entry.signal == each.fingerprint else now_us


def silent_us(each: Candidate, now_us: int) -> int:
    """How long it gave no sign of life."""
    return now_us - (seen_since(each, now_us) or each.last_us)


def lagging_since(each: Candidate, now_us: int) -> int:
    """Since when one of its rows is seen to wait for the other; 0: it does not."""
    message, run = each.message, each.run
    ahead = message is not None and message.final and _is_ahead_of_its_run(each)
    if ahead or (message is None and run is not None and (run.may_have_message or _is_stopped(each))):
        return (each.entry.lagging_us if each.entry is not None else 0) or now_us
    return 0


def _is_ahead_of_its_run(each: Candidate) -> bool:
    """Whether the run of a final message does not say yet what became of it."""
    over = each.run is not None and (each.run.status in RUN_OVER or _is_stopped(each))
    return bool(each.run_id) and not over


def _has_waited(each: Candidate, since_us: int, grace_us: int, now_us: int) -> bool:
    """Whether a row waited for its other half long enough: by its own time, and as we saw it."""
    seen_us = each.entry.lagging_us if each.entry is not None else 0
    age_us = now_us - (since_us if since_us <= now_us else seen_us or now_us)
    return age_us > _HISTORY_US or (age_us > grace_us and 0 < seen_us < now_us - _STOP_GRACE_US)


def _is_stopped(each: Candidate) -> bool:
    """Whether a node says that the run was stopped. 1.12 leaves the run `running` for ever, 1.9 only for a moment."""
    return each.signal is not None and each.signal.stop_evidence


def _is_paused(each: Candidate) -> bool:
    return each.run is not None and each.run.status == "paused"


def may_be_told(each: Candidate, state: Ended, now_us: int) -> bool:
    """A chatflow's message waits for its run, a chatflow's run for its message; each only so long."""
    message, run = each.message, each.run
    if each.entry is not None and each.entry.ref is not None:
        return True
    if message is None:
        if run is None or not run.may_have_message:
            return run is not None
        return _has_waited(each, run.created_us, _MESSAGE_GRACE_US, now_us)
    known = message.mode is not None and message.mode not in _CHATFLOW
    return run is not None or known or state != "no"


def phase_of(each: Candidate, state: Ended) -> Phase:
    """How a turn in that state is watched."""
    if state == "no":
        return "paused" if _is_paused(each) else "open"
    return "settling" if state == "final" else "abandoned"
