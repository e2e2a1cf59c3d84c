"""What the doctor says of a database, as far as it takes no database: versions, plans, replicas, grants."""

from __future__ import annotations

import re

import pytest

from monitor.errors import Retryable
from monitor.sources.dify_database.diagnosis import _guarded, _server
from monitor.sources.dify_database.grants import WANTED, grant, identifier, missing, portable, role_sql, vanished
from monitor.sources.dify_database.inquiry import Server
from monitor.sources.dify_database.known import KNOWN
from monitor.sources.dify_database.plan import plan_text
from monitor.sources.dify_database.probe import MUST_HAVE, Probe
from monitor.sources.dify_database.versions import REVISIONS, version_text

# -- versions

OLD = {"workflow_runs": {"id", "exceptions_count", "sequence_number"}, "workflows": {"id"}}


def tables(**columns):
    return {table: set(names.split()) for table, names in columns.items()}


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        ({}, "of some version, before 0.14"),
        (OLD, "0.14 or later, before 1.2"),
        (tables(workflow_runs="exceptions_count sequence_number", workflows="marked_name"), "1.2 or later, before 1.5"),
        (tables(workflow_runs="exceptions_count", workflows="marked_name"), "1.5 or later, before 1.9"),
        (tables(workflow_node_execution_offload="id"), "1.9 or later, before 1.10"),
        (
            tables(human_input_forms="id"),
            "1.13 or later, newer than 1.12, which is the newest that we have compared",
        ),
    ],
)
def test_a_revision_that_nobody_knows_is_told_by_the_tables(there, expected):
    told = version_text("0123456789ab", there)
    assert told == f"schema revision 0123456789ab is not one that we know; by its tables it is Dify {expected}"
    assert version_text("", there).startswith("it does not say its revision; ")


def test_a_known_revision_is_told_as_what_it_is():
    for revision, version in REVISIONS.items():
        assert version_text(revision, {}) == f"Dify {version} (schema revision {revision})"


# -- grants


def probe(**changed):
    """A Dify that has everything and grants everything, but for what is changed: True, False, or None for gone."""
    columns = {each.table: dict.fromkeys(each.every, True) for each in WANTED}
    for name, may in changed.items():
        table, column = name.split("__")
        if may is None:
            del columns[table][column]
        else:
            columns[table][column] = may
    return Probe(150000, "r", columns, {})


def test_what_turns_need_is_among_what_is_granted():
    wanted = {each.table: set(each.columns) for each in WANTED}
    assert all(set(names) <= wanted[table] for table, names in MUST_HAVE.items())
    assert set(wanted) <= set(KNOWN)


def test_rights_that_are_missing_are_parted_by_what_follows():
    assert missing(probe()) == ({}, {})
    needed, others = missing(probe(messages__query=False, end_users__name=False, messages__app_mode=False))
    assert (needed, others) == ({"messages": ["query"]}, {"messages": ["app_mode"], "end_users": ["name"]})


def test_what_has_gone_is_told_and_what_only_some_have_is_not():
    assert vanished(probe()) == {}
    assert vanished(probe(messages__query=None, messages__app_mode=None, pipelines__name=None)) == {
        "messages": ["query"],
        "pipelines": ["name"],
    }
    assert vanished(Probe(150000, "r", {}, {}))["messages"] == []
    assert "human_input_forms" not in vanished(Probe(150000, "r", {}, {}))


def test_names_are_quoted_where_sql_would_take_them_for_something_else():
    assert identifier("dify_monitor") == "dify_monitor"
    assert identifier('Us"r; DROP') == '"Us""r; DROP"'
    assert grant("messages", ["id"], "R") == 'GRANT SELECT (id) ON messages TO "R";'


def test_statements_are_folded():
    text = portable() + role_sql({each.table: each.every for each in WANTED}, database="dify")
    assert max(map(len, text.splitlines())) <= 120
    assert all(line == line.rstrip() for line in text.splitlines())


def test_a_role_for_one_dify_has_what_that_one_has():
    text = role_sql({"messages": ["id", "app_mode", "secret"]}, "r", database="my db", schema="s")
    assert re.findall(r"GRANT .*;", text) == [
        'GRANT CONNECT ON DATABASE "my db" TO r;',
        "GRANT USAGE ON SCHEMA s TO r;",
        "GRANT SELECT (id, app_mode) ON messages TO r;",
    ]


# -- the server


class Replica:
    """An inquiry to a replica."""

    def __init__(self, behind_s, caught_up, feedback):
        self._row = (behind_s, caught_up, feedback)

    def rows(self, name):
        assert name == "replica"
        return [self._row]


SERVER = Server("15.1", "r", "dify", "public", True, 1, True, [], False, False, 3, 1)


@pytest.mark.parametrize(
    ("row", "outcomes"),
    [((0.0, True, True), ["ok"]), ((999.0, False, True), ["warning"]), ((5.0, False, False), ["ok", "ok"])],
)
def test_a_replica_is_told_with_how_far_it_is_behind(row, outcomes):
    found = list(_server(Replica(*row), SERVER))
    assert [each.outcome for each in found] == outcomes
    assert "read replica" in found[0].detail
    assert ("999 s behind" in found[0].detail) == (outcomes == ["warning"])


def test_a_question_that_fails_is_a_finding():
    def check():
        raise Retryable("canceling statement due to statement timeout")

    (finding,) = _guarded("rows", check)
    assert finding.outcome == "warning"
    assert "statement timeout" in finding.detail


# -- plans


def test_a_plan_is_told_in_lines():
    plan = {
        "Node Type": "Nested Loop",
        "Actual Rows": 3,
        "Actual Loops": 1,
        "Actual Total Time": 0.5,
        "Shared Hit Blocks": 7,
        "Shared Read Blocks": 1,
        "Plans": [
            {
                "Node Type": "Index Scan",
                "Index Name": "message_pkey",
                "Relation Name": "messages",
                "Alias": "m",
                "Actual Rows": 2,
                "Actual Loops": 3,
                "Actual Total Time": 0.1,
                "Index Cond": "(id = ANY ('{a,b,c}'::uuid[]))",
                "Rows Removed by Filter": 4,
            },
            {"Node Type": "Seq Scan", "Actual Loops": 0, "Sort Key": ["a", "b"]},
        ],
    }
    assert plan_text(plan).splitlines() == [
        "Nested Loop  (rows=3, 0.500 ms, blocks=8)",
        "  Index Scan using message_pkey on messages m  (rows=2 in each of 3 loops, 0.100 ms, blocks=0)",
        "      Index Cond: (id = ANY ('{a, and 2 more}'::uuid[]))",
        "      Rows Removed by Filter: 4",
        "  Seq Scan  (never executed)",
        "      Sort Key: a, b",
    ]
