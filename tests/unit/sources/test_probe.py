"""Statements are fitted to what a database has and grants; what can't be done without is named with its remedy."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import Auth
from monitor.normalise.config_hash import APP_CONFIG_COLUMNS
from monitor.sources.dify_database.probe import MUST_HAVE, Probe
from monitor.sources.dify_database.statements import Statement, fitted, statements

STATEMENTS = statements()


def probe(columns=None, indexes=None):
    return Probe(server_version=150000, role="reader", columns=columns or {}, indexes=indexes or {})


def least(**more):
    """A database with what can't be done without, and these columns more."""
    columns = {table: dict.fromkeys(names, True) for table, names in MUST_HAVE.items()}
    for table, names in more.items():
        columns[table] = columns.get(table, {}) | names
    return probe(columns)


def one(text, needs=()):
    return Statement(name="x", purpose="", text=text, needs=tuple(needs))


def test_every_statement_of_turns_says_what_it_is_for():
    assert [name for name, each in STATEMENTS.items() if not each.optional and not each.purpose] == []


@pytest.mark.parametrize("name", [name for name, each in STATEMENTS.items() if not each.optional])
def test_with_only_what_must_be_there_nothing_else_is_named(name):
    """Of every table that a statement names, only the columns of MUST_HAVE: the rest was replaced."""
    text = fitted(STATEMENTS[name], least())
    if text is None:
        assert STATEMENTS[name].needs
        return
    assert not re.search(r"\b(opt|us)\(", text)
    read = {table for table in re.findall(r"(?<!epoch )(?:FROM|JOIN) (\w+)", text) if not table.startswith("pg_")}
    assert read <= MUST_HAVE.keys() | {"unnest", "generate_series", "LATERAL", "newest"}


def test_no_statement_sends_a_macro_whatever_the_database_has():
    columns = {
        table: {column: True}
        for each in STATEMENTS.values()
        for table, column in re.findall(r"\b(\w+)\.(\w+)", each.text + " ".join(each.needs))
    }
    for each in STATEMENTS.values():
        text = fitted(each, probe(columns))
        assert text is None or not re.search(r"\bopt\(|\bus\(|-- needs", text)


def test_an_optional_column_is_read_only_where_it_is_there_and_granted():
    statement = one("SELECT opt(t.a, coalesce(t.a, 'x,)'), NULL) FROM t")
    assert fitted(statement, probe({"t": {"a": True}})) == "SELECT coalesce(t.a, 'x,)') FROM t"
    assert fitted(statement, probe({"t": {"a": False}})) == "SELECT NULL FROM t"
    assert fitted(statement, probe({"t": {"b": True}})) == "SELECT NULL FROM t"


def test_an_index_may_decide_as_well():
    statement = one("SELECT 1 opt(t[a], , AND b = 2)")
    assert fitted(statement, probe(indexes={"t": [("a", "b")]})) == "SELECT 1 "
    assert fitted(statement, probe(indexes={"t": [("b", "a")]})) == "SELECT 1 AND b = 2"


def test_several_columns_must_all_be_there():
    statement = one("SELECT opt(u.id u.name, (SELECT u.name FROM u), 'none')")
    assert "none" in (fitted(statement, probe({"u": {"id": True}})) or "")
    assert "none" not in (fitted(statement, probe({"u": {"id": True, "name": True}})) or "")


def test_a_statement_whose_table_is_missing_or_hidden_is_not_sent():
    statement = one("SELECT 1", needs=["t", "t.a"])
    assert fitted(statement, probe()) is None
    assert fitted(statement, probe({"t": {"a": False, "b": False}})) is None
    assert fitted(statement, probe({"t": {"b": True}})) is None
    assert fitted(statement, probe({"t": {"a": True}})) == "SELECT 1"


@given(
    st.recursive(
        st.sampled_from(["a", "'x'", "f(1, 2)", "(1)"]), lambda inner: inner.map(lambda t: f"opt(t.a, {t}, 0)")
    )
)
def test_choices_within_choices_are_made(text):
    assert "opt(" not in (fitted(one(text), probe({"t": {"a": True}})) or "")
    assert fitted(one(f"opt(t.b, {text}, 0)"), probe()) == "0"


@pytest.mark.parametrize("text", ["opt(t.a, 1)", "opt(t.a, 1, 2, 3)", "opt(t.a, (1, 2", "opt("])
def test_a_choice_that_is_written_wrong_is_found_by_the_tests(text):
    with pytest.raises(ValueError, match="three arguments"):
        fitted(one(text), probe())


def test_the_columns_of_a_configuration_stand_in_the_order_of_their_hash():
    asked = re.findall(r"opt\(app_model_configs\.(\w+), \1, NULL\)", STATEMENTS["configs"].text)
    assert tuple(asked) == APP_CONFIG_COLUMNS


# -- what is there


def test_unknown_columns_and_tables_never_matter():
    least(messages={"brand_new": True, "secret": False}, tomorrow={"id": True}).demand()


@pytest.mark.parametrize("table", MUST_HAVE)
def test_what_is_missing_is_named(table):
    columns = {name: dict.fromkeys(names, True) for name, names in MUST_HAVE.items() if name != table}
    with pytest.raises(Auth, match=f"lacks table {table}.*USAGE"):
        probe(columns).demand()
    with pytest.raises(Auth, match=f"columns .*id.* of table {table}"):
        probe(columns | {table: {"unknown": True}}).demand()


def test_a_right_that_is_missing_is_named_with_the_grant_that_gives_it():
    with pytest.raises(Auth, match=r"permission denied.*GRANT SELECT \(query, answer\) ON messages TO reader"):
        least(messages={"query": False, "answer": False}).demand()


def test_an_index_helps_that_begins_with_the_columns():
    indexes = {"r": [("created_at", "id"), ("tenant_id",)]}
    known = probe(indexes=indexes)
    assert known.begins("r", "created_at")
    assert known.begins("r", "created_at", "id")
    assert not known.begins("r", "id")
    assert not known.begins("other", "id")
