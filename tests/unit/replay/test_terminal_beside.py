"""What people see of a turn beside its steps: what was live, who thought what of it, who was asked, what is gone."""

from __future__ import annotations

import pytest

from monitor.model import (
    AnnotationMade,
    AppRef,
    ConfigChanged,
    ContentDeleted,
    Event,
    FeedbackGiven,
    FeedbackWithdrawn,
    FormChanged,
    Hit,
    Node,
    SourceGap,
    TriggerLogged,
    TurnStarted,
)
from monitor.testing import samples
from tests.unit.replay.world import agent_turn, journal_of, lines_of, page_of, replay, step_event

SECOND = samples.SECOND
TURN = samples.turn_ref(1)
FLOW = samples.chatflow_ref(1)
APP = AppRef(TURN.tenant_id, TURN.app_id)
DONE = TURN.started_at + 2 * SECOND


def note(body, after_s=60, number=0, **content):
    at = DONE + after_s * SECOND
    return Event(f"{TURN.turn_id}:note:{type(body).__name__}:{number}", 40, at, at, body, content)


def page(*events, term=TURN.turn_id, content=True, **asked) -> str:
    return page_of(replay(journal_of(*events), term, content=content), **asked)


def flow(*events, width=80, **ended):
    end = samples.event(samples.turn_ended(FLOW, **ended))
    return page(samples.event(TurnStarted(turn=FLOW)), *events, end, term=FLOW.run_id, width=width)


AFTERWARDS = """\
  Afterwards
  08:01:03.000 • Feedback  dislike  by the end user u_1 (alice)
               │ comment  查不到订单
  08:02:03.000 • Feedback  like instead of dislike  by the end user u_1 (alice)
 ~08:03:03.000 • Feedback  like withdrawn  by the end user u_1 (alice)
  08:04:03.000 • Annotation  made of this turn, to answer its question from
               │   then on
               │   by u_2
               │ question  到哪了？
               │ answer  请在“我的订单”查看
  on 2025-09-26
 ~08:00:03.000 • In Dify  no longer there: its conversation or message was
               │   deleted
"""


def test_what_came_of_a_turn_afterwards():
    """Times are those of the day; another day is named."""
    shown = page(
        *agent_turn(1),
        note(FeedbackGiven(TURN, "f", "dislike", "user", "u_1"), user="alice", comment="查不到订单"),
        note(FeedbackGiven(TURN, "f", "like", "user", "u_1", "dislike"), 120, number=1, user="alice"),
        note(FeedbackWithdrawn(TURN, "f", "like", "user"), 180),
        note(
            AnnotationMade(APP, "a", TURN.message_id, TURN.turn_id, "u_2"),
            240,
            question="到哪了？",
            answer="请在“我的订单”查看",
        ),
        note(ContentDeleted(TURN.turn_id, TURN.tenant_id, TURN.app_id), 2 * 86_400),
    )
    assert shown[shown.index("  Afterwards") : shown.index("\n  Totals")] == AFTERWARDS
    assert "  In Dify       deleted; what is shown here was recorded before" in shown.splitlines()


@pytest.mark.parametrize(("how", "said"), [("hidden", "marked as deleted"), ("aged", "taken by Dify's clean-up")])
def test_what_became_of_it_in_dify(how, said):
    shown = page(*agent_turn(1), note(ContentDeleted(TURN.turn_id, "", "", how=how)))
    assert f"In Dify {said}; what is shown here was recorded before" in lines_of(shown)


def config(number, hash_, at, **changes):
    body = ConfigChanged(APP, f"c{number}", hash_, **changes)
    content = {
        "prompt": f"提示词 {number}",
        "config": f'{{"pre_prompt": "{number}"}}',
        "note": "春季版",
        "user": "admin-1",
    }
    return Event(f"app:{TURN.app_id}:config:c{number}:0", 40, at, at, body, content)


def under(number, hash_):
    ref = samples.turn_ref(number, config_hash=hash_, tenant_name="电商部")
    return samples.event(TurnStarted(turn=ref), content={"input": "?", "user": "alice", "user_name": "爱丽丝"})


CONFIGS = (
    config(1, "aaaa", samples.BASE_NS - SECOND, user="u_2", model_name="gpt-4o", model_provider="openai"),
    config(2, "bbbb", samples.BASE_NS, was="aaaa", what=("prompt", "tools"), user="u_2"),
)


def test_what_was_live_is_told_once_and_a_change_is_named():
    said = lines_of(page(*CONFIGS, under(4, "aaaa"), under(5, "aaaa"), under(6, "bbbb"), term=samples.uuid(1, 4)))
    since = "in force since 2025-09-24 07:59:59.000 UTC"
    assert said.count(f"Config aaaa, {since}") == 2
    changed = "Config bbbb, in force since 2025-09-24 08:00:00.000 UTC, the turn before ran under another"
    assert changed in " ".join(said)
    assert said.count("│ prompt 提示词 1") == said.count("│ prompt 提示词 2") == 1
    assert {"│ set up by u_2 (admin-1)", "│ model gpt-4o (openai)", "│ changed then: prompt, tools"} <= set(said)
    assert "│ note 春季版" in said
    assert not [line for line in said if "pre_prompt" in line]
    assert "Workspace 电商部 (0000000a-0000-4000-800a-000000000001)" in said
    assert "User u_5f1d7c0a9b3e (alice, 爱丽丝)" in said


def test_all_of_a_configuration_is_told_where_all_is_asked_for():
    said = lines_of(page(*CONFIGS, under(4, "aaaa"), term=samples.uuid(1, 4), longest=None))
    assert '│ config {"pre_prompt": "1"}' in said


def test_a_configuration_that_is_not_recorded_is_named_as_such():
    said = lines_of(page(under(4, "cccc"), term=samples.uuid(1, 4)))
    assert "Config cccc, what it was is not recorded" in said


def test_without_content_a_configuration_has_its_facts():
    shown = page(*CONFIGS, under(4, "aaaa"), term=samples.uuid(1, 4), content=False)
    assert "│ set up by u_2" in lines_of(shown)
    assert not {"提示词", "春季版", "admin-1", "爱丽丝"} & set(shown.split())


def test_a_debug_run_is_called_one():
    shown = page(samples.event(TurnStarted(turn=samples.turn_ref(1, invoke_from="debugger"))))
    assert "── Turn 1 of 1, debug run ──" in shown


def test_who_answered_in_the_models_place():
    said = lines_of(page(samples.event(samples.turn_ended(TURN, annotation_id="a1"))))
    assert "Answered by annotation a1, so that no model was asked" in said
    said = lines_of(page(samples.event(samples.turn_ended(TURN, moderated=True))))
    assert "Answered by a moderation, in the model's place or over its answer" in said


def test_tokens_that_disagree_are_told_with_both_sums():
    llm = step_event(TURN, samples.llm_step(TURN, 1, usage=samples.usage(40, 11)))
    said = lines_of(page(llm, samples.event(samples.turn_ended(TURN, tokens_disagree=True))))
    assert "Used 186 tokens (150 in, 36 out), 0.000735 USD, by Dify's own total;" in said
    assert "its steps come to 51 tokens" in said
    end = samples.turn_ended(TURN, tokens_disagree=True, usage=samples.usage(40, 11))
    assert "by its steps; Dify's own total is another" in " ".join(lines_of(page(llm, samples.event(end))))


def test_a_form_is_told_when_it_was_asked_and_when_answered():
    """Dify 1.13 and later: the run waits for a person, perhaps for days."""
    asks = samples.node_step(FLOW, 1, "human-input", name="审批", node=Node("n1", "human-input", "审批"))
    body = FormChanged(APP, "f", FLOW.turn_id, "n1", "waiting", expires_at=DONE + 600 * SECOND)
    waiting = note(body, 10, form="同意退款吗？")
    submitted = note(
        FormChanged(APP, "f", FLOW.turn_id, "n1", "submitted", "approve", "u_3"),
        90,
        1,
        form="同意退款吗？",
        user="boss",
    )
    shown = flow(step_event(FLOW, asks), waiting, submitted, ended_at=DONE + 100 * SECOND)
    start = shown.index("  08:00:13.000 • Form")
    assert shown[start:].splitlines()[:5] == [
        "  08:00:13.000 • Form 审批  waiting: a person was asked",
        "               │   until 2025-09-24 08:10:03.000 UTC",
        "               │ form  同意退款吗？",
        "  08:01:33.000 • Form 审批  submitted: a person answered  action approve,",
        "               │   by u_3 (boss)",
    ]


def test_the_trigger_stands_at_the_beginning():
    """Dify 1.10 and later: a schedule, a webhook or a plugin starts a run."""
    fired = note(TriggerLogged(APP, "t1", "trigger-webhook", "queued", FLOW.turn_id), -10, input='{"a": 1}')
    over = note(TriggerLogged(APP, "t1", "trigger-webhook", "succeeded", FLOW.turn_id, retries=1), 5, number=1)
    said = lines_of(flow(fired, over))
    assert "Started by trigger-webhook, log t1" in said
    assert said.index("07:59:53.000 • Trigger trigger-webhook queued") == said.index("What happened") + 1
    assert "08:00:08.000 • Trigger trigger-webhook succeeded tried again 1 time" in said


def test_a_failure_that_dify_calls_a_success():
    by_pattern = samples.tool_step(FLOW, 1, status="failed", soft=True, error_type="soft_failure", handled=True)
    by_answer = samples.tool_step(FLOW, 2, id="t2", status="failed", soft=True)
    said = lines_of(flow(step_event(FLOW, by_pattern), step_event(FLOW, by_answer)))
    assert "│ Dify called it a success; a pattern of the configuration says" in said
    assert "│ Dify called it a success; its answer says that it failed" in said


def test_an_http_status_and_what_was_cut_short():
    http = samples.http_step(FLOW, 1, http_status=503, truncated=("output", "process"))
    said = lines_of(flow(step_event(FLOW, http)))
    assert "08:00:01.500 ✓ HTTP 查询接口 (提取订单号) 500 ms, HTTP 503" in said
    assert "│ cut short by Dify before it was read: output, process" in said


def test_calls_inside_of_an_agent_node_stand_below_it():
    """And need not repeat its provider."""
    node = samples.node_step(FLOW, 1, "agent", kind="agent", id="n", model_provider="openai")
    call = samples.llm_step(FLOW, 2, parent_id="n", model_provider="openai")
    said = lines_of(flow(step_event(FLOW, node), step_event(FLOW, call)))
    assert "08:00:02.000 │ ✓ Model gpt-4o-mini 500 ms, 75 in + 18 out tokens," in said
    assert [line for line in said if "provider" in line] == ["│ provider openai"]


def hits(count):
    return tuple(Hit("d", f"doc{number}", f"seg{number}", 1 - number / 100, number) for number in range(1, count + 1))


def test_many_documents_are_folded_unless_all_are_asked_for():
    step = samples.retrieval_step(TURN, 1, hits=hits(20), documents=20)
    shown = page(step_event(TURN, step))
    assert "│ 1. score 0.99, document doc1, segment seg1" in lines_of(shown)
    assert "│ [15 more documents]" in lines_of(shown)
    assert "Left out: 15 entries of long lists. --full shows all." in lines_of(shown)
    assert "│ 20. score 0.8, document doc20, segment seg20" in lines_of(page(step_event(TURN, step), longest=None))


def test_a_search_that_is_known_by_an_id_is_called_by_its_knowledge_base():
    """Chats keep the name beside what was found."""
    step = samples.retrieval_step(TURN, 1, name="d", dataset_id="d", hits=hits(1))
    output = '[{"dataset_name": "售后政策", "document_name": "退货.md", "content": "七天"}]'
    said = lines_of(page(step_event(TURN, step, output=output)))
    assert "08:00:01.500 ✓ Search 售后政策 500 ms, 2 documents" in said
    assert "│ knowledge base d" in said
    assert "│ 1. 退货.md, score 0.99 七天" in said


def test_many_rounds_are_folded():
    iteration = samples.node_step(FLOW, 1, "iteration", id="i", name="批量", node=Node("i", "iteration", "批量"))
    inner = [
        step_event(FLOW, samples.node_step(FLOW, 2 + n, id=f"k{n}", parent_id="i", node=Node("c", "code", "c", iteration_index=n)))
        for n in range(40)
    ]  # fmt: skip
    said = lines_of(flow(step_event(FLOW, iteration), *inner))
    assert "│ [35 more rounds, up to round 39: 35 steps, all succeeded]" in said
    assert "│ round 4" in said
    assert "│ round 5" not in said


def test_a_stretch_that_could_not_be_read_says_from_when_to_when():
    body = SourceGap("message x", "gone", TURN.turn_id, since=TURN.started_at, until=DONE)
    said = lines_of(page(*agent_turn(1), note(body)))
    assert "message x: gone" in said
    assert "from 2025-09-24 08:00:01.000 UTC to 2025-09-24 08:00:03.000 UTC" in said


def test_an_agent_node_of_which_not_all_calls_are_told_says_so():
    agent = samples.node_step(FLOW, 1, "agent", id="a", name="助手", truncated=("output", "calls"))
    call = samples.tool_step(FLOW, 2, id="t", parent_id="a")
    said = lines_of(flow(step_event(FLOW, agent), step_event(FLOW, call), width=120))
    assert "│ of its log, only 1 call can be shown as steps; look for the others in its output" in said
    assert "│ cut short by Dify before it was read: output" in said
