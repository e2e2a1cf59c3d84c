"""The whole process into real Elasticsearch servers, 8 and 9; SQL over Dify's rows is the judge of what stands there."""

from __future__ import annotations

import json
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import count, islice
from pathlib import Path
from typing import Any

import pytest

from tests.backends.elasticsearch import ADMIN, Elasticsearch
from tests.support import document_ids, truth
from tests.support.changes import PgPlayer, shift_database
from tests.support.sidecar import Running, Sidecar
from tests.support.stage import scenes_of, staged

pytestmark = pytest.mark.backend("postgres")
_NUMBERS = count()
_KILLS = 20
_AGO_US = 45 * 86_400 * 1_000_000
_ENDLESS, _AT_ONCE = "1h", "1s"
_APP = "dify.app_id"
_STREAMS = ("turns", "steps", "notes", "alerts")

Sums = dict[tuple[str, ...], float]


class _Index:
    """What one prefix holds on a server, and sidecars that send there."""

    def __init__(self, server: Elasticsearch) -> None:
        self.server, self.prefix = server, f"a{next(_NUMBERS)}"

    def settings(self, **more: Any) -> dict[str, Any]:
        """The sink's configuration, as a user who may do everything."""
        given = {"type": "elasticsearch", "nodes": [self.server.url], "prefix": self.prefix, "replicas": 0}
        return given | {"username": ADMIN[0], "password": ADMIN[1], "content": "full"} | more

    def sidecar(self, folder: Path, url: str, abandon_after: str = _AT_ONCE, **more: Any) -> Sidecar:
        """One that has installed the templates, and may from now on write documents and nothing else."""
        source = {"type": "dify_database", "url": "${DIFY_DB_URL}", "poll_interval": "100ms"}
        sources = [source | {"abandon_after": abandon_after}]
        made = Sidecar(folder, url, sources=sources, sinks=[self.settings()])
        done = made.command("setup", "elasticsearch")
        assert done.returncode == 0, done.stderr
        key = {"username": None, "password": None, "api_key": self._key()}
        made.configure(sinks=[self.settings(**key, **more)])
        return made

    def _key(self) -> str:
        names = [f"{self.prefix}-{stream}-*" for stream in _STREAMS]
        indices = [{"names": names, "privileges": ["create_index", "index"]}]
        role = {"cluster": ["monitor"], "indices": indices}
        made = self.server.ask("POST", "/_security/api_key", {"name": "sink", "role_descriptors": {"sink": role}})
        return str(made["encoded"])

    def documents(self, stream: str = "*") -> dict[tuple[str, str], tuple[int, Any]]:
        """Alias's part of the index and id, to version and document: two of one id would both be seen."""
        return {
            (each["_index"].removeprefix(self.prefix), each["_id"]): (each["_version"], each["_source"])
            for each in self.server.documents(f"{self.prefix}-{stream}")
        }

    def ids(self, stream: str) -> Counter[str]:
        """How often each id stands in a stream."""
        return Counter(key for _, key in self.documents(stream))

    def months(self) -> set[str]:
        """Of which months there are indices."""
        return {name[-7:] for name in self.server.ask("GET", f"/{self.prefix}-*")}

    def sums(self, streams: Sequence[str], names: Sequence[str], field: str = "", **query: Any) -> Sums:
        """By these fields, how many documents there are, or what a field of theirs adds up to; the server's sums."""
        grouped: dict[str, Any] = {
            "composite": {"size": 10_000, "sources": [{name: {"terms": {"field": name}}} for name in names]}
        }
        if field:
            grouped["aggs"] = {"sum": {"sum": {"field": field}}}
        asked = {"size": 0, "aggs": {"by": grouped}, "query": {"term": query} if query else {"match_all": {}}}
        aliases = ",".join(f"{self.prefix}-{stream}" for stream in streams)
        buckets = self.server.ask("POST", f"/{aliases}/_search", asked)["aggregations"]["by"]["buckets"]
        found = {
            tuple(str(each["key"][name]) for name in names): each["sum"]["value"] if field else each["doc_count"]
            for each in buckets
        }
        return {key: value for key, value in found.items() if value}


@pytest.fixture(scope="module", params=[8, 9])
def version(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def index(elasticsearch: Callable[..., Elasticsearch], version: int) -> Iterator[_Index]:
    made = _Index(elasticsearch(version))
    yield made
    made.server.clear(made.prefix)


@pytest.mark.parametrize("recording", ["1.9", "0.15"])
def test_what_stands_there_is_what_the_rows_say(
    index: _Index, fresh_database: Callable[..., Any], tmp_path: Path, recording: str
) -> None:
    """Every document by its id, counts and sums by aggregation.

    And nothing more after a second run, nor after a sidecar that knows nothing of the first has read it all again, into
    indices that are a month old by then.
    """
    database = fresh_database(recording)
    with database.connection() as connection:
        shift_database(connection, -_AGO_US)
    sidecar = index.sidecar(tmp_path / "first", database.url)
    sidecar.once()
    first = index.documents()
    with database.connection() as connection:
        _ids_are_right(index, connection)
        _sums_are_right(index, connection)

    sidecar.once()
    assert index.documents() == first
    months = index.months()
    replayed = index.sidecar(tmp_path / "replayed", database.url)
    replayed.once()
    assert index.documents() == first
    assert index.months() == months
    assert max(months) < min(_months_of_work(replayed)), "nothing of an index's name is of today"


def _months_of_work(sidecar: Sidecar) -> set[str]:
    """The months in which a sidecar wrote down what it read."""
    moments = [recorded.recorded_at // 1_000_000_000 for recorded in sidecar.events("turn_ended")]
    return {f"{datetime.fromtimestamp(moment, UTC):%Y.%m}" for moment in moments}


def _ids_are_right(index: _Index, connection: Any) -> None:
    wanted = {"turns": document_ids.turns, "steps": document_ids.steps, "notes": document_ids.notes}
    for stream, of in wanted.items():
        assert index.ids(stream) == Counter(list(of(connection))), stream


def _sums_are_right(index: _Index, connection: Any) -> None:
    assert sum(index.sums(["turns"], [_APP]).values()) == len(truth.turn_ids(connection))
    kinds = Counter(document_ids.steps(connection).values())
    assert index.sums(["steps"], ["dify.step.kind"]) == {(kind,): number for kind, number in kinds.items()}
    alone = connection.execute("SELECT status FROM workflow_node_executions WHERE workflow_run_id IS NULL").fetchall()
    nodes = Counter([*truth.node_steps(connection).values(), *(status for (status,) in alone)])
    assert index.sums(["steps"], ["dify.node.status"]) == {(status,): number for status, number in nodes.items()}
    tools = index.sums(["steps"], [_APP, "gen_ai.tool.name", "dify.step.status"], **{"dify.step.kind": "tool"})
    assert tools == truth.tool_calls(connection)
    hits: Counter[tuple[str]] = Counter()
    for (app, *_), number in truth.retrieval_hits(connection).items():
        hits[app,] += number
    assert index.sums(["steps"], [_APP], "dify.retrieval.document_count") == hits
    rated = index.sums(["notes"], [_APP, "dify.feedback.rating", "dify.feedback.given_by"])
    assert rated == truth.feedback(connection)
    _usage_is_right(index, connection)


def _usage_is_right(index: _Index, connection: Any) -> None:
    """Over turns and steps together: each token and each cent stands in one of them."""
    tokens = truth.tokens(connection)
    given = {(app,): each.input for app, each in tokens.items() if each.input}
    produced = {(app,): each.output for app, each in tokens.items() if each.output}
    assert index.sums(["turns", "steps"], [_APP], "gen_ai.usage.input_tokens") == given
    assert index.sums(["turns", "steps"], [_APP], "gen_ai.usage.output_tokens") == produced
    spent = index.sums(["turns", "steps"], [_APP, "dify.usage.currency"], "dify.usage.cost")
    assert {key: round(value, 10) for key, value in spent.items()} == {
        key: round(float(value), 10) for key, value in truth.cost(connection).items()
    }


def test_setting_up_by_hand_is_setting_up(index: _Index, tmp_path: Path) -> None:
    """A dry run says what is missing and changes nothing; what is printed, sent by other means, is all of it."""
    sidecar = Sidecar(tmp_path, "postgresql://nobody@127.0.0.1:1/dify", sinks=[index.settings()])
    dry = sidecar.command("setup", "elasticsearch", "--dry-run").stdout.splitlines()
    assert {line[:12] for line in dry} == {"would create"}
    installed = index.server.ask("GET", "/_index_template")["index_templates"]
    assert not any(each["name"].startswith(index.prefix) for each in installed)
    (printed,) = json.loads(sidecar.command("setup", "elasticsearch", "--print").stdout)
    for request in printed["requests"]:
        index.server.ask(request["method"], request["path"], request["body"])
    for arguments in (["--dry-run"], []):
        lines = sidecar.command("setup", "elasticsearch", *arguments).stdout.splitlines()
        assert {line.split()[0] for line in lines} == {"unchanged"}
        assert len(lines) == len(dry) == len(printed["requests"])


class _Chance:
    """A story that is told in pieces, at moments that nobody chose."""

    def __init__(self, recording: str, player: PgPlayer, scenario_glob: str = "*") -> None:
        # What Dify has deleted meanwhile, only the one who was there knows.
        scenes = scenes_of(recording, scenario_glob, without=["chat/delete_conversation"])
        self._commits, self._left = staged(player, scenes), sum(map(len, scenes))
        self._rng, self._pause = random.Random(recording), threading.Event()

    def go_on(self, lives: int) -> None:
        """Play on for one of so many lives that are left, and end at some moment."""
        for _ in islice(self._commits, self._rng.randrange(1, 2 * self._left // lives)):
            self._left -= 1
            self._pause.wait(self._rng.uniform(0, 0.004))
        self._pause.wait(self._rng.uniform(0, 0.3))

    def end(self) -> None:
        """Play the rest."""
        for _ in self._commits:
            pass


@pytest.mark.parametrize("version", [9], indirect=True)
def test_kills_lose_nothing_and_add_nothing(index: _Index, fresh_database: Callable[..., Any], tmp_path: Path) -> None:
    """Twenty times, while it starts and while it works, and the rows are written meanwhile."""
    database = fresh_database("1.9", rows="lookups")
    killed = index.sidecar(tmp_path / "killed", database.url, _ENDLESS)
    with PgPlayer(database.url) as player:
        story = _Chance("1.9", player)
        for number in range(_KILLS):
            with killed.running() as process:
                if number % 4:  # the others die while they start
                    process.wait_for(lambda running=process: running.said("running"), "it does not say that it runs")
                story.go_on(_KILLS - number)
                assert process.alive
                process.kill()
        story.end()
    _is_whole(index, killed, database, tmp_path)


@pytest.mark.parametrize("version", [8], indirect=True)
def test_a_cluster_that_dies_in_the_middle_gets_everything(
    index: _Index, fresh_database: Callable[..., Any], tmp_path: Path
) -> None:
    """Killed while documents are on their way, and started again on what it had written down."""
    database = fresh_database("1.9", rows="lookups")
    sidecar = index.sidecar(tmp_path / "sidecar", database.url, _ENDLESS, timeout_s=5)
    with sidecar.running() as process, PgPlayer(database.url) as player:
        story = _Chance("1.9", player, "agent/*")
        story.go_on(2)
        process.wait_for(lambda: _has_sent(process), "nothing arrives before the cluster dies")
        index.server.kill()
        try:
            story.end()
            process.wait_for(lambda: process.said("sink_unavailable"), "nobody says that the cluster is away")
        finally:
            index.server.start()
        process.wait_for(lambda: process.lag("sink:elasticsearch") == 0, "it does not go on", seconds=150)
        assert process.end() == 0
    _is_whole(index, sidecar, database, tmp_path)


def _has_sent(process: Running) -> bool:
    """Whether documents were taken."""
    name = "dify_monitor_sink_events_total"
    return any(key[0] == name and value for key, value in process.metrics().items())


def _is_whole(index: _Index, sidecar: Sidecar, database: Any, folder: Path) -> None:
    """What stands there, once what still runs was given up, is what a sidecar without troubles sends."""
    source = {"type": "dify_database", "url": "${DIFY_DB_URL}", "abandon_after": _AT_ONCE}
    sidecar.configure(sources=[source])
    sidecar.once()
    calm = _Index(index.server)
    calm.sidecar(folder / "calm", database.url).once()
    try:
        for stream in ("turns", "steps", "notes"):
            assert index.documents(stream) == calm.documents(stream)
        changes = sidecar.events("alert_changed")  # when and how often depends on who looked when
        assert index.ids("alerts") == Counter(recorded.event.key for recorded in changes)
    finally:
        calm.server.clear(calm.prefix)
    with database.connection() as connection:
        _ids_are_right(index, connection)
        _sums_are_right(index, connection)


def test_a_document_that_is_refused_is_parked_alone_and_can_be_delivered_later(
    index: _Index, fresh_database: Callable[..., Any], tmp_path: Path
) -> None:
    """Somebody gave one field a type that one document does not fit; then they repaired that."""
    database = fresh_database("1.9")
    sidecar = index.sidecar(tmp_path, database.url)
    with database.connection() as connection:
        wanted = document_ids.notes(connection)
        (poisoned,) = [key for key, kind in wanted.items() if kind == "annotation_made"]
        (month,) = connection.execute("SELECT to_char(created_at, 'YYYY.MM') FROM message_annotations").fetchone()
    name = f"{index.prefix}-notes-{month}"
    bad = {"dify": {"properties": {"annotation": {"properties": {"id": {"type": "long"}}}}}}
    index.server.ask("PUT", f"/{name}", {"mappings": {"properties": bad}})
    sidecar.once()
    assert set(wanted) - set(index.ids("notes")) == {poisoned}

    listed = json.loads(sidecar.command("rejected", "list", "--json").stdout)["rejected"]
    (entry,) = listed
    assert (entry["consumer"], entry["reason"]) == ("sink:elasticsearch", "mapping")
    assert "field [dify.annotation.id] of type [long]" in entry["detail"]
    assert "field [dify.annotation.id]" in sidecar.command("rejected", "list").stdout

    bad["dify"]["properties"]["annotation"]["properties"]["id"]["ignore_malformed"] = True
    index.server.ask("PUT", f"/{name}/_mapping", {"properties": bad})
    assert sidecar.command("rejected", "retry", "--all").returncode == 0
    sidecar.once()
    assert set(index.ids("notes")) == set(wanted)
    assert json.loads(sidecar.command("rejected", "list", "--json").stdout)["rejected"] == []
