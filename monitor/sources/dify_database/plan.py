"""PostgreSQL's plan of a statement as lines, from what EXPLAIN says as JSON. Pure; called by the proof."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["plan_text"]

_LISTED = re.compile(r"'\{([^{}']*)\}'")
_CONDITIONS = ("Index Cond", "Recheck Cond", "Hash Cond", "Join Filter", "Filter", "Sort Key")


def plan_text(plan: Mapping[str, Any]) -> str:
    """One line for each node, with its conditions below it and what it came to."""
    return "\n".join(_lines(plan, 0))


def _lines(node: Mapping[str, Any], depth: int) -> Iterator[str]:
    start = "  " * depth
    yield f"{start}{_title(node)}  ({_came_to(node)})"
    for name in _CONDITIONS:
        if name in node:
            value = node[name]
            told = ", ".join(value) if isinstance(value, list) else str(value)
            yield f"{start}    {name}: {_LISTED.sub(_shortened, told)}"
    removed = node.get("Rows Removed by Filter")
    if removed:
        yield f"{start}    Rows Removed by Filter: {removed}"
    for child in node.get("Plans", ()):
        yield from _lines(child, depth + 1)


def _shortened(found: re.Match[str]) -> str:
    """A list of values by its first one."""
    first, *others = found[1].split(",")
    return f"'{{{first}, and {len(others)} more}}'" if others else found[0]


def _title(node: Mapping[str, Any]) -> str:
    words = [str(node.get("Node Type", "?"))]
    if "Index Name" in node:
        words.append(f"using {node['Index Name']}")
    if "Relation Name" in node:
        alias = node.get("Alias", node["Relation Name"])
        words.append(f"on {node['Relation Name']}" + (f" {alias}" if alias != node["Relation Name"] else ""))
    elif "Subplan Name" in node:
        words.append(f"[{node['Subplan Name']}]")
    return " ".join(words)


def _came_to(node: Mapping[str, Any]) -> str:
    blocks = int(node.get("Shared Hit Blocks", 0)) + int(node.get("Shared Read Blocks", 0))
    loops = int(node.get("Actual Loops", 0))
    if not loops:
        return "never executed"
    times = f" in each of {loops} loops" if loops > 1 else ""
    return f"rows={node.get('Actual Rows', 0):g}{times}, {node.get('Actual Total Time', 0):.3f} ms, blocks={blocks}"
