"""How much of what Dify holds is in the journal, as a source last said. Stored in the source's memory."""

from __future__ import annotations

import msgspec

__all__ = ["COVERAGE_KEY", "Coverage"]

COVERAGE_KEY = "coverage"
"""Under which a source remembers it (JSON of a `Coverage`)."""


class Coverage(msgspec.Struct, frozen=True, omit_defaults=True):
    """Times are ns since 1970 UTC; 0 is unknown."""

    at: int = 0
    """When it was said."""
    purge_safe_at: int = 0
    """Up to this moment Dify's rows may be deleted without loss."""
    oldest_at: int = 0
    """The oldest row that Dify still holds."""
    state: str = "safe"
    """As in `CoverageChanged`."""
    checked_since: int = 0
    """From here..."""
    checked_until: int = 0
    """... to here every row that Dify holds was compared with what is recorded."""
    checked_at: int = 0
    """When that comparison came to its end last."""
    compared: int = 0
    """Rows that were ever compared, by digest."""
    repaired: int = 0
    """Turns that a comparison found missing or changed, and that were read then."""
    missing: int = 0
    """Rows that Dify holds and the journal lacks at this moment; being read, or a gap."""
    gaps: int = 0
    """Rows and spans of time that could not be read at all."""
    deleted: int = 0
    """Recorded turns that Dify no longer holds."""
    left_out: int = 0
    """Rows that the configuration's include and exclude leave out."""
    external_runs: bool = False
    """Messages name runs that the database does not hold: Dify keeps its workflow runs elsewhere."""
