"""What the sink's configuration takes and refuses, and that it never shows a secret."""

from __future__ import annotations

from base64 import b64encode

import pytest
from pydantic import ValidationError

from monitor.sinks.elasticsearch import Config
from monitor.sinks.elasticsearch.settings import credentials_of, in_clear, secrets_of

SECRET = "VuaCfGcBCdbkQm:ui2lp2axTNmsyakw9tvNnw"


def config(**settings):
    return Config(type="elasticsearch", **settings)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"nodes": ["es:9200"]}, "entry 0 is not an address"),
        ({"nodes": ["https://a:9200", "https://b:x"]}, "entry 1 is not an address"),
        ({"nodes": ["https://user:hunter2-hunter2@es:9200"]}, "holds credentials"),
        ({"nodes": ["https://es:9200/?a=b"]}, "query or fragment"),
        ({"nodes": ["https://es:9200"], "cloud_id": "x:y"}, "nodes and cloud_id"),
        ({"username": "u"}, "belong together"),
        ({"password": "hunter2-hunter2"}, "belong together"),
        ({"api_key": SECRET, "bearer_token": SECRET}, "choose one"),
        ({"api_key": SECRET, "username": "u", "password": "hunter2-hunter2"}, "choose one"),
        ({"client_key": "key.pem"}, "client_key needs client_certificate"),
        ({"prefix": "Dify"}, "lower-case"),
        ({"prefix": "dify*"}, "lower-case"),
        ({"prefix": ".dify"}, "lower-case"),
        ({"prefix": ""}, "lower-case"),
        ({"prefix": "logs-dify"}, "Elasticsearch's own templates"),
        ({"prefix": "logs"}, "Elasticsearch's own templates"),
        ({"retention": "1h"}, "greater than or equal"),
        ({"max_bytes": "1KB"}, "greater than or equal"),
    ],
)
def test_what_can_not_work_is_refused(settings, words):
    """With words that name it and no secret."""
    with pytest.raises(ValidationError, match=words) as caught:
        config(**settings)
    assert "hunter2" not in str(caught.value)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({}, ("none", "", "")),
        ({"api_key": SECRET}, ("api_key", SECRET, "")),
        ({"username": "u", "password": "p"}, ("user", "u", "p")),
        ({"bearer_token": SECRET}, ("bearer", SECRET, "")),
    ],
)
def test_one_kind_of_credentials_is_in_force(settings, found):
    assert credentials_of(config(**settings)) == found


def test_secrets_are_known_whole_in_parts_and_encoded():
    key_id, key = SECRET.split(":")
    encoded = b64encode(SECRET.encode()).decode()
    assert secrets_of(config(api_key=SECRET)) == (encoded, SECRET, key, key_id)
    assert {encoded, key, key_id} <= set(secrets_of(config(api_key=encoded)))
    assert secrets_of(config(username="user", password="hunter2")) == ("dXNlcjpodW50ZXIy", "hunter2")
    assert secrets_of(config(bearer_token=SECRET)) == (SECRET,)
    assert secrets_of(config()) == ()
    assert SECRET not in repr(config(api_key=SECRET))


@pytest.mark.parametrize(
    ("settings", "clear"),
    [
        ({"nodes": ["http://es:9200"], "api_key": SECRET}, True),
        ({"nodes": ["https://es:9200"], "api_key": SECRET}, False),
        ({"nodes": ["https://es:9200", "http://es2:9200"], "api_key": SECRET}, True),
        ({"nodes": ["http://localhost:9200", "http://127.0.0.1:9200", "http://[::1]:9200"], "api_key": SECRET}, False),
        ({"nodes": ["http://es:9200"]}, False),
        ({"api_key": SECRET}, False),
        ({"cloud_id": "x:y", "api_key": SECRET}, False),
    ],
)
def test_credentials_in_clear_are_known(settings, clear):
    assert in_clear(config(**settings)) is clear
