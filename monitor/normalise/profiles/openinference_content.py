"""Content in OpenInference's shapes: a value in and out, messages and documents flattened with their numbers.

The default profile's attributes hold content as text, mostly JSON that `span_content.py` wrote; what can't be read here
is passed on as the text it is. Pure, and never raises. Called by `openinference.py` alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from monitor.model import semconv as s
from monitor.model.spans import AttributeValue
from monitor.normalise.attributes import Attributes
from monitor.normalise.text import dumps, parse, plain_text

__all__ = ["CONTENT", "content_of"]

_JSON, _TEXT = "application/json", "text/plain"
_IN = (
    s.GEN_AI_INPUT_MESSAGES,
    s.GEN_AI_TOOL_CALL_ARGUMENTS,
    s.GEN_AI_RETRIEVAL_QUERY_TEXT,
    s.DIFY_NODE_INPUTS,
    s.DIFY_ANNOTATION_QUESTION,
    s.DIFY_TRIGGER_INPUT,
    s.DIFY_FORM_CONTENT,
)
_OUT = (s.GEN_AI_OUTPUT_MESSAGES, s.GEN_AI_TOOL_CALL_RESULT, s.DIFY_NODE_OUTPUTS, s.DIFY_FORM_ANSWER)
CONTENT: Final = frozenset((*_IN, *_OUT, s.GEN_AI_RETRIEVAL_DOCUMENTS, s.DIFY_NODE_PROCESS_DATA, s.DIFY_NODE_ERROR))
"""The attributes that this module answers for. `dify.node.error` is the span's status already."""
_MESSAGES = frozenset({s.GEN_AI_INPUT_MESSAGES, s.GEN_AI_OUTPUT_MESSAGES})


def content_of(kind: str, given: Mapping[str, AttributeValue]) -> Attributes:
    """The attributes for what a span of this kind was given and gave."""
    found: Attributes = {}
    _value(found, "input", given, _IN)
    _value(found, "output", given, _OUT)
    if s.DIFY_NODE_PROCESS_DATA in given:
        found[s.DIFY_NODE_PROCESS_DATA] = given[s.DIFY_NODE_PROCESS_DATA]
    more = _OF_KIND.get(kind)
    if more is not None:
        more(found, given)
    return found


def _value(found: Attributes, side: str, given: Mapping[str, AttributeValue], names: tuple[str, ...]) -> None:
    name = next((each for each in names if each in given), None)
    if name is None:
        return
    text = str(given[name])
    if name in _MESSAGES:
        text = _texts(text)[-1][1]
    found[f"{side}.value"] = text
    found[f"{side}.mime_type"] = _JSON if isinstance(parse(text), dict | list) else _TEXT


def _texts(messages: str) -> list[tuple[str, str]]:
    """Role and text of each of the messages, at least of one."""
    value = parse(messages)
    listed = value if isinstance(value, list) else []
    return [_message(each) for each in listed if isinstance(each, dict)] or [("user", messages)]


def _message(message: dict[str, Any]) -> tuple[str, str]:
    parts = message.get("parts")
    said = [part.get("content") for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
    return plain_text(message.get("role") or "user"), "\n".join(plain_text(each) for each in said if each is not None)


def _of_llm(found: Attributes, given: Mapping[str, AttributeValue]) -> None:
    for name, prefix in (
        (s.GEN_AI_INPUT_MESSAGES, "llm.input_messages"),
        (s.GEN_AI_OUTPUT_MESSAGES, "llm.output_messages"),
    ):
        if name in given:
            for number, (role, text) in enumerate(_texts(str(given[name]))):
                found[f"{prefix}.{number}.message.role"] = role
                found[f"{prefix}.{number}.message.content"] = text


def _of_tool(found: Attributes, given: Mapping[str, AttributeValue]) -> None:
    """The arguments once more where backends look for them, if they are an object."""
    arguments = str(given.get(s.GEN_AI_TOOL_CALL_ARGUMENTS, ""))
    if isinstance(parse(arguments), dict):
        found["tool.parameters"] = arguments


def _of_retriever(found: Attributes, given: Mapping[str, AttributeValue]) -> None:
    listed = parse(str(given.get(s.GEN_AI_RETRIEVAL_DOCUMENTS, "")))
    for number, document in enumerate(listed if isinstance(listed, list) else []):
        if isinstance(document, dict):
            prefix = f"retrieval.documents.{number}.document"
            found.update({f"{prefix}.{name}": value for name, value in _document(document).items()})


def _document(document: dict[str, Any]) -> Attributes:
    """A hit: id and score, its text where that may leave, and the rest of what is known of it as metadata."""
    found: Attributes = {}
    if document.get("id"):
        found["id"] = plain_text(document["id"])
    score = _score(document.get("score"))
    if score is not None:
        found["score"] = score
    if document.get("content") is not None:
        found["content"] = plain_text(document["content"])
    metadata = {name: document[name] for name in ("title", "document_id", "dataset_id") if document.get(name)}
    return found | ({"metadata": dumps(metadata)} if metadata else {})


def _score(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


_OF_KIND: dict[str, Callable[[Attributes, Mapping[str, AttributeValue]], None]] = {
    "LLM": _of_llm,
    "TOOL": _of_tool,
    "RETRIEVER": _of_retriever,
}
