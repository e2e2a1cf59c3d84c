"""A timeline as one JSON document, and the JSON Schema of such documents (docs/reference/replay.schema.json).

The document is the structs of nouns.py as they stand: complete, times in UTC. `python -m monitor.replay.as_json`
prints the schema. Called by `monitor replay --json`.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import sys
from itertools import pairwise
from typing import Any

import msgspec

from monitor.replay import beside, nouns, texts
from monitor.replay.nouns import Timeline

__all__ = ["document", "schema_text"]

# What JSON allows in a string as it is, and a terminal would obey: C1 controls, marks that turn the direction of
# reading. As escapes they mean the same to every reader of JSON.
_UNSAFE = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def document(timeline: Timeline) -> str:
    """The timeline as indented JSON that ends in a line feed; the same timeline gives the same text."""
    text = msgspec.json.format(msgspec.json.encode(timeline), indent=2).decode()
    return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text) + "\n"


def schema_text() -> str:
    """The JSON Schema, each field with what its docstring says, as indented JSON that ends in a line feed."""
    schema = msgspec.json.schema(Timeline)
    described = _field_docstrings()
    for name, definition in schema["$defs"].items():
        for field, rules in definition.get("properties", {}).items():
            definition["properties"][field] = _described(rules, described.get((name, field), ""))
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "monitor replay --json"}
    return json.dumps(head | schema, indent=2, ensure_ascii=False) + "\n"


def _described(rules: dict[str, Any], text: str) -> dict[str, Any]:
    return {"description": text, **rules} if text else rules


def _field_docstrings() -> dict[tuple[str, str], str]:
    """The text under each field, by struct and field."""
    found = {}
    sources = (inspect.getsource(module) for module in (nouns, beside, texts))
    for struct in (statement for source in sources for statement in ast.parse(source).body):
        if isinstance(struct, ast.ClassDef):
            for field, below in pairwise(struct.body):
                if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                    found[struct.name, field.target.id] = _docstring(below)
    return found


def _docstring(statement: ast.stmt) -> str:
    value = statement.value if isinstance(statement, ast.Expr) else None
    return inspect.cleandoc(value.value) if isinstance(value, ast.Constant) and isinstance(value.value, str) else ""


if __name__ == "__main__":
    sys.stdout.write(schema_text())
