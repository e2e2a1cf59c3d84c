from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.model.units import duration_ns, duration_text, size_bytes, size_text

SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("written", "ns"),
    [
        ("45s", 45 * SECOND),
        ("30m", 1800 * SECOND),
        ("1h30m", 5400 * SECOND),
        (" 1h 30m ", 5400 * SECOND),
        ("1.5h", 5400 * SECOND),
        ("500ms", SECOND // 2),
        ("250us", 250_000),
        ("7ns", 7),
        ("2d", 172_800 * SECOND),
        ("0s", 0),
        (0, 0),
        (30, 30 * SECOND),
        (0.5, SECOND // 2),
        ("30", 30 * SECOND),
        ("0.1", SECOND // 10),
    ],
)
def test_durations_as_people_write_them(written, ns):
    assert duration_ns(written) == ns


@pytest.mark.parametrize(
    "written",
    [
        *("", " ", "m", "30x", "30m1h", "1h1h", "-5s", "5 5", "1h30", "٣s", "1e9s", "0.1ns", "9" * 30 + "d"),
        *("1" * 100, True, None, -1, float("nan"), float("inf"), 1e-12, [], {}),
    ],
)
def test_what_is_no_duration_is_refused(written):
    with pytest.raises(ValueError):
        duration_ns(written)


@pytest.mark.parametrize(
    ("written", "size"),
    [
        ("20GB", 20_000_000_000),
        ("20 gb", 20_000_000_000),
        ("512MiB", 512 * 1024**2),
        ("1.5KiB", 1536),
        ("10B", 10),
        ("1TB", 10**12),
        (0, 0),
        (4096, 4096),
        ("4096", 4096),
        (2.0, 2),
    ],
)
def test_sizes_as_people_write_them(written, size):
    assert size_bytes(written) == size


@pytest.mark.parametrize("written", ["", "GB", "5XB", "5ib", "-1KB", "0.5B", 0.5, True, None, [], "9" * 30 + "TB"])
def test_what_is_no_size_is_refused(written):
    with pytest.raises(ValueError):
        size_bytes(written)


@given(st.integers(0, (1 << 63) - 1))
def test_written_out_and_read_back_is_the_same(number):
    assert duration_ns(duration_text(number)) == number
    assert size_bytes(size_text(number)) == number


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused(text):
    """Nothing but ValueError ever comes out, and what comes out is never below zero."""
    for read in (duration_ns, size_bytes):
        with suppress(ValueError):
            assert read(text) >= 0


def test_the_shortest_way_to_write_it():
    assert duration_text(5400 * SECOND) == "1h30m"
    assert duration_text(0) == "0s"
    assert size_text(20_000_000_000) == "20GB"
    assert size_text(512 * 1024**2) == "512MiB"
    assert size_text(1001) == "1001"
