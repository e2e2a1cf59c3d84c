"""`monitor setup kibana`: what it writes, prints, imports and refuses. Kibana is a stand-in after its documentation."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from monitor.cli.setup import command
from monitor.errors import Auth, ConfigError, Permanent
from monitor.testing.servers import Answer, LocalServer

KEY, PASSWORD = "a2liYW5hLWtleS1pcy1zZWNyZXQ=", "kibana-password"
OBJECTS = 19


def taken(count=OBJECTS, errors=()):
    told = {"success": not errors, "successCount": count, "errors": list(errors)}
    return Answer(200, json.dumps(told).encode(), {"content-type": "application/json"})


@pytest.fixture
def kibana():
    with LocalServer() as server:
        server.answer(taken())
        yield server


@pytest.fixture(autouse=True)
def configured(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, {"prefix": "dify"})
    return tmp_path


def write(folder, *sinks):
    entries = [{"type": "elasticsearch", "name": f"sink {number}", **each} for number, each in enumerate(sinks)]
    (folder / "monitor.yaml").write_text(json.dumps({"sinks": entries}))


def invoke(*args, **env):
    result = CliRunner().invoke(command, ["kibana", *args], env=env)
    assert KEY not in result.output + str(result.exception)
    assert PASSWORD not in result.output + str(result.exception)
    return result


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


def test_a_file_is_written_for_the_prefix(configured):
    write(configured, {"prefix": "acme"})
    result = invoke("--output", "acme.ndjson", "--space", "ops")
    assert (result.exit_code, result.output) == (0, "written  acme.ndjson\n")
    found = lines((configured / "acme.ndjson").read_text())
    assert found[0]["id"] == "acme.turns.ops"
    assert found[0]["attributes"]["title"] == "acme-turns"


def test_two_prefixes_are_in_one_file_and_one_prefix_once(configured):
    write(configured, {"prefix": "acme"}, {"prefix": "dify"}, {"prefix": "acme"})
    found = lines(invoke("--print").output)
    assert len({each["id"] for each in found}) == len(found) == 2 * OBJECTS
    assert len(lines(invoke("--print", "--sink", "sink 1").output)) == OBJECTS


def test_it_is_imported_as_the_api_wants_it(kibana):
    result = invoke("--url", f"{kibana.url}/base/", "--space", "ops", KIBANA_API_KEY=KEY)
    assert (result.exit_code, result.exception) == (0, None)
    assert result.output.splitlines()[0] == "imported  index-pattern  dify-turns"
    assert len(result.output.splitlines()) == OBJECTS
    (request,) = kibana.requests
    assert (request.method, request.path) == ("POST", "/base/s/ops/api/saved_objects/_import?overwrite=true")
    assert request.headers["kbn-xsrf"] == "true"
    assert request.headers["authorization"] == f"ApiKey {KEY}"
    assert file_in(request) == invoke("--print", "--space", "ops").output


def file_in(request) -> str:
    """The file, out of the form in which it was sent, as RFC 7578 has it."""
    kind, _, boundary = request.headers["content-type"].partition("; boundary=")
    assert kind == "multipart/form-data"
    empty, part, end = request.body.decode().split(f"--{boundary}")
    assert (empty, end) == ("", "--\r\n")
    head, _, text = part.partition("\r\n\r\n")
    assert 'name="file"; filename="dify.ndjson"' in head
    return text.removesuffix("\r\n")


def test_a_user_may_import_too(kibana):
    assert invoke("--url", kibana.url, KIBANA_USER="u", KIBANA_PASSWORD=PASSWORD).exit_code == 0
    (request,) = kibana.requests
    assert request.path == "/api/saved_objects/_import?overwrite=true"
    assert request.headers["authorization"].startswith("Basic ")


def test_a_dry_run_connects_to_nothing():
    result = invoke("--url", "http://127.0.0.1:1", "--dry-run")
    assert result.exit_code == 0
    assert {line.split()[0] for line in result.output.splitlines()} == {"would"}


MISSING = {"type": "missing_references", "references": [{"type": "index-pattern", "id": "dify.turns"}]}


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (
            taken(18, [{"type": "dashboard", "id": "dify.app", "error": MISSING}]),
            Permanent,
            r"18 of 19 objects were imported: dashboard dify\.app \(missing_references dify\.turns\)",
        ),
        (taken(0, [{"type": "search", "id": str(number)} for number in range(9)]), Permanent, "and 4 more"),
        (taken(7), Permanent, "7 of 19 objects"),
        (Answer(200, b"<html>"), Permanent, "is this Kibana"),
        (Answer(200, b"[]"), Permanent, "does not say what became"),
        (Answer(401, b'{"message":"no"}', echo="authorization"), Auth, "answered 401"),
        (Answer(404, b""), Auth, "answered 404"),
        (Answer(400, b'{"message":"Invalid space"}', echo="authorization"), Permanent, "Invalid space"),
    ],
)
def test_what_kibana_refuses_is_an_error(kibana, answer, error, words):
    kibana.answer(answer)
    result = invoke("--url", kibana.url, KIBANA_API_KEY=KEY)
    assert "imported  " not in result.output
    with pytest.raises(error, match=words):
        raise result.exception


@pytest.mark.parametrize(
    ("url", "env", "words"),
    [
        ("http://127.0.0.1:1", {"KIBANA_USER": "u"}, "belong together"),
        ("http://h:1", {"KIBANA_API_KEY": KEY, "KIBANA_USER": "u", "KIBANA_PASSWORD": PASSWORD}, "choose one"),
        (f"https://u:{PASSWORD}@host", {}, "holds credentials"),
        ("kibana:5601", {}, "not an address"),
        ("http://host:x", {}, "not an address"),
        ("https://host/?space=x", {}, "--space"),
    ],
)
def test_wrong_settings_are_told(url, env, words):
    result = invoke("--url", url, "--dry-run", **env)
    with pytest.raises(ConfigError, match=words):
        raise result.exception


@pytest.mark.parametrize(
    "args",
    [
        (),
        ("--print", "--output", "x"),
        ("--print", "--dry-run"),
        ("--print", "--space", "A/B"),
        ("--print", "--certificate", "x"),
    ],
)
def test_what_does_not_go_together(args):
    assert invoke(*args).exit_code == 2


def test_credentials_in_clear_are_warned_of():
    assert "use https" in invoke("--url", "http://kibana:5601", "--dry-run", KIBANA_API_KEY=KEY).output
    assert "use https" not in invoke("--url", "https://kibana:5601", "--dry-run", KIBANA_API_KEY=KEY).output


def test_a_file_that_cannot_be_written_is_told():
    result = invoke("--output", "no/such/folder.ndjson")
    with pytest.raises(ConfigError, match="can't be written"):
        raise result.exception
