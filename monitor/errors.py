"""Every error of the house, by what follows from it.

MonitorError
├── ConfigError      the user must change something; exit code 2
├── Retryable        the same call may succeed later; carries `after_s` where the other side named a delay
├── TooLarge         the payload must be halved
├── Permanent        this payload will never be taken; carries a bounded `reason`
├── Auth             credentials or rights are wrong: hold the cursor and shout, never drop
└── JournalError     the store itself
    ├── JournalLocked    another process holds the journal
    ├── JournalFull      `journal.max_bytes` or the disk's reserve is reached: polling stops, Dify keeps the truth
    └── JournalDamaged   what is on disk is not a journal of ours
"""

from __future__ import annotations

__all__ = [
    "Auth",
    "ConfigError",
    "JournalDamaged",
    "JournalError",
    "JournalFull",
    "JournalLocked",
    "MonitorError",
    "Permanent",
    "Retryable",
    "TooLarge",
]


class MonitorError(Exception):
    """Base of all errors that this project raises on purpose."""


class ConfigError(MonitorError):
    """A setting is wrong. `where` is the file or variable, `path` the setting, `remedy` what to do."""

    def __init__(
        self, problem: str, *, where: str = "", path: str = "", value: object = None, remedy: str = ""
    ) -> None:
        self.problem, self.where, self.path, self.value, self.remedy = problem, where, path, value, remedy
        place = ": ".join(part for part in (where, path) if part)
        shown = "" if value is None else f" (got {value!r})"
        super().__init__(f"{place + ': ' if place else ''}{problem}{shown}{'. ' + remedy if remedy else ''}")


class Retryable(MonitorError):
    """The other side can't take or give this now. `reason` is a bounded word for metrics, `after_s` a named delay."""

    def __init__(self, detail: str, *, reason: str = "unavailable", after_s: float | None = None) -> None:
        self.reason, self.after_s = reason, after_s
        super().__init__(detail)


class TooLarge(MonitorError):
    """The payload is larger than the other side accepts; a smaller one may pass."""


class Permanent(MonitorError):
    """The same payload will be refused every time. `reason` is a bounded word for metrics and the rejected table."""

    def __init__(self, detail: str, *, reason: str = "refused") -> None:
        self.reason = reason
        super().__init__(detail)


class Auth(MonitorError):
    """Credentials, rights or the address are wrong: not the event's fault, so nothing may be dropped for it."""


class JournalError(MonitorError):
    """The journal can't do what was asked."""


class JournalLocked(JournalError):
    """Another process holds this journal."""


class JournalFull(JournalError):
    """The journal reached `journal.max_bytes`, or its disk is nearly full."""


class JournalDamaged(JournalError):
    """The journal's files are not what they should be."""
