"""Rows that the server holds and can't hand out: found by halving, said as gaps, never in the way of the rest."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from monitor.errors import Retryable
from monitor.model import Event, FeedbackGiven, SourceGap, TurnRef, TurnStarted
from monitor.sources.dify_database.choice import Choice, Exclude
from monitor.sources.dify_database.memory import MemoryTables
from monitor.sources.dify_database.registers import RegisterPage, Registers
from monitor.sources.dify_database.tables import Unreadable
from tests.support.reading import pseudonym
from tests.unit.sources.registers.dify import Reader as RegisterReader
from tests.unit.sources.registers.dify import Small
from tests.unit.sources.world import Dify, Watcher, row_id

DONE = {"provider_response_latency": "1", "answer": "!"}


class _Damaged(MemoryTables):
    """Some messages can't be read whole."""

    damaged: Collection[str] = ()

    def messages(self, ids: Collection[str]) -> Any:
        if any(row_id in self.damaged for row_id in ids):
            raise Unreadable("DataCorrupted")
        return super().messages(ids)


@pytest.fixture
def dify() -> Dify:
    made = Dify()
    made.tables = _Damaged(made.rows, made.tables.now_us)
    return made


def _gaps(watcher: Watcher) -> list[SourceGap]:
    return [event.body for event in watcher.ledger.order if isinstance(event.body, SourceGap)]


def _started(watcher: Watcher) -> set[str]:
    return {event.body.turn.turn_id for event in watcher.ledger.order if isinstance(event.body, TurnStarted)}


def test_the_damaged_turn_is_a_gap_and_all_others_are_told(dify: Dify) -> None:
    for number in range(9):
        dify.message(number, conversation_id=f"c{number % 2}", **DONE)
    dify.tables.damaged = {row_id("a", 4)}
    watcher = Watcher(dify)
    watcher.read()
    assert _started(watcher) == {row_id("a", number) for number in range(9)}
    (gap,) = _gaps(watcher)
    assert (gap.turn_id, gap.reason, gap.app_id) == (row_id("a", 4), "Unreadable", "chat")
    assert watcher.read(5) == []


def test_its_conversation_leads_to_the_gap(dify: Dify) -> None:
    dify.message(1, conversation_id="c", **DONE)
    dify.message(2, conversation_id="c", **DONE)
    dify.tables.damaged = {row_id("a", 2)}
    watcher = Watcher(dify)
    watcher.read()
    refs = [event.body.turn for event in watcher.ledger.order if isinstance(event.body, TurnStarted)]
    assert {ref.turn_id: (ref.conversation_id, ref.tenant_id, ref.app_name) for ref in refs}[row_id("a", 2)] == (
        "c", "t", "chat",
    )  # fmt: skip


def test_once_it_can_be_read_it_is_told_whole(dify: Dify) -> None:
    dify.message(1, conversation_id="c", **DONE)
    dify.message(2, conversation_id="c", **DONE)
    dify.tables.damaged = {row_id("a", 2)}
    watcher = Watcher(dify)
    watcher.read()
    dify.tables.damaged = ()
    for _ in range(20):
        watcher.read(61)
    assert f"{row_id('a', 2)}:turn:ended" in watcher.ledger.revisions


def test_a_server_that_hands_out_nothing_at_all_is_no_matter_of_rows(dify: Dify) -> None:
    """Then it is tried again, and nothing is said of the turns."""
    for number in range(3):
        dify.message(number, **DONE)
    dify.tables.damaged = {row_id("a", number) for number in range(3)}
    with pytest.raises(Retryable, match="can't hand out any row"):
        Watcher(dify).read()


class _DamagedSmall(Small):
    @contextmanager
    def apart(self) -> Iterator[None]:
        yield

    def ask(self, name: str, **values: Any) -> list[tuple[Any, ...]]:
        if name.startswith("document"):
            raise Unreadable("DataCorrupted")
        return super().ask(name, **values)


def test_a_damaged_register_does_not_stop_the_others() -> None:
    small = _DamagedSmall()
    small.feedback(1, small.message(1))
    reader = RegisterReader(small)
    bodies = [event.body for event in reader.read()]
    assert any(isinstance(body, FeedbackGiven) for body in bodies)
    (gap,) = [body for body in bodies if isinstance(body, SourceGap)]
    assert gap.what.startswith("register document")


class _Notes(Registers):
    """Says one rating of each app."""

    def __init__(self) -> None:
        super().__init__(pseudonym, None)

    def read(self, *_: Any) -> RegisterPage:
        def given(app: str) -> Event:
            turn = TurnRef(turn_id=f"t-{app}", tenant_id="t", app_id=app, app_name=app, mode=app, started_at=1)
            body = FeedbackGiven(turn=turn, feedback_id="f", rating="like", given_by="user")
            return Event(key=f"t-{app}:feedback:f:0", rank=40, changed_at=1, occurred_at=1, body=body)

        return RegisterPage(events=[given("chat"), given("agent-chat")])


def test_facts_about_what_is_left_out_are_left_out_and_counted(dify: Dify) -> None:
    watcher = Watcher(dify, choice=Choice(exclude=Exclude(apps=("chat",))), registers=_Notes())
    watcher.read()
    found = [event.body.turn.app_id for event in watcher.ledger.order if isinstance(event.body, FeedbackGiven)]
    assert found == ["agent-chat"]
    assert watcher.coverage.left_out == 1
