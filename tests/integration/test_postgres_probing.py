"""What a database lacks, has more of, or keeps from us: found by looking, never by Dify's version number."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg import sql

from monitor.errors import Auth, Retryable
from monitor.normalise.rows import NodeRow
from monitor.sources.dify_database.postgres import PostgresTables
from monitor.sources.dify_database.probe import MUST_HAVE
from tests.support.reading import Ledger, read_to_end

pytestmark = pytest.mark.backend("postgres")


@contextmanager
def _postgres(url: str) -> Iterator[PostgresTables]:
    tables = PostgresTables(url)
    try:
        yield tables
    finally:
        tables.close()


@pytest.fixture
def role(fresh_database: Callable[..., Any]) -> Iterator[Callable[[Any], str]]:
    """A role that may do nothing yet: its name, made for a database."""
    made: list[tuple[Any, str]] = []

    def make(database: Any) -> str:
        name = f"monitor_least_{database.name[-12:].replace('-', '_')}"
        with database.connection() as connection:
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(name)))
        made.append((database, name))
        return name

    yield make
    for database, name in made:
        with database.connection() as connection:
            connection.execute(sql.SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(sql.Identifier(name)))


def _grant(connection: psycopg.Connection[Any], role: str, table: str, columns: tuple[str, ...]) -> None:
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    grant = sql.SQL("GRANT SELECT ({}) ON {} TO {}")
    connection.execute(grant.format(names, sql.Identifier(table), sql.Identifier(role)))


def _url(database: Any, role: str) -> str:
    return str(database.url).replace("//postgres@", f"//{role}@")


def _facts(tables: PostgresTables) -> dict[str, Any]:
    ledger = Ledger()
    read_to_end(tables, None, ledger)
    return ledger.facts()


# -- rights


@pytest.mark.parametrize("version", ["0.15", "1.9", "1.12"])
def test_the_columns_that_must_be_there_suffice(fresh_database, role, version) -> None:
    """With SELECT on these and nothing else every question is answered, and every turn is told."""
    database = fresh_database(version, rows="none" if version == "1.12" else "all")
    name = role(database)
    with database.connection() as connection:
        for table, columns in MUST_HAVE.items():
            _grant(connection, name, table, columns)
    with _postgres(_url(database, name)) as tables, _postgres(database.url) as owner:
        tables.check()
        assert _facts(tables).keys() == {key for key in _facts(owner) if "/retrieval/" not in key}
        with tables.snapshot() as real:
            ids = [key.id for key in real.message_keys(None, 500)]
            assert real.configs(ids) == {}
            assert list(real.resources(ids)) == []
            assert all(app.tenant_name == "" for app in real.apps().values())
            assert real.newest_run_keys(0, 10) is not None
            assert real.external_runs() is False
            assert {state.invoke_from for state in real.message_states(ids)} <= {""}


@pytest.mark.parametrize("table", MUST_HAVE)
def test_a_right_that_is_missing_is_named_and_found_once_it_is_given(fresh_database, role, table) -> None:
    database = fresh_database("1.9")
    name = role(database)
    with database.connection() as connection:
        for each, columns in MUST_HAVE.items():
            _grant(connection, name, each, columns if each != table else columns[1:])
        with _postgres(_url(database, name)) as tables:
            with pytest.raises(Auth) as caught:
                tables.check()
            said = str(caught.value)
            assert f"GRANT SELECT ({MUST_HAVE[table][0]}) ON {table} TO {name}" in said
            connection.execute(said.split("owner: ")[1].split(";", maxsplit=1)[0].encode())
            tables.check()


def test_without_the_schema_it_is_said_what_to_look_at(fresh_database, role) -> None:
    database = fresh_database("1.9")
    name = role(database)
    with database.connection() as connection:
        connection.execute("REVOKE USAGE ON SCHEMA public FROM public")
    with _postgres(_url(database, name)) as tables, pytest.raises(Auth, match="USAGE"):
        tables.check()


# -- what changes while we read


def test_an_update_of_dify_is_noticed_by_the_statement_that_fails(fresh_database) -> None:
    """A column goes, or comes: one reading fails and is tried again, the next fits."""
    database = fresh_database("1.9")
    with _postgres(database.url) as tables, database.connection() as connection:
        tables.check()
        connection.execute("ALTER TABLE messages DROP COLUMN message_metadata")
        with pytest.raises(Retryable, match="looking again"):
            _facts(tables)
        assert _facts(tables)
        connection.execute("ALTER TABLE messages DROP COLUMN answer")
        with pytest.raises(Retryable, match="looking again"):
            _facts(tables)
        with pytest.raises(Auth, match="columns answer of table messages"):
            _facts(tables)


def test_a_table_beside_the_turns_never_stops_them(fresh_database, role) -> None:
    """A right on a column that only such a statement names is missing: it is left out, and the rest read on."""
    database = fresh_database("1.9")
    name = role(database)
    with database.connection() as connection:
        for table, columns in MUST_HAVE.items():
            _grant(connection, name, table, columns)
        with _postgres(_url(database, name)) as tables:
            statement = next(each for each in tables._statements.values() if each.optional and "%(after)s" in each.text)
            table = statement.needs[0].split(".")[0]
            tables._statements[statement.name] = type(statement)(
                statement.name, "", f"SELECT no_such_column FROM {table}", optional=True
            )
            with pytest.raises(Retryable, match=f"reading on without {statement.name}"), tables.snapshot() as real:
                real.ask(statement.name, after=str(uuid.UUID(int=0)), limit=5)
            with tables.snapshot() as real:
                assert real.ask(statement.name, after=str(uuid.UUID(int=0)), limit=5) == []
            assert _facts(tables)


def test_a_table_that_is_not_there_has_no_rows(fresh_database) -> None:
    database = fresh_database("0.15")
    with _postgres(database.url) as tables, tables.snapshot() as real:
        for statement in tables._statements.values():
            if statement.needs and all(
                need.startswith(("workflow_trigger", "human_input")) for need in statement.needs
            ):
                assert real.ask(statement.name) == []
        assert real.runs_indexed() is False


# -- what the rows refer to


def test_names_of_people_and_workspaces_stand_on_the_rows(fresh_database) -> None:
    database = fresh_database("1.9")
    with database.connection() as connection:
        message, account = connection.execute(
            "SELECT id::text, from_account_id FROM messages WHERE from_account_id IS NOT NULL LIMIT 1"
        ).fetchone()
        other, end_user = connection.execute(
            "SELECT id::text, from_end_user_id FROM messages WHERE from_end_user_id IS NOT NULL LIMIT 1"
        ).fetchone()
        connection.execute(
            "INSERT INTO accounts (id, name, email) VALUES (%s, 'Ada', 'a@b.c') ON CONFLICT (id) DO UPDATE SET name = 'Ada'",
            (account,),
        )
        connection.execute("UPDATE end_users SET name = '小李' WHERE id = %s", (end_user,))
        (workspace,) = connection.execute("SELECT name FROM tenants LIMIT 1").fetchone()
        with _postgres(database.url) as tables, tables.snapshot() as real:
            rows = {row.id: row for row in real.messages([message, other])}
            assert (rows[message].user_name, rows[other].user_name) == ("Ada", "小李")
            assert rows[message].tenant_name == workspace
            runs = real.runs([row[0] for row in connection.execute("SELECT id::text FROM workflow_runs").fetchall()])
            assert {run.tenant_name for run in runs} == {workspace}
            assert "小李" in {run.user_name for run in runs} or "Ada" in {run.user_name for run in runs}


@pytest.mark.parametrize("version", ["0.15", "1.12"])
def test_the_mode_of_a_deleted_app_is_known_from_its_rows(fresh_database, version) -> None:
    """Dify 1.10 and later keep the mode on the message; before, its conversation knows it."""
    database = fresh_database("0.15")
    with database.connection() as connection:
        before = dict(connection.execute("SELECT m.id::text, a.mode FROM messages m JOIN apps a ON a.id = m.app_id"))
        if version == "1.12":
            connection.execute("ALTER TABLE messages ADD COLUMN app_mode varchar(255)")
            connection.execute("UPDATE messages m SET app_mode = a.mode FROM apps a WHERE a.id = m.app_id")
            connection.execute("UPDATE conversations SET mode = 'wrong'")
        connection.execute("SET session_replication_role = replica; DELETE FROM apps")
    with _postgres(database.url) as tables, tables.snapshot() as real:
        assert {row.id: row.mode for row in real.messages(before)} == before
        assert {row.id: row.mode for row in real.message_states(before)} == before


def test_shortened_values_are_marked_by_what_dify_moved_away(fresh_database) -> None:
    """Dify 1.9 and later: a row of workflow_node_execution_offload for each column; one without a node is garbage."""
    database = fresh_database("1.9")
    with database.connection() as connection:
        connection.execute("DELETE FROM workflow_node_execution_offload")
        rows = connection.execute(
            "SELECT id::text, workflow_run_id::text FROM workflow_node_executions WHERE workflow_run_id IS NOT NULL LIMIT 2"
        ).fetchall()
        for node, kinds in ((rows[0][0], ("outputs", "inputs")), (rows[1][0], ("process_data",)), (None, ("inputs",))):
            for kind in kinds:
                connection.execute(
                    "INSERT INTO workflow_node_execution_offload (id, tenant_id, app_id, node_execution_id, type, file_id)"
                    " VALUES (gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), %s, %s, gen_random_uuid())",
                    (node, kind),
                )
        alone = connection.execute(
            "SELECT id::text FROM workflow_node_executions WHERE triggered_from = 'single-step' LIMIT 1"
        ).fetchone()[0]
        connection.execute("UPDATE workflow_node_execution_offload SET node_execution_id = %s WHERE type = 'inputs'"
                           " AND node_execution_id IS NULL", (alone,))  # fmt: skip
    with _postgres(database.url) as tables, tables.snapshot() as real:
        found: dict[str, NodeRow] = {row.id: row for row in real.nodes(real.run_states([run for _, run in rows]))}
        assert found[rows[0][0]].truncated == ("inputs", "outputs")
        assert found[rows[1][0]].truncated == ("process_data",)
        assert {row.truncated for row in found.values()} == {("inputs", "outputs"), ("process_data",), ()}
        assert [row.truncated for row in real.single_steps([alone])] == [("inputs",)]


def test_definitions_that_are_published_are_read_once_and_drafts_each_time(fresh_database) -> None:
    database = fresh_database("1.9")
    with _postgres(database.url) as tables, database.connection() as connection:
        drafts = {row[0] for row in connection.execute("SELECT id::text FROM workflows WHERE version = 'draft'")}
        published = {row[0] for row in connection.execute("SELECT id::text FROM workflows WHERE version <> 'draft'")}
        with tables.snapshot() as real:
            before = real.definitions(drafts | published)
        connection.execute("UPDATE workflows SET features = '{\"changed\": true}', graph = '{}'")
        with tables.snapshot() as real:
            after = real.definitions(drafts | published)
        assert {row_id for row_id in before if before[row_id] != after[row_id]} == drafts
        assert all(after[row_id].nodes == {} and after[row_id].hash for row_id in drafts)


def test_how_dify_spells_a_configuration_changes_no_hash(fresh_database) -> None:
    database = fresh_database("1.9")
    with _postgres(database.url) as tables, database.connection() as connection:
        rows = connection.execute("SELECT id::text, model FROM app_model_configs WHERE model IS NOT NULL").fetchall()
        ids = [row[0] for row in rows]
        with tables.snapshot() as real:
            before = real.configs(ids)
        for row_id, model in rows:
            spelled = json.dumps(dict(reversed(json.loads(model).items())), indent=2)
            connection.execute("UPDATE app_model_configs SET model = %s WHERE id = %s", (spelled, row_id))
        with tables.snapshot() as real:
            assert real.configs(ids) == before
        connection.execute("UPDATE app_model_configs SET pre_prompt = 'other'")
        with tables.snapshot() as real:
            assert all(config.hash != before[row_id].hash for row_id, config in real.configs(ids).items())


def test_knowledge_pipelines_have_a_name_too(fresh_database) -> None:
    """Dify 1.9 and later: a pipeline's runs name it as their app, but it stands in a table of its own."""
    database = fresh_database("1.9")
    with database.connection() as connection:
        tenant = connection.execute("SELECT id FROM tenants LIMIT 1").fetchone()[0]
        pipeline = connection.execute(
            "INSERT INTO pipelines (id, tenant_id, name) VALUES (gen_random_uuid(), %s, 'Manuals') RETURNING id::text",
            (tenant,),
        ).fetchone()[0]
    with _postgres(database.url) as tables, tables.snapshot() as real:
        app = real.apps()[pipeline]
        assert (app.name, app.mode, app.workflow_id) == ("Manuals", "rag-pipeline", "")
        assert app.tenant_name


# -- runs that are kept elsewhere


def test_runs_that_dify_keeps_elsewhere_are_noticed(fresh_database) -> None:
    """With Dify's Logstore repositories (1.11.2 and later) messages name runs that the database never holds."""
    database = fresh_database("1.9")
    with _postgres(database.url) as tables, database.connection() as connection:
        connection.execute("DELETE FROM workflow_runs")
        with tables.snapshot() as real:
            assert real.external_runs() is True
        connection.execute("UPDATE messages SET created_at = timezone('UTC', now())")
        with tables.snapshot() as real:
            assert real.external_runs() is False  # Dify writes some rows late
        connection.execute("UPDATE messages SET created_at = '2026-01-01', workflow_run_id = NULL")
        with tables.snapshot() as real:
            assert real.external_runs() is False


def test_a_few_runs_that_were_deleted_do_not_make_a_logstore(fresh_database) -> None:
    database = fresh_database("1.9")
    with _postgres(database.url) as tables, database.connection() as connection:
        connection.execute(
            "UPDATE messages SET workflow_run_id = NULL WHERE id NOT IN (SELECT id FROM messages WHERE workflow_run_id IS NOT NULL LIMIT 5)"
        )
        connection.execute("DELETE FROM workflow_runs WHERE id IN (SELECT workflow_run_id FROM messages)")
        with tables.snapshot() as real:
            assert real.external_runs() is False
        connection.execute("DELETE FROM workflow_runs")
        with tables.snapshot() as real:
            assert real.external_runs() is True


def test_a_question_may_be_explained_beside_its_answer(fresh_database) -> None:
    with _postgres(fresh_database("1.9").url) as tables:
        with tables.explaining() as found, tables.snapshot() as real:
            keys = real.message_keys(None, 3)
        assert [(each.statement.name, each.plan["Actual Rows"]) for each in found] == [("message_keys", 3)]
        assert found[0].blocks > 0
        assert len(keys) == 3
        with tables.snapshot() as real:
            real.message_keys(None, 3)
        assert len(found) == 1
