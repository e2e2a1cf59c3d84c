"""What failed: a step, a turn, a trigger that never became a run, a document that can't be indexed. Pure.

An issue is whose it is (an app; nobody's for a knowledge base), what failed (a tool, a node, a model, the turn itself)
and the type of the error: things that the app's builder or Dify named, never what a user or a model wrote. Hence a tool
that the app does not have (models invent names) is `tool (unknown)`; its name leaves among the content, where that may.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from monitor.model import AppRef, Event, IndexingChanged, Step, StepEnded, TriggerLogged, TurnEnded, TurnRef, ids
from monitor.model import semconv as s
from monitor.normalise.attributes import provider_name
from monitor.normalise.invented import UNKNOWN, is_invented, step_id_of, tool_name_of
from monitor.sinks.sentry.common import cut

__all__ = ["Failure", "failure_of", "shown", "subject_of"]

_NS_IN_MS = 1_000_000
_NEVER_RAN = frozenset({"failed", "rate_limited"})
_NOT_INDEXED = {"failed": "error", "stuck": "warning"}


class Failure(NamedTuple):
    """Something that failed."""

    whose: TurnRef | AppRef | IndexingChanged
    where: str
    """The app or the knowledge base, for people."""
    subject: str
    """What failed, in a word that groups."""
    shown: str
    """What failed, in a word for people."""
    error_type: str
    at: int
    level: str
    tags: Mapping[str, object]
    details: Mapping[str, object]
    handled: bool = False
    trace: Mapping[str, str] = {}
    """Where in which trace; empty where it is of no turn."""

    @property
    def app_id(self) -> str:
        """Of the app; empty where it is of none."""
        return str(getattr(self.whose, "app_id", ""))

    @property
    def app_name(self) -> str:
        """Of the app; empty where it is of none."""
        return str(getattr(self.whose, "app_name", ""))

    @property
    def fingerprint(self) -> list[str]:
        """How its events group."""
        return ["dify", self.app_id, self.subject, self.error_type]


def failure_of(event: Event) -> Failure | None:
    """What the fact says that failed; None where nothing did, or where it is not yet certain."""
    match event.body:
        case StepEnded(turn=turn, step=step) if step.status == "failed" and not step.provisional:
            return _step(turn, step)
        case TurnEnded(status="failed") as ended:
            return _turn(ended)
        case TriggerLogged(turn_id="") as logged if logged.status in _NEVER_RAN:
            return _trigger(event, logged)
        case IndexingChanged() as changed if changed.status in _NOT_INDEXED:
            return _indexing(event, changed)
        case _:
            return None


def subject_of(step: Step) -> str:
    """What a step is about, as far as the app's builder or Dify named it."""
    if step.tool is not None:
        return f"tool {UNKNOWN}" if is_invented(step) else cut(f"tool {step.tool.name}")
    if step.node is not None:
        return cut(f"node {step.node.node_id}")
    named = {"llm": f"model {step.model_name}", "retrieval": f"dataset {step.dataset_id}"}
    return cut(named.get(step.kind, step.kind).strip())


def shown(step: Step) -> str:
    """What a step is about, for people."""
    if step.tool is not None:
        return cut(f"tool {tool_name_of(step, {})}")
    if step.node is not None:
        return cut(f"{step.node.node_type} {step.node.title or step.name}".strip())
    return cut(f"{step.kind} {step.model_name or step.name or step.dataset_id}".strip())


def _step(turn: TurnRef, step: Step) -> Failure:
    span = ids.span_id(turn.turn_id, step.kind, step.id)
    root = ids.span_id(turn.turn_id, "turn", turn.turn_id)
    parent = ids.span_id(turn.turn_id, "node", step.parent_id) if step.parent_id else root
    return Failure(
        whose=turn,
        where=turn.app_name or turn.app_id,
        subject=subject_of(step),
        shown=shown(step),
        error_type=_type(step.error_type),
        at=step.ended_at,
        level="warning" if step.handled else "error",
        handled=step.handled,
        tags=_step_tags(step),
        details=_step_details(step),
        trace=_trace(turn, span, parent),
    )


def _step_tags(step: Step) -> dict[str, object]:
    tool, node = step.tool, step.node
    return {
        "dify.step.kind": step.kind,
        s.GEN_AI_TOOL_NAME: UNKNOWN if is_invented(step) else tool.name if tool else "",
        s.DIFY_TOOL_PROVIDER: tool.provider if tool else "",
        s.DIFY_NODE_ID: node.node_id if node else "",
        s.DIFY_NODE_TYPE: node.node_type if node else "",
        s.GEN_AI_REQUEST_MODEL: step.model_name,
        s.GEN_AI_PROVIDER_NAME: provider_name(step.model_provider) if step.model_provider else "",
        s.GEN_AI_DATA_SOURCE_ID: step.dataset_id,
        s.HTTP_RESPONSE_STATUS_CODE: step.http_status,
        s.DIFY_STEP_HANDLED: "true" if step.handled else "",
        s.DIFY_STEP_SOFT: "true" if step.soft else "",
    }


def _step_details(step: Step) -> dict[str, object]:
    node = step.node
    return {
        "dify.step.id": step_id_of(step),
        s.DIFY_NODE_TITLE: node.title if node else "",
        "dify.step.duration_ms": (step.ended_at - step.started_at) // _NS_IN_MS,
        "dify.step.attempts": len(step.attempts) + 1 if step.attempts else "",
        s.DIFY_NODE_ITERATION_INDEX: node.iteration_index if node and node.iteration_id else "",
        s.DIFY_NODE_LOOP_INDEX: node.loop_index if node and node.loop_id else "",
    }


def _turn(ended: TurnEnded) -> Failure:
    turn = ended.turn
    return Failure(
        whose=turn,
        where=turn.app_name or turn.app_id,
        subject="turn",
        shown="turn",
        error_type=_type(ended.error_type),
        at=ended.ended_at,
        level="error",
        tags={
            "dify.step.kind": "turn",
            s.GEN_AI_REQUEST_MODEL: ended.model_name,
            s.GEN_AI_PROVIDER_NAME: provider_name(ended.model_provider) if ended.model_provider else "",
        },
        details={
            "dify.turn.steps": len(ended.steps),
            s.DIFY_TURN_FAILED_STEPS: ended.failed_steps,
            "dify.turn.duration_ms": (ended.ended_at - ended.started_at) // _NS_IN_MS,
        },
        trace=_trace(turn, ids.span_id(turn.turn_id, "turn", turn.turn_id), ""),
    )


def _trigger(event: Event, logged: TriggerLogged) -> Failure:
    """It never became a run: no turn tells of it."""
    return Failure(
        whose=logged.app,
        where=logged.app.app_name or logged.app.app_id,
        subject=cut(f"trigger {logged.trigger_type}".strip()),
        shown=cut(logged.trigger_type or "trigger"),
        error_type=_type(logged.error_type),
        at=event.occurred_at,
        level="error",
        tags={s.DIFY_TRIGGER_TYPE: logged.trigger_type, s.DIFY_TRIGGER_STATUS: logged.status},
        details={
            s.DIFY_TRIGGER_ID: logged.trigger_id,
            s.DIFY_TRIGGER_RETRIES: logged.retries,
            s.DIFY_WORKFLOW_ID: logged.workflow_id,
        },
    )


def _indexing(event: Event, changed: IndexingChanged) -> Failure:
    return Failure(
        whose=changed,
        where=changed.dataset_name or changed.dataset_id,
        subject=cut(f"indexing {changed.dataset_id}"),
        shown="indexing",
        error_type="stuck" if changed.status == "stuck" else _type(changed.error_type),
        at=event.occurred_at,
        level=_NOT_INDEXED[changed.status],
        tags={
            s.DIFY_DATASET_ID: changed.dataset_id,
            s.DIFY_DATASET_NAME: changed.dataset_name,
            s.DIFY_INDEXING_STATUS: changed.status,
            s.DIFY_INDEXING_STAGE: changed.stage,
        },
        details={s.DIFY_DOCUMENT_ID: changed.document_id},
    )


def _type(error_type: str) -> str:
    return cut(error_type or s.ERROR_TYPE_OTHER)


def _trace(turn: TurnRef, span_id: str, parent_id: str) -> dict[str, str]:
    found = {"trace_id": ids.trace_id(turn.turn_id), "span_id": span_id, "op": "dify"}
    return found | ({"parent_span_id": parent_id} if parent_id else {})
