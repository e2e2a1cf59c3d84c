"""Stands before a real server as Sentry's Relay does: says what is limited, hands on the rest, and keeps what it took.

A limit is told as https://develop.sentry.dev/sdk/expected-features/rate-limiting/ says. Only errors are handed on:
Bugsink has no place for transactions and check-ins, so those are kept here.
"""

from __future__ import annotations

import gzip
import json
import threading
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit

import httpx

__all__ = ["Doorkeeper", "Limit"]

_CATEGORIES = {"event": "error", "transaction": "transaction", "check_in": "monitor", "client_report": "internal"}
_ALWAYS = 10**9


@dataclass
class Limit:
    """What the next requests of one category are answered."""

    category: str
    headers: Mapping[str, str]
    status: int = 429
    """Below 400: the item is taken all the same."""
    times: int = _ALWAYS


@dataclass(frozen=True)
class _Item:
    category: str
    event_id: str
    payload: bytes = field(repr=False)


class Doorkeeper:
    """`with Doorkeeper(dsn) as door:` takes what is sent to `door.dsn` until the block ends."""

    def __init__(self, dsn: str) -> None:
        self._target, self._lock = urlsplit(dsn), threading.Lock()
        self._limits: list[Limit] = []
        self._taken: list[_Item] = []
        self.refused: Counter[str] = Counter()
        """How many were answered a 429, by category."""
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.owner = self
        self._http = httpx.Client(trust_env=False, timeout=30.0)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._http.close()

    @property
    def dsn(self) -> str:
        """Where to send, under the same key and project."""
        port = self._server.server_address[1]
        return f"{self._target.scheme}://{self._target.username}@127.0.0.1:{port}{self._target.path}"

    def limit(self, *limits: Limit) -> None:
        """What holds from now on, in place of what held before."""
        with self._lock:
            self._limits = list(limits)

    def taken(self, category: str) -> list[str]:
        """Ids of the items of a category that were taken, in their order, repeats included."""
        with self._lock:
            return [item.event_id for item in self._taken if item.category == category]

    def payloads(self, category: str) -> dict[str, set[bytes]]:
        """What was taken, by id: more than one payload where a repeat differed."""
        found: defaultdict[str, set[bytes]] = defaultdict(set)
        with self._lock:
            for item in self._taken:
                if item.category == category:
                    found[item.event_id].add(item.payload)
        return dict(found)

    def answer(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, Mapping[str, str]]:
        """Status and headers for one envelope."""
        item = _item(gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body)
        limit = self._applying(item.category)
        if limit is not None and limit.status == httpx.codes.TOO_MANY_REQUESTS:
            with self._lock:
                self.refused[item.category] += 1
            return limit.status, limit.headers
        status = self._hand_on(path, headers, body) if item.category == "error" else 200
        if status == httpx.codes.OK:
            with self._lock:
                self._taken.append(item)
        return status, limit.headers if limit is not None else {}

    def _applying(self, category: str) -> Limit | None:
        with self._lock:
            for limit in self._limits:
                if limit.category == category and limit.times > 0:
                    limit.times -= 1
                    return limit
        return None

    def _hand_on(self, path: str, headers: Mapping[str, str], body: bytes) -> int:
        kept = {name: value for name, value in headers.items() if name not in {"host", "content-length", "connection"}}
        url = f"{self._target.scheme}://{self._target.hostname}:{self._target.port}{path}"
        return self._http.post(url, content=body, headers=kept).status_code


def _item(envelope: bytes) -> _Item:
    first, second, rest = envelope.split(b"\n", 2)
    header: dict[str, Any] = json.loads(second)
    event_id = json.loads(first).get("event_id", "")
    return _Item(_CATEGORIES[header["type"]], event_id, rest[: header["length"]])


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    owner: Doorkeeper

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed in the middle is what tests are for."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        sent = {name.lower(): value for name, value in self.headers.items()}
        status, headers = self.server.owner.answer(self.path, sent, body)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """Tests that pass say nothing."""
