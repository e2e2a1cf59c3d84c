"""A real Prometheus that scrapes what a test tells it to, every second, and answers queries; and promtool.

Debian's package `prometheus` has both programs. Its data live as long as the `with`.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import httpx

from tests.backends.process import Server, free_port, program, wait_for

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


class Prometheus(Server):
    """A server that scrapes nothing until told to; use it in a `with`."""

    def __init__(self) -> None:
        """Find the program; raises Unavailable."""
        super().__init__("prom")
        self._program = program("prometheus", remedy=_REMEDY)
        self._port = free_port()

    def __enter__(self) -> Self:
        self._client = httpx.Client(base_url=self.url, timeout=10, trust_env=False)
        return super().__enter__()

    def __exit__(self, *_: object) -> None:
        self._client.close()
        super().__exit__()

    def prepare(self, folder: Path) -> None:
        """A configuration without targets."""
        del folder
        self._configure((), "/metrics", ())

    @property
    def url(self) -> str:
        """Its own address."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start it (again, on the same port and data)."""
        flags = [
            f"--config.file={self.folder / 'prometheus.json'}",
            f"--storage.tsdb.path={self.folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self._port}",
            "--web.enable-lifecycle",
            "--log.level=warn",
        ]
        self.run(self._program, *flags, ready=self._ready, seconds=_READY_S)

    def _ready(self) -> bool:
        try:
            return self._client.get("/-/ready").is_success
        except httpx.TransportError:
            return False

    def scrape(self, *targets: str, path: str = "/metrics", rules: Sequence[Path] = ()) -> None:
        """From now on scrape these (`host:port`) every second, and evaluate these rule files."""
        self._configure(targets, path, rules)
        self._client.post("/-/reload").raise_for_status()

    def _configure(self, targets: Sequence[str], path: str, rules: Sequence[Path]) -> None:
        job = {"job_name": "test", "metrics_path": path, "static_configs": [{"targets": list(targets)}]}
        config = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(rule.resolve()) for rule in rules],
            "scrape_configs": [job],
        }
        (self.folder / "prometheus.json").write_text(json.dumps(config))  # JSON is YAML

    def get(self, path: str, **parameters: str) -> Any:
        """`data` of an answer of its API, such as `get("rules")` or `get("alerts")`."""
        answer = self._client.get(f"/api/v1/{path}", params=parameters)
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
        query = lambda: self.query(expression)  # noqa: E731 - asked twice, and short
        wait_for(lambda: met(query()), seconds, every_s=_POLL_S, there=lambda: f"{expression} is {query()}")
        return query()
