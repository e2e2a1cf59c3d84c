"""How the small Dify's apps are set up: told once each, under the hash that their turns carry."""

from __future__ import annotations

from threading import Event

from monitor.demo.recording import load
from monitor.demo.set_up import answer
from monitor.demo.source import Config, build
from monitor.model import ConfigChanged, TurnStarted
from monitor.ports import Tools
from monitor.testing.journal import MemoryJournal
from tests.unit.demo.clock import HandClock

RECORDING = load()
FIRST = "00000000-0000-0000-0000-000000000000"


def tables():
    return {table: {row["id"]: row for row in rows} for table, rows in RECORDING.lookups.items()}


def test_a_slice_goes_on_behind_an_id():
    lines = answer(tables(), "workflow_slice", {"after": FIRST, "limit": 500})
    ids = [line[0] for line in lines]
    assert ids == sorted(row["id"] for row in RECORDING.lookups["workflows"])
    assert [line[0] for line in answer(tables(), "workflow_slice", {"after": ids[0], "limit": 500})] == ids[1:]
    assert answer(tables(), "workflow_slice", {"after": ids[-1], "limit": 500}) == [(None, None, None)]
    assert len(answer(tables(), "workflow_slice", {"after": FIRST, "limit": 1})) == 1


def test_tables_that_it_has_not_can_not_be_read():
    assert answer(tables(), "feedback_slice", {"after": FIRST, "limit": 500}) == []


def test_every_turn_runs_under_a_configuration_that_was_told():
    clock = HandClock()
    source = build(Config(name="demo"), Tools(clock=clock, logger=None, pseudonym=str))
    journal = MemoryJournal(clock)
    position = None
    for _ in range(70):
        page = source.read(position, 100, journal.memory("demo"))
        journal.append("demo", page.events, page.position, remember=page.remember, forget=page.forget)
        position = page.position
        clock.wait(Event(), 1.0)
    told = journal.scan(0, limit=10_000, kinds={"config_changed", "turn_started"}, content=True).events
    bodies = [one.event.body for one in told]
    hashes = [body.hash for body in bodies if isinstance(body, ConfigChanged)]
    assert len(hashes) == len(set(hashes)) == 3
    assert {body.turn.config_hash for body in bodies if isinstance(body, TurnStarted)} == set(hashes)
    assert [one.event.content["prompt"][:6] for one in told if "prompt" in one.event.content] == ["你是电商客服"]
