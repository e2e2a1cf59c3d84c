"""The whole configuration as JSON Schema for editors, as tables for the reference pages, and written out again.

Adapters are handed in as (type name, Config), as this room knows none. Called by `monitor config schema` and
docs/generate.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, get_args

import msgspec
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from monitor.config.environment import variables
from monitor.config.places import KeyPath
from monitor.config.settings import Settings
from monitor.model.units import duration_ns, duration_text, size_bytes, size_text

__all__ = ["Adapters", "Row", "adapter_rows", "file_schema", "settings_rows", "table", "written"]

Adapters = Mapping[str, Sequence[tuple[str, type[BaseModel]]]]
"""For each of `sources`, `sinks`, `notifiers`: type name and Config."""

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_MEASURES: Mapping[object, tuple[str, Callable[[int], str]]] = {
    duration_ns: ("duration", duration_text),
    size_bytes: ("size", size_text),
}
"""How the fields that these functions read are called, and how they are written."""
_FORMATS: Mapping[str, Mapping[str, Any]] = {
    "duration": {"type": ["string", "number"], "format": "duration", "examples": ["45s", "1h30m"]},
    "size": {"type": ["string", "integer"], "format": "size", "examples": ["20GB", "512MiB"]},
}
_WORDS = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "null": "null",
    "array": "list",
    "object": "mapping",
}


class Row(msgspec.Struct, frozen=True):
    """One setting as the reference shows it."""

    path: str
    variable: str
    """Its environment variable; empty inside lists, which are set whole."""
    type: str
    default: str
    """As it would be written in YAML; `required` where there is none, empty where none is shown."""
    meaning: str


def file_schema(adapters: Adapters) -> dict[str, Any]:
    """JSON Schema of a configuration file with these adapters."""
    schema = _schema_of(Settings)
    definitions: dict[str, Any] = schema.setdefault("$defs", {})
    for section, known in adapters.items():
        names = []
        for type_name, config in known:
            name = f"{section}.{type_name}"
            definitions |= _definitions(name, type_name, config)
            names.append(name)
        schema["properties"][section]["items"] = {"oneOf": [{"$ref": f"#/$defs/{name}"} for name in names]}
    title = "Configuration of monitor, the observability sidecar for Dify"
    return {"$schema": _DIALECT, **schema, "title": title}


def settings_rows() -> dict[str, list[Row]]:
    """The rows of each section that is the house's own; '' holds those that stand alone."""
    schema = _schema_of(Settings)
    named = {variable.path: variable.name for variable in variables()}
    rows: dict[str, list[Row]] = {}
    for path, node, required in _leaves(schema, schema, ()):
        section = str(path[0]) if len(path) > 1 else ""
        rows.setdefault(section, []).append(_row(path, node, required, named.get(path, ""), schema))
    return rows


def adapter_rows(config: type[BaseModel]) -> list[Row]:
    """The rows of one adapter's (or rule kind's) own settings, paths relative to its entry."""
    schema = _schema_of(config)
    return [_row(path, node, required, "", schema) for path, node, required in _leaves(schema, schema, ())]


def written(model: BaseModel) -> dict[str, Any]:
    """The settings as plain data that reads back as the same; durations and sizes with their units."""
    dumped = model.model_dump(mode="json", by_alias=True)
    return {
        key: _plain(getattr(model, name), dumped[key], field)
        for name, field in type(model).model_fields.items()
        for key in (field.alias or name,)
    }


def table(rows: Sequence[Row]) -> str:
    """Markdown. The column of variables appears only where there are any."""
    columns = [("setting", "path"), ("variable", "variable"), ("type", "type"), ("default", "default")]
    shown = [column for column in columns if column[1] != "variable" or any(row.variable for row in rows)]
    head = [title for title, _ in shown] + ["meaning"]
    lines = [_line(head), _line(["---"] * len(head))]
    for row in rows:
        cells = [_code(getattr(row, field)) if field != "type" else row.type for _, field in shown]
        lines.append(_line([*cells, row.meaning]))
    return "\n".join(lines) + "\n"


def _definitions(name: str, type_name: str, config: type[BaseModel]) -> dict[str, Any]:
    """The adapter's schema and those it refers to, under names that no other adapter has."""
    schema = _schema_of(config, f"#/$defs/{name}.{{model}}")
    inner = {f"{name}.{model}": item for model, item in schema.pop("$defs", {}).items()}
    schema["properties"]["type"] = {"const": type_name}
    schema["required"] = ["type", *(field for field in schema.get("required", []) if field != "type")]
    return {name: schema, **inner}


class _Generator(GenerateJsonSchema):
    """pydantic's generator, which also knows what may be written for a duration or a size."""

    def function_before_schema(self, schema: core_schema.BeforeValidatorFunctionSchema) -> JsonSchemaValue:
        """What the function reads, where we know it, instead of what it makes of it."""
        measure = _MEASURES.get(schema["function"]["function"])
        return dict(_FORMATS[measure[0]]) if measure is not None else super().function_before_schema(schema)


def _schema_of(model: type[BaseModel], template: str = "#/$defs/{model}") -> dict[str, Any]:
    raw = model.model_json_schema(by_alias=True, ref_template=template, schema_generator=_Generator)
    schema: dict[str, Any] = _as_written(raw)
    return schema


def _as_written(node: Any) -> Any:
    """The schema with defaults as users would write them, and without pydantic's titles and sections' defaults."""
    if isinstance(node, list):
        return [_as_written(item) for item in node]
    if not isinstance(node, dict):
        return node
    kept = {key: _as_written(item) for key, item in node.items() if not (key == "title" and isinstance(item, str))}
    if "$ref" in kept:
        kept.pop("default", None)
    default = kept.get("default")
    if isinstance(default, int) and not isinstance(default, bool):
        formats = {arm.get("format") for arm in _arms(node)}
        kept["default"] = next((write(default) for name, write in _MEASURES.values() if name in formats), default)
    return kept


def _plain(value: object, dumped: Any, field: FieldInfo) -> Any:
    """One field's dumped value with its unit; sections inside it likewise."""
    if isinstance(value, BaseModel):
        return written(value)
    if isinstance(value, list | tuple):
        return [_plain(item, plain, field) for item, plain in zip(value, dumped, strict=True)]
    if isinstance(value, int) and not isinstance(value, bool):
        readers = [getattr(mark, "func", None) for mark in _marks(field)]
        return next((_MEASURES[reader][1](value) for reader in readers if reader in _MEASURES), dumped)
    return dumped


def _marks(field: FieldInfo) -> Iterator[Any]:
    """What is annotated on the field and on the arms of its type."""
    yield from field.metadata
    for arm in get_args(field.annotation):
        yield from getattr(arm, "__metadata__", ())


def _arms(node: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    arms: list[Mapping[str, Any]] = node.get("anyOf") or node.get("oneOf") or [node]
    return arms


def _leaves(
    schema: Mapping[str, Any], node: Mapping[str, Any], path: KeyPath
) -> Iterator[tuple[KeyPath, Mapping[str, Any], bool]]:
    """Every setting below a schema's node that holds no settings of its own."""
    required = node.get("required", [])
    for name, item in node.get("properties", {}).items():
        inner = _section(schema, item)
        if inner is None:
            yield (*path, name), item, name in required
        else:
            yield from _leaves(schema, inner, (*path, name))


def _section(schema: Mapping[str, Any], node: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The section that the node is (also where it may be null), else None."""
    for arm in _arms(node):
        target = _resolved(schema, arm)
        if "properties" in target:
            return target
    return None


def _resolved(schema: Mapping[str, Any], node: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = node.get("$ref")
    if reference is None:
        return node
    target: Mapping[str, Any] = schema["$defs"][str(reference).rpartition("/")[2]]
    return target


def _row(path: KeyPath, node: Mapping[str, Any], required: bool, variable: str, schema: Mapping[str, Any]) -> Row:
    default = "required" if required else _yaml(node["default"]) if "default" in node else ""
    meaning = " ".join(str(node.get("description", "")).split())
    return Row(".".join(map(str, path)), variable, _type(node, schema), default, meaning)


def _yaml(value: object) -> str:
    if value is None:
        return "null"
    if value == "":
        return '""'
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _type(node: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """The node's type in plain words."""
    names = [_one_type(_resolved(schema, arm), schema) for arm in _arms(node)]
    return " or ".join(dict.fromkeys(names))


def _one_type(node: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    if node.get("format") in {"duration", "size", "path"}:
        return str(node["format"])
    if node.get("format") == "password":
        return "secret text"
    if "enum" in node or "const" in node:
        return ", ".join(f"`{_yaml(word)}`" for word in node.get("enum", [node.get("const")]))
    kind = node.get("type")
    if kind == "array":
        inner = _type(node.get("items", {}), schema)
        return "list of mappings" if inner == "mapping" else f"list of {inner}"
    if kind == "object":
        values = node.get("additionalProperties")
        return f"mapping of {_type(values, schema)}" if isinstance(values, dict) and values else "mapping"
    kinds = kind if isinstance(kind, list) else [kind]
    return " or ".join(_WORDS.get(str(name), "any") for name in kinds) + _bounds(node)


def _bounds(node: Mapping[str, Any]) -> str:
    """Which numbers are taken: ` (1 to 9)`; nothing where all are."""
    least, most, above = node.get("minimum"), node.get("maximum"), node.get("exclusiveMinimum")
    if least is not None and most is not None:
        return f" ({least} to {most})"
    bounds = [("at least", least), ("above", above), ("at most", most)]
    said = ", ".join(f"{words} {bound}" for words, bound in bounds if bound is not None)
    return f" ({said})" if said else ""


def _code(text: str) -> str:
    return f"`{text}`" if text and text != "required" else text


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
