"""Dify's tables in a real PostgreSQL: the answers are right, the plans use indexes, and every error is of its kind."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import md5
from pathlib import Path
from typing import Any

import psycopg
import pytest
import structlog
from psycopg import sql

from monitor.errors import Auth, Retryable
from monitor.model import StepEnded, TurnEnded
from monitor.sources.dify_database import DatabaseSource
from monitor.sources.dify_database.memory import MemoryTables
from monitor.sources.dify_database.postgres import PostgresTables
from monitor.sources.dify_database.reader import Limits, Reader
from monitor.sources.dify_database.tables import Key, Tables
from monitor.testing.clock import HandClock
from monitor.testing.memory import DictMemory
from tests.support.reading import Ledger, pseudonym, read_to_end
from tests.support.recordings import EVENT_TABLES, LOOKUP_TABLES, VERSIONS, final_rows, load_rows, recording_path

pytestmark = pytest.mark.backend("postgres")

_ROLE = Path(__file__).parents[2] / "docs" / "howto" / "database-role.md"


@contextmanager
def _postgres(url: str, **settings: Any) -> Iterator[PostgresTables]:
    tables = PostgresTables(url, **settings)
    try:
        yield tables
    finally:
        tables.close()


def _facts(tables: Tables, **kwargs: Any) -> dict[str, Any]:
    ledger = Ledger()
    _ = tables.runs_indexed
    read_to_end(tables, None, ledger, **kwargs)
    return ledger.facts()


# -- the answers


@pytest.mark.parametrize("version", VERSIONS)
def test_memory_and_postgresql_answer_alike(fresh_database: Callable[..., Any], version: str) -> None:
    """The property tests run on memory, so it must stand for the real thing, question by question."""
    database = fresh_database(version)
    rows = final_rows(version)
    with _postgres(database.url) as tables:
        assert tables.runs_indexed is False
        with tables.snapshot() as real:
            memory = MemoryTables(rows, real.now_us)
            _compare_keys(real, memory)
            _compare_messages(real, memory, list(rows["messages"]))
            _compare_runs(real, memory, list(rows["workflow_runs"]))
            _compare_lookups(real, memory, rows)
            _compare_digests(real, memory, rows)
            assert real.external_runs() is memory.external_runs() is False


def _by_id(rows: Any, *without: str) -> dict[str, dict[str, Any]]:
    found = {}
    for row in rows:
        fields = {name: getattr(row, name) for name in row.__struct_fields__ if name not in without}
        found[fields["id"]] = {
            name: round(value, 9) if isinstance(value, float) else value for name, value in fields.items()
        }
    return found


def _compare_keys(real: Any, memory: Any) -> None:
    for scan in ("message_keys", "run_keys"):
        after: Key | None = None
        while keys := getattr(real, scan)(after, 13):
            assert list(keys) == list(getattr(memory, scan)(after, 13))
            since = keys[0].us - 60_000_000
            assert list(getattr(real, f"{scan}_since")(since, keys[-1])) == list(
                getattr(memory, f"{scan}_since")(since, keys[-1])
            )
            after = keys[-1]
    assert list(real.single_step_keys(0, 50)) == list(memory.single_step_keys(0, 50))
    alone = [key.id for key in real.single_step_keys(0, 50)]
    assert _by_id(real.single_steps(alone)) == _by_id(memory.single_steps(alone))


def _compare_messages(real: Any, memory: Any, ids: list[str]) -> None:
    assert _by_id(real.message_states(ids), "size") == _by_id(memory.message_states(ids), "size")
    assert _by_id(real.messages(ids)) == _by_id(memory.messages(ids))
    assert list(real.resources(ids)) == list(memory.resources(ids))
    assert _by_id(real.thoughts(ids)) == _by_id(memory.thoughts(ids))
    assert _signals(real.thought_signals(ids)) == _signals(memory.thought_signals(ids))


def _compare_runs(real: Any, memory: Any, ids: list[str]) -> None:
    states = real.run_states(ids)
    assert _by_id(states) == _by_id(memory.run_states(ids))
    assert _by_id(real.runs(ids)) == _by_id(memory.runs(ids))
    whose = (
        "tenant_id",
        "app_id",
        "workflow_id",
        "app_name",
        "mode",
        "tenant_name",
    )  # of a run's nodes, the run says it
    assert _by_id(real.nodes(states), *whose) == _by_id(memory.nodes(states), *whose)
    assert _signals(real.node_signals(states)) == _signals(memory.node_signals(states))
    everywhere = (0, 2**62)
    assert real.runs_with_message(ids, *everywhere) == memory.runs_with_message(ids, *everywhere)
    middle = sorted(state.created_us for state in states)[len(states) // 2]
    assert real.runs_with_message(ids, 0, middle) == memory.runs_with_message(ids, 0, middle)


def _signals(found: dict[str, Any]) -> dict[str, tuple[Any, ...]]:
    return {row_id: (each.last_us, each.size, each.stop_evidence) for row_id, each in found.items()}


def _compare_lookups(real: Any, memory: Any, rows: Any) -> None:
    for question, table in (("definitions", "workflows"), ("configs", "app_model_configs")):
        ids = list(rows[table])
        assert getattr(real, question)(ids) == getattr(memory, question)(ids)
        assert all(each.hash for each in getattr(real, question)(ids).values())
    assert real.apps() == memory.apps()
    assert all(app.tenant_name for app in real.apps().values())


def _compare_digests(real: Any, memory: Any, rows: Any) -> None:
    hour_us = 3_600_000_000
    for table in ("messages", "workflow_runs"):
        times = sorted(key.us for key in memory._keys(table, where=lambda key: True))
        for since in range(times[0] // hour_us * hour_us, times[-1] + 1, hour_us):
            found = real.digests(table, since, since + hour_us)
            assert found == memory.digests(table, since, since + hour_us)
            for app in found:
                assert list(real.ids_between(table, app, since, since + hour_us)) == list(
                    memory.ids_between(table, app, since, since + hour_us)
                )
        everything = real.digests(table, 0, 2**62)
        assert sum(digest.count for digest in everything.values()) == len(rows[table])
        expected = sum(int(md5(row_id.encode()).hexdigest()[:15], 16) for row_id in rows[table])
        assert sum(digest.hash for digest in everything.values()) == expected
    assert real.oldest_us("messages") == memory.oldest_us("messages")
    assert real.oldest_us("workflow_runs") is None  # without an index one would have to look at all of them


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("limit", [4, 500])
def test_the_facts_are_the_same_by_whichever_way(fresh_database: Callable[..., Any], version: str, limit: int) -> None:
    with _postgres(fresh_database(version).url) as tables, tables.snapshot() as real:
        memory = MemoryTables(final_rows(version), real.now_us)
        assert _facts(tables, limit=limit) == _facts(memory)


def test_on_the_tables_of_1_12_the_same_rows_say_the_same(fresh_database: Callable[..., Any]) -> None:
    """Columns and indexes were added since 1.9; none that is read has gone."""
    database = fresh_database("1.12", rows="none")
    with database.connection() as connection:
        load_rows(connection, "1.9", [table for table in (*LOOKUP_TABLES, *EVENT_TABLES) if table != "alembic_version"])
    with _postgres(database.url) as new, _postgres(fresh_database("1.9").url) as old:
        assert new.runs_indexed is True
        assert _facts(new, limit=50) == _facts(old)


def test_on_the_tables_of_1_12_a_stop_and_a_pause_are_understood(fresh_database: Callable[..., Any]) -> None:
    """A stop leaves the run `running` for ever; a message that waits for a person has a duration already."""
    database = fresh_database("1.9")
    with database.connection() as connection:
        run, message = connection.execute(
            "SELECT r.id::text, m.id::text FROM workflow_runs r JOIN messages m ON m.workflow_run_id = r.id"
            " JOIN workflow_node_executions n ON n.workflow_run_id = r.id WHERE n.node_type = 'llm' AND r.status = 'succeeded' LIMIT 1"
        ).fetchone()
        with _postgres(database.url) as tables:
            connection.execute("UPDATE workflow_runs SET status = 'running', finished_at = NULL WHERE id = %s", (run,))
            connection.execute(
                "UPDATE workflow_node_executions SET status = 'failed', error = 'Execution cancelled'"
                " WHERE workflow_run_id = %s AND node_type = 'llm'", (run,)
            )  # fmt: skip
            assert _end(_facts(tables), run).status == "stopped"
            connection.execute(
                "UPDATE workflow_runs SET status = 'paused', created_at = timezone('UTC', now()) WHERE id = %s", (run,)
            )
            connection.execute("UPDATE messages SET status = 'paused' WHERE id = %s", (message,))
            assert f"{run}:turn:ended" not in _facts(tables)


def _end(facts: dict[str, Any], turn_id: str) -> TurnEnded:
    body = facts[f"{turn_id}:turn:ended"][0]
    assert isinstance(body, TurnEnded)
    return body


def test_every_change_of_a_child_changes_its_parents_signal(fresh_database: Callable[..., Any]) -> None:
    database = fresh_database("1.9")
    with _postgres(database.url) as tables, database.connection() as connection:
        thought = connection.execute("SELECT id::text, message_id::text FROM message_agent_thoughts LIMIT 1").fetchone()
        node = connection.execute(
            "SELECT id::text, workflow_run_id::text FROM workflow_node_executions WHERE workflow_run_id IS NOT NULL LIMIT 1"
        ).fetchone()

        def marks() -> tuple[str, str]:
            with tables.snapshot() as real:
                return (
                    real.thought_signals([thought[1]])[thought[1]].mark,
                    real.node_signals(real.run_states([node[1]]))[node[1]].mark,
                )

        seen = [marks()]
        for change in (
            "observation = 'longer than it was'",
            "tool = 'x'",
            "tokens = 4711",
            "answer = 'y'",
            "tool_meta_str = '{\"x\": 1}'",
        ):
            connection.execute(f"UPDATE message_agent_thoughts SET {change} WHERE id = %s", (thought[0],))
            seen.append(marks())
        for change in ("status = 'retry'", "index = 4711", "finished_at = now()"):
            connection.execute(f"UPDATE workflow_node_executions SET {change} WHERE id = %s", (node[0],))
            seen.append(marks())
        assert len(set(seen)) == len(seen)


@pytest.mark.parametrize("table", ["messages", "workflow_runs", "message_agent_thoughts", "workflow_node_executions"])
def test_absurd_times_and_numbers_stop_nothing(fresh_database: Callable[..., Any], table: str) -> None:
    database = fresh_database("1.9")
    with _postgres(database.url) as tables, database.connection() as connection:
        before = _facts(tables)
        ids = [row[0] for row in connection.execute(f"SELECT id FROM {table} ORDER BY id LIMIT 4")]
        for row_id, moment in zip(ids, ("infinity", "-infinity", "4714-11-24 BC", "294276-12-31"), strict=True):
            connection.execute(f"UPDATE {table} SET created_at = %s WHERE id = %s", (moment, row_id))
        connection.execute(
            "UPDATE messages SET provider_response_latency = 'NaN' WHERE id = (SELECT id FROM messages ORDER BY id LIMIT 1)"
        )
        connection.execute(
            "UPDATE messages SET provider_response_latency = 1e300 WHERE id = (SELECT id FROM messages ORDER BY id DESC LIMIT 1)"
        )
        after = _facts(tables, limit=7)
        assert len(before.keys() - after.keys()) <= 4


def test_dates_are_read_right_however_the_server_writes_them(fresh_database: Callable[..., Any]) -> None:
    database = fresh_database("1.9")
    with _postgres(database.url) as tables:
        expected = _facts(tables, limit=9)
    with database.connection() as connection:
        connection.execute(sql.SQL("ALTER DATABASE {} SET datestyle = 'German'").format(sql.Identifier(database.name)))
        connection.execute(
            sql.SQL("ALTER DATABASE {} SET timezone = 'Asia/Shanghai'").format(sql.Identifier(database.name))
        )
    with _postgres(database.url) as tables:
        assert _facts(tables, limit=9) == expected


# -- runs without an index on their creation (up to 1.11.2)


def _source(tables: Tables) -> DatabaseSource:
    return DatabaseSource("dify", tables, Reader(Limits(), pseudonym, structlog.get_logger()), HandClock())


def test_one_look_at_all_runs_serves_many_pages_but_no_other_position(fresh_database: Callable[..., Any]) -> None:
    database = fresh_database("1.9")
    with _postgres(database.url) as tables, database.connection() as connection:
        assert tables.runs_indexed is False
        with tables.snapshot() as real:
            _look_here_and_there(real, connection)


def _look_here_and_there(real: Any, connection: psycopg.Connection[Any]) -> None:
    everything = real._keys("run_keys", None, 10_000)
    assert list(real.run_keys(None, 5)) == everything[:5]
    assert list(real.run_keys(everything[4], 5)) == everything[5:10]
    assert list(real.run_keys(everything[1], 5)) == everything[2:7]
    assert list(real.run_keys(None, 5)) == everything[:5]
    assert list(real.run_keys(everything[-3], 5)) == everything[-2:]
    connection.execute("DELETE FROM workflow_runs")  # in another transaction; this snapshot still has them
    assert list(real.run_keys(everything[-3], 5)) == everything[-2:]


def test_a_position_that_was_not_committed_is_read_again_the_same(fresh_database: Callable[..., Any]) -> None:
    """With an index on the runs; without one, what a page takes of them depends on when they were looked over last."""
    database = fresh_database("1.9")
    with database.connection() as connection:
        connection.execute("CREATE INDEX ON workflow_runs (created_at, id)")
    with _postgres(database.url) as tables:
        source = _source(tables)
        first, after_first = source.read(None, 5, DictMemory()), DictMemory()
        after_first.apply(first)
        second = source.read(first.position, 5, after_first)
        assert source.read(first.position, 5, after_first).events == second.events
        assert source.read(None, 5, DictMemory()).events == first.events


def test_runs_deleted_between_two_pages_are_passed_over(fresh_database: Callable[..., Any]) -> None:
    database = fresh_database("1.9")
    with _postgres(database.url) as tables, database.connection() as connection:
        source, memory = _source(tables), DictMemory()
        page = source.read(None, 3, memory)
        connection.execute("DELETE FROM workflow_runs")
        connection.execute("UPDATE messages SET workflow_run_id = NULL")
        for _ in range(500):
            memory.apply(page)
            if not page.more:
                return
            page = source.read(page.position, 3, memory)
        raise AssertionError("the source never comes to its end")


# -- rights, limits and errors


@pytest.mark.parametrize("version", ["0.15", "1.9", "1.12"])
def test_the_documented_role_is_enough(fresh_database: Callable[..., Any], version: str) -> None:
    """The page for administrators grants what is read, in every version, and nothing that writes."""
    database = fresh_database(version, rows="none" if version == "1.12" else "all")
    role = f"monitor_reader_{version.replace('.', '_')}_{database.name[-6:]}"
    grants = re.search(r"```sql\n(.*?)```", _ROLE.read_text(), re.DOTALL)
    assert grants is not None
    with database.connection() as connection:
        connection.execute(grants[1].replace("dify_monitor", role).encode())
    try:
        with _postgres(database.url.replace("//postgres@", f"//{role}@")) as tables, _postgres(database.url) as owner:
            tables.check()
            assert _facts(tables) == _facts(owner)
            with pytest.raises(Auth, match="permission denied"), tables.snapshot() as real:
                real.cursor.execute("SELECT * FROM accounts")
    finally:
        with database.connection() as connection:
            connection.execute(sql.SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(sql.Identifier(role)))


def test_a_snapshot_cannot_write(fresh_database: Callable[..., Any]) -> None:
    with (
        _postgres(fresh_database("1.9").url) as tables,
        pytest.raises(Retryable, match="read-only"),
        tables.snapshot() as real,
    ):
        real.cursor.execute("DELETE FROM messages")


def test_all_of_a_reading_is_of_one_moment(fresh_database: Callable[..., Any]) -> None:
    database = fresh_database("1.9")
    with _postgres(database.url) as tables, database.connection() as connection:
        with tables.snapshot() as real:
            before = len(real.message_keys(None, 1_000))
            connection.execute("DELETE FROM messages")
            assert len(real.message_keys(None, 1_000)) == before
        with tables.snapshot() as real:
            assert list(real.message_keys(None, 1_000)) == []


def test_a_locked_table_is_waited_for_no_longer_than_the_limit(fresh_database: Callable[..., Any]) -> None:
    """An upgrade of Dify may hold its tables."""
    database = fresh_database("1.9")
    with _postgres(database.url, statement_timeout_s=0.2) as tables, psycopg.connect(database.url) as other:
        other.execute("LOCK TABLE messages IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(Retryable, match="statement timeout"), tables.snapshot() as real:
            real.message_keys(None, 5)
        other.rollback()
        with tables.snapshot() as real:
            assert real.message_keys(None, 5)


def test_a_connection_that_was_cut_is_made_again(fresh_database: Callable[..., Any]) -> None:
    database = fresh_database("1.9")
    with _postgres(database.url) as tables, database.connection() as connection:
        tables.check()
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'dify-monitor' AND datname = current_database()"
        )
        with pytest.raises(Retryable):
            tables.check()
        tables.check()


def test_what_a_person_must_set_right_is_said(fresh_database: Callable[..., Any]) -> None:
    empty = fresh_database()
    for url, match in ((empty.url, "messages"), (f"{empty.url}_not_there", "does not exist")):
        with _postgres(url) as tables, pytest.raises(Auth, match=match):
            tables.check()
    with _postgres("postgresql://postgres@127.0.0.1:1/dify") as tables, pytest.raises(Retryable):
        tables.check()


def test_one_connection_no_prepared_statements_and_nothing_left_open(fresh_database: Callable[..., Any]) -> None:
    """PgBouncer in transaction mode hands every transaction to another server process."""
    database = fresh_database("1.9")
    with _postgres(database.url) as tables, database.connection() as connection:
        _facts(tables, limit=20)
        sessions = connection.execute(
            "SELECT state FROM pg_stat_activity WHERE application_name = 'dify-monitor' AND datname = current_database()"
        ).fetchall()
        assert sessions == [("idle",)]
        with tables.snapshot() as real:
            assert real.cursor.execute("SELECT count(*) FROM pg_prepared_statements").fetchall() == [(0,)]
            assert real.cursor.execute("SHOW transaction_read_only").fetchall() == [("on",)]
        kept = tables._connection
        assert kept is not None
        assert kept.execute("SHOW statement_timeout").fetchall() == [("0",)]  # set for the transaction only
        assert kept.execute("SHOW enable_seqscan").fetchall() == [("on",)]


def test_a_recorded_schema_is_there_for_every_version_that_is_named() -> None:
    assert all((recording_path(version) / "schema.sql").exists() for version in ("0.15", "1.9", "1.12"))


def test_steps_of_the_recordings_have_their_tools_names(fresh_database: Callable[..., Any]) -> None:
    with _postgres(fresh_database("1.9").url) as tables:
        steps = [body.step for body, _ in _facts(tables).values() if isinstance(body, StepEnded)]
        assert {step.tool.name for step in steps if step.tool is not None and step.node is not None} == {
            "query_order_status"
        }
