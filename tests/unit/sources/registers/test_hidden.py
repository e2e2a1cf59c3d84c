"""Conversations marked as deleted: up to 1.7 Dify only sets `conversations.is_deleted`, and the rows stay."""

from __future__ import annotations

from monitor.model import ContentDeleted
from tests.unit.sources.registers.dify import Reader, Small, names, row_id


def conversation(dify: Small, number: int, messages: int = 0, *, deleted: bool = False) -> str:
    row = dify.put("conversations", row_id("c", number), deleted=deleted)
    for each in range(messages):
        dify.message(number * 10_000 + each, conversation=row)
    return row


def test_each_turn_of_a_hidden_conversation_is_told_once() -> None:
    dify = Small()
    row = conversation(dify, 1, 2)
    run = row_id("b", 1)
    dify.message(9, "advanced-chat", run=run, conversation=row)
    conversation(dify, 2, 1)
    reader = Reader(dify)
    assert reader.settle() == []
    dify.put("conversations", row, deleted=True)
    events = reader.read()
    turns = sorted([row_id("a", 10_000), row_id("a", 10_001), run])
    assert sorted(names(events)) == [f"{turn}:deleted:{turn}:0" for turn in turns]
    body = next(event.body for event in events if event.key.startswith(run))
    assert isinstance(body, ContentDeleted)
    assert (body.how, body.conversation_id, body.app_id, body.tenant_id) == ("hidden", row, "advanced-chat", "t")
    assert reader.settle() == []


def test_a_conversation_of_many_turns_is_told_in_bounded_pages() -> None:
    dify = Small()
    conversation(dify, 1, 3, deleted=True)
    conversation(dify, 2, 1_200, deleted=True)
    conversation(dify, 3, 500, deleted=True)
    conversation(dify, 4, 1, deleted=True)
    reader = Reader(dify)
    sizes = []
    while True:
        dify.now += 1
        page = reader.page()
        sizes.append(len(page.events))
        if not page.more:
            break
    assert max(sizes) == 500
    assert len(set(names(reader.told))) == len(reader.told) == 1_704
    assert reader.settle() == []


def test_a_conversation_deleted_for_good_while_it_is_told_hides_no_other() -> None:
    dify = Small()
    row = conversation(dify, 1, 700, deleted=True)
    conversation(dify, 2, 2, deleted=True)
    reader = Reader(dify)
    reader.page()
    dify.delete("conversations", row)
    reader.read()
    reader.settle()
    assert {row_id("a", 20_000), row_id("a", 20_001)} <= {event.body.turn_id for event in reader.told}  # type: ignore[union-attr]


def test_one_that_is_shown_again_or_gone_is_forgotten() -> None:
    dify = Small()
    shown, gone = conversation(dify, 1, 1, deleted=True), conversation(dify, 2, 1, deleted=True)
    reader = Reader(dify)
    reader.read()
    assert len(reader.memory.held) == 2
    dify.put("conversations", shown, deleted=False)
    dify.delete("conversations", gone)
    assert reader.settle() == []
    assert reader.memory.held == {}
