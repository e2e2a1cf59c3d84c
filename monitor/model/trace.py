"""What happened in Dify: a turn and its steps, Dify-shaped, in OpenTelemetry's words. Times are int nanoseconds UTC.

These are msgspec structs rather than dataclasses: as immutable, and five to eight times cheaper to build, store and
read back (ADR 0003). A field that holds its default is left out of the stored bytes.
"""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = [
    "AppRef", "Attempt", "Hit", "Node", "Status", "Step", "StepKind", "Tool", "TurnRef", "TurnStatus", "Usage",
]  # fmt: skip

Status = Literal["succeeded", "failed", "stopped", "unknown"]
"""How a step ended. `stopped`: a person or Dify's limit ended it; `unknown`: Dify's rows do not say."""

TurnStatus = Literal["succeeded", "failed", "partial", "stopped", "abandoned"]
"""How a turn ended. `partial`: a handled failure inside; `abandoned`: it never ended within `abandon_after`."""

StepKind = Literal["llm", "tool", "retrieval", "agent", "http", "node"]
"""What a step is; every other kind of workflow node is `node`."""


class TurnRef(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whose turn it is: what stands on every event and span of a turn, fixed when the turn is first seen."""

    turn_id: str
    """The workflow run's id where there is a run, else the message's."""
    tenant_id: str
    app_id: str
    app_name: str
    mode: str
    """Dify's own word: agent-chat, workflow, advanced-chat, chat, completion, rag-pipeline, ..."""
    started_at: int
    """Creation time of the turn's first row."""
    invoke_from: str = ""
    """Dify's own word: service-api, web-app, explore, debugger, trigger kinds, ..."""
    conversation_id: str = ""
    message_id: str = ""
    run_id: str = ""
    workflow_id: str = ""
    workflow_version: str = ""
    user: str = ""
    """Keyed pseudonym of the user; the true id is content (`user`) of the TurnStarted event."""
    tenant_name: str = ""
    config_hash: str = ""
    """Which prompt, model, tools or published workflow was live: the `hash` of a ConfigChanged."""


class AppRef(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which app a fact is about that belongs to no turn."""

    tenant_id: str
    app_id: str
    app_name: str = ""
    mode: str = ""
    tenant_name: str = ""


class Usage(msgspec.Struct, frozen=True, omit_defaults=True):
    """Tokens and money of one model call, or the sum that Dify kept for a turn."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int = 0
    """input + output where both are known, else the sum that Dify kept."""
    price: str = "0"
    """Decimal text, in `currency`; never a float."""
    currency: str = ""


class Tool(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which tool a tool step called."""

    name: str
    provider: str = ""
    """The provider's id in Dify; empty where Dify kept none."""
    provider_type: str = ""
    known: bool = True
    """Whether the app's configuration has this tool (models invent names)."""
    calls: int = 1
    """How often it was called in this step; Dify keeps one result for all."""


class Hit(msgspec.Struct, frozen=True, omit_defaults=True):
    """One segment that a retrieval found. Names and text are content (`output`)."""

    dataset_id: str = ""
    document_id: str = ""
    segment_id: str = ""
    score: float | None = None
    position: int = 0
    """Dify's rank, from 1; 0 where it kept none."""


class Node(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which workflow node a step ran."""

    node_id: str
    node_type: str
    title: str
    index: int = 0
    predecessor: str = ""
    status: str = ""
    """Dify's own word."""
    iteration_id: str = ""
    iteration_index: int | None = None
    loop_id: str = ""
    loop_index: int | None = None
    elapsed_s: float | None = None


class Attempt(msgspec.Struct, frozen=True, omit_defaults=True):
    """An earlier try of a node that Dify retried (rows of their own up to Dify 1.8)."""

    at: int
    error: str = ""
    """error type, low cardinality."""


class Step(msgspec.Struct, frozen=True, omit_defaults=True):
    """One step of a turn, as soon as it is terminal in Dify."""

    id: str
    """The UUID of its row, or `{message}/{position}/{tool}` for a tool call inside a thought."""
    kind: StepKind
    name: str
    """Model, tool, dataset or node title."""
    position: int
    """Order within the turn where times tie."""
    started_at: int
    ended_at: int
    status: Status
    parent_id: str = ""
    """The step it runs in (an iteration or loop); empty: the turn itself."""
    estimated: bool = False
    """A time was worked out because Dify stored none."""
    provisional: bool = False
    """A later revision with better times is certain to come; sinks that can't overwrite wait for it."""
    error_type: str = ""
    handled: bool = False
    """The failure was caught by a fail branch, a default value or the agent."""
    usage: Usage | None = None
    model_provider: str = ""
    model_name: str = ""
    time_to_first_token_ns: int | None = None
    tool: Tool | None = None
    dataset_id: str = ""
    documents: int | None = None
    """How many documents a retrieval found; None where Dify did not keep it."""
    hits: tuple[Hit, ...] = ()
    """What a retrieval found, best first."""
    http_status: int | None = None
    """What an HTTP node was answered."""
    soft: bool = False
    """Dify called it a success; a pattern of the configuration (or the call's own text) says that it failed."""
    truncated: tuple[str, ...] = ()
    """Content fields that Dify cut short before we read them (the whole lies in its object storage).

    And `calls` at an Agent node whose log has more entries than are told as steps: the rest stays in its output.
    """
    node: Node | None = None
    attempts: tuple[Attempt, ...] = ()
