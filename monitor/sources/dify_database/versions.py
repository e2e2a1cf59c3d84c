"""Which Dify a database belongs to, by the revision of its schema and by the tables that it has. Pure; for people.

Nothing is decided by it: what is read is found by probing. A revision that stands in no table here is no error, as
every Dify brings new ones; then the tables tell between which versions it lies. Called by the diagnosis.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType

__all__ = ["KNOWN_UNTIL", "REVISIONS", "version_text"]

KNOWN_UNTIL = "1.12"
"""The newest Dify whose tables we have compared column by column."""

REVISIONS: Mapping[str, str] = MappingProxyType(
    {
        "a91b476a53de": "0.15",
        "68519ad5cd18": "1.9.0",
        "669ffd70119c": "1.10.0",
        "905527cc8fd3": "1.11.3",
        "3334862ee907": "1.12",
        "288345cd01d1": "1.12",
        "9d77545f524e": "1.12",
    }
)
"""Revisions of Alembic at which a version's schema was seen, or that brought what a version is known for."""

_EVIDENCE: tuple[tuple[tuple[int, int], str, str, bool], ...] = (
    ((0, 14), "workflow_runs", "exceptions_count", True),
    ((1, 2), "workflows", "marked_name", True),
    ((1, 5), "workflow_runs", "sequence_number", False),
    ((1, 9), "workflow_node_execution_offload", "id", True),
    ((1, 10), "workflow_trigger_logs", "id", True),
    ((1, 11), "workflow_pause_reasons", "id", True),
    ((1, 12), "workflow_archive_logs", "id", True),
    ((1, 13), "human_input_forms", "id", True),
)
"""Which column came (True) or went (False) with which version."""


def version_text(revision: str, there: Mapping[str, Collection[str]]) -> str:
    """Such as `Dify 1.9.0 (schema revision 68519ad5cd18)`; between which versions it lies where that is all we know."""
    if revision in REVISIONS:
        return f"Dify {REVISIONS[revision]} (schema revision {revision})"
    named = f"schema revision {revision} is not one that we know" if revision else "it does not say its revision"
    return f"{named}; by its tables it is Dify {_between(there)}"


def _between(there: Mapping[str, Collection[str]]) -> str:
    """From the newest version whose change is there on, to before the next whose change is not."""
    done = [
        version
        for version, table, column, came in _EVIDENCE
        if (came and column in there.get(table, ())) or (not came and table in there and column not in there[table])
    ]
    least = max(done, default=(0, 0))
    most = min((version for version, *_ in _EVIDENCE if version > least), default=None)
    since = f"{_named(least)} or later" if done else "of some version"
    newer = f", newer than {KNOWN_UNTIL}, which is the newest that we have compared" if least > _KNOWN else ""
    return f"{since}, before {_named(most)}" if most else since + newer


def _named(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))


_KNOWN = tuple(map(int, KNOWN_UNTIL.split(".")))
