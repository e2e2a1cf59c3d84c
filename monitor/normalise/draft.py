"""A step on its way to becoming an event. What every maker of steps hands to `turns`."""

from __future__ import annotations

import msgspec

from monitor.model import Step, Usage
from monitor.normalise.scrub import scrub
from monitor.normalise.text import clean

__all__ = ["Draft", "content_of"]


class Draft(msgspec.Struct):
    """A step with its content, and what it adds to its turn's totals."""

    step: Step
    content: dict[str, str]
    spent: Usage | None = None
    """Tokens and money; an Agent node's stand here whole where its model calls carry them as steps."""
    counted: int = 0
    """Tokens that Dify itself counted at the step's row and added to the totals of its run."""


def content_of(**fields: str | None) -> dict[str, str]:
    """The fields that say something, clean and without credentials."""
    return {field: scrub(clean(text)) for field, text in fields.items() if text}
