"""The example for rsyslog, run for real: the file sink's lines, read while they are written, in Elasticsearch 8 and 9."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from itertools import count

import msgspec
import pytest

from monitor.clock import SystemClock
from monitor.model import Alert, AlertChanged, Event, Recorded, SourceGap, kind_of
from monitor.normalise.documents import document_of
from monitor.ports import Tools
from monitor.sinks import elasticsearch as elasticsearch_sink
from monitor.sinks import file
from monitor.sinks.elasticsearch import setup
from monitor.testing import samples
from monitor.testing.laws import WordKeeper
from tests.backends.elasticsearch import ADMIN, Elasticsearch
from tests.backends.rsyslog import Rsyslog
from tests.support.facts import facts_of
from tests.support.lacking import or_skip
from tests.support.sidecar import until

_NUMBERS = count()
_BATCH = 40
_LONG_S = 150.0
"""A queue that found no server pauses for up to half a minute."""
_COMMON = {"service.name": "dify"}


class Stage:
    """A file sink, an rsyslogd that follows its file, and the indices of one prefix."""

    def __init__(self, server: Elasticsearch, rsyslog: Rsyslog) -> None:
        self.server, self.rsyslog, self.prefix = server, rsyslog, f"r{next(_NUMBERS)}"
        self.sent: dict[str, Recorded] = {}
        tools = Tools(clock=SystemClock(), logger=WordKeeper(), pseudonym=str)
        config = file.Config(
            type="file", format="ecs", path=str(rsyslog.facts), prefix=self.prefix, content="full",
            rotate_bytes=100_000, keep=0, fsync=False,
        )  # fmt: skip
        self.sink = file.build(config, tools)
        settings = elasticsearch_sink.Config(
            type="elasticsearch",
            nodes=(server.url,),
            prefix=self.prefix,
            username=ADMIN[0],
            password=ADMIN[1],
            replicas=0,
        )
        connection = setup.connected(settings)
        assert list(setup.apply(connection, settings, setup.plan(connection, settings)))
        connection.close()

    def write(self, facts: Sequence[Recorded]) -> None:
        """Have the sink write them, batch by batch."""
        for at in range(0, len(facts), _BATCH):
            batch = facts[at : at + _BATCH]
            self.sink.send([self.sink.encode(each) for each in batch], [each.seq for each in batch])
            self.sent.update((each.event.key, each) for each in batch if self.sink.encode(each))

    def documents(self) -> dict[str, dict]:
        """By id; none while an index is only just being made, which a search answers with 503."""
        try:
            found = self.server.documents(f"{self.prefix}-*")
        except AssertionError as exc:
            if ": 503 " not in str(exc):
                raise
            return {}
        assert len({each["_id"] for each in found}) == len(found)
        return {each["_id"]: each for each in found}

    def wait_for_all(self) -> dict[str, dict]:
        """Every document that was written, each as the sink of Elasticsearch would have sent it."""
        try:
            until(lambda: self.documents().keys() >= self.sent.keys(), "facts are missing", _LONG_S)
        except AssertionError as exc:
            missing = sorted(self.sent.keys() - self.documents().keys())
            raise AssertionError(f"{len(missing)} are missing, such as {missing[:3]}; {self.rsyslog.log}") from exc
        return self.documents()

    def expected(self, recorded: Recorded) -> dict:
        document = document_of(recorded, recorded.event.content, _COMMON)
        assert document is not None
        return {
            "_index": f"{self.prefix}-{document.stream}-{document.month}",
            "_id": document.id,
            "_version": document.version,
            "_source": document.source,
        }

    def close(self) -> None:
        self.sink.close()
        self.server.clear(self.prefix)


@pytest.fixture
def stage(elasticsearch: Callable[..., Elasticsearch], request: pytest.FixtureRequest, tmp_path) -> Iterator[Stage]:
    server = elasticsearch(getattr(request, "param", 8))
    with or_skip(lambda: Rsyslog(tmp_path, server.url, *ADMIN)) as rsyslog:
        made = Stage(server, rsyslog)
        yield made
    made.close()


def alert() -> Recorded:
    raised = Alert("f", "five failures", {"tool": "t"}, "critical", "s", "firing", samples.BASE_NS, 1, 5.0)
    body = AlertChanged(raised, "pending", "firing", "held_for")
    return Recorded(0, 0, "rules", 1, Event("alert:f:1", 40, samples.BASE_NS, samples.BASE_NS, body))


@pytest.mark.backend("postgres")
@pytest.mark.parametrize("stage", [8, 9], indirect=True)
def test_every_fact_of_a_recorded_dify_arrives_under_its_id(stage, fresh_database):
    """In its month's index, with its version and our mapping; read while files are written and new ones begun."""
    events = [each for each in facts_of(fresh_database("1.9").url).values() if kind_of(each.body) in stage.sink.kinds]
    long = samples.turn_ended(samples.turn_ref(77))
    others = [
        alert(),
        samples.recorded(SourceGap(what="messages", reason="unreadable")),
        samples.recorded(long, content={"output": '长 \\ "\n\u0000' * 100_000}),
    ]
    facts = [*(Recorded(seq, 0, "dify", 1, event) for seq, event in enumerate(events)), *others]
    stage.rsyslog.start()
    stage.write(facts)
    found = stage.wait_for_all()
    assert stage.rsyslog.facts.with_name("facts.ndjson.2").exists()
    for recorded in facts:
        expected = stage.expected(recorded)
        assert {name: found[recorded.event.key][name] for name in expected} == expected
    template = stage.server.ask("GET", f"/{stage.prefix}-turns/_mapping")
    assert {each["mappings"]["dynamic"] for each in template.values()} == {"false"}
    assert len(found) == len(facts)
    assert [stage.rsyslog.told(name) for name in ("refused.ndjson", "unreadable.ndjson", "refused-requests.json")] == [
        ""
    ] * 3


def test_a_better_fact_replaces_and_an_older_one_does_not_come_back(stage):
    given_up = samples.recorded(samples.turn_ended(status="abandoned", estimated=True))
    ended = samples.recorded(samples.turn_ended(status="succeeded"), seq=1, revision=1)
    ended = msgspec.structs.replace(ended, event=msgspec.structs.replace(ended.event, rank=41))
    stage.rsyslog.start()
    stage.write([given_up, ended, given_up, *samples.agent_turn(2)[1:]])
    found = stage.wait_for_all()
    key = ended.event.key
    until(lambda: stage.documents()[key]["_version"] == stage.expected(ended)["_version"], "the better one is missing")
    assert found.keys() == stage.sent.keys()
    assert stage.documents()[key]["_source"]["dify"]["turn"]["status"] == "succeeded"
    assert stage.rsyslog.told("refused.ndjson") == ""


def test_killed_again_and_again_it_loses_nothing(stage):
    """While it reads, with new files begun while nobody did; what it reads again after that is no second document."""
    facts = list(samples.stream(300))
    for at in range(0, len(facts), 200):
        stage.rsyslog.start()
        stage.write(facts[at : at + 100])
        stage.wait_for_all()
        stage.write(facts[at + 100 : at + 150])
        stage.rsyslog.kill()
        stage.write(facts[at + 150 : at + 200])
    stage.rsyslog.start()
    assert stage.wait_for_all().keys() == stage.sent.keys()


def test_a_cluster_that_was_away_gets_everything(stage):
    facts = list(samples.stream(200))
    stage.rsyslog.start()
    stage.write(facts[:300])
    until(stage.documents, "nothing arrives")
    stage.server.stop()
    try:
        stage.write(facts[300:600])
        stage.rsyslog.stop()
        stage.rsyslog.start()
        stage.write(facts[600:])
    finally:
        stage.server.start()
    assert stage.wait_for_all().keys() == stage.sent.keys()


def test_what_is_refused_is_told_and_holds_nothing_up(stage):
    """A document that does not fit is named with the reason; half a line stands in a file of its own."""
    parts = [stage.sink.encode(each) for each in samples.agent_turn()[1:4]]
    parts[1] = parts[1].replace(b'"position":2', b'"position":"two"')
    stage.rsyslog.start()
    stage.sink.send([parts[0], parts[1], b'{"@timestamp":"2025-\n', parts[2]], [1, 2, 3, 4])
    refused = until(lambda: stage.rsyslog.told("refused.ndjson"), "nothing is refused")
    (told,) = [json.loads(line) for line in refused.splitlines()]
    assert (told["id"], told["status"]) == (json.loads(parts[1])["@metadata"]["_id"], 400)
    assert told["index"] == f"{stage.prefix}-steps-2025.09"
    assert "dify.step.position" in told["error"]["reason"]
    until(lambda: len(stage.documents()) == 2, "the others are missing")
    assert stage.rsyslog.told("unreadable.ndjson") == '{"@timestamp":"2025-\n'


def test_after_a_wrong_password_all_is_read_again(stage):
    """A request that is refused as a whole is not tried again by rsyslog; the files are still there."""
    stage.rsyslog.password = "wrong"
    stage.rsyslog.start()
    stage.write(samples.agent_turn()[1:])
    until(lambda: stage.rsyslog.told("refused-requests.json"), "nothing is refused")
    stage.rsyslog.stop()
    assert stage.documents() == {}
    stage.rsyslog.password = ADMIN[1]
    stage.rsyslog.forget_places()
    stage.rsyslog.start()
    assert stage.wait_for_all().keys() == stage.sent.keys()
