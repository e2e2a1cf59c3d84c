"""How an app is set up: rows of `app_model_configs` and published `workflows` to ConfigChanged. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from monitor.model import AppRef, ConfigChanged, Event
from monitor.model.ids import note_key
from monitor.normalise.config_hash import APP_CONFIG_COLUMNS, config_hash
from monitor.normalise.graph import agent_tools_of
from monitor.normalise.note_rows import ConfigRow
from monitor.normalise.notes import note_event
from monitor.normalise.rows import AppConfig
from monitor.normalise.scrub import scrub
from monitor.normalise.text import clean, dumps, parse, parse_object, plain_text, short

__all__ = ["config_changed", "config_of_override", "what_differs"]

_ORDER = ("prompt", "model", "tools", "datasets", "workflow", "features", "settings")
_COLUMNS: dict[str, tuple[str, ...]] = {
    "prompt": ("pre_prompt", "prompt_type", "chat_prompt_config", "completion_prompt_config"),
    "model": ("model",),
    "datasets": ("dataset_configs", "dataset_query_variable"),
    "workflow": ("graph",),
    "features": (
        "features", "opening_statement", "suggested_questions", "suggested_questions_after_answer", "file_upload",
        "retriever_resource", "sensitive_word_avoidance", "more_like_this", "speech_to_text", "text_to_speech",
    ),
    "settings": ("user_input_form", "external_data_tools"),
}  # fmt: skip
"""Which columns are which part; `agent_mode` and `graph` are looked into."""

_NODE_PARTS: dict[str, tuple[str, ...]] = {
    "prompt": ("prompt_template", "prompt_config", "instruction", "query_prompt_template"),
    "model": ("model",),
    "tools": (
        "provider_id",
        "provider_name",
        "tool_name",
        "tool_parameters",
        "tool_configurations",
        "tool_node_version",
    ),
    "datasets": ("dataset_ids", "retrieval_mode", "multiple_retrieval_config", "single_retrieval_config"),
}
"""Which fields of a node's definition are which part."""

_AGENT_PARTS = {"model": "model", "tools": "tools", "prompt": "instruction"}
"""An Agent node hands these to its strategy."""


def config_changed(
    app: AppRef,
    row: ConfigRow,
    before: ConfigRow | None,
    pseudonym: Callable[[str], str],
    *,
    was: str = "",
    at_us: int | None = None,
    number: int = 0,
) -> Event:
    """A configuration that was seen first, `before` being the one that it came after.

    A row that was rewritten in place has no `before`: its old text is gone, and `was` is the hash that it had.
    """
    provider, model = _model(row)
    user = clean(row.created_by)
    body = ConfigChanged(
        app=app,
        config_id=row.id,
        hash=config_hash(row.columns),
        was=config_hash(before.columns) if before is not None else was,
        what=what_differs(before.columns, row.columns) if before is not None else (),
        version=short(row.version),
        model_provider=provider,
        model_name=model,
        user=pseudonym(user) if user else "",
    )
    key = note_key(f"app:{row.app_id}", "config", row.id, number)
    return note_event(key, at_us if at_us is not None else row.created_us, body, _content(row, user))


def config_of_override(text: str | None) -> AppConfig | None:
    """What a debug run of a chat, completion or agent app tried out: Dify keeps it whole on the message, saved nowhere.

    Its keys are the columns of `app_model_configs`, so what is tried out and then saved has one hash. None where there
    is no such object; a chatflow's conversation has one without a model, which is not what it runs under.
    """
    tried = parse_object(text)
    if not isinstance(tried.get("model"), dict):
        return None
    # As the columns would hold it; Dify saves what is empty as NULL.
    columns = {name: plain_text(tried[name]) for name in APP_CONFIG_COLUMNS if tried.get(name)}
    return AppConfig(agent_tools_of(columns.get("agent_mode")), config_hash(columns))


def _content(row: ConfigRow, user: str) -> dict[str, str]:
    return {
        "prompt": scrub(_prompt(row.columns)),
        "config": scrub(dumps({name: _value(text) for name, text in row.columns.items() if text})),
        "note": scrub("\n\n".join(filter(None, (clean(row.marked_name), clean(row.marked_comment))))),
        "user": user,
    }


def _value(text: str | None) -> Any:
    """A column of JSON as its value, any other as its text."""
    value = parse(text) if text and text[:1] in {"{", "["} else None
    return clean(text) if value is None else value


def _prompt(columns: Mapping[str, str | None]) -> str:
    """An EasyUI app's own prompt: one text, or the messages that its expert mode composes."""
    if columns.get("prompt_type") == "advanced":
        for name in ("chat_prompt_config", "completion_prompt_config"):
            prompt = parse_object(columns.get(name)).get("prompt")
            if prompt:
                return clean(prompt) if isinstance(prompt, str) else dumps(prompt)
    return clean(columns.get("pre_prompt"))


def _model(row: ConfigRow) -> tuple[str, str]:
    """Provider and name of the one model that an EasyUI app has; a workflow's nodes have their own."""
    model = parse_object(row.columns.get("model"))
    provider, name = model.get("provider") or row.provider, model.get("name") or row.model_id
    return (short(provider) if isinstance(provider, str) else ""), (short(name) if isinstance(name, str) else "")


def what_differs(before: Mapping[str, str | None], after: Mapping[str, str | None]) -> tuple[str, ...]:
    """Which parts differ, in a fixed order: prompt, model, tools, datasets, workflow, features, settings."""
    parts = {part for part, columns in _COLUMNS.items() if _some(before, columns) != _some(after, columns)}
    if _some(before, ("agent_mode",)) != _some(after, ("agent_mode",)):
        parts |= _agent_parts(parse_object(before.get("agent_mode")), parse_object(after.get("agent_mode")))
    if "workflow" in parts:
        parts |= _graph_parts(before.get("graph"), after.get("graph"))
    return tuple(part for part in _ORDER if part in parts)


def _some(columns: Mapping[str, str | None], names: tuple[str, ...]) -> str:
    return config_hash({name: columns.get(name) for name in names})


def _agent_parts(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    named = {"tools": "tools", "prompt": "prompt"}
    found = {part for part, name in named.items() if before.get(name) != after.get(name)}
    rest = [{k: v for k, v in each.items() if k not in named.values()} for each in (before, after)]
    return found | ({"settings"} if rest[0] != rest[1] else set())


def _graph_parts(before: str | None, after: str | None) -> set[str]:
    one, other = _nodes(before), _nodes(after)
    return {part for part in _NODE_PARTS if _of_part(one, part) != _of_part(other, part)}


def _nodes(graph: str | None) -> dict[str, dict[str, Any]]:
    nodes = parse_object(graph).get("nodes")
    found = {}
    for node in nodes if isinstance(nodes, list) else ():
        data = node.get("data") if isinstance(node, dict) else None
        if isinstance(data, dict):
            found[str(node.get("id"))] = data
    return found


def _of_part(nodes: dict[str, dict[str, Any]], part: str) -> dict[str, list[Any]]:
    """What the nodes say of a part, without those that say nothing of it."""
    found = {}
    for node_id, data in nodes.items():
        said = [data.get(name) for name in _NODE_PARTS[part]]
        handed = data.get("agent_parameters")
        said.append(handed.get(_AGENT_PARTS[part]) if isinstance(handed, dict) and part in _AGENT_PARTS else None)
        if any(each not in (None, [], {}, "") for each in said):
            found[node_id] = said
    return found
