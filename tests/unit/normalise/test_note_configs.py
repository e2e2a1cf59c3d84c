"""Configurations: which parts differ, what is content, and that secrets are not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from monitor.model import AppRef, ConfigChanged
from monitor.normalise.config_hash import config_hash
from monitor.normalise.note_configs import config_changed, what_differs
from monitor.normalise.note_rows import ConfigRow
from monitor.normalise.scrub import MASK
from tests.unit.normalise.dify import us

APP = AppRef(tenant_id="t", app_id="app")


def row(columns: dict[str, str | None], **more: Any) -> ConfigRow:
    given: dict[str, Any] = {"id": "c", "app_id": "app", "created_us": us(0), "updated_us": us(0), "created_by": "boss"}
    return ConfigRow(columns=columns, **(given | more))


def changed(columns: dict[str, str | None], before: dict[str, str | None] | None = None, **more: Any) -> ConfigChanged:
    body = config_changed(APP, row(columns, **more), row(before) if before is not None else None, str.upper).body
    assert isinstance(body, ConfigChanged)
    return body


_EASY: dict[str, str | None] = {
    "pre_prompt": "Be kind.",
    "model": '{"provider": "openai", "name": "gpt", "completion_params": {"temperature": 0}}',
    "agent_mode": '{"enabled": true, "strategy": "react", "tools": [{"tool_name": "orders"}]}',
    "dataset_configs": '{"datasets": {"datasets": []}}',
    "opening_statement": "Hello",
    "user_input_form": "[]",
}


@pytest.mark.parametrize(
    ("column", "value", "what"),
    [
        ("pre_prompt", "Be brief.", ("prompt",)),
        ("chat_prompt_config", '{"prompt": [{"role": "system", "text": "x"}]}', ("prompt",)),
        ("model", '{"provider": "openai", "name": "gpt-5"}', ("model",)),
        ("agent_mode", '{"enabled": true, "strategy": "react", "tools": []}', ("tools",)),
        ("agent_mode", '{"enabled": true, "strategy": "cot", "tools": [{"tool_name": "orders"}]}', ("settings",)),
        ("dataset_configs", '{"datasets": {"datasets": [{"dataset": {"id": "d"}}]}}', ("datasets",)),
        ("opening_statement", "Hi", ("features",)),
        ("user_input_form", '[{"text-input": {}}]', ("settings",)),
        ("model", json.dumps(json.loads(_EASY["model"] or ""), indent=4), ()),
    ],
)
def test_each_part_of_an_easy_app(column: str, value: str, what: tuple[str, ...]) -> None:
    """Another spelling of the same JSON is no difference."""
    assert what_differs(_EASY, _EASY | {column: value}) == what


def graph(**data: Any) -> dict[str, str | None]:
    nodes = [{"id": "n", "position": {"x": 1}, "data": {"type": "llm", "title": "Model"} | data}]
    return {"graph": json.dumps({"nodes": nodes, "edges": []}), "features": "{}"}


@pytest.mark.parametrize(
    ("data", "what"),
    [
        ({"title": "Other"}, ("workflow",)),
        ({"model": {"name": "gpt-5"}}, ("model", "workflow")),
        ({"prompt_template": [{"text": "x"}]}, ("prompt", "workflow")),
        ({"tool_name": "orders", "provider_id": "p"}, ("tools", "workflow")),
        ({"dataset_ids": ["d"]}, ("datasets", "workflow")),
        ({"agent_parameters": {"tools": {"value": [1]}}}, ("tools", "workflow")),
        (
            {"agent_parameters": {"instruction": {"value": "x"}, "model": {"value": {}}}},
            ("prompt", "model", "workflow"),
        ),
    ],
)
def test_each_part_of_a_workflow(data: dict[str, Any], what: tuple[str, ...]) -> None:
    assert what_differs(graph(), graph(**data)) == what


def test_a_workflows_features_and_its_canvas() -> None:
    """Where the editor draws a node is no difference."""
    assert what_differs(graph(), graph() | {"features": '{"opening_statement": "Hi"}'}) == ("features",)
    moved = {"graph": (graph()["graph"] or "").replace('"x": 1', '"x": 99'), "features": "{}"}
    assert what_differs(graph(), moved) == ()


def test_the_first_has_no_before_and_a_later_one_its_hash() -> None:
    first, later = changed(_EASY), changed(_EASY | {"pre_prompt": "New"}, _EASY)
    assert (first.was, first.what, first.hash) == ("", (), config_hash(_EASY))
    assert (later.was, later.what) == (first.hash, ("prompt",))
    assert (first.model_provider, first.model_name, first.user) == ("openai", "gpt", "BOSS")


def test_the_model_of_very_old_rows_stands_in_columns_of_its_own() -> None:
    body = changed({"pre_prompt": "x"}, provider="azure", model_id="gpt-35")
    assert (body.model_provider, body.model_name) == ("azure", "gpt-35")


def test_the_content_is_canonical_and_scrubbed() -> None:
    columns = _EASY | {
        "external_data_tools": '[{"config": {"api_key": "sk-abcdefghijklmnop1234"}}]',
        "file_upload": None,
    }
    event = config_changed(APP, row(columns, marked_name="Spring", marked_comment="sale"), None, str.upper)
    config = json.loads(event.content["config"])
    assert config["external_data_tools"] == [{"config": {"api_key": MASK}}]
    assert config["model"]["name"] == "gpt"
    assert "file_upload" not in config
    assert (event.content["prompt"], event.content["note"]) == ("Be kind.", "Spring\n\nsale")
    assert event.content["user"] == "boss"
    assert event.key == "app:app:config:c:0"


def test_the_prompt_of_the_expert_mode_is_its_messages() -> None:
    columns: dict[str, str | None] = {
        "prompt_type": "advanced",
        "pre_prompt": "unused",
        "chat_prompt_config": '{"prompt": [{"role": "system", "text": "Be kind."}]}',
    }
    assert (
        config_changed(APP, row(columns), None, str.upper).content["prompt"] == '[{"role":"system","text":"Be kind."}]'
    )
    columns["chat_prompt_config"] = '{"prompt": {"text": "x"}}'
    assert config_changed(APP, row(columns), None, str.upper).content["prompt"] == '{"text":"x"}'


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"nodes": 5}', '{"nodes": [1, {"data": 2}]}', "\ud800"])
def test_a_graph_that_is_none_raises_nothing(text: str) -> None:
    assert isinstance(what_differs({"graph": text}, graph()), tuple)
    assert changed({"graph": text}).config_id == "c"
