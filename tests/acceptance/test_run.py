"""`monitor run` as a program: what it needs, how it ends, what it says when it can't, and that it goes on afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from psycopg import sql
from psycopg.errors import InsufficientPrivilege

from monitor.testing.servers import LocalServer, refused_url
from tests.backends.postgres import Postgres
from tests.support.changes import PgPlayer
from tests.support.lacking import lacking
from tests.support.sidecar import Sidecar
from tests.support.stage import in_a_row, scenes_of

pytestmark = pytest.mark.backend("postgres")
_FILE = {"type": "file", "path": "./spans.jsonl", "content": "full"}

TURNS = ("messages", "message_agent_thoughts", "workflow_runs", "workflow_node_executions", "workflows", "apps")
"""Without these there is nothing to tell."""
AROUND_TURNS = (
    *("app_model_configs", "conversations", "end_users", "accounts", "tenants", "message_feedbacks"),
    *("message_annotations", "dataset_retriever_resources", "workflow_node_execution_offload", "datasets", "documents"),
    *("pipelines", "alembic_version"),
)
"""Without one of these its own facts are missing, and the rest is told."""
READ_FROM_DIFY = (*TURNS, *AROUND_TURNS)
"""The tables of which a role for `monitor` reads, all of them and no others (by column: docs/howto/database-role.md)."""


@contextmanager
def _reader(database: Any, tables: tuple[str, ...]) -> Iterator[str]:
    """The database's address for a new role that may only SELECT from these tables."""
    name = f"{database.name}_reader"
    role = sql.Identifier(name)
    with database.connection() as connection:
        try:
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'only-for-tests'").format(role))
        except InsufficientPrivilege as exc:
            lacking(f"the server that MONITOR_TEST_PG_URL names does not let us create a role: {exc}")
        try:
            for table in tables:
                connection.execute(sql.SQL("GRANT SELECT ON {} TO {}").format(sql.Identifier(table), role))
            parts = urlsplit(database.url)
            host = parts.netloc.rpartition("@")[2]
            yield urlunsplit(parts._replace(netloc=f"{name}:only-for-tests@{host}"))
        finally:
            connection.execute(sql.SQL("DROP OWNED BY {}").format(role))
            connection.execute(sql.SQL("DROP ROLE {}").format(role))


def test_a_database_address_is_all_it_needs(fresh_database: Callable[..., Any], tmp_path: Path) -> None:
    """No file, no other variable: the journal is made where it was started, and its metrics can be asked for."""
    sidecar = Sidecar(tmp_path, fresh_database("1.9").url)
    (tmp_path / "monitor.yaml").unlink()
    environment = {name: value for name, value in sidecar.environment.items() if name != "MONITOR_PSEUDONYM_KEY"}
    for _ in range(2):
        command = [sys.executable, "-m", "monitor", "run", "--once"]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["journal"]
    assert any(name == "dify_turns_total" for name, _ in sidecar.metrics())


def test_select_on_a_few_tables_is_all_the_right_it_needs(fresh_database: Callable[..., Any], tmp_path: Path) -> None:
    database = fresh_database("1.9")
    expected = Sidecar(tmp_path / "owner", database.url)
    expected.once()
    with _reader(database, READ_FROM_DIFY) as url:
        sidecar = Sidecar(tmp_path / "reader", url)
        sidecar.once()
    assert sidecar.lines() == expected.lines()


@pytest.mark.parametrize("table", TURNS)
def test_a_missing_right_is_told_and_not_worked_around(
    fresh_database: Callable[..., Any], tmp_path: Path, table: str
) -> None:
    database = fresh_database("1.9")
    with _reader(database, tuple(name for name in READ_FROM_DIFY if name != table)) as url:
        done = Sidecar(tmp_path, url).once(expect=4)
    assert "permission denied for columns" in done.stderr
    assert f"of table {table}." in done.stderr
    assert f"ON {table} TO" in done.stderr  # the remedy
    assert "only-for-tests" not in done.stderr + done.stdout


@pytest.mark.parametrize("table", AROUND_TURNS)
def test_without_a_right_to_what_lies_around_turns_all_turns_are_told(
    fresh_database: Callable[..., Any], tmp_path: Path, table: str
) -> None:
    database = fresh_database("1.9")
    with _reader(database, tuple(name for name in READ_FROM_DIFY if name != table)) as url:
        sidecar = Sidecar(tmp_path, url)
        sidecar.once()
    assert len(sidecar.events("turn_ended")) == 194


def test_a_wrong_setting_ends_with_2_and_says_where(fresh_database: Callable[..., Any], tmp_path: Path) -> None:
    sidecar = Sidecar(tmp_path, fresh_database("1.9").url, sinks=[{"type": "fiel", "path": "./spans.jsonl"}])
    done = sidecar.once(expect=2)
    assert "sinks[0].type" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "journal" / "journal.db").exists()


def test_a_dead_sink_ends_with_3_and_gets_all_at_the_next_run(
    fresh_database: Callable[..., Any], tmp_path: Path
) -> None:
    sidecar = Sidecar(
        tmp_path, fresh_database("1.9").url, sinks=[{"type": "otlp", "name": "away", "endpoint": refused_url()}, _FILE]
    )
    done = sidecar.once(expect=3)
    assert "sink:away" in done.stderr
    assert "kept in the journal" in done.stderr
    assert len(sidecar.spans()) > 0
    before = sidecar.lines()
    with LocalServer() as otlp:
        sidecar.configure(sinks=[{"type": "otlp", "name": "away", "endpoint": otlp.url}, _FILE])
        sidecar.once()
        assert len(otlp.requests) > 0
    assert sidecar.lines() == before


def test_an_unreachable_database_ends_with_4(tmp_path: Path) -> None:
    url = refused_url().replace("http://", "postgresql://dify:a-password@") + "/dify"
    done = Sidecar(tmp_path, url).once(expect=4)
    assert "source:dify_database" in done.stderr
    assert "a-password" not in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


def test_a_second_process_on_the_same_journal_is_refused_plainly(
    fresh_database: Callable[..., Any], tmp_path: Path
) -> None:
    sidecar = Sidecar(tmp_path, fresh_database("1.9").url)
    with sidecar.running() as process:
        process.wait_until_shown()
        done = sidecar.once(expect=4)
        assert "is in use by process" in done.stderr
        assert len(done.stderr.splitlines()) == 1
        assert sidecar.metrics() is not None, "commands that only read work beside it"
        assert process.end() == 0
    assert process.said("ended")


def test_it_ends_in_order_when_asked_to(fresh_database: Callable[..., Any], tmp_path: Path) -> None:
    """Also while a sink is dead and the rest is in full work."""
    sinks = [{"type": "otlp", "endpoint": refused_url()}, _FILE]
    sidecar = Sidecar(tmp_path, fresh_database("1.9").url, sinks=sinks)
    with sidecar.running() as process:
        process.wait_for(lambda: process.said("running"), "it does not run")
        assert process.end() == 0
        assert process.said("ended")
        assert not process.said("worker_did_not_end")
        assert "Traceback" not in process.text()


def test_a_full_journal_stops_the_reading_and_room_lets_it_go_on(
    fresh_database: Callable[..., Any], tmp_path: Path
) -> None:
    database = fresh_database("1.9")
    expected = Sidecar(tmp_path / "expected", database.url)
    expected.once()
    small = {"path": "./journal", "min_free_bytes": "1MB", "max_bytes": "300KB"}
    sources = [{"type": "dify_database", "url": "${DIFY_DB_URL}", "poll_interval": "200ms", "page_turns": 10}]
    sidecar = Sidecar(tmp_path / "monitor", database.url, journal=small, sources=sources)
    done = sidecar.once(expect=4)
    assert "journal.max_bytes" in done.stderr
    assert 0 < len(sidecar.lines()) < len(expected.lines())
    with sidecar.running() as process:
        full = process.wait_for(lambda: process.said("source_not_read"), "nobody says that the journal is full")
        assert (full[0]["reason"], full[0]["level"]) == ("journal_full", "error")
        assert not process.is_ready()
        assert process.end() == 0
    sidecar.configure(journal={"path": "./journal", "min_free_bytes": "1MB"})
    sidecar.once()
    assert sorted(sidecar.lines()) == sorted(expected.lines())
    assert sidecar.metrics() == expected.metrics()


def test_a_disk_that_takes_nothing_more_loses_nothing(fresh_database: Callable[..., Any], tmp_path: Path) -> None:
    """Simulated by a limit on the size of the process's files, lifted while it runs."""
    database = fresh_database("1.9", rows="lookups")
    sidecar = Sidecar(tmp_path / "monitor", database.url)
    with sidecar.running() as process:
        process.wait_until_shown()
        process.limit_files(_bytes_of(sidecar) + 150_000)
        with PgPlayer(database.url) as player:
            player.play(in_a_row(scenes_of("1.9", "agent/*")))
        process.wait_for(lambda: process.said("source_not_read"), "nobody says that the journal can't be written")
        assert process.alive
        process.limit_files(-1)
        expected = Sidecar(tmp_path / "expected", database.url)
        expected.once()
        process.wait_for(lambda: _holds(sidecar, expected), "what was held up does not come")
        assert process.end() == 0
    assert sorted(sidecar.lines()) == sorted(expected.lines())
    assert sidecar.metrics() == expected.metrics()


def _bytes_of(sidecar: Sidecar) -> int:
    """The size of its largest file."""
    return max(path.stat().st_size for path in sidecar.folder.rglob("*") if path.is_file())


def _holds(sidecar: Sidecar, expected: Sidecar) -> bool:
    return len(sidecar.lines()) >= len(expected.lines())


@pytest.mark.skipif("MONITOR_TEST_PG_URL" in os.environ, reason="the server is not ours to restart")
def test_a_database_that_restarts_is_read_on(tmp_path: Path) -> None:
    """A server of this test's own, as restarting the shared one would break other tests' connections."""
    with Postgres() as server, server.fresh_database("1.9", rows="lookups") as database:
        scenes = scenes_of("1.9", "agent/*")
        commits = in_a_row(scenes)
        sidecar = Sidecar(tmp_path / "monitor", database.url)
        with sidecar.running() as process:
            process.wait_until_shown()
            _play(database.url, commits[: len(commits) // 2])
            process.wait_for(sidecar.lines, "nothing is read before the restart")
            server.stop()
            process.wait_for(lambda: process.said("source_not_read"), "nobody says that the database is away")
            server.start()
            _play(database.url, commits[len(commits) // 2 :])
            expected = Sidecar(tmp_path / "expected", database.url)
            expected.once()
            process.wait_for(lambda: _holds(sidecar, expected), "what came after the restart is not read")
            assert process.said("source_recovered")
            assert process.end() == 0
        assert sorted(sidecar.lines()) == sorted(expected.lines())
        assert sidecar.metrics() == expected.metrics()


def _play(url: str, commits: list[Any]) -> None:
    with PgPlayer(url) as player:
        player.play(commits)
