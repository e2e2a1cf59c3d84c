"""Every socket of the house on one page, with its laws. Adapters implement these and know nothing of each other.

A worker in `monitor.runtime` holds the loop, the retries and the cursor; an adapter only does the one thing
and says, by the error it raises, what follows (monitor/errors.py). Adapters switch off their client libraries'
own retries, queues and background threads.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import msgspec
from pydantic import BaseModel, ConfigDict

from monitor.model import Diagnosis, Event, Finding, Notification, Proof, Recorded, Redaction

__all__ = [
    "AdapterConfig",
    "Appended",
    "Batch",
    "Clock",
    "Diagnosable",
    "Heartbeat",
    "InFile",
    "Journal",
    "Memory",
    "Notifier",
    "Page",
    "Projection",
    "RejectedEvent",
    "Report",
    "Rule",
    "Sink",
    "Source",
    "Tools",
]


class Clock(Protocol):
    """Time, and the only way to wait."""

    def now_ns(self) -> int:
        """Nanoseconds since 1970 UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back."""
        ...

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        """Wait for `stop` or the seconds; True when stopped."""
        ...


class AdapterConfig(BaseModel):
    """What every adapter's `Config` has. An adapter module exposes exactly `Config` and `build(config, tools)`.

    A `Config` is the user's YAML: its field docstrings become the reference pages, secrets are `SecretStr`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    type: str
    name: str = ""
    """What logs, metrics and cursors call it; the type where it is left empty. Two of one type need two names."""

    @property
    def label(self) -> str:
        """The name in force."""
        return self.name or self.type


class Tools(msgspec.Struct, frozen=True):
    """What every adapter's `build(config, tools)` is handed."""

    clock: Clock
    logger: Any
    """A structlog logger, already bound to the adapter's name. Never give it payloads or secrets."""
    pseudonym: Callable[[str], str]
    """True user id to keyed pseudonym."""
    redaction: Redaction = Redaction()
    """What the configuration says of the content that leaves; for sinks (`monitor.normalise.redact.Leaving`)."""


class Page(msgspec.Struct, frozen=True):
    """One reading of a source."""

    events: Sequence[Event]
    position: bytes
    """Opaque to everyone but the source; stored with the events in one transaction."""
    more: bool
    """Whether reading on at once will find more."""
    remember: Mapping[str, bytes] = {}
    """What the source wants to find in its memory next time; committed with the events."""
    forget: Collection[str] = ()
    """What it no longer needs there."""


class Memory(Protocol):
    """What a source has told so far and must know again, too much for its position. Ordered by key.

    Keys are plain ASCII. The journal keeps it and commits it with the events that it speaks of.
    """

    def get(self, keys: Collection[str]) -> dict[str, bytes]:
        """What is remembered under these keys."""
        ...

    def between(self, first: str, last: str, limit: int) -> list[tuple[str, bytes]]:
        """What is remembered under `first <= key < last`, in the order of the keys, at most `limit`."""
        ...


class Source(Protocol):
    """Where facts come from.

    Laws: stateless (same position, same memory, same world, same page); a page's events are in the order they
    happened, each turn's start before its steps; never sleeps, never retries; returns within its deadlines; bad rows
    become SourceGap events and never stop the rest. Raises Retryable, Permanent or Auth.
    """

    name: str

    def read(self, position: bytes | None, limit: int, memory: Memory) -> Page:
        """Read on from `position` (None: from the beginning) for about `limit` turns."""
        ...

    def check(self) -> None:
        """Raise what `read` would raise; return when the source can be read."""
        ...

    def diagnose(self) -> Sequence[Diagnosis]:
        """All that `monitor doctor` can say of it; what is wrong is a diagnosis, not an error."""
        ...

    def prove(self) -> Sequence[Proof]:
        """Every statement that it sends, with plan and cost; none where it sends none. Raises as `read` does."""
        ...

    def close(self) -> None:
        """Let go of connections; safe twice and before use."""
        ...


class Heartbeat(Protocol):
    """Tells somebody outside that the sidecar is alive. A sink that can has one as its attribute `heartbeat`."""

    every_s: float
    """The pace that the other side expects."""

    def beat(self, *, well: bool) -> None:
        """Say it once. Raises nothing: a beat that is missing says enough."""
        ...


@runtime_checkable
class Diagnosable(Protocol):
    """A sink or notifier that can say more of its other side than that it is reached."""

    def diagnose(self) -> Sequence[Diagnosis]:
        """All that `monitor doctor` can say of it; what is wrong is a diagnosis, not an error.

        Raises as `check` does where it can't be reached.
        """
        ...


@runtime_checkable
class InFile(Protocol):
    """A sink that writes files on this machine."""

    def present_file(self) -> Path:
        """Where it writes now; where it will, if nothing is there yet."""
        ...


class RejectedEvent(msgspec.Struct, frozen=True):
    """An event that a sink will never take."""

    seq: int
    reason: str
    detail: str


class Report(msgspec.Struct, frozen=True):
    """What a sink says of one payload."""

    accepted: int
    rejected: tuple[RejectedEvent, ...] = ()
    rejected_unknown: int = 0
    """Refused by the other side without saying which (OTLP's partial success)."""
    detail: str = ""
    left_out: int = 0
    """How many events were neither accepted nor rejected, because of the sink's configuration or the other side's
    quota: a sample, an age, a limit."""
    left_out_by: Mapping[str, int] = {}
    """How many items were left out, by why: a bounded word each. An event may give more items than one."""
    state: str = ""
    """Where the sink stands now; committed with the cursor and handed to `resume` at the next start."""


class Sink(Protocol):
    """Where facts go.

    Laws: writing the same events twice sends the same ids and bytes; returns within its deadline; mutates nothing;
    leaks no secret; `encode` is pure, per event, and never raises on any event that a journal can hold. Raises
    Retryable, TooLarge, Permanent or Auth.
    """

    name: str
    kinds: Collection[str]
    """Event kinds it wants; the cursor passes over the others."""
    wants_content: bool
    """Whether the journal should load content for it."""
    max_events: int
    max_bytes: int
    """Bounds of one payload, before compression."""

    def resume(self, state: str) -> str:
        """Told once before the first `send`: the state committed last ('' at the very first start).

        Returns where it stands now ('' where it keeps no state), which is committed before anything is sent.
        """
        ...

    def encode(self, recorded: Recorded) -> bytes:
        """One event as bytes that can be joined to others; empty when there is nothing to send for it."""
        ...

    def send(self, parts: Sequence[bytes], seqs: Sequence[int]) -> Report:
        """Deliver the encoded events; `seqs` are their positions in the journal, ascending."""
        ...

    def check(self) -> None:
        """As close to a real write as possible; raises as `send` does."""
        ...

    def close(self) -> None:
        """Safe twice and before use."""
        ...


class Notifier(Protocol):
    """A channel to people. The same errors and laws as a Sink's."""

    name: str

    def notify(self, notification: Notification) -> None:
        """Say it once; raise what follows when it was not said."""
        ...

    def check(self) -> None:
        """Whether the channel could be reached, without saying anything to people."""
        ...

    def close(self) -> None:
        """Safe twice and before use."""
        ...


class Rule(Protocol):
    """A fold over events, one state per group. Pure: no clock, no I/O, bounded memory, O(1) an event."""

    kind: str
    name: str
    needs: Collection[str]
    """Event kinds that `fold` wants to see."""

    def group(self, recorded: Recorded) -> dict[str, str] | None:
        """The labels of the event's group; None when the event does not concern this rule."""
        ...

    def start(self) -> bytes:
        """The state of a group of which nothing is known."""
        ...

    def fold(self, state: bytes, recorded: Recorded) -> bytes:
        """The state after one more event."""
        ...

    def judge(self, state: bytes, now_ns: int) -> Finding:
        """What the state says at that time."""
        ...


class Appended(msgspec.Struct, frozen=True):
    """What became of a page."""

    new: int = 0
    revised: int = 0
    known: int = 0


class Batch(msgspec.Struct, frozen=True):
    """What a consumer reads: events of its kinds, and the position that covers them."""

    events: Sequence[Recorded]
    position: int
    """All events with seq < position are covered by this batch and those before it."""
    behind: bool
    """Whether more is waiting."""


class Projection(msgspec.Struct, frozen=True):
    """What a projection wants committed together with its cursor."""

    puts: Mapping[str, bytes] = {}
    deletes: Collection[str] = ()
    events: Sequence[Event] = ()


class Journal(Protocol):
    """The one store. One writer; every consumer has its own cursor.

    Laws, proven by a state machine (tests/property/test_journal_laws.py):
    1. a page's events, the source's position and its memory commit together or not at all;
    2. the same key is never appended twice with equal facts and content; a poorer rank never hides a better one;
    3. seq is dense from 0 and is assigned in commit order, so no reader sees n+1 before n;
    4. a consumer sees every event once per successful `advance`; a projection exactly once, whatever crashes;
    5. content that was erased is never filled in again.
    """

    def append(
        self,
        source: str,
        events: Sequence[Event],
        position: bytes | None,
        *,
        remember: Mapping[str, bytes] = ...,
        forget: Collection[str] = ...,
    ) -> Appended:
        """Commit events, the source's position and what it remembers together."""
        ...

    def memory(self, source: str) -> Memory:
        """What the source remembers."""
        ...

    def position(self, source: str) -> bytes | None:
        """The source's last committed position."""
        ...

    def head(self) -> int:
        """The number of events ever appended."""
        ...

    def read(self, consumer: str, *, limit: int, kinds: Collection[str], content: bool, max_bytes: int = ...) -> Batch:
        """The next events behind the consumer's cursor: at most `limit`, about `max_bytes`, at least one."""
        ...

    def scan(self, position: int, *, limit: int, kinds: Collection[str], content: bool, max_bytes: int = ...) -> Batch:
        """The events from a position on, as `read` gives them, for those who only look and have no cursor."""
        ...

    def cursor(self, consumer: str) -> tuple[int, str]:
        """Position and last committed state of a consumer; (0, '') when it is new."""
        ...

    def advance(
        self,
        consumer: str,
        position: int,
        *,
        rejected: Sequence[RejectedEvent] = (),
        delivered: Sequence[int] = (),
        state: str = "",
    ) -> None:
        """Move the cursor on; in the same transaction park events, and forget parked ones that were delivered."""
        ...

    def marked(self, consumer: str, *, content: bool) -> Recorded | None:
        """The consumer's first parked event that a person marked for another delivery; None when there is none."""
        ...

    def project(
        self,
        consumer: str,
        *,
        limit: int,
        kinds: Collection[str],
        content: bool,
        apply: Callable[[Sequence[Recorded]], Projection],
    ) -> Batch:
        """Read on, let `apply` work out what changes, and commit that with the cursor. `apply` may see no events."""
        ...

    def projected(self, consumer: str) -> dict[str, bytes]:
        """Everything that a projection has put and not deleted."""
        ...

    def wait(self, seen: int, stop: threading.Event, seconds: float) -> None:
        """Wait until `head() > seen`, `stop`, or the seconds are over."""
        ...
