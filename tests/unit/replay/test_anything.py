"""Whatever a journal holds can be replayed: nothing raises, nothing is lost, nothing acts on the terminal."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from monitor.model import ConfigChanged, Recorded, SourceGap, StepEnded
from monitor.model.stored import noted_turn, storable
from monitor.replay import Timeline
from monitor.replay.as_json import document
from monitor.replay.figures import steps_in
from monitor.replay.notes import configuration_of
from monitor.replay.nouns import Configuration, Passage
from monitor.replay.timeline import VERSION
from monitor.replay.turns import Records, turn_of
from monitor.testing import strategies
from tests.unit.replay.world import page_of

NOTED = ("comment", "user", "question", "answer", "prompt", "config", "note", "input", "error", "form")


class Held(NamedTuple):
    """What a journal has of one turn, and of what it ran under."""

    records: Records
    configs: tuple[Recorded, ...]


def stored(one: Recorded) -> Recorded:
    return msgspec.structs.replace(one, event=storable(one.event))


def of_one_turn(found: list[Recorded]) -> list[Recorded]:
    """As one turn's records: distinct steps, at most one start and one end, as a journal hands them out."""
    chosen: dict[object, Recorded] = {}
    for one in found:
        body = one.event.body
        key = body.step.id if isinstance(body, StepEnded) else type(body)
        chosen.setdefault(key, stored(one))
    return list(chosen.values())


def with_content(note: Recorded, content: dict[str, str]) -> Recorded:
    return stored(msgspec.structs.replace(note, event=msgspec.structs.replace(note.event, content=content)))


def held(events: list[Recorded], beside: list[Recorded]) -> Held:
    """Every note that there is; whose turn it is comes from the turn's own events."""
    told = [(note, note.event.body) for note in beside]
    notes = [note for note, body in told if noted_turn(body, note.event.occurred_at) is not None]
    gaps = [note for note, body in told if isinstance(body, SourceGap)]
    configs = tuple(note for note, body in told if isinstance(body, ConfigChanged))
    return Held(Records(events, gaps=gaps, notes=notes), configs)


records = st.lists(strategies.recordeds, min_size=1, max_size=6).map(of_one_turn)
note_contents = st.dictionaries(
    st.sampled_from(NOTED), st.one_of(strategies.texts, strategies.json_texts), max_size=len(NOTED)
)
beside = st.lists(st.builds(with_content, strategies.recorded_notes, note_contents), max_size=5)
everything = st.builds(held, records, beside)


def timeline(found: Held, *, content: bool = True) -> Timeline:
    known = [configuration_of(record, content=content) for record in found.configs]
    configs = tuple(config for config in known if config is not None)
    seq = configs[0].seq if configs else None
    turn = turn_of(found.records, 1, content=content, config_seq=seq)
    return Timeline(VERSION, "x", "turn", turn.whose.turn_id, "", 1, content, (turn,), configs, turn.totals, ())


def passages_in(value: object) -> Iterator[Passage]:
    """All of them, wherever they stand."""
    if isinstance(value, Passage):
        yield value
    elif isinstance(value, msgspec.Struct):
        for field in value.__struct_fields__:
            yield from passages_in(getattr(value, field))
    elif isinstance(value, tuple):
        for each in value:
            yield from passages_in(each)


@given(everything)
def test_every_step_is_shown_once(found):
    """Whatever parents they claim."""
    (turn,) = timeline(found).turns
    known = [one.event.body.step.id for one in found.records.events if isinstance(one.event.body, StepEnded)]
    assert sorted(step.id for step in steps_in(turn.moments)) == sorted(known)


@given(everything)
def test_every_note_is_shown_once(found):
    (turn,) = timeline(found).turns
    told = [each.seq for each in (*turn.moments, *turn.afterwards) if hasattr(each, "at")]
    assert sorted(told) == sorted(note.seq for note in found.records.notes)


@given(records)
def test_every_kept_text_of_a_step_is_there_whole(found):
    (turn,) = timeline(Held(Records(found), ())).turns
    told = {step.id: {passage.text for passage in step.passages} for step in steps_in(turn.moments)}
    for one in found:
        if isinstance(one.event.body, StepEnded):
            kept = {one.event.content.get(field) for field in ("input", "process", "output", "error")}
            erased = {one.event.content.get(field) for field in one.erased}
            assert kept - erased - {None} <= told[one.event.body.step.id]


@given(everything)
def test_without_content_no_text_is_told(found):
    told = timeline(found, content=False)
    assert all(passage.text == "" and passage.state != "kept" for passage in passages_in(told))
    documents = [document for step in steps_in(told.turns[0].moments) for document in step.documents]
    assert all((document.dataset, document.title, document.text) == ("", "", "") for document in documents)


@given(everything, st.booleans())
def test_its_json_reads_back_as_the_same(found, content):
    """By the types that the schema is made of."""
    told = timeline(found, content=content)
    text = document(told)
    assert msgspec.json.decode(text, type=Timeline) == told
    json.loads(text)
    assert not any(unicodedata.category(char) == "Cc" for char in text if char != "\n")


@given(everything, st.sampled_from([40, 60, 80, 120]), st.booleans(), st.booleans())
def test_nothing_acts_on_the_terminal_and_no_line_is_too_long(found, width, full, content):
    page = page_of(timeline(found, content=content), width=width, longest=None if full else 30)
    lines = page.split("\n")
    assert not [char for char in page if char != "\n" and unicodedata.category(char) in {"Cc", "Zl", "Zp", "Cs"}]
    assert not [char for char in page if unicodedata.bidirectional(char) in {"LRE", "RLE", "LRO", "RLO", "PDF"}]
    assert all(line.count("\u2068") == line.count("\u2069") for line in lines)
    assert [line for line in lines if cell_len(line) > width] == []


@given(everything)
def test_the_same_records_give_the_same_bytes(found):
    assert document(timeline(found)) == document(timeline(found))


@given(st.lists(st.builds(with_content, strategies.recorded_notes, note_contents), min_size=1, max_size=3))
def test_a_turn_of_which_only_notes_are_known_can_be_shown(found):
    known = held([], found)
    if known.records.notes:
        told = timeline(known)
        assert told.turns[0].gaps[0].kind == "no_records"
        assert isinstance(page_of(told), str)


@given(beside)
def test_a_configuration_is_shown_from_any_record(found):
    known = [configuration_of(record, content=True) for record in found]
    assert [isinstance(each, Configuration) for each in known] == [
        isinstance(record.event.body, ConfigChanged) for record in found
    ]
