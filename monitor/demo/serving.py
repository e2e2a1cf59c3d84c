"""The demo without end: round after round of the recorded turns under the real supervisor, with its server.

At the recorded pace, each round with ids of its own and at its own time, so that what a browser or Prometheus sees is
what a living Dify would give. Called by `monitor demo --serve`.
"""

from __future__ import annotations

from rich.console import Console

from monitor.demo import house, paper
from monitor.demo.house import Place
from monitor.demo.recording import load
from monitor.errors import ConfigError
from monitor.ports import Clock
from monitor.runtime import supervisor
from monitor.runtime.supervisor import Supervisor

__all__ = ["serve"]

_PAGES = ("/metrics", "/healthz", "/readyz")
_LISTEN = "server.listen"


def serve(place: Place, clock: Clock, console: Console, listen: str) -> None:
    """Play and serve until a signal. Raises ConfigError where the address can't be had, JournalError."""

    def started(running: Supervisor) -> None:
        _opening(console, place, running.server.url if running.server is not None else "")

    try:
        supervisor.run(house.build(place, clock, rounds=None, listen=listen), once=False, on_start=started)
    except ConfigError as exc:
        place.discard()
        if exc.path != _LISTEN:
            raise
        raise ConfigError(exc.problem, path="--serve", remedy=exc.remedy) from exc
    paper.uncut(console)
    paper.uncut(console, "Ended. Files: ", (str(place.folder), "bold"))


def _opening(console: Console, place: Place, url: str) -> None:
    """Where to look."""
    paper.chapter(console, "monitor demo --serve")
    version = load().version
    paper.prose(
        console,
        f"A small Dify in memory plays turns that were recorded from a real Dify {version}, over and over, at the"
        " recorded pace. Ctrl-C ends it.",
    )
    for page in _PAGES:
        paper.uncut(console, "  ", (f"{url}{page}", "bold"))
    paper.uncut(console, ("Files: ", "dim"), str(place.folder))
