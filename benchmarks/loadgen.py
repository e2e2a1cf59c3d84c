"""Fills a Dify database with realistic turns: messages, thoughts, workflow runs and their nodes, by COPY.

    python -m benchmarks.loadgen --turns 100000                        # a PostgreSQL of our own, until Ctrl-C
    python -m benchmarks.loadgen --turns 100000 --url postgresql://postgres@127.0.0.1/dify_load

The rows have the shapes that a recorded Dify 1.9 wrote (tests/recordings/README.md): a message's times have whole
seconds, a failed one keeps `updated_at`, a failed tool leaves an agent's message as it is and fails a chatflow's. The
apps are the database's own; an empty database is given the recording's tables and apps first. Sessions of the users
that are made begin with `load-`. The same seed makes the same rows. Nothing of the package `monitor` is used.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any

import psycopg
from psycopg import sql

from benchmarks.loadgen_rows import COLUMNS, App, Counts, Dify, Rows, Wish
from benchmarks.loadgen_turns import Generator
from tests.backends.postgres import Postgres
from tests.support.recordings import LOOKUP_TABLES, load_rows, load_schema

__all__ = ["RECORDING", "Loader", "fill", "surroundings"]

RECORDING = "1.9"
"""Whose tables and apps an empty database is given."""

_APPS = """
    SELECT a.id::text, a.tenant_id::text, a.mode, a.app_model_config_id::text, coalesce(w.id::text, ''),
           coalesce(w.version, ''), w.graph, c.agent_mode
    FROM apps a
    LEFT JOIN workflows w ON w.id = a.workflow_id
    LEFT JOIN app_model_configs c ON c.id = a.app_model_config_id
    WHERE a.mode NOT IN ('advanced-chat', 'workflow') OR w.id IS NOT NULL
    ORDER BY a.id
"""
_NO_DATASET = "00000000-0000-4000-a000-000000000000"


class Loader:
    """Writes pages of rows into a database, one transaction a page."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self._tables = {table: self._present(table, columns) for table, columns in COLUMNS.items()}

    def _present(self, table: str, columns: Sequence[str]) -> list[int]:
        """Which of the columns this Dify has."""
        found = self._connection.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = 'public' AND table_name = %s",
            (table,),
        )
        known = {row[0] for row in found}
        return [place for place, column in enumerate(columns) if column in known]

    def write(self, rows: Rows) -> None:
        """One page."""
        with self._connection.transaction():
            for table, lines in rows.items():
                self._copy(table, lines)

    def _copy(self, table: str, lines: Sequence[tuple[Any, ...]]) -> None:
        places = self._tables[table]
        names = sql.SQL(", ").join(sql.Identifier(COLUMNS[table][place]) for place in places)
        statement = sql.SQL("COPY public.{} ({}) FROM STDIN").format(sql.Identifier(table), names)
        chosen = itemgetter(*places)
        with self._connection.cursor() as cursor, cursor.copy(statement) as copy:
            for line in lines:
                copy.write_row(chosen(line))


def surroundings(connection: psycopg.Connection[Any]) -> Dify:
    """The apps that can have turns, and a knowledge base for them to ask."""
    dataset = connection.execute("SELECT id::text FROM datasets ORDER BY id LIMIT 1").fetchone()
    return Dify([_app(row) for row in connection.execute(_APPS)], dataset[0] if dataset else _NO_DATASET)


def _app(row: Sequence[Any]) -> App:
    row_id, tenant, mode, config, workflow, version, graph, agent = row
    nodes = json.loads(graph or "{}").get("nodes", [])
    tools = [node["data"] for node in nodes if node["data"].get("type") == "tool"]
    tools += json.loads(agent or "{}").get("tools", [])
    provider = tools[0].get("provider_id", "") if tools else ""
    return App(row_id, tenant, mode, config, workflow, version, frozenset(node["id"] for node in nodes), provider)


def fill(url: str, wish: Wish) -> Counts:
    """Make the wished rows in the database, and the statistics that autovacuum would have made of them."""
    with psycopg.connect(url, autocommit=True) as connection:
        _furnish(connection)
        generator, loader = Generator(surroundings(connection), wish), Loader(connection)
        with ThreadPoolExecutor(1) as writer:  # the next page is made while the server takes this one
            writing = writer.submit(loader.write, {})
            for page in generator.pages():
                writing.result()
                writing = writer.submit(loader.write, page)
            writing.result()
        tables = sql.SQL(", ").join(sql.Identifier("public", table) for table in COLUMNS)
        connection.execute(sql.SQL("VACUUM (ANALYZE) {}").format(tables))
    return generator.counts


def _furnish(connection: psycopg.Connection[Any]) -> None:
    """Dify's tables and apps, where the database has none."""
    found = connection.execute("SELECT to_regclass('public.messages')").fetchone()
    if found is None or found[0] is None:
        load_schema(connection, RECORDING)
        load_rows(connection, RECORDING, LOOKUP_TABLES)


@contextlib.contextmanager
def _server(url: str | None) -> Iterator[str]:
    """The given database, or a new one of a server of our own."""
    if url:
        yield url
        return
    with Postgres() as server, server.fresh_database(RECORDING, rows="lookups") as database:
        yield database.url


def _wish(asked: argparse.Namespace) -> Wish:
    end = asked.end.astimezone(UTC).replace(tzinfo=None) if asked.end.tzinfo else asked.end
    return Wish(asked.turns, asked.seed, asked.days, end, asked.error_rate, asked.tool_failure_rate)


def _arguments() -> argparse.Namespace:
    standard = Wish()
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--turns", type=int, default=standard.turns, help="messages and runs of workflow apps")
    parser.add_argument("--url", help="database to fill; by default one of a new server, which ends with the program")
    parser.add_argument("--seed", type=int, default=standard.seed)
    parser.add_argument("--days", type=float, default=standard.days, help="over how long they are spread")
    parser.add_argument("--end", type=datetime.fromisoformat, default=standard.end, help="when they end, in UTC")
    parser.add_argument("--error-rate", type=float, default=standard.error_rate)
    parser.add_argument("--tool-failure-rate", type=float, default=standard.tool_failure_rate)
    return parser.parse_args()


def main() -> None:
    """Fill a database and say how long it took."""
    asked = _arguments()
    with _server(asked.url) as url:
        begun = time.perf_counter()
        counts = fill(url, _wish(asked))
        took_s = time.perf_counter() - begun
        print(f"{counts}\n{counts.spans:,} spans, {took_s:.1f} s, {counts.turns / took_s:,.0f} turns/s", flush=True)
        if not asked.url:
            print(f"{url}   (Ctrl-C ends it)", flush=True)
            with contextlib.suppress(KeyboardInterrupt):
                signal.pause()


if __name__ == "__main__":
    main()
