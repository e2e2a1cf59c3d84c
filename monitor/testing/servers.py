"""A real HTTP server on this machine, in the test's hands: it answers what it is told, hangs, cuts, and remembers.

Not a mock: adapters speak to it through their own client, sockets and all. Everything is let go when it closes,
hanging requests included, so that a test can't hang longer than its client's timeout.
"""

from __future__ import annotations

import gzip
import socket
import ssl
import struct
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

__all__ = ["Answer", "LocalServer", "Request", "refused_url"]

_WAIT_S = 10.0
"""How long a test waits for what ought to happen at once."""


@dataclass(frozen=True)
class Request:
    """One request as it came."""

    method: str
    path: str
    """With its query."""
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes

    @property
    def decoded(self) -> bytes:
        """The body without its gzip."""
        return gzip.decompress(self.body) if self.headers.get("content-encoding") == "gzip" else self.body


@dataclass(frozen=True)
class Answer:
    """What to do with a request."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    echo: str = ""
    """A request header whose value is added to the body, as servers that explain too much do."""
    hold: threading.Event | None = None
    """Answer only once this is set (or the server closes)."""
    cut: bool = False
    """Reset the connection instead of answering."""
    cut_body_at: int | None = None
    """Reset the connection after so many bytes of the body."""


class LocalServer:
    """`with LocalServer() as server:` listens on a free port of 127.0.0.1 until the block ends.

    It answers 200 with an empty body until told otherwise. `tls` makes it an HTTPS server.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._changed = threading.Condition()
        self._answers: list[Answer] = [Answer()]
        self._requests: list[Request] = []
        self._holds: list[threading.Event] = []
        self._closed = False
        self._server = _Server(self)
        if tls is not None:
            # The handshake belongs to the request's own thread: a client that refuses us must not stop the listener.
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        scheme = "http" if tls is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self._server.server_address[1]}"
        """The server's address, without a slash at its end."""
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def requests(self) -> list[Request]:
        """Everything that was asked so far, in order of arrival."""
        with self._changed:
            return list(self._requests)

    def answer(self, *answers: Answer) -> None:
        """Give these answers, one to a request; the last one to all that follow."""
        with self._changed:
            self._answers = list(answers)

    def hang(self) -> threading.Event:
        """Answer nothing from now on until the returned event is set (or the server closes)."""
        gate = threading.Event()
        self.answer(Answer(hold=gate))
        return gate

    def wait_for(self, count: int) -> None:
        """Return when so many requests have come; AssertionError when they don't."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._requests) >= count, _WAIT_S):
                raise AssertionError(f"{len(self._requests)} requests came, not {count}")

    def close(self) -> None:
        """Stop listening and let go of every request; safe twice."""
        with self._changed:
            self._closed = True
            for gate in self._holds:
                gate.set()
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join(_WAIT_S)
        self._server.server_close()

    def _take(self, request: Request) -> Answer:
        with self._changed:
            self._requests.append(request)
            answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
            if answer.hold is not None:
                self._holds.append(answer.hold)
                if self._closed:
                    answer.hold.set()
            self._changed.notify_all()
        return answer


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = True

    def __init__(self, owner: LocalServer) -> None:
        self.owner = owner
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away in the middle is what tests are for."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _WAIT_S
    server: _Server

    def _handle(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.path, headers, self.rfile.read(length))
        answer = self.server.owner._take(request)  # noqa: SLF001 - two halves of one thing
        self.close_connection = True
        if answer.hold is not None:
            answer.hold.wait()
        if answer.cut:
            self._reset()
        else:
            self._send(answer, request)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _handle  # noqa: N815 - http.server's names

    def _send(self, answer: Answer, request: Request) -> None:
        body = answer.body + request.headers.get(answer.echo.lower(), "").encode()
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.send_header("connection", "close")
        self.end_headers()
        if answer.cut_body_at is not None:
            self.wfile.write(body[: answer.cut_body_at])
            self.wfile.flush()
            self._reset()
        else:
            self.wfile.write(body)

    def _reset(self) -> None:
        """Close with a reset: to linger for no time throws away what was not sent yet."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """Tests that pass say nothing."""


def refused_url() -> str:
    """An address of this machine at which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"
