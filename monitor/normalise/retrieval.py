"""What searches in knowledge bases found: at a retrieval node, beside a chat's message, behind an agent's tool.

A workflow's retrieval node keeps its hits in its outputs. A chat searches before it asks the model and keeps only what
it found, in the message's metadata (where the app shows its sources) and up to Dify 1.2 in a table besides. A
chatflow's metadata repeat what its nodes have said, so they are not read. Called by `nodes`, `thoughts`, `agent_log`
and `turns`.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import msgspec

from monitor.model import Hit, Step
from monitor.normalise.draft import Draft, content_of
from monitor.normalise.rows import ResourceRow
from monitor.normalise.text import clean, dumps, short
from monitor.normalise.values import count

__all__ = ["MAX_HITS", "Found", "dataset_of_tool", "give_hits", "hits_of_node", "message_resources", "message_searches"]

MAX_HITS = 100
"""More of one search are counted and not kept."""

_DATASET_TOOL = re.compile(r"dataset_([0-9a-f]{8}(?:[_-][0-9a-f]{4}){3}[_-][0-9a-f]{12})", re.IGNORECASE)
"""A knowledge base is offered to an agent as a tool of this name."""
_NO_POSITION = 2**53


class Found(msgspec.Struct):
    """One hit with its names and text."""

    hit: Hit
    said: dict[str, str]


def dataset_of_tool(name: str, *, provider: Any, provider_type: Any) -> str:
    """The knowledge base that a tool of this name asks; "" where it is a tool, whatever its name begins with."""
    named = _DATASET_TOOL.fullmatch(name)
    if named:
        return named[1].replace("_", "-")
    if provider_type != "dataset-retrieval":
        return ""
    return clean(provider) if isinstance(provider, str) and provider else name


def hits_of_node(result: Any) -> tuple[Hit, ...]:
    """What a retrieval node's `result` lists, in its order."""
    if not isinstance(result, list):
        return ()
    items = (item for item in result[:MAX_HITS] if isinstance(item, dict))
    return tuple(_hit(_metadata(item)) for item in items)


def _metadata(item: dict[str, Any]) -> dict[str, Any]:
    metadata = item.get("metadata")
    return metadata if isinstance(metadata, dict) else item


def _hit(facts: dict[str, Any]) -> Hit:
    return Hit(
        dataset_id=_name(facts.get("dataset_id")),
        document_id=_name(facts.get("document_id")),
        segment_id=_name(facts.get("segment_id")),
        score=_score(facts.get("score")),
        position=count(facts.get("position")) or 0,
    )


def _name(value: Any) -> str:
    return short(value) if isinstance(value, str) else ""


def _score(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        score = float(value)
    except OverflowError:
        return None
    return score if math.isfinite(score) else None


def message_resources(kept: Any, rows: Iterable[ResourceRow]) -> dict[str, list[Found]]:
    """What a message's searches found, by dataset, best first: from its metadata, else from the table."""
    items = [item for item in kept if isinstance(item, dict)] if isinstance(kept, list) else []
    grouped: defaultdict[str, list[Found]] = defaultdict(list)
    for item in items or map(msgspec.structs.asdict, rows):
        found = _found(item)
        grouped[found.hit.dataset_id].append(found)
    return {dataset: sorted(found, key=_rank) for dataset, found in grouped.items()}


def _found(item: dict[str, Any]) -> Found:
    said = {field: item.get(field) for field in ("dataset_name", "document_name", "content")}
    return Found(_hit(item), {field: clean(text) for field, text in said.items() if isinstance(text, str)})


def _rank(found: Found) -> int:
    return found.hit.position or _NO_POSITION


def give_hits(drafts: Iterable[Draft], resources: dict[str, list[Found]]) -> dict[str, list[Found]]:
    """The hits to an agent's own searches of their datasets (the last of each), and what none of them asked for."""
    left = dict(resources)
    for draft in reversed(list(drafts)):
        step = draft.step
        if step.kind == "retrieval" and step.dataset_id in left:
            found = left.pop(step.dataset_id)
            draft.step = msgspec.structs.replace(step, hits=_hits(found), documents=len(found))
    return left


def _hits(found: list[Found]) -> tuple[Hit, ...]:
    return tuple(each.hit for each in found[:MAX_HITS])


def message_searches(message_id: str, resources: dict[str, list[Found]], at: int) -> list[Draft]:
    """A chat's searches, one a dataset. Dify keeps no time of them: they came before the model was asked."""
    return [_search(message_id, dataset, found, at) for dataset, found in resources.items()]


def _search(message_id: str, dataset: str, found: list[Found], at: int) -> Draft:
    step = Step(
        id=f"{message_id}/retrieval/{dataset}",
        kind="retrieval",
        name=dataset,
        position=0,
        started_at=at,
        ended_at=at,
        status="succeeded",
        estimated=True,
        dataset_id=dataset,
        documents=len(found),
        hits=_hits(found),
    )
    return Draft(step, content_of(output=dumps([each.said for each in found[:MAX_HITS]])))
