"""One turn's rows, as they stand at one moment, to the facts they prove. Pure: same rows, same events.

A turn is called over with the same rows again and again while it is open; everything that was already known comes out
equal, and the journal drops it. What must never happen is a fact that later rows take back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Literal

import msgspec

from monitor.model import Event, Step, StepEnded, TurnEnded, TurnRef, TurnStarted, TurnStatus, Usage
from monitor.model.ids import step_key, turn_key
from monitor.normalise.failure import error_type, is_stop
from monitor.normalise.nodes import node_steps, single_step
from monitor.normalise.rows import Graph, MessageRow, NodeRow, RunRow, TurnRows
from monitor.normalise.scrub import scrub
from monitor.normalise.text import canonical, clean, parse_object
from monitor.normalise.thoughts import Draft, thought_steps
from monitor.normalise.values import MAX_NS, ns, ns_of_us, usage_of

__all__ = ["DATABASE_RANK", "RUN_OVER", "Ended", "ref_of", "run_was_stopped", "single_step_events", "turn_events"]

DATABASE_RANK = 40
"""Ways in by how much they know: database 40, console 30, service 20, push 10; `_OBSERVED` on top for a real end."""
_OBSERVED = 1

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

_TRIGGER_DEBUG = {"debugging": "debugger", "rag-pipeline-debugging": "debugger"}
_MESSAGE_IS_CALL = {"chat", "completion"}


def run_was_stopped(run: RunRow | None, nodes: Iterable[NodeRow]) -> bool:
    """Whether the rows say that somebody stopped the run.

    By its status, by 1.9's `failed` with a stop's text, or by 1.12's run that stays `running` for ever beside a node
    that failed with "Execution cancelled".
    """
    if run is None:
        return False
    if run.status == "stopped" or (run.status == "failed" and is_stop(run.error)):
        return True
    return run.status == "running" and any(node.status == "failed" and is_stop(node.error) for node in nodes)


def ref_of(rows: TurnRows, pseudonym: Callable[[str], str]) -> TurnRef:
    """Whose turn it is. Needs a message or a run.

    A message that names its run is that run's turn also where the run's own row is not there: Dify may write it later,
    elsewhere, or have deleted it.
    """
    message, run = rows.message, rows.run
    user = _user(message, run)
    started = min(row.created_us for row in (message, run) if row is not None)
    run_id = run.id if run else (message.run_id or "") if message else ""
    return TurnRef(
        turn_id=run_id or (message.id if message else ""),
        tenant_id=(run.tenant_id if run else "") or clean(message.tenant_id if message else ""),
        app_id=run.app_id if run else message.app_id if message else "",
        app_name=clean((run.app_name if run else None) or (message.app_name if message else None)),
        mode=_mode(message, run),
        started_at=ns_of_us(started),
        invoke_from=_invoke_from(message, run),
        conversation_id=clean(message.conversation_id) if message else "",
        message_id=message.id if message else "",
        run_id=run_id,
        workflow_id=run.workflow_id if run else "",
        workflow_version=clean(run.version) if run else "",
        user=pseudonym(user) if user else "",
    )


def _user(message: MessageRow | None, run: RunRow | None) -> str:
    """The caller's own name for the user where Dify has one, else Dify's id: the same by every way in."""
    if message is not None:
        return clean(message.session_id or message.end_user_id or message.account_id)
    return clean(run.session_id or run.created_by) if run is not None else ""


def _mode(message: MessageRow | None, run: RunRow | None) -> str:
    kept = (message.mode if message else None) or (run.mode if run else None)
    if kept:
        return clean(kept)
    return {"chat": "advanced-chat", "workflow": "workflow"}.get(run.type, clean(run.type)) if run else "unknown"


def _invoke_from(message: MessageRow | None, run: RunRow | None) -> str:
    if message is not None and message.invoke_from:
        return clean(message.invoke_from)
    return clean(_TRIGGER_DEBUG.get(run.triggered_from, run.triggered_from)) if run is not None else ""


def turn_events(ref: TurnRef, rows: TurnRows, ended: Ended) -> list[Event]:
    """Everything that the rows prove, in the order it happened."""
    stopped = run_was_stopped(rows.run, rows.nodes)
    drafts = _drafts(rows, ended, stopped=stopped)
    asked = _input(rows)
    events = [_started(ref, rows, asked)]
    events.extend(_step_event(ref, draft) for draft in drafts)
    if ended != "no":
        events.append(_ended(ref, rows, drafts, asked, _outcome(rows, ended, stopped=stopped)))
    return events


def _drafts(rows: TurnRows, ended: Ended, *, stopped: bool) -> list[Draft]:
    over = ended != "no"
    drafts = node_steps(rows.nodes, rows.graph, stopped=stopped, ended_us=_last_us(rows) if over else None)
    if rows.message is not None and rows.thoughts:
        end = _message_end(rows) if over else None
        drafts += thought_steps(rows.message, rows.thoughts, rows.agent_tools, end)
    return sorted(drafts, key=lambda draft: (draft.step.ended_at, draft.step.position, draft.step.id))


def _last_us(rows: TurnRows) -> int:
    """The latest time that the turn's rows show."""
    times = [node.finished_us or node.created_us for node in rows.nodes]
    times += [thought.created_us for thought in rows.thoughts]
    if rows.run is not None:
        times.append(rows.run.finished_us or rows.run.created_us)
    if rows.message is not None:
        times.append(rows.message.created_us + ns(rows.message.latency_s) // 1000)
    return max(times)


def _message_end(rows: TurnRows) -> int:
    """When the message was final: where it has no duration, the latest time that its rows show."""
    message = rows.message
    if message is None or not ns(message.latency_s):
        return ns_of_us(_last_us(rows))
    return min(ns_of_us(message.created_us) + ns(message.latency_s), MAX_NS)


def _started(ref: TurnRef, rows: TurnRows, asked: str) -> Event:
    content = {"user": _user(rows.message, rows.run), "input": asked}
    return Event(
        key=turn_key(ref.turn_id, "started"),
        rank=DATABASE_RANK,
        changed_at=ref.started_at,
        occurred_at=ref.started_at,
        body=TurnStarted(turn=ref),
        content={field: text for field, text in content.items() if text},
    )


def _step_event(ref: TurnRef, draft: Draft) -> Event:
    step = draft.step
    observed = not step.provisional and step.status != "unknown"
    return Event(
        key=step_key(ref.turn_id, step.id),
        rank=DATABASE_RANK + (_OBSERVED if observed else 0),
        changed_at=step.ended_at,
        occurred_at=step.ended_at,
        body=StepEnded(turn=ref, step=step),
        content=draft.content,
    )


def _input(rows: TurnRows) -> str:
    message, run = rows.message, rows.run
    if message is not None and message.query:
        return scrub(clean(message.query))
    text = canonical((message.inputs if message else None) or (run.inputs if run else None))
    return "" if text in {"{}", "null"} else scrub(text)


def _output(rows: TurnRows) -> str:
    message, run = rows.message, rows.run
    if message is not None:
        answer = message.answer or _answer_so_far(rows)
        return scrub(clean(answer))
    text = canonical(run.outputs if run else None)
    return "" if text in {"{}", "null"} else scrub(text)


def _answer_so_far(rows: TurnRows) -> str:
    """An abandoned agent turn has its answer only in its thoughts."""
    ordered = sorted(rows.thoughts, key=lambda row: (row.position, row.created_us, row.id))
    return "".join(row.answer or row.thought or "" for row in ordered)


class _Outcome(msgspec.Struct):
    status: TurnStatus
    error: str


def _outcome(rows: TurnRows, ended: Ended, *, stopped: bool) -> _Outcome:
    message, run = rows.message, rows.run
    if stopped:
        return _Outcome("stopped", clean(run.error) if run is not None else "")
    if message is not None and message.status == "error":
        return _Outcome("failed", clean(message.error))
    if run is not None and run.status in RUN_OVER:
        status = _RUN_STATUS[run.status]
        return _Outcome(status, clean(run.error) if status == "failed" else "")
    if ended == "abandoned":
        return _Outcome("abandoned", "")
    return _Outcome("succeeded", "")


def _ended(ref: TurnRef, rows: TurnRows, drafts: list[Draft], asked: str, outcome: _Outcome) -> Event:
    duration = _duration(rows)
    started, finished = _span(ref, rows, drafts, duration)
    steps = [draft.step for draft in drafts]
    usage = _usage(rows, steps)
    message = rows.message
    # A run's tokens stand on its nodes; a run that has some without them repeats what a tool's own run has counted.
    counts = rows.run is None and usage is not None and not any(step.usage for step in steps)
    content = {"input": asked, "output": _output(rows), "error": scrub(outcome.error)}
    if message is not None and message.prompt:
        content["prompt"] = scrub(canonical(message.prompt))
    body = TurnEnded(
        turn=ref,
        started_at=started,
        ended_at=finished,
        status=outcome.status,
        duration_ns=duration,
        estimated=duration is None,
        error_type=error_type(outcome.error) if outcome.status == "failed" else "",
        usage=usage,
        counts_usage=counts or (not steps and _is_model_call(ref, message)),
        model_provider=clean(message.model_provider) if message else "",
        model_name=clean(message.model_id) if message else "",
        time_to_first_token_ns=_first_token(message),
        steps=tuple(step.id for step in steps),
        failed_steps=sum(step.status == "failed" for step in steps),
    )
    observed = outcome.status != "abandoned"
    return Event(
        key=turn_key(ref.turn_id, "ended"),
        rank=DATABASE_RANK + (_OBSERVED if observed else 0),
        changed_at=finished,
        occurred_at=finished,
        body=body,
        content={field: text for field, text in content.items() if text not in {"", '""'}},
    )


def _first_token(message: MessageRow | None) -> int | None:
    if message is None or "time_to_first_token" not in (message.metadata or ""):
        return None
    usage = parse_object(message.metadata).get("usage")
    return (ns(usage.get("time_to_first_token")) or None) if isinstance(usage, dict) else None


def _is_model_call(ref: TurnRef, message: MessageRow | None) -> bool:
    """A chat's or completion's message is one model call, also when it failed and used nothing.

    Not one that was answered from an annotation: no model was asked.
    """
    kept = message.metadata if message is not None else None
    by_hand = bool(kept and "annotation_reply" in kept and parse_object(kept).get("annotation_reply"))
    return ref.mode in _MESSAGE_IS_CALL and not by_hand


def _duration(rows: TurnRows) -> int | None:
    """What Dify measured: a message's latency, a run's own times. Nothing for errors and turns given up."""
    message, run = rows.message, rows.run
    if run is not None:
        if run.finished_us is None or run.finished_us < run.created_us:
            return None
        until = run.finished_us * 1000
        if message is not None and ns(message.latency_s):
            until = max(until, message.created_us * 1000 + ns(message.latency_s))
        return min(until - run.created_us * 1000, MAX_NS)
    return (ns(message.latency_s) or None) if message is not None else None


def _span(ref: TurnRef, rows: TurnRows, drafts: list[Draft], duration: int | None) -> tuple[int, int]:
    """Start and end of the root: it holds its steps, whatever rounding did to its own times."""
    base = ns_of_us(rows.run.created_us) if rows.run is not None else ref.started_at
    ended = base + duration if duration is not None else ns_of_us(_last_us(rows))
    steps = [draft.step for draft in drafts]
    started = min([base, *(step.started_at for step in steps)])
    return started, min(max([started, ended, *(step.ended_at for step in steps)]), MAX_NS)


def _usage(rows: TurnRows, steps: list[Step]) -> Usage | None:
    """Dify's totals for the turn; what its steps add up to where Dify kept none."""
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
    return own if own is not None and (run is None or not steps) else _sum(steps) or own


def _sum(steps: list[Step]) -> Usage | None:
    """The steps' usage added up, where all of it is in one currency; by direction where all of it is."""
    used = [step.usage for step in steps if step.usage is not None]
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


def single_step_events(ref: TurnRef, row: NodeRow, graph: Graph) -> list[Event]:
    """The trace of one span of a node that somebody tried out alone; nothing while it runs."""
    draft = single_step(row, graph)
    return [_step_event(ref, draft)] if draft is not None else []
