"""The clock that tells a minute in seconds."""

from __future__ import annotations

import math
import threading

import pytest

from monitor.demo.clock import StoryClock
from tests.unit.demo.clock import HandClock

NEVER = threading.Event()


def test_it_goes_only_while_somebody_waits():
    base = HandClock()
    clock = StoryClock(base, start_ns=5_000_000_000, speed=4.0)
    base.time_ns += 77
    assert clock.now_ns() == 5_000_000_000
    clock.wait(NEVER, 2.0)
    assert clock.now_ns() == 7_000_000_000
    assert base.waits == [0.5]


def test_without_waiting_time_passes_all_the_same():
    base = HandClock()
    clock = StoryClock(base, 0, math.inf)
    clock.wait(NEVER, 30.0)
    assert (clock.now_ns(), base.waits) == (30_000_000_000, [0.0])


def test_what_is_measured_is_true():
    base = HandClock()
    clock = StoryClock(base, 0, 10.0)
    base.time_ns += 3_000_000_000
    assert clock.monotonic() == pytest.approx(base.monotonic())


def test_it_hands_on_that_it_was_stopped():
    stop = threading.Event()
    clock = StoryClock(HandClock(), 0, 2.0)
    assert not clock.wait(stop, 1.0)
    stop.set()
    assert clock.wait(stop, 1.0)
