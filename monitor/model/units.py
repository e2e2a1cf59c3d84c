"""Durations and sizes as people write them (`1h30m`, `20GB`): to whole nanoseconds and bytes, and back.

Pure parsing on the standard library, so that the configuration and every adapter's `Config` read them alike.
Inside the house times are int nanoseconds and sizes int bytes; only the edges call this.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

__all__ = ["duration_ns", "duration_text", "size_bytes", "size_text"]

_NS = {
    "ns": 1,
    "us": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
    "d": 86_400_000_000_000,
}
_BYTES = {
    "b": 1,
    "kb": 1000,
    "mb": 1000**2,
    "gb": 1000**3,
    "tb": 1000**4,
    "kib": 1024,
    "mib": 1024**2,
    "gib": 1024**3,
    "tib": 1024**4,
}
_NUMBER = r"(?:\d+(?:\.\d+)?)"
_PART = re.compile(rf"\s*({_NUMBER})\s*(ns|us|ms|s|m|h|d)\s*", re.ASCII)
_PLAIN = re.compile(_NUMBER, re.ASCII)
_SIZE = re.compile(rf"({_NUMBER})\s*([kmgt]?i?b)", re.ASCII | re.IGNORECASE)
_LONGEST_TEXT = 64
_LARGEST = (1 << 63) - 1
_SIZE_NAMES = {
    "kb": "KB",
    "mb": "MB",
    "gb": "GB",
    "tb": "TB",
    "kib": "KiB",
    "mib": "MiB",
    "gib": "GiB",
    "tib": "TiB",
}


def duration_ns(value: object) -> int:
    """Nanoseconds of a duration such as `30m`, `1h30m`, `500ms`; a bare number means seconds.

    Raises ValueError for everything else: below 0, booleans, units out of order, nothing at all.
    """
    plain = _plain_number(value)
    if plain is not None:
        return _whole(plain * _NS["s"], value)
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT:
        raise ValueError(_not_a_duration(value))
    return _sum_of_parts(value)


def size_bytes(value: object) -> int:
    """Bytes of a size such as `20GB` (powers of 1000), `512MiB` (powers of 1024); a bare number means bytes.

    Raises ValueError for everything else, and for a part of a byte.
    """
    plain = _plain_number(value)
    if plain is not None:
        return _whole(plain, value)
    match = _SIZE.fullmatch(value.strip()) if isinstance(value, str) and len(value) <= _LONGEST_TEXT else None
    unit = match[2].lower() if match else ""
    if match is None or unit not in _BYTES:
        raise ValueError(f"not a size: {value!r} (write 20GB, 512MiB or a number of bytes)")
    return _whole(Decimal(match[1]) * _BYTES[unit], value)


def duration_text(ns: int) -> str:
    """The shortest exact way to write a duration; `duration_ns` reads it back."""
    parts, rest = [], ns
    for unit, length in sorted(_NS.items(), key=lambda item: -item[1]):
        count, rest = divmod(rest, length)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def size_text(size: int) -> str:
    """A size with the largest unit that holds it exactly, bytes otherwise; `size_bytes` reads it back."""
    fitting = [unit for unit, length in _BYTES.items() if unit != "b" and size >= length and size % length == 0]
    if not fitting:
        return str(size)
    unit = max(fitting, key=_BYTES.__getitem__)
    return f"{size // _BYTES[unit]}{_SIZE_NAMES[unit]}"


def _plain_number(value: object) -> Decimal | None:
    """The value as a number when it is one, or is written as one without a unit."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        text = repr(value)
    elif isinstance(value, str) and len(value) <= _LONGEST_TEXT and _PLAIN.fullmatch(value.strip()):
        text = value.strip()
    else:
        return None
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def _sum_of_parts(text: str) -> int:
    total, place, shortest = Decimal(0), 0, _NS["d"] + 1
    while place < len(text):
        match = _PART.match(text, place)
        if match is None or _NS[match[2]] >= shortest:
            raise ValueError(_not_a_duration(text))
        shortest = _NS[match[2]]
        total += Decimal(match[1]) * shortest
        place = match.end()
    if not text.strip():
        raise ValueError(_not_a_duration(text))
    return _whole(total, text)


def _whole(number: Decimal, written: object) -> int:
    if not number.is_finite() or not 0 <= number <= _LARGEST:
        raise ValueError(f"out of range: {written!r}")
    if number != number.to_integral_value():
        raise ValueError(f"too fine: {written!r}")
    return int(number)


def _not_a_duration(value: object) -> str:
    return f"not a duration: {value!r} (write 45s, 30m, 1h30m, 500ms or a number of seconds)"
