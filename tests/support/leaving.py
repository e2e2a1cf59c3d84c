"""What leaves under a policy, and what is masked by default, for tests that have texts and no events."""

from __future__ import annotations

from monitor.model import ContentPolicy, Redaction, TurnStarted
from monitor.normalise.redact import Leaving
from monitor.normalise.redact.masks import masks_for
from monitor.testing import samples

__all__ = ["apply", "redact"]


def apply(policy: ContentPolicy, content: dict[str, str]) -> dict[str, str]:
    """What of the content may leave."""
    return Leaving("test", policy, Redaction()).of(samples.event(TurnStarted(samples.turn_ref()), content=content))


def redact(text: str) -> str:
    """The text with what is masked by default."""
    return masks_for(Redaction()).of(text)
