"""Positions: what they hold, and that those of older versions still read."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from monitor.sources.dify_database.state import Open, Place, State, decode, encode, key_at
from monitor.sources.dify_database.tables import Key

_OLD = (
    b'{"messages":{"mark":{"id":"a1","at":"2026-11-24 05:00:00","us":1795496400000000},"recent":{"a1":1795496400000000},'
    b'"live":true},"runs":{"live":true},"steps_next_us":1795500030000000,"watched":{"a1":{"message_id":"a1","ref":'
    b'{"turn_id":"a1","tenant_id":"t","app_id":"chat","app_name":"chat","mode":"chat","started_at":1795496400000000000,'
    b'"message_id":"a1"},"signal":"|||"}}}'
)
"""As a version wrote it that remembered nothing of what it had told."""
_NOW_US = 1_795_500_000_000_000


def test_the_beginning_is_read_from_nothing():
    assert decode(None) == State()


def test_a_position_of_before_there_was_a_memory_reads_and_is_compared_from_now_on():
    state = decode(_OLD)
    state.begin_to_remember(_NOW_US)
    assert state.compared_from_us == _NOW_US + 1
    assert state.watched["a1"].since_us == 1_795_496_400_000_000
    again = decode(encode(state))
    again.begin_to_remember(_NOW_US + 1_000)
    assert again == state


def test_rows_ahead_of_the_clock_that_were_told_before_are_not_compared():
    state = decode(_OLD)
    state.messages.recent = {"a2": _NOW_US + 5_000_000, "a3": 9_000_000_000_000_000_000}
    state.begin_to_remember(_NOW_US)
    assert state.compared_from_us == _NOW_US + 5_000_001


def test_a_new_position_is_compared_from_the_beginning():
    for state in (
        State(),
        State(messages=Place(mark=key_at(_NOW_US)), runs=Place(mark=key_at(_NOW_US)), since_us=_NOW_US),
    ):
        state.begin_to_remember(_NOW_US)
        assert (state.remembers, state.compared_from_us) == (True, 0)


@given(us=st.integers(0, 4_102_444_800_000_000))
def test_a_place_before_a_moment(us):
    key = key_at(us)
    assert key.us == us
    assert not Place(mark=key).seen_a_row


def test_how_far_a_table_was_read():
    assert Place().reached_us == 0
    assert Place(mark=Key(id="a", at="", us=5), end_us=3).reached_us == 5
    assert Place(mark=Key(id="a", at="", us=5), end_us=9).reached_us == 9


def test_when_a_watched_turn_began():
    assert Open().since_us == 0
    assert Open(created_us=7).since_us == 7
