from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Annotated, Literal

import pytest
from pydantic import BeforeValidator, SecretStr, ValidationError
from structlog.testing import capture_logs

from monitor.clock import SystemClock
from monitor.config import Places, Settings, load
from monitor.config.problems import explain
from monitor.errors import ConfigError
from monitor.model import AppPolicy, MaskPattern, Redaction
from monitor.model.units import duration_ns
from monitor.ports import AdapterConfig
from monitor.runtime.pseudonym import KEY_FILE, kept_key, pseudonyms
from monitor.runtime.rulebook import shipped_rules
from monitor.runtime.wiring import build_house, plan_house
from monitor.sinks import elasticsearch, file, sentry

RULE = """\
rules:
  - name: {name}
    kind: consecutive
    count: 3
    group_by: [tool]
    summary: "{{tool}} fails"
"""


class Built:
    """An adapter that only remembers."""

    def __init__(self, config, tools):
        self.name, self.config, self.tools, self.closed = config.label, config, tools, 0

    def close(self):
        self.closed += 1


class Good(ModuleType):
    """An adapter's module; remembers what it built."""

    class Config(AdapterConfig):
        """Settings of a kind that sinks have."""

        type: Literal["good"]
        url: SecretStr = SecretStr("x")
        timeout: Annotated[int, BeforeValidator(duration_ns)] = 0
        service_name: str = "unset"
        deployment_environment: str = ""

    def __init__(self, name):
        super().__init__(name)
        self.built = []

    def build(self, config, tools):
        self.built.append(Built(config, tools))
        return self.built[-1]


class Bad(ModuleType):
    """An adapter that finds out late that its settings can't work."""

    class Config(AdapterConfig):
        """Settings that decide how it fails."""

        type: Literal["bad"]
        variable: str = ""

    def build(self, config, tools):
        if config.variable:
            raise ConfigError("no number", where=config.variable)
        raise ConfigError("is not there", path="tls.certificate", value="x.pem", remedy="Look again.")


KINDS = {"sources": {"good": "good_adapter"}, "sinks": {"good": "good_adapter", "bad": "bad_adapter"}, "notifiers": {}}


@pytest.fixture
def good(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = Good("good_adapter")
    monkeypatch.setitem(sys.modules, "good_adapter", module)
    monkeypatch.setitem(sys.modules, "bad_adapter", Bad("bad_adapter"))
    return module


def settings(**more):
    return Settings.model_validate({"sources": [{"type": "good"}], **more})


def house(**more):
    return build_house(settings(**more), SystemClock(), kinds=KINDS)


def refused(places=None, **more):
    with pytest.raises(ConfigError) as caught:
        plan_house(settings(**more), places, KINDS)
    return str(caught.value)


def test_sections_become_objects_in_their_order(good):
    built = house(sinks=[{"type": "good", "name": "b", "timeout": "5s"}, {"type": "good", "name": "a"}])
    assert [sink.name for sink in built.sinks] == ["b", "a"]
    assert [config.label for config in built.configs["sinks"]] == ["b", "a"]
    assert built.sinks[0].config.timeout == 5_000_000_000
    assert built.sources[0].name == "good"
    assert built.journal_path == Path("journal")
    assert [rule.definition.name for rule in built.rules] == [
        rule.definition.name for rule in plan_house(settings(), kinds=KINDS).rules
    ]


def test_tools_carry_clock_logger_and_pseudonyms(good):
    built = house(pseudonym_key="0123456789abcdef")
    tools = built.sources[0].tools
    assert tools.clock is built.clock
    assert tools.pseudonym("u") == pseudonyms(SecretStr("0123456789abcdef"))("u")
    with capture_logs() as logs:
        tools.logger.info("hello")
    assert logs == [{"event": "hello", "log_level": "info", "source": "good"}]


def test_dify_is_called_as_the_service_says_unless_the_sink_says_otherwise(good):
    sinks = [{"type": "good", "name": "a"}, {"type": "good", "name": "b", "service_name": "mine"}]
    built = house(sinks=sinks, service={"name": "shop", "environment": "prod"})
    assert [sink.config.service_name for sink in built.sinks] == ["shop", "mine"]
    assert [sink.config.deployment_environment for sink in built.sinks] == ["prod", "prod"]


def test_without_a_source_the_fix_is_shown(good):
    said = refused(sources=[])
    assert "there is no source" in said
    assert "DIFY_DB_URL=postgresql://" in said
    assert 'sources:\n    - {type: dify_database, url: "${DIFY_DB_URL}"}' in said


@pytest.mark.parametrize(
    ("sinks", "said"),
    [
        ([{"type": "goood"}], "f:9: sinks[0].type: there is no such type of sink (got 'goood'). Did you mean good?"),
        ([{"type": "kafka"}], "There is bad, good."),
        ([{"type": 5}], "f:9: sinks[0].type: there is no such type of sink (got 5)."),
        ([{}], "f:9: sinks[0]: `type` is missing. Types: bad, good."),
        ([{"type": "good", "timeout": "5 x"}], "f:9: sinks[0].timeout: not a duration: '5 x'"),
        ([{"type": "good", "timeot": "5s"}], "f:9: sinks[0].timeot: there is no such setting. Did you mean timeout?"),
        (
            [{"type": "good"}, {"type": "good"}],
            "f:9: sinks[1]: two sinks are called good. Give each a `name:` of its own.",
        ),
    ],
)
def test_a_wrong_section_is_told_in_its_place(good, sinks, said):
    assert said in refused(Places(file="f", lines={(): 1, ("sinks",): 9}), sinks=sinks)


def test_a_source_and_a_sink_may_share_a_name(good):
    assert house(sinks=[{"type": "good"}]).sinks[0].name == "good"


def test_all_mistakes_are_told_at_once_and_nothing_is_built(good):
    lines = refused(
        sources=[{"type": "x"}], sinks=[{"type": "good", "url": 5}, {}], rules={"paths": ["no"]}
    ).splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        "sources[0].type",
        "sinks[0].url",
        "sinks[1]",
        "rules.paths[0]",
    ]
    assert good.built == []


def test_no_secret_in_a_message(good):
    said = refused(sinks=[{"type": "good", "url": ["hunter2"]}, {"type": "good", "ulr": "hunter2"}])
    assert "hunter2" not in said


def test_what_was_built_is_closed_when_a_later_one_fails(good):
    with pytest.raises(ConfigError) as caught:
        house(sinks=[{"type": "good"}, {"type": "bad"}])
    assert str(caught.value) == "sinks[1].tls.certificate: is not there (got 'x.pem'). Look again."
    assert [built.closed for built in good.built] == [1, 1]


def test_an_adapter_may_blame_a_variable(good):
    with pytest.raises(ConfigError, match=r"^OTEL_TIMEOUT: no number$"):
        house(sinks=[{"type": "bad", "variable": "OTEL_TIMEOUT"}])


def test_planning_leaves_no_trace(good):
    plan_house(settings(), kinds=KINDS)
    assert list(Path().iterdir()) == []


# -- rules


def test_rules_come_from_files_and_patterns_once_each(good):
    for name in ("b", "a"):
        Path(f"{name}.yaml").write_text(RULE.format(name=f"rule_{name}"))
    paths = ["b.yaml", "*.yaml", str(Path("a.yaml").absolute()), "./b.yaml"]
    plan = plan_house(settings(rules={"paths": paths}), kinds=KINDS)
    assert [rule.definition.name for rule in plan.rules] == ["rule_b", "rule_a"]


def test_two_files_can_not_have_a_rule_of_the_same_name(good):
    for name in ("a", "b"):
        Path(f"{name}.yaml").write_text(RULE.format(name="same"))
    assert "b.yaml: same: there is a rule of this name in a.yaml too." in refused(rules={"paths": ["*.yaml"]})


def test_rules_can_be_switched_off(good):
    assert plan_house(settings(rules={"enabled": False, "paths": ["nowhere"]}), kinds=KINDS).rules == ()


@pytest.mark.parametrize(
    ("paths", "said"),
    [
        (["no/*.yaml"], "rules.paths[0]: there is no such file (got 'no/*.yaml')"),
        (["sub"], "Name its files: sub/*.yaml"),
        (["bad.yaml"], "bad.yaml:1: there are no rules in this file"),
        (["raw.yaml"], "raw.yaml: can't be read: it is not UTF-8"),
    ],
)
def test_rules_that_can_not_be_read(good, paths, said):
    Path("sub").mkdir()
    Path("bad.yaml").write_text("x: 1\n")
    Path("raw.yaml").write_bytes(b"\xff")
    assert said in refused(rules={"paths": paths})


def test_the_shipped_rules_are_right(good):
    plan = plan_house(settings(), kinds=KINDS)
    assert {file.suffix for file in shipped_rules()} == {".yaml"}
    assert plan.rules


# -- pseudonyms


def test_a_pseudonym_is_the_same_for_user_and_key_and_nothing_for_nobody():
    first, other = pseudonyms(SecretStr("k" * 16)), pseudonyms(SecretStr("l" * 16))
    assert first("u") == first("u") != other("u")
    assert first("u") != first("v")
    assert re.fullmatch("[0-9a-f]{32}", first("u"))
    assert first("") == ""
    assert first("\ud800")


def test_a_pseudonym_is_hmac_sha256():
    """Fixed for ever: another value would make every user a new one (computed with openssl dgst -hmac)."""
    assert pseudonyms(SecretStr("0123456789abcdef"))("user-1") == "9671a70114c638eedd26dab7f09610ba"


def test_the_key_is_made_once_and_kept_for_its_owner_only(tmp_path):
    folder = tmp_path / "a" / "journal"
    first = kept_key(folder)
    assert kept_key(folder) == first
    assert len(first.get_secret_value()) == 64
    assert (folder / KEY_FILE).stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o077 == 0
    assert [file.name for file in folder.iterdir()] == [KEY_FILE]
    assert kept_key(tmp_path / "b") != first


def test_the_kept_key_may_be_set_by_hand_instead(tmp_path):
    """Its text as pseudonym_key gives the same pseudonyms, so a journal can move to a key kept elsewhere."""
    kept = kept_key(tmp_path)
    by_hand = SecretStr((tmp_path / KEY_FILE).read_text().strip())
    assert pseudonyms(kept)("u") == pseudonyms(by_hand)("u")


@pytest.mark.parametrize("raw", [b"", b"short\n", b"\xff" * 64])
def test_a_damaged_key_is_never_replaced(tmp_path, raw):
    """A new one would silently give every user another pseudonym."""
    (tmp_path / KEY_FILE).write_bytes(raw)
    with pytest.raises(ConfigError, match=r"Put back the pseudonym\.key"):
        kept_key(tmp_path)
    assert (tmp_path / KEY_FILE).read_bytes() == raw


def test_a_folder_that_can_not_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="the pseudonym key can't be used"):
        kept_key(tmp_path / "file" / "journal")


def test_the_usual_file_becomes_a_house(tmp_path, monkeypatch):
    """With the real adapters: nothing is opened, so nothing has to be there."""
    monkeypatch.chdir(tmp_path)
    Path("m.yaml").write_text(
        "journal: {path: ./journal}\n"
        'sources: [{type: dify_database, url: "${DIFY_DB_URL}"}]\n'
        "sinks: [{type: file, path: ./spans.jsonl, content: full}, {type: otlp, endpoint: 'http://127.0.0.1:4318'}]\n"
        "server: {listen: 127.0.0.1:9464}\n"
    )
    loaded = load(Path("m.yaml"), {"DIFY_DB_URL": "postgresql://u:hunter2@127.0.0.1:1/dify"})
    built = build_house(loaded.settings, SystemClock(), loaded.places)
    for adapter in (*built.sources, *built.sinks, *built.notifiers):
        adapter.close()
    assert [sink.name for sink in built.sinks] == ["file", "otlp"]
    assert [notifier.name for notifier in built.notifiers] == ["console"]
    assert "hunter2" not in repr(built)


# -- redaction


def test_every_adapter_is_handed_what_is_said_of_content(good, tmp_path):
    (tmp_path / "words.txt").write_text("# people\nAda\n\n Grace \n", "utf-8")
    section = {
        "apps": [{"app": "Shop *", "content": "none", "sinks": ["good"]}, {"app": "x", "content": "full"}],
        "patterns": [{"pattern": "HT-[0-9]+", "mask": "[contract]"}],
        "words": ["Ada", "示例公司"],
        "words_file": str(tmp_path / "words.txt"),
        "regions": ["hk", "CN"],
        "keep": ["ip"],
    }
    (sink,) = house(sinks=[{"type": "good"}], redaction=section).sinks
    assert sink.tools.redaction == Redaction(
        apps=(AppPolicy("Shop *", "none", ("good",)), AppPolicy("x", "full")),
        patterns=(MaskPattern("HT-[0-9]+", "[contract]"),),
        words=("Ada", "示例公司", "Grace"),
        regions=("HK", "CN"),
        keep=("ip",),
    )


def test_a_rule_for_a_sink_that_is_not_there_is_refused(good):
    """It would be without force, and content would leave that should not."""
    section = {"apps": [{"app": "*", "content": "none", "sinks": ["goood"]}]}
    said = refused(sinks=[{"type": "good"}], redaction=section)
    assert "redaction.apps[0].sinks[0]: there is no sink of that name (got 'goood'). Did you mean good?" in said


_ALL, _NONE = {"app": "*", "content": "full"}, {"app": "Shop", "content": "none"}


@pytest.mark.parametrize(
    ("first", "later"),
    [
        (_ALL, _NONE),
        (_ALL, _NONE | {"sinks": ["good"]}),
        (_ALL | {"sinks": ["good"]}, _NONE | {"sinks": ["good"]}),
        (_NONE, _NONE | {"app": "shop"}),
    ],
)
def test_a_rule_that_can_never_apply_is_refused(good, first, later):
    """Somebody thinks that it holds content back, and an earlier one lets all of it leave."""
    said = refused(sinks=[{"type": "good"}], redaction={"apps": [first, later]})
    assert "redaction.apps[1].app: can never apply: redaction.apps[0] comes first" in said


@pytest.mark.parametrize(
    ("first", "later"), [(_NONE, _ALL), (_ALL | {"sinks": ["good"]}, _NONE), (_NONE | {"sinks": ["good"]}, _NONE)]
)
def test_a_rule_that_can_apply_is_not_refused(good, first, later):
    assert house(sinks=[{"type": "good"}], redaction={"apps": [first, later]}).sinks


@pytest.mark.parametrize("mask", ["contract", "[a b]"])
def test_a_mask_that_is_written_otherwise_is_told_how(good, mask):
    with pytest.raises(ValidationError) as caught:
        settings(redaction={"patterns": [{"pattern": "x", "mask": mask}]})
    (told,) = explain(caught.value, Settings, {"redaction": {"patterns": [{"pattern": "x", "mask": mask}]}}, Places())
    assert "mask: is not written as it has to be" in str(told)
    assert "a word in square brackets, such as `[contract]`" in told.remedy


_SENTRY = {"type": "sentry", "dsn": "https://3b1c5e0f9a7d4e6f8b2a1c0d9e8f7a6b@sentry.example.com/42"}


@pytest.mark.parametrize(
    ("config", "sink", "said"),
    [
        (sentry.Config, _SENTRY | {"max_age": "3650d"}, "max_age: must be at most 30d (got '3650d')"),
        (sentry.Config, _SENTRY | {"heartbeat_every": "90s"}, "heartbeat_every: must be a multiple of 1m (got '90s')"),
        (sentry.Config, _SENTRY | {"timeout": "0s"}, "timeout: must be more than 0s (got '0s')"),
        (sentry.Config, _SENTRY | {"connections": 99}, "connections: must be less than or equal to 32 (got 99)"),
        (
            file.Config,
            {"type": "file", "path": "x", "max_line_bytes": "1KB"},
            "max_line_bytes: must be at least 64KiB (got '1KB')",
        ),
        (
            elasticsearch.Config,
            {"type": "elasticsearch", "retention": "1h"},
            "retention: must be at least 1d (got '1h')",
        ),
    ],
)
def test_limits_are_told_as_they_are_written(config, sink, said):
    """A limit of a duration as a duration, and of a size as a size: nobody counts in nanoseconds."""
    with pytest.raises(ValidationError) as caught:
        config.model_validate(sink)
    assert [str(each) for each in explain(caught.value, config, sink, Places())] == [said]


def test_words_are_in_no_message(good, tmp_path):
    """They are the names that nobody is to see."""
    (tmp_path / "words.txt").write_text("x" * 101, "utf-8")
    section = {"words": ["y" * 101, "z"], "words_file": str(tmp_path / "words.txt")}
    said = refused(redaction=section)
    assert said.count("a word has 2 to 100 characters") == 3
    assert not [word for word in ("xxx", "yyy", "'z'") if word in said + repr(settings(redaction=section))]
