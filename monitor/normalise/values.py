"""Numbers and times out of rows that may hold anything: bounded, finite, never negative where that means nothing."""

from __future__ import annotations

import math
from decimal import Decimal, InvalidOperation
from typing import Any

from monitor.model import Usage
from monitor.normalise.text import clean

__all__ = ["MAX_DURATION_NS", "MAX_NS", "count", "finish_us", "ns", "ns_of_s", "ns_of_us", "price_text", "usage_of"]

MAX_NS = 2**63 - 1
"""The latest time that OTLP's fixed64 and everybody's int64 agree on: the year 2262."""

MAX_DURATION_NS = 366 * 86_400 * 1_000_000_000
"""Nothing that Dify runs may take a year; a row that says so is wrong, and one such number would spoil a sum."""

_US = 1_000
_S = 1_000_000_000
_MAX_US = MAX_NS // _US
_MAX_COUNT = 2**53
_MAX_PRICE_CHARS = 40
_MAX_PRICE_DIGITS = 15
"""A quadrillion is no price."""
_CURRENCY_CHARS = 16


def ns_of_us(us: int | None) -> int:
    """Microseconds to nanoseconds, within 1970 and 2262."""
    if not us or us < 0:
        return 0
    return us * _US if us <= _MAX_US else MAX_NS


def finish_us(begun_us: int, finished_us: int | None) -> int | None:
    """When something was finished; None where it was not, and where the row's time for it can't be true."""
    if finished_us is None or (finished_us - begun_us) * _US > MAX_DURATION_NS:
        return None
    return finished_us


def ns(seconds: Any) -> int:
    """A duration in seconds (number or its text) to nanoseconds; 0 for what is none, and for what no run may take."""
    lasted = ns_of_s(seconds)
    return lasted if lasted <= MAX_DURATION_NS else 0


def ns_of_s(seconds: Any) -> int:
    """A time in seconds since 1970 (number or its text) to nanoseconds, within 1970 and 2262; 0 for what is none."""
    try:
        value = float(seconds)
    except (TypeError, ValueError, OverflowError):
        return 0
    if not math.isfinite(value) or value <= 0:
        return 0
    return round(value * _S) if value < MAX_NS / _S else MAX_NS


def count(value: Any) -> int | None:
    """A non-negative whole number, or None where there is none."""
    if type(value) is not int:
        if isinstance(value, bool) or not isinstance(value, float | str):
            return None
        try:
            value = int(value)
        except (ValueError, OverflowError):
            return None
    return value if 0 <= value <= _MAX_COUNT else None


def price_text(value: Any) -> str:
    """Money as plain decimal text ("0E-7" is "0"); "0" where it is no finite, non-negative number."""
    if value is None or (isinstance(value, str) and not value.strip("0.")):
        return "0"
    try:
        price = Decimal(str(value)[:_MAX_PRICE_CHARS])
    except (InvalidOperation, ValueError):
        return "0"
    if not price.is_finite() or price <= 0 or price.adjusted() > _MAX_PRICE_DIGITS:
        return "0"
    text = format(price.normalize(), "f")
    return text if len(text) <= _MAX_PRICE_CHARS else "0"


def usage_of(*, given: Any, produced: Any, total: Any, price: Any, currency: Any) -> Usage | None:
    """Tokens and money of one call; None where Dify kept neither.

    The sum is that of both directions where both are known; Dify's own sum where one is missing, or both are 0.
    """
    tokens_in, tokens_out = count(given), count(produced)
    split = (tokens_in or 0) + (tokens_out or 0)
    kept = count(total) or 0
    money = price_text(price)
    if not split and not kept and money == "0":
        return None
    if not split:
        tokens_in = tokens_out = None
    both = tokens_in is not None and tokens_out is not None
    return Usage(
        input_tokens=tokens_in,
        output_tokens=tokens_out,
        total_tokens=split if both else max(split, kept),
        price=money,
        currency=clean(currency)[:_CURRENCY_CHARS] if isinstance(currency, str) else "",
    )
