"""What the journal costs beside the bare database: appends, re-reads of known turns, reads, bytes, memory.

    python benchmarks/journal.py --turns 20000

Prints one line per figure. The bare database writes rows of the same sizes with `executemany`, without thinking; the
ratio to it says more than the rates, which are those of one machine and its disk. `--busy` lets another thread
compute meanwhile, as the other workers of a sidecar do.
"""

from __future__ import annotations

import argparse
import os
import resource
import sqlite3
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from monitor.clock import SystemClock
from monitor.journal import SqliteJournal
from monitor.model import Event, Step, StepEnded, TurnEnded, TurnRef, TurnStarted, Usage
from monitor.model.ids import step_key, turn_key

_PAGE_TURNS = 500
_STEPS = 3
_KINDS = ("turn_started", "step_ended", "turn_ended")
_TEXT = "The order 12345 is packed and waits for its courier; it should be there within a day. "


def _turn(number: int) -> list[Event]:
    """Five events of about 700 bytes, with two content fields each."""
    turn_id, at = str(uuid.UUID(int=number * 0x9E3779B97F4A7C15 % (1 << 127))), 1_750_000_000_000_000_000 + number
    turn = TurnRef(
        turn_id, "tenant-" + "0" * 29, "app-" + "0" * 32, "Customer service", "agent-chat", at, "service-api",
        conversation_id=str(uuid.UUID(int=number // 4 * 0xD1B54A32D192ED03 % (1 << 127))), message_id=turn_id, user="u_5f1d7c0a9b3e",
    )  # fmt: skip
    usage = Usage(75, 18, 93, "0.0003675", "USD")
    steps = [
        Step(
            f"{turn_id}/{n}/query_order_status", "llm", "gpt-4o-mini", n, at, at + 10**9, "succeeded", usage=usage,
            model_provider="langgenius/openai/openai", model_name="gpt-4o-mini",
        )
        for n in range(_STEPS)
    ]  # fmt: skip
    content = {"input": _TEXT * 3, "output": _TEXT * 5}
    bodies = [
        (turn_key(turn_id, "started"), TurnStarted(turn)),
        *((step_key(turn_id, step.id), StepEnded(turn, step)) for step in steps),
        (turn_key(turn_id, "ended"), TurnEnded(turn, at, at + 10**9, "succeeded", steps=tuple(s.id for s in steps))),
    ]
    return [Event(key, 40, at, at, body, content) for key, body in bodies]


def _pages(turns: int) -> Iterator[list[Event]]:
    for first in range(0, turns, _PAGE_TURNS):
        yield [event for number in range(first, min(turns, first + _PAGE_TURNS)) for event in _turn(number)]


def _timed(what: str, count: int, unit: str, work: Callable[[], object]) -> float:
    cpu, begun = time.process_time(), time.perf_counter()
    work()
    rate = count / (time.perf_counter() - begun)
    print(
        f"{what:<34} {rate:>10,.0f} {unit}/s   cpu {count / (time.process_time() - cpu):>10,.0f} {unit}/s", flush=True
    )
    return rate


def _append(journal: SqliteJournal, pages: Sequence[list[Event]]) -> None:
    for number, page in enumerate(pages):
        journal.append("bench", page, str(number).encode())


def _read(journal: SqliteJournal, consumer: str, *, content: bool) -> int:
    seen = 0
    while True:
        batch = journal.read(consumer, limit=512, kinds=_KINDS, content=content)
        seen += len(batch.events)
        journal.advance(consumer, batch.position)
        if not batch.behind:
            return seen


def _bare(path: Path, sizes: sqlite3.Connection) -> tuple[sqlite3.Connection, list[tuple[list, list]]]:
    """The journal's own rows, taken out page by page, and an empty database with two plain tables."""
    pages = []
    step = _PAGE_TURNS * (_STEPS + 2)
    head = sizes.execute("SELECT max(seq) + 1 FROM events").fetchone()[0]
    for at in range(0, head, step):
        events = sizes.execute(
            "SELECT seq, key, revision, kind, leaf, leaf_hash FROM events WHERE seq >= ? AND seq < ?", (at, at + step)
        )
        content = sizes.execute(
            "SELECT id, field, salt, value FROM content WHERE id >= ? AND id < ?", (at * 256, (at + step) * 256)
        )
        pages.append((events.fetchall(), content.fetchall()))
    bare = sqlite3.connect(path, isolation_level=None)
    for pragma in ("page_size = 8192", "journal_mode = WAL", "synchronous = FULL"):
        bare.execute(f"PRAGMA {pragma}").fetchall()
    bare.execute("CREATE TABLE events (seq INTEGER PRIMARY KEY, key, revision, kind, leaf, leaf_hash)")
    bare.execute("CREATE UNIQUE INDEX events_by_key ON events (key, revision)")
    bare.execute("CREATE TABLE content (id INTEGER PRIMARY KEY, field, salt, value)")
    return bare, pages


def _append_bare(bare: sqlite3.Connection, pages: Sequence[tuple[list, list]]) -> None:
    for events, content in pages:
        bare.execute("BEGIN IMMEDIATE")
        bare.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)", events)
        bare.executemany("INSERT INTO content VALUES (?, ?, ?, ?)", content)
        bare.execute("COMMIT")


def _compute(stop: threading.Event) -> None:
    while not stop.is_set():
        sum(range(1000))


def _measure(folder: Path, turns: int) -> None:
    events = turns * (_STEPS + 2)
    with SqliteJournal.open(folder / "journal", SystemClock(), min_free_bytes=0) as journal:
        pages = list(_pages(turns))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        rate = _timed("append", turns, "turns", lambda: _append(journal, pages))
        _timed("append what is known", turns, "turns", lambda: _append(journal, pages))
        _timed("read, without content", events, "events", lambda: _read(journal, "facts", content=False))
        _timed("read, with content", events, "events", lambda: _read(journal, "all", content=True))
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        print(f"{'bytes a turn':<34} {journal.stats().bytes / turns:>10,.0f}")
        print(f"{'memory above the events, at most':<34} {grown / 1024:>10,.0f} MiB")
    with sqlite3.connect(folder / "journal" / "journal.db") as rows:
        bare, taken = _bare(folder / "bare.db", rows)
    rows.close()
    plain = _timed("bare executemany of the same rows", turns, "turns", lambda: _append_bare(bare, taken))
    bare.close()
    print(f"{'append, relative to bare':<34} {rate / plain:>10.2f}")


def main() -> None:
    """Measure once."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=20_000)
    parser.add_argument("--busy", action="store_true", help="let another thread compute meanwhile")
    parser.add_argument("--folder", default=None, help="where to write; a temporary folder by default")
    asked = parser.parse_args()
    stop = threading.Event()
    other = threading.Thread(target=_compute, args=(stop,))
    if asked.busy:
        other.start()
    try:
        with tempfile.TemporaryDirectory(dir=asked.folder or os.environ.get("TMPDIR")) as folder:
            _measure(Path(folder), asked.turns)
    finally:
        stop.set()
        if asked.busy:
            other.join()


if __name__ == "__main__":
    main()
