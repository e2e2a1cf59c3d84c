"""Whatever a journal holds can be replayed: nothing raises, nothing is lost, nothing acts on the terminal."""

from __future__ import annotations

import json
import unicodedata

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from monitor.model import Recorded, StepEnded
from monitor.model.stored import storable
from monitor.replay import Timeline
from monitor.replay.as_json import document
from monitor.replay.figures import steps_in
from monitor.replay.timeline import VERSION
from monitor.replay.turns import Records, turn_of
from monitor.testing import strategies
from tests.unit.replay.world import page_of


def of_one_turn(found: list[Recorded]) -> list[Recorded]:
    """As one turn's records: distinct steps, at most one start and one end, as a journal hands them out."""
    chosen: dict[object, Recorded] = {}
    for one in found:
        body = one.event.body
        key = body.step.id if isinstance(body, StepEnded) else type(body)
        chosen.setdefault(key, msgspec.structs.replace(one, event=storable(one.event)))
    return list(chosen.values())


records = st.lists(strategies.recordeds, min_size=1, max_size=6).map(of_one_turn)


def timeline(found: list[Recorded], *, content: bool = True) -> Timeline:
    turn = turn_of(Records(found), 1, content=content)
    return Timeline(VERSION, "x", "turn", turn.whose.turn_id, "", 1, content, (turn,), turn.totals)


@given(records)
def test_every_step_is_shown_once(found):
    """Whatever parents they claim."""
    (turn,) = timeline(found).turns
    known = [one.event.body.step.id for one in found if isinstance(one.event.body, StepEnded)]
    assert sorted(step.id for step in steps_in(turn.moments)) == sorted(known)


@given(records)
def test_every_kept_text_of_a_step_is_there_whole(found):
    (turn,) = timeline(found).turns
    told = {step.id: {passage.text for passage in step.passages} for step in steps_in(turn.moments)}
    for one in found:
        if isinstance(one.event.body, StepEnded):
            kept = {one.event.content.get(field) for field in ("input", "process", "output", "error")}
            erased = {one.event.content.get(field) for field in one.erased}
            assert kept - erased - {None} <= told[one.event.body.step.id]


@given(records)
def test_without_content_no_text_is_told(found):
    (turn,) = timeline(found, content=False).turns
    framing = [turn.question, turn.answer, turn.error, turn.user_id, *turn.prompts]
    passages = [passage for passage in framing if passage is not None]
    passages += [passage for step in steps_in(turn.moments) for passage in step.passages]
    assert all(passage.text == "" and passage.state != "kept" for passage in passages)
    assert all(step.documents == () for step in steps_in(turn.moments))


@given(records, st.booleans())
def test_its_json_reads_back_as_the_same(found, content):
    told = timeline(found, content=content)
    text = document(told)
    assert msgspec.json.decode(text, type=Timeline) == told
    json.loads(text)
    assert not any(unicodedata.category(char) == "Cc" for char in text if char != "\n")


@given(records, st.sampled_from([60, 80, 120]), st.booleans())
def test_nothing_acts_on_the_terminal_and_no_line_is_too_long(found, width, full):
    page = page_of(timeline(found), width=width, longest=None if full else 30)
    lines = page.split("\n")
    assert not [char for char in page if char != "\n" and unicodedata.category(char) in {"Cc", "Zl", "Zp", "Cs"}]
    assert not [char for char in page if unicodedata.bidirectional(char) in {"LRE", "RLE", "LRO", "RLO", "PDF"}]
    assert all(line.count("\u2068") == line.count("\u2069") for line in lines)
    # One cell of grace: a text that fills its room to the last cell can end one beyond it.
    assert [line for line in lines if cell_len(line) > width + 1] == []


@given(records)
def test_the_same_records_give_the_same_bytes(found):
    assert document(timeline(found)) == document(timeline(list(found)))
