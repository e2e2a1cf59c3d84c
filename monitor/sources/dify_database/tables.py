"""What the reader asks of Dify's tables, whatever holds them: PostgreSQL, the demo's memory, another dialect.

All questions of one reading are asked inside one `snapshot`, so that the answers belong together.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Literal, Protocol

import msgspec

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

__all__ = ["Digest", "Key", "MessageState", "RunState", "Signal", "Snapshot", "Table", "Tables", "Unreadable"]

Table = Literal["messages", "workflow_runs"]
"""The tables of which every row is accounted for."""

_WITHOUT_MESSAGE = frozenset({"workflow", "rag-pipeline"})


class Key(msgspec.Struct, frozen=True, gc=False):
    """A row's place in the order (created_at, id)."""

    id: str
    at: str
    """The column's own text: exact where microseconds are not (infinity)."""
    us: int


class MessageState(msgspec.Struct, frozen=True, gc=False):
    """How far a message is, without its texts."""

    id: str
    created_us: int
    ended_us: int
    """When its duration was over; its creation where it has none."""
    mode: str | None
    run_id: str | None
    final: bool
    size: int
    """About how many bytes its texts hold."""
    app_id: str = ""
    invoke_from: str = ""
    conversation_id: str = ""


class RunState(msgspec.Struct, frozen=True, gc=False):
    """How far a run is, without its texts, and the columns that the index of its nodes begins with."""

    id: str
    created_us: int
    type: str
    status: str
    size: int
    tenant_id: str
    app_id: str
    workflow_id: str
    triggered_from: str

    @property
    def may_have_message(self) -> bool:
        """Whether a message may refer to it: a chatflow's, or of a type that nobody knows yet."""
        return self.type not in _WITHOUT_MESSAGE


class Signal(msgspec.Struct, frozen=True, gc=False):
    """One turn's thoughts or nodes in brief: changes whenever one of them does."""

    mark: str
    last_us: int
    size: int
    stop_evidence: bool = False
    """A node failed with a stop's text."""


class Digest(msgspec.Struct, frozen=True, gc=False):
    """Rows of one app within a window in brief: equal where they are the same rows, but for chances of 2**-60."""

    count: int
    hash: int
    """Sum over the rows of the first 15 hexadecimal digits of the MD5 of the id (36 characters, lower case)."""


class Unreadable(Exception):
    """A row that the server holds and can't hand out: a damaged page, or text that is not in its encoding."""


class Snapshot(Protocol):
    """The questions. Every collection asked for is bounded by the caller."""

    def now_us(self) -> int:
        """The database's own time."""
        ...

    def apart(self) -> AbstractContextManager[None]:
        """What is asked within fails alone: it raises Unreadable, and other questions can still be asked."""
        ...

    def message_keys(self, after: Key | None, limit: int) -> Sequence[Key]:
        """The next messages behind `after` in (created_at, id)."""
        ...

    def message_keys_since(self, since_us: int, until: Key) -> Sequence[Key]:
        """All messages created from `since_us` to `until` inclusive."""
        ...

    def message_states(self, ids: Collection[str]) -> Sequence[MessageState]:
        """How far these messages are; deleted ones are left out."""
        ...

    def messages(self, ids: Collection[str]) -> Sequence[MessageRow]:
        """These messages whole."""
        ...

    def thought_signals(self, message_ids: Collection[str]) -> dict[str, Signal]:
        """Per message that has thoughts."""
        ...

    def thoughts(self, message_ids: Collection[str]) -> Sequence[ThoughtRow]:
        """All thoughts of these messages."""
        ...

    def run_keys(self, after: Key | None, limit: int) -> Sequence[Key]:
        """The next runs behind `after` in (created_at, id)."""
        ...

    def run_keys_since(self, since_us: int, until: Key) -> Sequence[Key]:
        """All runs created from `since_us` to `until` inclusive."""
        ...

    def newest_run_keys(self, since_us: int, limit: int) -> Sequence[Key]:
        """Runs created from `since_us` on that need no message, the oldest first, without looking at all runs.

        For databases whose `runs_indexed` is false: between two of the costly looks by `run_keys` it finds nearly all
        new runs through other indexes of Dify (sequence numbers up to 1.4, their first nodes from 1.5 on). It promises
        no completeness (a run that failed before its first node is left out), so it must never move a mark. None where
        runs are indexed, or nothing helps.
        """
        ...

    def run_states(self, ids: Collection[str]) -> Sequence[RunState]:
        """How far these runs are; deleted ones are left out."""
        ...

    def runs(self, ids: Collection[str]) -> Sequence[RunRow]:
        """These runs, without their graphs."""
        ...

    def runs_with_message(self, run_ids: Collection[str], since_us: int, until_us: int) -> set[str]:
        """Which of the runs a message created within those times refers to."""
        ...

    def node_signals(self, runs: Sequence[RunState]) -> dict[str, Signal]:
        """Per run that has nodes."""
        ...

    def nodes(self, runs: Sequence[RunState]) -> Sequence[NodeRow]:
        """All node executions of these runs."""
        ...

    def single_step_keys(self, since_us: int, limit: int) -> Sequence[Key]:
        """Terminal executions of nodes that were tried out alone, created from `since_us` on."""
        ...

    def single_steps(self, ids: Collection[str]) -> Sequence[NodeRow]:
        """These executions whole."""
        ...

    def definitions(self, workflow_ids: Collection[str]) -> dict[str, Definition]:
        """Definitions by workflow; deleted ones are left out."""
        ...

    def configs(self, model_config_ids: Collection[str]) -> dict[str, AppConfig]:
        """Configurations by id; deleted ones are left out."""
        ...

    def resources(self, message_ids: Collection[str]) -> Sequence[ResourceRow]:
        """What searches of these messages found, where Dify kept it in a table of its own (up to 1.2)."""
        ...

    def apps(self) -> Mapping[str, AppRow]:
        """All apps by id; at most a minute old."""
        ...

    def external_runs(self) -> bool:
        """Whether the newest messages name runs of which the database holds none: Dify keeps its runs elsewhere.

        So it is with Dify's Logstore repositories (1.11.2 and later). Looks at 500 messages; ask rarely.
        """
        ...

    # -- comparing

    def oldest_us(self, table: Table) -> int | None:
        """Creation of the oldest row; None where there is none, or finding it would mean to look at all of them."""
        ...

    def digests(self, table: Table, since_us: int, until_us: int) -> dict[str, Digest]:
        """Per app, the rows created from `since_us` to before `until_us`.

        By the index of creation. Where `runs_indexed` is false, one of `workflow_runs` looks at the whole table: ask
        for a large window at once, and rarely.
        """
        ...

    def ids_between(self, table: Table, app_id: str, since_us: int, until_us: int) -> Sequence[Key]:
        """These rows, for one app, in (created_at, id). Costs what `digests` costs."""
        ...

    # -- the small tables beside the turns

    def ask(self, name: str, **values: Any) -> list[tuple[Any, ...]]:
        """All rows of a statement of `registers.sql`; none where this Dify has no such table, or we no right to it.

        What a statement's line `-- needs: table, table.column` names must be there and readable, else it gives no rows.
        """
        ...


class Tables(Protocol):
    """A Dify database."""

    def snapshot(self) -> AbstractContextManager[Snapshot]:
        """One short read-only transaction. Raises Retryable, Permanent or Auth."""
        ...

    @property
    def runs_indexed(self) -> bool:
        """Whether runs can be read in order of creation without looking at all of them."""
        ...

    def check(self) -> None:
        """Raise what `snapshot` would raise."""
        ...

    def close(self) -> None:
        """Let go of connections; safe twice and before use."""
        ...
