from __future__ import annotations

from pathlib import Path

import pytest

from monitor.config import adapter_names, load
from monitor.config.places import Places, path_text
from monitor.errors import ConfigError

THE_USUAL = """\
journal: {path: ./journal}
sources: [{type: dify_database, url: "${DIFY_DB_URL}"}]
sinks: [{type: file, path: ./spans.jsonl, content: full}, {type: otlp, endpoint: "http://127.0.0.1:4318"}]
server: {listen: 127.0.0.1:9464}
"""


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    """A working directory without a monitor.yaml."""
    monkeypatch.chdir(tmp_path)


def loaded(text, environ=None):
    file = Path("m.yaml")
    file.write_text(text)
    return load(file, environ or {})


def problems(text, environ=None):
    with pytest.raises(ConfigError) as caught:
        loaded(text, environ)
    return str(caught.value).splitlines()


def test_the_usual_file():
    settings = loaded(THE_USUAL, {"DIFY_DB_URL": "postgresql://u:p@h/d"}).settings
    assert settings.journal.path == Path("journal")
    assert settings.sources == ({"type": "dify_database", "url": "postgresql://u:p@h/d"},)
    assert [sink["type"] for sink in settings.sinks] == ["file", "otlp"]
    assert settings.server.address == ("127.0.0.1", 9464)
    assert settings.notifiers == ({"type": "console"},)


def test_units_become_whole_nanoseconds_and_bytes():
    settings = loaded("journal: {max_bytes: 20GB}\nrules: {max_age: 1h30m}\n").settings
    assert settings.journal.max_bytes == 20_000_000_000
    assert settings.rules.max_age_ns == 5400 * 1_000_000_000


def test_without_a_file_the_environment_alone_will_do():
    found = load(None, {"DIFY_DB_URL": "postgresql://h/d", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"})
    assert found.settings.sources == ({"type": "dify_database", "url": "postgresql://h/d"},)
    assert found.settings.sinks == ({"type": "otlp"},)
    assert found.settings.notifiers == ({"type": "console"},)
    assert found.places.where(("sources", 0, "url")) == "DIFY_DB_URL"


def test_the_database_address_may_lie_in_a_file(tmp_path):
    (tmp_path / "url").write_text("postgresql://h/d\n")
    found = load(None, {"DIFY_DB_URL_FILE": str(tmp_path / "url")})
    assert found.settings.sources[0]["url"] == "postgresql://h/d"
    with pytest.raises(ConfigError, match="DIFY_DB_URL_FILE: the file /nowhere can't be read"):
        load(None, {"DIFY_DB_URL_FILE": "/nowhere"})


@pytest.mark.parametrize("text", ["sources: []\nsinks: []\nnotifiers: []\n"])
def test_what_is_written_is_not_filled_in(text):
    """An empty list is a decision; only what is left out has defaults."""
    environ = {"DIFY_DB_URL": "x", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c"}
    settings = loaded(text, environ).settings
    assert (settings.sources, settings.sinks, settings.notifiers) == ((), (), ())


def test_a_section_with_nothing_in_it_is_left_out():
    """People comment the lines of a section out and leave its name."""
    settings = loaded("journal:\nsinks:\nrules:\n", {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}).settings
    assert settings.rules.enabled
    assert settings.sinks == ({"type": "otlp"},)


def test_where_the_file_is_looked_for():
    Path("monitor.yaml").write_text("service: {name: found}\n")
    Path("named.yaml").write_text("service: {name: named}\n")
    Path("option.yaml").write_text("service: {name: option}\n")
    named = {"MONITOR_CONFIG": "named.yaml"}
    assert load(None, {}).settings.service.name == "found"
    assert load(None, named).settings.service.name == "named"
    assert load(Path("option.yaml"), named).settings.service.name == "option"


def test_a_file_that_was_named_must_be_there():
    with pytest.raises(ConfigError, match=r"no\.yaml: can't be read: No such file or directory"):
        load(None, {"MONITOR_CONFIG": "no.yaml"})


def test_every_mistake_is_told_at_once_in_its_place():
    text = """\
journal:
  path: ./journal
  max_bytes: 20 XB
  max_byte: 5
server: {listen: 80}
log:
  level: inf
service: {name: true}
pseudonym_key: shortkey
rules: 5
sinks: {type: file}
"""
    environ = {"MONITOR_METRICS__MAX_SERIES_PER_METRIC": "0"}
    assert sorted(problems(text, environ)) == [
        "MONITOR_METRICS__MAX_SERIES_PER_METRIC: metrics.max_series_per_metric: must be greater than or equal to 1 (got '0')",
        "m.yaml:10: rules: must be a mapping (`name: value` lines)",
        "m.yaml:11: sinks: must be a list (`- ` lines, or [a, b])",
        "m.yaml:3: journal.max_bytes: not a size: '20 XB' (write 20GB, 512MiB or a number of bytes)",
        "m.yaml:4: journal.max_byte: there is no such setting. Did you mean max_bytes?",
        "m.yaml:5: server.listen: must be host:port, such as 127.0.0.1:9464 or [::1]:9464 (got 80)",
        "m.yaml:7: log.level: must be 'debug', 'info', 'warning' or 'error' (got 'inf'). Did you mean info?",
        "m.yaml:8: service.name: must be text (got True). Put it in quotes.",
        "m.yaml:9: pseudonym_key: must have at least 16 characters (got '***')",
    ]


def test_missing_variables_and_bad_variables_are_told_together():
    said = problems("service: {name: '${A}', environment: '${B}'}\n", {"MONITOR_LOG__LEVL": "x"})
    assert [line.partition(": ")[0] for line in said] == ["m.yaml:1", "m.yaml:1", "MONITOR_LOG__LEVL"]


@pytest.mark.parametrize(
    "text",
    [
        "pseudonym_key: hunter2\n",
        "pseudonym_kye: hunter2-hunter2-hunter2\n",
        "journal: {path: [hunter2]}\n",
        "sinks: hunter2\n",
        "log: {level: '${SECRET}'}\n",
        "log: {level: '${file:secret.txt}'}\n",
        "rules: {max_age: '${SECRET}'}\n",
        "server: {listen: 'postgresql://u:hunter2@h'}\n",
        "metrics: {max_series_per_metric: 'password=hunter2'}\n",
        "pseudonym_key: {hunter2: 1}\n",
    ],
)
def test_no_secret_in_any_message(text):
    """Neither a setting that is secret, nor what a reference led to, nor a password inside an address."""
    Path("secret.txt").write_text("hunter2\n")
    file = Path("m.yaml")
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(file, {"SECRET": "hunter2"})
    assert "hunter2" not in str(caught.value).replace("pseudonym_key.hunter2", "")
    assert caught.value.__cause__ is None


def test_settings_show_no_secret_and_no_raw_section():
    text = "pseudonym_key: hunter2-hunter2-hunter2\nsources: [{type: x, url: hunter2}]\n"
    assert "hunter2" not in repr(loaded(text))


@pytest.mark.parametrize(
    ("listen", "address"),
    [
        ("127.0.0.1:9464", ("127.0.0.1", 9464)),
        ('"[::1]:0"', ("::1", 0)),
        ("localhost:80", ("localhost", 80)),
        ('":9464"', ("", 9464)),
        ("null", None),
    ],
)
def test_addresses(listen, address):
    assert loaded(f"server: {{listen: {listen}}}\n").settings.server.address == address


@pytest.mark.parametrize("listen", ["127.0.0.1", "::1:9464", "h:65536", "h:", "http://h:1", "a b:1", "[::1]"])
def test_what_is_no_address(listen):
    assert "must be host:port" in problems(f'server: {{listen: "{listen}"}}\n')[0]


def test_places_go_to_the_nearest_thing_that_is_written():
    places = Places(file="f", lines={(): 1, ("a",): 2, ("a", 0): 3}, variables={("b",): "B", ("b", "c"): "C"})
    assert places.where(("a", 0, "x", "y")) == "f:3"
    assert places.where(("z",)) == "f:1"
    assert places.where(("b", "x")) == "B"
    assert places.where(("b", "c")) == "C"
    assert Places().where(("a",)) == ""
    assert path_text(("sinks", 1, "endpoint")) == "sinks[1].endpoint"


def test_who_only_looks_into_the_journal_needs_no_secret(tmp_path):
    """`monitor metrics` and `monitor replay` run where the database's variable is not set."""
    file = tmp_path / "monitor.yaml"
    file.write_text(
        "journal: {path: /data/j}\nsources: [{type: dify_database, url: '${NOT_SET_HERE}'}]\n", encoding="utf-8"
    )
    with pytest.raises(ConfigError):
        load(file, {})
    loaded = load(file, {}, adapters=False)
    assert loaded.settings.journal.path == Path("/data/j")
    assert loaded.settings.sources == ()


# -- what adapters are called


def names(text, environ=None):
    file = Path("names.yaml")
    file.write_text(text)
    return adapter_names(file, environ or {})


def test_adapters_are_called_by_their_names_else_by_their_types():
    text = "sources: [{type: dify_database, url: x}]\nsinks: [{type: file, path: x}, {type: otlp, name: tempo}]\n"
    assert names(text) == {
        "sources": ("dify_database",),
        "sinks": ("file", "tempo"),
        "notifiers": ("console",),
    }


def test_names_need_no_secret_and_no_valid_adapter():
    text = "sources: [{type: dify_database, url: '${NOT_SET}'}]\nsinks: [{type: otlp, headers: {a: '${file:/none}'}}, 7, {}]\n"
    assert names(text)["sources"] == ("dify_database",)
    assert names(text)["sinks"] == ("otlp", "")


def test_a_name_may_refer_to_the_environment():
    text = "sinks: [{type: otlp, name: 'otlp-${REGION}'}]\n"
    assert names(text, {"REGION": "eu"})["sinks"] == ("otlp-eu",)
    assert names(text)["sinks"] == ("otlp-${REGION}",)


def test_names_from_the_environment_alone():
    environ = {"DIFY_DB_URL": "postgresql://u:p@h/d", "MONITOR_SINKS": '[{"type": "file", "path": "x"}]'}
    assert adapter_names(None, environ) == {
        "sources": ("dify_database",),
        "sinks": ("file",),
        "notifiers": ("console",),
    }
    assert adapter_names(None, {})["sources"] == ()


@pytest.mark.parametrize("section", ["7", "{}", "[]", "null", "text"])
def test_a_section_that_is_no_list_of_adapters_names_nobody(section):
    assert names(f"sinks: {section}\n")["sinks"] == ()
