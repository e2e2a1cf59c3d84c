"""One reading on its way: what the registers ask with, and what they write down. `Registers.read` makes one a call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any

import msgspec

from monitor.model import AppRef, Event
from monitor.normalise.notes import app_ref, gap
from monitor.normalise.rows import AppRow
from monitor.ports import Memory
from monitor.sources.dify_database.registers.page import RegisterPage, Round
from monitor.sources.dify_database.registers.told import pack
from monitor.sources.dify_database.tables import Snapshot

__all__ = ["PASS_EVERY_US", "Reading", "prefix_of"]

PASS_EVERY_US = 30_000_000
_UNREADABLE_WAIT_US = 600_000_000
"""A new pass over a register begins at most so often."""


def prefix_of(register: str) -> str:
    """How the keys of a register's memory begin."""
    return f"n/{register}/"


class Reading:
    """One snapshot, one memory, and the page that grows. `memory` and `rounds` are left as they are."""

    def __init__(
        self,
        tables: Snapshot,
        memory: Memory,
        rounds: Mapping[str, Round],
        now_us: int,
        *,
        pseudonym: Callable[[str], str],
        log: Any,
        source_name: str,
    ) -> None:
        self.tables, self.memory, self.now_us, self.pseudonym = tables, memory, now_us, pseudonym
        self._log, self._source_name = log, source_name
        self._rounds = dict(rounds)
        self._events: list[Event] = []
        self._remember: dict[str, bytes] = {}
        self._forget: set[str] = set()
        self._more = False
        self._looked_at = ""
        """The register that is being read."""

    def page(self) -> RegisterPage:
        """What came of it."""
        return RegisterPage(
            events=sorted(self._events, key=lambda event: (event.occurred_at, event.key)),
            remember=self._remember,
            forget=sorted(self._forget),
            rounds=self._rounds,
            more=self._more,
        )

    # -- asking

    def rows(self, statement: str, ids: Iterable[str | None]) -> list[tuple[Any, ...]]:
        """The rows of a statement about these ids; None and repetitions are left out."""
        asked = sorted({row_id for row_id in ids if row_id})
        return self.tables.ask(statement, ids=asked) if asked else []

    @cached_property
    def apps(self) -> Mapping[str, AppRow]:
        """All apps by id."""
        return self.tables.apps()

    def app_ref(self, app_id: str, tenant_id: str = "") -> AppRef:
        """An app as a fact names it."""
        return app_ref(self.apps.get(app_id), app_id, tenant_id)

    # -- where a register stands

    def round(self, register: str) -> Round:
        """As it was handed in, or set since."""
        return self._rounds.get(register, Round())

    def is_due(self, register: str) -> bool:
        """Whether a pass is under way, or may begin."""
        self._looked_at = register
        standing = self.round(register)
        return bool(standing.after or standing.until_us) or standing.next_us <= self.now_us

    def go_on(self, register: str, after: str, **changes: Any) -> None:
        """The pass goes on behind `after` at the next reading; at once where history is still being told."""
        standing = msgspec.structs.replace(self.round(register), after=after, **changes)
        self._rounds[register] = standing
        self._more = self._more or not standing.history_told

    def pass_over(self, register: str, *, wait_us: int = PASS_EVERY_US, **changes: Any) -> None:
        """The pass came to the table's end."""
        self._rounds[register] = msgspec.structs.replace(
            self.round(register),
            after="",
            until_us=0,
            next_us=self.now_us + wait_us,
            history_told=True,
            **changes,
        )

    def give_up(self, exc: Exception) -> None:
        """The server can't hand out a row of the register that is being read: said once, and tried again later."""
        self.gap("register", self._looked_at, exc)
        self.pass_over(self._looked_at, wait_us=_UNREADABLE_WAIT_US)

    def move_within(self, register: str, within: str) -> None:
        """Where the look at its open rows stands."""
        self._rounds[register] = msgspec.structs.replace(self.round(register), within=within)

    def read_on(self) -> None:
        """There is more to tell than one page takes."""
        self._more = True

    # -- writing down

    def tell(self, event: Event) -> None:
        """One more fact."""
        self._events.append(event)

    def keep(self, register: str, row_id: str, value: msgspec.Struct) -> None:
        """Remember a row."""
        self._remember[prefix_of(register) + row_id] = pack(value)

    def drop(self, register: str, row_id: str) -> None:
        """Forget a row."""
        self._forget.add(prefix_of(register) + row_id)

    def kept(self, register: str, ids: Iterable[str]) -> dict[str, bytes]:
        """What is remembered of rows, by id; what this reading has remembered first."""
        prefix = prefix_of(register)
        keys = {prefix + row_id: row_id for row_id in ids}
        held = self.memory.get(list(keys)) if keys else {}
        held = {key: value for key, value in held.items() if key not in self._forget}
        held |= {key: self._remember[key] for key in keys if key in self._remember}
        return {keys[key]: value for key, value in held.items()}

    def gap(self, table: str, row_id: str, exc: Exception, *, number: int = 0) -> None:
        """A row that nobody foresaw: said once, and never in the way of the rest."""
        reason = type(exc).__name__
        self._log.error("row_not_understood", action="recorded as a gap", table=table, row=row_id, error=reason)
        self.tell(gap(self._source_name, table, row_id, reason, at_us=self.now_us, number=number))
