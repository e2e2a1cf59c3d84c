"""Arize Phoenix, a real trace backend that reads OpenInference, on this machine, read back through its REST interface.

`.ci/phoenix` installs it into the user's cache; MONITOR_TEST_PHOENIX may name another folder with a virtual environment
that has it. Its database lies in a folder of its own that goes with it. What was taken is stored a moment later, so
wait for it (`wait_for`).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import httpx

from tests.backends.process import Server, Unavailable, cache, free_port, wait_for

__all__ = ["Phoenix"]

_VERSION = "20.26.1"
_READY_S = 240.0
_POLL_S = 0.2
_PAGE = 1000


class Phoenix(Server):
    """A server; use it in a `with`."""

    def __init__(self) -> None:
        """Find what was installed; raises Unavailable."""
        super().__init__("phoenix")
        self._program = _find()
        self._port, self._grpc_port = free_port(), free_port()

    def start(self) -> None:
        """Start it (again, on the same ports and data)."""
        environment = {
            "PHOENIX_HOST": "127.0.0.1",
            "PHOENIX_PORT": str(self._port),
            "PHOENIX_GRPC_PORT": str(self._grpc_port),
            "PHOENIX_WORKING_DIR": str(self.folder),
            "PHOENIX_TELEMETRY_ENABLED": "false",
            "PHOENIX_ALLOW_EXTERNAL_RESOURCES": "false",
        }
        settings = [f"{name}={value}" for name, value in environment.items()]
        self.run("env", *settings, self._program, "serve", ready=self._ready, seconds=_READY_S)

    @property
    def url(self) -> str:
        """Where it listens, for people, for its REST interface and for OTLP over HTTP."""
        return f"http://127.0.0.1:{self._port}"

    def spans(self, project: str) -> list[dict[str, Any]]:
        """Every span of the project, with its `span_kind`, `attributes` and `context`; none where there is no project."""
        return self._listed(f"projects/{project}/spans")

    def projects(self) -> list[dict[str, Any]]:
        """Every project, with `id` and `name`."""
        return self._listed("projects")

    def sessions(self, project: str) -> list[dict[str, Any]]:
        """Every session of the project, with its `traces`."""
        return self._listed(f"projects/{project}/sessions")

    def wait_for(self, met: Callable[[Self], bool], seconds: float = 60.0) -> None:
        """Return as soon as the condition is met; raises AssertionError when it is not in time."""
        wait_for(lambda: met(self), seconds, every_s=_POLL_S, there=lambda: "Phoenix does not have what was sent")

    def asked(self, query: str, **variables: Any) -> Any:
        """What its own pages ask for, by GraphQL."""
        with self._http() as http:
            answer = http.post("/graphql", json={"query": query, "variables": variables})
        assert answer.is_success, answer.text[:500]
        assert not answer.json().get("errors"), answer.text[:500]
        return answer.json()["data"]

    def post(self, path: str, body: bytes, headers: dict[str, str]) -> None:
        """Hand it a request as somebody else sent it."""
        with self._http() as http:
            answer = http.post(path, content=body, headers=headers)
        assert answer.is_success, f"{path}: {answer.status_code} {answer.text[:500]}"

    def _listed(self, path: str) -> list[dict[str, Any]]:
        """All pages of a list."""
        found: list[dict[str, Any]] = []
        query: dict[str, Any] = {"limit": _PAGE}
        with self._http() as http:
            while True:
                answer = http.get(f"/v1/{path}", params=query)
                if answer.status_code == httpx.codes.NOT_FOUND:
                    return []
                assert answer.is_success, f"{path}: {answer.status_code} {answer.text[:500]}"
                page = answer.json()
                found += page["data"]
                if not page.get("next_cursor"):
                    return found
                query["cursor"] = page["next_cursor"]

    def _http(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, trust_env=False, timeout=60)

    def _ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/healthz", trust_env=False).is_success
        except httpx.TransportError:
            return False


def _find() -> Path:
    named = os.environ.get("MONITOR_TEST_PHOENIX")
    place = Path(named) if named else cache() / f"phoenix-{_VERSION}"
    if not named and not (place / "whole").exists():
        raise Unavailable("Phoenix is not installed: run .ci/phoenix")
    if not (place / "bin" / "phoenix").exists():
        raise Unavailable(f"there is no Phoenix in {place}: MONITOR_TEST_PHOENIX names it")
    return place / "bin" / "phoenix"
