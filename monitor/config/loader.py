"""From file and environment to validated Settings, with every mistake told at once and in its place.

The environment beats the file. Called by the command line; adapters' sections are validated later by
`monitor.runtime.wiring`, with the same `Places`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from pydantic import ValidationError

from monitor.config.environment import CONFIG_VARIABLE, Overlay, misspelt
from monitor.config.interpolation import Interpolation, read_secret
from monitor.config.places import KeyPath, Places
from monitor.config.problems import all_in_one, explain
from monitor.config.settings import Settings
from monitor.config.yaml_file import read_yaml
from monitor.errors import ConfigError

__all__ = ["SEARCH_PATHS", "Loaded", "adapter_names", "find_file", "load"]

SEARCH_PATHS = (Path("monitor.yaml"), Path("/etc/dify-monitor/monitor.yaml"))
"""Where the configuration is looked for when none is named; the first that exists is taken."""

_ADAPTERS = frozenset({"sources", "sinks", "notifiers"})
_DATABASE_VARIABLE = "DIFY_DB_URL"
_OTLP_VARIABLES = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


class Loaded(msgspec.Struct, frozen=True):
    """Settings, and where each of them was written."""

    settings: Settings
    places: Places
    hints: tuple[str, ...] = ()
    """What is no mistake but may not be what the user meant."""


def load(file: Path | None, environ: Mapping[str, str], *, adapters: bool = True) -> Loaded:
    """Read the configuration from `file` (None: look for one) and the environment. Raises ConfigError.

    `adapters=False` leaves sources, sinks and notifiers out, for those who only look into the journal: on their
    machine the secrets that those sections name may not be there.
    """
    path = find_file(file, environ)
    data, lines = read_yaml(path) if path is not None else ({}, {})
    if not adapters:
        data = {key: value for key, value in data.items() if key not in _ADAPTERS}
    places = Places(file=str(path or ""), lines=lines)
    interpolation = Interpolation(environ, places)
    resolved = interpolation.resolve({key: value for key, value in data.items() if value is not None})
    overlay = Overlay(environ)
    merged, names = _with_defaults(overlay.onto(resolved), dict(overlay.names), environ)
    problems = interpolation.problems + overlay.problems
    if problems:
        raise all_in_one(problems)
    places = msgspec.structs.replace(places, variables=names, written=interpolation.written)
    return Loaded(_validated(merged, places), places, tuple(misspelt(environ)))


def adapter_names(file: Path | None, environ: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """What `sources`, `sinks` and `notifiers` are called in the configuration, by section, whatever else they say.

    Asks for no secret, and leaves a name as it is written where it refers to what is not there. Raises ConfigError.
    """
    path = find_file(file, environ)
    data = read_yaml(path)[0] if path is not None else {}
    written = {section: data[section] for section in sorted(_ADAPTERS) if data.get(section) is not None}
    merged, _ = _with_defaults(Overlay(environ).onto(written), {}, environ)
    names = Interpolation(environ, Places())
    found = {}
    for section in sorted(_ADAPTERS):
        listed = merged.get(section)
        entries = [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
        found[section] = tuple(str(names.resolve(each.get("name") or each.get("type") or "")) for each in entries)
    return found


def find_file(file: Path | None, environ: Mapping[str, str]) -> Path | None:
    """The file named by the caller or by MONITOR_CONFIG, else the first that exists of SEARCH_PATHS."""
    named = file or (Path(environ[CONFIG_VARIABLE]) if environ.get(CONFIG_VARIABLE) else None)
    if named is not None:
        return named
    return next((path for path in SEARCH_PATHS if path.is_file()), None)


def _with_defaults(
    data: dict[str, Any], names: dict[KeyPath, str], environ: Mapping[str, str]
) -> tuple[dict[str, Any], dict[KeyPath, str]]:
    """Fill in what the environment of Dify and of OpenTelemetry already says, for sections that were left out."""
    filled = dict(data)
    url, url_name = _database_url(environ)
    if "sources" not in filled and url:
        filled["sources"] = [{"type": "dify_database", "url": url}]
        names = names | {("sources",): url_name}
    endpoint = next((name for name in _OTLP_VARIABLES if environ.get(name)), None)
    if "sinks" not in filled and endpoint is not None:
        filled["sinks"] = [{"type": "otlp"}]
        names = names | {("sinks",): endpoint}
    filled.setdefault("notifiers", [{"type": "console"}])
    return filled, names


def _database_url(environ: Mapping[str, str]) -> tuple[str, str]:
    """The database's address and the variable it came from; ('', '') when neither it nor its `_FILE` is set."""
    if environ.get(_DATABASE_VARIABLE):
        return environ[_DATABASE_VARIABLE], _DATABASE_VARIABLE
    in_file = f"{_DATABASE_VARIABLE}_FILE"
    if not environ.get(in_file):
        return "", ""
    try:
        return read_secret(environ[in_file]), in_file
    except ConfigError as exc:
        raise ConfigError(exc.problem, where=in_file) from exc


def _validated(data: dict[str, Any], places: Places) -> Settings:
    try:
        return Settings.model_validate(data)
    except ValidationError as exc:
        # Without the cause: pydantic's error keeps what was written, and that may be a secret.
        raise all_in_one(explain(exc, Settings, data, places)) from None
