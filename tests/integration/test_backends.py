"""Each backend starts, does what tests need of it, and can be had again after it was away."""

from __future__ import annotations

import os
from http import HTTPStatus

import httpx
import psycopg
import pytest

from tests.backends.postgres import Postgres
from tests.backends.process import Unavailable, program
from tests.backends.prometheus import promtool

SPAN = {
    "traceId": "0" * 31 + "1",
    "spanId": "0" * 15 + "2",
    "name": "execute_tool query_order_status",
    "kind": 1,
    "startTimeUnixNano": "1000",
    "endTimeUnixNano": "3000",
    "status": {"code": 2, "message": "boom"},
    "attributes": [
        {"key": "gen_ai.tool.name", "value": {"stringValue": "query_order_status"}},
        {"key": "dify.tool.call_count", "value": {"intValue": "2"}},
        {"key": "dify.time.estimated", "value": {"boolValue": True}},
    ],
    "events": [{"name": "retry", "timeUnixNano": "2000", "attributes": []}],
}
REQUEST = {
    "resourceSpans": [
        {
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "dify"}}]},
            "scopeSpans": [{"scope": {"name": "monitor"}, "spans": [SPAN]}],
        }
    ]
}


def send(collector):
    answer = httpx.post(f"{collector.http_endpoint}/v1/traces", json=REQUEST, trust_env=False)
    assert answer.status_code == HTTPStatus.OK


def test_a_missing_program_says_what_to_do():
    with pytest.raises(Unavailable, match=r"there is no program no-such-server: install it"):
        program("no-such-server", remedy="install it")


def test_databases_are_copies_of_the_recording(fresh_database):
    first, second = fresh_database("1.9"), fresh_database("1.9")
    with first.connection() as connection:
        connection.execute("DELETE FROM messages")
    with second.connection() as connection:
        assert connection.execute("SELECT count(*) FROM messages").fetchone() == (153,)


@pytest.mark.parametrize(("version", "rows", "apps", "messages"), [("0.15", "lookups", 8, 0), ("1.12", "none", 0, 0)])
def test_databases_can_have_lookup_rows_or_none(fresh_database, version, rows, apps, messages):
    with fresh_database(version, rows=rows).connection() as connection:
        assert connection.execute("SELECT count(*) FROM apps").fetchone() == (apps,)
        assert connection.execute("SELECT count(*) FROM messages").fetchone() == (messages,)


def test_a_dropped_database_is_gone(postgres):
    with postgres.fresh_database() as database, database.connection() as connection:
        assert connection.execute("SELECT current_database()").fetchone() == (database.name,)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(database.url)


@pytest.mark.backend("postgres")
@pytest.mark.skipif("MONITOR_TEST_PG_URL" in os.environ, reason="the server is not ours to stop")
def test_postgres_comes_back_with_its_data():
    """A server of this test's own: stopping the shared one would break other tests' connections."""
    with Postgres() as server, server.fresh_database() as database:
        with database.connection() as connection:
            connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
        server.stop()
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(database.url)
        server.start()
        with database.connection() as connection:
            assert connection.execute("SELECT one FROM kept").fetchone() == (1,)


def test_collector_reads_back_what_it_was_sent(collector):
    send(collector)
    assert collector.wait_for(lambda counts: counts.spans == 1).distinct == 1
    (span,) = collector.spans()
    assert (span.trace_id, span.span_id, span.parent_id) == (SPAN["traceId"], SPAN["spanId"], "")
    assert (span.start_ns, span.end_ns, span.kind) == (1000, 3000, 1)
    assert (span.status, span.status_message) == (2, "boom")
    assert span.attributes == {
        "gen_ai.tool.name": "query_order_status",
        "dify.tool.call_count": 2,
        "dify.time.estimated": True,
    }
    assert span.events == (("retry", 2000, {}),)
    assert (span.resource, span.scope) == ({"service.name": "dify"}, "monitor")


def test_collector_keeps_what_it_had_while_it_was_away(collector):
    send(collector)
    collector.wait_for(lambda counts: counts.spans == 1)
    collector.stop()
    with pytest.raises(httpx.ConnectError):
        send(collector)
    collector.start()
    send(collector)
    counts = collector.wait_for(lambda counts: counts.spans == 2)
    assert (counts.requests, counts.distinct, counts.traces) == (2, 1, 1)


def test_prometheus_scrapes_what_it_is_told_to(prometheus):
    prometheus.scrape(prometheus.url.removeprefix("http://"))
    prometheus.wait_for("up == 1")
    assert prometheus.value("count(up)") == 1
    assert prometheus.value("no_such_metric") is None
    assert prometheus.get("rules") == {"groups": []}


@pytest.mark.backend("prometheus")
def test_promtool_finds_faults():
    assert promtool("check", "metrics", stdin="# HELP a_total A.\n# TYPE a_total counter\na_total 1\n").returncode == 0
    assert promtool("check", "metrics", stdin="not a metric {").returncode != 0
