"""The `elasticsearch` sink against real servers, 8 and 9: documents, repeats, late facts, hostile payloads, rights."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from itertools import count

import msgspec
import pytest

from monitor.clock import SystemClock
from monitor.errors import Auth, Retryable
from monitor.model import Alert, AlertChanged, Event, Recorded, StepEnded, kind_of
from monitor.ports import Tools
from monitor.sinks import elasticsearch as elasticsearch_sink
from monitor.sinks.elasticsearch import setup
from monitor.sinks.elasticsearch.templates import mappings, role, setup_role
from monitor.testing import samples
from monitor.testing.laws import WordKeeper, hostile
from tests.backends.elasticsearch import ADMIN, Elasticsearch
from tests.support import truth
from tests.support.facts import facts_of
from tests.unit.noted import NOTES, note

_NUMBERS = count()


class Stage:
    """One prefix on one server, with everything that is made under it."""

    def __init__(self, server: Elasticsearch) -> None:
        self.server, self.prefix = server, f"t{next(_NUMBERS)}"
        self.sinks: list = []
        self.words = WordKeeper()

    def config(self, **settings):
        known = {"username": ADMIN[0], "password": ADMIN[1]} if not settings.keys() & {"api_key"} else {}
        given = {"type": "elasticsearch", "nodes": (self.server.url,), "prefix": self.prefix, "replicas": 0}
        return elasticsearch_sink.Config(**(given | known | settings))

    def install(self, **settings) -> list[str]:
        config = self.config(**settings)
        connection = setup.connected(config)
        try:
            return list(setup.apply(connection, config, setup.plan(connection, config)))
        finally:
            connection.close()

    def sink(self, **settings):
        tools = Tools(clock=SystemClock(), logger=self.words, pseudonym=str)
        self.sinks.append(elasticsearch_sink.build(self.config(**settings), tools))
        return self.sinks[-1]

    def key(self, descriptor, name="sink") -> str:
        """An API key with these rights and no others."""
        made = self.server.ask("POST", "/_security/api_key", {"name": name, "role_descriptors": {name: descriptor}})
        return made["encoded"]

    def documents(self, stream="*"):
        return {each["_id"]: each for each in self.server.documents(f"{self.prefix}-{stream}")}

    def close(self) -> None:
        for sink in self.sinks:
            sink.close()
        self.server.clear(self.prefix)


@pytest.fixture(scope="module", params=[8, 9])
def version(request):
    return request.param


@pytest.fixture
def stage(elasticsearch, version) -> Iterator[Stage]:
    made = Stage(elasticsearch(version))
    yield made
    made.close()


def send(sink, events):
    return sink.send([sink.encode(each) for each in events], [each.seq for each in events])


def changed(recorded: Recorded, **changes) -> Recorded:
    """The fact with other fields of its event."""
    return msgspec.structs.replace(recorded, event=msgspec.structs.replace(recorded.event, **changes))


def test_setting_up_twice_changes_nothing(stage):
    assert {line.split()[0] for line in stage.install(retention="90d")} == {"created"}
    before = stage.server.ask("GET", f"/_ilm/policy/{stage.prefix}-lifecycle")
    assert {line.split()[0] for line in stage.install(retention="90d")} == {"unchanged"}
    assert stage.server.ask("GET", f"/_ilm/policy/{stage.prefix}-lifecycle") == before
    updated = [line.split() for line in stage.install(retention="30d") if line.startswith("updated")]
    assert updated[0] == ["updated", "policy", f"{stage.prefix}-lifecycle"]
    assert [each.outcome for each in stage.sink(retention="30d").diagnose()] == ["ok"] * 4


def test_every_fact_is_a_document(stage):
    """Turns, steps, facts beside the turns, alerts: found by their aliases, in the month of their start."""
    stage.install()
    sink = stage.sink(content="full", labels={"site": "berlin"})
    events = list(samples.stream(6))
    assert send(sink, events).accepted == len(events)
    notes = [note(body, number, content={"comment": "wrong"}) for number, body in enumerate(NOTES)]
    assert send(sink, notes).accepted == len(notes)
    assert send(sink, [alert()]).accepted == 1
    found = {stream: stage.documents(stream) for stream in ("turns", "steps", "notes", "alerts")}
    assert {stream: len(each) for stream, each in found.items()} == {"turns": 6, "steps": 18, "notes": 10, "alerts": 1}
    indices = {each["_index"] for documents in found.values() for each in documents.values()}
    assert indices == {f"{stage.prefix}-{stream}-2025.09" for stream in found}
    turn = found["turns"][samples.turn_ref(5).turn_id + ":turn:ended"]["_source"]
    assert turn["labels"] == {"site": "berlin"}
    assert samples.QUESTION in turn["gen_ai"]["input"]["messages"]


@pytest.mark.backend("postgres")
@pytest.mark.parametrize("recording", ["1.9", "0.15"])
def test_every_recorded_fact_arrives(stage, fresh_database, recording):
    """All that a recorded Dify holds: one document for each fact, none refused, and Dify's own sums."""
    stage.install()
    sink = stage.sink(content="full")
    database = fresh_database(recording)
    facts = [each for each in facts_of(database.url).values() if kind_of(each.body) in sink.kinds]
    recorded = [Recorded(seq, 0, "dify", 1, event) for seq, event in enumerate(facts)]
    for at in (0, *range(0, len(recorded), 500)):  # the first ones twice
        batch = recorded[at : at + 500]
        report = send(sink, batch)
        assert (report.accepted, report.rejected) == (len(batch), ())
    stage.documents()
    aliases = {
        kind: stage.server.ask("GET", f"/{stage.prefix}-{kind}/_count")["count"] for kind in ("turns", "steps", "notes")
    }
    counted = Counter(
        "steps" if "step_" in each else "turns" if "turn_" in each else "notes" for each in map(_kind, facts)
    )
    assert aliases == counted
    query = {"size": 0, "aggs": {"cost": {"sum": {"field": "dify.usage.cost"}}}}
    found = stage.server.ask("POST", f"/{stage.prefix}-turns,{stage.prefix}-steps/_search", query)
    with database.connection() as connection:
        spent = sum(float(amount) for amount in truth.cost(connection).values())
    assert found["aggregations"]["cost"]["value"] == pytest.approx(spent)


def _kind(event: Event) -> str:
    return kind_of(event.body)


def alert() -> Recorded:
    labels = {f"label {number}": str(number) for number in range(50)}
    raised = Alert("f", "five failures", labels, "critical", "s", "firing", samples.BASE_NS, 1, 5.0)
    event = Event(
        "alert:f:1", 40, samples.BASE_NS, samples.BASE_NS, AlertChanged(raised, "pending", "firing", "held_for")
    )
    return Recorded(seq=99, revision=0, source="rules", recorded_at=1, event=event)


def test_kibana_can_ask_for_sums_and_order(stage):
    """Numbers are numbers, names are exact, times are kept to the nanosecond."""
    stage.install()
    sink = stage.sink()
    send(sink, list(samples.stream(6)))
    stage.documents()
    query = {
        "size": 1,
        "sort": [{"event.start": "desc"}],
        "query": {"term": {"dify.step.kind": "llm"}},
        "aggs": {
            "tokens": {"sum": {"field": "gen_ai.usage.input_tokens"}},
            "models": {"terms": {"field": "gen_ai.request.model"}},
            "slow": {"percentiles": {"field": "event.duration", "percents": [95]}},
        },
    }
    answer = stage.server.ask("POST", f"/{stage.prefix}-steps/_search", query)
    assert answer["aggregations"]["tokens"]["value"] == 12 * 75
    assert [each["key"] for each in answer["aggregations"]["models"]["buckets"]] == [samples.MODEL]
    assert answer["aggregations"]["slow"]["values"]["95.0"] == samples.SECOND // 2


def test_a_repeat_is_the_same_document(stage):
    """By another process too, and in another month than the first time: nothing in a document is of today."""
    stage.install()
    events = list(samples.stream(3))
    send(stage.sink(), events)
    before = stage.documents()
    assert send(stage.sink(), events).accepted == len(events)
    after = stage.documents()
    assert {key: each["_source"] for key, each in after.items()} == {
        key: each["_source"] for key, each in before.items()
    }
    assert {key: each["_version"] for key, each in after.items()} == {
        key: each["_version"] for key, each in before.items()
    }


def test_late_facts_update_the_turns_document(stage):
    """A turn that was given up and ended after all; the older fact, sent again later, does not come back."""
    stage.install()
    sink = stage.sink()
    given_up = samples.recorded(samples.turn_ended(status="abandoned", estimated=True))
    ended = samples.recorded(samples.turn_ended(status="succeeded"), seq=1, revision=1)
    ended = changed(ended, rank=41)
    assert send(sink, [given_up]).accepted == 1
    (first,) = stage.documents("turns").values()
    assert send(sink, [ended]).accepted == 1
    (second,) = stage.documents("turns").values()
    assert send(sink, [given_up]).accepted == 1
    assert list(stage.documents("turns").values()) == [second]
    assert (first["_id"], first["_index"]) == (second["_id"], second["_index"])
    states = [each["_source"]["dify"]["turn"]["status"] for each in (first, second)]
    assert states == ["abandoned", "succeeded"]


def test_a_provisional_step_is_replaced(stage):
    """Also where its better times lie in another month; in one request, and in the wrong order."""
    stage.install()
    sink = stage.sink()
    turn = samples.turn_ref(started_at=1_759_276_799 * samples.SECOND)
    early = samples.tool_step(turn, provisional=True)
    late = samples.tool_step(
        turn, started_at=turn.started_at + 5 * samples.SECOND, ended_at=turn.started_at + 6 * samples.SECOND
    )
    provisional = samples.recorded(StepEnded(turn=turn, step=early))
    final = changed(samples.recorded(StepEnded(turn=turn, step=late), seq=1, revision=1), rank=41)
    send(sink, [provisional, final])
    send(sink, [final, provisional])
    (found,) = stage.documents("steps").values()
    assert found["_index"] == f"{stage.prefix}-steps-2025.09"
    assert "provisional" not in found["_source"]["dify"]["step"]
    assert found["_source"]["@timestamp"].startswith("2025-10-01T00:00:04")


def payload(number: int) -> str:
    """JSON with names of its own, many and deep."""
    wide = {
        f"key_{number}_{at}": {"@timestamp": "not a date", "dify": at, "": [{"a.b": at}, "x"]} for at in range(1500)
    }
    return json.dumps({"deep": "[" * 900 + "]" * 900, "span": {"id": {"x": 1}}, **wide})


@pytest.mark.parametrize("content_index", ["unindexed", "text"])
def test_no_payload_can_make_the_mapping_grow(stage, content_index):
    """Every document is taken, and the mapping is the same before and after, field for field."""
    stage.install(content_index=content_index)
    sink = stage.sink(content="full", content_index=content_index)
    send(sink, [samples.recorded(samples.turn_ended(samples.turn_ref(77)))])
    before = stage.server.ask("GET", f"/{stage.prefix}-turns-2025.09/_mapping")
    turns = [
        samples.recorded(samples.turn_ended(samples.turn_ref(number)), seq=number, content={"input": payload(number)})
        for number in range(5)
    ]
    nodes = [
        samples.recorded(
            StepEnded(turn=samples.chatflow_ref(number), step=samples.node_step(position=number)),
            seq=100 + number,
            content=dict.fromkeys(("input", "output", "process"), payload(number)),
        )
        for number in range(5)
    ]
    assert send(sink, turns + nodes).rejected == ()
    assert stage.server.ask("GET", f"/{stage.prefix}-turns-2025.09/_mapping") == before
    for index in stage.server.ask("GET", f"/{stage.prefix}-*"):
        (found,) = stage.server.ask("GET", f"/{index}/_mapping").values()
        assert leaves(found["mappings"]) == leaves(mappings(sink_config(stage, content_index)))
    assert len(stage.documents("turns")) == 6


def sink_config(stage, content_index):
    return stage.config(content_index=content_index)


def leaves(mapping, before="") -> set[str]:
    found = set()
    for name, node in mapping.get("properties", {}).items():
        full = f"{before}{name}"
        found |= leaves(node, f"{full}.") if "properties" in node else {full}
    return found


def test_content_is_found_only_where_it_is_to_be(stage):
    stage.install(content_index="text")
    send(stage.sink(content="full", content_index="text"), samples.agent_turn(failed=True))
    stage.documents()
    query = {"query": {"match": {"error.message": "maximum retries"}}}
    assert stage.server.ask("POST", f"/{stage.prefix}-steps/_search", query)["hits"]["total"]["value"] == 1


def test_facts_at_the_edges_are_taken(stage):
    stage.install()
    events = [changed(each, key=f"edge {number}") for number, each in enumerate(hostile())]
    assert send(stage.sink(content="full"), events).rejected == ()
    assert len(stage.documents()) == len(events)


def test_a_document_that_does_not_fit_is_refused_by_its_fields_name(stage):
    """And those around it are taken. The value is not told: it may be anybody's."""
    stage.install()
    sink = stage.sink()
    parts = [sink.encode(each) for each in samples.agent_turn()[1:4]]
    parts[1] = parts[1].replace(b'"position":2', b'"position":"alice@example.com"')
    report = sink.send(parts, [1, 2, 3])
    (refused,) = report.rejected
    assert (refused.seq, refused.reason, report.accepted) == (2, "mapping", 2)
    assert "field [dify.step.position] of type [long]" in refused.detail
    assert "alice" not in refused.detail
    assert len(stage.documents("steps")) == 2


def test_nothing_is_written_without_templates(stage):
    """Else the first payloads would make the mapping."""
    sink = stage.sink()
    with pytest.raises(Auth, match="monitor setup elasticsearch"):
        send(sink, samples.agent_turn())
    with pytest.raises(Auth, match="monitor setup elasticsearch"):
        sink.check()
    assert stage.server.ask("GET", f"/{stage.prefix}-*") == {}
    stage.install()
    assert send(sink, samples.agent_turn()).accepted == 5


def test_an_index_counts_its_age_from_the_end_of_its_month(stage):
    stage.install()
    send(stage.sink(), samples.agent_turn())
    name = f"{stage.prefix}-turns-2025.09"
    lifecycle = stage.server.ask("GET", f"/{name}/_settings")[name]["settings"]["index"]["lifecycle"]
    assert lifecycle == {"name": f"{stage.prefix}-lifecycle", "origination_date": "1759276800000"}


def test_the_least_rights_suffice_and_allow_no_more(stage):
    """Setting up with its role, sending with the sink's; neither may do what is not its business."""
    config = stage.config()
    builder = stage.key(setup_role(config), "setup")
    assert {line.split()[0] for line in stage.install(api_key=builder)} == {"created"}
    assert {line.split()[0] for line in stage.install(api_key=builder)} == {"unchanged"}
    key = stage.key(role(config))
    sink = stage.sink(api_key=key)
    sink.check()
    assert send(sink, samples.agent_turn()).accepted == 5
    assert send(sink, samples.agent_turn()).accepted == 5
    assert [each.outcome for each in sink.diagnose()] == ["ok"] * 4
    index = f"{stage.prefix}-turns-2025.09"
    headers = {"authorization": f"ApiKey {key}"}
    forbidden = [
        ("GET", f"/{index}/_search", None),
        ("GET", f"/{index}/_doc/x", None),
        ("DELETE", f"/{index}/_doc/x", None),
        ("DELETE", f"/{index}", None),
        ("PUT", f"/_index_template/{stage.prefix}-turns", {"index_patterns": ["x"]}),
        ("PUT", "/other-index", None),
        ("POST", "/other-index/_doc", {"a": 1}),
        ("GET", "/_security/user", None),
    ]
    for method, path, body in forbidden:
        status = stage.server.status(method, path, body, auth=None, headers=headers)
        assert status == 403, (method, path)
    # Whether policies may be changed this server can only be asked: its own endpoint for them looks at no rights.
    question = {"cluster": ["manage_ilm", "manage_index_templates"]}
    for each, granted in ((key, False), (builder, True)):
        said = stage.server.ask(
            "POST",
            "/_security/user/_has_privileges",
            question,
            auth=None,
            headers={"authorization": f"ApiKey {each}"},
        )
        assert said["cluster"] == {"manage_ilm": granted, "manage_index_templates": granted}


def test_what_somebody_changed_or_removed_is_told(stage):
    """By doctor: a component, the policy, and all of them; each with what to do."""
    stage.install()
    sink = stage.sink()
    path = f"/_component_template/{stage.prefix}-settings"
    (found,) = stage.server.ask("GET", path)["component_templates"]
    stage.server.ask("PUT", path, {"template": found["component_template"]["template"]})
    stage.server.ask("DELETE", f"/_ilm/policy/{stage.prefix}-lifecycle")
    told = {each.what: each for each in sink.diagnose()}
    assert (told["templates"].outcome, told["lifecycle policy"].outcome) == ("warning", "problem")
    assert f"{stage.prefix}-settings" in told["templates"].detail
    assert "monitor setup elasticsearch" in told["lifecycle policy"].remedy
    again = {line.split()[-1] for line in stage.install() if not line.startswith("unchanged")}
    assert again == {f"{stage.prefix}-settings", f"{stage.prefix}-lifecycle"}
    told = {each.what: each.outcome for each in stage.sink(retention="30d").diagnose()}
    assert (told["templates"], told["lifecycle policy"]) == ("warning", "warning")


@pytest.mark.parametrize("privilege", ["create_index", "index"])
def test_a_right_that_lacks_holds_everything_and_is_named(stage, privilege):
    stage.install()
    least = role(stage.config())
    lacking = {**least, "indices": [{**least["indices"][0], "privileges": [privilege]}]}
    sink = stage.sink(api_key=stage.key(lacking))
    (missing,) = {"create_index", "index"} - {privilege}
    with pytest.raises(Auth, match=f"{missing} on {stage.prefix}-"):
        sink.check()
    with pytest.raises(Auth, match="unauthorized"):
        send(sink, samples.agent_turn())
    problem = next(each for each in sink.diagnose() if each.what == "rights")
    assert (problem.outcome, missing in problem.detail) == ("problem", True)


def test_a_key_that_is_none_is_told_without_it(stage):
    stage.install()
    sink = stage.sink(api_key="VnVhQ2ZHY0JDZGJrUW0tZTVhT3g6dWkybHAyYXhUTm1zeWFrdzl0dk5udw==")
    with pytest.raises(Auth, match=r"unable to (find|authenticate)") as caught:
        send(sink, samples.agent_turn())
    assert "VnVhQ2" not in str(caught.value)


def test_new_fields_reach_indices_that_are_there(stage):
    """And where a type can't change, it is said that it holds from the next month on."""
    stage.install()
    send(stage.sink(), samples.agent_turn())
    assert "next month" in stage.install(content_index="text")[-1]
    assert [each.outcome for each in stage.sink(content_index="text").diagnose()] == ["ok"] * 4
    old = stage.sink()
    assert send(old, samples.agent_turn(2)).accepted == 5
    assert {each.what: each.outcome for each in old.diagnose()}["templates"] == "warning"
    builder = stage.key(setup_role(stage.config()), "setup")
    assert stage.install(api_key=builder)[-1].startswith("updated    indices")
    assert {each.what: each.outcome for each in old.diagnose()}["templates"] == "ok"


def test_a_server_that_was_away_gets_everything(stage):
    stage.install()
    sink = stage.sink()
    assert send(sink, samples.agent_turn(1)).accepted == 5
    stage.server.stop()
    try:
        with pytest.raises(Retryable):
            send(sink, samples.agent_turn(2))
    finally:
        stage.server.start()
    assert send(sink, samples.agent_turn(2)).accepted == 5
    assert len(stage.documents("turns")) == 2


def test_without_security_no_credentials_are_needed(elasticsearch, version):
    """A server in which security is off: rights can't be asked for, and need not be."""
    server = elasticsearch(version, security=False)
    config = elasticsearch_sink.Config(type="elasticsearch", nodes=(server.url,), replicas=0)
    connection = setup.connected(config)
    assert len(list(setup.apply(connection, config, setup.plan(connection, config)))) == 7
    connection.close()
    sink = elasticsearch_sink.build(config, Tools(clock=SystemClock(), logger=WordKeeper(), pseudonym=str))
    sink.check()
    assert send(sink, samples.agent_turn()).accepted == 5
    assert [each.outcome for each in sink.diagnose()] == ["ok"] * 4
    sink.close()
