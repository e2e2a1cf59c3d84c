from __future__ import annotations

import contextlib
import socket
import threading

import httpx
import pytest

from monitor.errors import ConfigError
from monitor.metrics.exposition import Scrape
from monitor.server.app import HttpServer, build_app
from tests.support.lacking import lacking

SCRAPE = Scrape(b"dify_x 1\n", {"Content-Type": "text/plain; version=1.0.0; charset=utf-8"})


class World:
    """What the pages are told, and what they asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.dead: list[str] = []
        self.waiting: list[str] = []

    def render(self, accept: str, encoding: str) -> Scrape:
        self.asked.append((accept, encoding))
        return SCRAPE

    def app(self):
        return build_app(self.render, alive=lambda: self.dead, ready=lambda: self.waiting)


@pytest.fixture
def world():
    return World()


@pytest.fixture
def client(world):
    server = HttpServer(world.app(), "127.0.0.1", 0)
    server.start()
    host, port = server.address
    with httpx.Client(base_url=f"http://{host}:{port}", timeout=10, trust_env=False) as client:
        yield client
    server.stop()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


class TestPages:
    def test_metrics_hand_the_scrapers_wishes_on(self, client, world):
        answer = client.get("/metrics", headers={"Accept": "application/openmetrics-text", "Accept-Encoding": "gzip"})
        assert (answer.status_code, answer.content) == (200, SCRAPE.body)
        assert answer.headers["content-type"] == SCRAPE.headers["Content-Type"]
        assert world.asked == [("application/openmetrics-text", "gzip")]

    @pytest.mark.parametrize(("page", "list_of"), [("/healthz", "dead"), ("/readyz", "waiting")])
    def test_health_says_what_is_wrong(self, client, world, page, list_of):
        assert client.get(page).json() == {"status": "ok", "reasons": []}
        getattr(world, list_of).append("source dify was not read yet")
        answer = client.get(page)
        assert answer.status_code == 503
        assert answer.json() == {"status": "unavailable", "reasons": ["source dify was not read yet"]}

    def test_not_ready_is_not_unhealthy(self, client, world):
        world.waiting.append("metrics have not caught up")
        assert client.get("/healthz").status_code == 200

    def test_the_index_names_the_pages(self, client):
        answer = client.get("/")
        assert answer.headers["content-type"].startswith("text/plain")
        for page in ("/metrics", "/healthz", "/readyz"):
            assert page in answer.text

    @pytest.mark.parametrize("page", ["/", "/metrics", "/healthz", "/readyz"])
    @pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
    def test_are_only_for_reading(self, client, page, method):
        answer = client.request(method, page)
        assert answer.status_code == 405
        assert set(answer.headers["allow"].replace(" ", "").split(",")) == {"GET", "HEAD"}

    @pytest.mark.parametrize("page", ["/", "/metrics", "/healthz", "/readyz"])
    def test_head_is_get_without_its_body(self, client, page):
        answer = client.head(page)
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["content-length"] == client.get(page).headers["content-length"]

    def test_anything_else_is_not_there(self, client):
        assert client.get("/metrics/../etc/passwd").status_code == 404
        assert client.get("/docs").status_code == 404

    def test_nobody_is_told_what_serves_them(self, client):
        for page in ("/", "/metrics", "/nothing"):
            assert "server" not in client.get(page).headers

    def test_an_error_inside_is_not_told_outside(self, client, world, caplog):
        world.dead = None
        # uvicorn closes the connection after an error, so it must not be used for the next request.
        answer = client.get("/healthz", headers={"Connection": "close"})
        assert (answer.status_code, answer.text) == (500, "Internal Server Error")
        assert client.get("/metrics").status_code == 200


class TestServing:
    def test_an_address_that_is_taken_is_named_with_a_remedy(self, world):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            server = HttpServer(world.app(), "127.0.0.1", port)
            with pytest.raises(ConfigError) as caught:
                server.start()
        assert str(caught.value) == (
            f"server.listen: can't listen on 127.0.0.1:{port}: Address already in use. "
            "Another process has this port (is `monitor` running already?): end it, or name another port"
        )
        server.stop()
        assert not server.alive

    def test_an_address_of_another_machine_is_named_with_a_remedy(self, world):
        with pytest.raises(ConfigError, match=r"can't listen on 203\.0\.113\.1:0: .*Name an address of this machine"):
            HttpServer(world.app(), "203.0.113.1", 0).start()

    @pytest.mark.parametrize(("host", "url"), [("127.0.0.1", "http://127.0.0.1:9"), ("::1", "http://[::1]:9")])
    def test_its_url_can_be_clicked(self, world, host, url):
        assert HttpServer(world.app(), host, 9).url == url

    def test_the_port_is_free_again_after_stop(self, world):
        port = free_port()
        for _ in range(2):
            server = HttpServer(world.app(), "127.0.0.1", port)
            server.start()
            assert server.alive
            assert server.address == ("127.0.0.1", port)
            server.stop()
            assert not server.alive

    def test_stop_before_start_and_twice(self, world):
        server = HttpServer(world.app(), "127.0.0.1", 0)
        server.stop()
        server.stop()

    @pytest.mark.parametrize(("host", "url"), [("::1", "http://[::1]"), ("", "http://127.0.0.1")])
    def test_other_families(self, world, host, url):
        if not socket.has_dualstack_ipv6():
            lacking("this machine has no IPv6")
        server = HttpServer(world.app(), host, 0)
        server.start()
        assert httpx.get(f"{url}:{server.address[1]}/healthz", trust_env=False).status_code == 200
        server.stop()

    def test_stop_lets_a_request_finish(self, world):
        """A scrape that is under way gets its answer."""
        entered, go_on = threading.Event(), threading.Event()

        def slow(_accept: str, _encoding: str) -> Scrape:
            entered.set()
            go_on.wait(10)
            return SCRAPE

        server = HttpServer(build_app(slow, alive=list, ready=list), "127.0.0.1", 0)
        server.start()
        answers = []
        url = f"http://127.0.0.1:{server.address[1]}/metrics"
        asking = threading.Thread(target=lambda: answers.append(httpx.get(url, trust_env=False, timeout=10)))
        asking.start()
        assert entered.wait(10)
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        go_on.set()
        stopping.join(20)
        asking.join(20)
        assert [answer.content for answer in answers] == [SCRAPE.body]

    def test_a_slow_page_holds_up_no_other(self, world):
        entered, go_on = threading.Event(), threading.Event()

        def slow(_accept: str, _encoding: str) -> Scrape:
            entered.set()
            go_on.wait(10)
            return SCRAPE

        server = HttpServer(build_app(slow, alive=list, ready=list), "127.0.0.1", 0)
        server.start()
        url = f"http://127.0.0.1:{server.address[1]}"
        asking = threading.Thread(target=lambda: httpx.get(url + "/metrics", trust_env=False, timeout=10))
        asking.start()
        assert entered.wait(10)
        assert httpx.get(url + "/healthz", trust_env=False).status_code == 200
        go_on.set()
        asking.join(10)
        server.stop()

    def test_more_connections_than_there_is_room_for_are_turned_away(self, world):
        server = HttpServer(world.app(), "127.0.0.1", 0)
        server.start()
        with contextlib.ExitStack() as idle:
            for _ in range(40):
                idle.enter_context(socket.create_connection(server.address, timeout=10))
            url = f"http://127.0.0.1:{server.address[1]}/healthz"
            assert httpx.get(url, trust_env=False).status_code == 503
        server.stop()

    def test_endless_headers_are_cut_off(self, world):
        server = HttpServer(world.app(), "127.0.0.1", 0)
        server.start()
        with socket.create_connection(server.address, timeout=10) as connection:
            connection.sendall(b"GET /metrics HTTP/1.1\r\nX-Long: " + b"x" * 200_000)
            # Told 400 or cut off: both say no.
            try:
                answer = connection.recv(100)
            except ConnectionError:
                answer = b""
        assert answer == b"" or answer.startswith(b"HTTP/1.1 400")
        server.stop()
