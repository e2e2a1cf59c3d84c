"""Reading a source to its end into a plain ledger, for tests that are about the source and not about the journal."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable

import structlog

from monitor.model import Event, StepEnded
from monitor.ports import Page
from monitor.sources.dify_database.reader import Limits, Reader
from monitor.sources.dify_database.tables import Tables
from monitor.testing.memory import DictMemory

__all__ = ["Ledger", "pseudonym", "read_to_end"]


def pseudonym(user: str) -> str:
    return hashlib.sha256(user.encode()).hexdigest()[:32]


class Ledger:
    """What a journal would hold: per key its revisions, by the journal's own rule, and what the source remembers."""

    def __init__(self) -> None:
        self.revisions: defaultdict[str, list[Event]] = defaultdict(list)
        self.order: list[Event] = []
        self.memory = DictMemory()

    def take(self, page: Page) -> None:
        """A page's events and its memory, together."""
        self.memory.apply(page)
        for event in page.events:
            self.add(event)

    def add(self, event: Event) -> None:
        held = self.revisions[event.key]
        if held and self._adds_nothing(held[-1], event):
            return
        held.append(event)
        self.order.append(event)

    @staticmethod
    def _adds_nothing(last: Event, event: Event) -> bool:
        equal = last.body == event.body and last.content == event.content
        return equal or (event.rank, event.changed_at) < (last.rank, last.changed_at)

    def facts(self) -> dict[str, tuple[object, dict[str, str]]]:
        """The newest of each key."""
        return {key: (held[-1].body, held[-1].content) for key, held in self.revisions.items()}

    def told(self, key: str) -> list[Event]:
        """The revisions of a key that a sink which can't overwrite would be sent."""
        return [event for event in self.revisions[key] if not _provisional(event)]


def _provisional(event: Event) -> bool:
    return isinstance(event.body, StepEnded) and event.body.step.provisional


def read_to_end(
    tables: Tables,
    position: bytes | None,
    ledger: Ledger,
    *,
    limit: int = 20,
    crash: Callable[[], bool] = lambda: False,
    limits: Limits | None = None,
) -> bytes | None:
    """Read on from `position`; when `crash` says so, a page is lost before it was committed, and read again."""
    for _ in range(10_000):
        reader = Reader(limits or Limits(), pseudonym, structlog.get_logger())  # nothing may live outside the position
        with tables.snapshot() as snapshot:
            page = reader.read(snapshot, position, limit, ledger.memory)
        if crash():
            continue
        position = page.position
        ledger.take(page)
        if not page.more:
            return position
    raise AssertionError("the source never comes to its end")
