"""Secrets that are planted where content is, and a scan for them in whatever was sent, written or printed.

The scan knows the forms in which a text travels: as it is, with JSON's escapes, percent-encoded, and in base64 at
each of its three offsets; compressed bodies are to be opened before.
"""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from collections.abc import Iterable, Mapping
from urllib.parse import quote, quote_plus

__all__ = ["PLANTED", "USER", "opened", "planted_text", "seen"]

PLANTED: Mapping[str, str] = {
    "name": "诸葛瑾瑜",
    "latin name": "Ottilie Brackenbury",
    "phone": "13987610432",
    "international phone": "+44 20 7946 0718",
    "id": "110105198807230413",
    "card": "4000056655665556",
    "email": "quill.vane@example.org",
    "ip": "203.0.113.77",
    "key": "AKIDz8krbsJ5yKBZQpn74WFkmLPx3EXAMPLE",
    "word": "碧落轩",
    "contract": "HT-2031-7719",
}
"""What nobody may see. The last two only the configuration's own words and patterns can know."""

USER = "caller-77-benedikta"
"""In every true id and name of a user."""

_NAME, _LATIN = PLANTED["name"], PLANTED["latin name"]


def planted_text() -> str:
    """All of it, as people write it."""
    found = PLANTED
    return (
        f"我叫{_NAME}，手机号{found['phone']}，身份证号：{found['id']}，卡号 {found['card']}，合同 {found['contract']}，"
        f"公司{found['word']}。My name is {_LATIN}, call {found['international phone']} or mail {found['email']}; "
        f"host {found['ip']} said {found['key']}."
    )


def opened(raw: bytes, encoding: str = "") -> bytes:
    """The bytes without their compression, whatever it is called."""
    if encoding == "gzip" or raw[:2] == b"\x1f\x8b":
        return gzip.decompress(raw)
    return zlib.decompress(raw) if encoding == "deflate" else raw


def seen(told: Iterable[bytes], secrets: Iterable[str]) -> set[str]:
    """Which of the secrets stand in the bytes, in any form."""
    whole = b"\n".join(told)
    lower = whole.lower()
    return {secret for secret in secrets if any(form in whole or form.lower() in lower for form in _forms(secret))}


def _forms(secret: str) -> set[bytes]:
    raw = secret.encode()
    escaped = json.dumps(secret)[1:-1]
    texts = {escaped, escaped.replace("\\", "\\\\"), quote(secret), quote_plus(secret), ascii(secret)[1:-1]}
    return {raw, *(text.encode() for text in texts), *_base64(raw)}


def _base64(raw: bytes) -> set[bytes]:
    """What of it is the same wherever it stands in a longer text: without the letters that its neighbours change."""
    found = set()
    for offset in range(3):
        padded = b"\0" * offset + raw
        first, last = 4 if offset else 0, -4 if len(padded) % 3 else None
        found |= {code(padded)[first:last] for code in (base64.b64encode, base64.urlsafe_b64encode)}
    return found
