"""`${NAME}`, `${NAME:-default}` and `${file:/path}` inside the strings of a configuration that is already parsed.

Working on parsed strings, a value can never add settings of its own. `$${` stands for a plain `${`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monitor.config.places import KeyPath, Places, path_text
from monitor.errors import ConfigError

__all__ = ["Interpolation", "read_secret"]

_REFERENCE = re.compile(r"\$(?:(\$)\{|\{([^{}]*)\}|\{)")
_NAME = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?", re.DOTALL)
_FILE = "file:"
_MAX_SECRET_BYTES = 64 * 1024


class Interpolation:
    """One walk through a configuration. It collects problems, so that all can be told at once."""

    def __init__(self, environ: Mapping[str, str], places: Places) -> None:
        self._environ, self._places = environ, places
        self.written: dict[KeyPath, str] = {}
        """Each string that held a reference, as it was written."""
        self.problems: list[ConfigError] = []

    def resolve(self, value: Any, path: KeyPath = ()) -> Any:
        """A copy of the data with its references resolved; names of settings stay as they are."""
        if isinstance(value, dict):
            return {key: self.resolve(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [self.resolve(item, (*path, place)) for place, item in enumerate(value)]
        return self._string(value, path) if isinstance(value, str) and "${" in value else value

    def _string(self, text: str, path: KeyPath) -> str:
        self.written[path] = text
        try:
            return _REFERENCE.sub(self._reference, text)
        except _Unresolved as exc:
            place = {"where": self._places.where(path), "path": path_text(path)}
            self.problems.append(ConfigError(exc.problem, remedy=exc.remedy, **place))
            return text

    def _reference(self, match: re.Match[str]) -> str:
        if match[1]:
            return "${"
        inside = match[2]
        if inside is None:
            raise _Unresolved("`${` without its `}`", "Write `$${` for a plain `${`.")
        if inside.startswith(_FILE):
            return _secret_or_unresolved(inside.removeprefix(_FILE))
        return self._variable(inside)

    def _variable(self, inside: str) -> str:
        match = _NAME.fullmatch(inside)
        if match is None:
            remedy = "Write ${NAME}, ${NAME:-default} or ${file:/path}; `$${` for a plain `${`."
            raise _Unresolved(f"can't read ${{{inside}}}", remedy)
        name, default = match[1], match[2]
        value = self._environ.get(name)
        if default is not None:
            return value or default
        if value is None:
            raise _Unresolved(f"the environment variable {name} is not set", f"Set it, or write ${{{name}:-default}}.")
        return value


def read_secret(path: str) -> str:
    """The text of a small file, without the line breaks at its end. Raises ConfigError without quoting it."""
    try:
        with Path(path).open("rb") as file:
            raw = file.read(_MAX_SECRET_BYTES + 1)
        text = raw.decode().rstrip("\r\n")
    except OSError as exc:
        raise ConfigError(f"the file {path} can't be read: {exc.strerror}") from exc
    except ValueError:
        raise ConfigError(f"the file {path} is not UTF-8 text") from None  # the cause would quote the secret
    if len(raw) > _MAX_SECRET_BYTES:
        raise ConfigError(f"the file {path} is larger than {_MAX_SECRET_BYTES} bytes")
    return text


class _Unresolved(Exception):
    """One reference that leads nowhere."""

    def __init__(self, problem: str, remedy: str) -> None:
        self.problem, self.remedy = problem, remedy
        super().__init__(problem)


def _secret_or_unresolved(path: str) -> str:
    try:
        return read_secret(path)
    except ConfigError as exc:
        raise _Unresolved(exc.problem, "") from exc
