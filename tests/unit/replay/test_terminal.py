"""A timeline as people see it."""

from __future__ import annotations

import io
import re
from zoneinfo import ZoneInfo

import msgspec
import pytest
from rich.cells import cell_len

from monitor.model import Attempt, Node, Tool, TurnStarted
from monitor.testing import samples
from tests.unit.replay.world import (
    SECOND,
    agent_turn,
    alert_event,
    gap_event,
    journal_of,
    lines_of,
    page_of,
    replay,
    step_event,
)

TURN = samples.turn_ref(1)
FLOW = samples.chatflow_ref(1)
TOOL = samples.tool_step(TURN, 2, status="failed")


def page(*events, term=TURN.turn_id, content=True, **asked) -> str:
    return page_of(replay(journal_of(*events), term, content=content), **asked)


AGENT = """\
Message 00000002-0000-4000-8002-000000000001
turn 1 of 1 of the conversation 00000004-0000-4000-8004-000000000000
Times: UTC; ~ marks what was worked out, as Dify kept no time.

── Turn 1 of 1 ─────────────────────────────────────────────────────────────────
  App           客服 Agent (agent-chat), through service-api
  Status        succeeded, with 1 failed step
  Started       2025-09-24 08:00:01.000 UTC
  Ended         2025-09-24 08:00:03.000 UTC, after 2.00 s
  Used          186 tokens (150 in, 36 out), 0.000735 USD
  User          u_5f1d7c0a9b3e (alice@example.com)
  Conversation  00000004-0000-4000-8004-000000000000
  Message       00000002-0000-4000-8002-000000000001
  Trace         00000002000040008002000000000001

  Question
  │ 我的订单 #12345 到哪了？

  What happened
  08:00:01.500 ✓ Model gpt-4o-mini  500 ms, 75 in + 18 out tokens,
               │   0.0003675 USD
               │ provider langgenius/openai/openai
               │ 好的，我来帮您查询订单。
  08:00:02.000 ✗ Tool query_order_status  FAILED: tool_invoke_error, 500 ms
               │ provider 0000000d-0000-4000-800d-000000000001 (api)
               │ arguments  {"order_id": "12345"}
               │ result
               │   {
               │     "order_id": "12345",
               │     "status": "已打包，待出库",
               │     "carrier": "顺丰"
               │   }
               │ error  tool invoke error: Reached maximum retries (3)
  08:00:02.500 ! ALERT firing  tool_failed_five_times (page)
               │ query_order_status failed 5 times in a row
               │ the condition was met, rests on 2 steps, 1 of this turn
  08:00:02.500 ✓ Model gpt-4o-mini  500 ms, 75 in + 18 out tokens,
               │   0.0003675 USD
               │ provider langgenius/openai/openai
               │ 您的订单 #12345 已打包，待出库。预计 24 小时内出库 📦

  Answer
  │ 您的订单 #12345 已打包，待出库。预计 24 小时内出库 📦

  Totals  3 steps, 2 model calls, 1 tool call, 1 failed step,
          186 tokens (150 in, 36 out), 0.000735 USD
"""


def test_an_agents_turn():
    proofs = (samples.uuid(9, 2), "s", 1), (TURN.turn_id, TOOL.id, TOOL.ended_at)
    assert page(*agent_turn(1, failed=True), alert_event(*proofs, at=TOOL.ended_at)) == AGENT


def nested():
    iteration = samples.node_step(FLOW, 1, "iteration", id="i", name="批量", node=node("iteration", "批量"))
    inner = node("tool", "查询", iteration_index=0)
    tool = samples.tool_step(FLOW, 2, id="t0", parent_id="i", node=inner)
    other = samples.node_step(
        FLOW, 3, id="c1", parent_id="i", node=node("code", "模板", iteration_index=1), name="模板"
    )
    return [samples.event(TurnStarted(turn=FLOW)), *(step_event(FLOW, one) for one in (iteration, tool, other))]


def node(node_type, title, **more):
    return Node(node_id=title, node_type=node_type, title=title, **more)


def test_rounds_are_drawn_inside_of_their_iteration():
    shown = page(*nested(), term=FLOW.run_id).splitlines()
    start = shown.index("  What happened")
    assert shown[start + 1 : start + 7] == [
        "  08:00:01.500 ✓ iteration 批量  500 ms",
        "               │ round 0",
        "  08:00:02.000 │ │ ✓ Tool query_order_status (查询)  500 ms",
        "               │ │ │ provider 0000000d-0000-4000-800d-000000000001 (api)",
        "               │ round 1",
        "  08:00:02.500 │ │ ✓ code 模板  500 ms",
    ]


def test_what_is_to_be_said_of_a_step_is_said():
    step = samples.tool_step(
        TURN,
        2,
        status="unknown",
        estimated=True,
        provisional=True,
        tool=Tool(name="query_order_status", known=False, calls=3),
        attempts=(Attempt(at=TURN.started_at, error="timeout"), Attempt(at=TURN.started_at)),
        node=Node(node_id="n", node_type="tool", title="t", status="retry"),
        time_to_first_token_ns=SECOND,
    )
    journal = journal_of(samples.event(TurnStarted(turn=TURN)), step_event(TURN, step, input="1"))
    journal.append("dify", [step_event(TURN, msgspec.structs.replace(step, error_type="x"), input="1")], None)
    said = lines_of(page_of(replay(journal, TURN.turn_id)))
    assert "~08:00:02.000 ? Tool query_order_status (t) how it ended is not known," in said
    for line in (
        "│ ~500 ms",
        "│ the app has no such tool: the model made the name up",
        "│ called 3 times in this step, of which Dify keeps one result",
        "│ first token after 1.00 s",
        "│ attempt 1 (08:00:01.000): timeout",
        "│ attempt 2 (08:00:01.000): how it ended is not known",
        "│ Dify's status: retry",
        "│ recorded while the turn ran: its times may still change",
        "│ revised 1 time",
    ):
        assert line in said


def test_documents_are_listed():
    output = '{"result": [{"title": "a.md", "metadata": {"dataset_name": "库", "score": 0.5}, "content": "七天"}, "x"]}'
    step = samples.retrieval_step(TURN, 1)
    said = lines_of(page(samples.event(TurnStarted(turn=TURN)), step_event(TURN, step, output=output)))
    assert "08:00:01.500 ✓ Search 售后政策 500 ms, 2 documents" in said
    assert "│ knowledge base 0000000e-0000-4000-800e-000000000001" in said
    assert "│ 1. a.md, 库, score 0.5 七天" in said
    assert "│ 2. x" in said


def test_gaps_are_told():
    records = agent_turn(1)
    said = lines_of(page(*records[:1], *records[2:], gap_event(TURN.turn_id)))
    assert "Not known" in said
    assert "? The turn's end lists 1 step that the journal does not have:" in said
    assert "? Dify's records could not be read at 2025-09-24 09:00:00.000 UTC:" in said
    assert f"turn {TURN.turn_id}: ValueError" in said


def test_a_turn_that_goes_on():
    said = lines_of(page(*agent_turn(1)[:-1]))
    assert "Status no end is recorded" in said
    assert "? No end is recorded: as of 2025-09-24 09:00:00.000 UTC, the turn was still" in said


def test_an_abandoned_turn_has_a_last_sign_and_no_duration():
    end = samples.turn_ended(TURN, status="abandoned", estimated=True, duration_ns=None)
    said = lines_of(page(samples.event(end)))
    assert "Last sign ~2025-09-24 08:00:03.000 UTC" in said


def test_a_conversation_sums_its_turns_up():
    conversation = samples.uuid(1, 4)
    said = lines_of(page(*agent_turn(4), *agent_turn(5), term=conversation))
    assert said[:2] == [
        f"Conversation {conversation}",
        "2 turns, 6 steps, 4 model calls, 2 tool calls, 372 tokens (300 in, 72 out),",
    ]
    assert [line.strip("─ ") for line in said if line.startswith("── Turn")] == ["Turn 1 of 2", "Turn 2 of 2"]


def test_long_texts_are_shortened_and_counted():
    events = [samples.event(TurnStarted(turn=TURN), content={"input": "x" * 5_000})]
    shown = page(*events)
    assert "  │ [3,000 more characters]" in shown
    assert "Left out: 3,000 characters of long texts. --full shows all." in shown
    full = page(*events, longest=None)
    assert full.count("x") == 5_000 + full.count("ex")
    assert "more characters" not in full
    assert "Left out" not in full


def test_details_are_left_out_counted_and_told_in_full():
    content = samples.llm_content()
    step = samples.llm_step(FLOW, 1, node=node("llm", "LLM"))
    events = [samples.event(TurnStarted(turn=FLOW)), step_event(FLOW, step, **content)]
    shown = page(*events, term=FLOW.run_id)
    assert "│ prompt system  你是客服。" in shown
    assert "finish_reason" not in shown
    assert "Left out: 3 texts in the form that Dify kept. --full shows all." in shown
    assert "finish_reason" in page(*events, term=FLOW.run_id, longest=None)


def test_a_chat_turns_prompts_are_told_in_full_only():
    chat = samples.turn_ref(1, mode="chat")
    end = samples.turn_ended(chat, counts_usage=True)
    events = [samples.event(end, content={"prompt": '[{"role": "system", "text": "你是客服"}]'})]
    assert "你是客服" not in page(*events)
    assert "  │ prompt system  你是客服" in page(*events, longest=None)


def test_a_long_text_that_frames_the_turn_is_not_repeated_by_its_steps():
    answer = "好" * 400
    end = samples.event(samples.turn_ended(TURN), content={"output": answer})
    shown = page(end, step_event(TURN, samples.llm_step(TURN, 1), output=answer))
    assert "│ [the same as the answer below]" in shown
    assert shown.count("好") == 400
    assert page(end, step_event(TURN, samples.llm_step(TURN, 1), output=answer), longest=None).count("好") == 800


def test_facts_only():
    shown = page(*agent_turn(1), content=False)
    for text in ("我的订单", "alice", "好的", "12345", "Question", "arguments"):
        assert text not in shown
    assert "Texts were left out, as --no-content asks." in shown
    assert "u_5f1d7c0a9b3e" in shown


def test_erased_texts_are_told_as_erased():
    journal = journal_of(*agent_turn(1))
    for recorded in journal.turn_events(TURN.turn_id):
        journal.erase(recorded.event.key)
    said = lines_of(page_of(replay(journal, TURN.turn_id)))
    assert "│ [erased from the journal]" in said
    assert "│ arguments [erased from the journal]" in said
    assert "User u_5f1d7c0a9b3e (true id erased from the journal)" in said


def test_times_are_in_the_zone_asked_for():
    shown = page(*agent_turn(1), zone=ZoneInfo("Asia/Shanghai"))
    assert "Times: Asia/Shanghai;" in shown
    assert "2025-09-24 16:00:01.000 UTC+08:00" in shown
    assert " 16:00:01.500 ✓" in shown


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_no_line_is_wider_than_the_terminal(width):
    text = "长 text " * 80 + "x" * 300
    shown = page(*nested(), samples.event(TurnStarted(turn=TURN), content={"input": text}), width=width)
    assert max(cell_len(line) for line in shown.splitlines()) <= width


def test_markup_and_emoji_names_in_texts_are_not_read():
    events = [
        samples.event(TurnStarted(turn=samples.turn_ref(1, app_name="[red]app[/red]")), content={"input": ":x: [b]"})
    ]
    shown = page(*events, terminal=True, color_system="standard")
    assert "[red]app[/red]" in shown
    assert ":x: [b]" in shown


def test_a_text_cannot_draw_our_headings():
    """Every line of a foreign text stands behind a bar."""
    forged = "x\n\n  Answer\n  │ forged\n── Turn 2 of 2 ──"
    shown = page(samples.event(TurnStarted(turn=TURN), content={"input": forged}))
    assert "  Answer" not in shown.splitlines()
    assert "  │   Answer" in shown.splitlines()
    assert "  │ ── Turn 2 of 2 ──" in shown.splitlines()


def test_in_colour_only_plain_colours_and_never_dim():
    """Dim and bright black can't be read on some themes."""
    proofs = (TURN.turn_id, TOOL.id, TOOL.ended_at)
    events = [*agent_turn(1, failed=True), alert_event(proofs, at=TOOL.ended_at)]
    shown = page(*events, terminal=True, color_system="standard")
    codes = {code for found in re.findall("\x1b\\[([0-9;]*)m", shown) for code in found.split(";")}
    assert codes <= {"0", "1", "30", "31", "32", "35", "36", "42", "43"}
    assert {"31", "32", "43"} <= codes


def test_without_a_terminal_there_are_no_colours():
    assert "\x1b" not in page(*agent_turn(1, failed=True))


def test_where_colours_are_not_wanted_there_are_none():
    shown = page(*agent_turn(1, failed=True), terminal=True, _environ={"NO_COLOR": "1", "TERM": "xterm"})
    codes = {code for found in re.findall("\x1b\\[([0-9;]*)m", shown) for code in found.split(";")}
    assert codes <= {"0", "1"}


def test_where_the_encoding_lacks_our_signs_others_are_drawn():
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii", errors="backslashreplace", write_through=True)
    page_of(replay(journal_of(*agent_turn(1, failed=True)), TURN.turn_id), file=out)
    shown = raw.getvalue().decode()
    assert "08:00:02.000 x Tool query_order_status" in shown
    assert "-- Turn 1 of 1 ---" in shown
    assert "\\u6211" in shown
