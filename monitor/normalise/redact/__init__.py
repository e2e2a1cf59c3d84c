"""What may leave the house: policies by sink and app (`leaving`), and the masks behind `redacted` (`masks`)."""

from __future__ import annotations

from monitor.normalise.redact.leaving import FIELDS, PEOPLE, Leaving, apply
from monitor.normalise.redact.masks import redact

__all__ = ["FIELDS", "PEOPLE", "Leaving", "apply", "redact"]
