"""The demo's house: the real wiring over settings of its own, with two adapters more, its source and its screen.

Also where its files lie: `journal/` and `spans.jsonl` in one folder.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import msgspec

from monitor.config import Settings
from monitor.config.settings import JournalSettings, ServerSettings
from monitor.errors import ConfigError
from monitor.journal import SqliteJournal
from monitor.ports import Clock
from monitor.runtime.registry import KINDS
from monitor.runtime.wiring import House, build_house

__all__ = ["SOURCE", "Place", "build", "place_of"]

SOURCE = "demo"
"""The source's name: a journal that knows it belongs to the demo."""

_KINDS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        **KINDS,
        "sources": {SOURCE: "monitor.demo.source"},
        "sinks": {**KINDS["sinks"], "screen": "monitor.demo.screen"},
    }
)
_MIN_FREE_BYTES = 64 * 1024**2
_SPAN_FILES_KEPT = 2


class Place(msgspec.Struct, frozen=True):
    """Where the demo's files lie."""

    folder: Path
    earlier: int = 0
    """How many events earlier demos left in the journal."""
    temporary: bool = False
    """Whether nobody named the folder."""

    @property
    def journal(self) -> Path:
        """The journal's folder."""
        return self.folder / "journal"

    @property
    def spans(self) -> Path:
        """The file of spans."""
        return self.folder / "spans.jsonl"

    def discard(self) -> None:
        """Leave nothing behind in a temporary folder; one that was named stays."""
        if self.temporary:
            shutil.rmtree(self.folder, ignore_errors=True)

    def span_files(self) -> list[Path]:
        """The files of spans that are there, full ones included."""
        return sorted(self.folder.glob(f"{self.spans.name}*"))


def place_of(folder: Path | None, clock: Clock) -> Place:
    """The folder, a fresh temporary one where none is named.

    Raises ConfigError where it can't be used, or holds a journal that is not the demo's; JournalError.
    """
    try:
        if folder is None:
            return Place(Path(tempfile.mkdtemp(prefix="monitor-demo-")), temporary=True)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as exc:
        where = "--dir" if folder else "TMPDIR"
        raise ConfigError(f"there is no folder to work in: {exc.strerror}", path=where, value=_shown(folder)) from exc
    place = Place(folder.absolute())
    return msgspec.structs.replace(place, earlier=_earlier(place, clock))


def build(place: Place, clock: Clock, *, rounds: int | None = 1, listen: str | None = None) -> House:
    """Everything that a run consists of. `rounds`: how often the recording is played, None without end."""
    settings = Settings(
        journal=JournalSettings(path=place.journal, min_free_bytes=_MIN_FREE_BYTES),
        sources=({"type": SOURCE, "rounds": rounds, "earlier": place.earlier},),
        sinks=(
            {"type": "screen"},
            {"type": "file", "path": str(place.spans), "content": "full", "keep": _SPAN_FILES_KEPT},
        ),
        notifiers=({"type": "console"},),
        server=ServerSettings(listen=listen),
    )
    return build_house(settings, clock, kinds=_KINDS)


def _earlier(place: Place, clock: Clock) -> int:
    if not (place.journal / "journal.db").exists():
        return 0
    with SqliteJournal.open(place.journal, clock, read_only=True) as journal:
        earlier = journal.head()
        if earlier and journal.position(SOURCE) is None:
            raise ConfigError(
                "the folder has a journal of something else, which the demo must not mix with its own",
                path="--dir",
                value=str(place.folder),
                remedy="Name a new folder, or one of an earlier demo",
            )
    return earlier


def _shown(folder: Path | None) -> str | None:
    return str(folder) if folder else None
