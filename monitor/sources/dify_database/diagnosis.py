"""What `monitor doctor` says of Dify's PostgreSQL: reachable, rights, server, Dify's version, schema, indexes, clocks.

Every finding says what it costs and what to do. What the rows themselves show is in `diagnosis_rows`. One question that
fails is a finding like another. Called by `DatabaseSource.diagnose`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from monitor.errors import Auth, MonitorError, Permanent, Retryable
from monitor.model import Diagnosis
from monitor.model.units import duration_text
from monitor.ports import Clock
from monitor.sources.dify_database.diagnosis_rows import Asked, RowsOf, rows_findings
from monitor.sources.dify_database.grants import DEFAULT_ROLE, WANTED, grant, identifier, missing, vanished
from monitor.sources.dify_database.inquiry import Inquiry, Server
from monitor.sources.dify_database.known import KNOWN, SECRETS
from monitor.sources.dify_database.postgres import PostgresTables
from monitor.sources.dify_database.probe import MUST_HAVE
from monitor.sources.dify_database.versions import version_text

__all__ = ["diagnose"]

_OFF_S = 2.0
"""Clocks may differ by so much before an alert's or a lag's age is told wrong."""
_BEHIND_S = 60.0
_FEW_ROWS = 100_000
"""A table so small is looked through in a moment."""
_FEW_TABLES = 3
_MOST_NAMES = 8
_ROLE_REMEDY = "It only ever reads, in read-only transactions; still, give it a role that may do nothing else: "
_REMEDY_WIDTH = 72
_PAGE_BYTES = 8192
_SCAN_BYTES_S = 100e6

Wish = tuple[str, tuple[tuple[str, ...], ...], str]
"""A table, the indexes of which one will do, and what is looked up by it."""

_WISHES: tuple[Wish, ...] = (
    ("messages", (("created_at",),), "new messages"),
    ("messages", (("id",),), "messages by id"),
    ("workflow_runs", (("id",),), "runs by id"),
    ("message_agent_thoughts", (("message_id",),), "an agent's steps"),
    (
        "workflow_node_executions",
        (("workflow_run_id",), ("tenant_id", "app_id", "workflow_id", "triggered_from", "workflow_run_id")),
        "a run's nodes",
    ),
)


def diagnose(tables: PostgresTables, config: Asked, clock: Clock) -> list[Diagnosis]:
    """All that can be said. A database that can't be reached is one finding, not an error."""
    before = clock.monotonic()
    try:
        inquiry = Inquiry(tables)
        server = inquiry.server()
    except (Auth, Retryable, Permanent) as exc:
        return [_unreached(exc)]
    took_ms = (clock.monotonic() - before) * 1000
    found = [Diagnosis("database", "ok", _reached(server, took_ms))]
    checks: tuple[tuple[str, Callable[[], Iterable[Diagnosis]]], ...] = (
        ("rights", lambda: _rights(inquiry, server)),
        ("role", lambda: _role(inquiry, server)),
        ("server", lambda: _server(inquiry, server)),
        ("pooler", lambda: _pooler(inquiry, server)),
        ("timeout", lambda: [_timeout(server, config.statement_timeout)]),
        ("dify", lambda: [_version(inquiry)]),
        ("schema", lambda: _schema(inquiry)),
        ("indexes", lambda: _indexes(inquiry)),
        ("clock", lambda: [_clock(inquiry, clock)]),
        *_of_rows(inquiry, RowsOf(inquiry, tables, config, clock)),
    )
    for what, check in checks:
        found.extend(_guarded(what, check))
    return found


def _of_rows(inquiry: Inquiry, rows: RowsOf) -> Iterable[tuple[str, Callable[[], Iterable[Diagnosis]]]]:
    """The questions to the rows; none where there are no rows that we could see."""
    lacking, forbidden = inquiry.probe.lacking(MUST_HAVE)
    if not lacking and not forbidden:
        return rows_findings(rows)
    told = "not looked at, until the tables are there and may be read"
    return [("rows", lambda: [Diagnosis("rows", "warning", told)])]


def _guarded(what: str, check: Callable[[], Iterable[Diagnosis]]) -> list[Diagnosis]:
    try:
        return list(check())
    except (Auth, Retryable, Permanent) as exc:
        return [Diagnosis(what, "warning", f"could not be looked at: {exc}")]


# -- reachable


def _unreached(error: MonitorError) -> Diagnosis:
    if isinstance(error, Auth):
        remedy = "Correct the URL (DIFY_DB_URL). There is no role yet? `monitor doctor --grants` prints what makes one."
    else:
        remedy = (
            "Check host and port. Dify's Compose files do not publish the database's port: run in their network, where "
            "the host is db_postgres (from Dify 1.10.1 on) or db (before)."
        )
    return Diagnosis("database", "problem", str(error), remedy)


def _reached(server: Server, took_ms: float) -> str:
    return (
        f"PostgreSQL {server.version}, database {server.database}, as {server.role}; answered within {took_ms:.0f} ms"
    )


# -- rights


def _rights(inquiry: Inquiry, server: Server) -> Iterator[Diagnosis]:
    role = server.role
    hidden = [] if inquiry.probe.has("messages") else [name for (name,) in inquiry.rows("hidden_schemas")]
    for schema in hidden:
        yield Diagnosis(
            "rights",
            "problem",
            f"Dify's tables are in schema {schema}, which role {role} may not use",
            "As the schema's owner:\n"
            f"GRANT USAGE ON SCHEMA {identifier(schema)} TO {identifier(role)};\n"
            f"ALTER ROLE {identifier(role)} SET search_path = {identifier(schema)};",
        )
    needed, others = missing(inquiry.probe)
    if needed:
        yield Diagnosis("rights", "problem", f"role {role} may not read {_briefly(needed)}", _grants(needed, role))
    if others:
        detail = f"role {role} may not read {_briefly(others)}: facts that come from there are left out"
        yield Diagnosis("rights", "warning", detail, _grants(others, role))
    if not (hidden or needed or others):
        tables = [each.table for each in WANTED if inquiry.probe.has(each.table)]
        yield Diagnosis("rights", "ok", f"role {role} may read all that is read, in {len(tables)} tables")


def _grants(columns: Mapping[str, Collection[str]], role: str) -> str:
    return "\n".join(
        ["As the tables' owner (all of it: monitor doctor --grants):"]
        + [grant(table, names, role, _REMEDY_WIDTH) for table, names in columns.items()]
    )


def _briefly(columns: Mapping[str, list[str]]) -> str:
    """The columns where they are those of a few tables, else the tables; the remedy has them all."""
    if len(columns) <= _FEW_TABLES:
        return _listed(columns)
    return _some(
        [
            f"{table} ({len(names)} columns)" if names[1:] else f"{table} ({names[0]})"
            for table, names in columns.items()
        ]
    )


def _listed(columns: Mapping[str, Collection[str]]) -> str:
    return ", ".join(f"{table} ({', '.join(names)})" if names else table for table, names in columns.items())


def _role(inquiry: Inquiry, server: Server) -> Iterator[Diagnosis]:
    pairs = [(table, column) for table, columns in SECRETS.items() for column in columns]
    rows = inquiry.rows("writable", tables=[table for table, _ in pairs], columns=[column for _, column in pairs])
    said = []
    if server.superuser:
        said.append("is a superuser, who may do everything")
    if server.powerful and not server.superuser:
        said.append("may create roles or databases, replicate, or pass over row security")
    writable, secret = [table for table, may, _ in rows if may], [table for table, _, may in rows if may]
    if writable and not server.superuser:
        said.append(f"may write to {_some(writable)}")
    if secret and not server.superuser:
        said.append(f"may read credentials in {_some(secret)}")
    if said:
        remedy = f"{_ROLE_REMEDY}monitor doctor --grants --role {DEFAULT_ROLE}"
        yield Diagnosis("role", "warning", f"{server.role} {', '.join(said)}", remedy)
    else:
        always = "read only, whatever is sent" if server.read_only else "reading only what it is granted"
        yield Diagnosis("role", "ok", f"{server.role} may write nothing and sees no credentials; {always}")
    if 0 <= server.connection_limit <= server.connections:
        yield Diagnosis(
            "role",
            "warning",
            f"{server.role} has all {server.connection_limit} connections that it may have: a sidecar and a command "
            "beside it need two",
            f"ALTER ROLE {identifier(server.role)} CONNECTION LIMIT {server.connection_limit + 2};",
        )


def _some(names: list[str]) -> str:
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more tables" if more > 0 else "")


# -- the server


def _server(inquiry: Inquiry, server: Server) -> Iterator[Diagnosis]:
    if not server.is_replica:
        yield Diagnosis("server", "ok", "the primary; a read replica would do as well")
        return
    ((behind_s, caught_up, feedback),) = inquiry.rows("replica")
    if caught_up or behind_s < _BEHIND_S:
        yield Diagnosis("server", "ok", "a read replica that has caught up with its primary")
    else:
        yield Diagnosis(
            "server",
            "warning",
            f"a read replica, {behind_s:.0f} s behind its primary: facts and alerts come so much later",
            "See pg_stat_replication on the primary.",
        )
    if not feedback:
        yield Diagnosis(
            "server",
            "ok",
            "hot_standby_feedback is off: a reading may be broken off by the replica, and is repeated then",
        )


def _pooler(inquiry: Inquiry, server: Server) -> Iterator[Diagnosis]:
    if inquiry.is_pooled(server):
        yield Diagnosis(
            "pooler",
            "ok",
            "a pooler such as PgBouncer stands in between; no prepared statements and no session settings are used",
        )


def _timeout(server: Server, ours_ns: int) -> Diagnosis:
    own = f"; the role's own is {server.timeouts[0].partition('=')[2]}" if server.timeouts else ""
    told = f"no statement of ours runs longer than {duration_text(ours_ns)} (statement_timeout){own}"
    return Diagnosis("timeout", "ok", told)


# -- Dify


def _version(inquiry: Inquiry) -> Diagnosis:
    revisions = [row[0] for row in inquiry.rows("revision")]
    told = version_text(revisions[-1] if revisions else "", inquiry.probe.columns)
    many = f"; {len(revisions)} revisions stand there, as if an update had not come to its end" if revisions[1:] else ""
    return Diagnosis("dify", "warning" if many else "ok", told + many)


def _schema(inquiry: Inquiry) -> Iterator[Diagnosis]:
    probe = inquiry.probe
    gone = vanished(probe)
    if gone:
        needed, _ = probe.lacking(MUST_HAVE)
        yield Diagnosis(
            "schema",
            "problem" if needed else "warning",
            f"this Dify has no {_listed(gone)}" + ("" if needed else ": what they told is left out"),
            "Check that the URL names Dify's own database. If it does, this Dify is newer than this `monitor` knows: "
            "update `monitor`.",
        )
    new = {
        table: sorted(set(probe.columns[table]) - set(known))
        for table, known in KNOWN.items()
        if probe.has(table) and set(probe.columns[table]) - set(known)
    }
    if new:
        yield Diagnosis("schema", "ok", f"columns that we do not know, and do not read: {_listed(new)}")
    absent = [each.table for each in WANTED if each.optional and not probe.has(each.table)]
    if absent:
        yield Diagnosis("schema", "ok", f"not in this Dify: {', '.join(absent)}")
    if not (gone or new or absent):
        yield Diagnosis("schema", "ok", "every table and column that is read is there, and nothing new")


# -- indexes


def _indexes(inquiry: Inquiry) -> Iterator[Diagnosis]:
    probe = inquiry.probe
    sizes = {row[0]: row[1:] for row in inquiry.rows("sizes", tables=["messages", "workflow_runs"])}
    lacking = [
        (table, choices[0], what)
        for table, choices, what in _WISHES
        if probe.has(table) and not any(probe.begins(table, *columns) for columns in choices)
    ]
    for table, columns, what in lacking:
        yield Diagnosis(
            "indexes",
            "warning",
            f"{table} has no index on {', '.join(columns)}, which every Dify makes: {what} are found by looking at all",
            _create(table, columns),
        )
    if not probe.has("workflow_runs"):
        return
    if not probe.begins("workflow_runs", "created_at"):
        yield _runs_index(*sizes.get("workflow_runs", (0, 0, 0)))
    elif not lacking:
        yield Diagnosis("indexes", "ok", "messages and runs are found by their time of creation")


def _runs_index(rows: int, pages: int, _total: int) -> Diagnosis:
    if rows < _FEW_ROWS:
        told = f"workflow_runs has no index on its creation; with about {rows:,} rows that costs nothing yet"
        return Diagnosis("indexes", "ok", told)
    scan_s = pages * _PAGE_BYTES / _SCAN_BYTES_S
    return Diagnosis(
        "indexes",
        "warning",
        f"workflow_runs has no index on its creation: now and then all of its {rows:,} rows are looked at "
        f"({pages:,} blocks, about {scan_s:.0f} s from disk), a twentieth of the time at most",
        "Dify 1.11.3 brings one. Until then its owner may add one; that holds nobody up. Drop it after the update.\n"
        + _create("workflow_runs", ("created_at", "id")).partition("\n")[2],
    )


def _create(table: str, columns: tuple[str, ...]) -> str:
    name = f"monitor_{table}_{columns[0]}"
    return (
        "As the table's owner; that holds nobody up:\n"
        f"CREATE INDEX CONCURRENTLY {identifier(name)} ON {identifier(table)} ({', '.join(columns)});"
    )


# -- clocks


def _clock(inquiry: Inquiry, clock: Clock) -> Diagnosis:
    before = clock.now_ns()
    ((theirs_us,),) = inquiry.rows("clock")
    after = clock.now_ns()
    offset_s = (theirs_us * 1000 - (before + after) // 2) / 1e9
    round_s = (after - before) / 1e9
    if abs(offset_s) <= _OFF_S + round_s:
        return Diagnosis("clock", "ok", f"the server's clock and ours agree within {abs(offset_s) + round_s:.2f} s")
    ahead = "ahead of" if offset_s > 0 else "behind"
    return Diagnosis(
        "clock",
        "warning",
        f"the server's clock is {abs(offset_s):.1f} s {ahead} ours: ages in alerts and lags are wrong by so much",
        "Set both by NTP. What is read is decided by the server's clock alone, so nothing is lost.",
    )
