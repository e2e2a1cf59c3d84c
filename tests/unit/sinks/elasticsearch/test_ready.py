"""Nothing is written before templates and index are there."""

from __future__ import annotations

import json

import pytest

from monitor.clock import SystemClock
from monitor.errors import Auth
from monitor.sinks.elasticsearch import Config
from monitor.sinks.elasticsearch.connection import Connection
from monitor.sinks.elasticsearch.ready import Indices, origination_ms
from monitor.sinks.elasticsearch.templates import resources
from monitor.testing.laws import WordKeeper
from monitor.testing.servers import Answer
from tests.support.elasticsearch import FakeElasticsearch

NAMES = ("dify-turns-2025.09", "dify-steps-2025.09")


@pytest.fixture
def server():
    with FakeElasticsearch() as server:
        yield server


@pytest.fixture
def words():
    return WordKeeper()


@pytest.fixture
def indices(server, words):
    config = Config(type="elasticsearch", nodes=(server.url,))
    connection = Connection(config, SystemClock())
    yield Indices(config, connection, words)
    connection.close()


def install(server, **settings):
    server.install(*resources(Config(type="elasticsearch", **settings)))


def test_without_templates_everything_waits(server, indices):
    with pytest.raises(Auth, match=r"not installed \(dify-turns, .*monitor setup elasticsearch"):
        indices.make_ready(NAMES)
    assert [seen.method for seen in server.requests] == ["GET"]
    install(server)
    indices.make_ready(NAMES)


def test_a_template_of_somebody_else_is_not_ours(server, indices):
    install(server)
    server.kept["/_index_template/dify-turns"] = {"index_patterns": ["dify-turns-*"]}
    with pytest.raises(Auth, match=r"\(dify-turns\)"):
        indices.check()


def test_an_index_is_made_once_and_its_age_begins_with_the_end_of_its_month(server, indices):
    install(server)
    indices.make_ready(NAMES)
    indices.make_ready(NAMES)
    made = [seen for seen in server.requests if seen.method == "PUT"]
    assert [seen.path for seen in made] == ["/dify-steps-2025.09", "/dify-turns-2025.09"]
    settings = json.loads(made[0].decoded)["settings"]
    assert settings == {"index": {"lifecycle": {"origination_date": 1_759_276_800_000}}}
    assert len(server.requests) == 3


def test_templates_are_looked_at_again_for_a_new_month(server, indices):
    """They may be gone by then, and an index without them would take its mapping from payloads."""
    install(server)
    indices.make_ready(NAMES)
    server.kept.pop("/_index_template/dify-turns")
    indices.make_ready(NAMES)
    with pytest.raises(Auth):
        indices.make_ready(("dify-turns-2025.10",))


def test_an_index_that_is_there_is_fine(server, indices):
    install(server)
    server.answer(Answer(), Answer(400, b'{"error":{"type":"resource_already_exists_exception"},"status":400}'))
    indices.make_ready(NAMES)


def test_an_index_that_can_not_be_made_holds_everything(server, indices):
    install(server)
    server.answer(Answer(), Answer(400, b'{"error":{"type":"validation_exception","reason":"1000 shards"}}'))
    with pytest.raises(Auth, match="1000 shards"):
        indices.make_ready(NAMES)


def test_templates_of_another_version_are_used_and_told(server, indices, words):
    """What they lack is kept in the documents all the same."""
    install(server)
    body = server.kept["/_index_template/dify-turns"]
    server.kept["/_index_template/dify-turns"] = {**body, "_meta": {"digest": "older"}}
    indices.make_ready(NAMES)
    assert [said[1]["templates"] for said in words.said] == ["dify-turns"]
    assert {each.what: each.outcome for each in indices.diagnose()}["templates"] == "warning"


def test_what_doctor_is_told(server, indices):
    found = {each.what: each for each in indices.diagnose()}
    assert (found["server"].outcome, found["server"].detail) == ("ok", "Elasticsearch 8.19.3")
    assert found["templates"].outcome == "problem"
    assert "monitor setup elasticsearch" in found["templates"].remedy
    install(server)
    denied = {
        "has_all_requested": False,
        "cluster": {"monitor": True},
        "index": {"dify-turns-*": {"index": False, "create_index": True}},
    }
    headers = {"x-elastic-product": "Elasticsearch", "content-type": "application/json"}
    server.answer(*[Answer()] * 4, Answer(200, json.dumps(denied).encode(), headers))
    rights = {each.what: each for each in indices.diagnose()}["rights"]
    assert (rights.outcome, rights.detail) == ("problem", "missing: index on dify-turns-*")
    assert '"create_index"' in rights.remedy
    server.answer(Answer(), Answer(200, json.dumps(denied).encode(), headers))
    with pytest.raises(Auth, match=r"index on dify-turns-\*"):
        indices.check()


def test_a_policy_that_may_not_be_seen_is_no_problem(server, indices):
    """Sending needs no right to it."""
    install(server)
    server.answer(*[Answer()] * 3, Answer(403, b"security_exception"), Answer())
    found = {each.what: each for each in indices.diagnose()}["lifecycle policy"]
    assert (found.outcome, "read_ilm" in found.detail) == ("ok", True)


@pytest.mark.parametrize("status", [400, 404, 405, 500])
def test_without_security_there_are_no_rights_to_lack(server, indices, status):
    install(server)
    server.answer(Answer(), Answer(status, b"no handler found"))
    indices.check()


@pytest.mark.parametrize(
    ("month", "ms"), [("2025.09", 1_759_276_800_000), ("2024.02", 1_709_251_200_000), ("2025.12", 1_767_225_600_000)]
)
def test_the_end_of_a_month(month, ms):
    assert origination_ms(month) == ms
