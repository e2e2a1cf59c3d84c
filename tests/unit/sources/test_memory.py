"""The tables in memory answer what PostgreSQL would, and the rows of a turn are collected with all they refer to."""

from __future__ import annotations

import json
from hashlib import md5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.normalise.config_hash import config_hash
from monitor.sources.dify_database.candidate import Candidate
from monitor.sources.dify_database.fetch import turn_rows
from monitor.sources.dify_database.tables import Digest
from tests.unit.sources.world import DAY_US, Dify, S

MODEL = '{"provider": "openai", "name": "gpt-4o"}'
AGENT = '{"tools": [{"tool_name": "search", "provider_id": "p", "provider_type": "api"}]}'
GRAPH = '{"nodes": [{"id": "n", "data": {"type": "tool", "tool_name": "order_status"}}]}'


@pytest.fixture
def dify() -> Dify:
    world = Dify()
    world.rows |= {
        "tenants": {"t": {"id": "t", "name": "Sales"}},
        "end_users": {"u": {"id": "u", "session_id": "s-1", "name": "小李"}},
        "accounts": {"k": {"id": "k", "name": "Ada"}},
        "conversations": {},
        "app_model_configs": {
            "new": {"id": "new", "model": MODEL, "agent_mode": AGENT, "created_at": "2026-11-01 00:00:00"},
            "old": {"id": "old", "model": "{}", "pre_prompt": "be kind"},
        },
        "workflows": {
            "w": {"id": "w", "version": "1", "graph": GRAPH, "features": "{}", "created_at": "2026-11-01 00:00:00"},
            "draft": {"id": "draft", "version": "draft", "graph": "{}", "features": "{}"},
        },
        "dataset_retriever_resources": {},
        "workflow_node_execution_offload": {},
    }
    for app in ("chat", "agent-chat"):
        world.rows["apps"][app]["app_model_config_id"] = "new"
    world.rows["apps"]["advanced-chat"]["workflow_id"] = "w"
    return world


def _turn(dify, message="", run=""):
    (state,) = dify.tables.message_states([message]) if message else (None,)
    (run_state,) = dify.tables.run_states([run]) if run else (None,)
    candidate = Candidate(message=state, run=run_state)
    return turn_rows(dify.tables, [candidate])[candidate.name]


# -- the hash of the configuration


def test_a_run_has_the_hash_of_its_workflow(dify):
    run = dify.run(1)
    message = dify.message(1, app="advanced-chat", workflow_run_id=run)
    rows = _turn(dify, message, run)
    assert rows.config_hash == config_hash({"graph": GRAPH, "features": "{}"})
    assert rows.graph["n"].tool == "order_status"


def test_a_message_has_the_hash_of_what_its_conversation_began_with(dify):
    dify.rows["conversations"]["c"] = {"id": "c", "app_model_config_id": "old"}
    rows = _turn(dify, dify.message(1, conversation_id="c"))
    assert rows.config_hash == config_hash({"model": "{}", "pre_prompt": "be kind"})
    assert rows.agent_tools == {}


@pytest.mark.parametrize("conversation", [None, {"id": "c", "app_model_config_id": None}])
def test_else_that_of_its_app(dify, conversation):
    """The conversation was deleted, or names no configuration."""
    if conversation:
        dify.rows["conversations"]["c"] = conversation
    rows = _turn(dify, dify.message(1, app="agent-chat", conversation_id="c"))
    assert rows.config_hash == config_hash({"model": MODEL, "agent_mode": AGENT})
    assert rows.agent_tools["search"].provider_id == "p"


@pytest.mark.parametrize("created_at", ["2030-01-01 00:00:00", None])
@pytest.mark.parametrize(
    ("app", "table", "row"), [("chat", "app_model_configs", "new"), ("advanced-chat", "workflows", "w")]
)
def test_what_came_into_force_after_the_turn_began_says_nothing_of_it(dify, app, table, row, created_at):
    """Old turns that name no configuration, read today."""
    dify.rows[table][row]["created_at"] = created_at
    assert _turn(dify, dify.message(1, app=app)).config_hash == ""


TRIED = {"model": {"name": "gpt-4o", "provider": "openai"}, "agent_mode": {"tools": [{"tool_name": "tried"}]},
         "pre_prompt": "", "suggested_questions": [], "annotation_reply": {"enabled": False}}  # fmt: skip


@pytest.mark.parametrize("table", ["messages", "conversations"])
def test_a_debug_run_has_the_hash_and_the_tools_of_what_it_tried_out(dify, table):
    """Dify keeps the configuration that the editor sent as JSON in `override_model_configs`, whose keys are columns.

    Saved as it is, it has the same hash: Dify writes NULL for what is empty.
    """
    dify.rows["conversations"]["c"] = {"id": "c", "app_model_config_id": "old"}
    message = dify.message(1, app="agent-chat", conversation_id="c")
    dify.rows[table]["c" if table == "conversations" else message]["override_model_configs"] = json.dumps(TRIED)
    rows = _turn(dify, message)
    saved = {"model": MODEL, "agent_mode": json.dumps(TRIED["agent_mode"]), "pre_prompt": None}
    assert rows.config_hash == config_hash(saved)
    assert list(rows.agent_tools) == ["tried"]


@pytest.mark.parametrize("text", ["", "null", "[]", "{}", "no JSON", '{"file_upload": {"enabled": false}}'])
def test_an_override_that_is_no_configuration_is_none(dify, text):
    """A chatflow's conversation has its features there, whoever began it."""
    dify.rows["conversations"] |= {
        "c": {"id": "c", "app_model_config_id": "old", "override_model_configs": text},
        "f": {"id": "f", "app_model_config_id": None, "override_model_configs": text},
    }
    chat, flow = dify.message(1, conversation_id="c"), dify.message(2, app="advanced-chat", conversation_id="f")
    assert _turn(dify, chat).config_hash == config_hash({"model": "{}", "pre_prompt": "be kind"})
    assert _turn(dify, flow).config_hash == config_hash({"graph": GRAPH, "features": "{}"})


def test_a_configuration_that_is_gone_has_no_hash(dify):
    """Even where another message of the page is told with the configuration that the app has now."""
    dify.rows["conversations"]["c"] = {"id": "c", "app_model_config_id": "deleted"}
    states = dify.tables.message_states([dify.message(1, conversation_id="c"), dify.message(2)])
    found = turn_rows(dify.tables, [Candidate(message=state) for state in states])
    assert [bool(found[state.id].config_hash) for state in states] == [False, True]


def test_a_chatflow_s_message_without_a_run_has_its_published_workflow_s(dify):
    """As where an annotation answered: no run was begun."""
    rows = _turn(dify, dify.message(1, app="advanced-chat"))
    assert rows.config_hash == config_hash({"graph": GRAPH, "features": "{}"})


def test_where_nothing_is_known_it_is_empty(dify):
    del dify.rows["workflows"]["w"]
    assert _turn(dify, run=dify.run(1, app="workflow")).config_hash == ""
    assert _turn(dify, dify.message(1, app="nobody")).config_hash == ""


def test_a_run_is_never_given_its_app_s_hash(dify):
    """It ran what it ran; what the app has now says nothing of it."""
    assert _turn(dify, run=dify.run(1, workflow_id="deleted")).config_hash == ""


# -- what else belongs to a turn


@pytest.mark.parametrize(("app", "found"), [("chat", 2), ("agent-chat", 0), ("advanced-chat", 0)])
def test_hits_of_their_own_table_belong_to_chats_only(dify, app, found):
    """Up to Dify 1.2, for chat and completion apps; agents and chatflows keep theirs elsewhere."""
    message = dify.message(1, app=app)
    for number in (2, 1):
        dify.rows["dataset_retriever_resources"][f"r{number}"] = {
            "id": f"r{number}", "message_id": message, "position": str(number), "dataset_id": "d", "score": "0.5"
        }  # fmt: skip
    assert [hit.position for hit in _turn(dify, message).resources] == [1, 2][:found]


def test_names_stand_on_the_rows(dify):
    by_user = _turn(dify, dify.message(1, from_end_user_id="u")).message
    by_person = _turn(dify, dify.message(2, from_account_id="k")).message
    run = _turn(dify, run=dify.run(1, app="workflow", created_by="k")).run
    assert (by_user.tenant_name, by_user.user_name) == ("Sales", "小李")
    assert by_person.user_name == run.user_name == "Ada"
    assert run.tenant_name == "Sales"


def test_a_deleted_app_s_mode_is_the_message_s_own_or_its_conversation_s(dify):
    dify.rows["conversations"]["c"] = {"id": "c", "mode": "chat"}
    newer = dify.message(1, app="gone", app_mode="agent-chat", conversation_id="c")
    older = dify.message(2, app="gone", conversation_id="c")
    assert [state.mode for state in dify.tables.message_states([newer, older])] == ["agent-chat", "chat"]
    assert [row.mode for row in dify.tables.messages([newer, older])] == ["agent-chat", "chat"]


def test_a_pipeline_s_run_is_named_as_an_app_s(dify):
    """A knowledge pipeline (Dify 1.9 and later) stands in a table of its own, but its runs name it as their app."""
    dify.rows["pipelines"] = {"p": {"id": "p", "tenant_id": "t", "name": "Manuals"}}
    run = _turn(dify, run=dify.run(1, app="p", type="rag-pipeline")).run
    assert (run.app_name, run.mode) == ("Manuals", "rag-pipeline")
    assert dify.tables.apps()["p"].tenant_name == "Sales"


def test_shortened_columns_are_named_in_the_order_of_the_row(dify):
    run = dify.run(1)
    node = dify.node(1, run)
    for number, (owner, column) in enumerate([(node, "outputs"), (node, "inputs"), (None, "process_data")]):
        dify.rows["workflow_node_execution_offload"][str(number)] = {"node_execution_id": owner, "type": column}
    assert [each.truncated for each in _turn(dify, run=run).nodes] == [("inputs", "outputs")]


# -- comparing


@given(st.lists(st.tuples(st.sampled_from(["chat", "workflow"]), st.integers(0, 7_199)), max_size=30))
def test_digests_of_windows_add_up(rows):
    dify = Dify()
    for number, (app, second) in enumerate(rows):
        dify.message(number, app=app, created=second)
    hours = [dify.tables.digests("messages", DAY_US + at * S, DAY_US + (at + 3_600) * S) for at in (0, 3_600)]
    both = dify.tables.digests("messages", DAY_US, DAY_US + 7_200 * S)
    for app, digest in both.items():
        parts = [each.get(app, Digest(0, 0)) for each in hours]
        assert digest == Digest(sum(part.count for part in parts), sum(part.hash for part in parts))
    keys = {app: dify.tables.ids_between("messages", app, DAY_US, DAY_US + 7_200 * S) for app in both}
    assert sum(map(len, keys.values())) == len(rows)
    for app, found in keys.items():
        assert both[app].hash == sum(int(md5(key.id.encode()).hexdigest()[:15], 16) for key in found)
        assert list(found) == sorted(found, key=lambda key: (key.us, key.id))


def test_the_edges_of_a_window(dify):
    for number, second in enumerate((9, 10, 20)):
        dify.message(number, created=second)
    assert dify.tables.digests("messages", DAY_US + 10 * S, DAY_US + 20 * S)["chat"].count == 1
    assert dify.tables.oldest_us("messages") == DAY_US + 9 * S
    assert dify.tables.oldest_us("workflow_runs") is None


def test_without_an_index_new_runs_are_found_but_those_of_chatflows(dify):
    class Unindexed(type(dify.tables)):
        runs_indexed = False

    tables = Unindexed(dify.rows, lambda: DAY_US)
    dify.run(1, created=5)
    dify.run(2, app="workflow", created=6)
    dify.run(3, app="workflow", created=4)
    assert [key.us for key in tables.newest_run_keys(DAY_US + 5 * S, 10)] == [DAY_US + 6 * S]
    assert tables.oldest_us("workflow_runs") is None
    assert list(dify.tables.newest_run_keys(0, 10)) == []


def test_runs_that_are_kept_elsewhere(dify):
    dify.now = 1_000
    dify.message(1, app="advanced-chat", created=0, workflow_run_id="elsewhere")
    assert dify.tables.external_runs()
    dify.run(1)
    assert not dify.tables.external_runs()
    for number in range(2, 12):
        dify.message(number, app="advanced-chat", created=0, workflow_run_id=f"elsewhere {number}")
    assert dify.tables.external_runs()
    dify.now = 10
    assert not dify.tables.external_runs()


def test_nothing_is_kept_beside_the_turns(dify):
    assert dify.tables.ask("feedback_slice", after="", limit=5) == []
