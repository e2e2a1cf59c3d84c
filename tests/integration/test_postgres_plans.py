"""What our statements cost Dify's PostgreSQL: which indexes they use, and how many blocks a poll looks at."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import structlog

from monitor.sources.dify_database import DatabaseSource
from monitor.sources.dify_database.postgres import PostgresTables
from monitor.sources.dify_database.reader import Limits, Reader
from monitor.sources.dify_database.snapshot import Explained
from monitor.sources.dify_database.state import key_at
from monitor.sources.dify_database.tables import Snapshot
from monitor.testing.clock import HandClock
from monitor.testing.memory import DictMemory
from tests.support.reading import pseudonym

pytestmark = pytest.mark.backend("postgres")

_BIG = {"messages", "workflow_runs", "workflow_node_executions", "message_agent_thoughts"}
_WHOLE = {"run_keys", "run_keys_since", "run_digests", "run_ids"}
"""Without an index on the runs' creation these look at the whole table, and are asked rarely."""
_NOBODY = "00000000-0000-0000-0000-000000000001"
_VERSIONS = ["0.15", "1.9", "1.12"]
_SMALL, _LARGE = 1_500, 15_000
_NEW = 4
_MAY_GROW = 1.4
"""An index of ten times the entries may be one block higher."""
_MAY_CHANGE = 2.5
"""Of a small table PostgreSQL rather reads all of its few blocks: another plan, which need not be the cheaper one."""
_GRAPH = '{"nodes": [{"id": "start"}, {"id": "n"}], "edges": [{"source": "start", "target": "n"}]}'

# 200 apps of four modes; every second message is a chatflow's and has a run, the other runs are of workflow apps.
_APP_OF_RUN = "md5('app' || (n % 50 * 4 + 2 + n % 2))::uuid"
_WORKFLOW_OF_RUN = "md5('published' || (n % 50 * 4 + 2 + n % 2))::uuid"
_MADE = "timezone('UTC', now()) - ({last} - n) * interval '1 second'"
_SETTING = (
    """INSERT INTO apps (id, tenant_id, name, mode, enable_site, enable_api, icon, description, tracing)
       SELECT md5('app' || n)::uuid, md5('tenant')::uuid, 'app', (ARRAY['chat', 'agent-chat', 'advanced-chat', 'workflow'])[n % 4 + 1],
              true, true, '', '', '' FROM generate_series(0, 199) n""",
    f"""INSERT INTO workflows (id, tenant_id, app_id, type, version, graph, features, created_by, updated_at)
       SELECT md5(kind || n)::uuid, md5('tenant')::uuid, md5('app' || n)::uuid, CASE WHEN n % 4 = 2 THEN 'chat' ELSE 'workflow' END,
              CASE WHEN kind = 'draft' THEN 'draft' ELSE '2026-01-01 00:00:00.000000' END, '{_GRAPH}', '{{}}', md5('x')::uuid, now()
       FROM generate_series(0, 199) n, (VALUES ('draft'), ('published')) k (kind) WHERE n % 4 >= 2""",
    """INSERT INTO end_users (id, tenant_id, type, is_anonymous, session_id)
       SELECT md5('user' || n)::uuid, md5('tenant')::uuid, 'service_api', false, 's' FROM generate_series(0, 499) n""",
    """INSERT INTO workflow_node_executions (id, tenant_id, app_id, workflow_id, triggered_from, index, node_id,
                                             node_type, title, status, elapsed_time, created_at, created_by_role, created_by)
       SELECT md5('alone' || n)::uuid, md5('tenant')::uuid, md5('app' || (n % 50 * 4 + 3))::uuid, md5('draft' || (n % 50 * 4 + 3))::uuid,
              'single-step', 1, 'n', 'code', 't', 'succeeded', 1, timezone('UTC', now()) - n * interval '1 hour', 'account', md5('x')::uuid
       FROM generate_series(1, 300) n""",
)
_TURNS = (
    f"""INSERT INTO workflow_runs (id, tenant_id, app_id, workflow_id, type, triggered_from, version, graph, inputs, status, outputs,
                                  elapsed_time, total_tokens, total_steps, created_by_role, created_by, created_at, finished_at)
       SELECT md5('run' || n)::uuid, md5('tenant')::uuid, {_APP_OF_RUN}, {_WORKFLOW_OF_RUN},
              CASE WHEN n % 2 = 0 THEN 'chat' ELSE 'workflow' END, 'app-run', '1', repeat('g', 500), '{{}}', 'succeeded', '{{}}', 1, 0, 1,
              'end_user', md5('user' || n % 500)::uuid, {_MADE}, {_MADE} FROM generate_series({{first}}, {{last}}) n""",
    f"""INSERT INTO messages (id, app_id, conversation_id, inputs, query, message, message_tokens, message_unit_price, answer,
                             answer_tokens, answer_unit_price, provider_response_latency, currency, from_source, status, created_at,
                             updated_at, agent_based, workflow_run_id, from_end_user_id)
       SELECT md5('message' || n)::uuid, CASE WHEN n % 2 = 0 THEN {_APP_OF_RUN} ELSE md5('app' || (n % 50 * 4 + n / 2 % 2))::uuid END,
              md5('conversation' || n % 3000)::uuid, '{{}}', repeat('q', 100), '[]', 1, 0, repeat('a', 300), 1, 0, 1, 'USD', 'api', 'normal',
              date_trunc('second', {_MADE}), now(), false, CASE WHEN n % 2 = 0 THEN md5('run' || n)::uuid END, md5('user' || n % 500)::uuid
       FROM generate_series({{first}}, {{last}}) n""",
    f"""INSERT INTO message_agent_thoughts (id, message_id, position, created_by_role, created_by, created_at, tool, observation)
       SELECT md5('thought' || n)::uuid, md5('message' || n)::uuid, 1, 'account', md5('x')::uuid, {_MADE}, 'query', repeat('o', 200)
       FROM generate_series({{first}}, {{last}}) n""",
    f"""INSERT INTO workflow_node_executions (id, tenant_id, app_id, workflow_id, triggered_from, workflow_run_id, index, node_id,
                                             node_type, title, status, elapsed_time, created_at, created_by_role, created_by, outputs)
       SELECT md5('node' || n || node)::uuid, md5('tenant')::uuid, {_APP_OF_RUN}, {_WORKFLOW_OF_RUN}, 'workflow-run', md5('run' || n)::uuid,
              1, node, 'code', 't', 'succeeded', 1, {_MADE}, 'account', md5('x')::uuid, repeat('o', 200)
       FROM generate_series({{first}}, {{last}}) n, (VALUES ('start'), ('n')) k (node)""",
)


@pytest.fixture
def filled(fresh_database: Callable[..., Any]) -> Callable[[str, int], Any]:
    """A database with so many messages and runs, and statistics of them."""

    def make(version: str, turns: int) -> Any:
        database = fresh_database(version, rows="none")
        with database.connection() as connection:
            for statement in _SETTING:
                connection.execute(_as_the_schema_has_it(connection, statement))
            _add_turns(connection, 1, turns)
            connection.execute("ANALYZE")
        return database

    return make


def _add_turns(connection: psycopg.Connection[Any], first: int, last: int) -> None:
    connection.execute("SET session_replication_role = replica")  # foreign keys are not what is tested
    for statement in _TURNS:
        numbered = statement.replace("{first}", str(first)).replace("{last}", str(last))
        connection.execute(_as_the_schema_has_it(connection, numbered))


def _as_the_schema_has_it(connection: psycopg.Connection[Any], statement: str) -> bytes:
    """The columns without a default that only this version has are filled with something of their type."""
    table = re.match(r"INSERT INTO (\w+) \(([^)]*)\)", statement)
    assert table is not None
    given = {name.strip() for name in table[2].split(",")}
    missing = connection.execute(
        "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = 'public' AND table_name = %s"
        " AND is_nullable = 'NO' AND column_default IS NULL",
        (table[1],),
    ).fetchall()
    extra = [(name, _value(name, kind)) for name, kind in missing if name not in given]
    names = "".join(f", {name}" for name, _ in extra)
    values = "".join(f", {value}" for _, value in extra)
    changed = statement.replace(")", f"{names})", 1)
    return re.sub(r"\s+FROM generate_series", f"{values} FROM generate_series", changed).encode()


def _value(name: str, kind: str) -> str:
    if name == "sequence_number":
        return "n"
    return "0" if kind in {"integer", "bigint"} else "md5('x')::uuid" if kind == "uuid" else "''"


class _SlowClock(HandClock):
    """Every reading takes a tenth of a second, so a look at the whole table of runs has a pause after it."""

    def monotonic(self) -> float:
        self.move(0.1)
        return super().monotonic()


class _Reading:
    """A source that reads on, and what each of its statements cost."""

    def __init__(self, database: Any, minutes: float = 10) -> None:
        self.tables = PostgresTables(database.url)
        clock = _SlowClock()
        reader = Reader(Limits(), pseudonym, structlog.get_logger())
        with database.connection() as connection:
            since = connection.execute(
                "SELECT to_char(timezone('UTC', now()) - %s * interval '1 minute', 'YYYY-MM-DD HH24:MI:SS')", (minutes,)
            ).fetchone()[0]
        self.source = DatabaseSource("dify", self.tables, reader, clock, since)
        self.memory, self.position = DictMemory(), None
        self.read()

    def read(self) -> int:
        """Read to the end; how many events there were."""
        events = 0
        while True:
            page = self.source.read(self.position, 250, self.memory)
            self.memory.apply(page)
            self.position = page.position
            events += len(page.events)
            if not page.more:
                return events

    def explained(self) -> list[Explained]:
        with self.tables.explaining() as found:
            self.read()
        return found

    def close(self) -> None:
        self.tables.close()


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from _nodes(inner)


def _ask_everything(tables: Snapshot, now_us: int) -> None:
    """Every question about the newest rows."""
    until = key_at(now_us)
    messages = [key.id for key in tables.message_keys_since(now_us - 120_000_000, until)]
    tables.message_keys(key_at(now_us - 60_000_000), 200)
    states = tables.message_states(messages)
    tables.messages(messages)
    tables.thought_signals(messages)
    tables.thoughts(messages)
    tables.resources(messages)
    runs = tables.run_states([state.run_id for state in states if state.run_id])
    tables.runs([run.id for run in runs])
    tables.runs_with_message([run.id for run in runs], now_us - 120_000_000, now_us)
    tables.node_signals(runs)
    tables.single_steps([node.id for node in tables.nodes(runs)])
    tables.single_step_keys(now_us - 1_800_000_000, 200)
    tables.newest_run_keys(now_us - 120_000_000, 250)
    tables.definitions({run.workflow_id for run in runs})
    tables.configs([_NOBODY])
    tables.apps()
    tables.external_runs()
    for table in ("messages", "workflow_runs"):
        tables.oldest_us(table)
        tables.digests(table, now_us - 600_000_000, now_us)
        tables.ids_between(table, states[0].app_id, now_us - 600_000_000, now_us)
    tables.run_keys(key_at(now_us - 60_000_000), 200)
    tables.run_keys_since(now_us - 120_000_000, until)


@pytest.mark.parametrize("version", _VERSIONS)
def test_a_poll_costs_the_same_in_a_database_ten_times_as_large(filled: Callable[..., Any], version: str) -> None:
    """200 apps; statistics are fresh. Looks at all runs, where they have no index, come rarely and are not in it."""
    polls, questions = {}, {}
    for turns in (_SMALL, _LARGE):
        database = filled(version, turns)
        reading = _Reading(database)
        with database.connection() as connection:
            _add_turns(connection, turns + 1, turns + _NEW)
        polls[turns] = _cost(reading.explained())
        with reading.tables.explaining() as found, reading.tables.snapshot() as real:
            _ask_everything(real, real.now_us())
        questions[turns] = _cost(found)
        reading.close()
        if version != "1.12":
            assert not polls[turns].keys() & _WHOLE
    print(version, {turns: (sum(each.values()), each.most_common(5)) for turns, each in polls.items()})
    assert sum(polls[_LARGE].values()) <= sum(polls[_SMALL].values()) * _MAY_GROW + 50
    for name in questions[_LARGE].keys() - (_WHOLE if version != "1.12" else set()):
        small, large = questions[_SMALL][name], questions[_LARGE][name]
        assert large <= small * _MAY_CHANGE + 300, (name, small, large)  # of tens of thousands in the large one


def _cost(found: list[Explained]) -> Counter[str]:
    """Blocks by statement."""
    cost: Counter[str] = Counter()
    for each in found:
        cost[each.statement.name] += each.blocks
    return cost


@pytest.mark.parametrize("version", _VERSIONS)
def test_new_runs_are_told_at_once_without_an_index_on_them(filled: Callable[..., Any], version: str) -> None:
    """Also where PostgreSQL put them into space that deleted rows left."""
    database = filled(version, _SMALL)
    reading = _Reading(database)
    with database.connection() as connection:
        connection.execute(
            "DELETE FROM workflow_runs WHERE created_at < timezone('UTC', now()) - interval '15 minutes'"
        )
        connection.execute("VACUUM workflow_runs")
        _add_turns(connection, _SMALL + 1, _SMALL + _NEW)
        new = connection.execute(
            "SELECT id::text, ctid::text FROM workflow_runs WHERE created_at > timezone('UTC', now()) - interval '5 seconds'"
            " AND type = 'workflow'"
        ).fetchall()
    assert new
    before = len(reading.memory.kept)
    with reading.tables.explaining() as found:
        reading.read()
    asked = {each.statement.name for each in found}
    reading.close()
    told = {key.rsplit("/", 1)[-1] for key in reading.memory.kept}
    assert {row_id for row_id, _ in new} <= told
    assert len(reading.memory.kept) > before
    assert {"0.15": "newest_runs_by_number", "1.9": "newest_runs_by_node", "1.12": "run_keys"}[version] in asked


@pytest.mark.parametrize("version", _VERSIONS)
def test_pages_of_keys_and_nodes_are_read_by_the_index_alone(filled: Callable[..., Any], version: str) -> None:
    """Also with the condition that lets the first page have no mark: it must not keep the planner from the index."""
    tables = PostgresTables(filled(version, _LARGE).url)
    try:
        with tables.explaining() as found, tables.snapshot() as real:
            mark = real.message_keys(None, 10_000)[-1]
            found.clear()
            real.message_keys(mark, 100)
            real.message_keys(None, 100)
            real.message_keys_since(mark.us - 120_000_000, mark)
            if version == "1.12":
                real.run_keys(mark, 100)
                real.run_keys_since(mark.us - 120_000_000, mark)
            for each in found:
                # A sort of everything that lies ahead would make each page as dear as all of them.
                sorts = "Sort" in [node["Node Type"] for node in _nodes(each.plan)]
                assert not sorts or each.statement.name.endswith("_since"), json.dumps(each.plan, indent=1)
                assert any("created_at" in str(node.get("Index Name", "")) for node in _nodes(each.plan))
            found.clear()
            ids = [row[0] for row in real.cursor.execute("SELECT id::text FROM workflow_runs LIMIT 200").fetchall()]
            states = real.run_states(ids)
            real.nodes(states)
            real.node_signals(states)
            for each in found:
                if "node" in each.statement.name:
                    conditions = [
                        node["Index Cond"]
                        for node in _nodes(each.plan)
                        if "workflow_node" in node.get("Index Name", "")
                    ]
                    assert [line for line in conditions if "workflow_run_id" in line], json.dumps(each.plan, indent=1)
            found.clear()
            _ask_everything(real, real.now_us())
        _no_big_table_is_looked_through(tables, found)
    finally:
        tables.close()


def _no_big_table_is_looked_through(tables: PostgresTables, found: list[Explained]) -> None:
    """Nor an index of which every entry would be looked at: no more blocks than the rows have a right to."""
    asked = {each.statement.name for each in found}
    assert {"nodes", "node_signals", "message_digests", "external_runs", "message_ids"} <= asked
    for each in found:
        if each.statement.name in _WHOLE and not tables.runs_indexed:
            continue
        scans = {node["Relation Name"] for node in _nodes(each.plan) if node["Node Type"] == "Seq Scan"}
        assert not scans & _BIG, (each.statement.name, json.dumps(each.plan, indent=1)[:3_000])
        assert each.blocks < 3_000, (each.statement.name, each.blocks)


def test_no_statement_names_what_must_not_be_read() -> None:
    folder = Path(__file__).parents[2] / "monitor/sources/dify_database"
    for path in (folder / "postgres.sql", folder / "registers/registers.sql", folder / "diagnosis.sql"):
        statements = re.sub(r"--.*", "", path.read_text())
        assert not re.search(r"\b[rn]\.graph\b|workflow_runs\.graph", statements)
        assert not re.search(
            r"environment_variables|\btoken\b|\bpassword\b|access_token|SELECT \*|\b[a-z]\.\*", statements
        )
        assert not re.search(
            r"\b(INSERT|UPDATE|DELETE|ALTER|CREATE|DROP|COPY|LOCK|FOR SHARE)\b INTO|\bFOR UPDATE\b", statements
        )
    (definitions,) = re.findall(r"\bgraph\b[^\n]*", re.sub(r"--.*", "", (folder / "postgres.sql").read_text()))
    assert definitions.endswith("FROM workflows WHERE id = ANY(%(ids)s::uuid[])")
