"""What stands in the pages' blocks is what it claims to be: configurations validate, rules load, JSON and Python work."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest
import yaml

from monitor.clock import SystemClock
from monitor.config import Settings, load
from monitor.metrics.catalogue import CATALOGUE, OWN_CATALOGUE
from monitor.model import Alert, Evidence, Notification
from monitor.notify import webhook
from monitor.notify.render import as_json
from monitor.ports import Tools
from monitor.rules import parse_rules
from monitor.runtime.registry import rule_kinds
from monitor.runtime.wiring import plan_house
from monitor.testing.servers import LocalServer
from tests.backends.prometheus import promtool
from tests.docs.pages import ROOT, Block, block_ids, blocks

_REFERENCE = re.compile(r"\$\{([A-Z_]+)")
_DATABASE = "postgresql://dify_monitor:secret@127.0.0.1:5432/dify"
_SECRET = "0123456789abcdef"
_SECTIONS = set(Settings.model_fields)


def kind_of(text: str) -> str:
    """What a block of YAML is."""
    data = yaml.safe_load(text)
    if set(data) == {"rules"} and isinstance(data["rules"], list):
        return "rules"
    for name, key in {"prometheus": "scrape_configs", "collector": "receivers", "compose": "services"}.items():
        if key in data:
            return name
    return "configuration" if set(data) <= _SECTIONS else "unknown"


_YAML = blocks("yaml")


def of_kind(name: str) -> list[Block]:
    return [block for block in _YAML if kind_of(block.text) == name]


def test_every_yaml_block_is_something_that_is_checked():
    assert [block_ids(block) for block in of_kind("unknown")] == []
    assert all(of_kind(name) for name in ("configuration", "rules", "prometheus", "collector"))


@pytest.mark.parametrize("block", of_kind("configuration"), ids=block_ids)
def test_configurations_are_right(block, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret").write_text(_SECRET)
    (tmp_path / "rules").mkdir()
    for number, rules in enumerate(each for each in of_kind("rules") if each.page == block.page):
        (tmp_path / "rules" / f"{number}.yaml").write_text(rules.text)
    text = re.sub(r"\$\{file:[^}]*\}", f"${{file:{tmp_path / 'secret'}}}", block.text)
    file = tmp_path / "monitor.yaml"
    file.write_text(text)
    environ = dict.fromkeys(_REFERENCE.findall(text), _SECRET) | {
        "DIFY_DB_URL": _DATABASE,
        "SENTRY_DSN": "https://key@127.0.0.1:1/1",
    }
    loaded = load(file, environ)
    assert plan_house(loaded.settings, loaded.places).adapters["sources"]


@pytest.mark.parametrize("block", of_kind("rules"), ids=block_ids)
def test_rules_are_right(block):
    assert parse_rules(block.text, where=block_ids(block), kinds=rule_kinds())


@pytest.mark.backend("prometheus")
@pytest.mark.parametrize("block", of_kind("prometheus"), ids=block_ids)
def test_scrape_configurations_are_right(block, tmp_path):
    file = tmp_path / "prometheus.yml"
    file.write_text(block.text)
    done = promtool("check", "config", str(file))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("block", of_kind("collector"), ids=block_ids)
def test_collector_pipelines_use_what_is_there(block):
    data = yaml.safe_load(block.text)
    for pipeline in data["service"]["pipelines"].values():
        for part, names in pipeline.items():
            assert set(names) <= set(data[part])


def test_the_compose_file_has_the_image_and_its_volume():
    data = yaml.safe_load((ROOT / "docs/examples/compose/compose.yaml").read_text())
    service = data["services"]["monitor"]
    assert (ROOT / "docs/examples/compose" / service["build"]).resolve() == ROOT
    assert service["read_only"] is True
    assert [each.partition(":")[0] for each in service["volumes"]] == list(data["volumes"])
    assert service["networks"] == list(data["networks"])


@pytest.mark.backend("prometheus")
@pytest.mark.parametrize("block", blocks("promql"), ids=block_ids)
def test_queries_are_queries(block, prometheus):
    assert prometheus.get("query", query=block.text)["resultType"] == "vector"


@pytest.mark.parametrize("block", blocks("promql"), ids=block_ids)
def test_queries_ask_for_metrics_and_labels_that_exist(block):
    known = {each.name: {*each.labels, "le"} for each in (*CATALOGUE, *OWN_CATALOGUE)}
    for name, matchers in re.findall(r"(dify_\w+?)(?:_bucket)?\b(\{[^}]*\})?", block.text):
        assert name in known
        assert set(re.findall(r"(\w+)=", matchers)) <= known[name]


# -- JSON

_NOTIFICATION = Notification(
    id="f-1",
    alert=Alert("f", "r", {"tool": "t"}, "page", "s", "firing", 1, 1, 1.0, (Evidence("k", "t", "s", 1, "failed"),)),
    was="inactive",
    now="firing",
    reason="condition_met",
    at=1,
)


@pytest.mark.parametrize("block", blocks("json"), ids=block_ids)
def test_json_is_json(block):
    json.loads(block.text)


def test_the_webhook_s_json_has_the_fields_that_are_sent():
    (shown,) = [json.loads(block.text) for block in blocks("json") if '"fingerprint"' in block.text]
    sent = json.loads(as_json(_NOTIFICATION))
    assert list(shown) == list(sent)
    assert list(shown["evidence"][0]) == list(sent["evidence"][0])


# -- Python


@pytest.mark.parametrize("block", blocks("python"), ids=block_ids)
def test_python_is_python(block):
    ast.parse(block.text)


def test_the_documented_check_of_a_signature_takes_what_the_webhook_sends():
    (block,) = [each for each in blocks("python") if "is_genuine" in each.text]
    names: dict = {}
    exec(compile(block.text, block_ids(block), "exec"), names)  # our own documentation
    clock = SystemClock()
    with LocalServer() as server:
        config = webhook.Config.model_validate({"type": "webhook", "url": f"{server.url}/", "secret": _SECRET})
        notifier = webhook.build(config, Tools(clock=clock, logger=None, pseudonym=str))
        notifier.notify(_NOTIFICATION)
        notifier.close()
        (request,) = server.requests
    signature, now_s = request.headers["x-monitor-signature"], clock.now_ns() / 1e9
    genuine = names["is_genuine"]
    assert genuine(_SECRET, signature, request.body, now_s)
    assert not genuine(_SECRET, signature, request.body + b" ", now_s)
    assert not genuine("another-secret-0", signature, request.body, now_s)
    assert not genuine(_SECRET, signature, request.body, now_s + 3600)


def test_the_shipped_rule_in_the_pages_is_the_one_that_is_shipped():
    shipped = {
        rule.definition.name
        for file in sorted((ROOT / "alerts").glob("*.yaml"))
        for rule in parse_rules(file.read_text(), where=file.name, kinds=rule_kinds())
    }
    text = "".join(Path(ROOT / name).read_text() for name in ("README.md", "docs/howto/alerts.md"))
    assert set(re.findall(r"\brule (\w+), severity", text)) <= shipped
