"""Dify's rows as any source hands them over: the columns that we use, as plain values.

Times are integer microseconds since 1970 UTC (None where Dify left them empty), numbers that are money stay decimal
text, JSON columns stay the text that Dify wrote. Nothing here is cleaned yet; `monitor.normalise` does that. The rows
hold plain values only, so the garbage collector need not look at them.
"""

from __future__ import annotations

import msgspec

__all__ = [
    "AgentTool",
    "AppConfig",
    "AppRow",
    "Definition",
    "Graph",
    "GraphNode",
    "MessageRow",
    "NodeRow",
    "ResourceRow",
    "RunRow",
    "ThoughtRow",
    "TurnRows",
    "message_is_final",
]


def message_is_final(latency_s: float, status: str) -> bool:
    """Whether Dify will not change a message any more.

    A message has no "running" status: it is over when it has a duration or an error. One that waits for a person
    (from 1.13 on) has a duration too, but is `paused`.
    """
    return (latency_s > 0 and status != "paused") or status == "error"


class MessageRow(msgspec.Struct, gc=False):
    """One row of `messages`, with what it refers to."""

    id: str
    app_id: str
    tenant_id: str | None
    app_name: str | None
    mode: str | None
    conversation_id: str | None
    run_id: str | None
    created_us: int
    status: str
    error: str | None
    latency_s: float
    query: str | None
    inputs: str | None
    answer: str | None
    prompt: str | None
    model_provider: str | None
    model_id: str | None
    input_tokens: int
    output_tokens: int
    price: str | None
    currency: str | None
    metadata: str | None
    invoke_from: str | None
    end_user_id: str | None
    account_id: str | None
    session_id: str | None
    model_config_id: str | None
    tenant_name: str | None = None
    user_name: str | None = None
    override: str | None = None
    """The whole configuration that a debug run tried out, as JSON; None where the app's own was used."""


class ThoughtRow(msgspec.Struct, gc=False):
    """One row of `message_agent_thoughts`: a model call of an agent, and the tools that it chose."""

    id: str
    message_id: str
    position: int
    created_us: int
    thought: str | None
    answer: str | None
    tool: str | None
    tool_input: str | None
    tool_meta: str | None
    observation: str | None
    input_tokens: int | None
    output_tokens: int | None
    total_tokens: int | None
    price: str | None
    currency: str | None


class RunRow(msgspec.Struct, gc=False):
    """One row of `workflow_runs` (never its `graph`)."""

    id: str
    tenant_id: str
    app_id: str
    app_name: str | None
    mode: str | None
    workflow_id: str
    version: str
    type: str
    triggered_from: str
    status: str
    created_us: int
    finished_us: int | None
    error: str | None
    inputs: str | None
    outputs: str | None
    total_tokens: int | None
    created_by: str
    session_id: str | None
    tenant_name: str | None = None
    user_name: str | None = None


class NodeRow(msgspec.Struct, gc=False):
    """One row of `workflow_node_executions`; whose it is only where it belongs to no run."""

    id: str
    run_id: str | None
    node_execution_id: str | None
    node_id: str
    node_type: str
    title: str
    index: int
    predecessor: str | None
    status: str
    error: str | None
    elapsed_s: float | None
    created_us: int
    finished_us: int | None
    inputs: str | None = None
    process_data: str | None = None
    outputs: str | None = None
    metadata: str | None = None
    tenant_id: str = ""
    app_id: str = ""
    workflow_id: str = ""
    app_name: str | None = None
    mode: str | None = None
    tenant_name: str | None = None
    truncated: tuple[str, ...] = ()
    """Columns (`inputs`, `process_data`, `outputs`) that hold a shortened value, the whole being in object storage."""


class ResourceRow(msgspec.Struct, gc=False):
    """One row of `dataset_retriever_resources`: what a chat's search found (written up to Dify 1.2)."""

    message_id: str
    position: int
    dataset_id: str
    dataset_name: str | None
    document_id: str | None
    document_name: str | None
    segment_id: str | None
    score: float | None
    content: str | None
    created_us: int = 0


class GraphNode(msgspec.Struct, gc=False):
    """What a node's definition in the workflow says that its execution row does not."""

    tool: str = ""
    provider_id: str = ""
    provider_type: str = ""
    parent: str = ""
    """The iteration or loop node that it lies in."""
    datasets: tuple[str, ...] = ()
    model_provider: str = ""
    model_name: str = ""
    tools: dict[str, AgentTool] = {}
    """An Agent node's tools by name."""


Graph = dict[str, GraphNode]
"""Node id to definition."""


class Definition(msgspec.Struct):
    """A workflow's definition."""

    nodes: Graph = {}
    hash: str = ""
    """Of all that ConfigChanged covers; empty where the definition is no longer there."""
    created_us: int | None = None


class AgentTool(msgspec.Struct, gc=False):
    """A tool that an agent app's configuration has."""

    name: str
    provider_id: str = ""
    provider_type: str = ""


class AppConfig(msgspec.Struct):
    """A row of `app_model_configs`: how a chat, completion or agent app is set up."""

    tools: dict[str, AgentTool] = {}
    hash: str = ""
    """Of all that ConfigChanged covers."""
    created_us: int | None = None


class AppRow(msgspec.Struct, gc=False):
    """One row of `apps`, with the name of its workspace."""

    id: str
    tenant_id: str
    name: str
    mode: str
    tenant_name: str = ""
    config_id: str = ""
    """The row of `app_model_configs` in force; empty for workflow apps."""
    workflow_id: str = ""
    """The published workflow; empty where there is none."""


class TurnRows(msgspec.Struct):
    """All that is known of one turn at one moment."""

    message: MessageRow | None = None
    thoughts: list[ThoughtRow] = []
    run: RunRow | None = None
    nodes: list[NodeRow] = []
    graph: Graph = {}
    agent_tools: dict[str, AgentTool] = {}
    resources: list[ResourceRow] = []
    config_hash: str = ""
