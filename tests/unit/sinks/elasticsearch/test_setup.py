"""Installing: once, in order, and nothing twice."""

from __future__ import annotations

import json

import pytest

from monitor.errors import Auth
from monitor.sinks.elasticsearch import Config
from monitor.sinks.elasticsearch.setup import apply, connected, plan, printed
from monitor.testing.servers import Answer
from tests.support.elasticsearch import FakeElasticsearch


@pytest.fixture
def server():
    with FakeElasticsearch() as server:
        yield server


def install(server, **settings):
    config = Config(type="elasticsearch", nodes=(server.url,), **settings)
    connection = connected(config)
    try:
        return list(apply(connection, config, plan(connection, config)))
    finally:
        connection.close()


def puts(server):
    return [seen.path for seen in server.requests if seen.method == "PUT"]


def test_it_installs_everything_once(server):
    config = Config(type="elasticsearch")
    lines = install(server)
    assert [line.split()[0] for line in lines] == ["created"] * 7
    assert puts(server) == [each["path"] for each in printed(config)["requests"]]
    assert [line.split()[0] for line in install(server)] == ["unchanged"] * 7
    assert len(puts(server)) == 7


def test_only_what_differs_is_updated(server):
    install(server)
    lines = install(server, retention="30d")
    assert [line.split()[2] for line in lines if line.startswith("unchanged")] == ["dify-settings", "dify-mappings"]
    assert puts(server)[7] == "/_ilm/policy/dify-lifecycle"
    assert len(puts(server)) == 12


def test_new_fields_reach_the_indices_that_are_there(server):
    install(server)
    lines = install(server, content_index="text")
    assert lines[-1].startswith("updated    indices")
    path = puts(server)[-1]
    assert path.startswith("/dify-turns-*,dify-steps-*,dify-notes-*,dify-alerts-*/_mapping")


def test_a_type_that_can_not_change_holds_from_the_next_month_on(server):
    install(server)
    server.answer(*[Answer()] * 12, Answer(400, b"can't change [index] from [false] to [true]"))
    assert "next month" in install(server, content_index="text")[-1]


def test_a_refusal_is_told(server):
    server.answer(Answer(403, b"action [cluster:admin/ilm/put] is unauthorized"))
    with pytest.raises(Auth, match="cluster:admin/ilm/put"):
        install(server)


def test_what_is_printed_can_be_sent_by_hand():
    told = printed(Config(type="elasticsearch", prefix="acme", api_key="ZW5jb2RlZA=="))
    assert [each["method"] for each in told["requests"]] == ["PUT"] * 7
    assert told["sink_role"]["indices"][0]["privileges"] == ["create_index", "index"]
    assert "ZW5jb2RlZA" not in json.dumps(told)
