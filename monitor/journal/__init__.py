"""The one store: a folder with a SQLite database of facts, content, cursors and projections.

Implements `monitor.ports.Journal`. The wiring and the CLI open it; everyone else is handed the port. Not here: what
the facts mean, and who consumes them.
"""

from __future__ import annotations

from monitor.journal.sqlite import BATCH_BYTES, MIN_FREE_BYTES, SqliteJournal

__all__ = ["BATCH_BYTES", "MIN_FREE_BYTES", "SqliteJournal"]
