"""How a turn ended, how long it took and what it used: the body of its TurnEnded. Called by `turns` only.

Dify says the same of a turn in up to three rows. A chatflow's message repeats its run, a run repeats its nodes, an
agent's message repeats its thoughts; what a tool's own run spent stands at the tool's node and in that run once more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, Literal

import msgspec

from monitor.model import Step, TurnEnded, TurnRef, TurnStatus, Usage
from monitor.normalise.draft import Draft
from monitor.normalise.failure import error_type, is_moderation
from monitor.normalise.rows import MessageRow, TurnRows
from monitor.normalise.text import clean, reading, short
from monitor.normalise.values import MAX_DURATION_NS, MAX_NS, finish_us, ns, ns_of_us, usage_of

__all__ = ["RUN_OVER", "Ended", "Metadata", "Outcome", "end_of", "last_us", "metadata_of", "outcome_of"]

Ended = Literal["no", "final", "abandoned"]
"""Whether the turn is open, over, or given up."""

_RUN_STATUS: dict[str, TurnStatus] = {
    "succeeded": "succeeded",
    "failed": "failed",
    "stopped": "stopped",
    "partial-succeeded": "partial",
}
RUN_OVER = frozenset(_RUN_STATUS)
"""The states of a run in which Dify will not change it any more."""

_MESSAGE_IS_CALL = {"chat", "completion"}
_MAY_SPEND = {"retrieval", "tool"}
"""Kinds of nodes that may have spent tokens of which a failed one keeps nothing."""


class Metadata(msgspec.Struct):
    """What `message_metadata` says."""

    annotation_reply: Any = None
    retriever_resources: Any = None
    usage: Any = None

    @property
    def annotation_id(self) -> str:
        """The annotation that answered in the model's place; "" where none did."""
        reply = self.annotation_reply
        kept = reply.get("id") if isinstance(reply, dict) else None
        return short(kept) if isinstance(kept, str) else ""

    @property
    def first_token_ns(self) -> int | None:
        """From the question to the answer's first token."""
        usage = self.usage
        return (ns(usage.get("time_to_first_token")) or None) if isinstance(usage, dict) else None


_metadata = reading(Metadata)


def metadata_of(message: MessageRow | None) -> Metadata:
    """The metadata of a turn's message."""
    return _metadata(message.metadata) if message is not None else Metadata()


class Outcome(msgspec.Struct):
    """How it ended, with Dify's words for it."""

    status: TurnStatus
    error: str


def outcome_of(rows: TurnRows, ended: Ended, *, stopped: bool) -> Outcome:
    """How the turn ended, once it has."""
    message, run = rows.message, rows.run
    if stopped:
        return Outcome("stopped", clean(run.error) if run is not None else "")
    if message is not None and message.status == "error":
        return Outcome("failed", clean(message.error))
    if run is not None and run.status in RUN_OVER:
        status = _RUN_STATUS[run.status]
        return Outcome(status, clean(run.error) if status == "failed" else "")
    if ended == "abandoned":
        return Outcome("abandoned", "")
    return Outcome("succeeded", "")


def end_of(ref: TurnRef, rows: TurnRows, drafts: Sequence[Draft], outcome: Outcome, metadata: Metadata) -> TurnEnded:
    """The body of the turn's end."""
    duration = _duration(rows)
    started, finished = _span(ref, rows, drafts, duration)
    steps = [draft.step for draft in drafts]
    own, message = _own_usage(rows), rows.message
    usage = own if own is not None and (rows.run is None or not steps) else _sum(drafts) or own
    # A run's tokens stand on its nodes; a run that has some without them repeats what a tool's own run has counted.
    counts = rows.run is None and usage is not None and not any(draft.spent for draft in drafts)
    return TurnEnded(
        turn=ref,
        started_at=started,
        ended_at=finished,
        status=outcome.status,
        duration_ns=duration,
        estimated=duration is None,
        error_type=error_type(outcome.error) if outcome.status == "failed" else "",
        usage=usage,
        counts_usage=counts or _is_model_call(ref, steps, metadata),
        model_provider=clean(message.model_provider) if message else "",
        model_name=clean(message.model_id) if message else "",
        time_to_first_token_ns=metadata.first_token_ns,
        steps=tuple(step.id for step in steps),
        failed_steps=sum(step.status == "failed" for step in steps),
        annotation_id=metadata.annotation_id,
        moderated=_moderated(ref, rows, outcome, metadata),
        tokens_disagree=outcome.status in {"succeeded", "partial"} and _disagree(own, drafts),
    )


def _is_model_call(ref: TurnRef, steps: Iterable[Step], metadata: Metadata) -> bool:
    """A chat's or completion's message is one model call, also when it failed and used nothing.

    It may have searched before. Not one that was answered from an annotation: no model was asked.
    """
    alone = all(step.kind == "retrieval" and step.node is None for step in steps)
    return alone and ref.mode in _MESSAGE_IS_CALL and not metadata.annotation_reply


def _moderated(ref: TurnRef, rows: TurnRows, outcome: Outcome, metadata: Metadata) -> bool:
    """Whether the rows show that a moderation stepped in: as the reason of a stop or an error, or by a missing run.

    What a chatflow answers comes out of a run, unless an annotation or a moderation of the question answered instead.
    Chats, agents and completions keep no trace of a moderated answer.
    """
    message = rows.message
    if outcome.status == "stopped" or (outcome.status == "failed" and rows.run is None):
        return is_moderation(outcome.error)
    return (
        message is not None
        and outcome.status == "succeeded"
        and ref.mode == "advanced-chat"
        and not ref.run_id
        and not rows.nodes
        and bool(message.answer)
        and not metadata.annotation_reply
    )


# -- times


def last_us(rows: TurnRows) -> int:
    """The latest time that the turn's rows show."""
    times = [finish_us(node.created_us, node.finished_us) or node.created_us for node in rows.nodes]
    times += [thought.created_us for thought in rows.thoughts]
    if rows.run is not None:
        times.append(finish_us(rows.run.created_us, rows.run.finished_us) or rows.run.created_us)
    if rows.message is not None:
        times.append(rows.message.created_us + ns(rows.message.latency_s) // 1000)
    return max(times)


def _duration(rows: TurnRows) -> int | None:
    """What Dify measured: a message's latency, a run's own times. Nothing for errors and turns given up.

    Nor for what no turn may take: one time in the year 9999 would spoil every sum for ever.
    """
    message, run = rows.message, rows.run
    if run is not None:
        if run.finished_us is None or run.finished_us < run.created_us:
            return None
        until = run.finished_us * 1000
        if message is not None and ns(message.latency_s):
            until = max(until, message.created_us * 1000 + ns(message.latency_s))
        lasted = until - run.created_us * 1000
        return lasted if lasted <= MAX_DURATION_NS else None
    return (ns(message.latency_s) or None) if message is not None else None


def _span(ref: TurnRef, rows: TurnRows, drafts: Sequence[Draft], duration: int | None) -> tuple[int, int]:
    """Start and end of the root: it holds its steps, whatever rounding did to its own times."""
    base = ns_of_us(rows.run.created_us) if rows.run is not None else ref.started_at
    ended = base + duration if duration is not None else ns_of_us(last_us(rows))
    started = min([base, *(draft.step.started_at for draft in drafts)])
    return started, min(max([started, ended, *(draft.step.ended_at for draft in drafts)]), MAX_NS)


# -- tokens and money


def _own_usage(rows: TurnRows) -> Usage | None:
    """Dify's totals for the turn: its message's, else its run's."""
    message, run = rows.message, rows.run
    own = None
    if message is not None:
        own = usage_of(
            given=message.input_tokens,
            produced=message.output_tokens,
            total=None,
            price=message.price,
            currency=message.currency,
        )
    if own is None and run is not None:
        own = usage_of(given=None, produced=None, total=run.total_tokens, price=None, currency=None)
    return own


def _sum(drafts: Sequence[Draft]) -> Usage | None:
    """The steps' usage added up, where all of it is in one currency; by direction where all of it is."""
    used = [draft.spent for draft in drafts if draft.spent is not None]
    currencies = {usage.currency for usage in used if usage.price != "0"}
    if not used or len(currencies) > 1:
        return None
    split = all(usage.input_tokens is not None and usage.output_tokens is not None for usage in used)
    return usage_of(
        given=sum(usage.input_tokens or 0 for usage in used) if split else None,
        produced=sum(usage.output_tokens or 0 for usage in used) if split else None,
        total=sum(usage.total_tokens for usage in used),
        price=sum((Decimal(usage.price) for usage in used), Decimal(0)),
        currency=next(iter(currencies), used[0].currency),
    )


def _disagree(own: Usage | None, drafts: Sequence[Draft]) -> bool:
    """Whether Dify's totals are not what the steps add up to, by either way of counting.

    Told only where both sides are whole: 1.9 leaves the totals of runs 0, a stop leaves a message's 0, a failed or
    repeated call keeps no tokens of its own, and steps that kept nothing at all can't be compared. A tool's node
    stands for what its own run or plugin spent, which is in the totals and in no step of this turn.
    """
    if own is None or not own.total_tokens or not all(map(_is_comparable, drafts)):
        return False
    counted = sum(draft.counted for draft in drafts)
    spent = sum(draft.spent.total_tokens if draft.spent is not None else draft.counted for draft in drafts)
    return bool(counted and spent) and own.total_tokens not in {counted, spent}


def _is_comparable(draft: Draft) -> bool:
    step = draft.step
    if step.attempts or step.provisional or step.status in {"unknown", "stopped"}:
        return False
    if step.parent_id and step.node is None:  # inside of an Agent node, which stands for all of it
        return True
    if step.kind in {"llm", "agent"}:
        return step.status == "succeeded" and draft.spent is not None
    return step.node is None or step.kind not in _MAY_SPEND or step.status == "succeeded" or step.soft
