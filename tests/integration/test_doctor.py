"""`monitor doctor`, its proof and `monitor init` on real databases of a Dify: what is wrong is named, with its remedy."""

from __future__ import annotations

import json
import os
import re
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from click.testing import CliRunner
from psycopg import sql

from monitor.cli import cli
from monitor.clock import SystemClock
from monitor.sources.dify_database import Config
from monitor.sources.dify_database.diagnosis import diagnose
from monitor.sources.dify_database.inquiry import tables_of
from monitor.sources.dify_database.statements import statements
from monitor.testing.clock import HandClock
from tests.backends.postgres import Database
from tests.support.forms import FORMS
from tests.support.logs import logging_as_it_was
from tests.support.recordings import EVENT_TABLES, LOOKUP_TABLES, load_rows

pytestmark = pytest.mark.backend("postgres")

_VERSIONS = ("0.15", "1.9", "1.12")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MONITOR_CONFIG", raising=False)


@pytest.fixture(autouse=True)
def _logging_as_it_was():
    """The command sets it up for a standard error that ends with the call."""
    with logging_as_it_was():
        yield


@pytest.fixture
def dify(fresh_database) -> Database:
    """A recorded Dify 1.9."""
    return fresh_database("1.9")


def found(url: str, clock: Any = None, **settings: Any) -> list[tuple[str, str, str, str]]:
    """What the doctor says of a database: name, outcome, detail, remedy."""
    config = Config(url=url, **settings)
    tables = tables_of(url)
    try:
        said = diagnose(tables, config, clock or SystemClock())
    finally:
        tables.close()
    return [(each.what, each.outcome, each.detail, each.remedy) for each in said]


def of(what: str, said: list[tuple[str, str, str, str]]) -> list[tuple[str, str, str]]:
    return [each[1:] for each in said if each[0] == what]


def one(what: str, url: str, **settings: Any) -> tuple[str, str, str]:
    """The only finding of that name."""
    (finding,) = of(what, found(url, **settings))
    return finding


def doctor(url: str, *args: str) -> Any:
    return CliRunner().invoke(cli, ["doctor", *args], env={"DIFY_DB_URL": url, "MONITOR_SERVER__LISTEN": "null"})


def execute(database: Database, *statements: str) -> None:
    with database.connection() as connection:
        for each in statements:
            connection.execute(each.encode())


# -- all well


@pytest.mark.parametrize("version", _VERSIONS)
def test_a_dify_of_each_version_has_no_problem(fresh_database, version):
    """The tables of Dify 0.15, 1.9 and 1.12, as they are made by Dify's own migrations."""
    said = found(fresh_database(version, rows="none").url)
    assert [each for each in said if each[1] == "problem"] == []
    assert {each[0] for each in said if each[1] == "warning"} <= {"role", "dify"}
    names = {each[0] for each in said}
    assert {"database", "rights", "role", "server", "timeout", "dify", "schema", "indexes", "clock", "apps"} <= names


def test_the_whole_command(dify):
    result = doctor(dify.url, "--json")
    told = json.loads(result.stdout)
    assert (result.exit_code, told["problems"]) == (0, 0)
    details = {each["what"]: each["detail"] for each in told["findings"] if each["part"] == "source dify_database"}
    assert details["dify"] == "Dify 1.9.0 (schema revision 68519ad5cd18)"
    assert details["apps"] == "all are read: 7 apps and knowledge pipelines"
    assert details["server"].startswith("the primary")
    assert "153 in messages" in details["rows"]
    assert "messages since 20" in details["retention"]


# -- reaching it


def test_a_wrong_password_port_or_database_is_told_without_the_password(dify):
    parts = urlsplit(dify.url)
    for changed in (
        parts._replace(netloc=f"nobody_here:hunter2-hunter2@{parts.hostname}:{parts.port}"),
        parts._replace(netloc=f"postgres:hunter2-hunter2@{parts.hostname}:1"),
        parts._replace(path="/no_such_database"),
    ):
        ((what, outcome, detail, remedy),) = found(changed.geturl())
        assert (what, outcome) == ("database", "problem")
        assert remedy
        assert "hunter2" not in detail + remedy


def test_another_database_than_difys_is_a_problem(fresh_database):
    said = found(fresh_database().url)
    assert of("schema", said)[0][0] == "problem"
    assert "Dify's own database" in of("schema", said)[0][2]
    assert of("rows", said)[0][0] == "warning"


def test_a_pooler_in_between_is_noticed(dify):
    """PgBouncer names a process of its own where the server names its: so does this stand-in for it."""
    assert of("pooler", found(dify.url)) == []
    with _pooler(dify.url) as url:
        ((outcome, detail, _),) = of("pooler", found(url))
    assert outcome == "ok"
    assert "PgBouncer" in detail


@contextmanager
def _pooler(url: str) -> Iterator[str]:
    """Passes everything on, and changes the process's number in the server's BackendKeyData."""
    parts = urlsplit(url)
    server = (parts.hostname or "127.0.0.1", parts.port or 5432)
    listening = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def accept() -> None:
        while True:
            try:
                client, _ = listening.accept()
            except OSError:
                return
            upstream = socket.create_connection(server)
            for way, change in ((client, False), (upstream, True)):
                other = upstream if way is client else client
                thread = threading.Thread(target=_pump, args=(way, other, change))
                thread.start()
                threads.append(thread)

    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield parts._replace(
            netloc=f"{parts.username or 'postgres'}@127.0.0.1:{listening.getsockname()[1]}",
            query="sslmode=disable&gssencmode=disable",
        ).geturl()
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        accepting.join()
        for thread in threads:
            thread.join()


def _pump(source: socket.socket, sink: socket.socket, change: bool) -> None:
    try:
        while data := source.recv(65536):
            at = data.find(b"K\x00\x00\x00\x0c") if change else -1
            if at >= 0:
                (pid,) = struct.unpack_from("!i", data, at + 5)
                data = data[: at + 5] + struct.pack("!i", pid ^ 0x5A5A) + data[at + 9 :]
                change = False
            sink.sendall(data)
    except OSError:
        pass
    finally:
        for each in (source, sink):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        source.close()


# -- what the tables are


def test_columns_that_we_do_not_know_are_named_and_harmless(dify):
    execute(dify, "ALTER TABLE messages ADD COLUMN quality_score int", "ALTER TABLE apps ADD COLUMN colour text")
    details = [detail for outcome, detail, _ in of("schema", found(dify.url)) if outcome == "ok"]
    assert "columns that we do not know, and do not read: apps (colour), messages (quality_score)" in details


def test_a_column_that_is_needed_and_gone_is_a_problem(dify):
    execute(dify, "ALTER TABLE messages RENAME COLUMN query TO question")
    (outcome, detail, remedy) = next(each for each in of("schema", found(dify.url)) if "has no" in each[1])
    assert (outcome, detail) == ("problem", "this Dify has no messages (query)")
    assert "update `monitor`" in remedy
    assert doctor(dify.url).exit_code == 1


def test_one_that_can_be_done_without_is_a_warning(dify):
    execute(dify, "ALTER TABLE end_users DROP COLUMN name", "DROP TABLE message_feedbacks CASCADE")
    (outcome, detail, _) = next(each for each in of("schema", found(dify.url)) if "has no" in each[1])
    assert outcome == "warning"
    assert detail == "this Dify has no end_users (name), message_feedbacks: what they told is left out"


@pytest.mark.parametrize(
    ("revision", "expected"),
    [
        ("669ffd70119c", "Dify 1.10.0 (schema revision 669ffd70119c)"),
        (
            "0123456789ab",
            "schema revision 0123456789ab is not one that we know; by its tables it is Dify 1.9 or later, before 1.10",
        ),
    ],
)
def test_the_version_is_told_as_far_as_it_is_known(dify, revision, expected):
    execute(dify, f"UPDATE alembic_version SET version_num = '{revision}'")
    assert one("dify", dify.url)[1] == expected


def test_a_dify_newer_than_all_we_know_is_said_to_be_that(fresh_database):
    database = fresh_database("1.12", rows="none")
    execute(database, FORMS, "INSERT INTO alembic_version VALUES ('fedcba987654')")
    assert (
        "Dify 1.13 or later, newer than 1.12, which is the newest that we have compared" in one("dify", database.url)[1]
    )


def test_an_update_that_did_not_come_to_its_end_is_a_warning(dify):
    execute(dify, "INSERT INTO alembic_version VALUES ('ffffffffffff')")
    outcome, detail, _ = one("dify", dify.url)
    assert outcome == "warning"
    assert "2 revisions" in detail


# -- indexes


def test_the_index_that_dify_1_11_3_brings_is_missed_once_the_table_is_large(dify):
    assert one("indexes", dify.url)[0] == "ok"
    execute(dify, "UPDATE pg_class SET reltuples = 5000000, relpages = 400000 WHERE relname = 'workflow_runs'")
    outcome, detail, remedy = one("indexes", dify.url)
    assert outcome == "warning"
    assert "all of its 5,000,000 rows are looked at (400,000 blocks, about 33 s from disk)" in detail
    assert "Dify 1.11.3 brings one" in remedy
    statement = remedy.splitlines()[-1]
    assert statement == "CREATE INDEX CONCURRENTLY monitor_workflow_runs_created_at ON workflow_runs (created_at, id);"
    execute(dify, statement)
    assert one("indexes", dify.url) == ("ok", "messages and runs are found by their time of creation", "")


def test_an_index_that_every_dify_has_is_missed_with_its_remedy(dify):
    execute(dify, "DROP INDEX message_created_at_idx", "DROP INDEX message_agent_thought_message_id_idx")
    lacking = [each for each in of("indexes", found(dify.url)) if each[0] == "warning"]
    assert [re.match(r"\w+", detail)[0] for _, detail, _ in lacking] == ["messages", "message_agent_thoughts"]
    execute(dify, *(remedy.splitlines()[-1] for *_, remedy in lacking))
    assert [each[0] for each in of("indexes", found(dify.url))] == ["ok"]


# -- clocks and rows


def test_clocks_that_differ_are_a_warning(dify):
    clock = HandClock(SystemClock().now_ns() - 90_000_000_000)
    ((outcome, detail, remedy),) = of("clock", found(dify.url, clock))
    assert outcome == "warning"
    assert re.fullmatch(r"the server's clock is 9\d\.\d s ahead of ours: .*", detail)
    assert "NTP" in remedy


def test_rows_from_the_future_are_a_warning(dify):
    assert of("times", found(dify.url)) == []
    execute(
        dify,
        "UPDATE messages SET created_at = timezone('UTC', now()) + interval '8 hours 30 seconds'"
        " WHERE id IN (SELECT id FROM messages LIMIT 2)",
    )
    ((outcome, detail, remedy),) = of("times", found(dify.url))
    assert outcome == "warning"
    assert "2 rows of messages lie in the future, by up to 8 h 0 min" in detail
    assert "is TZ set there?" in remedy


def test_rows_that_end_after_thirty_days_look_like_a_clean_up(dify):
    execute(dify, "UPDATE messages SET created_at = timezone('UTC', now()) - interval '30 days'")
    assert "looks like a clean-up after 30 days" in one("retention", dify.url)[1]
    execute(dify, "TRUNCATE messages CASCADE")
    assert one("retention", dify.url)[1] == "there is no message and no run yet"


def test_runs_that_are_kept_elsewhere_are_a_problem(dify):
    """Dify 1.11.2 and later can keep its runs in Aliyun's Logstore, and then leaves these tables empty."""
    assert of("runs", found(dify.url)) == []
    execute(dify, "TRUNCATE workflow_runs, workflow_node_executions CASCADE")
    execute(dify, "UPDATE messages SET created_at = created_at - interval '1 hour'")
    ((outcome, detail, remedy),) = of("runs", found(dify.url))
    assert outcome == "problem"
    assert "Logstore" in detail
    assert "LOGSTORE_DUAL_WRITE_ENABLED=true" in remedy


def test_payloads_in_object_storage_are_counted(dify):
    """Dify 1.9 and later: a row of workflow_node_execution_offload for each text that was cut short."""
    execute(
        dify,
        "INSERT INTO workflow_node_execution_offload (tenant_id, app_id, node_execution_id, type, file_id)"
        " SELECT tenant_id, app_id, id, 'outputs', id FROM workflow_node_executions LIMIT 3",
    )
    outcome, detail, _ = one("payloads", dify.url)
    assert outcome == "ok"
    assert detail.startswith("3 long texts of nodes lie in Dify's object storage")


# -- settings against the data


def test_names_that_nothing_has_are_warnings_with_those_that_were_meant(dify):
    said = of(
        "apps",
        found(
            dify.url,
            include={"apps": ["客服*", "客服 Agnet"], "modes": ["chatflow"]},
            exclude={"invoke_from": ["debuger", "web-*"]},
        ),
    )
    assert said[0][:2] == ("problem", "include and exclude leave out all 7 apps: nothing is read")
    warnings = {detail: remedy for outcome, detail, remedy in said if outcome == "warning"}
    assert "'客服 Agent'" in warnings["include.apps: '客服 Agnet' names nothing in this Dify"]
    assert "Did you mean 'debugger'" in warnings["exclude.invoke_from: 'debuger' names nothing in this Dify"]
    assert "include.modes: 'chatflow' names nothing in this Dify" in warnings
    assert len(warnings) == 3


def test_what_is_included_is_counted(dify):
    said = of("apps", found(dify.url, include={"apps": ["客服*"]}, exclude={"modes": ["advanced-chat"]}))
    assert said == [("ok", "1 of 7 apps and knowledge pipelines are read", "")]


def test_a_beginning_behind_all_data_is_a_warning(fresh_database):
    database = fresh_database("1.12", rows="none")
    with database.connection() as connection:
        load_rows(connection, "1.9", [name for name in (*LOOKUP_TABLES, *EVENT_TABLES) if name != "alembic_version"])
    assert of("since", found(database.url)) == []
    assert one("since", database.url, since="2020-01-01")[0] == "ok"
    outcome, detail, remedy = one("since", database.url, since="2099-01-01")
    assert outcome == "warning"
    assert "behind the newest row" in detail
    assert remedy


# -- the proof


def test_every_statement_is_proven_on_the_newest_tables(fresh_database):
    """Each statement that is sent is planned and counted; what this Dify can't be asked is named as such."""
    database = fresh_database("1.12", rows="none")
    with database.connection() as connection:
        connection.execute(FORMS.encode())
        load_rows(connection, "1.9", [name for name in (*LOOKUP_TABLES, *EVENT_TABLES) if name != "alembic_version"])
        connection.execute("ANALYZE")
    text = _proof(database.url)
    assert re.findall(r"^## `(\w+)`$", text, re.MULTILINE) == list(statements())
    assert "Not planned" not in text
    assert re.findall(r"^Not sent .*$", text, re.MULTILINE) == [
        "Not sent to this database: it has no workflow_runs.sequence_number, or the role may not read it."
    ]
    rows = re.findall(r"^\| `(\w+)` \| .+ \| ([\d,]+|–) \| ([\d,]+|–) \|$", text, re.MULTILINE)
    assert len(rows) == len(statements())
    assert sum(int(count.replace(",", "")) > 0 for _, _, count in rows if count != "–") > 30


@pytest.mark.parametrize("version", ["0.15", "1.9"])
def test_a_proof_changes_nothing_and_holds_no_text_of_a_conversation(fresh_database, version):
    database = fresh_database(version)
    before = _writes(database)
    text = _proof(database.url)
    assert "Not planned" not in text
    assert _writes(database) == before
    assert "客服" not in text
    assert "graph" not in re.sub(
        r"(w|workflows)?\.?graph|graphs", "", re.findall(r"## `runs`.*?## ", text, re.DOTALL)[0]
    )


def _proof(url: str) -> str:
    result = doctor(url, "--prove")
    assert (result.exit_code, result.stderr) == (0, "")
    return str(result.stdout)


def _writes(database: Database) -> Any:
    with database.connection() as connection:
        connection.execute("SELECT pg_stat_force_next_flush()" if _is_15(connection) else "SELECT 1")
        return connection.execute(
            "SELECT sum(n_tup_ins), sum(n_tup_upd), sum(n_tup_del) FROM pg_stat_user_tables"
        ).fetchone()


def _is_15(connection: Any) -> bool:
    return connection.info.server_version >= 150000


# -- init


def test_init_tells_of_this_dify_and_config_check_takes_it(dify):
    nasty = "x\nsinks: [] # \u202e ${HOME} \"'"
    with dify.connection() as connection:
        connection.execute(sql.SQL("UPDATE apps SET name = {} WHERE mode = 'completion'").format(sql.Literal(nasty)))
        connection.execute("UPDATE messages SET created_at = timezone('UTC', now()) - interval '1 day'")
    env = {"DIFY_DB_URL": dify.url}
    result = CliRunner().invoke(cli, ["init", "--content", "redacted"], env=env)
    assert result.exit_code == 0, result.output
    text = Path("monitor.yaml").read_text(encoding="utf-8")
    assert "for Dify 1.9.0 (schema revision 68519ad5cd18)." in text
    assert "This Dify has 7 apps in 1 workspace" in text
    assert re.search(r'# +[\d.]+  agent-chat     "客服 Agent"', text)
    assert "about 153 messages and 84 runs" in text
    assert "postgres@" not in text
    assert yaml.safe_load(text)["sinks"] == [{"type": "file", "path": "./spans.jsonl", "content": "redacted"}]
    checked = CliRunner().invoke(cli, ["config", "check"], env=env)
    assert checked.exit_code == 0, checked.output
    assert "The configuration is right (monitor.yaml)" in checked.output


def test_init_of_another_database_writes_the_template(fresh_database):
    result = CliRunner().invoke(cli, ["init"], env={"DIFY_DB_URL": fresh_database().url})
    assert result.exit_code == 0
    assert "no database of Dify's" in result.stderr


def test_init_with_a_role_that_may_little_says_what_it_could_see(dify):
    """Names, and no numbers where those may not be read."""
    role = f"monitor_test_{os.getpid()}_little"
    execute(
        dify,
        f"CREATE ROLE {role} LOGIN PASSWORD 'x'",
        f"GRANT SELECT (id, tenant_id, name, mode) ON apps TO {role}",
        f"GRANT SELECT (id, name) ON tenants TO {role}",
    )
    try:
        url = re.sub(r"//[^@/]*@?", f"//{role}:x@", dify.url, count=1)
        result = CliRunner().invoke(cli, ["init", "-o", "-"], env={"DIFY_DB_URL": url})
    finally:
        execute(dify, f"DROP OWNED BY {role}", f"DROP ROLE {role}")
    assert result.exit_code == 0
    assert '#           ?  agent-chat     "客服 Agent"' in result.stdout
    assert "1 workspace" in result.stdout


def test_tables_in_a_schema_of_another_name(dify):
    """The statements of the role say where they are, and the doctor where they are hidden."""
    role = f"monitor_test_{os.getpid()}_elsewhere"
    execute(dify, 'ALTER SCHEMA public RENAME TO "Dify"')
    there = f"{dify.url}?options=-csearch_path%3D%22Dify%22"
    printed = CliRunner().invoke(cli, ["doctor", "--grants", "--role", role], env={"DIFY_DB_URL": there})
    try:
        execute(dify, printed.stdout)
        url = re.sub(r"//[^@/]*@?", f"//{role}:change-me@", dify.url, count=1)
        assert [each[1] for each in found(url) if each[0] in {"rights", "schema"}] == ["ok", "ok"]
        execute(dify, f'REVOKE USAGE ON SCHEMA "Dify" FROM PUBLIC, {role}')
        outcome, detail, remedy = of("rights", found(url))[0]
        assert (outcome, "schema Dify" in detail) == ("problem", True)
        execute(dify, *remedy.splitlines()[1:])
        assert of("rights", found(url))[0][0] == "ok"
    finally:
        execute(dify, f"DROP OWNED BY {role}", f"DROP ROLE {role}")
