"""What ran inside of what, in which round, in which order."""

from __future__ import annotations

from monitor.model import Node, StepEnded
from monitor.replay.figures import steps_in
from monitor.replay.nouns import Round, Step
from monitor.replay.tree import DEEPEST
from monitor.testing import samples
from tests.unit.replay.world import shown

TURN = samples.chatflow_ref(1)


def node(position, node_type="code", *, parent="", **indexes):
    facts = Node(node_id=f"n{position}", node_type=node_type, title=f"t{position}", **indexes)
    return samples.node_step(TURN, position, id=f"s{position}", parent_id=parent, node=facts)


def tree(*steps):
    """The moments as nested lists: step ids, and (round, [...])."""
    records = [samples.recorded(StepEnded(turn=TURN, step=step), seq=seq) for seq, step in enumerate(steps)]
    return drawn(shown(records).moments)


def drawn(moments):
    return [
        (moment.index, drawn(moment.moments))
        if isinstance(moment, Round)
        else [moment.id, *drawn(moment.moments)]
        if moment.moments
        else moment.id
        for moment in moments
    ]


def test_steps_stand_in_the_order_in_which_they_began():
    """Not in that in which they were recorded, which is that of their ends."""
    assert tree(node(3), node(1), node(2)) == ["s1", "s2", "s3"]


def test_where_times_tie_difys_order_counts():
    start = TURN.started_at
    steps = [samples.node_step(TURN, n, id=f"s{n}", started_at=start, ended_at=start) for n in (3, 1, 2)]
    assert tree(*steps) == ["s1", "s2", "s3"]


def test_children_stand_inside_of_their_iteration_round_by_round():
    """Also where the rounds ran side by side."""
    found = tree(
        node(1, "iteration"),
        node(2, parent="s1", iteration_index=0),
        node(3, parent="s1", iteration_index=1),
        node(4, parent="s1", iteration_index=0),
        node(5, parent="s1"),
        node(6),
    )
    assert found == [["s1", "s5", (0, ["s2", "s4"]), (1, ["s3"])], "s6"]


def test_a_loop_inside_of_an_iteration_counts_its_own_rounds():
    """Dify gives the innermost steps the index of both."""
    found = tree(
        node(1, "iteration"),
        node(2, "loop", parent="s1", iteration_index=4),
        node(3, parent="s2", iteration_index=4, loop_index=0),
        node(4, parent="s2", iteration_index=4, loop_index=1),
    )
    assert found == [["s1", (4, [["s2", (0, ["s3"]), (1, ["s4"])]])]]


def test_a_child_of_a_loop_whose_type_is_not_known_has_the_index_that_it_has():
    assert tree(node(1, "other"), node(2, parent="s1", loop_index=3)) == [["s1", (3, ["s2"])]]


def test_a_step_whose_parent_is_missing_stands_at_the_top():
    assert tree(node(1), node(2, parent="lost")) == ["s1", "s2"]


def test_parents_in_a_circle_hide_nothing():
    found = tree(node(1, parent="s2"), node(2, parent="s1"), node(3, parent="s3"), node(4, parent="s1"))
    assert found == ["s1", "s2", "s3", "s4"]


def test_too_deep_a_nesting_is_cut():
    """So that no data can exhaust the stack of whoever walks the tree."""
    steps = [node(1), *(node(n, parent=f"s{n - 1}") for n in range(2, 60))]
    records = [samples.recorded(StepEnded(turn=TURN, step=step)) for step in steps]
    moments = shown(records).moments
    assert depth(moments) == DEEPEST
    assert len(list(steps_in(moments))) == 59


def depth(moments):
    return max((1 + depth(moment.moments) for moment in moments if isinstance(moment, Step)), default=0)
