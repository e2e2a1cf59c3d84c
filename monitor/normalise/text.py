"""Cleaning and reading the texts that Dify's rows hold. Nothing here raises, whatever the text is."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

__all__ = ["canonical", "clean", "dumps", "parse", "parse_object", "plain_text", "reading", "short", "spelled"]

_Shape = TypeVar("_Shape", bound=msgspec.Struct)

_NAME_CHARS = 255

_encode = msgspec.json.Encoder(order="sorted").encode
_decode = msgspec.json.Decoder().decode


def clean(text: str | None) -> str:
    """The text without what no store, wire or terminal can carry: NUL, lone surrogates."""
    if not text:
        return ""
    if "\x00" in text:
        text = text.replace("\x00", "\ufffd")
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def short(text: str | None) -> str:
    """The text clean, as a name: at most 255 characters, as in Dify's own columns."""
    return clean(text[:_NAME_CHARS]) if text else ""


def parse(text: str | None) -> Any:
    """The JSON value in the text, or None where there is none. Strings inside may still be unclean."""
    if not text:
        return None
    try:
        return _decode(text)
    except RecursionError:
        return None
    except (msgspec.DecodeError, UnicodeEncodeError):
        return _parse_python_json(text)


def _parse_python_json(text: str) -> Any:
    # What Python's json writes and a strict reader refuses: lone surrogates; NaN and 1e400, which stay their own text.
    try:
        return json.loads(text, strict=False, parse_constant=str, parse_float=_finite)
    except (ValueError, RecursionError):
        return None


def _finite(text: str) -> float | str:
    value = float(text)
    return value if math.isfinite(value) else text


def parse_object(text: str | None) -> dict[str, Any]:
    """The JSON object in the text; an empty one where it is anything else."""
    value = parse(text)
    return value if isinstance(value, dict) else {}


def reading(shape: type[_Shape]) -> Callable[[str | None], _Shape]:
    """A reader of JSON objects of which only a few fields matter, all of type Any: the rest is never built."""
    decode = msgspec.json.Decoder(shape).decode

    def read(text: str | None) -> _Shape:
        if not text or text == "{}":
            return shape()
        try:
            return decode(text)
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            return msgspec.convert(parse_object(text), shape)  # a spelling that only Python's json reads, or no object

    return read


def dumps(value: Any) -> str:
    """Compact JSON in UTF-8, clean; the value's own text where it can't be written as JSON."""
    try:
        return _encode(value).decode()  # an encoder that is strict about surrogates, and escapes NUL: clean as it is
    except (UnicodeEncodeError, TypeError, ValueError, OverflowError, RecursionError):
        return _dumps_python_json(value)


def _dumps_python_json(value: Any) -> str:
    try:
        return clean(json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True, default=str))
    except (ValueError, RecursionError):
        return clean(str(value))


def canonical(text: str | None) -> str:
    """One spelling for one JSON value (Dify rewrites rows with other spacing, escapes, order); other text as it is."""
    return spelled(parse(text), text)


def spelled(value: Any, text: str | None) -> str:
    """`canonical` for a text that has been parsed already."""
    # NaN and 1e400 are read as their own text, which is no JSON string.
    as_it_is = value is None or (isinstance(value, str) and not (text or "").lstrip().startswith('"'))
    return clean(text) if as_it_is else dumps(value)


def plain_text(value: Any) -> str:
    """A JSON value as text: a string is itself, anything else its JSON."""
    return clean(value) if isinstance(value, str) else dumps(value)
