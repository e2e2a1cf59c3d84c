"""A small Dify under a test's hand: rows as PostgreSQL's text, a clock, and a reader that remembers its position."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import structlog

from monitor.model import COVERAGE_KEY, Coverage, Event, SourceGap, StepEnded, TurnEnded, TurnStarted
from monitor.ports import Page
from monitor.sources.dify_database.choice import Choice
from monitor.sources.dify_database.memory import MemoryTables
from monitor.sources.dify_database.reader import Limits, Reader
from monitor.sources.dify_database.state import State, decode
from tests.support.reading import Ledger, pseudonym

DAY_US = 1_795_500_000_000_000
S = 1_000_000


def row_id(kind: str, number: int) -> str:
    return f"{kind}0000000-0000-4000-8000-{number:012d}"


def at(seconds: float) -> str:
    """A column's text, so many seconds after the world's beginning."""
    return datetime.fromtimestamp((DAY_US + round(seconds * S)) / S, UTC).replace(tzinfo=None).isoformat(" ")


class Dify:
    """The tables; `now` is the database's clock, in seconds after the world's beginning."""

    def __init__(self, modes: dict[str, str] | None = None) -> None:
        modes = modes or {name: name for name in ("agent-chat", "chat", "advanced-chat", "workflow")}
        self.rows: dict[str, dict[str, dict[str, str | None]]] = {
            "apps": {app: {"id": app, "tenant_id": "t", "name": app, "mode": mode} for app, mode in modes.items()},
            "messages": {}, "message_agent_thoughts": {}, "workflow_runs": {}, "workflow_node_executions": {},
        }  # fmt: skip
        self.now = 0.0
        self.tables = MemoryTables(self.rows, lambda: DAY_US + round(self.now * S))

    def message(self, number: int, app: str = "chat", created: float | None = None, **columns: str | None) -> str:
        """Insert a message, or change one."""
        name = row_id("a", number)
        new: dict[str, str | None] = {
            "id": name, "app_id": app, "status": "normal", "provider_response_latency": "0", "query": "q", "answer": "",
            "created_at": at(self.now if created is None else created), "workflow_run_id": None,
        }  # fmt: skip
        self.rows["messages"][name] = {**(self.rows["messages"].get(name) or new), **columns}
        return name

    def run(self, number: int, app: str = "advanced-chat", created: float | None = None, **columns: str | None) -> str:
        """Insert a run, or change one."""
        name = row_id("b", number)
        new: dict[str, str | None] = {
            "id": name, "app_id": app, "tenant_id": "t", "workflow_id": "w", "type": "chat" if app == "advanced-chat" else "workflow",
            "triggered_from": "app-run", "status": "running", "created_at": at(self.now if created is None else created),
        }  # fmt: skip
        self.rows["workflow_runs"][name] = {**(self.rows["workflow_runs"].get(name) or new), **columns}
        return name

    def node(self, number: int, run: str | None, created: float | None = None, **columns: str | None) -> str:
        """Insert a node execution, or change one."""
        name = row_id("d", number)
        new: dict[str, str | None] = {
            "id": name, "node_execution_id": name, "workflow_run_id": run, "tenant_id": "t", "app_id": "workflow", "workflow_id": "w",
            "triggered_from": "workflow-run" if run else "single-step", "node_id": "n", "node_type": "code", "title": "n",
            "index": str(number), "status": "running", "created_at": at(self.now if created is None else created),
        }  # fmt: skip
        table = self.rows["workflow_node_executions"]
        table[name] = {**(table.get(name) or new), **columns}
        return name

    def thought(self, number: int, message: str, **columns: str | None) -> str:
        """Insert a thought, or change one."""
        name = row_id("c", number)
        new: dict[str, str | None] = {
            "id": name,
            "message_id": message,
            "position": str(number),
            "created_at": at(self.now),
        }
        table = self.rows["message_agent_thoughts"]
        table[name] = {**(table.get(name) or new), **columns}
        return name

    def delete(self, table: str, name: str) -> None:
        del self.rows[table][name]


class Watcher:
    """Reads the world again and again from where it stood, and keeps what it was told."""

    def __init__(
        self,
        dify: Dify,
        *,
        limit: int = 20,
        limits: Limits | None = None,
        choice: Choice | None = None,
        registers: Any = None,
    ) -> None:
        self.dify, self.limit, self.limits, self.choice, self.registers = (
            dify,
            limit,
            limits or Limits(),
            choice,
            registers,
        )
        self.runs_indexed = True
        self.position: bytes | None = None
        self.ledger = Ledger()
        self.tables = dify.tables

    def page(self, *, scan_runs: bool = True, pseudonym: Callable[[str], str] = pseudonym) -> Page:
        """One page."""
        reader = Reader(self.limits, pseudonym, structlog.get_logger(), choice=self.choice, registers=self.registers)
        page = reader.read(
            self.tables,
            self.position,
            self.limit,
            self.ledger.memory,
            scan_runs=scan_runs,
            runs_indexed=self.runs_indexed,
        )
        self.position = page.position
        self.ledger.take(page)
        return page

    def read(self, after: float = 0.0, **kwargs: object) -> list[Event]:
        """Let so many seconds pass, and read to the end; what was new."""
        self.dify.now += after
        before = len(self.ledger.order)
        for _ in range(1_000):
            if not self.page(**kwargs).more:  # type: ignore[arg-type]
                return self.ledger.order[before:]
        raise AssertionError("the source never comes to its end")

    @property
    def state(self) -> State:
        return decode(self.position)

    @property
    def coverage(self) -> Coverage:
        """As the source last remembered it, which is once a minute."""
        return msgspec.json.decode(self.ledger.memory.get([COVERAGE_KEY])[COVERAGE_KEY], type=Coverage)


def told(events: list[Event]) -> list[str]:
    """Events in short: `started a1`, `step d1 succeeded`, `ended a1 failed`, `gap a1`."""
    found = []
    for event in events:
        body = event.body
        if isinstance(body, TurnStarted):
            found.append(f"started {_short(body.turn.turn_id)}")
        elif isinstance(body, StepEnded):
            found.append(f"step {_short(body.step.id)} {body.step.status}")
        elif isinstance(body, TurnEnded):
            found.append(f"ended {_short(body.turn.turn_id)} {body.status}")
        elif isinstance(body, SourceGap):
            found.append(f"gap {_short(body.turn_id)}")
    return found


def _short(name: str) -> str:
    return name[0] + str(int(name[-12:])) if name[-12:].isdigit() else name
