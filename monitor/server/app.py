"""The HTTP pages, and the one thread in which uvicorn serves them.

There is no authentication and nothing here that needs it: counts and names of apps, tools and models, no content, no
person; the configuration listens on loopback unless told otherwise. `monitor.runtime` starts and stops it.
"""

from __future__ import annotations

import errno
import os
import socket
import threading
from collections.abc import Callable, Sequence

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from monitor.errors import ConfigError, MonitorError
from monitor.metrics.exposition import Scrape

__all__ = ["HttpServer", "build_app"]

Complaints = Callable[[], Sequence[str]]
"""What is not as it should be, in words for people; empty when all is well."""

_MAX_CONNECTIONS = 32
"""Fewer than the threads that answer, so that a page that waits never keeps `/healthz` from one."""
_KEEP_ALIVE_S = 5
_HEADER_BYTES = 16_384
_GRACE_S = 3
_BACKLOG = 64

_INDEX = """\
monitor, the observability sidecar for Dify

/metrics  for Prometheus (text or OpenMetrics, as the Accept header asks)
/healthz  200 while every worker is alive
/readyz   200 once sources were read and metrics have caught up
"""


def build_app(render: Callable[[str, str], Scrape], *, alive: Complaints, ready: Complaints) -> Starlette:
    """The pages. `render` takes the Accept and Accept-Encoding headers; the two others are asked at each request."""

    def metrics(request: Request) -> Response:
        accept = ",".join(request.headers.getlist("accept"))
        scrape = render(accept, request.headers.get("accept-encoding", ""))
        return Response(scrape.body, headers=scrape.headers)

    def healthz(_request: Request) -> Response:
        return _verdict(alive())

    def readyz(_request: Request) -> Response:
        return _verdict(ready())

    def index(_request: Request) -> Response:
        return PlainTextResponse(_INDEX)

    pages = {"/": index, "/metrics": metrics, "/healthz": healthz, "/readyz": readyz}
    return Starlette(routes=[Route(path, page, methods=["GET"]) for path, page in pages.items()])


def _verdict(complaints: Sequence[str]) -> Response:
    status = {"status": "unavailable" if complaints else "ok", "reasons": list(complaints)}
    return JSONResponse(status, status_code=503 if complaints else 200, headers={"Cache-Control": "no-store"})


class HttpServer:
    """Serves one app on one address from one thread, until it is stopped. Starts once."""

    def __init__(self, app: Starlette, host: str, port: int) -> None:
        self._address = (host, port)
        self._server = _Server(app)
        self._thread: threading.Thread | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Host and port; once it is started, those that it really listens on."""
        return self._address

    @property
    def url(self) -> str:
        """The address as a URL."""
        return f"http://{_shown(*self._address)}"

    @property
    def alive(self) -> bool:
        """Whether it serves."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Listen, and return when requests are answered. Raises ConfigError when the address can't be had."""
        listening = _listen(*self._address)
        host, port, *_ = listening.getsockname()
        self._address = (host, port)
        self._thread = threading.Thread(target=self._serve, args=(listening,), name="http", daemon=True)
        self._thread.start()
        self._server.up.wait()
        if not self._server.started:
            raise MonitorError("the HTTP server ended before it had begun")

    def stop(self) -> None:
        """Finish what is being answered, for a few seconds at most, and end the thread. Safe twice and before start."""
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join()

    def _serve(self, listening: socket.socket) -> None:
        try:
            self._server.run(sockets=[listening])
        finally:
            listening.close()
            self._server.up.set()


class _Server(uvicorn.Server):
    """uvicorn, without signals, logs, lifespan or hints about itself, and with bounds."""

    def __init__(self, app: Starlette) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http="h11",
                ws="none",
                loop="asyncio",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                limit_concurrency=_MAX_CONNECTIONS,
                timeout_keep_alive=_KEEP_ALIVE_S,
                timeout_graceful_shutdown=_GRACE_S,
                h11_max_incomplete_event_size=_HEADER_BYTES,
            )
        )
        self.up = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn does, and say so."""
        await super().startup(sockets)
        self.up.set()


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket. An empty host is every interface, of IPv6 and IPv4 alike where the machine has both."""
    try:
        if not host and socket.has_dualstack_ipv6():
            return socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=_BACKLOG)
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, *_, address = found[0]
        return socket.create_server(address, family=family, backlog=_BACKLOG)
    except OSError as exc:
        # Python adds words of its own to the system's; the system's alone are what people search for.
        told = os.strerror(exc.errno) if exc.errno and exc.errno > 0 else exc.strerror
        problem = f"can't listen on {_shown(host, port)}: {told or exc}"
        raise ConfigError(problem, path="server.listen", remedy=_remedy(exc)) from exc


def _shown(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _remedy(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "Another process has this port (is `monitor` running already?): end it, or name another port"
    if error.errno in {errno.EACCES, errno.EPERM}:
        return "Name a port above 1023"
    return "Name an address of this machine, such as 127.0.0.1:9464"
