"""The key that turns users' ids into pseudonyms, and where it lives. Called by the wiring once at each start.

A pseudonym is the same for the same user and key, and without the key it leads nobody back to the user. So the key
must outlive restarts: where the user sets none, one is made and kept beside the journal.
"""

from __future__ import annotations

import hmac
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from pydantic import SecretStr

from monitor.errors import ConfigError

__all__ = ["KEY_FILE", "kept_key", "pseudonyms"]

KEY_FILE = "pseudonym.key"
"""Its name in the journal's folder."""

_DIGITS = 32
_KEY_BYTES = 32
_SHORTEST_KEY = 16
_REMEDY = f"Put back the {KEY_FILE} that belongs to this journal, or set pseudonym_key."


def pseudonyms(key: SecretStr) -> Callable[[str], str]:
    """The function from a user's true id to 32 hex digits; '' stays ''."""
    secret = key.get_secret_value().encode()

    def pseudonym(user: str) -> str:
        if not user:
            return ""
        return hmac.new(secret, user.encode("utf-8", "surrogatepass"), "sha256").hexdigest()[:_DIGITS]

    return pseudonym


def kept_key(folder: Path) -> SecretStr:
    """The key in the journal's folder; made at the first start, readable for its owner only. Raises ConfigError."""
    path = folder / KEY_FILE
    try:
        if not path.exists():
            _make(path)
        text = path.read_text("utf-8").strip()
    except (OSError, ValueError) as exc:
        detail = exc.strerror if isinstance(exc, OSError) else "it is not text"
        raise ConfigError(f"the pseudonym key can't be used: {detail}", where=str(path), remedy=_REMEDY) from None
    if len(text) < _SHORTEST_KEY:
        raise ConfigError("the pseudonym key is damaged", where=str(path), remedy=_REMEDY)
    return SecretStr(text)


def _make(path: Path) -> None:
    """Write a new key whole or not at all; where another process was first, keep its key."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{KEY_FILE}.{secrets.token_hex(8)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(secrets.token_hex(_KEY_BYTES) + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        return
    finally:
        draft.unlink()
    _sync(path.parent)


def _sync(folder: Path) -> None:
    """Make the new name last through a power cut: without the key, all pseudonyms would change."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
