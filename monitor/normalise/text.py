"""Cleaning and reading the texts that Dify's rows hold. Nothing here raises, whatever the text is."""

from __future__ import annotations

import json
from typing import Any

import msgspec

__all__ = ["canonical", "clean", "dumps", "parse", "parse_object", "spelled"]

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
    # What Python's json writes and a strict reader refuses: NaN, lone surrogates, numbers out of range.
    try:
        return json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return None


def parse_object(text: str | None) -> dict[str, Any]:
    """The JSON object in the text; an empty one where it is anything else."""
    value = parse(text)
    return value if isinstance(value, dict) else {}


def dumps(value: Any) -> str:
    """Compact JSON in UTF-8, clean; the value's own text where it can't be written as JSON."""
    try:
        return clean(_encode(value).decode())
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
    return clean(text) if value is None or isinstance(value, str) else dumps(value)
