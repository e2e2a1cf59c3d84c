"""From `rules:` in the settings to rules: which files are read, and that no two rules share a name.

What a file may say is the business of `monitor.rules`; called by the wiring.
"""

from __future__ import annotations

import glob
from collections.abc import Mapping, Sequence
from pathlib import Path

import monitor
from monitor.config import Places
from monitor.config.places import path_text
from monitor.config.settings import RulesSettings
from monitor.errors import ConfigError
from monitor.rules import LoadedRule, RuleKind, parse_rules
from monitor.runtime.registry import rule_kinds

__all__ = ["read_rules", "shipped_rules"]


def read_rules(settings: RulesSettings, places: Places, problems: list[ConfigError]) -> tuple[LoadedRule, ...]:
    """All rules in the order of their files; none where rules are disabled. Mistakes are added to `problems`."""
    return _Rulebook(settings, places, problems).rules() if settings.enabled else ()


def shipped_rules() -> tuple[Path, ...]:
    """The rules that come with `monitor`: inside the installed package, else in the source tree."""
    package = Path(monitor.__file__).parent
    for folder in (package / "shipped" / "alerts", package.parent / "alerts"):
        files = sorted(folder.glob("*.yaml"))
        if files:
            return tuple(files)
    raise ConfigError("the rules that come with monitor are missing", remedy="Install it again or set rules.paths.")


class _Rulebook:
    """The files of rules on their way to rules."""

    def __init__(self, settings: RulesSettings, places: Places, problems: list[ConfigError]) -> None:
        self._settings, self._places, self._problems = settings, places, problems

    def rules(self) -> tuple[LoadedRule, ...]:
        """All rules in the order of their files; what is wrong goes into the problems."""
        kinds = rule_kinds()
        names: dict[str, Path] = {}
        found: list[LoadedRule] = []
        for file in self._files():
            for rule in self._read(file, kinds):
                self._refuse_twin(rule.definition.name, file, names)
                found.append(rule)
        return tuple(found)

    def _files(self) -> list[Path]:
        if not self._settings.paths:
            return list(shipped_rules())
        files: dict[Path, Path] = {}
        for place in range(len(self._settings.paths)):
            for file in self._matched(place):
                files.setdefault(file.resolve(), file)
        return list(files.values())

    def _matched(self, place: int) -> list[Path]:
        pattern = self._settings.paths[place]
        names = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207 - Path.glob takes no absolute patterns
        files = [Path(name) for name in names if Path(name).is_file()]
        if not files:
            path = ("rules", "paths", place)
            remedy = f"Name its files: {pattern.rstrip('/')}/*.yaml" if Path(pattern).is_dir() else ""
            where, text = self._places.where(path), path_text(path)
            problem = "there is no such file"
            self._problems.append(ConfigError(problem, where=where, path=text, value=pattern, remedy=remedy))
        return files

    def _read(self, file: Path, kinds: Mapping[str, RuleKind]) -> Sequence[LoadedRule]:
        try:
            return parse_rules(file.read_text("utf-8"), where=str(file), kinds=kinds)
        except ConfigError as exc:
            self._problems.append(exc)
        except (OSError, ValueError) as exc:
            detail = exc.strerror if isinstance(exc, OSError) else "it is not UTF-8"
            self._problems.append(ConfigError(f"can't be read: {detail}", where=str(file)))
        return ()

    def _refuse_twin(self, name: str, file: Path, names: dict[str, Path]) -> None:
        if name in names:
            problem = f"there is a rule of this name in {names[name]} too"
            remedy = "Give each rule a name of its own."
            self._problems.append(ConfigError(problem, where=str(file), path=name, remedy=remedy))
        names[name] = file
