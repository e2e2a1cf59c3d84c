"""A Dify's history from its first row: how fast `monitor run --once` reads, keeps, counts, judges and ships it.

    python -m benchmarks.backfill                       # 100,000 turns: minutes
    python -m benchmarks.backfill --turns 5000 --json

Fills a PostgreSQL by loadgen, runs the product as its own process (source, journal, metrics, the shipped rule, file
sink), watches its memory, and then measures the limit of `backfill_limit` on the same rows. Ends with 1 where the
product lost, doubled or miscounted anything. README.md says what each figure means.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.backfill_limit import Limit
from benchmarks.loadgen import RECORDING, fill
from benchmarks.loadgen_rows import Wish
from tests.backends.postgres import Postgres
from tests.support.sidecar import Sidecar

__all__ = ["Figures", "Rate", "Result", "measure"]

_LOOK_S, _FIRST_LOOK_S = 0.5, 0.1
_MEMORY = re.compile(r"^Vm(RSS|HWM):\s+(\d+) kB$", re.MULTILINE)
_READING = "read into the journal"
_CONSUMERS = {"metrics": "metrics", "rules": "the shipped rule", "sink:file": "file sink"}
_TRUTH = """
    SELECT (SELECT count(*) FROM messages WHERE workflow_run_id IS NULL) + (SELECT count(*) FROM workflow_runs),
           (SELECT count(*) FROM workflow_node_executions), (SELECT count(*) FROM message_agent_thoughts),
           (SELECT count(*) FROM message_agent_thoughts WHERE tool <> ''),
           (SELECT count(*) FROM messages JOIN apps ON apps.id = app_id AND mode IN ('chat', 'completion')
             WHERE json_array_length(nullif(message_metadata, '')::json -> 'retriever_resources') > 0),
           (SELECT count(*) FROM message_feedbacks)
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """How many turns and spans somebody counted; None: did not count."""

    turns: int
    spans: int | None


@dataclass(frozen=True, slots=True)
class Rate:
    """Something that took its time."""

    what: str
    began_s: float
    """After the start of the product, for a part of it."""
    seconds: float
    cpu_s: float | None
    """Processor time of the process; None for a part of one."""
    turns_per_s: float
    spans_per_s: float
    bytes: int


@dataclass(frozen=True, slots=True)
class Result:
    """One measurement."""

    machine: Mapping[str, Any]
    rates: Sequence[Rate]
    """The product as a whole, its parts as far as they could be told apart, the limit."""
    share_of_limit: float
    """The product's turns per second divided by the limit's."""
    share_of_limit_cpu: float
    """The same by processor time, which a busy machine changes less."""
    memory_mib: Mapping[str, float]
    truth: Figures
    found: Mapping[str, Figures]

    @property
    def wrong(self) -> list[str]:
        """Who counted otherwise than the database does."""
        spans = (None, self.truth.spans)
        return [who for who, each in self.found.items() if each.turns != self.truth.turns or each.spans not in spans]


class Watch:
    """Looks at the product every half second: its memory, and how far its workers are in the journal."""

    def __init__(self, process: subprocess.Popen[bytes], journal: Path) -> None:
        self._process, self._journal = process, journal
        self._last: dict[str, object] = {}
        self._looked_s = 0.0
        self.memory_kib: list[int] = []
        self.peak_kib = 0
        self.worked: dict[str, tuple[float, float]] = {}
        """Part to when it began and when it was last seen to move, in seconds from the start."""

    def until_end(self, timeout_s: float) -> float:
        """How many seconds the process took. Kills it and raises subprocess.TimeoutExpired after `timeout_s`."""
        begun, pause_s = time.perf_counter(), _FIRST_LOOK_S
        while True:
            try:
                self._process.wait(pause_s)
            except subprocess.TimeoutExpired:
                self._look(time.perf_counter() - begun)
                pause_s = _LOOK_S
            else:
                return time.perf_counter() - begun
            if self._looked_s > timeout_s:
                self._process.kill()
                self._process.wait()
                raise subprocess.TimeoutExpired(self._process.args, timeout_s)

    def _look(self, now_s: float) -> None:
        self._look_at_memory()
        for part, position in self._positions().items():
            if position != self._last.get(part):
                first, _ = self.worked.get(part, (self._looked_s, 0.0))
                self.worked[part] = first, now_s
                self._last[part] = position
        if not self.worked:  # still importing: memory is of interest from the first row on
            del self.memory_kib[:-1]
        self._looked_s = now_s

    def _look_at_memory(self) -> None:
        try:
            found = dict(_MEMORY.findall(Path(f"/proc/{self._process.pid}/status").read_text(encoding="ascii")))
        except OSError:
            return
        if found:  # a process that has ended has no memory left
            self.memory_kib.append(int(found["RSS"]))
            self.peak_kib = max(self.peak_kib, int(found["HWM"]))

    def _positions(self) -> dict[str, object]:
        """Empty while there is no journal, or while it can't be looked at."""
        try:
            with closing(sqlite3.connect(f"{self._journal.as_uri()}?mode=ro", uri=True, timeout=0.0)) as journal:
                read = journal.execute("SELECT position FROM sources").fetchone()
                done = journal.execute("SELECT consumer, position FROM cursors").fetchall()
        except sqlite3.Error:
            return {}
        found: dict[str, object] = {_READING: read[0]} if read else {}
        return found | {_CONSUMERS[name]: position for name, position in done if name in _CONSUMERS and position}


class _Product:
    """`monitor run --once` in a folder of its own."""

    def __init__(self, folder: Path, url: str) -> None:
        # No rotation loses anything: the lines are counted.
        self._sidecar = Sidecar(folder, url, sinks=[{"type": "file", "path": "./spans.jsonl", "keep": 0}])
        self._folder = folder
        self.seconds = self.cpu_s = 0.0

    def run(self, timeout_s: float) -> Watch:
        """To its end. Raises RuntimeError, with what it said, where it fails."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        with (self._folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "monitor", "run", "--once"],
                cwd=self._folder, env=self._sidecar.environment, stdout=log, stderr=log,
            )  # fmt: skip
            watch = Watch(process, self._folder / "journal" / "journal.db")
            self.seconds = watch.until_end(timeout_s)
        if process.returncode:
            raise RuntimeError(
                f"monitor ended with {process.returncode}:\n{(self._folder / 'log').read_text()[-4000:]}"
            )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return watch

    def counted(self) -> dict[str, Figures]:
        """What it says of turns and spans, in the file and in the metrics."""
        metrics = self._sidecar.metrics()
        turns = sum(value for (name, _), value in metrics.items() if name == "dify_turns_total")
        roots = spans = 0
        for path in self._folder.glob("spans.jsonl*"):
            with path.open("rb") as lines:
                for line in lines:
                    is_span = line.startswith(b'{"resourceSpans"')  # the others are facts beside the turns
                    spans += is_span
                    roots += is_span and b'"parentSpanId"' not in line
        return {"file": Figures(roots, spans), "metrics": Figures(int(turns), None)}

    def bytes_of(self, pattern: str) -> int:
        """Of its files."""
        return sum(path.stat().st_size for path in self._folder.glob(pattern))


def measure(server: Postgres, wish: Wish, *, timeout_s: float = 1800.0) -> Result:
    """Fill a fresh database, run the product over it once, then the limit."""
    with server.fresh_database(RECORDING, rows="lookups") as database, tempfile.TemporaryDirectory() as folder:
        made = fill(database.url, wish)
        before = os.getloadavg()
        product = _Product(Path(folder), database.url)
        watch = product.run(timeout_s)
        found = product.counted()
        with database.connection() as connection:
            truth = _truth(connection)
            limit, limit_s, limit_cpu_s = _limit(connection)
            machine = _machine(connection, before)
        found |= {"load generator": Figures(made.turns, made.spans), "limit": Figures(limit.turns, limit.spans)}
        rates = [
            _rate("product", product.seconds, truth, product.bytes_of("journal/*"), cpu_s=product.cpu_s),
            *_parts(watch, truth, product),
            _rate("limit", limit_s, truth, limit.bytes, cpu_s=limit_cpu_s),
        ]
    share, share_cpu = limit_s / product.seconds, limit_cpu_s / product.cpu_s
    return Result(machine, rates, share, share_cpu, _series(watch), truth, found)


def _truth(connection: psycopg.Connection[Any]) -> Figures:
    row = connection.execute(_TRUTH).fetchone()
    assert row is not None
    return Figures(int(row[0]), sum(map(int, row)))


def _limit(connection: psycopg.Connection[Any]) -> tuple[Limit, float, float]:
    limit, cpu, begun = Limit(connection), time.process_time(), time.perf_counter()
    limit.run()
    return limit, time.perf_counter() - begun, time.process_time() - cpu


def _rate(
    what: str, seconds: float, truth: Figures, size: int, *, cpu_s: float | None = None, began_s: float = 0.0
) -> Rate:
    return Rate(what, began_s, seconds, cpu_s, truth.turns / seconds, (truth.spans or 0) / seconds, size)


def _parts(watch: Watch, truth: Figures, product: _Product) -> list[Rate]:
    """Each worker from its first move to its last, as seen every half second; none where that is too coarse.

    They work at the same time, so that one who keeps up with the reading takes as long as the reading.
    """
    sizes = {"file sink": product.bytes_of("spans.jsonl*")}
    return [
        _rate(part, last - first, truth, sizes.get(part, 0), began_s=first)
        for part, (first, last) in sorted(watch.worked.items(), key=lambda each: each[1])
        if last - first > 4 * _LOOK_S
    ]


def _series(watch: Watch) -> dict[str, float]:
    """Resident memory at the start, at a quarter, half and three quarters of the time, at the end, and at most."""
    taken = watch.memory_kib or [0]
    places = {"start": 0.0, "25 %": 0.25, "50 %": 0.5, "75 %": 0.75, "end": 1.0}
    found = {name: taken[round(share * (len(taken) - 1))] / 1024 for name, share in places.items()}
    return found | {"max": watch.peak_kib / 1024}


def _machine(connection: psycopg.Connection[Any], load_before: tuple[float, float, float]) -> dict[str, Any]:
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpus": os.cpu_count(),
        "load before": round(load_before[0], 2),
        "load after": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "postgresql": connection.info.server_version // 10_000,
        "system": f"{platform.system()} {platform.machine()}",
    }


def _table(result: Result) -> str:
    memory = ", ".join(f"{name} {size:.0f}" for name, size in result.memory_mib.items())
    lines = [
        ", ".join(f"{name} {value}" for name, value in result.machine.items()),
        f"{'':<25}{'from s':>9}{'seconds':>9}{'cpu s':>8}{'turns/s':>10}{'spans/s':>10}{'MB':>8}",
        *map(_line, result.rates),
        f"the product reaches {result.share_of_limit:.0%} of the limit ({result.share_of_limit_cpu:.0%} by cpu time)",
        f"its memory in MiB: {memory}",
        f"{result.truth.turns:,} turns and {result.truth.spans:,} spans in the database",
    ]
    return "\n".join(lines + [f"WRONG: {who} counted {result.found[who]}" for who in result.wrong])


def _line(rate: Rate) -> str:
    is_part = rate.cpu_s is None
    name, began = (f"  {rate.what}", f"{rate.began_s:.1f}") if is_part else (rate.what, "")
    cpu, size = "" if is_part else f"{rate.cpu_s:.1f}", f"{rate.bytes / 1e6:,.0f}" if rate.bytes else ""
    rates = f"{rate.turns_per_s:>10,.0f}{rate.spans_per_s:>10,.0f}"
    return f"{name:<25}{began:>9}{rate.seconds:>9.1f}{cpu:>8}{rates}{size:>8}"


def main() -> int:
    """Measure once and print it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--turns", type=int, default=100_000, help="messages and runs of workflow apps")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--timeout", type=float, default=1800.0, help="seconds that the product may take")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    asked = parser.parse_args()
    with Postgres() as server:
        result = measure(server, Wish(turns=asked.turns, seed=asked.seed), timeout_s=asked.timeout)
    print(json.dumps(asdict(result) | {"wrong": result.wrong}, indent=2) if asked.json else _table(result))
    return 1 if result.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
