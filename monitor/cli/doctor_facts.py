"""What `monitor doctor` finds, part by part: the configuration, this machine, then every source, sink and channel.

Each adapter is asked in a thread of its own and has a minute at most, so that one that hangs is a finding like any
other. Nothing is changed anywhere; prints nothing (doctor_text.py).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence

import msgspec
from pydantic import SecretStr

from monitor.cli.doctor_machine import (
    holder_of,
    journal_findings,
    new_file_finding,
    server_finding,
    terminal_findings,
)
from monitor.config import Loaded, Settings
from monitor.config.masking import masked_text
from monitor.errors import Auth, MonitorError, Permanent, TooLarge
from monitor.model import Diagnosis
from monitor.model.answers import Holder
from monitor.ports import Clock, Diagnosable, InFile, Notifier, Sink
from monitor.replay.words import plural
from monitor.runtime.wiring import House, build_house

__all__ = ["DEADLINE_S", "Part", "examine", "house_to_examine"]

DEADLINE_S = 60.0
"""An adapter that has not answered by then does not answer."""

_UNUSED_KEY = SecretStr("nobody's pseudonym is made here")
"""Building a house would make and keep a key where there is none, and the doctor changes nothing."""

_ANOTHER_WRITER = "belongs to another writer"


class Part(msgspec.Struct, frozen=True):
    """One part of the house, and what was found there."""

    name: str
    findings: tuple[Diagnosis, ...]


def house_to_examine(loaded: Loaded, clock: Clock) -> House:
    """The adapters of a configuration. Raises ConfigError, as `monitor run` would; leaves nothing behind."""
    settings = loaded.settings
    if settings.pseudonym_key is None:
        settings = settings.model_copy(update={"pseudonym_key": _UNUSED_KEY})
    return build_house(settings, clock, loaded.places)


def examine(loaded: Loaded, house: House, clock: Clock, *, deadline_s: float = DEADLINE_S) -> Iterator[Part]:
    """Every part, in the order in which facts travel. The adapters begin to answer at once, beside each other."""
    holder = holder_of(loaded.settings.journal.path)
    asked = [
        *((f"source {each.name}", _Asked(each.diagnose, each.close)) for each in house.sources),
        *((f"sink {each.name}", _Asked(_checked(each, holder), each.close)) for each in house.sinks),
        *((f"notifier {each.name}", _Asked(_checked(each), each.close)) for each in house.notifiers),
    ]
    settings = loaded.settings
    yield Part("configuration", tuple(_configuration(loaded, house)))
    yield Part("journal", tuple(journal_findings(settings.journal, clock)))
    yield Part("server", (server_finding(settings.server, settings.journal.path),))
    yield Part("terminal", tuple(terminal_findings(clock)))
    for name, each in asked:
        yield Part(name, each.answer(deadline_s))


def _configuration(loaded: Loaded, house: House) -> Iterator[Diagnosis]:
    origin = loaded.places.file or "no file, only the environment"
    counts = (
        plural(len(house.sources), "source"),
        plural(len(house.sinks), "sink"),
        plural(len(house.notifiers), "channel"),
    )
    yield Diagnosis("file", "ok", f"{origin}: {', '.join(counts)}")
    for hint in loaded.hints:
        yield Diagnosis("variables", "warning", hint)
    yield _rules(loaded.settings, house)
    if not house.sinks:
        yield Diagnosis(
            "sinks",
            "warning",
            "none: what is read stays in the journal; metrics, alerts and replay work, traces go nowhere",
            "Add an entry under `sinks:`, such as {type: file, path: spans.jsonl}, or leave it so.",
        )


def _rules(settings: Settings, house: House) -> Diagnosis:
    if not settings.rules.enabled:
        return Diagnosis("rules", "warning", "switched off: no alert is raised", "Set rules.enabled: true.")
    if not house.rules:
        return Diagnosis("rules", "warning", "none are in force: no alert is raised", "See rules.paths.")
    names = ", ".join(rule.definition.name for rule in house.rules)
    return Diagnosis("rules", "ok", f"{len(house.rules)} in force: {names}")


def _checked(adapter: Sink | Notifier, holder: Holder | None = None) -> Callable[[], Sequence[Diagnosis]]:
    """What an adapter's `check` comes to, beside what it can say itself.

    A file that is not there is not made; one that a sidecar writes is fine.
    """

    def check() -> Sequence[Diagnosis]:
        path = adapter.present_file() if isinstance(adapter, InFile) else None
        if path is not None and not path.exists():
            return [new_file_finding(path)]
        found = tuple(adapter.diagnose()) if isinstance(adapter, Diagnosable) else ()
        if any(each.outcome == "problem" for each in found):
            return found  # the check would name the same once more, without the remedy
        try:
            adapter.check()
        except Auth as exc:
            if holder is not None and str(exc).endswith(_ANOTHER_WRITER):
                return [Diagnosis("check", "ok", f"{path} is written by the running sidecar, process {holder.pid}")]
            raise
        return [*found, Diagnosis("check", "ok", "reached")]

    return check


class _Asked:
    """One adapter that is answering."""

    def __init__(self, work: Callable[[], Sequence[Diagnosis]], close: Callable[[], None]) -> None:
        self._work, self._close = work, close
        self._found: tuple[Diagnosis, ...] | None = None
        self._thread = threading.Thread(target=self._run, name="doctor", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._found = tuple(self._work())
        except MonitorError as exc:
            self._found = (_failed(exc),)

    def answer(self, deadline_s: float) -> tuple[Diagnosis, ...]:
        """What it found; that it hangs, or that it broke off, is a finding too."""
        self._thread.join(deadline_s)
        if not self._thread.is_alive():
            self._close()
        if self._found is not None:
            return self._found
        if self._thread.is_alive():
            return (
                Diagnosis(
                    "check",
                    "problem",
                    f"no answer within {deadline_s:.0f} s",
                    "Something on the way takes connections and does not answer: a firewall, a proxy, a full server.",
                ),
            )
        return (
            Diagnosis(
                "check", "problem", "the check broke off", "A defect in monitor: please report the traceback above."
            ),
        )


def _failed(error: MonitorError) -> Diagnosis:
    """An error of a check, with what follows from its kind."""
    if isinstance(error, Auth):
        remedy = "Credentials, rights or the address are wrong: correct them in the configuration."
    elif isinstance(error, Permanent | TooLarge):
        remedy = "It was reached and refuses what we send: see its own log."
    else:
        remedy = "Nothing is lost while it is away: the journal keeps what is to be delivered."
    return Diagnosis("check", "problem", masked_text(str(error)), remedy)
