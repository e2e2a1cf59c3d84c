"""Rows that no Dify should write, and that will come all the same: nothing raises, nothing stops the rest."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from monitor.model import StepEnded, TurnEnded
from monitor.model.ids import span_id
from monitor.normalise.rows import AgentTool, GraphNode, MessageRow, NodeRow, RunRow, ThoughtRow, TurnRows
from monitor.normalise.turns import ref_of, single_step_events, turn_events

_NASTY = st.sampled_from(
    [
        '{"a": "\\u0000"}', '{"a": "\\ud83d"}', "{", "null", "[]", '"x"', "NaN", '{"a": 1e999}', "[" * 3000, "\x1b[2J\x07",
        "\u202edlrow", "订单", "😀", '{"tool": {"time_cost": "x", "error": 5, "tool_config": []}}', "0E-7", "-1", "infinity",
        '{"iteration_id": 5, "loop_id": ["x"], "tool_info": "no", "total_tokens": -3, "total_price": "1e400"}',
        '{"usage": {"prompt_tokens": "many", "completion_tokens": 1e30, "total_price": null}}', "{}", "",
    ]
)  # fmt: skip
_text = st.one_of(_NASTY, st.text(max_size=30))
_maybe = st.none() | _text
_us = st.one_of(
    st.integers(0, 4_102_444_800_000_000), st.sampled_from([0, -1, 2**62, -(2**62), 9_000_000_000_000_000_000])
)
_ids = st.sampled_from([f"a1f0c2de-0000-4000-8000-00000000000{n}" for n in range(4)])
_node_ids = st.sampled_from([f"b1f0c2de-0000-4000-8000-00000000000{n}" for n in range(5)])
_count = st.none() | st.integers(-5, 2**40)

_messages = st.builds(
    MessageRow, id=_ids, app_id=_ids, tenant_id=_maybe, app_name=_maybe, mode=_maybe, conversation_id=_maybe, run_id=_maybe,
    created_us=_us, status=_text, error=_maybe, latency_s=st.floats(allow_nan=True, allow_infinity=True), query=_maybe,
    inputs=_maybe, answer=_maybe, prompt=_maybe, model_provider=_maybe, model_id=_maybe, input_tokens=st.integers(-5, 2**31),
    output_tokens=st.integers(-5, 2**31), price=_maybe, currency=_maybe, metadata=_maybe, invoke_from=_maybe,
    end_user_id=_maybe, account_id=_maybe, session_id=_maybe, model_config_id=_maybe,
)  # fmt: skip
_thoughts = st.builds(
    ThoughtRow, id=_ids, message_id=_ids, position=st.integers(-3, 50), created_us=_us, thought=_maybe, answer=_maybe,
    tool=st.none() | st.sampled_from(["", "a", "a;a", "a;b;;c", "dataset_x", ";", "tool"]) | _text, tool_input=_maybe,
    tool_meta=_maybe, observation=_maybe, input_tokens=_count, output_tokens=_count, total_tokens=_count, price=_maybe,
    currency=_maybe,
)  # fmt: skip
_runs = st.builds(
    RunRow, id=_ids, tenant_id=_ids, app_id=_ids, app_name=_maybe, mode=_maybe, workflow_id=_ids, version=_text, type=_text,
    triggered_from=_text, status=st.sampled_from(["running", "succeeded", "failed", "stopped", "paused", "?"]), created_us=_us,
    finished_us=st.none() | _us, error=_maybe, inputs=_maybe, outputs=_maybe, total_tokens=_count, created_by=_text,
    session_id=_maybe,
)  # fmt: skip
_nodes = st.builds(
    NodeRow, id=_node_ids, run_id=_ids, tenant_id=_ids, app_id=_ids, workflow_id=_ids, node_execution_id=_maybe,
    node_id=st.sampled_from(["iter", "n1", "n2"]) | _text,
    node_type=st.sampled_from(["llm", "tool", "iteration", "loop", "agent", "knowledge-retrieval", "http-request", "?"]),
    title=_text, index=st.integers(-2, 99), predecessor=_maybe,
    status=st.sampled_from(["running", "succeeded", "failed", "exception", "retry", "?"]), error=_maybe,
    elapsed_s=st.none() | st.floats(), created_us=_us, finished_us=st.none() | _us, inputs=_maybe, process_data=_maybe,
    outputs=_maybe, metadata=_maybe,
)  # fmt: skip
_graphs = st.dictionaries(st.sampled_from(["iter", "n1", "n2"]), st.builds(GraphNode, tool=_text, parent=_text))
_tools = st.dictionaries(_text, st.builds(AgentTool, name=_text))


@st.composite
def _turn_rows(draw: st.DrawFn) -> TurnRows:
    message = draw(st.none() | _messages)
    return TurnRows(
        message=message,
        thoughts=draw(st.lists(_thoughts, max_size=4, unique_by=(lambda row: row.id, lambda row: row.position))),
        run=draw(_runs if message is None else st.none() | _runs),
        nodes=draw(st.lists(_nodes, max_size=4, unique_by=lambda row: row.id)),
        graph=draw(_graphs),
        agent_tools=draw(_tools),
    )


@st.composite
def _any_node(draw: st.DrawFn) -> NodeRow:
    return draw(_nodes)


_rows = _turn_rows()


@given(rows=_rows, ended=st.sampled_from(["no", "final", "abandoned"]))
def test_any_rows_become_well_formed_events(rows: TurnRows, ended: str) -> None:
    events = turn_events(ref_of(rows, lambda user: user), rows, ended)  # type: ignore[arg-type]
    for event in events:
        assert msgspec.json.decode(msgspec.json.encode(event))
        assert "\x00" not in "".join(event.content.values())
        body = event.body
        if isinstance(body, StepEnded):
            assert 0 <= body.step.started_at <= body.step.ended_at < 2**63
            assert int(span_id(body.turn.turn_id, body.step.kind, body.step.id), 16)
        if isinstance(body, TurnEnded):
            steps = [each.body.step for each in events if isinstance(each.body, StepEnded)]
            assert all(body.started_at <= step.started_at and step.ended_at <= body.ended_at for step in steps)
            assert 0 <= body.started_at <= body.ended_at < 2**63
            assert set(body.steps) == {step.id for step in steps}


@given(rows=_rows, ended=st.sampled_from(["no", "final", "abandoned"]))
def test_the_same_rows_tell_the_same(rows: TurnRows, ended: str) -> None:
    def told() -> bytes:
        return msgspec.json.encode(turn_events(ref_of(rows, lambda user: user), rows, ended))  # type: ignore[arg-type]

    assert told() == told()


@given(rows=_rows)
def test_what_is_told_of_an_open_turn_is_told_again_at_its_end(rows: TurnRows) -> None:
    """Steps told early and unmarked stand in the end under the same key, with the same outcome."""
    ref = ref_of(rows, lambda user: user)
    early = {event.key: event for event in turn_events(ref, rows, "no")}
    late = {event.key: event for event in turn_events(ref, rows, "final")}
    assert early.keys() <= late.keys()
    for key, event in early.items():
        if isinstance(event.body, StepEnded) and not event.body.step.provisional:
            assert late[key].body == event.body


@given(node=_any_node())
def test_any_single_step_is_told_or_waits(node: NodeRow) -> None:
    ref = ref_of(TurnRows(run=_any_run()), lambda user: user)
    assert len(single_step_events(ref, node, {})) <= 1


def _any_run() -> RunRow:
    return RunRow(
        id="a1f0c2de-0000-4000-8000-000000000009", tenant_id="t", app_id="a", app_name=None, mode=None, workflow_id="w",
        version="1", type="workflow", triggered_from="debugging", status="succeeded", created_us=1, finished_us=2,
        error=None, inputs=None, outputs=None, total_tokens=None, created_by="x", session_id=None,
    )  # fmt: skip
