"""The `sentry` sink's configuration: what it takes, and that a DSN shows nowhere."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from monitor.sinks.sentry import Config
from monitor.sinks.sentry.settings import dsn_of

KEY = "3b1c5e0f9a7d4e6f8b2a1c0d9e8f7a6b"
DSN = f"https://{KEY}@sentry.example.com/42"


@pytest.mark.parametrize(
    ("dsn", "url"),
    [
        (DSN, "https://sentry.example.com/api/42/envelope/"),
        (f"https://{KEY}@o1.ingest.sentry.io/4507", "https://o1.ingest.sentry.io/api/4507/envelope/"),
        (f"http://{KEY}:5ecret@10.0.0.7:9000/under/path/7", "http://10.0.0.7:9000/under/path/api/7/envelope/"),
        (f"http://{KEY}@[::1]:8000/1", "http://[::1]:8000/api/1/envelope/"),
    ],
)
def test_a_dsn_says_where_envelopes_go(dsn, url):
    found = dsn_of(dsn)
    assert found.url == url
    assert f"sentry_key={KEY}" in found.header
    assert found.header.startswith("Sentry sentry_version=7, sentry_client=dify-monitor/")
    assert ("sentry_secret=5ecret" in found.header) == ("5ecret" in dsn)
    assert KEY not in repr(found)


@pytest.mark.parametrize(
    "dsn",
    ["", "sentry", "https://sentry.example.com/42", f"https://{KEY}@sentry.example.com/", f"ftp://{KEY}@a.example/1",
     f"https://{KEY}@/1", f"https://{KEY}@a.example:x/1", f"https://a b{KEY}@a.example/1", f"https://{KEY}@a.example/1\n",
     f"https://{KEY}@[::1/1"],
)  # fmt: skip
def test_what_is_no_dsn_is_refused_and_not_shown(dsn):
    with pytest.raises(ValidationError) as caught:
        Config(type="sentry", dsn=dsn)
    assert "must be a DSN such as" in str(caught.value)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"replay_url": "https://a.example/{user}"}, "can name"),
        ({"replay_url": "https://a.example/{turn_id!r}"}, "can name"),
        ({"replay_url": "https://a.example/{"}, "brace"),
        ({"replay_url": "javascript:{turn_id}"}, "must be an address"),
        ({"what": []}, "at least 1"),
        ({"what": ["logs"]}, "failures"),
        ({"max_age": "31d"}, "less than or equal"),
        ({"heartbeat_every": "30s"}, "greater than or equal"),
        ({"heartbeat_every": "90s"}, "multiple"),
        ({"heartbeat": "Not a slug"}, "pattern"),
        ({"sample": [{"then": 1.5}]}, "less than or equal"),
        ({"sample": [{"app": "x"}]}, "Field required"),
    ],
)
def test_settings_that_cannot_work_are_refused(changes, problem):
    with pytest.raises(ValidationError, match=problem):
        Config(type="sentry", dsn=DSN, **changes)


def test_names_are_made_fit_for_sentry():
    """Sentry refuses an environment with spaces or slashes, and a release with slashes."""
    config = Config(type="sentry", dsn=DSN, deployment_environment="my prod/eu", release="dify @1/9\n2")
    assert (config.environment, config.release_name) == ("my-prod-eu", "dify-@1-9-2")


def test_the_dsn_is_in_no_repr():
    assert KEY not in repr(Config(type="sentry", dsn=DSN))
