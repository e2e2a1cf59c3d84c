"""One turn's rows, as they stand at one moment, to the facts they prove. Pure: same rows, same events.

A turn is called over with the same rows again and again while it is open; everything that was already known comes out
equal, and the journal drops it. What must never happen is a fact that later rows take back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from monitor.model import Event, StepEnded, TurnEnded, TurnRef, TurnStarted
from monitor.model.ids import step_key, turn_key
from monitor.normalise.draft import Draft
from monitor.normalise.failure import is_stop
from monitor.normalise.nodes import node_steps, single_step
from monitor.normalise.retrieval import give_hits, message_resources, message_searches
from monitor.normalise.rows import Graph, MessageRow, NodeRow, RunRow, TurnRows
from monitor.normalise.scrub import scrub
from monitor.normalise.soft import NO_SOFT_FAILURES, Soft
from monitor.normalise.text import canonical, clean
from monitor.normalise.thoughts import thought_steps
from monitor.normalise.turn_end import RUN_OVER, Ended, Metadata, end_of, last_us, metadata_of, outcome_of
from monitor.normalise.values import MAX_NS, ns, ns_of_us

__all__ = ["DATABASE_RANK", "RUN_OVER", "Ended", "ref_of", "run_was_stopped", "single_step_events", "turn_events"]

DATABASE_RANK = 40
"""Ways in by how much they know: database 40, console 30, service 20, push 10; `_OBSERVED` on top for a real end."""
_OBSERVED = 1

_TRIGGER_DEBUG = {"debugging": "debugger", "rag-pipeline-debugging": "debugger"}
_MODE_OF_RUN = {"chat": "advanced-chat"}
_UNKNOWN = "unknown"


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
        tenant_name=clean((run.tenant_name if run else None) or (message.tenant_name if message else None)),
        config_hash=clean(rows.config_hash),
    )


def _user(message: MessageRow | None, run: RunRow | None) -> str:
    """The caller's own name for the user where Dify has one, else Dify's id: the same by every way in."""
    if message is not None:
        return clean(message.session_id or message.end_user_id or message.account_id)
    return clean(run.session_id or run.created_by) if run is not None else ""


def _user_name(message: MessageRow | None, run: RunRow | None) -> str:
    return clean((message.user_name if message is not None else None) or (run.user_name if run is not None else None))


def _mode(message: MessageRow | None, run: RunRow | None) -> str:
    """Dify's own word; where the app is gone, what the rows themselves give away."""
    kept = (message.mode if message else None) or (run.mode if run else None)
    if kept:
        return clean(kept)
    if run is not None:
        return _MODE_OF_RUN.get(run.type, clean(run.type)) or _UNKNOWN
    return "advanced-chat" if message is not None and message.run_id else _UNKNOWN


def _invoke_from(message: MessageRow | None, run: RunRow | None) -> str:
    if message is not None and message.invoke_from:
        return clean(message.invoke_from)
    return clean(_TRIGGER_DEBUG.get(run.triggered_from, run.triggered_from)) if run is not None else ""


def turn_events(ref: TurnRef, rows: TurnRows, ended: Ended, soft: Soft = NO_SOFT_FAILURES) -> list[Event]:
    """Everything that the rows prove, in the order it happened. `soft` says which successes are failures."""
    stopped, metadata = run_was_stopped(rows.run, rows.nodes), metadata_of(rows.message)
    drafts = _drafts(ref, rows, metadata, over=ended != "no", stopped=stopped)
    _mark_soft(drafts, soft)
    asked = _input(rows)
    events = [_started(ref, rows, asked)]
    events.extend(_step_event(ref, draft) for draft in drafts)
    if ended != "no":
        outcome = outcome_of(rows, ended, stopped=stopped)
        body = end_of(ref, rows, drafts, outcome, metadata)
        events.append(_ended(body, rows.message, asked, _output(rows), outcome.error))
    return events


def _drafts(ref: TurnRef, rows: TurnRows, metadata: Metadata, *, over: bool, stopped: bool) -> list[Draft]:
    drafts = node_steps(rows.nodes, rows.graph, stopped=stopped, ended_us=last_us(rows) if over else None)
    if rows.message is not None and rows.thoughts:
        end = _message_end(rows) if over else None
        drafts += thought_steps(rows.message, rows.thoughts, rows.agent_tools, end)
    if rows.message is not None and rows.run is None and not rows.message.run_id:
        left = give_hits(drafts, message_resources(metadata.retriever_resources, rows.resources))
        drafts += message_searches(rows.message.id, left, ref.started_at) if over else []
    return sorted(drafts, key=lambda draft: (draft.step.ended_at, draft.step.position, draft.step.id))


def _mark_soft(drafts: Iterable[Draft], soft: Soft) -> None:
    """What the configuration's patterns call a failure is one, though Dify and the agent or workflow went on."""
    for draft in drafts:
        step = draft.step
        output = draft.content.get("output", "") if step.status == "succeeded" else ""
        if output and soft.matches(step.kind, step.name, output):
            draft.step = msgspec.structs.replace(
                step, status="failed", handled=True, soft=True, error_type="soft_failure"
            )


def _message_end(rows: TurnRows) -> int:
    """When the message was final: where it has no duration, the latest time that its rows show."""
    message = rows.message
    if message is None or not ns(message.latency_s):
        return ns_of_us(last_us(rows))
    return min(ns_of_us(message.created_us) + ns(message.latency_s), MAX_NS)


def _started(ref: TurnRef, rows: TurnRows, asked: str) -> Event:
    content = {"user": _user(rows.message, rows.run), "user_name": _user_name(rows.message, rows.run), "input": asked}
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


def _ended(body: TurnEnded, message: MessageRow | None, asked: str, answered: str, error: str) -> Event:
    content = {"input": asked, "output": answered, "error": scrub(error)}
    if message is not None and message.prompt:
        content["prompt"] = scrub(canonical(message.prompt))
    observed = body.status != "abandoned"
    return Event(
        key=turn_key(body.turn.turn_id, "ended"),
        rank=DATABASE_RANK + (_OBSERVED if observed else 0),
        changed_at=body.ended_at,
        occurred_at=body.ended_at,
        body=body,
        content={field: text for field, text in content.items() if text not in {"", '""'}},
    )


def single_step_events(ref: TurnRef, row: NodeRow, graph: Graph, soft: Soft = NO_SOFT_FAILURES) -> list[Event]:
    """The trace of a node that somebody tried out alone, an Agent node with its calls; nothing while it runs."""
    drafts = single_step(row, graph)
    _mark_soft(drafts, soft)
    return [_step_event(ref, draft) for draft in drafts]
