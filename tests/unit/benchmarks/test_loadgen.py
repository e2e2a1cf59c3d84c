from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.backfill import Figures, Result, measure
from benchmarks.loadgen import fill
from benchmarks.loadgen_rows import COLUMNS, App, Counts, Dify, Wish
from benchmarks.loadgen_turns import Generator
from tests.support.recordings import final_rows, schema

_TENANT = "00000000-0000-4000-a000-00000000000f"
_JSON = {
    "conversations": ["inputs"],
    "messages": ["inputs", "message", "message_metadata"],
    "message_agent_thoughts": ["tool_input", "observation", "tool_labels_str", "tool_meta_str"],
    "workflow_runs": ["inputs", "outputs"],
    "workflow_node_executions": ["inputs", "process_data", "outputs", "execution_metadata"],
}


def _app(mode: str, number: int, *nodes: str) -> App:
    row_id = f"00000000-0000-4000-a000-{number:012d}"
    return App(row_id, _TENANT, mode, workflow_id=row_id, nodes=frozenset(nodes), provider_id="orders")


_DIFY = Dify(
    [
        _app("agent-chat", 1),
        _app("advanced-chat", 2, "tool"),
        _app("advanced-chat", 3),
        _app("chat", 4),
        _app("completion", 5),
        _app("workflow", 6, "tool"),
    ],
    dataset_id="00000000-0000-4000-a000-0000000000dd",
)


class _Made:
    """A wish's rows, each as column to value."""

    def __init__(self, **wish: Any) -> None:
        generator = Generator(_DIFY, Wish(**wish))
        self.pages = list(generator.pages(page_turns=20))
        self.counts = generator.counts

    def rows(self, table: str) -> list[dict[str, Any]]:
        return [dict(zip(COLUMNS[table], row, strict=True)) for page in self.pages for row in page[table]]

    def grouped(self, table: str, column: str) -> dict[str, list[dict[str, Any]]]:
        found: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in self.rows(table):
            found[row[column]].append(row)
        return found


made = st.builds(_Made, turns=st.integers(0, 60), seed=st.integers(), tool_failure_rate=st.sampled_from([0.06, 0.9]))


@given(made)
@settings(max_examples=25)
def test_the_wished_turns_are_made_and_counted(made: _Made) -> None:
    messages, runs = made.rows("messages"), made.rows("workflow_runs")
    own_runs = [run for run in runs if run["type"] == "workflow"]
    thoughts = made.rows("message_agent_thoughts")
    assert made.counts == Counts(
        turns=len(messages) + len(own_runs),
        messages=len(messages),
        runs=len(runs),
        nodes=len(made.rows("workflow_node_executions")),
        thoughts=len(thoughts),
        tool_calls=sum(bool(thought["tool"]) for thought in thoughts),
        searches=sum(
            bool(json.loads(message["message_metadata"] or "{}").get("retriever_resources"))
            for message in messages
            if message["app_mode"] in {"chat", "completion"}
        ),
        ratings=len(made.rows("message_feedbacks")),
    )
    assert len(own_runs) == len(made.rows("workflow_app_logs"))


@given(st.integers(0, 60))
@settings(max_examples=10)
def test_neither_a_conversation_nor_a_run_goes_beyond_the_wish(turns: int) -> None:
    assert _Made(turns=turns).counts.turns == turns


@given(made)
@settings(max_examples=25)
def test_ids_are_unique_and_what_rows_refer_to_is_there(made: _Made) -> None:
    ids = {table: [row["id"] for row in made.rows(table)] for table in COLUMNS}
    everything = [row_id for table in ids.values() for row_id in table]
    assert len(everything) == len(set(everything))
    _all_within(made.rows("messages"), "conversation_id", ids["conversations"])
    _all_within(made.rows("messages"), "from_end_user_id", ids["end_users"])
    _all_within(made.rows("messages"), "workflow_run_id", [*ids["workflow_runs"], None])
    _all_within(made.rows("message_agent_thoughts"), "message_id", ids["messages"])
    _all_within(made.rows("workflow_node_executions"), "workflow_run_id", ids["workflow_runs"])
    _all_within(made.rows("message_feedbacks"), "message_id", ids["messages"])


def _all_within(rows: Iterable[dict[str, Any]], column: str, ids: Iterable[str | None]) -> None:
    assert {row[column] for row in rows} <= set(ids)


@given(made)
@settings(max_examples=25)
def test_json_columns_hold_json(made: _Made) -> None:
    for table, columns in _JSON.items():
        for row in made.rows(table):
            for column in columns:
                assert not row[column] or json.loads(row[column]) is not None


@given(made)
@settings(max_examples=25)
def test_messages_are_finished_as_dify_finishes_them(made: _Made) -> None:
    """A latency or an error; an error leaves no answer, no tokens and the time of the last change as it was."""
    for message in made.rows("messages"):
        failed = message["status"] == "error"
        assert (message["provider_response_latency"] == 0) == failed == bool(message["error"])
        assert (message["answer"] == "") == failed
        if failed:
            assert message["updated_at"] == message["created_at"]
            assert message["message_tokens"] == message["answer_tokens"] == 0


@given(made)
@settings(max_examples=25)
def test_a_run_ends_with_its_first_failed_node(made: _Made) -> None:
    nodes = made.grouped("workflow_node_executions", "workflow_run_id")
    for run in made.rows("workflow_runs"):
        statuses = [node["status"] for node in nodes[run["id"]]]
        assert set(statuses[:-1]) <= {"succeeded"}
        assert statuses[-1] == run["status"]
        assert nodes[run["id"]][-1]["finished_at"] == run["finished_at"]
        assert nodes[run["id"]][-1]["error"] == run["error"]


@given(made)
@settings(max_examples=25)
def test_a_chatflows_message_fails_with_its_run_and_an_agents_does_not_with_its_tool(made: _Made) -> None:
    runs = {run["id"]: run for run in made.rows("workflow_runs")}
    thoughts = made.grouped("message_agent_thoughts", "message_id")
    for message in made.rows("messages"):
        if message["workflow_run_id"]:
            error = runs[message["workflow_run_id"]]["error"]
            assert message["error"] == (f"Run failed: {error}" if error else None)
        for thought in thoughts[message["id"]]:
            if "tool invoke error" in thought["observation"]:
                assert message["status"] == "normal"


@given(made)
@settings(max_examples=25)
def test_an_agents_thoughts_end_with_one_that_calls_nothing(made: _Made) -> None:
    thoughts = made.grouped("message_agent_thoughts", "message_id")
    of_agents = [message for message in made.rows("messages") if message["app_mode"] == "agent-chat"]
    assert set(thoughts) == {message["id"] for message in of_agents}
    for rows in thoughts.values():
        assert [row["position"] for row in rows] == list(range(1, len(rows) + 1))
        assert [bool(row["tool"]) for row in rows] == [True] * (len(rows) - 1) + [False]


def test_the_same_wish_makes_the_same_rows() -> None:
    assert _Made(turns=200, seed=7).pages == _Made(turns=200, seed=7).pages
    assert _Made(turns=200, seed=7).pages != _Made(turns=200, seed=8).pages


def test_pages_are_bounded() -> None:
    """Else a million turns would be in memory before the first is written."""
    pages = _Made(turns=500).pages
    assert len(pages) > 10
    assert max(len(page["messages"]) for page in pages) < 60


def test_shares_are_the_wished_ones() -> None:
    made = _Made(turns=6000, seed=3)
    modes = Counter(row["mode"] for row in made.rows("conversations"))
    shares = {mode: round(count / modes.total(), 1) for mode, count in modes.items()}
    assert shares["advanced-chat"] == 0.3
    assert shares["chat"] == 0.2
    assert 0.40 < modes["agent-chat"] / modes.total() < 0.50
    assert 0.03 < modes["completion"] / modes.total() < 0.07
    assert 0.12 < len(made.rows("workflow_app_logs")) / modes.total() < 0.18
    chats = [row["status"] for row in made.rows("messages") if row["app_mode"] in {"chat", "completion"}]
    assert 0.015 < chats.count("error") / len(chats) < 0.045
    tools = [row for row in made.rows("workflow_node_executions") if row["node_type"] == "tool"]
    assert 0.03 < sum(row["status"] == "failed" for row in tools) / len(tools) < 0.09


def test_only_apps_with_a_tool_get_runs_where_there_are_some() -> None:
    made = _Made(turns=300)
    assert {row["app_id"] for row in made.rows("workflow_runs")} == {_DIFY.apps[1].id, _DIFY.apps[5].id}


def test_without_apps_nothing_can_be_made() -> None:
    with pytest.raises(ValueError, match="no app"):
        Generator(Dify([], dataset_id=""), Wish())


def test_columns_are_difys() -> None:
    """The loader leaves out what a database lacks, so that a misspelt column would never be missed."""
    recorded = final_rows("1.9", COLUMNS)
    elsewhere = {"app_mode": "1.12", "sequence_number": "0.15"}
    for table, columns in COLUMNS.items():
        known = set(next(iter(recorded[table].values())))
        for column in set(columns) - known:
            definition = re.search(rf"CREATE TABLE public.{table} \((.*?)\n\);", schema(elsewhere[column]), re.DOTALL)
            assert definition is not None
            assert f"    {column} " in definition[1]


@pytest.mark.backend("postgres")
@pytest.mark.parametrize("recording", ["1.9", "0.15", None])
def test_a_database_is_filled(fresh_database: Any, recording: str | None) -> None:
    """Also an older Dify's, and an empty one, which is given tables and apps."""
    database = fresh_database(recording, rows="lookups")
    counts = fill(database.url, Wish(turns=100))
    with database.connection() as connection:
        rows = {table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in COLUMNS}
    assert rows["messages"] == counts.messages
    assert rows["workflow_node_executions"] == counts.nodes
    assert rows["message_agent_thoughts"] == counts.thoughts
    assert rows["workflow_runs"] == counts.runs


@pytest.mark.backend("postgres")
def test_a_small_backfill_counts_right(postgres: Any) -> None:
    """The benchmark itself: product and limit find every turn and span that is in the database."""
    result = measure(postgres, Wish(turns=300), timeout_s=60.0)
    assert result.wrong == []
    assert set(result.found) == {"file", "metrics", "load generator", "limit"}
    assert result.truth.turns == 300
    assert result.memory_mib["max"] > 0
    assert [rate.what for rate in (result.rates[0], result.rates[-1])] == ["product", "limit"]


def test_whoever_counts_otherwise_is_named() -> None:
    """Who did not count spans can't be wrong about them."""
    found = {
        "lost": Figures(9, 20),
        "doubled": Figures(10, 21),
        "right": Figures(10, 20),
        "turns only": Figures(10, None),
    }
    result = Result({}, [], 1.0, 1.0, {}, truth=Figures(10, 20), found=found)
    assert result.wrong == ["lost", "doubled"]
