"""How the client is used: credentials, several nodes, TLS, and which error says what."""

from __future__ import annotations

import base64
import ssl
from pathlib import Path

import pytest

from monitor.clock import SystemClock
from monitor.errors import Auth, ConfigError, Retryable
from monitor.sinks.elasticsearch import Config
from monitor.sinks.elasticsearch.connection import Connection
from monitor.testing.servers import Answer, LocalServer, refused_url
from tests.support.elasticsearch import FakeElasticsearch

TLS = Path(__file__).parents[1] / "tls"


@pytest.fixture
def server():
    with FakeElasticsearch() as server:
        yield server


@pytest.fixture
def connected():
    made: list[Connection] = []

    def connect(*nodes, **settings):
        made.append(Connection(Config(type="elasticsearch", nodes=nodes, **settings), SystemClock()))
        return made[-1]

    yield connect
    for each in made:
        each.close()


def ask(connection):
    return connection.run(lambda client: client.info()).body["version"]["number"]


@pytest.mark.parametrize(
    ("settings", "header"),
    [
        ({"api_key": "ZW5jb2RlZA=="}, "ApiKey ZW5jb2RlZA=="),
        ({"api_key": "id:key-0123456789"}, f"ApiKey {base64.b64encode(b'id:key-0123456789').decode()}"),
        ({"username": "u", "password": "p:w"}, f"Basic {base64.b64encode(b'u:p:w').decode()}"),
        ({"bearer_token": "t0ken-0123456789"}, "Bearer t0ken-0123456789"),
        ({}, None),
    ],
)
def test_it_says_who_it_is(server, connected, settings, header):
    ask(connected(server.url, **settings))
    assert server.requests[0].headers.get("authorization") == header


def test_a_node_that_is_away_is_left_for_another(server, connected):
    """One attempt, one node: nothing is retried here, and the next attempt does not go to the same."""
    connection = connected(refused_url(), server.url)
    answers = []
    for _ in range(4):
        try:
            answers.append(ask(connection))
        except Retryable as error:
            answers.append(error.reason)
    assert answers.count("network") <= 1
    assert answers[-1] == "8.19.3"
    assert len(server.requests) == len(answers) - answers.count("network")


def test_a_path_before_the_api_is_kept(server, connected):
    """Such as behind a reverse proxy."""
    server.answer(Answer(503))
    with pytest.raises(Retryable, match="/search"):
        ask(connected(f"{server.url}/search"))
    assert server.requests[0].path == "/search/"


def test_a_cloud_id_is_an_address(connected):
    """Of the form name:base64(host$cluster$kibana)."""
    cloud_id = f"mine:{base64.b64encode(b'cloud.invalid$abc$def').decode()}"
    with pytest.raises(Retryable):
        ask(connected(cloud_id=cloud_id))
    with pytest.raises(ConfigError, match="cloud_id"):
        connected(cloud_id="not one")


def test_certificates_are_checked_against_the_file(connected):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "server.pem", TLS / "server.key")
    context.load_verify_locations(TLS / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    headers = {"x-elastic-product": "Elasticsearch", "content-type": "application/json"}
    known = {"certificate": f"{TLS / 'ca.pem'}"}
    ours = {"client_certificate": f"{TLS / 'client.pem'}", "client_key": f"{TLS / 'client.key'}"}
    with LocalServer(context) as server:
        server.answer(Answer(200, b'{"version": {"number": "9.5.3"}}', headers))
        assert ask(connected(server.url, **known, **ours)) == "9.5.3"
        with pytest.raises(Auth, match="certificate"):
            ask(connected(server.url, **ours))
        with pytest.raises(Retryable):
            ask(connected(server.url, **known))


def test_files_that_can_not_be_read_are_told_at_the_start(connected):
    with pytest.raises(ConfigError, match=r"nowhere\.pem"):
        connected("https://127.0.0.1:1", certificate="nowhere.pem")


def test_a_refusal_is_repeated_in_its_own_words_without_secrets(server, connected):
    server.answer(Answer(401, b"unable to authenticate ", {"content-type": "application/json"}, echo="authorization"))
    with pytest.raises(Auth, match="unable to authenticate ApiKey") as caught:
        ask(connected(server.url, api_key="ZW5jb2RlZA=="))
    assert "ZW5jb2RlZA" not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("API key: apikey authentication for id VuaC encountered a failure", Retryable),
        ("API key: unable to find apikey with id VuaC", Auth),
    ],
)
def test_a_server_that_can_not_check_a_key_yet_is_waited_for(server, connected, said, kind):
    """Such as one that has just started, whose own indices are not there yet."""
    body = f'{{"error":{{"type":"security_exception","additional_unsuccessful_credentials":"{said}"}},"status":401}}'
    server.answer(Answer(401, body.encode()))
    with pytest.raises(kind):
        ask(connected(server.url, api_key="id:key-0123456789"))


def test_warnings_of_the_server_are_nobodys_news(connected):
    """The client would make Python warnings of them, one for each request."""
    headers = {
        "x-elastic-product": "Elasticsearch",
        "content-type": "application/json",
        "warning": '299 Elasticsearch-8.19.3-abc "this is deprecated"',
    }
    with LocalServer() as server:
        server.answer(Answer(200, b'{"version": {"number": "8.19.3"}}', headers))
        assert ask(connected(server.url)) == "8.19.3"


def test_it_can_be_closed_and_used_again(server, connected):
    connection = connected(server.url, api_key="ZW5jb2RlZA==")
    for _ in range(2):
        assert ask(connection) == "8.19.3"
        connection.close()
        connection.close()
    assert repr(connection) == f"Connection({server.url})"
