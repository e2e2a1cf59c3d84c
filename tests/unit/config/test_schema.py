from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from monitor.config import Settings
from monitor.config.schema import adapter_rows, file_schema, settings_rows, table, written
from monitor.model.units import duration_ns, size_bytes
from monitor.ports import AdapterConfig


class Tls(BaseModel):
    """Certificates."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    ca_file: str | None = None
    """Whom to | trust."""


class Config(AdapterConfig):
    """An adapter with every shape of setting."""

    type: Literal["x"] = "x"
    url: SecretStr
    """Where."""
    timeout: Annotated[int, BeforeValidator(duration_ns)] = 10_000_000_000
    grace: Annotated[int, BeforeValidator(duration_ns)] | None = None
    payload: Annotated[int, BeforeValidator(size_bytes)] = 4_000_000
    tries: int = Field(default=3, ge=1, le=9)
    ratio: float = Field(default=0.5, gt=0, le=1)
    format: Literal["a", "b"] = "a"
    tags: dict[str, str] = Field(default={})
    tls: Tls = Tls()


def test_settings_written_out_read_back_as_the_same():
    settings = Settings.model_validate({"journal": {"max_bytes": "20GB"}, "rules": {"max_age": 90, "paths": ["a"]}})
    data = written(settings)
    assert data["journal"]["max_bytes"] == "20GB"
    assert data["rules"]["max_age"] == "1m30s"
    assert Settings.model_validate(data) == settings


def test_an_adapter_written_out_hides_its_secret_and_keeps_its_units():
    data = written(Config(url="hunter2", grace="5m"))
    assert "hunter2" not in str(data)
    assert data["timeout"] == "10s"
    assert data["grace"] == "5m"
    assert data["payload"] == "4MB"
    assert data["tls"] == {"ca_file": None}


def test_the_schema_says_what_may_be_written():
    schema = file_schema({"sources": [("x", Config)], "sinks": [("x", Config)], "notifiers": []})
    assert schema["properties"]["sources"]["items"] == {"oneOf": [{"$ref": "#/$defs/sources.x"}]}
    adapter = schema["$defs"]["sources.x"]
    assert adapter["required"] == ["type", "url"]
    assert adapter["additionalProperties"] is False
    assert adapter["properties"]["type"] == {"const": "x"}
    assert adapter["properties"]["timeout"]["type"] == ["string", "number"]
    assert adapter["properties"]["timeout"]["default"] == "10s"
    assert adapter["properties"]["payload"]["default"] == "4MB"
    assert adapter["properties"]["tls"]["$ref"] in {f"#/$defs/{name}" for name in schema["$defs"]}
    assert schema["$defs"]["RulesSettings"]["properties"]["max_age"]["default"] == "1h"


def test_every_reference_in_the_schema_leads_somewhere():
    schema = file_schema({"sources": [("x", Config)], "sinks": [("x", Config)], "notifiers": [("x", Config)]})

    def references(node):
        if isinstance(node, dict):
            yield from [node["$ref"]] if isinstance(node.get("$ref"), str) else []
            for item in node.values():
                yield from references(item)
        if isinstance(node, list):
            for item in node:
                yield from references(item)

    assert {name.removeprefix("#/$defs/") for name in references(schema)} <= set(schema["$defs"])


def test_rows_of_an_adapter():
    rows = {row.path: row for row in adapter_rows(Config)}
    assert (rows["url"].type, rows["url"].default, rows["url"].meaning) == ("secret text", "required", "Where.")
    assert (rows["timeout"].type, rows["timeout"].default) == ("duration", "10s")
    assert (rows["grace"].type, rows["grace"].default) == ("duration or null", "null")
    assert rows["tries"].type == "whole number (1 to 9)"
    assert rows["ratio"].type == "number (above 0, at most 1)"
    assert rows["format"].type == "`a`, `b`"
    assert rows["tags"].type == "mapping of text"
    assert rows["tls.ca_file"].type == "text or null"


def test_every_setting_of_the_house_has_a_row_a_variable_and_a_meaning():
    rows = [row for group in settings_rows().values() for row in group]
    assert {row.path for row in rows} >= {"journal.path", "rules.max_age", "sources", "pseudonym_key"}
    for row in rows:
        assert row.variable == "MONITOR_" + row.path.upper().replace(".", "__")
        assert row.meaning, row.path


def test_a_table_keeps_its_columns():
    text = table(adapter_rows(Config))
    lines = text.splitlines()
    assert lines[0] == "| setting | type | default | meaning |"
    assert {line.replace("\\|", "").count("|") for line in lines} == {5}


@pytest.mark.parametrize("section", ["sources", "sinks", "notifiers"])
def test_sections_without_adapters_take_none(section):
    schema = file_schema({"sources": [], "sinks": [], "notifiers": []})
    assert schema["properties"][section]["items"] == {"oneOf": []}
