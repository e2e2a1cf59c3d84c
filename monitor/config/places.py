"""Where each setting was written, so that an error can send the user to the right line or variable."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

__all__ = ["KeyPath", "Places", "path_text"]

KeyPath = tuple[str | int, ...]
"""A setting's place in the tree, such as ("sinks", 1, "endpoint")."""


class Places(msgspec.Struct, frozen=True):
    """What is known of where settings come from. Holds no values but those that refer elsewhere (`${NAME}`)."""

    file: str = ""
    """The configuration file; empty where there is none."""
    lines: Mapping[KeyPath, int] = {}
    """Line of each setting in the file, from 1."""
    variables: Mapping[KeyPath, str] = {}
    """Environment variable of each setting that came from one."""
    written: Mapping[KeyPath, str] = {}
    """Text of each string that held a `${...}`, as it was written."""

    def where(self, path: KeyPath) -> str:
        """The variable that set this (or what contains it), else file and line, else nothing."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.variables:
                return self.variables[path[:length]]
        for length in range(len(path), -1, -1):
            if path[:length] in self.lines:
                return f"{self.file}:{self.lines[path[:length]]}"
        return self.file


def path_text(path: KeyPath) -> str:
    """The path as users write it: `sinks[1].endpoint`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
