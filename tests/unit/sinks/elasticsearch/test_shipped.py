"""The sink behind the house's shipper: what is poison is parked alone, and the rest arrives."""

from __future__ import annotations

import pytest
import structlog

from monitor.metrics.own import SelfMetrics
from monitor.model import StepEnded
from monitor.ports import Tools
from monitor.runtime.shipper import Shipper
from monitor.sinks import elasticsearch
from monitor.sinks.elasticsearch.templates import resources
from monitor.testing.clock import HandClock
from monitor.testing.journal import MemoryJournal
from monitor.testing.samples import event, tool_step, turn_ref
from tests.support.elasticsearch import FakeElasticsearch, documents_of

EVENTS = 40


class World:
    """A journal of steps, and a shipper that brings them to the server."""

    def __init__(self, server: FakeElasticsearch) -> None:
        self.server, self.clock = server, HandClock()
        config = elasticsearch.Config(type="elasticsearch", nodes=(server.url,), max_documents=16)
        server.install(*resources(config))
        self.journal = MemoryJournal(self.clock)
        ref = turn_ref()
        facts = [event(StepEnded(turn=ref, step=tool_step(ref, id=f"step-{n:02d}"))) for n in range(EVENTS)]
        self.keys = [each.key for each in facts]
        self.journal.append("s", facts, b"")
        logger = structlog.get_logger()
        self.sink = elasticsearch.build(config, Tools(clock=self.clock, logger=logger, pseudonym=str))
        self.shipper = Shipper(self.journal, self.sink, self.clock, SelfMetrics(), random=lambda: 1.0, logger=logger)

    def drain(self) -> None:
        """Step until all is delivered or parked; waits are the clock's."""
        for _ in range(500):
            outcome = self.shipper.step()
            self.clock.move(outcome.retry_in_s or 0)
            if outcome.error is None and not outcome.progressed:
                return
        raise AssertionError("the shipper never comes to rest")

    def parked(self) -> list[tuple[int, str]]:
        return [(each.seq, each.reason) for each in self.journal.rejected("sink:elasticsearch")]

    def sent(self) -> list[list[str]]:
        return [[action["_id"] for action, _ in documents_of(seen.decoded)] for seen in self.server.bulks]


@pytest.fixture
def world():
    with FakeElasticsearch() as server:
        made = World(server)
        yield made
        made.sink.close()


def test_a_document_that_does_not_fit_is_parked_alone(world):
    world.server.stubborn[world.keys[7]] = (400, "document_parsing_exception", "failed to parse field [x.y]")
    world.drain()
    assert world.parked() == [(7, "mapping")]
    assert {key for request in world.sent() for key in request} == set(world.keys)
    assert len(world.sent()) == 3, "16 and 16 and 8: no request is repeated for it"


def test_a_document_that_the_server_breaks_on_is_parked_in_the_end(world):
    """It looks like a passing failure for ever; the others are sent once."""
    world.server.stubborn[world.keys[20]] = (500, "null_pointer_exception", "null")
    world.drain()
    assert world.parked() == [(20, "poison")]
    times = [sum(key in request for request in world.sent()) for key in world.keys]
    assert times[20] > 1
    assert min(times) == 1
    assert [count for number, count in enumerate(times) if number != 20 and count > 1] == []


def test_a_busy_server_is_waited_for(world):
    """However long; nothing is parked."""
    for key in world.keys:
        world.server.stubborn[key] = (429, "es_rejected_execution_exception", "queue full")
    for _ in range(40):
        outcome = world.shipper.step()
        world.clock.move(outcome.retry_in_s or 0)
    assert world.parked() == []
    assert len(world.sent()[-1]) == 1, "requests become smaller"
    world.server.stubborn.clear()
    world.drain()
    assert world.parked() == []
    assert {key for request in world.sent() for key in request} == set(world.keys)
