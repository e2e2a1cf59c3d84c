"""What Dify kept of inputs and outputs, in the shapes that OpenTelemetry's GenAI conventions give to content.

Dify's columns hold JSON most of the time and anything some of the time: what can't be read is passed on as the text
it is. Called by `spans.py` with what a sink's content policy lets through.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from monitor.model import Hit
from monitor.model import semconv as s
from monitor.normalise.text import dumps, parse, plain_text

__all__ = ["Row", "attributes_of", "documents", "step_content", "turn_content"]

_NOTHING = frozenset({"", "{}", "[]", "null"})
"""Contents that say nothing."""
_SHORT = 8
"""Only texts below this length can be one of those, spaces and all; longer ones need no look."""


def _as_it_is(text: str) -> str:
    return text


def _json(text: str) -> Any:
    """The JSON object or array in the text; None for other values and what is no JSON."""
    return parse(text) if text.lstrip()[:1] in {"{", "["} else None


def _message(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "content": text}]}


def _user(text: str) -> str:
    return dumps([_message("user", text)])


def _assistant(text: str) -> str:
    return dumps([_message("assistant", text)])


def _answer(text: str) -> str:
    """A model's output: Dify's JSON with `text`, or an agent's plain words."""
    value = _json(text)
    inner = value.get("text") if isinstance(value, dict) else None
    return _assistant(plain_text(inner) if inner else text)


def _prompts(text: str) -> str:
    """The messages in an LLM node's process data; "" where there are none to be read."""
    value = _json(text)
    prompts = value.get("prompts") if isinstance(value, dict) else None
    if not isinstance(prompts, list):
        return ""
    messages = [_prompt(prompt) for prompt in prompts if isinstance(prompt, dict)]
    return dumps(messages) if messages else ""


def _prompt(prompt: dict[str, Any]) -> dict[str, Any]:
    return _message(plain_text(prompt.get("role") or "user"), plain_text(prompt.get("text") or ""))


def _unread_process(text: str) -> str:
    """Process data without readable prompts, as it is, so that nothing is lost."""
    return "" if _prompts(text) else text


def _query(text: str) -> str:
    """A retrieval's query: Dify's JSON with `query`, or the text itself."""
    value = _json(text)
    inner = value.get("query") if isinstance(value, dict) else None
    return plain_text(inner) if inner else text


def documents(hits: Sequence[Hit]) -> str:
    """What a retrieval found, as facts: ids and scores, best first, without names and texts."""
    return dumps([_fact(hit) for hit in hits])


def _fact(hit: Hit) -> dict[str, Any]:
    named = {
        "id": hit.segment_id or hit.document_id,
        "score": hit.score if hit.score is not None and math.isfinite(hit.score) else None,
        "document_id": hit.document_id,
        "dataset_id": hit.dataset_id,
    }
    return {name: value for name, value in named.items() if value not in {None, ""}}


def _documents(text: str, hits: Sequence[Hit]) -> str:
    """What a retrieval found, names and texts with it: one entry for each hit, whatever way Dify kept them."""
    value = _json(text)
    found = value.get("result") if isinstance(value, dict) else value
    shown = [_document(item) for item in found] if isinstance(found, list) else [{"content": text}]
    facts = [_fact(hit) for hit in hits]
    named = [document.get("id") for document in shown]
    if isinstance(found, list) and len(shown) == len(facts) and not any(named):
        together = [fact | document for fact, document in zip(facts, shown, strict=True)]  # a message's citations
    else:
        together = shown + [fact for fact in facts if fact.get("id") not in named]
    return dumps(together) if together else ""


def _document(item: Any) -> dict[str, Any]:
    if not isinstance(item, dict):
        return {"content": plain_text(item)}
    metadata = item.get("metadata")
    facts: dict[str, Any] = metadata if isinstance(metadata, dict) else item
    named = {
        "id": facts.get("segment_id") or facts.get("document_id"),
        "score": facts.get("score"),
        "document_id": facts.get("document_id"),
        "dataset_id": facts.get("dataset_id"),
        "title": item.get("title") or facts.get("document_name"),
        "content": item.get("content"),
    }
    return {name: value for name, value in named.items() if value is not None}


# Field of the content, attribute, and how one becomes the other ("" to leave it out). Of two rows with the same
# attribute the first that gives something wins.
Row = tuple[str, str, Callable[[str], str]]
_OF_STEP: dict[str, tuple[Row, ...]] = {
    "llm": (
        ("process", s.GEN_AI_INPUT_MESSAGES, _prompts),
        ("process", s.DIFY_NODE_PROCESS_DATA, _unread_process),
        ("input", s.GEN_AI_INPUT_MESSAGES, _user),
        ("output", s.GEN_AI_OUTPUT_MESSAGES, _answer),
    ),
    "tool": (
        ("input", s.GEN_AI_TOOL_CALL_ARGUMENTS, _as_it_is),
        ("output", s.GEN_AI_TOOL_CALL_RESULT, _as_it_is),
        ("process", s.DIFY_NODE_PROCESS_DATA, _as_it_is),
    ),
    "retrieval": (
        ("input", s.GEN_AI_RETRIEVAL_QUERY_TEXT, _query),
        ("process", s.DIFY_NODE_PROCESS_DATA, _as_it_is),
    ),
}
_OF_OTHER_STEPS: tuple[Row, ...] = (
    ("input", s.DIFY_NODE_INPUTS, _as_it_is),
    ("output", s.DIFY_NODE_OUTPUTS, _as_it_is),
    ("process", s.DIFY_NODE_PROCESS_DATA, _as_it_is),
)
_OF_TURN: tuple[Row, ...] = (
    ("input", s.GEN_AI_INPUT_MESSAGES, _user),
    ("output", s.GEN_AI_OUTPUT_MESSAGES, _assistant),
)


def step_content(kind: str, content: dict[str, str], hits: Sequence[Hit] = ()) -> dict[str, str]:
    """The content attributes of a step of this kind; `hits` are what a retrieval found."""
    found = attributes_of(content, _OF_STEP.get(kind, _OF_OTHER_STEPS))
    output = content.get("output", "")
    if kind == "retrieval" and not _says_nothing(output) and (listed := _documents(output, hits)):
        found[s.GEN_AI_RETRIEVAL_DOCUMENTS] = listed
    return found


def turn_content(content: dict[str, str]) -> dict[str, str]:
    """The content attributes of a turn's root."""
    return attributes_of(content, _OF_TURN)


def attributes_of(content: dict[str, str], rows: Iterable[Row]) -> dict[str, str]:
    """The attributes that the table makes of the content."""
    found: dict[str, str] = {}
    for field, attribute, shaped in rows:
        text = content.get(field, "")
        if attribute not in found and not _says_nothing(text) and (value := shaped(text)):
            found[attribute] = value
    return found


def _says_nothing(text: str) -> bool:
    return not text or (len(text) < _SHORT and text.strip() in _NOTHING)
