"""A real Prometheus that scrapes what a test tells it to, every second, and answers queries; and promtool.

Debian's package `prometheus` has both programs. Its data live as long as the `with`.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import httpx

from tests.backends.process import ServerProcess, free_port, program

__all__ = ["Prometheus", "Sample", "promtool"]

_READY_S = 60.0
_POLL_S = 0.1
_REMEDY = "install Prometheus (Debian: apt-get install prometheus)"

Sample = tuple[dict[str, str], float]
"""Labels, with `__name__` where the query kept it, and value."""


def promtool(*arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run promtool, such as `promtool("check", "metrics", stdin=text)`; raises Unavailable where there is none."""
    command = [str(program("promtool", remedy=_REMEDY)), *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)


class Prometheus:
    """A server that scrapes nothing until told to; use it in a `with`."""

    def __init__(self) -> None:
        """Find the program; raises Unavailable."""
        self._program = program("prometheus", remedy=_REMEDY)
        self._port = free_port()
        self._process: ServerProcess | None = None
        self._folder: Path | None = None
        self._client: httpx.Client | None = None

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="dify-monitor-prom-"))
        self._client = httpx.Client(base_url=self.url, timeout=10, trust_env=False)
        try:
            self._configure((), "/metrics", ())
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._client is not None:
            self._client.close()
        if self._process is not None:
            self._process.stop()
        if self._folder is not None:
            shutil.rmtree(self._folder)
            self._folder = None

    @property
    def url(self) -> str:
        """Its own address."""
        return f"http://127.0.0.1:{self._port}"

    def _start(self) -> None:
        assert self._folder is not None
        flags = [
            f"--config.file={self._folder / 'prometheus.json'}",
            f"--storage.tsdb.path={self._folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self._port}",
            "--web.enable-lifecycle",
            "--log.level=warn",
        ]
        self._process = ServerProcess([self._program, *flags], self._folder / "log")
        self._process.wait_until(self._ready, _READY_S)

    def _ready(self) -> bool:
        try:
            return self._http.get("/-/ready").is_success
        except httpx.TransportError:
            return False

    @property
    def _http(self) -> httpx.Client:
        assert self._client is not None, "use Prometheus in a with"
        return self._client

    def scrape(self, *targets: str, path: str = "/metrics", rules: Sequence[Path] = ()) -> None:
        """From now on scrape these (`host:port`) every second, and evaluate these rule files."""
        self._configure(targets, path, rules)
        self._http.post("/-/reload").raise_for_status()

    def _configure(self, targets: Sequence[str], path: str, rules: Sequence[Path]) -> None:
        assert self._folder is not None, "use Prometheus in a with"
        job = {"job_name": "test", "metrics_path": path, "static_configs": [{"targets": list(targets)}]}
        config = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(rule.resolve()) for rule in rules],
            "scrape_configs": [job],
        }
        (self._folder / "prometheus.json").write_text(json.dumps(config))  # JSON is YAML

    def get(self, path: str, **parameters: str) -> Any:
        """`data` of an answer of its API, such as `get("rules")` or `get("alerts")`."""
        answer = self._http.get(f"/api/v1/{path}", params=parameters)
        answer.raise_for_status()
        return answer.json()["data"]

    def query(self, expression: str) -> list[Sample]:
        """The samples of an instant query, now."""
        found = self.get("query", query=expression)
        assert found["resultType"] == "vector", f"{expression}: {found['resultType']}"
        return [(sample["metric"], float(sample["value"][1])) for sample in found["result"]]

    def value(self, expression: str) -> float | None:
        """The value of an expression with one sample; None when it has none."""
        samples = self.query(expression)
        assert len(samples) <= 1, f"{expression}: {samples}"
        return samples[0][1] if samples else None

    def wait_for(
        self, expression: str, met: Callable[[list[Sample]], bool] = bool, seconds: float = 20.0
    ) -> list[Sample]:
        """The samples as soon as they meet the condition (by default: there are some); raises AssertionError else."""
        waiting = threading.Event()
        for _ in range(int(seconds / _POLL_S)):
            if met(samples := self.query(expression)):
                return samples
            waiting.wait(_POLL_S)
        raise AssertionError(f"after {seconds} s {expression} is {self.query(expression)}")
