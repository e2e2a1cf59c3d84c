"""What of a setting may be shown: never a secret, in no message and no listing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["MASK", "is_secret_name", "masked", "masked_text"]

MASK = "***"

_SECRET_STR = "*" * 10
"""What pydantic's SecretStr writes in its place."""

_SECRET_NAME = re.compile(
    r"(^|[_.-])(pass|passwd|password|passphrase|pwd|secrets?|tokens?|credentials?|authorization|cookie|dsn|headers?"
    r"|api-?key|apikey|keys?)($|[_.-])",
    re.IGNORECASE,
)
_NAMES_A_PLACE = re.compile(r"[_-](file|path|name|id)$", re.IGNORECASE)
_URL_PASSWORD = re.compile(r"(://[^/?#\s:@]*:)\S*@")
_NAMED_PASSWORD = re.compile(
    r"""((?:password|passwd|pwd|secret|token|api[_-]?key)\s*=\s*)('(?:[^'\\]|\\.)*'|[^\s&;]+)""", re.IGNORECASE
)


def is_secret_name(name: str) -> bool:
    """Whether a field or key of this name is likely to hold a secret (`api_key`, `headers`, not `key_file`)."""
    return bool(_SECRET_NAME.search(name)) and not _NAMES_A_PLACE.search(name)


def masked_text(text: str) -> str:
    """The text without the passwords of the URLs and connection strings in it."""
    return _NAMED_PASSWORD.sub(rf"\1{MASK}", _URL_PASSWORD.sub(rf"\1{MASK}@", text))


def masked(value: Any) -> Any:
    """A copy of plain data that may be shown: values under secret names are replaced, and passwords in URLs."""
    if isinstance(value, Mapping):
        return {key: _hidden(item) if is_secret_name(str(key)) else masked(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [masked(item) for item in value]
    if value == _SECRET_STR:
        return MASK
    return masked_text(value) if isinstance(value, str) else value


def _hidden(value: Any) -> Any:
    """A secret's place: names inside it (of headers) stay, and so does that there is none."""
    if isinstance(value, Mapping):
        return {key: _hidden(item) for key, item in value.items()}
    return MASK if value else value
