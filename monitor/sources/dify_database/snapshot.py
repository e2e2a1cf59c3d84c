"""The questions of `tables.Snapshot`, answered by one PostgreSQL transaction. Made by `postgres` only.

What may be kept between two snapshots (definitions that never change, names for a minute) is in `Kept`.
"""

# ruff: noqa: D102 - what each question means is said in tables.py
from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, LiteralString

import msgspec
import psycopg

from monitor.normalise.config_hash import APP_CONFIG_COLUMNS, config_hash
from monitor.normalise.failure import STOP_PATTERN
from monitor.normalise.graph import agent_tools_of, graph_of
from monitor.normalise.rows import (
    AppConfig,
    AppRow,
    Definition,
    MessageRow,
    NodeRow,
    ResourceRow,
    RunRow,
    ThoughtRow,
)
from monitor.sources.dify_database.entries import Entry, entry_nodes
from monitor.sources.dify_database.probe import Probe
from monitor.sources.dify_database.statements import Statement
from monitor.sources.dify_database.tables import Digest, Key, MessageState, RunState, Signal, Table, Unreadable

__all__ = ["Explained", "Kept", "PostgresSnapshot"]

_KEYS_AHEAD = 20
"""Without an index on the runs' creation, one look at all of them brings the keys of this many pages."""
_KEYS_AHEAD_FOR_US = 60_000_000
_KEPT_FOR_US = 60_000_000
"""How old names of apps and the list of drafts may be."""
_MAX_DEFINITIONS = 256
_GRAPHS_AT_ONCE = 50
_FEW_RUNS = 10
"""So many messages without their runs are no accident."""
_ZERO = "00000000-0000-0000-0000-000000000000"
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_SHORTENED = ("inputs", "process_data", "outputs")
_ONLY_INDEXES = ("enable_hashjoin", "enable_mergejoin", "enable_seqscan")
_NAMES: Mapping[Table, str] = {"messages": "message", "workflow_runs": "run"}


class Explained(msgspec.Struct, frozen=True):
    """One statement that was asked, with what it cost."""

    statement: Statement
    sql: str
    """As it was sent, with places for values."""
    plan: dict[str, Any]
    """PostgreSQL's own, with what it took."""

    @property
    def blocks(self) -> int:
        """Blocks that were read or found cached."""
        return int(self.plan["Shared Hit Blocks"]) + int(self.plan["Shared Read Blocks"])


class _Ahead(msgspec.Struct):
    """Keys of runs that one look at the whole table brought for several pages."""

    after: Key | None
    until_us: int
    """When it is too old (the database's time)."""
    keys: list[Key]

    def behind(self, after: Key | None, now_us: int) -> list[Key]:
        """Those behind a place; none where it does not know them all."""
        if now_us > self.until_us or (_place(after) < _place(self.after)):
            return []
        return [key for key in self.keys if _place(key) > _place(after)]


class Kept(msgspec.Struct):
    """What one database said, for later snapshots; made anew when it turns out to have changed."""

    probe: Probe
    probed_us: int
    statements: Mapping[str, Statement]
    texts: Mapping[str, LiteralString | None]
    """The statements as this database takes them."""
    broken: dict[str, int] = {}
    """Optional statements that failed, and until when they are left out (the database's time)."""
    definitions: dict[str, Definition] = {}
    apps: dict[str, AppRow] = {}
    apps_until_us: int = 0
    entries: dict[str, Entry] = {}
    entries_until_us: int = 0
    ahead: _Ahead | None = None
    any_resources: bool | None = None
    explained: list[Explained] | None = None
    """Filled while somebody wants to know what each statement costs."""


class PostgresSnapshot:
    """Implements `Snapshot` within one transaction."""

    def __init__(self, cursor: psycopg.Cursor[tuple[Any, ...]], kept: Kept, now_us: int) -> None:
        self.cursor, self._kept, self._now_us = cursor, kept, now_us
        self.asked = ""
        """The statement that was sent last."""

    def ask(self, name: str, **values: Any) -> list[tuple[Any, ...]]:
        text = self._kept.texts[name]
        if text is None or self._kept.broken.get(name, 0) > self._now_us:
            return []
        self.asked = name
        if (explained := self._kept.explained) is not None:
            explained.append(self._explain(name, text, values))
        return self.cursor.execute(text, values or None).fetchall()

    def _explain(self, name: str, text: LiteralString, values: dict[str, Any]) -> Explained:
        explain: LiteralString = "EXPLAIN (ANALYZE, BUFFERS, VERBOSE, FORMAT JSON) "
        ((plan,),) = self.cursor.execute(explain + text, values or None).fetchall()
        return Explained(self._kept.statements[name], text, plan[0]["Plan"])

    def runs_indexed(self) -> bool:
        """As of the tables."""
        return self._kept.probe.begins("workflow_runs", "created_at")

    def now_us(self) -> int:
        return self._now_us

    @contextmanager
    def apart(self) -> Iterator[None]:
        self.cursor.execute("SAVEPOINT apart")
        try:
            yield
        except (psycopg.DataError, psycopg.InternalError, UnicodeDecodeError) as exc:
            self.cursor.execute("ROLLBACK TO SAVEPOINT apart")
            raise Unreadable(type(exc).__name__) from exc
        self.cursor.execute("RELEASE SAVEPOINT apart")

    # -- messages

    def message_keys(self, after: Key | None, limit: int) -> Sequence[Key]:
        return self._keys("message_keys", after, limit)

    def message_keys_since(self, since_us: int, until: Key) -> Sequence[Key]:
        return self._keys_since("message_keys_since", since_us, until)

    def _keys(self, name: str, after: Key | None, limit: int) -> list[Key]:
        at, row_id = (after.at, after.id) if after else (None, _ZERO)
        return [Key(*row) for row in self.ask(name, at=at, id=row_id, limit=limit)]

    def _keys_since(self, name: str, since_us: int, until: Key) -> list[Key]:
        return [Key(*row) for row in self.ask(name, since_us=max(0, since_us), at=until.at, id=until.id)]

    def message_states(self, ids: Collection[str]) -> Sequence[MessageState]:
        return [MessageState(*row) for row in self._by_ids("message_states", ids)]

    def messages(self, ids: Collection[str]) -> Sequence[MessageRow]:
        return [MessageRow(*row) for row in self._by_ids("messages", ids)]

    def thought_signals(self, message_ids: Collection[str]) -> dict[str, Signal]:
        rows = self._by_ids("thought_signals", message_ids)
        return {row[0]: Signal(mark=row[1] or "", last_us=row[2], size=int(row[3])) for row in rows}

    def thoughts(self, message_ids: Collection[str]) -> Sequence[ThoughtRow]:
        return [ThoughtRow(*row) for row in self._by_ids("thoughts", message_ids)]

    def resources(self, message_ids: Collection[str]) -> Sequence[ResourceRow]:
        if self._kept.any_resources is None:
            self._kept.any_resources = bool(self.ask("any_resources"))
        if not self._kept.any_resources:
            return []
        return [ResourceRow(*row) for row in self._by_ids("resources", message_ids)]

    # -- runs and their nodes

    def run_keys(self, after: Key | None, limit: int) -> Sequence[Key]:
        kept = self._kept
        if self.runs_indexed():
            return self._keys("run_keys", after, limit)
        # One look at the whole table serves many pages; what is missed in between is the sweep's business.
        keys = kept.ahead.behind(after, self._now_us) if kept.ahead is not None else []
        if len(keys) < limit:
            keys = self._keys("run_keys", after, limit * _KEYS_AHEAD)
            kept.ahead = _Ahead(after=after, until_us=self._now_us + _KEYS_AHEAD_FOR_US, keys=keys)
        return keys[:limit]

    def run_keys_since(self, since_us: int, until: Key) -> Sequence[Key]:
        return self._keys_since("run_keys_since", since_us, until)

    def newest_run_keys(self, since_us: int, limit: int) -> Sequence[Key]:
        probe = self._kept.probe
        if self.runs_indexed():
            return []
        if probe.begins("workflow_runs", "tenant_id", "app_id", "sequence_number"):
            apps = list({(entry.tenant_id, entry.app_id) for entry in self._entries().values()})
            values = {"tenants": [tenant for tenant, _ in apps], "apps": [app for _, app in apps]}
            return self._newest("newest_runs_by_number", since_us, limit, values)
        if probe.begins("workflow_node_executions", "tenant_id", "workflow_id", "node_id", "created_at"):
            first = [(entry, node) for entry in self._entries(graphs=True).values() for node in entry.nodes or ()]
            values = {
                "tenants": [entry.tenant_id for entry, _ in first],
                "workflows": [entry.workflow_id for entry, _ in first],
                "nodes": [node for _, node in first],
            }
            return self._newest("newest_runs_by_node", since_us, limit, values)
        return []

    def _newest(self, name: str, since_us: int, limit: int, values: dict[str, list[str]]) -> list[Key]:
        if not values["tenants"]:
            return []
        with self._indexes_only():
            return [Key(*row) for row in self.ask(name, since_us=max(0, since_us), limit=limit, **values)]

    def _entries(self, *, graphs: bool = False) -> dict[str, Entry]:
        """The workflows that runs without a message may be of; those that did not change are not read again."""
        kept = self._kept
        if self._now_us < kept.entries_until_us:
            return kept.entries
        rows = self.ask("entry_workflows")
        found = {row[0]: Entry(*row) for row in rows}
        for each in found.values():
            each.nodes = each.nodes_of(kept.entries.get(each.workflow_id))
        unread = [each.workflow_id for each in found.values() if each.nodes is None]
        for at in range(0, len(unread) if graphs else 0, _GRAPHS_AT_ONCE):
            for row_id, *_, graph in self._by_ids("definitions", unread[at : at + _GRAPHS_AT_ONCE]):
                found[row_id].nodes = entry_nodes(graph)
        kept.entries, kept.entries_until_us = found, self._now_us + _KEPT_FOR_US
        return found

    def run_states(self, ids: Collection[str]) -> Sequence[RunState]:
        return [RunState(*row) for row in self._by_ids("run_states", ids)]

    def runs(self, ids: Collection[str]) -> Sequence[RunRow]:
        return [RunRow(*row) for row in self._by_ids("runs", ids)]

    def runs_with_message(self, run_ids: Collection[str], since_us: int, until_us: int) -> set[str]:
        rows = self.ask("runs_with_message", ids=list(run_ids), since_us=max(0, since_us), until_us=until_us)
        return {row[0] for row in rows}

    def external_runs(self) -> bool:
        ((named, found, any_run),) = self.ask("external_runs")
        return bool(named and not found and (not any_run or named >= _FEW_RUNS))

    def node_signals(self, runs: Sequence[RunState]) -> dict[str, Signal]:
        rows = self._by_runs("node_signals", runs, stop=STOP_PATTERN)
        return {
            row[0]: Signal(mark=f"{row[1]}.{row[2]}", last_us=row[3], size=int(row[4]), stop_evidence=bool(row[5]))
            for row in rows
        }

    def nodes(self, runs: Sequence[RunState]) -> Sequence[NodeRow]:
        return self._marked([NodeRow(*row) for row in self._by_runs("nodes", runs)])

    def single_step_keys(self, since_us: int, limit: int) -> Sequence[Key]:
        timed = self._kept.probe.begins("workflow_node_executions", "tenant_id", "workflow_id", "node_id", "created_at")
        name = "single_step_keys_by_time" if timed else "single_step_keys"
        with self._indexes_only():
            return [Key(*row) for row in self.ask(name, since_us=max(0, since_us), limit=limit)]

    def single_steps(self, ids: Collection[str]) -> Sequence[NodeRow]:
        return self._marked([NodeRow(*row) for row in self._by_ids("single_steps", ids)])

    def _marked(self, nodes: list[NodeRow]) -> list[NodeRow]:
        """The nodes with the names of their shortened columns. Rows of the table without a node are left-overs."""
        names = {name for node in nodes for name in (node.id, node.node_execution_id or "") if _UUID.fullmatch(name)}
        shortened: defaultdict[str, set[str]] = defaultdict(set)
        for name, column in self._by_ids("truncated", names):
            shortened[name].add(column)
        if shortened:
            for node in nodes:
                columns = shortened[node.id] | shortened[(node.node_execution_id or "").lower()]
                node.truncated = tuple(column for column in _SHORTENED if column in columns)
        return nodes

    # -- what stands around turns

    def definitions(self, workflow_ids: Collection[str]) -> dict[str, Definition]:
        """Published definitions never change and are remembered; drafts are read again."""
        known = self._kept.definitions
        missing = [each for each in workflow_ids if each not in known]
        found = {each: known[each] for each in workflow_ids if each in known}
        for row_id, version, features, created_us, graph in self._by_ids("definitions", missing):
            hashed = config_hash({"graph": graph, "features": features})
            found[row_id] = Definition(graph_of(graph), hashed, created_us)
            if version != "draft":
                known[row_id] = found[row_id]
        while len(known) > _MAX_DEFINITIONS:
            del known[next(iter(known))]
        return found

    def configs(self, model_config_ids: Collection[str]) -> dict[str, AppConfig]:
        found = {}
        for row_id, *values, created_us in self._by_ids("configs", model_config_ids):
            columns = dict(zip(APP_CONFIG_COLUMNS, values, strict=True))
            found[row_id] = AppConfig(agent_tools_of(columns["agent_mode"]), config_hash(columns), created_us)
        return found

    def apps(self) -> Mapping[str, AppRow]:
        kept = self._kept
        if self._now_us >= kept.apps_until_us:
            rows = self.ask("pipelines") + self.ask("apps")
            kept.apps = {row[0]: AppRow(*row) for row in rows}
            kept.apps_until_us = self._now_us + _KEPT_FOR_US
        return kept.apps

    # -- comparing

    def oldest_us(self, table: Table) -> int | None:
        if table == "workflow_runs" and not self.runs_indexed():
            return None
        rows = self.ask(f"oldest_{_NAMES[table]}")
        return int(rows[0][0]) if rows else None

    def digests(self, table: Table, since_us: int, until_us: int) -> dict[str, Digest]:
        rows = self.ask(f"{_NAMES[table]}_digests", since_us=since_us, until_us=until_us)
        return {app_id: Digest(count, int(total)) for app_id, count, total in rows}

    def ids_between(self, table: Table, app_id: str, since_us: int, until_us: int) -> Sequence[Key]:
        rows = self.ask(f"{_NAMES[table]}_ids", app=app_id, since_us=since_us, until_us=until_us)
        return [Key(*row) for row in rows]

    # -- asking

    def _by_ids(self, name: str, ids: Collection[str]) -> list[tuple[Any, ...]]:
        return self.ask(name, ids=list(ids)) if ids else []

    def _by_runs(self, name: str, runs: Sequence[RunState], **values: Any) -> list[tuple[Any, ...]]:
        """Up to Dify 1.11 the index of the nodes begins with tenant, app, workflow and trigger: name them all."""
        groups: defaultdict[str, list[RunState]] = defaultdict(list)
        for run in runs:
            groups[_node_trigger(run)].append(run)
        rows: list[tuple[Any, ...]] = []
        for triggered, group in groups.items():
            with self._indexes_only():
                rows += self.ask(
                    name,
                    tenants=[run.tenant_id for run in group],
                    apps=[run.app_id for run in group],
                    workflows=[run.workflow_id for run in group],
                    ids=[run.id for run in group],
                    triggered=triggered,
                    **values,
                )
        return rows

    @contextmanager
    def _indexes_only(self) -> Iterator[None]:
        """A plan by another way than the index would look at every row there is, whatever the statistics promise."""
        self.cursor.execute("; ".join(f"SET LOCAL {name} = off" for name in _ONLY_INDEXES).encode())
        yield
        self.cursor.execute("; ".join(f"SET LOCAL {name} = on" for name in _ONLY_INDEXES).encode())


def _place(key: Key | None) -> tuple[int, str]:
    return (key.us, key.id) if key is not None else (-(2**63), "")


def _node_trigger(run: RunState) -> str:
    return "rag-pipeline-run" if run.triggered_from.startswith("rag-pipeline") else "workflow-run"
