from __future__ import annotations

import json

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from monitor.cli import printing
from monitor.cli.printing import ago_text, bytes_text, iso_text, moment_text
from monitor.testing.samples import BASE_NS, SECOND


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (13_100, "13.1 kB"),
        (999_999, "1 MB"),
        (20_000_000_000, "20 GB"),
        (1_234_567_890_123_456, "1,234.57 TB"),
    ],
)
def test_sizes(count, text):
    assert bytes_text(count) == text


@given(st.integers(0, 10**18))
def test_a_size_is_short_and_right_to_a_hundredth(count):
    number, unit = bytes_text(count).split()
    factor = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}[unit]
    assert abs(float(number.replace(",", "")) * factor - count) <= count / 100
    assert len(number) <= 12


def test_moments_are_in_utc():
    assert moment_text(BASE_NS) == "2025-09-24 08:00:00 UTC"
    assert iso_text(BASE_NS + 123_456_789) == "2025-09-24T08:00:00.123Z"
    assert iso_text(None) is None


def test_ages_are_never_negative():
    assert ago_text(BASE_NS, BASE_NS + 90 * SECOND) == "1 min 30 s ago"
    assert ago_text(BASE_NS, BASE_NS - SECOND) == "0 ms ago"


@given(st.text(st.characters(blacklist_categories=[])))
def test_json_says_what_was_given_and_cannot_act_on_a_terminal(text):
    printed = printed_json(text)
    assert json.loads(printed) == text.encode("utf-8", "backslashreplace").decode() or json.loads(printed) == text
    assert not set(printed) & {"\x1b", "\x9b", "\u202e", "\u2066", "\x7f"}


def printed_json(data):
    @click.command()
    def command():
        printing.print_json(data)

    result = CliRunner().invoke(command)
    assert result.exit_code == 0
    return result.stdout
