"""From `redaction:` in the settings to what every sink is handed: that apps, patterns, words and regions can be used.

What the masking does with them is the business of `monitor.normalise.redact`; called by the wiring, and by
`monitor redact`.
"""

from __future__ import annotations

from collections.abc import Collection

from monitor.config import Places
from monitor.config.places import KeyPath, path_text
from monitor.config.problems import nearest
from monitor.config.settings import AppSettings, RedactionSettings
from monitor.errors import ConfigError
from monitor.model import DEFAULT_REGIONS, AppPolicy, MaskPattern, Redaction
from monitor.normalise.redact import LONGEST_WORD, SHORTEST_WORD, why_refused

__all__ = ["read_redaction"]

_SECTION = "redaction"
_NO_LOOKING = "Write it without look-around and back-references, as RE2 reads it; `monitor redact` shows what it finds."


def read_redaction(
    settings: RedactionSettings, sinks: Collection[str] | None, places: Places, problems: list[ConfigError]
) -> Redaction:
    """What the sinks mask and let through. Mistakes are added to `problems`.

    `sinks` are the names of those that there are; None where nobody looked.
    """
    book = _Book(settings, places, problems)
    return Redaction(
        apps=book.apps(sinks),
        patterns=book.patterns(),
        words=book.words(),
        regions=book.regions(),
        keep=settings.keep,
    )


class _Book:
    """The section on its way."""

    def __init__(self, settings: RedactionSettings, places: Places, problems: list[ConfigError]) -> None:
        self._settings, self._places, self._problems = settings, places, problems

    def apps(self, sinks: Collection[str] | None) -> tuple[AppPolicy, ...]:
        """The policies in their order; a sink that does not exist would leave a policy without force."""
        for place, each in enumerate(self._settings.apps):
            for number, sink in enumerate(each.sinks):
                if sinks is not None and sink not in sinks:
                    path = ("apps", place, "sinks", number)
                    self._refuse("there is no sink of that name", path, sink, nearest(sink, sinks))
            before = next((n for n in range(place) if _leaves_nothing_to(self._settings.apps[n], each)), None)
            if before is not None:
                problem = f"can never apply: redaction.apps[{before}] comes first, and fits all that this one fits"
                self._refuse(
                    problem, ("apps", place, "app"), each.app, "The first that fits decides: put this one before."
                )
        return tuple(AppPolicy(each.app, each.content, each.sinks) for each in self._settings.apps)

    def patterns(self) -> tuple[MaskPattern, ...]:
        """Those that RE2 takes."""
        found = []
        for place, each in enumerate(self._settings.patterns):
            if why := why_refused(each.pattern):
                self._refuse(f"no pattern: {why}", ("patterns", place, "pattern"), each.pattern, _NO_LOOKING)
            else:
                found.append(MaskPattern(each.pattern, each.mask))
        return tuple(found)

    def words(self) -> tuple[str, ...]:
        """The words of the settings and of the file, each once. No message quotes one: they are names of people."""
        for place, word in enumerate(self._settings.words):
            if problem := _problem_of(word.strip()):
                self._refuse(problem, ("words", place))
        return tuple(dict.fromkeys(word.strip() for word in (*self._settings.words, *self._from_file())))

    def regions(self) -> tuple[str, ...]:
        """Those that phonenumbers knows."""
        regions = tuple(region.upper() for region in self._settings.regions)
        if set(regions) <= set(DEFAULT_REGIONS):
            return regions
        from phonenumbers import SUPPORTED_REGIONS  # noqa: PLC0415 - only for those who name others

        for place, region in enumerate(regions):
            if region not in SUPPORTED_REGIONS:
                remedy = "Name countries by two letters, such as CN, HK, US, GB, DE."
                self._refuse("no region with telephone numbers", ("regions", place), region, remedy)
        return regions

    def _from_file(self) -> list[str]:
        """One word a line; empty lines and those that begin with # say nothing."""
        file = self._settings.words_file
        if file is None:
            return []
        try:
            lines = file.read_text("utf-8").splitlines()
        except (OSError, ValueError) as exc:
            detail = exc.strerror if isinstance(exc, OSError) else "it is not UTF-8"
            self._refuse(f"the words can't be read: {detail}", ("words_file",), str(file), "Name a text file.")
            return []
        words = [(number, line.strip()) for number, line in enumerate(lines, 1)]
        words = [(number, word) for number, word in words if word and not word.startswith("#")]
        for number, word in words:
            if problem := _problem_of(word):
                self._problems.append(ConfigError(problem, where=f"{file}:{number}"))
        return [word for _, word in words]

    def _refuse(self, problem: str, path: KeyPath, value: object = None, remedy: str = "") -> None:
        whole = (_SECTION, *path)
        where = self._places.where(whole)
        self._problems.append(ConfigError(problem, where=where, path=path_text(whole), value=value, remedy=remedy))


def _leaves_nothing_to(first: AppSettings, later: AppSettings) -> bool:
    """Whether the first decides wherever the later one would: for certain, not just for the apps that there are."""
    all_apps = not first.app.strip("*") or first.app.casefold() == later.app.casefold()
    all_sinks = not first.sinks or (bool(later.sinks) and set(later.sinks) <= set(first.sinks))
    return all_apps and all_sinks


def _problem_of(word: str) -> str:
    if not SHORTEST_WORD <= len(word) <= LONGEST_WORD:
        return f"a word has {SHORTEST_WORD} to {LONGEST_WORD} characters"
    return ""
