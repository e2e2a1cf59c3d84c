"""The recorded turns: that they are whole, and that moving and renaming them leaves them so."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.demo.recording import Recording, load, moved, renewed
from monitor.demo.world import World

SECOND_US = 1_000_000
RECORDING = load()
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


@pytest.fixture(scope="module")
def recording():
    return RECORDING


def rows(recording: Recording):
    return [change.row for commit in recording.commits for change in commit.changes]


def texts(recording: Recording):
    return [text for row in rows(recording) for text in row.values() if text]


def shape(recording: Recording):
    """Everything but the ids."""
    return [{name: UUID.sub("ID", text) if text else text for name, text in row.items()} for row in rows(recording)]


def final(recording: Recording):
    world = World()
    world.settle(recording)
    for commit in recording.commits:
        world.apply(commit)
    return world.tables


def test_it_is_in_the_order_of_time_from_the_first_second_on(recording):
    times = [commit.at_us for commit in recording.commits]
    assert times == sorted(times)
    assert 0 <= recording.begins_us < 2 * SECOND_US
    assert recording.ends_us == times[-1]


def test_a_tool_of_one_app_fails_more_than_five_times_in_a_row_and_then_succeeds(recording):
    tables = final(recording)
    agents = {app_id for app_id, app in tables["apps"].items() if app["mode"] == "agent-chat"}
    of_agents = {message["id"] for message in tables["messages"].values() if message["app_id"] in agents}
    called = [
        row
        for row in sorted(tables["message_agent_thoughts"].values(), key=lambda row: row["created_at"])
        if row["message_id"] in of_agents and row["tool"] == "query_order_status"
    ]
    outcomes = "".join("." if '"error": null' in row["tool_meta_str"] else "F" for row in called)
    assert re.search("F{5,}\\.", outcomes)


def test_nothing_in_it_looks_like_a_secret(recording):
    assert not [text for text in texts(recording) if "secret" in text.lower() or re.search(r"\b(sk|app)-\w{8}", text)]


@given(seconds=st.integers(0, 3_000_000_000))
def test_moving_moves_every_time_by_the_same(seconds):
    recording = RECORDING
    later = moved(recording, seconds * SECOND_US)
    assert [c.at_us - seconds * SECOND_US for c in later.commits] == [c.at_us for c in recording.commits]
    assert moved(later, -seconds * SECOND_US) == recording


def test_moved_times_are_spelt_as_postgresql_does(recording):
    times = [
        text
        for row in rows(moved(recording, 86_400 * SECOND_US))
        for name, text in row.items()
        if name.endswith("_at") and text
    ]
    assert times
    assert not [text for text in times if not re.fullmatch(r"1970-01-0\d \d\d:\d\d:\d\d(\.\d*[1-9])?", text)]


def test_the_first_edition_is_the_recording_itself(recording):
    assert renewed(recording, "") is recording


@given(edition=st.text("0123456789.", min_size=1, max_size=8))
def test_another_edition_is_the_same_turns_under_other_ids(edition):
    recording = RECORDING
    other = renewed(recording, edition)
    assert other == renewed(recording, edition)
    assert shape(other) == shape(recording)
    assert other.lookups == recording.lookups
    assert [commit.at_us for commit in other.commits] == [commit.at_us for commit in recording.commits]
    assert {row["id"] for row in rows(other)}.isdisjoint(row["id"] for row in rows(recording))


def test_no_id_of_the_recording_is_left_in_another_edition(recording):
    """Not in references, and not in JSON either."""
    own = {row["id"] for row in rows(recording)}
    left = {found for text in texts(renewed(recording, "1.0")) for found in UUID.findall(text)} & own
    assert not left


def test_references_stay_whole_in_another_edition(recording):
    tables = final(renewed(recording, "1.0"))
    for thought in tables["message_agent_thoughts"].values():
        assert thought["message_id"] in tables["messages"]
    for message in tables["messages"].values():
        assert message["conversation_id"] in tables["conversations"]
        assert message["app_id"] in tables["apps"]
        assert message["workflow_run_id"] in {None, *tables["workflow_runs"]}
    for node in tables["workflow_node_executions"].values():
        assert node["workflow_run_id"] in tables["workflow_runs"]
