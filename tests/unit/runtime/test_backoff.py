from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.runtime.backoff import delay_s


def test_the_ceiling_doubles_up_to_a_minute():
    assert [delay_s(attempt, lambda: 1.0) for attempt in range(1, 9)] == [1, 2, 4, 8, 16, 32, 60, 60]


def test_the_wait_is_spread_over_all_of_it():
    assert delay_s(4, lambda: 0.0) == 0
    assert delay_s(4, lambda: 0.25) == 2


@pytest.mark.parametrize(
    ("named", "waits"), [(90, 90), (0.1, 0.5), (1e9, 3600), (0, 0.5), (-5, 0.5), (math.nan, 0.5), (math.inf, 0.5)]
)
def test_a_named_delay_is_the_least(named, waits):
    """Nonsense is ignored, and nobody can make us wait for more than an hour."""
    assert delay_s(1, lambda: 0.5, named) == waits


@given(st.integers(-5, 10**6), st.floats(0, 1), st.none() | st.floats())
def test_every_wait_is_a_sensible_one(attempt, number, named):
    assert 0 <= delay_s(attempt, lambda: number, named) <= 3600
