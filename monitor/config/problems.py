"""pydantic's findings in the user's words: where, which setting, what is wrong, what to write instead.

All findings of one reading are told at once, one line each. Called by the loader and by `monitor.runtime.wiring`.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, BeforeValidator, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from monitor.config.masking import MASK, is_secret_name, masked_text
from monitor.config.places import KeyPath, Places, path_text
from monitor.errors import ConfigError
from monitor.model.units import duration_ns, duration_text, size_bytes, size_text

__all__ = ["all_in_one", "explain", "nearest"]

_LONGEST_VALUE = 80
_SECTION_WANTED = {"model_type", "model_attributes_type", "dict_type"}
_LIST_WANTED = {"tuple_type", "list_type", "set_type", "frozen_set_type"}
_LIMITS = {
    "greater_than": ("more than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
    "multiple_of": ("a multiple of", "multiple_of"),
}
"""In words, and where pydantic keeps the number."""
_UNITS: dict[Callable[..., int], Callable[[int], str]] = {duration_ns: duration_text, size_bytes: size_text}


def all_in_one(problems: Sequence[ConfigError]) -> ConfigError:
    """The one problem, or one error that tells them all, a line each. At least one must be given."""
    if len(problems) == 1:
        return problems[0]
    return ConfigError("\n".join(str(problem) for problem in problems))


def nearest(name: str, known: Collection[str]) -> str:
    """Advice for a name that is not known: the most alike, else all there are."""
    alike = difflib.get_close_matches(name, known, n=1)
    if alike:
        return f"Did you mean {alike[0]}?"
    return f"There is {', '.join(sorted(known))}." if known else ""


def explain(
    error: ValidationError, model: type[BaseModel], data: object, places: Places, prefix: KeyPath = ()
) -> list[ConfigError]:
    """One ConfigError per finding. `data` is what `model` refused; `prefix` its own path in the configuration."""
    details = error.errors(include_url=False)
    return [_problem(detail, model, data, places, prefix) for detail in details]


def _problem(
    detail: ErrorDetails, model: type[BaseModel], data: object, places: Places, prefix: KeyPath
) -> ConfigError:
    local = _as_written(detail["loc"], data)
    path = prefix + local
    stand_in = places.written.get(path, MASK if _is_secret(model, local) else None)
    text, remedy = _words(detail, model, local)
    shown = None if _tells_value(detail, text) else _shown(detail["input"], stand_in)
    if stand_in is not None and str(detail["input"]):
        text = text.replace(str(detail["input"]), stand_in)
    where = places.where(path)
    return ConfigError(masked_text(text), where=where, path=path_text(path), value=shown, remedy=remedy)


def _as_written(loc: Sequence[str | int], data: object) -> KeyPath:
    """The location without pydantic's own steps (the arms of a union), which the user never wrote."""
    path: list[str | int] = []
    for place, part in enumerate(loc):
        inside = _item(data, part)
        if inside is not None:
            data = inside
        elif place < len(loc) - 1 or not isinstance(data, Mapping):
            continue
        path.append(part)
    return tuple(path)


def _item(data: object, part: str | int) -> object:
    if isinstance(data, Mapping):
        return data.get(part)
    if isinstance(data, list | tuple) and isinstance(part, int) and part < len(data):
        item: object = data[part]
        return item
    return None


def _words(detail: ErrorDetails, model: type[BaseModel], path: KeyPath) -> tuple[str, str]:
    """What is wrong and what to do about it."""
    match detail["type"]:
        case "extra_forbidden":
            said = "there is no such setting", nearest(str(path[-1]), _fields(_model_at(model, path[:-1])))
        case "missing":
            said = "is missing", _first_sentence(_field_at(model, path))
        case kind if kind in _SECTION_WANTED:
            said = "must be a mapping (`name: value` lines)", ""
        case kind if kind in _LIST_WANTED:
            said = "must be a list (`- ` lines, or [a, b])", ""
        case "too_short" if isinstance(detail["input"], str):  # a SecretStr's way of counting
            said = f"must have at least {detail['ctx']['min_length']} characters", ""
        case "string_type" if isinstance(detail["input"], bool | int | float):
            said = "must be text", "Put it in quotes."
        case "string_pattern_mismatch":
            said = "is not written as it has to be", _first_sentence(_field_at(model, path))
        case kind if kind in _LIMITS and (shown := _unit_of(_field_at(model, path))) is not None:
            words, name = _LIMITS[kind]
            said = f"must be {words} {shown(detail['ctx'][name])}", ""
        case _:
            text = detail["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
            said = text[:1].lower() + text[1:], _meant(detail["input"], text)
    return said


def _unit_of(field: FieldInfo | None) -> Callable[[int], str] | None:
    """How a limit of the field is written, where that is a duration or a size; None for plain numbers."""
    if field is None:
        return None
    readers = {each.func for each in (*field.metadata, *_parts(field.annotation)) if isinstance(each, BeforeValidator)}
    return next((text for read, text in _UNITS.items() if read in readers), None)


def _meant(written: object, text: str) -> str:
    """Advice out of the allowed words that pydantic's text quotes."""
    alike = difflib.get_close_matches(written, text.split("'")[1::2], n=1) if isinstance(written, str) else []
    return f"Did you mean {alike[0]}?" if alike and alike[0] != written else ""


def _tells_value(detail: ErrorDetails, text: str) -> bool:
    """Whether to leave the value out: absent, perhaps a secret in the wrong place, or already told."""
    told = detail["type"] == "value_error" and repr(detail["input"]) in text
    return told or detail["type"] in {"missing", "extra_forbidden"} | _SECTION_WANTED | _LIST_WANTED


def _shown(value: object, stand_in: str | None) -> object:
    """The value as it may be shown: by its stand-in where it has one, a container not at all."""
    if value is None or isinstance(value, Mapping | list | tuple):
        return None
    if stand_in is not None:
        return stand_in
    if isinstance(value, str):
        shown = masked_text(value)
        return shown if len(shown) <= _LONGEST_VALUE else shown[:_LONGEST_VALUE] + "..."
    return value


def _is_secret(model: type[BaseModel], path: KeyPath) -> bool:
    if any(isinstance(part, str) and is_secret_name(part) for part in path):
        return True
    field = _field_at(model, path)
    return field is not None and SecretStr in set(_parts(field.annotation))


def _field_at(model: type[BaseModel], path: KeyPath) -> FieldInfo | None:
    """The field that holds the path's end: the deepest one that a model declares."""
    found: FieldInfo | None = None
    current: type[BaseModel] | None = model
    for part in path:
        if current is None or isinstance(part, int):
            continue
        field = _fields(current).get(part)
        if field is None:
            return found
        found, current = field, _model_in(field.annotation)
    return found


def _model_at(model: type[BaseModel], path: KeyPath) -> type[BaseModel]:
    field = _field_at(model, path)
    return (_model_in(field.annotation) if field is not None else None) or model


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The model's fields under the names that users write."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _model_in(annotation: Any) -> type[BaseModel] | None:
    return next((p for p in _parts(annotation) if isinstance(p, type) and issubclass(p, BaseModel)), None)


def _parts(annotation: Any) -> Iterator[Any]:
    """The annotation and everything inside it."""
    yield annotation
    for part in get_args(annotation):
        yield from _parts(part)


def _first_sentence(field: FieldInfo | None) -> str:
    text = " ".join((field.description or "").split()) if field is not None else ""
    return text.partition(". ")[0].rstrip(".") + "." if text else ""
