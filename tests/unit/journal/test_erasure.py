"""Content that was erased is gone, is said to be gone, and never comes back; in both journals."""

from __future__ import annotations

from monitor.model import StepEnded
from monitor.ports import Appended
from monitor.testing import notes, samples
from tests.unit.journal.test_append import TURN, everything, step_event

KEY = step_event().key


def test_erased_content_is_gone_and_named(journal):
    journal.append("dify", [step_event(content={"input": "secret", "output": "b"}), step_event(key="other")], None)
    assert journal.erase(KEY, ["input"]) == 1
    assert journal.erase(KEY, ["input"]) == 0
    first, other = everything(journal)
    assert (first.event.content, first.erased) == ({"output": "b"}, ("input",))
    assert other.erased == ()
    assert journal.erase(KEY) == 1
    assert everything(journal)[0].erased == ("input", "output")


def test_who_reads_without_content_is_told_nothing_of_erasure(journal):
    journal.append("dify", [step_event(content={"input": "secret"})], None)
    journal.erase(KEY)
    (recorded,) = journal.read("c", limit=1, kinds=("step_ended",), content=False).events
    assert (recorded.erased, recorded.event.content) == ((), {})


def test_what_was_erased_is_never_filled_in_again(journal):
    full = {"input": "secret", "output": "b"}
    journal.append("dify", [step_event(content=full)], None)
    journal.erase(KEY, ["input"])
    assert journal.append("dify", [step_event(content=full)], None) == Appended(known=1)
    assert journal.append("dify", [step_event(content={"output": "b"})], None) == Appended(known=1)
    assert journal.append("dify", [step_event("failed", content=full)], None) == Appended(revised=1)
    newest = everything(journal)[-1]
    assert (newest.event.content, newest.erased) == ({"output": "b"}, ("input",))


def test_an_erased_field_stays_erased_over_later_revisions(journal):
    """Also where the revision that had the field is not the newest, and where the newest never had it."""
    journal.append("dify", [step_event(content={"input": "secret", "output": "1"})], None)
    journal.append("dify", [step_event(content={"output": "2"})], None)
    assert journal.erase(KEY, ["input"]) == 1
    for output in ("3", "4"):
        again = step_event(content={"input": "secret", "output": output})
        assert journal.append("dify", [again], None) == Appended(revised=1)
        assert (everything(journal)[-1].event.content, everything(journal)[-1].erased) == (
            {"output": output},
            ("input",),
        )


def test_erasing_reaches_all_revisions(journal):
    for text in ("a", "b", "c"):
        journal.append("dify", [step_event(content={"input": text})], None)
    assert journal.erase(KEY) == 3
    assert [recorded.event.content for recorded in everything(journal)] == [{}, {}, {}]


def test_erased_text_is_in_no_file_of_the_folder(disk, tmp_path):
    step = StepEnded(TURN, samples.tool_step(TURN))
    disk.append("dify", [samples.event(step, content={"input": "find-me-" * 20_000, "output": "kept-text"})], None)
    disk.erase(KEY, ["input"])
    files = [path.read_bytes() for path in (tmp_path / "journal").iterdir()]
    assert not any(b"find-me-" in data for data in files)
    assert any(b"kept-text" in data for data in files)


# -- turns that were deleted

OTHER = samples.turn_ref(9)


def told(journal, *turns):
    for turn in turns:
        journal.append("dify", [recorded.event for recorded in samples.agent_turn(turn)], None)


def contents(journal):
    return {recorded.event.key: recorded.event.content for recorded in everything(journal)}


def test_all_that_a_turn_said_goes_with_what_was_noted_of_it(journal):
    told(journal, 1, 9)
    aside = [notes.feedback(TURN), notes.annotation(TURN), notes.form(samples.chatflow_ref(5)), notes.feedback(OTHER)]
    journal.append("dify", aside, None)
    journal.append("dify", [step_event("failed", changed_at=2**62, content={"output": "later", "error": "x"})], None)
    values = sum(
        len(recorded.event.content)
        for recorded in [*journal.turn_events(TURN.turn_id), *journal.notes_of(TURN.turn_id)]
    )
    assert journal.erase_turns([TURN.turn_id]) > values, "the older revision of the step as well"
    for recorded in [*journal.turn_events(TURN.turn_id), *journal.notes_of(TURN.turn_id)]:
        assert (recorded.event.content, bool(recorded.erased)) == ({}, True)
    assert len(contents(journal)) == 10
    assert all(recorded.event.content for recorded in journal.turn_events(OTHER.turn_id))
    assert journal.notes_of(OTHER.turn_id)[0].event.content == aside[3].content
    assert journal.notes_of(samples.chatflow_ref(5).turn_id)[0].event.content


def test_erasing_turns_twice_or_unknown_ones_changes_nothing(journal):
    told(journal, 1)
    assert journal.erase_turns([TURN.turn_id, "never"]) > 0
    assert journal.erase_turns([TURN.turn_id]) == 0
    assert journal.erase_turns([]) == 0
    told(journal, 1)
    assert journal.head() == 5, "nothing is filled in again"


def test_which_turns_a_source_has_said_were_deleted(journal):
    journal.append("dify", [notes.content_deleted(TURN)], None)
    journal.append("push", [notes.content_deleted(OTHER)], None)
    asked = [TURN.turn_id, OTHER.turn_id, "never", f"{TURN.turn_id}:deleted"]
    assert journal.deleted_turns(asked, "dify") == {TURN.turn_id}
    assert journal.deleted_turns(asked, "push") == {OTHER.turn_id}
    assert journal.deleted_turns([], "dify") == journal.deleted_turns([OTHER.turn_id], "dify") == set()
