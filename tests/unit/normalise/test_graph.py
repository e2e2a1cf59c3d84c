"""What a workflow's definition and an agent's configuration tell that their rows do not."""

from __future__ import annotations

import json

import pytest

from monitor.normalise.graph import agent_tools_of, graph_of
from monitor.normalise.rows import AgentTool, GraphNode


def _graph(*nodes: dict) -> str:
    return json.dumps({"nodes": list(nodes), "edges": []})


def test_a_tool_node_has_its_tools_name_not_its_title():
    """The title (here 查询订单) is what its author wrote; counting failures in a row needs the tool's own name."""
    node = {
        "id": "t", "data": {"type": "tool", "title": "查询订单", "tool_name": "query_order", "provider_id": "shop", "provider_type": "api"},
    }  # fmt: skip
    assert graph_of(_graph(node)) == {"t": GraphNode(tool="query_order", provider_id="shop", provider_type="api")}


def test_models_and_datasets():
    found = graph_of(
        _graph(
            {"id": "l", "data": {"type": "llm", "model": {"provider": "openai", "name": "gpt", "mode": "chat"}}},
            {"id": "a", "data": {"type": "agent", "agent_parameters": {"model": {"value": {"provider": "openai", "model": "gpt"}}}}},
            {"id": "k", "data": {"type": "knowledge-retrieval", "dataset_ids": ["one", "two", 5, ""]}},
        )
    )  # fmt: skip
    assert found["l"] == GraphNode(model_provider="openai", model_name="gpt")
    assert found["a"] == GraphNode(model_provider="openai", model_name="gpt")
    assert found["k"].datasets == ("one", "two")


@pytest.mark.parametrize(
    ("node", "parent"),
    [
        ({"parentId": "iter"}, "iter"),
        ({"data": {"iteration_id": "iter", "isInIteration": True}}, "iter"),
        ({"data": {"loop_id": "loop"}}, "loop"),
        ({"parentId": "loop", "data": {"iteration_id": "iter", "loop_id": "loop"}}, "loop"),  # the inner of two
        ({"parentId": "a note's frame"}, ""),  # not a container: its steps must not wait for one
        ({"data": {"iteration_id": None}}, ""),
        ({}, ""),
    ],
)
def test_a_node_lies_in_the_innermost_container(node, parent):
    containers = [{"id": name, "data": {"type": kind}} for name, kind in (("iter", "iteration"), ("loop", "loop"))]
    assert graph_of(_graph(*containers, {"id": "n", **node}))["n"].parent == parent


@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"nodes": {}}', '{"nodes": [5, null]}'])
def test_a_definition_that_cant_be_understood_is_empty(text):
    assert graph_of(text) == {}
    assert agent_tools_of(text) == {}


def test_an_agents_tools_by_name():
    text = json.dumps(
        {
            "strategy": "function_call",
            "tools": [
                {"provider_id": "shop", "provider_type": "api", "tool_name": "query_order", "enabled": True},
                {"dataset": {"id": "x"}},  # an older form of a knowledge base
                "nonsense",
            ],
        }
    )
    assert agent_tools_of(text) == {"query_order": AgentTool("query_order", "shop", "api")}


def test_an_agent_nodes_tools_and_model_are_its_parameters():
    tool = {"type": "workflow", "provider_name": "shop", "tool_name": "query_order", "enabled": True}
    model = {"provider": "openai", "model": "gpt"}
    parameters = {"tools": {"type": "constant", "value": [tool, 5]}, "model": {"type": "constant", "value": model}}
    node = graph_of(_graph({"id": "n", "data": {"type": "agent", "agent_parameters": parameters}}))["n"]
    assert node.tools == {"query_order": AgentTool("query_order", "shop", "workflow")}
    assert (node.model_provider, node.model_name) == ("openai", "gpt")
    odd = _graph({"id": "n", "data": {"type": "agent", "agent_parameters": {"tools": {"value": "x"}, "model": 5}}})
    assert (graph_of(odd)["n"].tools, graph_of(odd)["n"].model_name) == ({}, "")
