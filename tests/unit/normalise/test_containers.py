"""Iterations and loops: which execution of a container a node ran in."""

from __future__ import annotations

import json
import sys

import pytest

from monitor.normalise.nodes import node_steps, single_step
from monitor.normalise.rows import GraphNode
from tests.unit.normalise.dify import node, ns, us


def _drafts(*rows, graph=None, stopped=False, ended=None):
    drafts = node_steps(list(rows), graph or {}, stopped=stopped, ended_us=us(ended) if ended is not None else None)
    return {draft.step.id: draft for draft in drafts}


def _step(row, **kwargs):
    return _drafts(row, **kwargs)[row.id].step


def _container(number, node_id, kind="iteration", at=0.0, end=None, **facts):
    return node(number, at=at, end=end, node_id=node_id, node_type=kind, metadata=json.dumps(facts))


def _inside(number, container, index, kind="iteration", at=1.0, end=2.0, facts=None, **columns):
    metadata = {f"{kind}_id": container, f"{kind}_index": index, **(facts or {})}
    return node(number, at=at, end=end, metadata=json.dumps(metadata), **columns)


def test_a_containers_nodes_are_its_children():
    parent, child = _container(1, "iter", end=9), _inside(2, "iter", 3)
    step = _drafts(parent, child)[child.id].step
    assert (step.parent_id, step.node.iteration_index) == (parent.id, 3)


@pytest.mark.parametrize(
    "metadata", [None, "null", "{}", '{"iteration_id": null, "loop_id": null}', '{"iteration_id": 5}', "{"]
)
def test_a_plain_node_has_no_parent(metadata):
    assert _step(node(1, at=1, end=2, metadata=metadata)).parent_id == ""


def test_a_child_waits_for_its_containers_row_but_not_for_ever():
    child = _inside(2, "iter", 0)
    assert _drafts(child) == {}
    assert _step(child, ended=9).parent_id == ""


def test_a_container_that_runs_twice_holds_the_children_of_its_time():
    first, second = _container(1, "iter", at=0, end=4), _container(2, "iter", at=5, end=9)
    early, late = _inside(3, "iter", 0, at=1), _inside(4, "iter", 0, at=6)
    drafts = _drafts(second, first, early, late)
    assert [drafts[row.id].step.parent_id for row in (early, late)] == [first.id, second.id]


def test_loops_of_a_parallel_iteration_are_told_apart_by_its_pass():
    """They run at the same time under the same node: only the outer index says whose a child is."""
    outer = _container(1, "iter", at=0)
    loops = [_container(2 + n, "loop", "loop", at=1 + n / 10, iteration_id="iter", iteration_index=n) for n in range(2)]
    rows = [
        _inside(4 + n, "loop", 0, "loop", at=3, facts={"iteration_id": "iter", "iteration_index": n}) for n in range(2)
    ]
    drafts = _drafts(outer, *loops, *rows, graph={row.node_id: GraphNode(parent="loop") for row in rows})
    assert [drafts[row.id].step.parent_id for row in rows] == [loop.id for loop in loops]


def test_a_child_does_not_take_the_outer_container_while_the_inner_one_is_not_to_be_seen():
    outer, child = (
        _container(1, "iter"),
        _inside(2, "loop", 0, "loop", facts={"iteration_id": "iter", "iteration_index": 0}),
    )
    assert child.id not in _drafts(outer, child)
    assert _drafts(outer, child, ended=9)[child.id].step.parent_id == outer.id


def test_an_iteration_in_a_loop_holds_its_nodes_and_lies_in_its_pass():
    """A loop runs the same iteration over and over; each node lies in the execution of its own pass."""
    loop = _container(1, "loop", "loop", at=0, end=20)
    rounds = [_container(2 + n, "iter", at=1 + 5 * n, end=5 + 5 * n, loop_id="loop", loop_index=n) for n in range(3)]
    inner = [
        _inside(10 + n, "iter", 0, at=2 + 5 * n, end=3 + 5 * n, facts={"loop_id": "loop", "loop_index": n})
        for n in range(3)
    ]
    graph = {"iter": GraphNode(parent="loop"), **{row.node_id: GraphNode(parent="iter") for row in inner}}
    drafts = _drafts(loop, *rounds, *inner, graph=graph)
    assert {drafts[each.id].step.parent_id for each in rounds} == {loop.id}
    assert [drafts[row.id].step.parent_id for row in inner] == [each.id for each in rounds]


def _calls_for(passes: int) -> int:
    """How many functions are called to tell a run of so many passes: its cost, without a clock."""
    rows = [_container(1, "iter", end=passes + 1)]
    rows += [_inside(2 + n, "iter", n, at=n, end=n + 0.5, predecessor="n0") for n in range(passes)]
    calls = 0

    def count(_frame, event, _arg):
        nonlocal calls
        calls += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        node_steps(rows, {}, stopped=False, ended_us=us(passes + 1))
    finally:
        sys.setprofile(before)
    return calls


def test_a_node_of_a_long_run_costs_no_more_than_one_of_a_short_run():
    short, long = _calls_for(250), _calls_for(2_000)
    assert long <= 8.2 * short


def test_a_thousand_passes_are_told_in_one_go():
    rows = [
        _container(1, "iter", end=9_999),
        *(_inside(2 + n, "iter", n, at=n, end=n + 0.5, predecessor="n0") for n in range(3_000)),
    ]
    assert len(_drafts(*rows)) == 3_001


def test_a_node_of_an_iteration_ends_no_later_than_the_next_one_begins():
    """1.12 writes the ends of an iteration's nodes late, so that they overlap what came after them."""
    first, second = _inside(2, "iter", 0, at=1, end=9, node_id="a"), _inside(3, "iter", 0, at=2, end=9, predecessor="a")
    other_pass = _inside(4, "iter", 1, at=5, end=6, predecessor="a")
    steps = {
        draft.step.id: draft.step
        for draft in _drafts(_container(1, "iter", at=0, end=9), first, second, other_pass).values()
    }
    assert (steps[first.id].ended_at, steps[first.id].estimated) == (ns(2), True)
    assert (steps[second.id].ended_at, steps[second.id].estimated) == (ns(9), False)


def test_a_node_of_an_iteration_tried_out_alone_waits_for_no_container():
    (draft,) = single_step(_inside(1, "iter", 0), {"n1": GraphNode(parent="iter")})
    assert draft.step.parent_id == ""
