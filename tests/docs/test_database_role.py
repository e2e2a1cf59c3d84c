"""The role of `monitor doctor --grants` and docs/howto/database-role.md: it can read what is read, and nothing else."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterator

import psycopg
import pytest
from click.testing import CliRunner
from psycopg import sql

from monitor.cli import cli
from monitor.clock import SystemClock
from monitor.model import Diagnosis
from monitor.sources.dify_database import Config
from monitor.sources.dify_database.diagnosis import diagnose
from monitor.sources.dify_database.grants import WANTED, portable
from monitor.sources.dify_database.inquiry import tables_of
from monitor.sources.dify_database.known import KNOWN, SECRETS
from monitor.sources.dify_database.statements import fitted, statements
from tests.backends.postgres import Database
from tests.docs.pages import ROOT, blocks
from tests.support.forms import FORMS
from tests.support.logs import logging_as_it_was
from tests.support.recordings import EVENT_TABLES, LOOKUP_TABLES, load_rows
from tests.support.sidecar import Sidecar

_ROLE = f"monitor_test_{os.getpid()}_role"
"""Roles belong to the whole server, which may be somebody's own: never the name that the page has."""
_PASSWORD = "change-me"
_VERSIONS = ("0.15", "1.9", "1.12", "1.13")
_NONE = "00000000-0000-0000-0000-000000000000"
_VALUES = {
    **dict.fromkeys(("after", "app", "conversation", "id", "message"), _NONE),
    **{name: [] for name in ("apps", "ids", "nodes", "tenants", "workflows")},
    **dict.fromkeys(("limit", "since_us", "until_us"), 1),
    **dict.fromkeys(("stop", "triggered"), "x"),
    "at": None,
}
"""Something for every place in a statement, so that it can be a view."""
_READ_BY_A_VIEW = """
SELECT DISTINCT c.relname, a.attname
FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid JOIN pg_class v ON v.oid = r.ev_class AND v.relname = 'monitor_reads'
JOIN pg_class c ON c.oid = d.refobjid AND c.oid <> v.oid
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.refobjsubid
WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass
"""


def dify(fresh_database, version: str) -> Database:
    """A Dify of that version with rows; those of 1.12 and 1.13 are recorded with 1.9."""
    if version in {"0.15", "1.9"}:
        return fresh_database(version)
    database = fresh_database("1.12", rows="none")
    with database.connection() as connection:
        load_rows(connection, "1.9", [name for name in (*LOOKUP_TABLES, *EVENT_TABLES) if name != "alembic_version"])
        if version == "1.13":
            connection.execute(FORMS)
    return database


def with_role(database: Database) -> str:
    """The role's address."""
    return re.sub(r"//[^@/]*@?", f"//{_ROLE}:{_PASSWORD}@", database.url, count=1)


@pytest.fixture(autouse=True)
def _logging_as_it_was():
    """The commands set it up for a standard error that ends with the call."""
    with logging_as_it_was():
        yield


@pytest.fixture
def _forgotten(postgres) -> Iterator[None]:
    """Whatever role a test has made is gone after it."""
    yield
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(_ROLE)))


@pytest.fixture(params=_VERSIONS)
def database(request, fresh_database, _forgotten) -> Iterator[tuple[Database, str]]:
    """A Dify with the role in it as the page makes it, and the role's address."""
    made = dify(fresh_database, request.param)
    with made.connection() as connection:
        connection.execute(portable(_ROLE).encode())
        yield made, with_role(made)
        connection.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(_ROLE)))


def said(url: str) -> list[Diagnosis]:
    tables = tables_of(url)
    try:
        return diagnose(tables, Config(url=url), SystemClock())
    finally:
        tables.close()


def execute(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())


# -- exactly what is read


def read_columns(url: str) -> dict[str, set[str]]:
    """By table, the columns that any of our statements reads: PostgreSQL writes them down for each view."""
    tables = tables_of(url)
    probe = tables.probe()
    tables.close()
    found: defaultdict[str, set[str]] = defaultdict(set)
    with psycopg.connect(url, cursor_factory=psycopg.ClientCursor) as connection:
        for statement in statements().values():
            text = fitted(statement, probe)
            if text is not None:
                for table, column in _read_by(connection, text):
                    found[table].add(column)
        connection.rollback()
    return dict(found) | {"alembic_version": {"version_num"}}


def _read_by(connection: psycopg.Connection, text: str) -> list[tuple[str, str]]:
    cursor = connection.cursor()
    whole = cursor.mogrify(text, _VALUES if "%(" in text else None)
    width = len(cursor.execute(whole).description)
    names = ", ".join(f"c{number}" for number in range(width))
    connection.execute(f"CREATE TEMP VIEW monitor_reads ({names}) AS {whole}".encode())
    rows = connection.execute(_READ_BY_A_VIEW).fetchall()
    connection.execute("DROP VIEW monitor_reads")
    return rows


@pytest.mark.parametrize("version", _VERSIONS)
def test_just_the_columns_that_are_read_are_granted(fresh_database, version):
    """None is missing, and none is granted without need: in each Dify, of the columns that it has."""
    url = dify(fresh_database, version).url
    tables = tables_of(url)
    there = tables.probe().columns
    tables.close()
    granted = {each.table: {name for name in each.every if name in there.get(each.table, {})} for each in WANTED}
    assert {table: names for table, names in granted.items() if names} == read_columns(url)


def test_no_credential_is_granted():
    granted = {(each.table, name) for each in WANTED for name in each.every}
    assert not granted & {(table, name) for table, names in SECRETS.items() for name in names}
    assert all(set(each.every) <= set(KNOWN[each.table]) for each in WANTED)
    assert "human_input_form_recipients" not in {each.table for each in WANTED}


# -- the role at work


def test_the_role_can_read_what_is_needed(database, tmp_path):
    """As it reads, so reads the owner: the same spans, the same facts beside them."""
    made, url = database
    as_role, as_owner = Sidecar(tmp_path / "role", url), Sidecar(tmp_path / "owner", made.url)
    as_role.once()
    as_owner.once()
    assert as_role.spans().ids == as_owner.spans().ids
    assert len(as_role.spans()) > 100
    keys = [sorted(each.event.key for each in sidecar.events(*_KINDS)) for sidecar in (as_role, as_owner)]
    assert keys[0] == keys[1]
    assert len(keys[0]) > 10


_KINDS = (
    "feedback_given", "annotation_made", "config_changed", "trigger_logged", "form_changed", "indexing_changed",
    "content_deleted", "source_gap",
)  # fmt: skip


def test_the_doctor_finds_nothing_wrong_with_it(database):
    _, url = database
    found = said(url)
    assert [each for each in found if each.outcome == "problem"] == []
    assert {each.what for each in found if each.outcome == "warning"} <= {"dify"}
    (role,) = [each for each in found if each.what == "role"]
    assert role.outcome == "ok"
    assert "may write nothing and sees no credentials; read only, whatever is sent" in role.detail


def test_it_can_prove_every_statement(database):
    _, url = database
    result = CliRunner().invoke(cli, ["doctor", "--prove"], env={"DIFY_DB_URL": url})
    assert (result.exit_code, result.stderr) == (0, "")
    assert "Not planned" not in result.stdout


def test_every_right_that_is_missing_is_named_with_the_grant_that_gives_it(database):
    """Each table with one column less: a problem where turns need it, a warning elsewhere; the remedy repairs it."""
    made, url = database
    taken = [(each.table, each.columns[-1]) for each in WANTED if _has(made, each.table)]
    for table, column in taken:
        execute(made.url, f'REVOKE SELECT ("{column}") ON {table} FROM {_ROLE}')
    findings = [each for each in said(url) if each.what == "rights"]
    assert [each.outcome for each in findings] == ["problem", "warning"]
    statements = [" ".join(found.split()) for each in findings for found in re.findall(r"GRANT [^;]*;", each.remedy)]
    assert sorted(statements) == sorted(f"GRANT SELECT ({column}) ON {table} TO {_ROLE};" for table, column in taken)
    execute(made.url, "\n".join(statements))
    assert [each.outcome for each in said(url) if each.what == "rights"] == ["ok"]
    execute(made.url, f"REVOKE SELECT (query) ON messages FROM {_ROLE}")
    (finding,) = [each for each in said(url) if each.what == "rights"]
    assert finding.detail == f"role {_ROLE} may not read messages (query)"


def _has(database: Database, table: str) -> bool:
    with database.connection() as connection:
        return connection.execute("SELECT to_regclass(%s)", (table,)).fetchone() != (None,)


def test_a_schema_that_may_not_be_used_is_named_with_its_grant(database):
    made, url = database
    execute(made.url, f"REVOKE USAGE ON SCHEMA public FROM PUBLIC, {_ROLE}")
    findings = [each for each in said(url) if each.what == "rights"]
    assert findings[0].outcome == "problem"
    assert "schema public" in findings[0].detail
    execute(made.url, findings[0].remedy.partition("\n")[2])
    assert [each.outcome for each in said(url) if each.what == "rights"] == ["ok"]


def test_a_role_that_may_more_than_read_is_told_so(database):
    made, url = database
    execute(made.url, f"GRANT UPDATE ON messages TO {_ROLE}; GRANT SELECT ON api_tokens TO {_ROLE}")
    (role,) = [each for each in said(url) if each.what == "role"]
    assert role.outcome == "warning"
    assert "may write to messages, may read credentials in api_tokens" in role.detail
    assert "monitor doctor --grants" in role.remedy
    execute(made.url, f"ALTER ROLE {_ROLE} CONNECTION LIMIT 1")
    assert [each for each in said(url) if "CONNECTION LIMIT 3" in each.remedy]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT graph FROM workflow_runs",
        "SELECT environment_variables FROM workflows",
        "SELECT * FROM app_model_configs",
        "SELECT email FROM accounts",
        "SELECT password FROM accounts",
        "SELECT token FROM api_tokens",
        "SELECT * FROM messages",
        "UPDATE messages SET answer = ''",
        "DELETE FROM messages",
        "CREATE TABLE x (y int)",
        "CREATE TEMP TABLE x (y int)",
    ],
)
@pytest.mark.usefixtures("_forgotten")
def test_the_role_can_do_nothing_else(fresh_database, statement):
    made = fresh_database("1.9")
    execute(made.url, portable(_ROLE))
    refused = (psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction)
    with psycopg.connect(with_role(made), autocommit=True) as connection, pytest.raises(refused):
        connection.execute(statement.encode())
    execute(made.url, f"DROP OWNED BY {_ROLE}")


# -- how it is printed


@pytest.mark.parametrize("version", _VERSIONS)
@pytest.mark.usefixtures("_forgotten")
def test_what_is_printed_for_one_dify_makes_the_same_role(fresh_database, version):
    made = dify(fresh_database, version)
    result = CliRunner().invoke(cli, ["doctor", "--grants", "--role", _ROLE], env={"DIFY_DB_URL": made.url})
    assert (result.exit_code, result.stderr) == (0, "")
    assert "DO $$" not in result.stdout
    execute(made.url, result.stdout)
    assert [each.outcome for each in said(with_role(made)) if each.what in {"rights", "role"}] == ["ok", "ok"]
    execute(made.url, f"DROP OWNED BY {_ROLE}")


def test_a_role_of_any_name_can_be_made(fresh_database, postgres):
    made, name = fresh_database("1.9", rows="none"), f'{_ROLE} of "Ol\' %s"'
    result = CliRunner().invoke(cli, ["doctor", "--grants", "--role", name], env={"DIFY_DB_URL": made.url})
    quoted = sql.Identifier(name)
    for text in (result.stdout, portable(name)):
        execute(made.url, text)
        with made.connection() as connection:
            rights = "SELECT has_column_privilege(%s, 'messages', 'query', 'SELECT')"
            assert connection.execute(rights, (name,)).fetchone() == (True,)
            connection.execute(sql.SQL("DROP OWNED BY {}; DROP ROLE {}").format(quoted, quoted))


def test_the_page_shows_what_is_printed():
    (block,) = [each for each in blocks("sql") if each.page == ROOT / "docs/howto/database-role.md"]
    assert block.text == portable()
