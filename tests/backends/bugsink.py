"""Bugsink, a real server that speaks Sentry's protocol, on this machine, read back through its API.

`.ci/bugsink` installs it into the user's cache; MONITOR_TEST_BUGSINK may name another folder with a virtual environment
that has it. It stores errors and messages; transactions and check-ins it answers with 200 and throws away. What was
taken is stored a moment later by a worker of its own, so wait for it (`wait_for`).
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import httpx

from tests.backends.process import Server, Unavailable, cache, free_port, wait_for

__all__ = ["Bugsink", "Project"]

_VERSION = "2.6.1"
_READY_S = 60.0
_POLL_S = 0.1
_MOST_EVENTS = 10_000_000
_CONFIG = f"""

DEBUG = False
EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
BEHIND_HTTPS_PROXY = False
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = False
BUGSINK["BASE_URL"] = "http://127.0.0.1:{{port}}"
BUGSINK["VALIDATE_ON_DIGEST"] = "strict"
BUGSINK["PHONEHOME"] = False
for period in ("PER_PROJECT_PER_5_MINUTES", "PER_PROJECT_PER_HOUR", "PER_PROJECT_PER_MONTH", "PER_5_MINUTES",
               "PER_HOUR", "PER_MONTH"):
    BUGSINK["MAX_EVENTS_" + period] = {_MOST_EVENTS}
"""
_FIRST = """
from bsmain.models import AuthToken
from teams.models import Team
open("found", "w").write(f"{Team.objects.create(name='test').id} {AuthToken.create_full_access().token}")
"""


class Project:
    """One project: where to send, and what it has."""

    def __init__(self, server: Bugsink, number: str, dsn: str) -> None:
        self.dsn = dsn
        self._server, self._number = server, number

    def issues(self) -> list[dict[str, Any]]:
        """Every issue; `digested_event_count` says how often it was seen."""
        return self._server.listed("issues", project=self._number)

    def events(self) -> list[dict[str, Any]]:
        """Every event, with its `issue`, and as `data` what was sent."""
        listed = [event for issue in self.issues() for event in self._server.listed("events", issue=issue["id"])]
        return [self._server.ask("GET", f"events/{event['id']}/") for event in listed]

    def wait_for(self, met: Callable[[Self], bool], seconds: float = 30.0) -> None:
        """Return as soon as the condition is met; raises AssertionError with what there is when it is not in time."""
        wait_for(
            lambda: met(self),
            seconds,
            every_s=_POLL_S,
            there=lambda: f"there are {len(self.events())} events: {self.issues()}",
        )


class Bugsink(Server):
    """A server; use it in a `with`. `stop` and `start` are for tests of what happens when it is away."""

    def __init__(self) -> None:
        """Find what was installed; raises Unavailable."""
        super().__init__("bugsink")
        self._programs = _find()
        self._port = free_port()
        self._team = self._token = ""

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start it (again, on the same port and data): what answers, and what stores."""
        web = ["--bind", f"127.0.0.1:{self._port}", "--workers", "1", "--chdir", str(self.folder), "bugsink.wsgi"]
        self.run(self._programs / "gunicorn", *web, log="web.log", ready=self._ready, seconds=_READY_S)
        self.run(self._programs / "bugsink-runsnappea", log="worker.log", ready=lambda: True, seconds=_READY_S)

    def new_project(self, name: str) -> Project:
        """A project that nothing was sent to; names are unique."""
        number = self.ask("POST", "projects/", {"team": self._team, "name": name})["id"]
        return Project(self, str(number), self.ask("GET", f"projects/{number}/")["dsn"])

    def listed(self, what: str, **query: str) -> list[dict[str, Any]]:
        """All pages of a list."""
        found: list[dict[str, Any]] = []
        path = f"{what}/?{httpx.QueryParams(query)}"
        while path:
            page = self.ask("GET", path)
            found += page["results"]
            path = str(page["next"] or "").rpartition("/api/canonical/0/")[2]
        return found

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """What its API answers; raises AssertionError for what is not a 2xx."""
        with httpx.Client(trust_env=False, timeout=30, headers={"authorization": f"Bearer {self._token}"}) as http:
            answer = http.request(method, f"{self.url}/api/canonical/0/{path}", json=body)
        assert answer.is_success, f"{path}: {answer.status_code} {answer.text[:500]}"
        return answer.json()

    def _ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health/ready", trust_env=False).is_success
        except httpx.TransportError:
            return False

    def prepare(self, folder: Path) -> None:
        """Configuration, databases, a team and a token for the API."""
        arguments = ["--template=singleserver", "--host=127.0.0.1", f"--port={self._port}", f"--base-dir={folder}"]
        self._run("bugsink-create-conf", *arguments, "-o", "bugsink_conf.py")
        with (folder / "bugsink_conf.py").open("a") as written:
            written.write(_CONFIG.format(port=self._port))
        self._run("bugsink-manage", "migrate", "-v0")
        self._run("bugsink-manage", "migrate", "-v0", "--database=snappea")
        self._run("bugsink-manage", "shell", "-v0", "-c", _FIRST)
        self._team, self._token = (folder / "found").read_text().split()

    def _run(self, name: str, *arguments: str) -> None:
        done = subprocess.run(
            [self._programs / name, *arguments], cwd=self.folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{name} {arguments[0]}: {done.stdout}{done.stderr}"


def _find() -> Path:
    named = os.environ.get("MONITOR_TEST_BUGSINK")
    place = Path(named) if named else cache() / f"bugsink-{_VERSION}"
    if not named and not (place / "whole").exists():
        raise Unavailable("Bugsink is not installed: run .ci/bugsink")
    if not (place / "bin" / "bugsink-manage").exists():
        raise Unavailable(f"there is no Bugsink in {place}: MONITOR_TEST_BUGSINK names it")
    return place / "bin"
