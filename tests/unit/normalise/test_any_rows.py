"""Whatever the rows hold: nothing raises, the steps make a tree, and tokens are counted once."""

from __future__ import annotations

import json

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from monitor.model import StepEnded, TurnEnded
from monitor.normalise.rows import AgentTool, GraphNode, ResourceRow
from monitor.normalise.soft import Soft, SoftFailure
from monitor.normalise.turns import ref_of, single_step_events, turn_events
from tests.unit.normalise.dify import RUN, message, node, run, thought, turn

_SOFT = Soft([SoftFailure(pattern="a"), SoftFailure(tool="N*", pattern="[0-9]")])

_odd = st.sampled_from([None, True, -1, 1e308, 10**400, "", "x", "\x00", "\ud83d", [], {}, [None], {"id": 5}])
_numbers = st.one_of(st.integers(-5, 50), st.floats(0, 9), st.floats(), _odd)
_texts = st.one_of(st.text(max_size=8), st.sampled_from(["tool invoke error: x", "ok", "Unknown error: 429"]), _odd)
_ids = st.sampled_from([f"e1f0c2de-0000-4000-8000-{n:012d}" for n in range(3)] + ["no uuid"]) | _odd
_tokens = st.sampled_from([0, 5, 10, 15, None, "7", -2])


def _some(**fields):
    """An object that may lack any of these."""
    return st.fixed_dictionaries({}, optional=fields)


_metadata = _some(
    started_at=_numbers, elapsed_time=_numbers, finished_at=_numbers, provider=_texts, total_tokens=_tokens,
    total_price=st.sampled_from(["0.001", 0.001, None, "x", float("nan")]), currency=st.sampled_from(["USD", "RMB", None, 5]),
)  # fmt: skip
_called = _some(
    tool_call_name=_texts, tool_call_input=_odd, tool_response=_texts, meta=_odd | _some(error=_texts, tool_config=_odd),
    llm_response=_texts,
)  # fmt: skip
_entries = _odd | _some(
    message_id=_ids, id=_ids, error=_texts, status=st.sampled_from(["success", "error", "start", None, 5]),
    label=st.sampled_from(["ROUND 1", "gpt Thought", "Thought", "CALL order", "CALL ", "A note", "", 5, None]),
    data=_odd | _some(output=_called | _texts, tool_name=_texts, tool_call_args=_odd, thought=_texts),
    metadata=_odd | _metadata, parent_id=_ids,
)  # fmt: skip
_hits = _odd | _some(
    dataset_id=_ids,
    dataset_name=_texts,
    document_id=_ids,
    segment_id=_ids,
    score=_numbers,
    position=_numbers,
    content=_texts,
)
_usages = _odd | _some(prompt_tokens=_tokens, completion_tokens=_tokens, total_tokens=_tokens, total_price=_texts)
_facts = _odd | _some(
    agent_log=_odd | st.lists(_entries, max_size=5), total_tokens=_tokens, total_price=st.sampled_from(["0.001", 0.002, None]),
    currency=st.just("USD"), iteration_id=st.sampled_from(["n1", "n2", None]), iteration_index=st.integers(0, 2), tool_info=_odd,
    loop_id=st.sampled_from(["n1", "n3", None]), loop_index=st.integers(0, 2),
)  # fmt: skip
_outputs = _odd | _some(
    json=_odd | st.lists(_entries, max_size=4), usage=_usages, text=_texts, status_code=_numbers | st.integers(100, 599),
    result=_odd | st.lists(_hits | _some(metadata=_hits, title=_texts), max_size=3), error_type=_texts,
)  # fmt: skip
_types = ["agent", "llm", "tool", "knowledge-retrieval", "http-request", "iteration", "loop", "code", "?"]


@st.composite
def _nodes(draw, number):
    began = draw(st.floats(0, 9))
    return node(
        number, began, draw(st.none() | st.floats(0, 20)), node_id=f"n{number}", node_type=draw(st.sampled_from(_types)),
        status=draw(st.sampled_from(["succeeded", "succeeded", "failed", "exception", "running", "paused", "retry"])),
        error=draw(st.sampled_from([None, "Stopped by user.", "status code 503", "Run failed: moderation"])),
        metadata=json.dumps(draw(_facts)), outputs=json.dumps(draw(_outputs)), predecessor=draw(st.sampled_from(["n1", None])),
        process_data=json.dumps(draw(_odd | _some(request=_texts, usage=_usages, __dify_retry_history=_odd))),
        truncated=draw(st.sampled_from([(), ("outputs",), ("process_data", "inputs")])),
    )  # fmt: skip


_thoughts = st.builds(
    thought,
    at=st.floats(0, 9), position=st.integers(1, 4), tool=st.sampled_from([None, "a", "a;b", "dataset_x"]),
    tool_meta=st.sampled_from(["{}", '{"a": {"time_cost": 1, "error": "x"}}']), observation=st.sampled_from([None, "x", "{}"]),
    answer=st.sampled_from(["", "x"]), input_tokens=_tokens, output_tokens=_tokens, total_tokens=_tokens,
)  # fmt: skip
_resources = st.builds(
    ResourceRow, message_id=st.just("m"), position=st.integers(-1, 3), dataset_id=st.sampled_from(["d", "x"]),
    dataset_name=st.none(), document_id=st.none(), document_name=st.none(), segment_id=st.none(),
    score=st.none() | st.floats(), content=st.none() | st.text(max_size=5),
)  # fmt: skip
_graphs = st.dictionaries(
    st.sampled_from(["n1", "n2", "n3"]),
    st.builds(
        GraphNode, parent=st.sampled_from(["", "n1", "n2"]), tools=st.just({"order": AgentTool("order", "shop", "api")})
    ),
)


@st.composite
def _rows(draw):
    kept = {
        "annotation_reply": draw(_odd),
        "usage": draw(_usages),
        "retriever_resources": draw(_odd | st.lists(_hits, max_size=4)),
    }
    asked = message(
        mode=draw(st.sampled_from(["chat", "completion", "agent-chat", "advanced-chat", "agent", None])), latency_s=draw(st.floats(0, 9)),
        status=draw(st.sampled_from(["normal", "error", "paused"])), metadata=json.dumps(kept), run_id=draw(st.sampled_from([None, RUN])),
        input_tokens=draw(st.integers(0, 20)), output_tokens=draw(st.integers(0, 20)), answer=draw(st.sampled_from(["", "x"])),
    )  # fmt: skip
    ran = run(0, draw(st.none() | st.floats(0, 20)), total_tokens=draw(st.sampled_from([0, 15, None])))
    rows = draw(st.sampled_from([(asked, None), (None, ran), (asked, ran)]))
    return turn(
        message=rows[0], run=rows[1], nodes=[draw(_nodes(n)) for n in range(1, draw(st.integers(1, 4)))], graph=draw(_graphs),
        thoughts=draw(st.lists(_thoughts, max_size=3, unique_by=lambda row: row.position)),
        resources=draw(st.lists(_resources, max_size=3)), config_hash="0123456789abcdef",
    )  # fmt: skip


def _told(rows, ended):
    return turn_events(ref_of(rows, lambda user: user), rows, ended, _SOFT)


def _steps(events):
    return [event.body.step for event in events if isinstance(event.body, StepEnded)]


@given(rows=_rows(), ended=st.sampled_from(["no", "final", "abandoned"]))
def test_any_rows_are_told_and_can_be_stored(rows, ended):
    for event in _told(rows, ended):
        assert msgspec.json.decode(msgspec.json.encode(event), type=type(event)) == event
        assert all(text and "\x00" not in text for text in event.content.values())


@given(rows=_rows(), ended=st.sampled_from(["final", "abandoned"]))
def test_steps_make_a_tree_and_an_agents_steps_lie_within_it(rows, ended):
    events = _told(rows, ended)
    steps = {step.id: step for step in _steps(events)}
    (end,) = [event.body for event in events if isinstance(event.body, TurnEnded)]
    assert len(steps) == len(_steps(events)) == len(end.steps)
    for step in steps.values():
        assert end.started_at <= step.started_at <= step.ended_at <= end.ended_at
        assert step.parent_id == "" or step.parent_id in steps
        parent = steps.get(step.parent_id)
        if parent is not None and parent.kind == "agent":
            assert parent.started_at <= step.started_at <= step.ended_at <= parent.ended_at


@given(rows=_rows())
def test_tokens_are_counted_once(rows):
    """At the steps or at the turn's end, never at both; an agent's at its model calls or at its node."""
    events = _told(rows, "final")
    end, steps = events[-1].body, _steps(events)
    spending = [step for step in steps if step.usage is not None]
    assert not (end.counts_usage and spending)
    assert all(step.kind in {"llm", "agent", "retrieval"} for step in spending)
    parents = {step.parent_id for step in spending if step.node is None}
    assert not parents & {step.id for step in spending}
    if rows.run is not None and spending and end.usage is not None:
        assert end.usage.total_tokens == sum(step.usage.total_tokens for step in spending)


@given(rows=_rows())
def test_what_was_told_early_is_told_again_at_the_end(rows):
    early = {event.key: event for event in _told(rows, "no")}
    late = {event.key: event for event in _told(rows, "final")}
    for key, event in early.items():
        if not (isinstance(event.body, StepEnded) and event.body.step.provisional):
            assert late[key].body == event.body


@given(row=_nodes(1), graph=_graphs)
def test_a_node_tried_out_alone_is_told_with_what_is_inside_of_it(row, graph):
    steps = _steps(single_step_events(ref_of(turn(run=run(0)), str), row, graph, _SOFT))
    assert not steps or [step.id for step in steps if not step.parent_id] == [row.id]
    assert {step.parent_id for step in steps} <= {"", row.id}
