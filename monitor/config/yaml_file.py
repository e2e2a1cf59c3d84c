"""One YAML file as plain data with the line of every setting. Strict where YAML is lax; called by the loader."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from monitor.config.places import KeyPath, path_text
from monitor.errors import ConfigError

__all__ = ["read_yaml"]

_MAX_BYTES = 1_000_000
_MAX_NODES = 50_000
_MAX_DEPTH = 40


def read_yaml(path: Path) -> tuple[dict[str, Any], dict[KeyPath, int]]:
    """The file's mapping and the line (from 1) of each of its settings. Raises ConfigError.

    Refused: what is not UTF-8, not a mapping or larger than 1 MB, keys that are repeated or no text, and tags.
    """
    try:
        data, lines = _parsed(_text(path), str(path))
    except yaml.YAMLError as exc:
        raise _malformed(path, exc) from None  # its text quotes the file, and there may be a secret on that line
    except (RecursionError, ValueError) as exc:
        raise ConfigError("can't be read as YAML", where=str(path)) from exc
    if data is not None and not isinstance(data, dict):
        raise ConfigError("must be a mapping (`name: value` lines)", where=str(path))
    return data or {}, lines


def _parsed(text: str, file: str) -> tuple[Any, dict[KeyPath, int]]:
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None, {}
        lines = _Lines(file).walk(node)
        return loader.construct_document(node), lines
    finally:
        loader.dispose()


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(_MAX_BYTES + 1)
        if len(raw) > _MAX_BYTES:
            raise ConfigError(f"is larger than {_MAX_BYTES} bytes", where=str(path))
        return raw.decode("utf-8-sig")
    except OSError as exc:
        raise ConfigError(f"can't be read: {exc.strerror}", where=str(path)) from exc
    except UnicodeDecodeError as exc:
        raise ConfigError(f"is not UTF-8 (byte {exc.start})", where=str(path)) from None


def _malformed(path: Path, error: yaml.YAMLError) -> ConfigError:
    mark = getattr(error, "problem_mark", None)
    where = f"{path}:{mark.line + 1}" if mark is not None else str(path)
    what = getattr(error, "problem", None) or getattr(error, "reason", None) or "malformed"
    return ConfigError(f"is not YAML: {what}", where=where)


class _Lines:
    """Collects where each setting stands and refuses what would hide a mistake."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._lines: dict[KeyPath, int] = {}

    def walk(self, node: yaml.Node, path: KeyPath = ()) -> dict[KeyPath, int]:
        self._add(path, node)
        if isinstance(node, yaml.MappingNode):
            self._mapping(node, path)
        elif isinstance(node, yaml.SequenceNode):
            for place, item in enumerate(node.value):
                self.walk(item, (*path, place))
        return self._lines

    def _add(self, path: KeyPath, node: yaml.Node) -> None:
        self._lines.setdefault(path, node.start_mark.line + 1)
        # Aliases can make a small file endless; the walk sees each use of them.
        if len(self._lines) > _MAX_NODES or len(path) > _MAX_DEPTH:
            raise ConfigError("is too deeply nested or too large", where=self._file)

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> None:
        seen: set[str] = set()
        for key, value in node.value:
            name = self._name(key, path)
            if name in seen:
                raise ConfigError(
                    "is given twice", where=self._at(key), path=path_text((*path, name)), remedy="Keep one of them."
                )
            seen.add(name)
            self._lines[(*path, name)] = key.start_mark.line + 1
            self.walk(value, (*path, name))

    def _name(self, key: yaml.Node, path: KeyPath) -> str:
        if key.tag == "tag:yaml.org,2002:str":
            return str(key.value)
        if key.tag == "tag:yaml.org,2002:merge":
            raise ConfigError(
                "`<<` is not supported", where=self._at(key), path=path_text(path), remedy="Write the settings out."
            )
        shown = key.value if isinstance(key, yaml.ScalarNode) else "a list or mapping"
        raise ConfigError(
            f"the name {shown} is not text", where=self._at(key), path=path_text(path), remedy="Put it in quotes."
        )

    def _at(self, node: yaml.Node) -> str:
        return f"{self._file}:{node.start_mark.line + 1}"
