"""How fast documents reach Elasticsearch: our sink, Elastic's own `parallel_bulk`, and Benthos, in one run.

    python -m benchmarks.elasticsearch                        # 100,000 turns: minutes
    python -m benchmarks.elasticsearch --turns 5000 --json

Fills a PostgreSQL by loadgen, lets `monitor run --once` ship it (the whole way), and then lets the others take turns on
the same server: the sink from the journal that this left, `parallel_bulk` with the sink's own documents, already
encoded, and Benthos with the same rows. Ends with 1 where a document is missing. README.md says what each figure means.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog
from elasticsearch import Elasticsearch as Client
from elasticsearch import helpers

from benchmarks import elasticsearch_benthos as benthos
from benchmarks.loadgen import RECORDING, fill
from benchmarks.loadgen_rows import Wish
from monitor.clock import SystemClock
from monitor.journal import SqliteJournal
from monitor.metrics.own import SelfMetrics
from monitor.ports import Tools
from monitor.runtime.shipper import Shipper
from monitor.sinks import elasticsearch as sinks
from monitor.sinks.elasticsearch import setup
from tests.backends.elasticsearch import Elasticsearch
from tests.backends.postgres import Postgres
from tests.support.sidecar import Sidecar

__all__ = ["Result", "Run", "measure"]

_SINK, _PEER, _BENTHOS, _WHOLE = "the sink", "parallel_bulk", "Benthos", "monitor run --once"
_TICKS = os.sysconf("SC_CLK_TCK")
_SCAN = 1000
_ENCODED = "encoded"

Work = Callable[[], tuple[float, float]]
"""Does it once; seconds by the clock, and of processor time."""


@dataclass(frozen=True, slots=True)
class Run:
    """One way, once."""

    what: str
    documents: int
    seconds: float
    client_cpu_s: float
    server_cpu_s: float
    load: float
    """Of the machine, just before."""

    @property
    def rate(self) -> float:
        """Documents per second."""
        return self.documents / self.seconds

    @property
    def cpu_us(self) -> float:
        """Processor time of a document, ours and the server's, in microseconds."""
        return (self.client_cpu_s + self.server_cpu_s) / self.documents * 1e6


@dataclass(frozen=True, slots=True)
class Result:
    """One measurement."""

    machine: Mapping[str, Any]
    turns: int
    documents: int
    bytes_per_document: float
    runs: Sequence[Run]
    left_out: Mapping[str, str]
    """What was not measured, and why."""
    wrong: Sequence[str]

    def rate(self, what: str) -> float:
        """The median of its runs, in documents per second."""
        return statistics.median([run.rate for run in self.runs if run.what == what])

    def cpu_us(self, what: str) -> float:
        """The median of its runs, in microseconds of processor time a document."""
        return statistics.median([run.cpu_us for run in self.runs if run.what == what])

    @property
    def share(self) -> float:
        """The sink's documents per second as a share of `parallel_bulk`'s."""
        return self.rate(_SINK) / self.rate(_PEER)

    @property
    def share_cpu(self) -> float:
        """The same by processor time, which a busy machine changes less."""
        return self.cpu_us(_PEER) / self.cpu_us(_SINK)


class _Stage:
    """One server, and the ways to it; each run has a prefix of its own, which is removed after it."""

    def __init__(self, server: Elasticsearch, folder: Path) -> None:
        self._server, self._folder = server, folder
        self._client = Client(server.url, request_timeout=60)
        self.runs: list[Run] = []
        self.wrong: list[str] = []

    def close(self) -> None:
        self._client.close()

    def config(self, prefix: str) -> sinks.Config:
        return sinks.Config(type="elasticsearch", name=prefix, nodes=(self._server.url,), prefix=prefix, replicas=0)

    def install(self, prefix: str) -> sinks.Config:
        config = self.config(prefix)
        connection = setup.connected(config)
        list(setup.apply(connection, config, setup.plan(connection, config)))
        connection.close()
        return config

    def run(self, what: str, prefix: str, work: Work, expected: Callable[[], int]) -> None:
        """Let it work, look that every document is there, and clear up."""
        load, before = os.getloadavg()[0], _cpu_s(self._server.pid)
        seconds, cpu_s = work()
        server_cpu_s, documents = _cpu_s(self._server.pid) - before, expected()
        self.runs.append(Run(what, documents, seconds, cpu_s, server_cpu_s, round(load, 2)))
        self._client.indices.refresh(index=f"{prefix}*")
        found = self._client.count(index=f"{prefix}*")["count"]
        if found != documents:
            self.wrong.append(f"{what}: {found:,} of {documents:,} documents are there")
        self._server.clear(prefix)

    def by_the_whole(self, prefix: str, database: str, timeout_s: float) -> Work:
        """From the rows to the documents, by the process as its user runs it; leaves its journal in the folder."""
        config = self.install(prefix)
        return lambda: _whole_way(self._folder, database, config, timeout_s)

    def by_sink(self, prefix: str) -> Work:
        """From the journal, read, encoded and sent as the running process does, with nothing else in it."""
        config = self.install(prefix)

        def work() -> tuple[float, float]:
            clock = SystemClock()
            with SqliteJournal.open(self._folder / "journal", clock) as journal:
                sink = sinks.build(config, Tools(clock=clock, logger=structlog.get_logger(), pseudonym=str))
                shipper = Shipper(
                    journal, sink, clock, SelfMetrics(), random=lambda: 0.5, logger=structlog.get_logger()
                )
                taken = _timed(lambda: _until_done(shipper))
                sink.close()
            return taken

        return work

    def by_parallel_bulk(self, prefix: str) -> Work:
        """Elastic's own way for many documents, as it comes: four threads, 500 documents a request, not compressed."""
        config = self.install(prefix)
        self._make_indices(config)
        old, new = b'"_index":"dify-', f'"_index":"{prefix}-'.encode()

        def actions() -> Iterator[tuple[bytes, bytes]]:
            with (self._folder / _ENCODED).open("rb") as lines:
                for action in lines:
                    yield action[:-1].replace(old, new, 1), next(lines)[:-1]

        def send() -> None:
            told = helpers.parallel_bulk(self._client, actions(), expand_action_callback=_as_it_is)
            if not all(is_done for is_done, _ in told):
                raise RuntimeError("parallel_bulk was refused a document")

        return lambda: _timed(send)

    def _make_indices(self, config: sinks.Config) -> None:
        """The indices that the sink makes for itself while it is measured."""
        for stream in ("turns", "steps", "notes"):
            self._client.indices.create(index=f"{config.prefix}-{stream}-2025.09")

    def by_benthos(self, prefix: str, program: Path, database: str) -> Work:
        """The same rows, one document each."""
        self._client.indices.create(index=prefix, settings={"number_of_replicas": 0}, mappings=dict(benthos.MAPPINGS))
        return lambda: benthos.ship(program, database, self._server.url, prefix)


def _as_it_is(pair: tuple[bytes, bytes]) -> tuple[Any, Any]:
    return pair


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the clock, and of this process's processor time."""
    cpu, begun = time.process_time(), time.perf_counter()
    work()
    return time.perf_counter() - begun, time.process_time() - cpu


def _until_done(shipper: Shipper) -> None:
    while (outcome := shipper.step()).progressed:
        pass
    if outcome.error is not None:
        raise outcome.error


def _cpu_s(pid: int) -> float:
    """The processor time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _whole_way(folder: Path, database: str, config: sinks.Config, timeout_s: float) -> tuple[float, float]:
    """`monitor run --once`, from the rows to the documents; it leaves the journal in the folder."""
    sink = {"type": "elasticsearch", "nodes": list(config.nodes), "prefix": config.prefix, "replicas": 0}
    sidecar = Sidecar(folder, database, sinks=[sink])
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "monitor", "run", "--once"],
        cwd=folder, env=sidecar.environment, capture_output=True, text=True, check=False, timeout=timeout_s,
    )  # fmt: skip
    seconds, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise RuntimeError(f"monitor ended with {done.returncode}:\n{done.stderr[-4000:]}")
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


class _Encoded:
    """The sink's own documents in a file, as they stand in its requests."""

    documents = bytes = 0

    def fill(self, folder: Path) -> int:
        """Encode what the journal holds; how many documents that is."""
        clock = SystemClock()
        sink = sinks.build(
            sinks.Config(type="elasticsearch"), Tools(clock=clock, logger=structlog.get_logger(), pseudonym=str)
        )
        position, behind = 0, True
        with SqliteJournal.open(folder / "journal", clock) as journal, (folder / _ENCODED).open("wb") as lines:
            while behind:
                batch = journal.scan(position, limit=_SCAN, kinds=sink.kinds, content=sink.wants_content)
                parts = [part for part in map(sink.encode, batch.events) if part]
                lines.writelines(parts)
                self.documents, position, behind = self.documents + len(parts), batch.position, batch.behind
        sink.close()
        self.bytes = (folder / _ENCODED).stat().st_size
        return self.documents


def measure(wish: Wish, *, version: int = 9, rounds: int = 3, timeout_s: float = 1800.0) -> Result:
    """Fill a fresh database, ship it the whole way once, and then by each way in turn."""
    with ExitStack() as stack:
        postgres = stack.enter_context(Postgres())
        database = stack.enter_context(postgres.fresh_database(RECORDING, rows="lookups"))
        made = fill(database.url, wish)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(Elasticsearch(version, security=False))
        stage = _Stage(server, folder)
        stack.callback(stage.close)
        machine = _machine(server)
        encoded = _Encoded()
        work = stage.by_the_whole("whole", database.url, timeout_s)
        stage.run(_WHOLE, "whole", work, lambda: encoded.fill(folder))
        rows = made.messages + made.runs + made.nodes + made.thoughts
        left_out = _take_turns(stage, database.url, {_BENTHOS: rows}, encoded.documents, rounds)
    machine["load after"] = round(os.getloadavg()[0], 2)
    size = encoded.bytes / max(1, encoded.documents)
    return Result(machine, made.turns, encoded.documents, size, stage.runs, left_out, stage.wrong)


def _take_turns(stage: _Stage, database: str, counts: Mapping[str, int], documents: int, rounds: int) -> dict[str, str]:
    """Each way once a round; each round begins with another, as the first one finds the server asleep."""
    ways: dict[str, Callable[[str], Work]] = {_SINK: stage.by_sink, _PEER: stage.by_parallel_bulk}
    left_out: dict[str, str] = {}
    try:
        program = benthos.built()
        ways[_BENTHOS] = lambda prefix: stage.by_benthos(prefix, program, database)
    except benthos.Missing as exc:
        left_out[_BENTHOS] = str(exc)
    names = list(ways)
    for number in range(rounds):
        first = number % len(names)
        for what in names[first:] + names[:first]:
            prefix = f"round{number}-{names.index(what)}"
            stage.run(what, prefix, ways[what](prefix), lambda what=what: counts.get(what, documents))
    return left_out


def _machine(server: Elasticsearch) -> dict[str, Any]:
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpus": os.cpu_count(),
        "load before": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "elasticsearch": server.ask("GET", "/")["version"]["number"],
        "system": f"{platform.system()} {platform.machine()}",
    }


def _table(result: Result) -> str:
    lines = [
        ", ".join(f"{name} {value}" for name, value in result.machine.items()),
        f"{result.turns:,} turns, {result.documents:,} documents of {result.bytes_per_document:,.0f} bytes",
        f"{'':<22}{'documents':>11}{'seconds':>9}{'documents/s':>13}{'client cpu s':>14}{'server cpu s':>14}{'load':>7}",
        *map(_line, result.runs),
    ]
    lines += [
        f"{what}: {result.rate(what):,.0f} documents/s, {result.cpu_us(what):,.0f} µs cpu each (medians)"
        for what in dict.fromkeys(run.what for run in result.runs)
    ]
    lines.append(f"the sink reaches {result.share:.0%} of parallel_bulk ({result.share_cpu:.0%} by cpu time)")
    lines += [f"{what} was left out: {why}" for what, why in result.left_out.items()]
    return "\n".join(lines + [f"WRONG: {each}" for each in result.wrong])


def _line(run: Run) -> str:
    numbers = (
        f"{run.documents:>11,}{run.seconds:>9.1f}{run.rate:>13,.0f}{run.client_cpu_s:>14.1f}{run.server_cpu_s:>14.1f}"
    )
    return f"{run.what:<22}{numbers}{run.load:>7.1f}"


def _plain(result: Result) -> dict[str, Any]:
    medians = {what: result.rate(what) for what in dict.fromkeys(run.what for run in result.runs)}
    return asdict(result) | {
        "documents_per_s": medians,
        "share_of_parallel_bulk": result.share,
        "share_cpu": result.share_cpu,
    }


def main() -> int:
    """Measure once and print it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--turns", type=int, default=100_000, help="messages and runs of workflow apps")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3, help="how often each way takes its turn")
    parser.add_argument("--version", type=int, default=9, choices=(8, 9), help="of Elasticsearch")
    parser.add_argument("--timeout", type=float, default=1800.0, help="seconds that `monitor run --once` may take")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    asked = parser.parse_args()
    result = measure(
        Wish(turns=asked.turns, seed=asked.seed), version=asked.version, rounds=asked.rounds, timeout_s=asked.timeout
    )
    print(json.dumps(_plain(result), indent=2) if asked.json else _table(result))
    return 1 if result.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
