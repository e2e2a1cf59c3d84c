"""The whole process, as its user runs it: a folder with a configuration, `python -m monitor` in it, what it left there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml
from prometheus_client.parser import text_string_to_metric_families

__all__ = ["Sidecar", "Spans", "series_of"]

_DEADLINE_S = 60.0
_KEY = "a-key-for-tests-only"


class Sidecar:
    """One folder; the process may be started in it again and again."""

    def __init__(self, folder: Path, url: str, **sections: Any) -> None:
        self.folder, self.url = folder, url
        folder.mkdir(parents=True, exist_ok=True)
        config: dict[str, Any] = {
            "journal": {"path": "./journal", "min_free_bytes": "1MB"},
            "sources": [{"type": "dify_database", "url": "${DIFY_DB_URL}", "poll_interval": "200ms"}],
            "sinks": [{"type": "file", "path": "./spans.jsonl", "content": "full"}],
            "server": {"listen": "127.0.0.1:0"},
            "log": {"format": "json"},
        }
        config.update(sections)
        (folder / "monitor.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")

    @property
    def environment(self) -> dict[str, str]:
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "MONITOR_"))},
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
        assert done.returncode == expect, done.stderr[-4000:]
        return done

    @contextmanager
    def running(self) -> Iterator[Running]:
        """`monitor run`, until the block is left; then SIGTERM, unless it was killed before."""
        process = Running(self)
        try:
            yield process
        finally:
            process.end()

    def spans(self, name: str = "spans.jsonl") -> Spans:
        """What the file sink has written."""
        path = self.folder / name
        return Spans(path.read_text(encoding="utf-8").splitlines() if path.exists() else [])

    def metrics(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        """`monitor metrics`, parsed."""
        done = self.command("metrics")
        assert done.returncode == 0, done.stderr
        return series_of(done.stdout)


class Running:
    """A running sidecar."""

    def __init__(self, sidecar: Sidecar) -> None:
        self._log = (sidecar.folder / "log.jsonl").open("a+", encoding="utf-8")
        start = self._log.tell()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "monitor", "run"],
            cwd=sidecar.folder, env=sidecar.environment, stdout=self._log, stderr=self._log,
        )  # fmt: skip
        self._path, self._start = sidecar.folder / "log.jsonl", start

    def lines(self) -> list[dict[str, Any]]:
        """What it has logged so far."""
        with self._path.open(encoding="utf-8") as log:
            log.seek(self._start)
            return [json.loads(line) for line in log if line.startswith("{") and line.endswith("\n")]

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    @property
    def address(self) -> str | None:
        """Where it serves, once it says so."""
        serving = [line for line in self.lines() if line["event"] == "serving"]
        return f"http://{serving[-1]['host']}:{serving[-1]['port']}" if serving else None

    def get(self, path: str) -> httpx.Response | None:
        """A page, or None while there is no server."""
        try:
            return httpx.get(f"{self.address}{path}", timeout=5.0, trust_env=False) if self.address else None
        except httpx.TransportError:
            return None

    def metrics(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        """`/metrics`, parsed; empty while there is no server."""
        answer = self.get("/metrics")
        return series_of(answer.text) if answer is not None and answer.status_code == 200 else {}

    def kill(self) -> None:
        """As the kernel does when memory is short."""
        self._process.kill()
        self._process.wait()

    def end(self, timeout: float = _DEADLINE_S) -> int:
        """SIGTERM, and its exit code."""
        if self.alive:
            self._process.send_signal(signal.SIGTERM)
        try:
            code = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise
        finally:
            self._log.close()
        return code


def series_of(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Sample name and labels to value."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


class Spans:
    """Spans as OTLP/JSON lines, read back."""

    def __init__(self, lines: list[str]) -> None:
        self.all = [
            span | {"attributes": _attributes(span)}
            for line in lines
            for resource in json.loads(line)["resourceSpans"]
            for scope in resource["scopeSpans"]
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
