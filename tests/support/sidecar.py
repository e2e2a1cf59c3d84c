"""The whole process, as its user runs it: a folder with a configuration, `python -m monitor` in it, what it left there."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx
import yaml
from prometheus_client.parser import text_string_to_metric_families

from monitor.clock import SystemClock
from monitor.journal import SqliteJournal
from monitor.model import AlertChanged, Recorded

__all__ = ["Running", "Series", "Sidecar", "Spans", "counters_of", "series_of", "until"]

_DEADLINE_S = 60.0
_POLL_S = 0.05
_KEY = "a-key-for-tests-only"
_FOREIGN = ("OTEL_", "MONITOR_", "DIFY_")

Series = dict[tuple[str, frozenset[tuple[str, str]]], float]
"""Sample name and labels to value."""

T = TypeVar("T")


def until(found: Callable[[], T], what: str, seconds: float = _DEADLINE_S) -> T:
    """The first true answer; AssertionError with `what` when there is none in time. Never a measure of speed."""
    waiting, end = threading.Event(), time.monotonic() + seconds
    while not (answer := found()):
        if time.monotonic() > end:
            raise AssertionError(f"after {seconds} s: {what}")
        waiting.wait(_POLL_S)
    return answer


class Sidecar:
    """One folder; the process may be started in it again and again."""

    def __init__(self, folder: Path, url: str, **sections: Any) -> None:
        """`sections` replace those of the configuration that stands here; a section that is None is left out."""
        self.folder, self.url = folder, url
        folder.mkdir(parents=True, exist_ok=True)
        self._config: dict[str, Any] = {
            "journal": {"path": "./journal", "min_free_bytes": "1MB"},
            "sources": [{"type": "dify_database", "url": "${DIFY_DB_URL}", "poll_interval": "200ms"}],
            "sinks": [{"type": "file", "path": "./spans.jsonl", "content": "full"}],
            "server": {"listen": "127.0.0.1:0"},
            "log": {"format": "json"},
        }
        self.configure(**sections)

    def configure(self, **sections: Any) -> None:
        """Change the configuration file; a process that runs does not see it."""
        self._config |= sections
        written = {name: section for name, section in self._config.items() if section is not None}
        (self.folder / "monitor.yaml").write_text(yaml.safe_dump(written), encoding="utf-8")

    @property
    def environment(self) -> dict[str, str]:
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)},
            "DIFY_DB_URL": self.url,
            "MONITOR_PSEUDONYM_KEY": _KEY,
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "PYTHONUNBUFFERED": "1",
        }

    def command(self, *arguments: str, timeout: float = _DEADLINE_S) -> subprocess.CompletedProcess[str]:
        """Run `monitor ...` to its end."""
        return subprocess.run(
            [sys.executable, "-m", "monitor", *arguments],
            cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=timeout, check=False,
        )  # fmt: skip

    def once(self, expect: int = 0, timeout: float = _DEADLINE_S) -> subprocess.CompletedProcess[str]:
        """`monitor run --once`."""
        done = self.command("run", "--once", timeout=timeout)
        assert done.returncode == expect, f"exit code {done.returncode}, not {expect}:\n{done.stderr[-4000:]}"
        return done

    @contextmanager
    def running(self) -> Iterator[Running]:
        """`monitor run`, until the block is left; then SIGTERM, unless it was killed before."""
        process = Running(self)
        try:
            yield process
        finally:
            process.end()

    def lines(self, name: str = "spans.jsonl") -> list[str]:
        """What the file sink has written, line by line."""
        path = self.folder / name
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []

    def spans(self, name: str = "spans.jsonl") -> Spans:
        """What the file sink has written, read back."""
        return Spans(self.lines(name))

    def metrics(self) -> Series:
        """`monitor metrics`, parsed."""
        done = self.command("metrics")
        assert done.returncode == 0, done.stderr
        return series_of(done.stdout)

    @contextmanager
    def journal(self) -> Iterator[SqliteJournal]:
        """The journal, opened to read, as commands do beside a running process."""
        with SqliteJournal.open(self.folder / "journal", SystemClock(), read_only=True) as journal:
            yield journal

    def events(self, *kinds: str) -> list[Recorded]:
        """The journal's events of these kinds, in order, without their content."""
        with self.journal() as journal:
            return list(journal.read("a test", limit=1_000_000, kinds=kinds, content=False, max_bytes=1 << 40).events)

    def alerts(self) -> list[AlertChanged]:
        """Every change of an alert, in order."""
        bodies = [recorded.event.body for recorded in self.events("alert_changed")]
        return [body for body in bodies if isinstance(body, AlertChanged)]


class Running:
    """A running sidecar."""

    def __init__(self, sidecar: Sidecar) -> None:
        self._path = sidecar.folder / "log.jsonl"
        self._log = self._path.open("a+", encoding="utf-8")
        self._start = self._log.tell()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "monitor", "run"],
            cwd=sidecar.folder, env=sidecar.environment, stdout=self._log, stderr=self._log,
        )  # fmt: skip

    def lines(self) -> list[dict[str, Any]]:
        """What it has logged so far."""
        return [json.loads(line) for line in self.text().splitlines(keepends=True) if _is_whole(line)]

    def text(self) -> str:
        """All that it has written so far."""
        with self._path.open(encoding="utf-8", errors="replace") as log:
            log.seek(self._start)
            return log.read()

    def said(self, event: str, **fields: Any) -> list[dict[str, Any]]:
        """The log lines of an event that have these fields."""
        return [line for line in self.lines() if line["event"] == event and fields.items() <= line.items()]

    def wait_for(self, met: Callable[[], T], what: str, seconds: float = _DEADLINE_S) -> T:
        """As `until`; fails at once, with its log, when the process has ended."""
        try:
            return until(lambda: met() or self._still_there(), what, seconds)
        except AssertionError as exc:
            raise AssertionError(f"{exc}; it said:\n{self.text()[-4000:]}") from None

    def _still_there(self) -> Any:
        assert self.alive, f"it has ended with {self._process.returncode}"
        return None

    def wait_until_shown(self) -> Series:
        """`/metrics`, once every source was read to its end and Dify's metrics are shown."""
        self.wait_for(self.is_ready, "it does not become ready")
        return self.metrics()

    def is_ready(self) -> bool:
        """Whether it says that it shows the whole truth."""
        answer = self.get("/readyz")
        return answer is not None and answer.status_code == 200

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    @property
    def address(self) -> str | None:
        """Where it serves, once it says so."""
        serving = self.said("serving")
        return str(serving[-1]["address"]) if serving else None

    def get(self, path: str) -> httpx.Response | None:
        """A page, or None while there is no server."""
        address = self.address
        try:
            return (
                None if address is None else httpx.get(f"{address}{path}", timeout=10.0, trust_env=False, verify=False)
            )
        except httpx.TransportError:
            return None

    def metrics(self) -> Series:
        """`/metrics`, parsed; empty while there is no server."""
        answer = self.get("/metrics")
        return series_of(answer.text) if answer is not None and answer.status_code == 200 else {}

    def lag(self, consumer: str) -> float | None:
        """How many events a consumer (`sink:file`, `notify:webhook`) has not had yet, by `/metrics`."""
        return self.metrics().get(("dify_monitor_sink_lag_events", frozenset({("sink", consumer)})))

    def limit_files(self, most_bytes: int) -> None:
        """From now on no file of the process may grow beyond so many bytes; -1 lifts that."""
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        soft = hard if most_bytes < 0 else most_bytes
        resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (soft, hard))

    def kill(self) -> None:
        """As the kernel does when memory is short."""
        self._process.kill()
        self._process.wait()

    def end(self, timeout: float = _DEADLINE_S) -> int:
        """SIGTERM, and its exit code. Safe twice."""
        if self.alive:
            self._process.send_signal(signal.SIGTERM)
        try:
            code = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        finally:
            self._log.close()
        return code


def _is_whole(line: str) -> bool:
    """Whether the line is a log line, and not one that is being written or that a kill cut off."""
    return line.startswith("{") and line.endswith("}\n")


def series_of(text: str) -> Series:
    """Prometheus's text as sample name and labels to value."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def counters_of(series: Series) -> Series:
    """What must never go back: Dify's counters and the parts of its histograms, without the sidecar's own."""
    ends = ("_total", "_bucket", "_count", "_sum")
    return {
        key: value
        for key, value in series.items()
        if key[0].startswith("dify_") and not key[0].startswith("dify_monitor_") and key[0].endswith(ends)
    }


class Spans:
    """Spans as OTLP/JSON lines, read back."""

    def __init__(self, lines: list[str]) -> None:
        self.all = [
            span | {"attributes": _attributes(span)}
            for line in lines
            for resource_spans in json.loads(line).get("resourceSpans", ())
            for scope in resource_spans["scopeSpans"]
            for span in scope["spans"]
        ]

    def __len__(self) -> int:
        return len(self.all)

    @property
    def ids(self) -> Counter[tuple[str, str]]:
        return Counter((span["traceId"], span["spanId"]) for span in self.all)

    def traces(self) -> dict[str, list[dict[str, Any]]]:
        found: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        for span in self.all:
            found[span["traceId"]].append(span)
        return dict(found)

    def having(self, **attributes: str) -> list[dict[str, Any]]:
        """Spans with these attributes (`__` stands for a dot)."""
        wanted = {name.replace("__", "."): value for name, value in attributes.items()}
        return [span for span in self.all if wanted.items() <= span["attributes"].items()]


def _attributes(span: Mapping[str, Any]) -> dict[str, Any]:
    return {each["key"]: next(iter(each["value"].values())) for each in span.get("attributes", [])}
