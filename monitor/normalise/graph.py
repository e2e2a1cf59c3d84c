"""A workflow's definition and an agent app's configuration, reduced to what their execution rows leave out.

A tool node's row has a title but not the tool's name; a failed one has not even its provider. The definition by
`workflow_id` is the one that a published run ran.
"""

from __future__ import annotations

from typing import Any

from monitor.normalise.rows import AgentTool, Graph, GraphNode
from monitor.normalise.text import clean, parse_object

__all__ = ["CONTAINERS", "agent_tools_of", "graph_of"]

CONTAINERS = ("iteration", "loop")
"""Node types whose executions hold those of other nodes."""


def graph_of(text: str | None) -> Graph:
    """Node id to definition; what can't be understood is left out."""
    nodes = parse_object(text).get("nodes")
    if not isinstance(nodes, list):
        return {}
    data_of = {clean(str(node.get("id"))): (node, _data(node)) for node in nodes if isinstance(node, dict)}
    containers = {node_id for node_id, (_, data) in data_of.items() if data.get("type") in CONTAINERS}
    return {node_id: _node(node, data, containers) for node_id, (node, data) in data_of.items()}


def _data(node: dict[str, Any]) -> dict[str, Any]:
    data = node.get("data")
    return data if isinstance(data, dict) else {}


def _node(node: dict[str, Any], data: dict[str, Any], containers: set[str]) -> GraphNode:
    model = _model(data)
    parents = (_text(each) for each in (node.get("parentId"), data.get("loop_id"), data.get("iteration_id")))
    return GraphNode(
        tool=_text(data.get("tool_name")),
        provider_id=_text(data.get("provider_id")),
        provider_type=_text(data.get("provider_type")),
        parent=next((parent for parent in parents if parent in containers), ""),
        datasets=_texts(data.get("dataset_ids")),
        model_provider=_text(model.get("provider")),
        model_name=_text(model.get("name") or model.get("model")),
        tools=_by_name(_parameter(data, "tools")),
    )


def _parameter(data: dict[str, Any], name: str) -> Any:
    """What an Agent node hands to its strategy under this name."""
    parameters = data.get("agent_parameters")
    chosen = parameters.get(name) if isinstance(parameters, dict) else None
    return chosen.get("value") if isinstance(chosen, dict) else None


def _model(data: dict[str, Any]) -> dict[str, Any]:
    """A model node's own choice, or the one that an Agent node hands to its strategy."""
    model = _parameter(data, "model") or data.get("model")
    return model if isinstance(model, dict) else {}


def agent_tools_of(text: str | None) -> dict[str, AgentTool]:
    """Tool name to tool, out of `app_model_configs.agent_mode`."""
    return _by_name(parse_object(text).get("tools"))


def _by_name(tools: Any) -> dict[str, AgentTool]:
    if not isinstance(tools, list):
        return {}
    found = (_agent_tool(tool) for tool in tools if isinstance(tool, dict))
    return {tool.name: tool for tool in found if tool.name}


def _agent_tool(tool: dict[str, Any]) -> AgentTool:
    """A tool of an agent app, or of an Agent node, which calls the same things otherwise."""
    return AgentTool(
        name=_text(tool.get("tool_name")),
        provider_id=_text(tool.get("provider_id") or tool.get("provider_name")),
        provider_type=_text(tool.get("provider_type") or tool.get("type")),
    )


def _text(value: Any) -> str:
    return clean(value) if isinstance(value, str) else ""


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(_text(item) for item in value if _text(item)) if isinstance(value, list) else ()
