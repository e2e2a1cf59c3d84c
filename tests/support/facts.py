"""Everything that a database source tells of a database, read once to its end: key to event."""

from __future__ import annotations

from typing import Any

import structlog

from monitor.clock import SystemClock
from monitor.model import Event
from monitor.ports import Tools
from monitor.sources import dify_database
from monitor.testing.memory import DictMemory

__all__ = ["facts_of", "source_of"]

_MOST_PAGES = 10_000


def source_of(url: str, **settings: Any) -> dify_database.DatabaseSource:
    """A source as `monitor run` builds it, with users' names as their pseudonyms."""
    tools = Tools(clock=SystemClock(), logger=structlog.get_logger(), pseudonym=lambda user: f"p-{user}")
    return dify_database.build(dify_database.Config(url=url, **settings), tools)


def facts_of(url: str, *, page_turns: int = 250, **settings: Any) -> dict[str, Event]:
    """The newest event under each key, after reading to the end and once more."""
    source, memory = source_of(url, **settings), DictMemory()
    found: dict[str, Event] = {}
    position, quiet = None, False
    try:
        for _ in range(_MOST_PAGES):
            page = source.read(position, page_turns, memory)
            memory.apply(page)
            position = page.position
            found.update((event.key, event) for event in page.events)
            if quiet and not page.more:
                return found
            quiet = not page.more
    finally:
        source.close()
    raise AssertionError(f"reading did not come to its end in {_MOST_PAGES} pages")
