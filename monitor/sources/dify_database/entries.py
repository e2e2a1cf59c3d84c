"""Which nodes the runs of a workflow begin with: new runs are found by their executions where runs have no index.

Pure. Called by `snapshot` only.
"""

from __future__ import annotations

from typing import Any

import msgspec

from monitor.normalise.text import parse_object

__all__ = ["Entry", "entry_nodes"]

_MAX_NODES = 20
"""A graph with more beginnings is no workflow that Dify would run."""


class Entry(msgspec.Struct):
    """A draft or the newest published workflow of an app."""

    workflow_id: str
    tenant_id: str
    app_id: str
    updated: str | None
    """When it changed last; None where we may not read that."""
    nodes: tuple[str, ...] | None = None
    """None until its graph was read."""

    def nodes_of(self, before: Entry | None) -> tuple[str, ...] | None:
        """What is known of them already: those of the same workflow as it was, unless it changed since."""
        unchanged = before is not None and self.updated is not None and before.updated == self.updated
        return before.nodes if unchanged and before is not None else None


def entry_nodes(graph: str | None) -> tuple[str, ...]:
    """The nodes of a graph that no other leads to and that lie in no iteration or loop."""
    parsed = parse_object(graph)
    nodes = {str(node.get("id")): node for node in _mappings(parsed.get("nodes"))}
    led_to = {str(edge.get("target")) for edge in _mappings(parsed.get("edges"))}
    found = [name for name, node in nodes.items() if name not in led_to and node.get("parentId") not in nodes]
    return tuple(name.replace("\x00", "") for name in found[:_MAX_NODES])


def _mappings(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
