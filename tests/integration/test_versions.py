"""Dify's schemas, one after the other: the same turns come out, as far as the schema carries them.

What differs between versions is Dify's own history: 0.15 to 1.2 keep search hits in a table and retries as rows; 1.9
brings offloaded payloads; 1.10 `messages.app_mode`, triggers and pauses; 1.11.3 and 1.12 new indexes; 1.13 forms that
people fill in; the MySQL family keeps whole seconds. Columns nobody knows may come with any version.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec
import psycopg
import pytest

from monitor.model import Event, StepEnded, TurnEnded, TurnStarted
from tests.backends.postgres import Database
from tests.support.facts import facts_of
from tests.support.recordings import EVENT_TABLES, LOOKUP_TABLES, OTHER_TABLES, load_rows

pytestmark = pytest.mark.backend("postgres")

_READ = (
    *("messages", "message_agent_thoughts", "message_feedbacks", "message_annotations", "workflow_runs"),
    *("workflow_node_executions", "workflows", "apps", "tenants", "conversations", "end_users", "app_model_configs"),
    *("documents", "datasets", "accounts"),
)
_OPTIONAL = (
    *("dataset_retriever_resources", "workflow_node_execution_offload", "message_feedbacks", "message_annotations"),
    *("documents", "datasets", "accounts", "tenants", "end_users"),
)
_SECOND_NS = 1_000_000_000


def _turns(facts: dict[str, Event]) -> dict[str, Any]:
    """What is told of turns and steps, without what is made of names that a schema may not have."""
    return {
        key: (_without_names(event.body), event.content.get("input"), event.content.get("output"))
        for key, event in facts.items()
        if isinstance(event.body, TurnStarted | StepEnded | TurnEnded)
    }


def _without_names(body: Any) -> Any:
    return msgspec.structs.replace(body, turn=msgspec.structs.replace(body.turn, tenant_name="", user=""))


def _kinds(facts: dict[str, Event]) -> set[str]:
    return {type(event.body).__name__ for event in facts.values()}


@pytest.fixture
def recorded(fresh_database: Callable[..., Database]) -> Callable[[str], dict[str, Event]]:
    """The facts of a recording in its own schema."""
    return lambda version: facts_of(fresh_database(version).url)


def _all_rows(connection: psycopg.Connection[Any], version: str) -> None:
    tables = [*LOOKUP_TABLES, *EVENT_TABLES, *OTHER_TABLES]
    load_rows(connection, version, [table for table in tables if table != "alembic_version"])


def test_rows_of_1_9_in_the_schema_of_1_12(fresh_database, recorded) -> None:
    database = fresh_database("1.12")
    with database.connection() as connection:
        _all_rows(connection, "1.9")
    found = facts_of(database.url)
    base = recorded("1.9")
    assert _turns(found) == _turns(base)
    assert found.keys() == base.keys()


def test_1_0_names_its_providers_by_plugin(fresh_database, recorded) -> None:
    """From 1.0 on providers are called `organisation/plugin/name`; else the tables are those of 0.15."""
    database = fresh_database("0.15")
    with database.connection() as connection:
        connection.execute(
            "UPDATE messages SET model_provider = 'langgenius/' || model_provider || '/' || model_provider"
        )
    found, base = facts_of(database.url), recorded("0.15")
    assert found.keys() == base.keys()
    shortened = {
        key: msgspec.json.decode(
            re.sub(rb"langgenius/([^/]+)/\1", rb"\1", msgspec.json.encode(event.body)), type=type(event.body)
        )
        for key, event in found.items()
        if isinstance(event.body, TurnEnded | StepEnded)
    }
    assert shortened == {key: event.body for key, event in base.items() if key in shortened}


@pytest.mark.parametrize("version", ["0.15", "1.9"])
def test_columns_that_nobody_knows_change_nothing(fresh_database, recorded, version) -> None:
    database = fresh_database(version)
    with database.connection() as connection:
        for number, table in enumerate(_READ):
            connection.execute(f"ALTER TABLE {table} ADD COLUMN zz_unknown_{number} jsonb NOT NULL DEFAULT '[1]'")
            connection.execute(f'ALTER TABLE {table} ADD COLUMN "Odd Name" text')
    assert facts_of(database.url) == recorded(version)


@pytest.mark.parametrize("version", ["0.15", "1.9"])
def test_tables_that_are_not_there_take_only_their_own_facts_away(fresh_database, recorded, version) -> None:
    """As in installations that dropped or never had them, and for roles that may not read them."""
    database, base = fresh_database(version), recorded(version)
    with database.connection() as connection:
        for table in _OPTIONAL:
            connection.execute(f"DROP TABLE IF EXISTS {table} CASCADE")
    found = facts_of(database.url)
    assert {"TurnStarted", "StepEnded", "TurnEnded", "ConfigChanged"} <= _kinds(found)
    without_hits = {key for key in _turns(base) if "/retrieval/" not in key}
    assert without_hits <= _turns(found).keys() <= _turns(base).keys()
    assert "SourceGap" not in _kinds(found)


@pytest.mark.parametrize("version", ["0.15", "1.9"])
def test_columns_that_are_not_there_yet(fresh_database, recorded, version) -> None:
    """Younger than the oldest schema that we read, or dropped: the turn is told without what they said."""
    database, base = fresh_database(version), recorded(version)
    with database.connection() as connection:
        for table, column in (
            *(("conversations", "is_deleted"), ("workflows", "marked_name"), ("workflows", "features")),
            *(("messages", "invoke_from"), ("messages", "message_metadata"), ("workflow_runs", "exceptions_count")),
            *(("app_model_configs", "dataset_configs"), ("documents", "is_paused")),
        ):
            connection.execute(f"ALTER TABLE {table} DROP COLUMN IF EXISTS {column} CASCADE")
    found = facts_of(database.url)
    known = ("/retrieval/", ":config:", ":deleted:")
    lost = {key for key in base.keys() - found.keys() if not any(part in key for part in known)}
    assert lost == set()
    ends = {key: event.body.status for key, event in base.items() if isinstance(event.body, TurnEnded)}
    assert {key: found[key].body.status for key in ends} == ends


@pytest.mark.parametrize("version", ["0.15", "1.9"])
def test_times_in_whole_seconds(fresh_database, recorded, version) -> None:
    """MySQL's `datetime` without a fraction: the same turns and steps with the same outcomes, up to a second off."""
    database, base = fresh_database(version), recorded(version)
    with database.connection() as connection:
        times = connection.execute(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
            " AND data_type LIKE 'timestamp%'"
        ).fetchall()
        for table, column in times:
            connection.execute(f"ALTER TABLE {table} ALTER COLUMN {column} TYPE timestamp(0)")
    found = facts_of(database.url)
    assert found.keys() == base.keys()
    for key, event in base.items():
        other = found[key]
        if isinstance(event.body, StepEnded):
            one, two = event.body.step, other.body.step
            assert (one.status, one.usage, one.error_type, one.tool) == (
                two.status,
                two.usage,
                two.error_type,
                two.tool,
            )
        if isinstance(event.body, TurnEnded):
            assert (event.body.status, event.body.usage) == (other.body.status, other.body.usage)
        assert abs(event.occurred_at - other.occurred_at) <= 3 * _SECOND_NS, key


def test_forms_that_people_fill_in(fresh_database) -> None:
    """Dify 1.13: `human_input_forms`, a run that waits, what was submitted; never an access token."""
    database = fresh_database("1.12")
    with database.connection() as connection:
        _all_rows(connection, "1.9")
        connection.execute(
            "CREATE TABLE human_input_forms (id uuid PRIMARY KEY DEFAULT uuidv7(), tenant_id uuid NOT NULL,"
            " app_id uuid NOT NULL, workflow_run_id uuid, form_kind varchar(20) NOT NULL DEFAULT 'runtime',"
            " node_id varchar(60) NOT NULL, form_definition text NOT NULL, rendered_content text NOT NULL,"
            " status varchar(20) NOT NULL, expiration_time timestamp NOT NULL, selected_action_id varchar(200),"
            " submitted_data text, submitted_at timestamp, submission_user_id uuid, submission_end_user_id uuid,"
            " completed_by_recipient_id uuid, created_at timestamp NOT NULL, updated_at timestamp NOT NULL);"
            "CREATE INDEX ON human_input_forms (workflow_run_id, node_id);"
            "CREATE TABLE human_input_form_recipients (id uuid PRIMARY KEY, access_token varchar(32));"
            "INSERT INTO human_input_form_recipients VALUES (uuidv7(), 'never-to-be-read');"
            "INSERT INTO human_input_forms (tenant_id, app_id, workflow_run_id, node_id, form_definition,"
            " rendered_content, status, expiration_time, selected_action_id, submitted_data, submitted_at, created_at,"
            " updated_at) SELECT tenant_id, app_id, id, 'approve', '{}', '请批准退款', 'submitted',"
            " created_at + interval '1 day', 'yes', '{\"reason\": \"ok\"}', created_at + interval '1 minute',"
            " created_at, created_at + interval '1 minute' FROM workflow_runs ORDER BY id LIMIT 1"
        )
    facts = facts_of(database.url)
    asked, answered = sorted(
        (event for event in facts.values() if type(event.body).__name__ == "FormChanged"), key=lambda event: event.key
    )
    assert (asked.body.status, asked.body.node_id) == ("waiting", "approve")
    assert (answered.body.status, answered.body.action) == ("submitted", "yes")
    assert "请批准退款" in asked.content["form"]
    assert "ok" in answered.content["answer"]
    assert "never-to-be-read" not in repr(facts)
