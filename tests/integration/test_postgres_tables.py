"""Dify's tables in a real PostgreSQL: the answers are right, the plans use indexes, and every error is of its kind."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import structlog
from psycopg import sql

from monitor.clock import SystemClock
from monitor.errors import Auth, Retryable
from monitor.model import StepEnded, TurnEnded
from monitor.sources.dify_database import DatabaseSource
from monitor.sources.dify_database.memory import MemoryTables
from monitor.sources.dify_database.postgres import PostgresTables, _PostgresSnapshot
from monitor.sources.dify_database.reader import Limits, Reader
from monitor.sources.dify_database.tables import Key, Tables
from tests.support.reading import Ledger, pseudonym, read_to_end
from tests.support.recordings import EVENT_TABLES, LOOKUP_TABLES, VERSIONS, final_rows, load_rows, recording_path

pytestmark = pytest.mark.backend("postgres")

_NOW = "2026-12-01 00:00:00"
_BIG = {"messages", "workflow_runs", "workflow_node_executions", "message_agent_thoughts"}
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
    assert _by_id(real.thoughts(ids)) == _by_id(memory.thoughts(ids))
    assert _signals(real.thought_signals(ids)) == _signals(memory.thought_signals(ids))


def _compare_runs(real: Any, memory: Any, ids: list[str]) -> None:
    states = real.run_states(ids)
    assert _by_id(states) == _by_id(memory.run_states(ids))
    assert _by_id(real.runs(ids)) == _by_id(memory.runs(ids))
    whose = ("tenant_id", "app_id", "workflow_id", "app_name", "mode")  # of a run's nodes, the run says it
    assert _by_id(real.nodes(states), *whose) == _by_id(memory.nodes(states), *whose)
    assert _signals(real.node_signals(states)) == _signals(memory.node_signals(states))
    everywhere = (0, 2**62)
    assert real.runs_with_message(ids, *everywhere) == memory.runs_with_message(ids, *everywhere)
    middle = sorted(state.created_us for state in states)[len(states) // 2]
    assert real.runs_with_message(ids, 0, middle) == memory.runs_with_message(ids, 0, middle)


def _signals(found: dict[str, Any]) -> dict[str, tuple[Any, ...]]:
    return {row_id: (each.last_us, each.size, each.stop_evidence) for row_id, each in found.items()}


def _compare_lookups(real: Any, memory: Any, rows: Any) -> None:
    for question, table in (("graphs", "workflows"), ("agent_tools", "app_model_configs")):
        ids = list(rows[table])
        assert getattr(real, question)(ids) == getattr(memory, question)(ids)


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
    return DatabaseSource("dify", tables, Reader(Limits(), pseudonym, structlog.get_logger()), SystemClock())


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
    with _postgres(fresh_database("1.9").url) as tables:
        source = _source(tables)
        first = source.read(None, 5)
        second = source.read(first.position, 5)
        assert source.read(first.position, 5).events == second.events
        assert source.read(None, 5).events == first.events


def test_runs_deleted_between_two_pages_are_passed_over(fresh_database: Callable[..., Any]) -> None:
    database = fresh_database("1.9")
    with _postgres(database.url) as tables, database.connection() as connection:
        source = _source(tables)
        page = source.read(None, 3)
        connection.execute("DELETE FROM workflow_runs")
        connection.execute("UPDATE messages SET workflow_run_id = NULL")
        for _ in range(500):
            if not page.more:
                return
            page = source.read(page.position, 3)
        raise AssertionError("the source never comes to its end")


# -- the plans


class _Explaining(_PostgresSnapshot):
    """Asks for the plan before each answer."""

    plans: dict[str, list[dict[str, Any]]]

    def ask(self, name: str, **values: Any) -> list[tuple[Any, ...]]:
        statement = self._tables._statements[name]
        ((plan,),) = self._cursor.execute(f"EXPLAIN (VERBOSE, FORMAT JSON) {statement}", values or None).fetchall()
        self.plans.setdefault(name, []).append(plan[0]["Plan"])
        return super().ask(name, **values)


class _ExplainingTables(PostgresTables):
    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.plans: dict[str, list[dict[str, Any]]] = {}

    @contextmanager
    def snapshot(self) -> Iterator[_PostgresSnapshot]:
        with super().snapshot() as real:
            explaining = _Explaining(real._cursor, self)
            explaining.plans = self.plans
            yield explaining


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from _nodes(inner)


_FILL = [
    """INSERT INTO apps (id, tenant_id, name, mode, enable_site, enable_api, icon, description, tracing, max_active_requests)
       SELECT md5('app' || n)::uuid, md5('tenant')::uuid, 'app', (ARRAY['chat', 'agent-chat', 'advanced-chat', 'workflow'])[n % 4 + 1],
              true, true, '', '', '', NULL FROM generate_series(0, 39) n""",
    """INSERT INTO workflows (id, tenant_id, app_id, type, version, graph, features, created_by, updated_at)
       SELECT md5('workflow' || n)::uuid, md5('tenant')::uuid, md5('app' || n)::uuid, 'workflow',
              CASE WHEN n % 2 = 0 THEN 'draft' ELSE '1' END, '{}', '{}', md5('x')::uuid, now() FROM generate_series(0, 39) n""",
    """INSERT INTO workflow_runs (id, tenant_id, app_id, workflow_id, type, triggered_from, version, graph, inputs, status, outputs,
                                  elapsed_time, total_tokens, total_steps, created_by_role, created_by, created_at, finished_at)
       SELECT md5('run' || n)::uuid, md5('tenant')::uuid, md5('app' || n % 40)::uuid, md5('workflow' || n % 40)::uuid,
              CASE WHEN n % 2 = 0 THEN 'chat' ELSE 'workflow' END, 'app-run', '1', repeat('g', 500), '{}', 'succeeded', '{}', 1, 0, 1,
              'end_user', md5('user' || n % 500)::uuid, timestamp '2026-11-01' + n * interval '7 seconds',
              timestamp '2026-11-01' + n * interval '7 seconds' FROM generate_series(1, 20000) n""",
    """INSERT INTO messages (id, app_id, conversation_id, inputs, query, message, message_tokens, message_unit_price, answer,
                             answer_tokens, answer_unit_price, provider_response_latency, currency, from_source, status, created_at,
                             updated_at, agent_based, workflow_run_id, from_end_user_id)
       SELECT md5('message' || n)::uuid, md5('app' || n % 40)::uuid, md5('conversation' || n % 3000)::uuid, '{}', repeat('q', 100), '[]',
              1, 0, repeat('a', 300), 1, 0, 1, 'USD', 'api', 'normal', timestamp '2026-11-01' + n / 3 * interval '7 seconds', now(),
              false, CASE WHEN n % 2 = 0 THEN md5('run' || n)::uuid END, md5('user' || n % 500)::uuid
       FROM generate_series(1, 20000) n""",
    """INSERT INTO message_agent_thoughts (id, message_id, position, created_by_role, created_by, created_at, tool, observation)
       SELECT md5('thought' || n)::uuid, md5('message' || n)::uuid, 1, 'account', md5('x')::uuid,
              timestamp '2026-11-01' + n * interval '2 seconds', 'query', repeat('o', 200) FROM generate_series(1, 20000) n""",
    """INSERT INTO workflow_node_executions (id, tenant_id, app_id, workflow_id, triggered_from, workflow_run_id, index, node_id,
                                             node_type, title, status, elapsed_time, created_at, created_by_role, created_by, outputs)
       SELECT md5('node' || n)::uuid, md5('tenant')::uuid, md5('app' || n / 3 % 40)::uuid, md5('workflow' || n / 3 % 40)::uuid,
              CASE WHEN n % 200 = 0 THEN 'single-step' ELSE 'workflow-run' END, CASE WHEN n % 200 > 0 THEN md5('run' || n / 3)::uuid END,
              n % 3, 'n', 'code', 't', 'succeeded', 1, timestamp '2026-11-01' + n * interval '2 seconds', 'account', md5('x')::uuid,
              repeat('o', 200) FROM generate_series(1, 60000) n""",
    """INSERT INTO end_users (id, tenant_id, type, is_anonymous, session_id)
       SELECT md5('user' || n)::uuid, md5('tenant')::uuid, 'service_api', false, 's' FROM generate_series(0, 499) n""",
]


@pytest.fixture
def filled(fresh_database: Callable[..., Any]) -> Callable[[str], Any]:
    """A database with enough rows for the planner to care, and statistics of them."""

    def make(version: str) -> Any:
        database = (
            fresh_database(version, rows="none") if version == "1.12" else fresh_database(version, rows="lookups")
        )
        with database.connection() as connection:
            connection.execute("SET session_replication_role = replica")  # foreign keys are not what is tested
            connection.execute("DELETE FROM workflows")
            for statement in _FILL:
                connection.execute(_as_the_schema_has_it(connection, statement))
            connection.execute("ANALYZE")
        return database

    return make


def _as_the_schema_has_it(connection: psycopg.Connection[Any], statement: str) -> bytes:
    """The columns without a default that only this version has are filled with something of their type."""
    table = re.match(r"INSERT INTO (\w+) \(([^)]*)\)", statement)
    assert table is not None
    given = {name.strip() for name in table[2].split(",")}
    missing = connection.execute(
        "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = 'public' AND table_name = %s"
        " AND is_nullable = 'NO' AND column_default IS NULL", (table[1],)
    ).fetchall()  # fmt: skip
    known = {
        name
        for (name,) in connection.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_name = %s", (table[1],)
        )
    }
    assert given <= known, given - known
    extra = [
        (name, "0" if kind in {"integer", "bigint"} else "md5('x')::uuid" if kind == "uuid" else "''")
        for name, kind in missing
        if name not in given
    ]
    names = "".join(f", {name}" for name, _ in extra)
    values = "".join(f", {value}" for _, value in extra)
    return (
        statement.replace(")", f"{names})", 1)
        .replace(" FROM generate_series", f"{values} FROM generate_series")
        .encode()
    )


@pytest.mark.parametrize("version", ["0.15", "1.9", "1.12"])
def test_no_statement_looks_through_a_big_table(filled: Callable[[str], Any], version: str) -> None:
    tables = _ExplainingTables(filled(version).url)
    try:
        indexed = tables.runs_indexed
        assert indexed == (version == "1.12")
        source = _source(tables)
        page = source.read(None, 200)
        for _ in range(3):
            page = source.read(page.position, 200)
        with tables.snapshot() as real:
            mark = real.message_keys(None, 15_000)[-1]
            real.message_keys(mark, 200)
            real.message_keys_since(mark.us - 120_000_000, mark)
            real.single_step_keys(mark.us, 200)
            real.single_steps(["00000000-0000-0000-0000-000000000001"])
            if indexed:
                real.run_keys(mark, 200)
                real.run_keys_since(mark.us - 120_000_000, mark)
            real.agent_tools(["00000000-0000-0000-0000-000000000001"])
        # With no mark yet the first page may begin as it likes; what matters is every page after it.
        without_index = set() if indexed else {"run_keys", "run_keys_since"}
        for name in tables.plans.keys() - without_index - {"check", "indexes"}:
            for plan in tables.plans[name]:
                scans = {node["Relation Name"] for node in _nodes(plan) if node["Node Type"] == "Seq Scan"}
                assert not scans & _BIG, (name, json.dumps(plan, indent=1)[:3_000])
        assert {
            "messages",
            "nodes",
            "node_signals",
            "thought_signals",
            "message_states",
            "runs_with_message",
        } <= tables.plans.keys()
    finally:
        tables.close()


@pytest.mark.parametrize("version", ["1.9", "1.12"])
def test_pages_of_keys_and_nodes_are_read_by_the_index_alone(filled: Callable[[str], Any], version: str) -> None:
    """Also with the condition that lets the first page have no mark: it must not keep the planner from the index."""
    tables = _ExplainingTables(filled(version).url)
    try:
        with tables.snapshot() as real:
            mark = real.message_keys(None, 10_000)[-1]
            tables.plans.clear()
            real.message_keys(mark, 100)
            real.message_keys(None, 100)
            real.message_keys_since(mark.us - 120_000_000, mark)
            if version == "1.12":
                real.run_keys(mark, 100)
                real.run_keys_since(mark.us - 120_000_000, mark)
            for name, plan in [
                (name, each) for name, plans in tables.plans.items() if name != "indexes" for each in plans
            ]:
                # A sort of everything that lies ahead would make each page as dear as all of them.
                sorts = "Sort" in [node["Node Type"] for node in _nodes(plan)]
                assert not sorts or name.endswith("_since"), (name, json.dumps(plan, indent=1))
                assert any("created_at" in str(node.get("Index Name", "")) for node in _nodes(plan))
            states = real.run_states(
                [row[0] for row in real._cursor.execute("SELECT id::text FROM workflow_runs LIMIT 200").fetchall()]
            )
            real.nodes(states)
            real.node_signals(states)
            for plan in tables.plans["nodes"] + tables.plans["node_signals"]:
                conditions = [
                    node["Index Cond"] for node in _nodes(plan) if "workflow_node" in node.get("Index Name", "")
                ]
                assert [condition for condition in conditions if "workflow_run_id" in condition], json.dumps(
                    plan, indent=1
                )
    finally:
        tables.close()


def test_no_statement_names_what_must_not_be_read() -> None:
    text = (Path(__file__).parents[2] / "monitor/sources/dify_database/postgres.sql").read_text()
    statements = re.sub(r"--.*", "", text)
    assert re.findall(r"\bgraph\b.*", statements) == ["graph FROM workflows WHERE id = ANY(%(ids)s::uuid[])"]
    assert not re.search(r"environment_variables|\btoken\b|password|SELECT \*|\.\*", statements)
    assert not re.search(r"\b(INSERT|UPDATE|DELETE|ALTER|CREATE|DROP|COPY|LOCK|FOR SHARE)\b", statements)


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
                real._cursor.execute("SELECT * FROM accounts")
    finally:
        with database.connection() as connection:
            connection.execute(sql.SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(sql.Identifier(role)))


def test_a_snapshot_cannot_write(fresh_database: Callable[..., Any]) -> None:
    with (
        _postgres(fresh_database("1.9").url) as tables,
        pytest.raises(Retryable, match="read-only"),
        tables.snapshot() as real,
    ):
        real._cursor.execute("DELETE FROM messages")


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
            assert real._cursor.execute("SELECT count(*) FROM pg_prepared_statements").fetchall() == [(0,)]
            assert real._cursor.execute("SHOW transaction_read_only").fetchall() == [("on",)]
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
