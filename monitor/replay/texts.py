"""What a replay quotes: texts that people and machines wrote, and documents that a search found. As plain frozen data.

Part of the nouns of nouns.py, which says what holds for all of them.
"""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["Document", "Passage", "PassageName"]

PassageName = Literal[
    "question", "answer", "user", "name", "prompt", "said", "reasoning", "arguments", "result", "query", "found",
    "request", "response", "input", "process", "output", "error", "comment", "form", "submitted", "config", "note",
]  # fmt: skip


class Passage(msgspec.Struct, frozen=True):
    """A text that a person wrote or a machine gave back. It is data, never markup, and may hold any character."""

    name: PassageName
    """What the text is."""
    note: str
    """A prompt's role, a response's status code; else empty."""
    state: Literal["kept", "erased", "withheld"]
    """`erased`: it was deleted from the journal on purpose; `withheld`: this replay was asked to leave content out."""
    text: str
    """The whole text; empty unless it is kept."""
    detail: bool
    """The text as Dify kept it, where other passages or documents already say what matters of it."""


class Document(msgspec.Struct, frozen=True):
    """Something that a retrieval found. Names and text are empty where they are not kept, or not to be shown."""

    rank: int
    """Its place among what was found, from 1."""
    dataset: str
    """The knowledge base's name."""
    title: str
    """The document's name."""
    score: float | None
    """How well it fits the query, as Dify's retrieval rated it; null where Dify did not keep it."""
    dataset_id: str
    """The knowledge base's id; empty where Dify did not keep it."""
    document_id: str
    """The document's id; empty where Dify did not keep it."""
    segment_id: str
    """The id of the part that was found; empty where Dify did not keep it."""
    text: str
    """The part that was found."""
