"""What becomes of a page: new, revised, known; in both journals."""

from __future__ import annotations

import math

import msgspec
import pytest

from monitor.errors import JournalError
from monitor.model import Alert, AlertChanged, Event, Recorded, SourceGap, StepEnded
from monitor.ports import Appended
from monitor.testing import samples
from tests.unit.journal.conftest import KINDS

TURN = samples.turn_ref()
STEP = samples.tool_step(TURN)


def step_event(status: str = "succeeded", **changes) -> Event:
    return samples.event(StepEnded(TURN, samples.tool_step(TURN, status=status)), **changes)


def everything(journal) -> list[Recorded]:
    return list(journal.read("everything", limit=10_000, kinds=KINDS, content=True).events)


def test_a_page_and_its_position_are_there_together(journal, clock):
    page = [recorded.event for recorded in samples.agent_turn()]
    assert journal.append("dify", page, b"p1") == Appended(new=5)
    assert journal.position("dify") == b"p1"
    assert journal.head() == 5
    assert [recorded.seq for recorded in everything(journal)] == [0, 1, 2, 3, 4]
    assert [recorded.event for recorded in everything(journal)] == page
    assert {(r.revision, r.source, r.recorded_at) for r in everything(journal)} == {(0, "dify", clock.now_ns())}


def test_the_same_page_again_is_known_and_burns_no_position(journal):
    page = [recorded.event for recorded in samples.agent_turn()]
    journal.append("dify", page, b"p1")
    assert journal.append("dify", page, b"p2") == Appended(known=5)
    assert (journal.head(), journal.position("dify")) == (5, b"p2")
    assert journal.append("dify", [step_event(status="unknown", changed_at=2**62)], None) == Appended(revised=1)
    assert everything(journal)[-1].seq == 5


def test_an_empty_page_moves_the_position_and_none_leaves_it(journal):
    assert journal.position("dify") is None
    journal.append("dify", [], None)
    assert journal.position("dify") is None
    journal.append("dify", [], b"p1")
    journal.append("dify", [], b"p1")
    journal.append("dify", [], None)
    assert journal.position("dify") == b"p1"
    journal.append("dify", [], b"")
    assert journal.position("dify") == b""


def test_other_facts_are_a_revision_and_the_newest_counts(journal):
    journal.append("dify", [step_event(changed_at=1)], None)
    assert journal.append("dify", [step_event("failed", changed_at=2)], None) == Appended(revised=1)
    assert journal.append("dify", [step_event("failed", changed_at=2)], None) == Appended(known=1)
    assert [(r.revision, r.event.body.step.status) for r in everything(journal)] == [(0, "succeeded"), (1, "failed")]


@pytest.mark.parametrize(
    ("rank", "changed_at", "revised"), [(40, 5, 1), (40, 6, 1), (50, 0, 1), (40, 4, 0), (30, 99, 0)]
)
def test_a_poorer_way_in_never_hides_a_better_one(journal, rank, changed_at, revised):
    journal.append("dify", [step_event(rank=40, changed_at=5)], None)
    other = step_event("failed", rank=rank, changed_at=changed_at)
    assert journal.append("push", [other], None) == Appended(revised=revised, known=1 - revised)


@pytest.mark.parametrize("content", [{"input": "b"}, {}, {"input": "a", "output": ""}, {"output": "a"}])
def test_other_content_is_a_revision(journal, content):
    journal.append("dify", [step_event(content={"input": "a"})], None)
    assert journal.append("dify", [step_event(content=content)], None) == Appended(revised=1)
    assert journal.append("dify", [step_event(content=content)], None) == Appended(known=1)
    assert everything(journal)[-1].event.content == content


def test_a_key_may_come_twice_in_a_page(journal):
    page = [step_event(content={"input": "a"}), step_event(content={"input": "a"}), step_event(content={"input": "b"})]
    assert journal.append("dify", page, None) == Appended(new=1, revised=1, known=1)
    assert [r.revision for r in everything(journal)] == [0, 1]


def test_a_sequence_that_is_not_a_tuple_says_the_same(journal):
    """A source may hand over a list where the model says tuple; it reads back as a tuple and is no news."""
    ended = samples.turn_ended(TURN, steps=["a", "b"])
    assert journal.append("dify", [samples.event(ended)], None) == Appended(new=1)
    assert journal.append("dify", [samples.event(ended)], None) == Appended(known=1)
    assert everything(journal)[0].event.body.steps == ("a", "b")


def test_an_integer_where_a_float_belongs_says_the_same(journal):
    step = samples.node_step(TURN)
    step = msgspec.structs.replace(step, node=msgspec.structs.replace(step.node, elapsed_s=1))
    for expected in (Appended(new=1), Appended(known=1)):
        assert journal.append("dify", [samples.event(StepEnded(TURN, step))], None) == expected


@pytest.mark.parametrize("text", ["", "\x00", "a\x00b", "\udcff", "é\U0001f4e6\ufeff", "'\"\\\n", "x" * 3_000_000])
def test_any_content_comes_back(journal, text):
    """UTF-8 comes back as it was, NUL included; a lone surrogate, which sources clean away, as a question mark."""
    content = {"input": text, "output": "after"}
    for expected in (Appended(new=1), Appended(known=1)):
        assert journal.append("dify", [step_event(content=content)], None) == expected
    (recorded,) = everything(journal)
    assert recorded.event.content == {"input": text.replace("\udcff", "?"), "output": "after"}


@pytest.mark.parametrize("key", ["", "a\x00b", "a\udcffb", "é", "x" * 5000])
def test_any_key_is_the_same_fact_again(journal, key):
    for expected in (Appended(new=1), Appended(known=1)):
        assert journal.append("dify", [step_event(key=key)], None) == expected


def test_a_body_that_utf8_can_not_hold_is_stored_cleaned(journal):
    for expected in (Appended(new=1), Appended(known=1)):
        gap = Event("gap", 1, 0, 0, SourceGap("row \ud800", "bad"), {"\ud800": "x"})
        assert journal.append("dify", [gap], None) == expected
    (recorded,) = everything(journal)
    assert recorded.event.body == SourceGap("row ?", "bad")
    assert recorded.event.content == {"?": "x"}


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_value_that_json_lacks_does_not_make_the_journal_unreadable(journal, value):
    alert = Alert("f", "r", {}, "page", "s", "firing", 0, 1, value=value)
    for expected in (Appended(new=1), Appended(known=1)):
        assert journal.append("rules", [Event("a", 1, 0, 0, AlertChanged(alert, "", "", ""))], None) == expected
    assert everything(journal)[0].event.body.alert.value == 0.0


def test_large_pages_are_appended_whole(journal):
    events = [recorded.event for recorded in samples.stream(333)]
    assert journal.append("dify", events, b"") == Appended(new=1665)
    assert journal.append("dify", events, b"") == Appended(known=1665)
    assert [recorded.event for recorded in everything(journal)] == events


def test_too_many_content_fields_are_refused_and_nothing_is_appended(disk):
    many = step_event(content={str(n): "x" for n in range(257)})
    with pytest.raises(JournalError):
        disk.append("dify", [samples.event(samples.turn_started(TURN)), many], b"p")
    assert (disk.head(), disk.position("dify"), everything(disk)) == (0, None, [])
    disk.append("dify", [step_event(content={str(n): "x" for n in range(256)})], b"p")
    assert len(everything(disk)[0].event.content) == 256
