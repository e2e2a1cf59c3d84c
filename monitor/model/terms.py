"""What a person may type to name a turn, and which of the turn's ids that is. Pure; shared by all journals."""

from __future__ import annotations

import contextlib
from uuid import UUID

from monitor.model.answers import Matched
from monitor.model.trace import TurnRef

__all__ = ["SHORTEST_PREFIX", "matched_by", "spellings"]

SHORTEST_PREFIX = 4
"""Fewer characters than this name too many turns to be a search."""

_HEX_DIGITS = 32


def spellings(term: str) -> list[str]:
    """The term as ids may spell it: as it is, in lower case, and with the dashes that a trace id lacks."""
    text = term.strip()
    spelt = [text, text.lower()]
    if len(text) == _HEX_DIGITS and text.isalnum():
        with contextlib.suppress(ValueError):  # as long as a trace id, but not one
            spelt.append(str(UUID(hex=text)))
    return [spelling for spelling in dict.fromkeys(spelt) if spelling]


def matched_by(ref: TurnRef, text: str, *, exact: bool) -> tuple[Matched, str] | None:
    """Which id of the turn the text is (or begins, unless `exact`), and that id; None when it is none of them."""
    ids: tuple[tuple[Matched, str], ...] = (
        ("turn", ref.turn_id),
        ("conversation", ref.conversation_id),
        ("message", ref.message_id),
        ("run", ref.run_id),
    )
    for matched, value in ids:
        if value == text or (not exact and value.startswith(text)):
            return matched, value
    return None
