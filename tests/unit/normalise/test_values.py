"""Numbers, money and times out of rows that may hold anything."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.normalise.values import (
    MAX_DURATION_NS,
    MAX_NS,
    count,
    finish_us,
    ns,
    ns_of_s,
    ns_of_us,
    price_text,
    usage_of,
)

_YEAR_US = MAX_DURATION_NS // 1_000


@pytest.mark.parametrize(
    ("us", "expected"),
    [(None, 0), (0, 0), (-1, 0), (1, 1_000), (1_795_500_000_000_001, 1_795_500_000_000_001_000), (2**62, MAX_NS)],
)
def test_times_stay_between_1970_and_2262(us, expected):
    assert ns_of_us(us) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.5, 500_000_000), ("0.25", 250_000_000), (2.3, 2_300_000_000), (0, 0), (-1, 0), (None, 0), ("x", 0), ([], 0),
        (float("nan"), 0), (float("inf"), 0), (1e300, 0), (366 * 86_400, MAX_DURATION_NS), (367 * 86_400, 0),
    ],
)  # fmt: skip
def test_durations(seconds, expected):
    """What no run may take, such as 1e300 seconds, is as unknown as NaN: in a sum it would stay for ever."""
    assert ns(seconds) == expected


def test_a_moment_in_seconds_is_no_duration():
    assert (ns_of_s(1_795_500_000), ns_of_s(1e300)) == (1_795_500_000_000_000_000, MAX_NS)


@pytest.mark.parametrize(
    ("finished", "expected"),
    [(None, None), (5, 5), (-5, -5), (_YEAR_US, _YEAR_US), (_YEAR_US + 1, None), (2**62, None)],
)
def test_a_finish_that_no_run_may_have_is_not_known(finished, expected):
    assert finish_us(0, finished) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(5, 5), ("7", 7), (3.9, 3), (0, 0), (-1, None), (True, None), (None, None), ("many", None), (1e30, None), ([], None),
     (float("nan"), None), (float("inf"), None), ("9" * 5000, None)],
)  # fmt: skip
def test_counts_are_whole_and_not_negative(value, expected):
    assert count(value) == expected


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0.0013675", "0.0013675"), (0.0013675, "0.0013675"), ("0E-7", "0"), ("0.0000000", "0"), ("1.50", "1.5"),
        (Decimal("1E+2"), "100"), (1e-7, "0.0000001"), ("", "0"), (None, "0"), ("free", "0"), ("NaN", "0"), ("-1", "0"),
        ("1e400", "0"), (True, "0"),
    ],
)  # fmt: skip
def test_money_is_plain_decimal_text(value, text):
    """Dify keeps money as numeric (`0E-7` is a zero), as text in JSON, and as a float in Agent nodes."""
    assert price_text(value) == text


@given(st.decimals(min_value=0, max_value=10**6, places=7))
def test_no_digit_of_a_price_is_lost(price):
    assert Decimal(price_text(format(price, "f"))) == price


@pytest.mark.parametrize(
    ("given_tokens", "produced", "kept", "expected"),
    [
        (10, 5, 15, (10, 5, 15)),
        (10, 5, 99, (10, 5, 15)),  # Dify's own sum is not believed where both parts are there
        (None, None, 30, (None, None, 30)),  # only the sum: a run's own, or an old node's
        (0, 0, 30, (None, None, 30)),
        (10, None, 30, (10, None, 30)),
        (0, 5, None, (0, 5, 5)),
    ],
)
def test_tokens_by_direction_or_as_a_sum(given_tokens, produced, kept, expected):
    usage = usage_of(given=given_tokens, produced=produced, total=kept, price=None, currency=None)
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == expected


def test_no_tokens_and_no_money_is_no_usage():
    assert usage_of(given=0, produced=None, total="0", price="0E-7", currency="USD") is None
    paid = usage_of(given=None, produced=None, total=None, price="0.01", currency="USD")
    assert paid is not None
    assert (paid.price, paid.currency, paid.total_tokens) == ("0.01", "USD", 0)


def test_a_currency_is_a_short_word():
    usage = usage_of(given=1, produced=1, total=2, price="1", currency="X" * 1000)
    assert usage is not None
    assert len(usage.currency) <= 16
