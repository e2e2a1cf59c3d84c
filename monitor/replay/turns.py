"""A turn's records to the turn that is shown: who, when, what happened in which order, and what is not known of it.

Pure: the same records give the same turn. Called by timeline.py, which knows where records come from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from monitor.model import AlertChanged, Node, Recorded, StepEnded, Tool, TurnEnded, TurnRef, TurnStarted, ids
from monitor.model import Step as StepFacts
from monitor.model.stored import noted_turn
from monitor.replay.content import Kept, documents_of, passage_of, prompts_of, step_passages
from monitor.replay.figures import moment_at, seconds, steps_in, totals_of, used_of
from monitor.replay.gaps import gaps_of
from monitor.replay.notes import Beside, beside_of
from monitor.replay.nouns import (
    Alert,
    Attempt,
    Form,
    Moment,
    Outcome,
    Passage,
    PassageName,
    Provenance,
    Step,
    ToolCalled,
    Trigger,
    Turn,
    Whose,
)
from monitor.replay.tree import Leaf, Passing, tree_of

__all__ = ["Records", "turn_of"]

_DEBUGGER = "debugger"
_NO_NODE = Node(node_id="", node_type="", title="")


class Records(msgspec.Struct, frozen=True):
    """Everything that a journal has of one turn, each record in its newest revision."""

    events: Sequence[Recorded]
    """Its start, steps and end; there is at least one of them, or a note."""
    alerts: Sequence[Recorded] = ()
    """Changes of alerts that rest on it."""
    gaps: Sequence[Recorded] = ()
    """What of it could not be read."""
    notes: Sequence[Recorded] = ()
    """What is known beside it."""

    @property
    def ref(self) -> TurnRef:
        """Whose turn it is: its start says, and where that was lost any other record of it."""
        bodies = [one.event.body for one in self.events]
        refs = [body.turn for body in bodies if isinstance(body, TurnStarted)]
        refs += [body.turn for body in bodies if isinstance(body, StepEnded | TurnEnded)]
        noted = (noted_turn(note.event.body, note.event.occurred_at) for note in self.notes)
        return refs[0] if refs else next(ref for ref in noted if ref is not None)


class _Edge(msgspec.Struct, frozen=True):
    """A turn's start or end, as far as it is recorded."""

    record: Recorded | None
    show: bool

    def passage(self, field: str, name: PassageName) -> Passage | None:
        """One of its texts."""
        return None if self.record is None else passage_of(_kept(self.record, show=self.show), field, name)


def turn_of(records: Records, number: int, *, content: bool, config_seq: int | None = None) -> Turn:
    """The turn as it is shown; `number` is its place in the conversation, `config_seq` which configuration was live."""
    ref = records.ref
    start, last = _recorded(records, TurnStarted), _recorded(records, TurnEnded)
    started, ended = _Edge(start, content), _Edge(last, content)
    end = last.event.body if last is not None and isinstance(last.event.body, TurnEnded) else None
    leaves = _leaves(records.events, content=content)
    passing, afterwards = _parted(_alerts(records.alerts, ref.turn_id), _beside(records, leaves, content=content), end)
    moments = tree_of(leaves, passing)
    outcome = _outcome(ref, end, leaves, revisions=last.revision if last else 0)
    used = used_of(end.usage) if end else None
    return Turn(
        number=number,
        whose=_whose(ref),
        user_id=started.passage("user", "user"),
        user_name=started.passage("user_name", "name"),
        config_seq=config_seq,
        outcome=outcome,
        question=_first_kept(started.passage("input", "question"), ended.passage("input", "question")),
        prompts=_prompts(ended),
        moments=moments,
        answer=ended.passage("output", "answer"),
        error=ended.passage("error", "error"),
        afterwards=afterwards,
        gaps=gaps_of(records.events, records.gaps, ref, leaves),
        totals=totals_of(list(steps_in(moments)), used, is_model_call=outcome.is_model_call),
        provenance=_provenance(records),
    )


def _beside(records: Records, leaves: Sequence[Leaf], *, content: bool) -> list[Beside]:
    titles = {leaf.step.node_id: leaf.step.title for leaf in leaves if leaf.step.node_id}
    return beside_of(records.notes, titles, content=content)


def _recorded(records: Records, kind: type[TurnStarted | TurnEnded]) -> Recorded | None:
    return next((one for one in records.events if isinstance(one.event.body, kind)), None)


def _kept(record: Recorded, *, show: bool) -> Kept:
    return Kept(record.event.content, record.erased, show=show)


def _whose(ref: TurnRef) -> Whose:
    return Whose(
        turn_id=ref.turn_id,
        trace_id=ids.trace_id(ref.turn_id),
        conversation_id=ref.conversation_id,
        message_id=ref.message_id,
        run_id=ref.run_id,
        tenant_id=ref.tenant_id,
        app_id=ref.app_id,
        app_name=ref.app_name,
        mode=ref.mode,
        invoke_from=ref.invoke_from,
        workflow_id=ref.workflow_id,
        workflow_version=ref.workflow_version,
        user=ref.user,
        tenant_name=ref.tenant_name,
        config_hash=ref.config_hash,
        debug=ref.invoke_from == _DEBUGGER,
    )


def _outcome(ref: TurnRef, end: TurnEnded | None, leaves: Sequence[Leaf], *, revisions: int) -> Outcome:
    if end is None:
        started = min([ref.started_at, *(leaf.order[0] for leaf in leaves)])
        return Outcome(
            status="open",
            error_type="",
            started_at=moment_at(started),
            ended_at=None,
            duration_s=None,
            estimated=False,
            first_token_s=None,
            model_provider="",
            model_name="",
            is_model_call=False,
            annotation_id="",
            moderated=False,
            tokens_disagree=False,
            revisions=revisions,
        )
    lasted = end.duration_ns if end.duration_ns is not None else end.ended_at - end.started_at
    return Outcome(
        status=end.status,
        error_type=end.error_type,
        started_at=moment_at(end.started_at),
        ended_at=moment_at(end.ended_at),
        duration_s=seconds(lasted),
        estimated=end.estimated,
        first_token_s=_seconds(end.time_to_first_token_ns),
        model_provider=end.model_provider,
        model_name=end.model_name,
        is_model_call=end.counts_usage,
        annotation_id=end.annotation_id,
        moderated=end.moderated,
        tokens_disagree=end.tokens_disagree,
        revisions=revisions,
    )


def _provenance(records: Records) -> Provenance:
    told = (*records.events, *records.notes)
    shown = (*told, *records.alerts, *records.gaps)
    return Provenance(
        sources=tuple(dict.fromkeys(one.source for one in told)),
        seqs=tuple(sorted(one.seq for one in shown)),
        recorded_at=moment_at(max(one.recorded_at for one in records.events or told)),
    )


def _first_kept(*passages: Passage | None) -> Passage | None:
    """The one that can be read; else one that says why it can't."""
    there = [passage for passage in passages if passage is not None]
    kept = [passage for passage in there if passage.state == "kept"]
    return next(iter([*kept, *there]), None)


def _prompts(ended: _Edge) -> tuple[Passage, ...]:
    """What the model was given; as it was kept where that can't be read."""
    whole = ended.passage("prompt", "prompt")
    if whole is None:
        return ()
    prompts = prompts_of(whole.text)
    return (*prompts, msgspec.structs.replace(whole, detail=True)) if prompts else (whole,)


def _leaves(events: Sequence[Recorded], *, content: bool) -> list[Leaf]:
    steps = [(one, one.event.body.step) for one in events if isinstance(one.event.body, StepEnded)]
    node_types = {step.id: step.node.node_type for _, step in steps if step.node is not None}
    return [
        Leaf(
            step=_step(one, step, _kept(one, show=content)),
            order=(step.started_at, step.position, step.ended_at, step.id),
            round=_round_of(step, node_types),
        )
        for one, step in steps
    ]


def _round_of(step: StepFacts, node_types: Mapping[str, str]) -> int | None:
    """In which round of its parent the step ran. Inside of a loop within an iteration it has the index of both."""
    if step.node is None or not step.parent_id:
        return None
    of_loop, of_iteration = step.node.loop_index, step.node.iteration_index
    if node_types.get(step.parent_id) == "loop":
        return of_loop
    return of_iteration if of_iteration is not None else of_loop


def _step(record: Recorded, step: StepFacts, kept: Kept) -> Step:
    node, tool = step.node or _NO_NODE, step.tool
    return Step(
        id=step.id,
        kind=step.kind,
        name=step.name,
        title=node.title,
        node_id=node.node_id,
        node_type=node.node_type,
        dify_status=node.status,
        started_at=moment_at(step.started_at),
        ended_at=moment_at(step.ended_at),
        duration_s=seconds(step.ended_at - step.started_at),
        estimated=step.estimated,
        provisional=step.provisional,
        status=step.status,
        error_type=step.error_type,
        handled=step.handled,
        used=used_of(step.usage),
        model_provider=step.model_provider,
        model_name=step.model_name,
        first_token_s=_seconds(step.time_to_first_token_ns),
        tool=_tool(tool) if tool else None,
        dataset_id=step.dataset_id,
        documents_found=step.documents,
        documents=documents_of(step, kept),
        http_status=step.http_status,
        soft=step.soft,
        truncated=step.truncated,
        attempts=tuple(Attempt(moment_at(attempt.at), attempt.error) for attempt in step.attempts),
        passages=step_passages(step, kept),
        parent_id=step.parent_id,
        moments=(),
        seq=record.seq,
        revisions=record.revision,
    )


def _tool(tool: Tool) -> ToolCalled:
    return ToolCalled(tool.name, tool.provider, tool.provider_type, tool.known, tool.calls)


def _alerts(records: Sequence[Recorded], turn_id: str) -> list[Alert]:
    changes = [(one, one.event.body) for one in records if isinstance(one.event.body, AlertChanged)]
    return [_alert(one, change, turn_id) for one, change in changes]


def _alert(record: Recorded, change: AlertChanged, turn_id: str) -> Alert:
    alert = change.alert
    here = [proof for proof in alert.evidence if proof.turn_id == turn_id]
    return Alert(
        at=moment_at(record.event.occurred_at),
        rule=alert.rule,
        severity=alert.severity,
        summary=alert.summary,
        was=change.was,
        now=change.now,
        reason=change.reason,
        since=moment_at(alert.since),
        value=alert.value,
        labels=dict(sorted(alert.labels.items())),
        fingerprint=alert.fingerprint,
        caused_here=any(proof.at == record.event.occurred_at for proof in here),
        steps=tuple(proof.step_id for proof in here if proof.step_id),
        steps_elsewhere=len(alert.evidence) - len(here),
        late=change.late,
        history=change.history,
        seq=record.seq,
    )


def _parted(
    alerts: list[Alert], beside: list[Beside], end: TurnEnded | None
) -> tuple[list[Passing], tuple[Moment, ...]]:
    """What came while the turn ran, or what it caused; and what came of it afterwards."""
    over = moment_at(end.ended_at) if end is not None else None
    within: list[Passing] = []
    after: list[Alert | Beside] = []
    for each in (*alerts, *beside):
        if isinstance(each, Trigger) or (isinstance(each, Alert | Form) and not _is_later(each, over)):
            within.append(each)
        else:
            after.append(each)
    return within, tuple(sorted(after, key=lambda each: (each.at, each.seq)))


def _is_later(each: Alert | Form, over: datetime | None) -> bool:
    return over is not None and each.at > over and not (isinstance(each, Alert) and each.caused_here)


def _seconds(ns: int | None) -> float | None:
    return None if ns is None else seconds(ns)
