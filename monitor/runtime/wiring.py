"""From settings to objects: each adapter's section validated by its `type`, then built; rules read from their files.

`plan_house` only reads and checks, so `monitor config check` is the first half of `monitor run`. `build_house` then
makes the objects; nothing in them has been opened yet, and nothing runs before `monitor.runtime.supervisor`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import structlog
from pydantic import ValidationError

from monitor.config import Places, Settings
from monitor.config.places import KeyPath, path_text
from monitor.config.problems import all_in_one, explain, nearest
from monitor.errors import ConfigError
from monitor.model import Redaction
from monitor.ports import AdapterConfig, Clock, Notifier, Sink, Source, Tools
from monitor.rules import LoadedRule
from monitor.runtime.pseudonym import kept_key, pseudonyms
from monitor.runtime.redaction import read_redaction
from monitor.runtime.registry import KINDS, AdapterModule, load_adapter
from monitor.runtime.rulebook import read_rules

__all__ = ["House", "Plan", "Planned", "build_house", "plan_house"]

_ONE_OF = {"sources": "source", "sinks": "sink", "notifiers": "notifier"}
_NO_SOURCE = """\
Set DIFY_DB_URL=postgresql://user:password@host:5432/dify, or write into monitor.yaml:
  sources:
    - {type: dify_database, url: "${DIFY_DB_URL}"}"""


class Planned(msgspec.Struct, frozen=True):
    """One adapter, validated and not yet built."""

    path: KeyPath
    config: AdapterConfig
    module: AdapterModule


class Plan(msgspec.Struct, frozen=True):
    """A configuration that is right in every part that can be checked without opening anything."""

    settings: Settings
    places: Places
    adapters: Mapping[str, tuple[Planned, ...]]
    """By section: `sources`, `sinks`, `notifiers`."""
    rules: tuple[LoadedRule, ...]
    redaction: Redaction
    """What every sink is handed."""


class House(msgspec.Struct, frozen=True):
    """Everything that a run consists of. Whoever holds it closes the adapters."""

    settings: Settings
    clock: Clock
    journal_path: Path
    sources: tuple[Source, ...]
    sinks: tuple[Sink, ...]
    notifiers: tuple[Notifier, ...]
    rules: tuple[LoadedRule, ...]
    configs: Mapping[str, tuple[AdapterConfig, ...]]
    """The adapters' settings by section (`sources`, `sinks`, `notifiers`), in the order of the adapters."""


def plan_house(
    settings: Settings, places: Places | None = None, kinds: Mapping[str, Mapping[str, str]] = KINDS
) -> Plan:
    """Check what `settings` says of adapters and rules; no side effects. Raises one ConfigError for all mistakes."""
    known = places or Places()
    problems: list[ConfigError] = []
    adapters = {
        section: tuple(_Section(section, table, settings, known, problems).planned())
        for section, table in kinds.items()
    }
    rules = read_rules(settings.rules, known, problems)
    sinks = [planned.config.label for planned in adapters.get("sinks", ())]
    redaction = read_redaction(settings.redaction, sinks, known, problems)
    if not settings.sources:
        problems.insert(0, ConfigError("there is no source to read Dify's records from", remedy=_NO_SOURCE))
    if problems:
        raise all_in_one(problems)
    return Plan(settings, known, adapters, rules, redaction)


def build_house(
    settings: Settings,
    clock: Clock,
    places: Places | None = None,
    kinds: Mapping[str, Mapping[str, str]] = KINDS,
) -> House:
    """Check and build everything. Makes the pseudonym key where there is none. Raises ConfigError."""
    plan = plan_house(settings, places, kinds)
    folder = settings.journal.path
    pseudonym = pseudonyms(settings.pseudonym_key or kept_key(folder))
    adapters = _Builder(plan, clock, pseudonym).adapters()
    configs = {section: tuple(planned.config for planned in group) for section, group in plan.adapters.items()}
    return House(settings=settings, clock=clock, journal_path=folder, rules=plan.rules, configs=configs, **adapters)


class _Builder:
    """Makes the planned adapters; those made are closed again should a later one fail."""

    def __init__(self, plan: Plan, clock: Clock, pseudonym: Callable[[str], str]) -> None:
        self._plan, self._clock, self._pseudonym = plan, clock, pseudonym

    def adapters(self) -> dict[str, tuple[Any, ...]]:
        with ExitStack() as built:
            adapters = {
                section: tuple(self._one(section, planned, built) for planned in group)
                for section, group in self._plan.adapters.items()
            }
            built.pop_all()  # all went well: from here on the house closes them
        return adapters

    def _one(self, section: str, planned: Planned, built: ExitStack) -> Any:
        logger = structlog.get_logger().bind(**{_ONE_OF[section]: planned.config.label})
        redaction = self._plan.redaction
        tools = Tools(clock=self._clock, logger=logger, pseudonym=self._pseudonym, redaction=redaction)
        try:
            adapter = planned.module.build(planned.config, tools)
        except ConfigError as exc:
            raise self._in_its_place(exc, planned.path) from exc
        built.callback(adapter.close)
        return adapter

    def _in_its_place(self, error: ConfigError, entry: KeyPath) -> ConfigError:
        """The adapter's error, which knows the setting but not the entry; variables it names itself."""
        setting, _, _ = error.path.partition(".")
        where = error.where or self._plan.places.where((*entry, setting))
        path = error.path if error.where else ".".join(filter(None, (path_text(entry), error.path)))
        return ConfigError(error.problem, where=where, path=path, value=error.value, remedy=error.remedy)


class _Section:
    """One of `sources`, `sinks` and `notifiers` on its way to validated Configs."""

    def __init__(
        self,
        section: str,
        table: Mapping[str, str],
        settings: Settings,
        places: Places,
        problems: list[ConfigError],
    ) -> None:
        self._section, self._table = section, table
        self._settings, self._places, self._problems = settings, places, problems

    def planned(self) -> Iterator[Planned]:
        """What is valid; the rest goes into the problems."""
        labels: set[str] = set()
        for place, raw in enumerate(getattr(self._settings, self._section)):
            planned = self._one((self._section, place), raw)
            if planned is None:
                continue
            if planned.config.label in labels:
                problem = f"two {self._section} are called {planned.config.label}"
                self._add(problem, planned.path, remedy="Give each a `name:` of its own.")
            labels.add(planned.config.label)
            yield planned

    def _one(self, path: KeyPath, raw: Mapping[str, Any]) -> Planned | None:
        named = raw.get("type")
        if not isinstance(named, str) or named not in self._table:
            self._refuse_type(path, named)
            return None
        module = load_adapter(self._table[named])
        try:
            config = module.Config.model_validate(self._with_service(raw, module.Config))
        except ValidationError as exc:
            self._problems.extend(explain(exc, module.Config, raw, self._places, path))
            return None
        return Planned(path, config, module)

    def _refuse_type(self, path: KeyPath, named: object) -> None:
        if named is None:
            self._add("`type` is missing", path, remedy=f"Types: {', '.join(sorted(self._table))}.")
        else:
            remedy = nearest(str(named), self._table)
            self._add(f"there is no such type of {_ONE_OF[self._section]}", (*path, "type"), named, remedy)

    def _with_service(self, raw: Mapping[str, Any], config: type[AdapterConfig]) -> dict[str, Any]:
        """The section, with Dify's name and environment where the adapter sends them and the user left them out."""
        service = self._settings.service
        shared = {"service_name": service.name, "deployment_environment": service.environment}
        return {name: value for name, value in shared.items() if name in config.model_fields} | dict(raw)

    def _add(self, problem: str, path: KeyPath, value: object = None, remedy: str = "") -> None:
        where = self._places.where(path)
        self._problems.append(ConfigError(problem, where=where, path=path_text(path), value=value, remedy=remedy))
