"""`monitor setup elasticsearch`: what it installs, says and refuses."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from monitor.cli.setup import command
from monitor.errors import ConfigError
from tests.support.elasticsearch import FakeElasticsearch

SECRET = "c2luay1rZXktc2VjcmV0"
KEY = "c2V0dXAta2V5LXNlY3JldA=="


@pytest.fixture
def server():
    with FakeElasticsearch() as server:
        yield server


def write(tmp_path, *sinks):
    (tmp_path / "monitor.yaml").write_text(json.dumps({"sinks": list(sinks)}))


def sink(url="http://127.0.0.1:1", **settings):
    return {"type": "elasticsearch", "nodes": [url], "api_key": SECRET, **settings}


def invoke(*args, **env):
    return CliRunner().invoke(command, ["elasticsearch", *args], env=env)


def test_it_installs_and_says_so_and_can_be_run_again(tmp_path, server):
    write(tmp_path, {"type": "file", "path": "x"}, sink(server.url))
    result = invoke()
    assert (result.exit_code, result.exception) == (0, None)
    assert result.output.splitlines()[0] == "created    policy     dify-lifecycle"
    assert "template   dify-alerts" in result.output
    again = invoke().output.splitlines()
    assert {line.split()[0] for line in again} == {"unchanged"}
    assert server.requests[0].headers["authorization"] == f"ApiKey {SECRET}"


def test_a_dry_run_changes_nothing(tmp_path, server):
    write(tmp_path, sink(server.url))
    result = invoke("--dry-run")
    assert result.output.splitlines()[0] == "would create   policy     dify-lifecycle"
    assert {seen.method for seen in server.requests} == {"GET"}
    invoke()
    assert {line.split()[0] for line in invoke("--dry-run").output.splitlines()} == {"unchanged"}


def test_print_connects_to_nothing(tmp_path):
    write(tmp_path, sink(prefix="acme"), sink(name="second"))
    result = invoke("--print")
    first, second = json.loads(result.output)
    assert (first["sink"], second["sink"]) == ("elasticsearch", "second")
    assert first["requests"][0]["path"] == "/_ilm/policy/acme-lifecycle"
    assert first["setup_role"]["cluster"] == ["manage_ilm", "manage_index_templates", "monitor"]
    assert SECRET not in result.output


@pytest.mark.parametrize(
    ("env", "header"),
    [
        ({"ELASTICSEARCH_SETUP_API_KEY": KEY}, f"ApiKey {KEY}"),
        ({"ELASTICSEARCH_SETUP_USER": "u", "ELASTICSEARCH_SETUP_PASSWORD": "p"}, "Basic dTpw"),
    ],
)
def test_it_may_have_more_rights_than_the_sink(tmp_path, server, env, header):
    write(tmp_path, sink(server.url))
    assert invoke(**env).exit_code == 0
    assert {seen.headers["authorization"] for seen in server.requests} == {header}


@pytest.mark.parametrize(
    ("sinks", "args", "env", "words"),
    [
        ([{"type": "file", "path": "x"}], (), {}, "no elasticsearch sink in the configuration"),
        ([sink()], ("--sink", "other"), {}, "There is elasticsearch"),
        ([sink(prefix="Logs")], (), {}, r"sinks\[0\]\.prefix"),
        ([sink()], (), {"ELASTICSEARCH_SETUP_USER": "u"}, "belong together"),
        (
            [sink()],
            (),
            {
                "ELASTICSEARCH_SETUP_API_KEY": KEY,
                "ELASTICSEARCH_SETUP_USER": "u",
                "ELASTICSEARCH_SETUP_PASSWORD": "p",
            },
            "choose one",
        ),
    ],
)
def test_what_is_wrong_is_told(tmp_path, sinks, args, env, words):
    write(tmp_path, *sinks)
    result = invoke(*args, **env)
    with pytest.raises(ConfigError, match=words) as caught:
        raise result.exception
    assert SECRET not in str(caught.value)


def test_print_and_dry_run_do_not_go_together(tmp_path):
    write(tmp_path, sink())
    assert invoke("--print", "--dry-run").exit_code == 2
