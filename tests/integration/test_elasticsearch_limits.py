"""The `elasticsearch` sink at real servers' limits: too large, too busy, behind certificates, with tokens, dead nodes.

The servers have little room: requests of at most 64 kB, and 40 kB of documents at work. They ask for a certificate, and
have a licence with tokens.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from monitor.clock import SystemClock
from monitor.errors import Auth, Retryable
from monitor.model import StepEnded
from monitor.ports import Tools
from monitor.sinks import elasticsearch as elasticsearch_sink
from monitor.sinks.elasticsearch import setup
from monitor.testing import samples
from monitor.testing.laws import WordKeeper
from monitor.testing.servers import refused_url
from tests.backends.elasticsearch import ADMIN, Elasticsearch

_TLS = Path(__file__).parents[1] / "unit" / "sinks" / "tls"
_AUTHORITY = {"certificate": str(_TLS / "ca.pem")}
_CLIENT = {"client_certificate": str(_TLS / "client.pem"), "client_key": str(_TLS / "client.key")}
_KIB = 1024
_LARGEST_REQUEST, _MOST_AT_WORK = 64 * _KIB, 40 * _KIB
_SETTINGS = {
    "http.max_content_length": f"{_LARGEST_REQUEST}b",
    "indexing_pressure.memory.limit": f"{_MOST_AT_WORK}b",
    "xpack.license.self_generated.type": "trial",
    "xpack.security.authc.token.enabled": "true",
}
_NUMBERS = count()


@pytest.fixture(scope="module", params=[8, 9])
def server(request, elasticsearch) -> Elasticsearch:
    tls = (_TLS / "ca.pem", _TLS / "server.pem", _TLS / "server.key")
    return elasticsearch(request.param, settings=_SETTINGS, tls=tls)


class Sinks:
    """Sinks of one prefix whose templates are installed."""

    def __init__(self, server: Elasticsearch) -> None:
        self.server, self.prefix = server, f"l{next(_NUMBERS)}"
        self.made: list = []

    def config(self, **settings):
        known = {} if "bearer_token" in settings else {"username": ADMIN[0], "password": ADMIN[1]}
        given = {"type": "elasticsearch", "nodes": (self.server.url,), "prefix": self.prefix, "replicas": 0}
        return elasticsearch_sink.Config(**(given | _AUTHORITY | _CLIENT | known | settings))

    def install(self) -> None:
        connection = setup.connected(self.config())
        list(setup.apply(connection, self.config(), setup.plan(connection, self.config())))
        connection.close()

    def sink(self, **settings):
        tools = Tools(clock=SystemClock(), logger=WordKeeper(), pseudonym=str)
        self.made.append(elasticsearch_sink.build(self.config(**settings), tools))
        return self.made[-1]

    def count(self) -> int:
        return len(self.server.documents(f"{self.prefix}-*"))


@pytest.fixture
def sinks(server) -> Iterator[Sinks]:
    made = Sinks(server)
    made.install()
    yield made
    for sink in made.made:
        sink.close()
    server.clear(made.prefix)


def steps(number, *, size=10):
    """Steps of one turn, each with an output of so many letters."""
    turn = samples.turn_ref()
    found = [StepEnded(turn=turn, step=samples.tool_step(turn, id=f"step-{at:03d}")) for at in range(number)]
    return [samples.recorded(body, seq=seq, content={"output": "x" * size}) for seq, body in enumerate(found)]


def send(sink, events):
    return sink.send([sink.encode(each) for each in events], [each.seq for each in events])


def until_taken(sink, events, attempts=20):
    """The report, and why it had to be sent again before that, as the shipper does after a while."""
    reasons: list[str] = []
    for _ in range(attempts):
        try:
            return send(sink, events), reasons
        except Retryable as error:
            reasons.append(error.reason)
    raise AssertionError(f"it never takes them: {reasons}")


def test_requests_shrink_until_the_server_takes_them(sinks):
    """413 halves a request at once, 429 makes the shipper wait; no document is lost, doubled or refused for either."""
    events = steps(200, size=100)
    sink = sinks.sink(content="full")
    report, reasons = until_taken(sink, events)
    assert (report.accepted, report.rejected) == (len(events), ())
    assert set(reasons) == {"rate_limited"}
    assert sinks.count() == len(events)


def test_only_a_document_that_is_too_large_by_itself_is_refused(sinks):
    events = [
        *steps(3),
        *(samples.recorded(each.event.body, seq=3, content=each.event.content) for each in steps(4, size=70_000)[3:]),
    ]
    report, _ = until_taken(sinks.sink(content="full"), events)
    assert [(each.seq, each.reason) for each in report.rejected] == [(3, "too_large")]
    assert sinks.count() == 3


@pytest.mark.parametrize(
    ("do", "undo"),
    [
        (("PUT", "_settings", {"index.blocks.write": True}), ("PUT", "_settings", {"index.blocks.write": False})),
        (
            ("PUT", "_settings", {"index.blocks.read_only_allow_delete": True}),
            ("PUT", "_settings", {"index.blocks.read_only_allow_delete": None}),
        ),
        (("POST", "_close", None), ("POST", "_open", None)),
    ],
    ids=["block by hand", "block by a full disk", "closed"],
)
def test_an_index_that_takes_nothing_is_no_documents_fault(sinks, do, undo):
    """Everything waits, and arrives once the index is open again; nothing is refused for it."""
    sink = sinks.sink()
    assert send(sink, steps(2)).accepted == 2
    (index,) = sinks.server.ask("GET", f"/{sinks.prefix}-*")
    sinks.server.ask(do[0], f"/{index}/{do[1]}", do[2])
    with pytest.raises((Auth, Retryable)):
        send(sink, steps(4))
    sinks.server.ask(undo[0], f"/{index}/{undo[1]}", undo[2])
    report, _ = until_taken(sink, steps(4))
    assert (report.accepted, report.rejected) == (4, ())
    assert sinks.count() == 4


def test_a_certificate_is_shown_and_asked_for(sinks):
    """Without the authority's file the server is a stranger; without ours we are."""
    assert send(sinks.sink(), steps(2)).accepted == 2
    with pytest.raises(Auth, match="certificate"):
        send(sinks.sink(certificate=""), steps(2))
    with pytest.raises(Retryable):
        send(sinks.sink(client_certificate="", client_key=""), steps(2))


def test_a_bearer_token_says_who_it_is(sinks):
    """Of a user, and of a service account, which may not write here, and hears just that."""
    login = {"grant_type": "password", "username": ADMIN[0], "password": ADMIN[1]}
    token = sinks.server.ask("POST", "/_security/oauth2/token", login)["access_token"]
    sink = sinks.sink(bearer_token=token)
    sink.check()
    assert send(sink, steps(2)).accepted == 2
    account = f"/_security/service/elastic/fleet-server/credential/token/{sinks.prefix}"
    service = sinks.server.ask("POST", account)["token"]["value"]
    with pytest.raises(Auth, match="lacks rights: create_index on"):
        sinks.sink(bearer_token=service).check()
    with pytest.raises(Auth, match="elastic/fleet-server"):
        send(sinks.sink(bearer_token=service), steps(2))
    with pytest.raises(Auth, match="401"):
        sinks.sink(bearer_token="no-token-of-yours").check()


def test_a_dead_node_costs_one_attempt(sinks):
    """What follows goes to the one that lives; now and then it is asked again whether the other is back."""
    sink = sinks.sink(nodes=(refused_url().replace("http:", "https:"), sinks.server.url))
    failures = []
    for _ in range(6):
        report, reasons = until_taken(sink, steps(4))
        assert report.accepted == 4
        failures.append(reasons)
    assert all(reasons in ([], ["network"]) for reasons in failures)
    assert failures.count([]) >= 3
