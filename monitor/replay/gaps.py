"""What is not known of a turn or between turns, and why. Pure; called by turns.py and timeline.py."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from monitor.model import Recorded, SourceGap, TurnEnded, TurnRef, TurnStarted
from monitor.replay.figures import moment_at, steps_in
from monitor.replay.nouns import Gap, GapKind, TimeGap, Turn
from monitor.replay.tree import Leaf, strays

__all__ = ["gaps_of", "time_gaps_of"]

_STEPS_NOT_TOLD = frozenset({"chat", "completion"})
"""Modes whose turns are one model call: their searches are only kept where the app shows its sources."""


def gaps_of(
    events: Sequence[Recorded], unreadable: Sequence[Recorded], ref: TurnRef, leaves: Sequence[Leaf]
) -> tuple[Gap, ...]:
    """All of it, from the turn's start to its end."""
    if not events:
        return (_gap("no_records"), *_of_source(unreadable))
    return (*_of_start(events), *_of_steps(events, ref, leaves), *_of_source(unreadable), *_of_end(events))


def time_gaps_of(records: Sequence[Recorded], turns: Sequence[Turn]) -> tuple[TimeGap, ...]:
    """Those that touch the time from the first turn's start to the last one's end, by time."""
    if not turns:
        return ()
    first, last = min(turn.outcome.started_at for turn in turns), max(map(_last_sign, turns))
    apps = {turn.whose.app_id for turn in turns}
    sources = {source for turn in turns for source in turn.provenance.sources}
    found = []
    for one in records:
        body = one.event.body
        if not isinstance(body, SourceGap) or one.source not in sources or body.app_id not in {"", *apps}:
            continue
        since = moment_at(body.since) if body.since else None
        until = moment_at(body.until) if body.until else None
        if (since is None or since <= last) and (until is None or until >= first):
            before = 0 if since is None else sum(turn.outcome.started_at < since for turn in turns)
            found.append(TimeGap(since, until, body.what, body.reason, before, one.seq))
    return tuple(sorted(found, key=lambda gap: (gap.since is not None and gap.since.timestamp(), gap.seq)))


def _last_sign(turn: Turn) -> datetime:
    """A turn's end; of one that has none, the last end of a step."""
    outcome = turn.outcome
    return outcome.ended_at or max([outcome.started_at, *(step.ended_at for step in steps_in(turn.moments))])


def _gap(kind: GapKind, steps: Sequence[str] = ()) -> Gap:
    return Gap(kind, None, "", "", None, None, tuple(steps))


def _of_start(events: Sequence[Recorded]) -> Iterator[Gap]:
    if not any(isinstance(one.event.body, TurnStarted) for one in events):
        yield _gap("no_start")


def _of_steps(events: Sequence[Recorded], ref: TurnRef, leaves: Sequence[Leaf]) -> Iterator[Gap]:
    here = {leaf.step.id: leaf.step for leaf in leaves}
    end = next((one.event.body for one in events if isinstance(one.event.body, TurnEnded)), None)
    if end is not None:
        yield from _against_the_list(end, list(here), ref.mode)
    lost = strays(leaves)
    if lost:
        yield _gap("lost_parent", [step_id for step_id in here if step_id in lost])


def _against_the_list(end: TurnEnded, here: list[str], mode: str) -> Iterator[Gap]:
    """The end lists the turn's steps, so that a missing one is noticed."""
    listed, known = dict.fromkeys(end.steps), set(here)
    missing = [step_id for step_id in listed if step_id not in known]
    late = [step_id for step_id in here if step_id not in listed]
    if missing:
        yield _gap("missing_steps", missing)
    if late:
        yield _gap("late_steps", late)
    if not here and not end.steps and not end.annotation_id and not end.moderated:
        yield _gap("steps_not_told" if mode in _STEPS_NOT_TOLD else "no_steps")


def _of_source(unreadable: Sequence[Recorded]) -> Iterator[Gap]:
    for one in unreadable:
        body = one.event.body
        if isinstance(body, SourceGap):
            yield Gap(
                kind="unreadable",
                at=moment_at(one.event.occurred_at),
                what=body.what,
                reason=body.reason,
                since=moment_at(body.since) if body.since else None,
                until=moment_at(body.until) if body.until else None,
                steps=(),
            )


def _of_end(events: Sequence[Recorded]) -> Iterator[Gap]:
    if not any(isinstance(one.event.body, TurnEnded) for one in events):
        last = max(one.recorded_at for one in events)
        yield Gap("no_end", moment_at(last), "", "", None, None, ())
