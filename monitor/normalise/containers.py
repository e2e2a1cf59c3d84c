"""Which iteration or loop a node ran in, and when the next one began: the tree of a run's node executions.

The rows name containers by node, not by execution, and both of them where a loop lies in an iteration; the workflow's
definition knows which one is the inner. Everything is looked up in sorted lists, so a run of thousands of nodes costs
no more a node than a short one. Called by `nodes`.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from typing import Any

import msgspec

from monitor.normalise.graph import CONTAINERS
from monitor.normalise.rows import Graph, GraphNode, NodeRow
from monitor.normalise.text import reading
from monitor.normalise.values import count

__all__ = ["Execution", "Facts", "Scope", "executions", "scope_of"]

_OUTER_INDEX = {"iteration": "loop_index", "loop": "iteration_index"}
"""Which pass of an outer container a container ran in: Dify writes one index of each kind."""

_Place = tuple[str, Any, Any]
"""A node's id, and in which pass of an iteration and of a loop it ran."""


class Facts(msgspec.Struct):
    """What `execution_metadata` says. Nothing else is read of it here: an Agent node's whole log stands there."""

    iteration_id: Any = None
    iteration_index: Any = None
    loop_id: Any = None
    loop_index: Any = None
    total_tokens: Any = None
    total_price: Any = None
    currency: Any = None
    tool_info: Any = None


_facts = reading(Facts)


class Execution(msgspec.Struct):
    """One execution of a node: its rows, more than one where every try was a row of its own."""

    rows: list[NodeRow]
    facts: Facts

    @property
    def row(self) -> NodeRow:
        """The deciding row."""
        return self.rows[-1]


class _Began(msgspec.Struct):
    """A container's executions, in the order in which they began."""

    us: list[int]
    ids: list[str]

    def at(self, us: int) -> str:
        """The last one that had begun."""
        return self.ids[max(0, bisect_right(self.us, us) - 1)]


class Scope(msgspec.Struct):
    """What a node's step needs to know of its run."""

    graph: Graph
    stopped: bool
    ended_us: int | None
    """When the run ended, once it has: what is still running then will never end."""
    containers: dict[str, _Began] = {}
    """By node id."""
    nested: dict[tuple[str, str, int], _Began] = {}
    """By node id and pass of the outer container (which kind of index, and the index), where there is one."""
    followers: dict[_Place, list[int]] = {}
    """When the nodes right behind a node began (us, ascending); only where there are containers."""

    def parent(self, each: Execution, definition: GraphNode) -> str | None:
        """The container's row it ran in, "" for none; None: its container is not to be seen yet, so it waits.

        Plain nodes may say `iteration_id: null`.
        """
        row, facts = each.row, each.facts
        named = (definition.parent, facts.loop_id, facts.iteration_id)
        containers = [name for name in named if isinstance(name, str) and name and name != row.node_id]
        if not containers:
            return ""
        if self.ended_us is None and containers[0] not in self.containers:
            return None
        container = next((name for name in containers if name in self.containers), None)
        return self._running(container, row, facts) if container is not None else ""

    def _running(self, container: str, row: NodeRow, facts: Facts) -> str:
        """The container's row that was running; within a parallel outer one several are: the outer pass decides."""
        for index in _OUTER_INDEX.values():
            outer = count(getattr(facts, index))
            inner = self.nested.get((container, index, outer)) if outer is not None else None
            if inner is not None:
                return inner.at(row.created_us)
        return self.containers[container].at(row.created_us)

    def next_us(self, each: Execution) -> int | None:
        """When the next node behind this one began, in the same pass."""
        followers = self.followers.get(_place(each.row.node_id, each.facts), [])
        following = bisect_left(followers, each.row.created_us)
        return followers[following] if following < len(followers) else None


def executions(rows: list[NodeRow]) -> list[Execution]:
    """Rows grouped to executions, the deciding row last."""
    groups: dict[str, list[NodeRow]] = {}
    for row in rows:
        groups.setdefault(row.node_execution_id or row.id, []).append(row)
    found = (sorted(group, key=_attempt_order) if len(group) > 1 else group for group in groups.values())
    return [Execution(group, _facts(group[-1].metadata)) for group in found]


def _attempt_order(row: NodeRow) -> tuple[int, int, str]:
    return (row.index, row.created_us, row.id)


def scope_of(found: list[Execution], graph: Graph, *, stopped: bool, ended_us: int | None) -> Scope:
    """The scope of a run's executions."""
    scope = Scope(graph=graph, stopped=stopped, ended_us=ended_us)
    if any(each.row.node_type in CONTAINERS for each in found):
        _find_containers(scope, found)
    return scope


def _find_containers(scope: Scope, found: list[Execution]) -> None:
    containers: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
    nested: defaultdict[tuple[str, str, int], list[tuple[int, str]]] = defaultdict(list)
    followers: defaultdict[_Place, list[int]] = defaultdict(list)
    for each in found:
        row, facts = each.row, each.facts
        if row.predecessor:
            followers[_place(row.predecessor, facts)].append(each.rows[0].created_us)
        if row.node_type in CONTAINERS:
            containers[row.node_id].append((row.created_us, row.id))
            index = _OUTER_INDEX[row.node_type]
            outer = count(getattr(facts, index))
            if outer is not None:
                nested[row.node_id, index, outer].append((row.created_us, row.id))
    scope.containers = {node_id: _began(each) for node_id, each in containers.items()}
    scope.nested = {place: _began(each) for place, each in nested.items()}
    scope.followers = {place: sorted(each) for place, each in followers.items()}


def _began(found: list[tuple[int, str]]) -> _Began:
    found.sort()
    return _Began(us=[us for us, _ in found], ids=[row_id for _, row_id in found])


def _place(node_id: str, facts: Facts) -> _Place:
    return (node_id, count(facts.iteration_index), count(facts.loop_index))
