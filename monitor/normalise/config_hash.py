"""One short hash of how an app is set up: stands on every turn, and tells when a configuration changed.

Pure: a row's columns to hexadecimal digits. Called by the source (for each turn) and by what follows changes of
configurations, so that a turn's hash is the one that a ConfigChanged names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from monitor.normalise.text import clean, dumps, parse

__all__ = ["APP_CONFIG_COLUMNS", "WORKFLOW_COLUMNS", "config_hash"]

_TEXT_COLUMNS = ("pre_prompt", "prompt_type", "opening_statement", "dataset_query_variable")
_JSON_COLUMNS = (
    "model", "chat_prompt_config", "completion_prompt_config", "agent_mode", "dataset_configs", "user_input_form",
    "suggested_questions", "suggested_questions_after_answer", "retriever_resource", "sensitive_word_avoidance",
    "external_data_tools", "file_upload", "more_like_this", "speech_to_text", "text_to_speech",
)  # fmt: skip

APP_CONFIG_COLUMNS = tuple(sorted(_TEXT_COLUMNS + _JSON_COLUMNS))
"""The columns of `app_model_configs` that a person sets."""

WORKFLOW_COLUMNS = ("features", "graph")
"""The columns of `workflows` that a person sets (environment variables are secrets and are not read)."""

_DRAWN = frozenset(
    {"position", "positionAbsolute", "selected", "dragging", "width", "height", "zIndex", "sourcePosition",
     "targetPosition"}
)  # fmt: skip
"""Where and how the editor draws a node: changes when somebody looks, not when somebody changes something."""


def config_hash(columns: Mapping[str, str | None]) -> str:
    """16 hexadecimal digits over the columns of a row of `app_model_configs` or `workflows`, by column name.

    JSON is parsed first, so its spelling does not matter. A column that this Dify lacks, that is NULL or empty, is as
    if it were not there: an update of Dify that adds one changes no hash. Empty where no column holds anything.
    """
    found = {name: _value(name, text) for name, text in columns.items() if text and _is_hashed(name)}
    return hashlib.blake2b(dumps(found).encode(), digest_size=8).hexdigest() if found else ""


def _is_hashed(name: str) -> bool:
    return name in APP_CONFIG_COLUMNS or name in WORKFLOW_COLUMNS


def _value(name: str, text: str | None) -> Any:
    value = None if name in _TEXT_COLUMNS else parse(text)
    if value is None:
        return clean(text)
    return _as_run(value) if name == "graph" and isinstance(value, dict) else value


def _as_run(graph: dict[str, Any]) -> dict[str, Any]:
    """The graph without what only the editor's canvas knows."""
    whole = {name: value for name, value in graph.items() if name != "viewport"}
    for part in ("nodes", "edges"):
        if isinstance(whole.get(part), list):
            whole[part] = [_undrawn(item) for item in whole[part]]
    return whole


def _undrawn(item: Any) -> Any:
    if not isinstance(item, dict):
        return item
    kept = {name: value for name, value in item.items() if name not in _DRAWN}
    if isinstance(kept.get("data"), dict):
        kept["data"] = {name: value for name, value in kept["data"].items() if name != "selected"}
    return kept
