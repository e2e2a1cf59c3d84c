"""Every panel, saved search and control of the Kibana dashboards, asked of real Elasticsearch servers, 8 and 9.

Kibana itself is not here: `tests/support/kibana.py` makes Elasticsearch's requests of what the shipped file says. The
documents are those of the recorded Dify databases; what they never did is added by hand, and stands in `NEVER`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import httpx
import msgspec
import pytest

from monitor.clock import SystemClock
from monitor.model import Alert, AlertChanged, Event, Evidence, Recorded, SourceGap, StepEnded, Tool
from monitor.ports import Tools
from monitor.sinks import elasticsearch as elasticsearch_sink
from monitor.sinks.elasticsearch import setup
from monitor.sinks.elasticsearch.kibana import Place, ndjson, objects
from monitor.sinks.elasticsearch.sink import ElasticsearchSink
from monitor.testing import samples
from monitor.testing.laws import WordKeeper
from tests.backends.elasticsearch import ADMIN
from tests.support import kql, truth
from tests.support.facts import facts_of
from tests.support.kibana import Chart, charts, controls, read, searches, views
from tests.support.recordings import VERSIONS
from tests.unit.noted import NOTES, note

PREFIX = "recorded"
OBJECTS = read(ndjson(objects(Place(PREFIX))))
VIEWS = {name: each["title"] for name, each in views(OBJECTS).items()}
NEVER = {
    "app/first-words",
    "cost/unpriced",
    "tools/made-up",
    "alerts-fired",
    "gaps",
}
"""What no recorded Dify did: it kept no times to the first token, had a price for everything, and so on."""


def additions() -> Iterator[Recorded]:
    """One of each thing that the recordings have not."""
    at, second = samples.BASE_NS, samples.SECOND
    for number, mode in enumerate(("chat", "workflow")):
        turn = samples.turn_ref(900 + number, mode=mode)
        yield samples.recorded(samples.turn_ended(turn, time_to_first_token_ns=second // 3))
    made_up = Tool(name="no_such_tool", provider="", provider_type="", known=False)
    turn = samples.turn_ref(900)
    for step in (
        samples.tool_step(turn, status="failed", tool=made_up),
        samples.tool_step(turn, position=4, provisional=True),
        samples.llm_step(turn, position=3, usage=samples.usage(price="", currency="")),
    ):
        yield samples.recorded(StepEnded(turn, step))
    yield from (note(body, number, content={"comment": "wrong"}) for number, body in enumerate(NOTES))
    gap = SourceGap("messages 77", "bad_row", turn_id=turn.turn_id)
    yield Recorded(1, 0, "dify", 1, Event("gap:77", 1, at, at, gap))
    proof = Evidence("k", turn.turn_id, "s", at, "failed")
    raised = Alert("f", "five failures", {}, "page", "Five failures", "firing", at, 1, 5.0, (proof,), runbook="see")
    body = AlertChanged(raised, "pending", "firing", "held_for")
    yield Recorded(2, 0, "rules", 1, Event("alert:f:1", 1, at, at, body))


class Stage(NamedTuple):
    """A server with documents."""

    http: httpx.Client
    sink: ElasticsearchSink

    def ask(self, path: str, request: Any = None) -> Any:
        answer = self.http.request("GET" if request is None else "POST", path, json=request)
        assert answer.is_success, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()

    def search(self, view: str, request: Any) -> Any:
        """As Kibana asks: an alias that is not there yet is no error."""
        return self.ask(f"/{VIEWS[view]}/_search?ignore_unavailable=true", request)

    def rows(self, chart: Chart) -> list[dict[str, Any]]:
        return chart.rows(self.search(chart.view, chart.request()))

    def refresh(self) -> None:
        self.ask(f"/{PREFIX}-*/_refresh")


@pytest.fixture(scope="module", params=[8, 9])
def server(request, elasticsearch):
    return elasticsearch(request.param)


class Recordings(NamedTuple):
    """What recorded databases hold, and what their tables say of money and tokens."""

    events: list[Event]
    spent: float
    used: int


@pytest.fixture(scope="module")
def recordings(postgres) -> Recordings:
    events, spent, used = [], 0.0, 0
    for version in VERSIONS:
        with postgres.fresh_database(version) as database:
            events += facts_of(database.url).values()
            with database.connection() as rows:
                spent += sum(float(amount) for amount in truth.cost(rows).values())
                used += sum(sum(each[:2]) for each in truth.tokens(rows).values())
    return Recordings(events, spent, used)


@pytest.fixture
def stage(server, recordings) -> Iterator[Stage]:
    """All recorded documents in the server."""
    config = elasticsearch_sink.Config(
        type="elasticsearch",
        nodes=(server.url,),
        prefix=PREFIX,
        replicas=0,
        content="full",
        username=ADMIN[0],
        password=ADMIN[1],
    )
    connection = setup.connected(config)
    list(setup.apply(connection, config, setup.plan(connection, config)))
    connection.close()
    sink = elasticsearch_sink.build(config, Tools(clock=SystemClock(), logger=WordKeeper(), pseudonym=str))
    send(sink, (Recorded(0, 0, "dify", 1, event) for event in recordings.events))
    # One client for hundreds of questions: the server's own makes one for each.
    with httpx.Client(base_url=server.url, auth=ADMIN, trust_env=False, timeout=60) as http:
        yield Stage(http, sink)
    sink.close()
    server.clear(PREFIX)


def send(sink, facts) -> None:
    found = [each for each in facts if sink.encode(each)]
    numbered = [msgspec.structs.replace(each, seq=seq) for seq, each in enumerate(found)]
    for at in range(0, len(numbered), 500):
        batch = numbered[at : at + 500]
        assert sink.send([sink.encode(each) for each in batch], [each.seq for each in batch]).rejected == ()


def empty_ones(stage: Stage) -> set[str]:
    """The panels and searches that show nothing."""
    found = set()
    for chart in charts(OBJECTS):
        if not any(tells(row[name] for name in row if name not in chart.buckets) for row in stage.rows(chart)):
            found.add(f"{chart.board.removeprefix(f'{PREFIX}.')}/{chart.id}")
    for search in searches(OBJECTS):
        if not stage.search(search.view, search.request())["hits"]["hits"]:
            found.add(search.id.removeprefix(f"{PREFIX}."))
    return found


def tells(values: Iterable[Any]) -> bool:
    """Whether something is counted or measured; a share of nothing is no number, and a sum of nothing 0."""
    return any(value and not math.isnan(value) for value in values if isinstance(value, int | float))


def test_every_panel_tells_something(stage, recordings):
    stage.refresh()
    assert empty_ones(stage) == NEVER
    sums_are_dify_s_own(stage, recordings)
    send(stage.sink, additions())
    stage.refresh()
    assert empty_ones(stage) == set()
    every_column_is_in_a_document(stage)
    fields_can_be_asked(stage)
    controls_offer_something(stage)
    stories_are_in_order(stage)


def sums_are_dify_s_own(stage: Stage, recordings: Recordings) -> None:
    """As Dify's tables have them; and a table's rows are parts of the whole."""
    by_id = {(chart.board, chart.id): chart for chart in charts(OBJECTS)}
    (cost,) = stage.rows(by_id[f"{PREFIX}.cost", "cost"])
    assert cost == {"split": "USD", "value": pytest.approx(recordings.spent)}
    (tokens,) = stage.rows(by_id[f"{PREFIX}.cost", "tokens"])
    assert tokens["value"] == recordings.used
    of_apps = stage.rows(by_id[f"{PREFIX}.overview", "apps"])
    whole = sum(row["turns"] for row in of_apps)
    (turns,) = stage.rows(by_id[f"{PREFIX}.overview", "turns"])
    (failed,) = stage.rows(by_id[f"{PREFIX}.overview", "turns-failed"])
    assert whole == turns["value"]
    assert failed["value"] == pytest.approx(sum(row["failed"] * row["turns"] for row in of_apps) / whole)


def every_column_is_in_a_document(stage) -> None:
    """What a table shows stands in some document that it finds, content that is not indexed too."""
    for search in searches(OBJECTS):
        found: set[str] = set()
        for hit in stage.search(search.view, search.request())["hits"]["hits"]:
            found |= hit.get("fields", {}).keys()
        assert set(search.columns) <= found, search.id


def fields_can_be_asked(stage: Stage) -> None:
    """Elasticsearch has every field that a chart asks, as one that can be asked, and a document that has it."""
    used: dict[str, set[str]] = {}
    for chart in charts(OBJECTS):
        asked = {test.field for each in chart.conditions() for test in kql.comparisons(each)}
        asked |= {column["sourceField"] for column in chart.columns.values() if "sourceField" in column}
        used.setdefault(chart.view, set()).update(asked - {"___records___"})
    for view, fields in used.items():
        told = stage.ask(f"/{VIEWS[view]}/_field_caps?fields={','.join(fields)}")["fields"]
        assert set(told) >= fields  # and the objects that they stand in
        for field in fields:
            assert all(each["searchable"] and each["aggregatable"] for each in told[field].values()), field
        having = {field: {"filter": {"exists": {"field": field}}} for field in fields}
        answer = stage.search(view, {"size": 0, "aggs": having})["aggregations"]
        assert [field for field in fields if not answer[field]["doc_count"]] == []


def controls_offer_something(stage) -> None:
    for board in OBJECTS:
        for control in controls(board) if board["type"] == "dashboard" else ():
            request = {"size": 0, "aggs": {"offered": {"terms": {"field": control["fieldName"]}}}}
            assert stage.search(control["dataViewId"], request)["aggregations"]["offered"]["buckets"]


def stories_are_in_order(stage: Stage) -> None:
    """In the longest recorded conversation: by the moment at which each began, a turn before its steps."""
    (story,) = [search for search in searches(OBJECTS) if search.id == f"{PREFIX}.conversation-story"]
    request = {"size": 0, "aggs": {"longest": {"terms": {"field": "dify.conversation.id", "size": 1}}}}
    (longest,) = stage.search(story.view, request)["aggregations"]["longest"]["buckets"]
    chosen = {"term": {"dify.conversation.id": longest["key"]}}
    fields = [{"field": "dify.trace_id"}, {"field": "event.dataset"}]
    hits = stage.search(story.view, {**story.request(), "query": chosen, "fields": fields})["hits"]["hits"]
    assert len(hits) == longest["doc_count"] > 20
    starts = [hit["sort"][0] for hit in hits]
    assert starts == sorted(starts)
    firsts: dict[str, str] = {}
    for hit in hits:
        firsts.setdefault(hit["fields"]["dify.trace_id"][0], hit["fields"]["event.dataset"][0])
    assert set(firsts.values()) == {"dify.turns"}
