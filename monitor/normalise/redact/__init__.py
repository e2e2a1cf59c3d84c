"""What may leave the house: policies by sink and app (`leaving`), and the masks behind `redacted` (`masks`).

Beside those two, each module is a kind of detector (`detector` says what that is): `keys`, `mail`, `cards`, `ids`,
`machines`, `phones`, `names`, and the configuration's own `words` and `patterns`. `masks` is heavy, so whoever masks
asks for it by its own name.
"""

from __future__ import annotations

from monitor.normalise.redact.leaving import FIELDS, PEOPLE, Leaving
from monitor.normalise.redact.patterns import why_refused
from monitor.normalise.redact.words import LONGEST_WORD, SHORTEST_WORD

__all__ = [
    "FIELDS",
    "LONGEST_WORD",
    "PEOPLE",
    "SHORTEST_WORD",
    "Leaving",
    "why_refused",
]
