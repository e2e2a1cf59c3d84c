"""Every setting as an environment variable: `MONITOR_JOURNAL__MAX_BYTES=20GB` is `journal.max_bytes: 20GB`.

Two underscores stand between levels. Lists and whole sections are JSON. Each variable has a twin with `_FILE` at its
end that names a file to read the value from. An empty variable counts as not set, as in Compose files.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, get_args, get_origin

import msgspec
from pydantic import BaseModel

from monitor.config.interpolation import read_secret
from monitor.config.places import KeyPath
from monitor.config.problems import nearest
from monitor.config.settings import Settings
from monitor.errors import ConfigError

__all__ = ["CONFIG_VARIABLE", "Overlay", "Variable", "misspelt", "variables"]

CONFIG_VARIABLE = "MONITOR_CONFIG"
"""Names the configuration file; no setting."""

_PREFIX, _BETWEEN, _FILE = "MONITOR_", "__", "_FILE"


class Variable(msgspec.Struct, frozen=True):
    """The environment variable of one setting."""

    name: str
    path: KeyPath
    is_json: bool
    """Whether the value is JSON: lists and sections."""
    optional: bool
    """Whether the setting may be `null`."""


class Overlay:
    """What the environment sets. Problems are collected, so that all can be told at once."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.names: dict[KeyPath, str] = {}
        """Variable that each value came from."""
        self.problems: list[ConfigError] = []
        self._values: dict[KeyPath, Any] = {}
        known = {variable.name: variable for variable in variables()}
        for name in sorted(n for n in environ if n.startswith(_PREFIX) and environ[n]):
            try:
                self._take(name, environ[name], _known(name, known))
            except ConfigError as exc:
                self.problems.append(exc)

    def _take(self, name: str, text: str, variable: Variable | None) -> None:
        if variable is None:
            return
        if variable.path in self.names:
            other = self.names[variable.path]
            raise ConfigError(f"is set beside {other}", where=name, remedy="Set one of them.")
        self._values[variable.path] = _value(name, text, variable)
        self.names[variable.path] = name

    def onto(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """A copy of the file's data with these values in it; a whole section first, then its single settings."""
        merged = {key: dict(value) if isinstance(value, dict) else value for key, value in data.items()}
        for path in sorted(self._values, key=len):
            self._set(merged, path)
        return merged

    def _set(self, merged: dict[str, Any], path: KeyPath) -> None:
        section = merged
        for part in path[:-1]:
            section = section.setdefault(str(part), {})
            if not isinstance(section, dict):
                return  # not a mapping where one is needed: the validation will say so
        section[str(path[-1])] = self._values[path]


def variables() -> list[Variable]:
    """The variables of all settings, in the order of the reference."""
    return list(_variables(Settings, ()))


def misspelt(environ: Mapping[str, str]) -> list[str]:
    """Hints about variables that are ignored but look like a setting written with single underscores."""
    meant = {variable.name.replace("_", ""): variable.name for variable in variables()}
    known = {*meant.values(), CONFIG_VARIABLE}
    suspects = sorted(name for name in environ if name.startswith(_PREFIX) and name not in known)
    close = [(name, meant.get(name.replace("_", ""))) for name in suspects]
    return [f"{name} is ignored: did you mean {other}?" for name, other in close if other is not None]


def _variables(model: type[BaseModel], path: KeyPath) -> Iterator[Variable]:
    for name, field in model.model_fields.items():
        here = (*path, field.alias or name)
        annotation = field.annotation
        section = isinstance(annotation, type) and issubclass(annotation, BaseModel)
        listed = get_origin(annotation) in (tuple, list, dict)
        variable = _PREFIX + _BETWEEN.join(str(part).upper() for part in here)
        yield Variable(variable, here, section or listed, type(None) in get_args(annotation))
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from _variables(annotation, here)


def _known(name: str, known: Mapping[str, Variable]) -> Variable | None:
    """The variable meant. None for names that are not ours: Kubernetes sets MONITOR_PORT and the like."""
    variable = known.get(name) or known.get(name.removesuffix(_FILE))
    if variable is None and _BETWEEN in name:
        raise ConfigError("there is no such setting", where=name, remedy=nearest(name, known))
    return variable


def _value(name: str, text: str, variable: Variable) -> Any:
    if name != variable.name:
        text = _file(name, text)
    if variable.optional and text == "null":
        return None
    return _json(name, text, variable) if variable.is_json else text


def _file(name: str, path: str) -> str:
    try:
        return read_secret(path)
    except ConfigError as exc:
        raise ConfigError(exc.problem, where=name) from exc


def _json(name: str, text: str, variable: Variable) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_no_repeats)
    except ValueError as exc:
        example = '["rules/*.yaml"]' if len(variable.path) > 1 else '[{"type": "..."}]'
        what = f"{exc.msg} at character {exc.pos + 1}" if isinstance(exc, json.JSONDecodeError) else str(exc)
        remedy = f"Write it like {example}." if not _is_section(variable) else 'Write it like {"name": "value"}.'
        raise ConfigError(f"is not JSON: {what}", where=name, remedy=remedy) from None  # exc holds the whole text


def _is_section(variable: Variable) -> bool:
    annotation = Settings.model_fields[str(variable.path[0])].annotation
    return len(variable.path) == 1 and isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) != len(pairs):
        raise ValueError("a name is given twice")
    return data
