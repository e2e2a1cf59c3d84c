"""The registers on real tables of Dify: what they tell equals the rows, each once, at a cost that does not grow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import structlog
from psycopg import sql

from monitor.model import (
    AnnotationMade,
    ConfigChanged,
    ContentDeleted,
    Event,
    FeedbackGiven,
    FeedbackWithdrawn,
    FormChanged,
    IndexingChanged,
    TriggerLogged,
    kind_of,
)
from monitor.sources.dify_database.postgres import PostgresTables
from monitor.sources.dify_database.registers import RegisterPage, Registers, Round
from tests.support.reading import Ledger, pseudonym, read_to_end
from tests.support.recordings import VERSIONS
from tests.unit.sources.registers.dify import StoredMemory, uuid7

pytestmark = pytest.mark.backend("postgres")

_S = 1_000_000


class _Reader:
    """Reads a database's registers as the source does; `passed` seconds are added to the database's clock."""

    def __init__(self, tables: PostgresTables) -> None:
        self.tables, self.memory, self.passed = tables, StoredMemory(), 0.0
        self.rounds: dict[str, Round] = {}
        self.told: list[Event] = []

    def page(self) -> RegisterPage:
        registers = Registers(pseudonym, structlog.get_logger(), "dify")
        with self.tables.snapshot() as snapshot:
            now_us = snapshot.now_us() + round(self.passed * _S)
            page = registers.read(snapshot, self.memory, self.rounds, now_us)
        self.memory.commit(page)
        self.rounds = page.rounds
        self.told += page.events
        return page

    def read(self, after: float = 31) -> list[Event]:
        """To the end; what was new."""
        self.passed += after
        before = len(self.told)
        for _ in range(200):
            if not self.page().more:
                return self.told[before:]
        raise AssertionError("the registers never come to their end")


@contextmanager
def _reading(url: str) -> Iterator[_Reader]:
    tables = PostgresTables(url)
    try:
        yield _Reader(tables)
    finally:
        tables.close()


def _kinds(events: list[Event]) -> Counter[str]:
    return Counter(kind_of(event.body) for event in events)


def _of(events: list[Event], kind: type) -> list[Any]:
    return [event.body for event in events if isinstance(event.body, kind)]


# -- the recordings


@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_told_equals_the_recorded_rows(fresh_database: Callable[..., Any], version: str) -> None:
    database = fresh_database(version)
    with _reading(database.url) as reader, database.connection() as db:
        events = reader.read()
        count = {
            name: db.execute(sql.SQL(query)).fetchone()[0]  # type: ignore[index, arg-type]
            for name, query in {
                "feedback_given": "SELECT count(*) FROM message_feedbacks",
                "annotation_made": "SELECT count(*) FROM message_annotations",
                "config_changed": "SELECT (SELECT count(*) FROM app_model_configs)"
                " + (SELECT count(*) FROM workflows WHERE version <> 'draft')",
                "content_deleted": "SELECT count(*) FROM messages m JOIN conversations c ON c.id = m.conversation_id"
                " WHERE c.is_deleted",
            }.items()
        }
        assert dict(_kinds(events)) == {name: number for name, number in count.items() if number}
        assert len({event.key for event in events}) == len(events)
        rated = db.execute(
            "SELECT f.id::text, coalesce(m.workflow_run_id, m.id)::text, f.rating, coalesce(f.content, '')"
            " FROM message_feedbacks f JOIN messages m ON m.id = f.message_id"
        ).fetchall()
        said = [event for event in events if isinstance(event.body, FeedbackGiven)]
        assert sorted(
            (e.body.feedback_id, e.body.turn.turn_id, e.body.rating, e.content.get("comment", ""))
            for e in said  # type: ignore[union-attr]
        ) == sorted(rated)
        assert sum(reader.read() == [] for _ in range(3)) == 3


@pytest.mark.parametrize("version", VERSIONS)
def test_a_note_names_its_turn_as_the_turn_names_itself(fresh_database: Callable[..., Any], version: str) -> None:
    """The same reference, configuration's hash included, and every hash on a turn that was published is told."""
    with _reading(fresh_database(version).url) as reader:
        ledger = Ledger()
        read_to_end(reader.tables, None, ledger)
        turns = {event.body.turn.turn_id: event.body.turn for event in ledger.order if hasattr(event.body, "turn")}
        events = reader.read()
        given = _of(events, FeedbackGiven)
        assert given
        assert [body.turn for body in given] == [turns[body.turn.turn_id] for body in given]
        hashes = {body.hash for body in _of(events, ConfigChanged)}
        tried = [turn for turn in turns.values() if (turn.mode, turn.invoke_from) == ("agent-chat", "debugger")]
        assert len(tried) == 2  # each with another prompt than the app's, which is saved nowhere
        assert {turn.config_hash for turn in tried}.isdisjoint({"", *hashes})
        assert {turn.config_hash for turn in turns.values() if turn.invoke_from != "debugger"} <= hashes


def test_an_apps_configurations_come_in_the_order_in_which_they_were_made(fresh_database: Callable[..., Any]) -> None:
    """Dify notes whole seconds: a row that it made together with the app comes before one saved in the same second."""
    with _reading(fresh_database("1.9").url) as reader:
        events = reader.read()
        by_app: dict[str, list[ConfigChanged]] = {}
        for body in _of(events, ConfigChanged):
            by_app.setdefault(body.app.app_id, []).append(body)
        for bodies in by_app.values():
            assert sum(body.was == "" for body in bodies) == 1
            hashes = Counter(body.hash for body in bodies)
            assert all(body.was in hashes for body in bodies if body.was)
        republished = [body for body in _of(events, ConfigChanged) if body.was == body.hash]
        assert republished
        assert all(body.what == () for body in republished)
        assert all(body.app.app_name and body.app.tenant_name for body in _of(events, ConfigChanged))


# -- changes


@pytest.mark.parametrize("version", VERSIONS)
def test_ratings_and_annotations_change_and_go(fresh_database: Callable[..., Any], version: str) -> None:
    database = fresh_database(version)
    with _reading(database.url) as reader, database.connection() as db:
        reader.read()
        rows = [row[0] for row in db.execute("SELECT id FROM message_feedbacks ORDER BY created_at, id").fetchall()]
        db.execute("UPDATE message_feedbacks SET rating = 'like', content = 'better now' WHERE id = %s", [rows[0]])
        db.execute("DELETE FROM message_feedbacks WHERE id = %s", [rows[1]])
        db.execute("UPDATE message_annotations SET hit_count = hit_count + 1")
        events = reader.read()
        assert dict(_kinds(events)) == {"feedback_given": 1, "feedback_withdrawn": 1}
        (changed,) = _of(events, FeedbackGiven)
        assert (changed.feedback_id, changed.was, changed.rating) == (str(rows[0]), "dislike", "like")
        (withdrawn,) = _of(events, FeedbackWithdrawn)
        assert withdrawn.feedback_id == str(rows[1])
        db.execute("UPDATE message_annotations SET content = 'Look it up.'")
        db.execute(
            "WITH gone AS (DELETE FROM messages WHERE id = (SELECT message_id FROM message_feedbacks WHERE id = %(id)s))"
            " DELETE FROM message_feedbacks WHERE id = %(id)s",
            {"id": rows[2]},
        )
        events = reader.read()
        assert [(body.changed, kind_of(body)) for body in _of(events, AnnotationMade)] == [(True, "annotation_made")]
        db.execute("DELETE FROM message_annotations")
        assert dict(_kinds(events + reader.read())) == {"annotation_made": 1, "annotation_removed": 1}
        assert reader.read() == []


@pytest.mark.parametrize("version", VERSIONS)
def test_a_saved_prompt_and_a_published_workflow_are_told_with_what_differs(
    fresh_database: Callable[..., Any], version: str
) -> None:
    database = fresh_database(version)
    with _reading(database.url) as reader, database.connection() as db:
        before = {body.config_id: body.hash for body in _of(reader.read(), ConfigChanged)}
        app, old = db.execute("SELECT id, app_model_config_id FROM apps WHERE mode = 'agent-chat'").fetchone()  # type: ignore[misc]
        new = _copied(db, "app_model_configs", old, pre_prompt="Answer in one line.", created_at="2026-11-25 01:00:00")
        db.execute("UPDATE apps SET app_model_config_id = %s WHERE id = %s", [new, app])
        flow, published = db.execute("SELECT id, workflow_id FROM apps WHERE mode = 'advanced-chat' LIMIT 1").fetchone()  # type: ignore[misc]
        graph = db.execute(
            "SELECT replace(graph, 'stub-gpt', 'gpt-5') FROM workflows WHERE id = %s", [published]
        ).fetchone()[0]  # type: ignore[index]
        version_id = _copied(
            db, "workflows", published, graph=graph, version="2026-11-25", created_at="2026-11-25 02:00:00"
        )
        db.execute("UPDATE workflows SET updated_at = now(), graph = '{}' WHERE version = 'draft'")
        events = reader.read()
        prompt, workflow = _of(events, ConfigChanged)
        assert (prompt.config_id, prompt.was, prompt.what) == (new, before[str(old)], ("prompt",))
        assert (workflow.config_id, workflow.was) == (version_id, before[str(published)])
        assert {"model", "workflow"} <= set(workflow.what)
        assert [event.content.get("prompt") for event in events] == ["Answer in one line.", None]
        assert flow
        assert reader.read() == []


def _copied(db: psycopg.Connection[Any], table: str, row_id: Any, **columns: Any) -> str:
    """A copy of a row under another id, with some columns changed."""
    new = str(uuid4())
    names = [
        row[0]
        for row in db.execute("SELECT column_name FROM information_schema.columns WHERE table_name = %s", [table])
    ]
    given = {"id": new, **columns}
    values = [sql.Placeholder(name) if name in given else sql.Identifier(name) for name in names]
    db.execute(
        sql.SQL("INSERT INTO {table} ({names}) SELECT {values} FROM {table} WHERE id = %(old)s").format(
            table=sql.Identifier(table),
            names=sql.SQL(", ").join(map(sql.Identifier, names)),
            values=sql.SQL(", ").join(values),
        ),
        given | {"old": row_id},
    )
    return new


@pytest.mark.parametrize("version", VERSIONS)
def test_documents_and_hidden_conversations(fresh_database: Callable[..., Any], version: str) -> None:
    database = fresh_database(version)
    with _reading(database.url) as reader, database.connection() as db:
        reader.read()
        rows = [row[0] for row in db.execute("SELECT id FROM documents ORDER BY id").fetchall()]
        db.execute(
            "UPDATE documents SET indexing_status = 'error', error = 'quota exhausted', stopped_at = now() WHERE id = %s",
            [rows[0]],
        )
        db.execute("UPDATE documents SET indexing_status = 'parsing', completed_at = NULL WHERE id = %s", [rows[1]])
        db.execute(
            "UPDATE documents SET indexing_status = 'indexing', is_paused = true, paused_at = now() WHERE id = %s",
            [rows[2]],
        )
        conversation = db.execute(
            "SELECT conversation_id FROM messages GROUP BY 1 ORDER BY count(*) DESC LIMIT 1"
        ).fetchone()[0]  # type: ignore[index]
        db.execute("UPDATE conversations SET is_deleted = true WHERE id = %s", [conversation])
        turns = {
            row[0]
            for row in db.execute(
                "SELECT coalesce(workflow_run_id, id)::text FROM messages WHERE conversation_id = %s", [conversation]
            )
        }
        events = reader.read(40 * 86_400)
        said = {
            body.document_id: (body.status, body.error_type, body.dataset_name) for body in _of(events, IndexingChanged)
        }
        assert [said[str(row)][:2] for row in rows] == [("failed", "quota"), ("stuck", ""), ("paused", "")]
        assert all(each[2] for each in said.values())
        assert {body.turn_id for body in _of(events, ContentDeleted)} == turns
        db.execute("UPDATE documents SET indexing_status = 'completed', completed_at = now(), is_paused = false")
        assert {body.status for body in _of(reader.read(), IndexingChanged)} == {"completed"}
        assert reader.read() == []
        db.execute("UPDATE documents SET indexing_status = 'error', stopped_at = now()")
        failed = len(_of(reader.read(), IndexingChanged))
        db.execute("DELETE FROM documents WHERE id = %s", [rows[0]])
        assert [body.document_id for body in _of(reader.read(), IndexingChanged)] == [str(rows[0])]
        db.execute("DELETE FROM datasets")
        assert [body.status for body in _of(reader.read(), IndexingChanged)] == ["deleted"] * (failed - 1)
        assert reader.read() == []


# -- newer tables

_FORMS = """
CREATE TABLE human_input_forms (
  id uuid PRIMARY KEY, tenant_id uuid NOT NULL, app_id uuid NOT NULL, workflow_run_id uuid, form_kind varchar(20) NOT NULL,
  node_id varchar(60) NOT NULL, form_definition text NOT NULL, rendered_content text NOT NULL, status varchar(20) NOT NULL,
  expiration_time timestamp NOT NULL, selected_action_id varchar(200), submitted_data text, submitted_at timestamp,
  submission_user_id uuid, submission_end_user_id uuid, completed_by_recipient_id uuid, created_at timestamp NOT NULL,
  updated_at timestamp NOT NULL)
"""
"""As Dify 1.13 makes it, in short."""


def test_triggers_and_forms_of_newer_difys(fresh_database: Callable[..., Any]) -> None:
    """1.10 and later have `workflow_trigger_logs`, 1.13 and later `human_input_forms`; neither is in older schemas."""
    database = fresh_database("1.12", rows="none")
    with database.connection() as db:
        db.execute(_FORMS)
    with _reading(database.url) as reader, database.connection() as db:
        assert reader.read() == []
        now_us = db.execute("SELECT (extract(epoch FROM now()) * 1000000)::bigint").fetchone()[0]  # type: ignore[index]
        run, app = str(uuid4()), str(uuid4())
        for number, status in enumerate(("rate_limited", "queued", "succeeded")):
            db.execute(
                "INSERT INTO workflow_trigger_logs (id, tenant_id, app_id, workflow_id, workflow_run_id, trigger_metadata,"
                " trigger_type, trigger_data, inputs, status, queue_name, retry_count, created_by_role, created_by)"
                " VALUES (%s, %s, %s, %s, %s, '{}', 'trigger-webhook', '{\"body\": 1}', '{}', %s, 'q', 0, 'account', 'x')",
                [uuid7(now_us, number), app, app, app, run if status == "succeeded" else None, status],
            )
        form = uuid7(now_us, 9)
        db.execute(
            "INSERT INTO human_input_forms VALUES (%s, %s, %s, %s, 'runtime', 'n1', '{\"token\": \"secret123\"}', 'Approve?',"
            " 'waiting', now() + interval '1 hour', NULL, NULL, NULL, NULL, NULL, NULL, now(), now())",
            [form, app, app, run],
        )
        events = reader.read()
        assert sorted(body.status for body in _of(events, TriggerLogged)) == ["rate_limited", "succeeded"]
        assert [(body.status, body.turn_id) for body in _of(events, FormChanged)] == [("waiting", run)]
        db.execute(
            "UPDATE workflow_trigger_logs SET status = 'failed', error = 'timed out', finished_at = now() WHERE status = 'queued'"
        )
        db.execute(
            "UPDATE human_input_forms SET status = 'submitted', selected_action_id = 'yes', submitted_data = '{\"a\": 1}', submitted_at = now()"
        )
        events = reader.read()
        assert [body.error_type for body in _of(events, TriggerLogged)] == ["timeout"]
        assert [(body.status, body.action) for body in _of(events, FormChanged)] == [("submitted", "yes")]
        assert "secret123" not in str(reader.told)
        assert reader.read() == reader.read(600) == []
        assert len([key for key in reader.memory.held if key.startswith("n/trigger/")]) == 1  # it may be tried again
        db.execute("UPDATE workflow_trigger_logs SET status = 'succeeded', error = NULL WHERE status = 'failed'")
        assert [body.status for body in _of(reader.read(), TriggerLogged)] == ["succeeded"]
        assert not [key for key in reader.memory.held if key.startswith(("n/trigger/", "n/form/"))]


# -- rights, cost


def test_a_right_that_is_taken_away_withdraws_nothing(fresh_database: Callable[..., Any]) -> None:
    """What may not be read is left out, and what was told of it stands."""
    database = fresh_database("1.9")
    role = f"reader_{uuid4().hex[:8]}"
    with database.connection() as db:
        db.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'x'").format(sql.Identifier(role)))
        db.execute(sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {}").format(sql.Identifier(role)))
        try:
            with _reading(
                database.url.replace("postgres@", f"{role}:x@").replace("postgres:postgres@", f"{role}:x@")
            ) as reader:
                assert _kinds(reader.read())["feedback_given"] == 8
                db.execute(
                    sql.SQL("REVOKE SELECT ON message_feedbacks, documents FROM {}").format(sql.Identifier(role))
                )
                reader.tables.close()
                assert reader.read() == reader.read() == []
                db.execute(sql.SQL("GRANT SELECT ON message_feedbacks TO {}").format(sql.Identifier(role)))
                reader.tables.close()
                assert reader.read() == []
        finally:
            db.execute(sql.SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(sql.Identifier(role)))


def test_a_reading_costs_the_same_however_large_the_tables_are(fresh_database: Callable[..., Any]) -> None:
    """Blocks of one reading behind the history, with all its statements, at 2,000 and at 20,000 rows a table."""
    blocks = []
    for count in (2_000, 20_000):
        database = fresh_database("1.9")
        with _reading(database.url) as reader, database.connection() as db:
            _fill(db, count)
            reader.read()
            assert _kinds(reader.told)["feedback_given"] == count + 8
            reader.passed += 31
            with reader.tables.explaining() as explained:
                assert not reader.page().more
            blocks.append(sum(each.blocks for each in explained))
            scanned = {each.statement.name: _scans(each.plan) for each in explained}
            assert not [name for name, nodes in scanned.items() if any("Seq Scan" in node for node in nodes)], scanned
    print("blocks a reading:", blocks)
    assert blocks[1] < blocks[0] * 1.5 + 50


_FILL = {
    "message_feedbacks": "(app_id, conversation_id, message_id, rating, from_source, from_account_id)"
    " SELECT app_id, conversation_id, id, 'like', 'admin', app_id FROM messages, generate_series(1, 200) LIMIT %s",
    "conversations": "(app_id, mode, name, inputs, status, from_source)"
    " SELECT (SELECT id FROM apps LIMIT 1), 'chat', 'n', '{}', 'normal', 'api' FROM generate_series(1, %s)",
    "app_model_configs": "(app_id, pre_prompt, model) SELECT gen_random_uuid(), 'p', '{}' FROM generate_series(1, %s / 2)",
    "documents": "(tenant_id, dataset_id, position, data_source_type, batch, name, created_from, created_by, indexing_status)"
    " SELECT gen_random_uuid(), gen_random_uuid(), 1, 'f', 'b', 'n', 'web', gen_random_uuid(), 'completed'"
    " FROM generate_series(1, %s)",
}


def _fill(db: psycopg.Connection[Any], count: int) -> None:
    for table, rows in _FILL.items():
        db.execute(f"INSERT INTO {table} {rows}", [count])  # type: ignore[arg-type]
    db.execute("ANALYZE")


def _scans(plan: dict[str, Any]) -> list[str]:
    found = [f"{plan['Node Type']} {plan['Relation Name']}"] if plan.get("Relation Name", "") in _FILL else []
    return found + [each for child in plan.get("Plans", []) for each in _scans(child)]
