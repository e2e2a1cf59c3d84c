"""What Dify kept of a step or a turn, as passages to read: what the model said, what a tool was given, what was found.

Dify's columns hold JSON most of the time and anything some of the time. Where the point of a text can be told, that
is one passage and the text as it was kept follows as a `detail`; else the text stands for itself. Either way every
kept text is in a passage, whole. Pure; never raises. Called by timeline.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from itertools import zip_longest
from typing import Any, NamedTuple

from monitor.model import Hit, Step
from monitor.normalise.text import clean, dumps, parse
from monitor.replay.texts import Document, Passage, PassageName

__all__ = ["Kept", "documents_of", "passage_of", "prompts_of", "step_passages"]

_FIELDS = ("input", "process", "output", "error")
"""In the order of reading."""

_NAMES: dict[str, dict[str, PassageName]] = {
    "llm": {"output": "said"},
    "agent": {"output": "said"},
    "tool": {"input": "arguments", "output": "result"},
    "retrieval": {"input": "query", "output": "found"},
    "http": {"input": "request", "process": "request", "output": "response"},
}
"""What a field is called where it is not its own name."""

_OWN: dict[str, PassageName] = {"input": "input", "process": "process", "output": "output", "error": "error"}


class Kept(NamedTuple):
    """The content of one event, and what of it may be shown."""

    content: Mapping[str, str]
    erased: Collection[str] = ()
    show: bool = True

    def has(self, field: str) -> bool:
        """Whether there is, or was, such a text."""
        return field in self.content or field in self.erased

    def text(self, field: str) -> str:
        """The text that may be shown, else nothing."""
        return self.content.get(field, "") if self.show and field not in self.erased else ""


def passage_of(kept: Kept, field: str, name: PassageName, *, detail: bool = False, note: str = "") -> Passage | None:
    """The field as one passage; None where there is no such text."""
    if not kept.has(field):
        return None
    if field in kept.erased:
        return Passage(name, note, "erased", "", detail)
    if not kept.show:
        return Passage(name, note, "withheld", "", detail)
    return Passage(name, note, "kept", kept.content[field], detail)


def step_passages(step: Step, kept: Kept) -> tuple[Passage, ...]:
    """A step's texts in the order of reading."""
    found: list[Passage] = []
    for field in _FIELDS:
        points = _POINTS.get((_sort(step), field), _nothing)(kept.text(field))
        detail = bool(points) or _says_nothing_new(step, kept, field)
        whole = passage_of(kept, field, _name(step, kept, field, detail=detail), detail=detail)
        found += [*points, *([whole] if whole else [])]
    return tuple(found)


def documents_of(step: Step, kept: Kept) -> tuple[Document, ...]:
    """What a retrieval found: places, scores and ids as facts, names and texts where they are kept and can be read."""
    if step.kind != "retrieval":
        return ()
    items = _found(kept.text("output")) or []
    listed = [item for item in items if isinstance(item, dict)] if step.hits else items
    pairs = zip_longest(listed, step.hits)
    return tuple(_document(item, hit, number) for number, (item, hit) in enumerate(pairs, 1))


def prompts_of(text: str) -> tuple[Passage, ...]:
    """What a model was given, from Dify's JSON list of messages; nothing where it is something else."""
    value = _json(text)
    prompts = value.get("prompts") if isinstance(value, dict) else value
    if not isinstance(prompts, list) or not all(isinstance(prompt, dict) for prompt in prompts):
        return ()
    return tuple(_point("prompt", _plain(prompt.get("text") or ""), _plain(prompt.get("role"))) for prompt in prompts)


def _sort(step: Step) -> str:
    """The kind of step; for nodes without a kind of their own, Dify's word."""
    return step.node.node_type if step.kind == "node" and step.node is not None else step.kind


def _name(step: Step, kept: Kept, field: str, *, detail: bool) -> PassageName:
    """What the whole of a field is called; a column's content only, where something else says what matters.

    A model's words without a column around them are an agent's thought; a node's JSON without words is its output.
    """
    if detail or (step.kind in {"llm", "agent"} and step.node is not None and kept.text(field)):
        return _OWN[field]
    return _NAMES.get(step.kind, _OWN).get(field, _OWN[field])


def _says_nothing_new(step: Step, kept: Kept, field: str) -> bool:
    """Whether other passages of the step say what this field says."""
    text = kept.text(field)
    if field == "input":
        return step.kind == "llm" and bool(prompts_of(kept.text("process")))
    if field == "process":
        return step.kind in {"llm", "agent"} or (step.kind != "http" and (kept.has("input") or kept.has("output")))
    if field != "output" or not text:
        return False
    if step.kind == "retrieval":
        return _found(text) is not None
    if step.kind == "tool":
        return step.status == "failed" and kept.text("error") != "" and kept.text("error") in text
    return step.kind == "node" and text == kept.text("input")


def _nothing(text: str) -> list[Passage]:
    del text
    return []


def _point(name: PassageName, text: str, note: str = "") -> Passage:
    return Passage(name, note, "kept", text, detail=False)


def _json(text: str) -> Any:
    """The JSON object or array in the text; None for other values and what is no JSON."""
    if text.lstrip()[:1] not in {"{", "["}:
        return None
    try:
        return parse(text)
    except RecursionError:
        return None


def _plain(value: Any) -> str:
    """A JSON value as text: a string is itself."""
    return clean(value) if isinstance(value, str) else "" if value is None else dumps(value)


def _member(text: str, member: str) -> str:
    """A text in a JSON object; empty where there is none."""
    value = _json(text)
    inner = value.get(member) if isinstance(value, dict) else None
    return clean(inner) if isinstance(inner, str) else ""


def _prompts(text: str) -> list[Passage]:
    return list(prompts_of(text))


def _said(text: str) -> list[Passage]:
    said, thought = _member(text, "text"), _member(text, "reasoning_content")
    points = [_point("reasoning", thought)] if thought else []
    return [*points, _point("said", said)] if said else points


def _answer(text: str) -> list[Passage]:
    answer = _member(text, "answer")
    return [_point("output", answer)] if answer else []


def _result(text: str) -> list[Passage]:
    result = _member(text, "text")
    return [_point("result", result)] if result else []


def _query(text: str) -> list[Passage]:
    query = _member(text, "query")
    return [_point("query", query)] if query else []


def _request(text: str) -> list[Passage]:
    request = _member(text, "request")
    return [_point("request", request.strip())] if request else []


def _response(text: str) -> list[Passage]:
    value = _json(text)
    if not isinstance(value, dict) or not isinstance(value.get("body"), str):
        return []
    return [_point("response", clean(value["body"]), _plain(value.get("status_code")))]


_POINTS: dict[tuple[str, str], Callable[[str], list[Passage]]] = {
    ("llm", "process"): _prompts,
    ("llm", "output"): _said,
    ("agent", "input"): _query,
    ("agent", "output"): _said,
    ("tool", "output"): _result,
    ("retrieval", "input"): _query,
    ("http", "process"): _request,
    ("http", "output"): _response,
    ("answer", "output"): _answer,
}
"""How the point of a field is told, by sort of step and field."""


def _found(text: str) -> list[Any] | None:
    """The documents in a node's JSON, or in the list of a chat's search; None where it is something else."""
    value = _json(text)
    if isinstance(value, dict):
        found = value.get("result")
        return found if isinstance(found, list) else None
    return value if value and all(isinstance(item, dict) for item in value) else None


def _document(item: Any, hit: Hit | None, number: int) -> Document:
    """One of them, of which text or facts may be lacking."""
    value = item if isinstance(item, dict) else {}
    metadata = value.get("metadata")
    facts: dict[str, Any] = metadata if isinstance(metadata, dict) else value
    return Document(
        rank=hit.position if hit is not None and hit.position > 0 else number,
        dataset=_plain(facts.get("dataset_name")),
        title=_plain(value.get("title") or facts.get("document_name")),
        score=_score(hit.score if hit is not None else facts.get("score")),
        dataset_id=hit.dataset_id if hit is not None else _plain(facts.get("dataset_id")),
        document_id=hit.document_id if hit is not None else _plain(facts.get("document_id")),
        segment_id=hit.segment_id if hit is not None else _plain(facts.get("segment_id")),
        text=_plain(value.get("content")) if isinstance(item, dict) else _plain(item),
    )


def _score(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        score = float(value)
    except OverflowError:
        return None
    return score if math.isfinite(score) else None
