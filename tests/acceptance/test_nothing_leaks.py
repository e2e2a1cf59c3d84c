"""Every byte that any sink sends, and all that the process says, holds none of what was planted in the content.

First each kind of fact by each sink, over real sockets; then the whole process over a recorded database in whose rows
the same was planted. `full` must show it all, or the scan would be blind.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import pytest

from monitor.model import (
    Body,
    ContentPolicy,
    MaskPattern,
    Recorded,
    Redaction,
    StepEnded,
    TurnStarted,
    kind_of,
)
from monitor.normalise.redact import PEOPLE
from monitor.ports import Tools
from monitor.runtime.pseudonym import pseudonyms
from monitor.runtime.registry import NOTIFIERS, SINKS, load_adapter
from monitor.sinks.elasticsearch.templates import resources
from monitor.testing import samples
from monitor.testing.clock import HandClock
from monitor.testing.laws import WordKeeper
from monitor.testing.servers import LocalServer, Request
from tests.contract.trace_service import TraceService
from tests.support.elasticsearch import FakeElasticsearch
from tests.support.planted import PLANTED, USER, opened, planted_text, seen
from tests.support.sidecar import Sidecar
from tests.support.stage import bring_to_now
from tests.unit.noted import NOTES, note

POLICIES: tuple[ContentPolicy, ...] = ("none", "redacted", "full")
OWN = Redaction(patterns=(MaskPattern("HT-[0-9]{4}-[0-9]{4}", "[contract]"),), words=(PLANTED["word"],))
BODIES = {str(kind.__struct_config__.tag): kind for kind in get_args(Body)}
SECRETS = {*PLANTED.values(), USER}


def fields_of(body: Body) -> set[str]:
    """The content fields that the body's docstring names."""
    said = (type(body).__doc__ or "").partition("Content:")[2].partition(". ")[0]
    return set(re.findall(r"`([a-z_]+)`", said))


def planted(body: Body) -> dict[str, str]:
    """Each content field of such a fact, as plain words and as JSON in ASCII by turns."""
    texts = planted_text(), json.dumps({"text": planted_text(), "rows": [planted_text()]})
    fields = sorted(fields_of(body))
    return {field: USER if field in PEOPLE else texts[place % 2] for place, field in enumerate(fields)}


def every_fact() -> list[Recorded]:
    """One of each kind that can be sent, with content in each of its fields."""
    turn = samples.turn_ref()
    steps = (samples.llm_step(turn), samples.tool_step(turn), samples.retrieval_step(turn), samples.node_step(turn))
    failed = (samples.tool_step(turn, position=7, status="failed"), samples.node_step(turn, 8, status="failed"))
    bodies: list[Body] = [TurnStarted(turn), *(StepEnded(turn, step) for step in (*steps, *failed))]
    bodies += [samples.turn_ended(turn), samples.turn_ended(samples.turn_ref(2), status="failed")]
    facts = [samples.recorded(body, seq=number, content=planted(body)) for number, body in enumerate(bodies)]
    return facts + [note(body, 100 + place, content=planted(body)) for place, body in enumerate(NOTES)]


# -- one sink


@dataclass
class Case:
    """A sink, and what the other side has of it."""

    sink: Any
    told: Callable[[], list[bytes]]


def of_requests(requests: list[Request]) -> list[bytes]:
    return [
        part for each in requests for part in (each.path.encode(), repr(dict(each.headers)).encode(), body_of(each))
    ]


def body_of(request: Request) -> bytes:
    return opened(request.body, request.headers.get("content-encoding", ""))


def otlp_http(tools: Tools, content: str, folder: Path, kept: ExitStack, **more: Any) -> Case:
    server = kept.enter_context(LocalServer())
    module = load_adapter(SINKS["otlp"])
    return Case(
        module.build(module.Config(type="otlp", endpoint=server.url, content=content, **more), tools),
        lambda: of_requests(server.requests),
    )


def otlp_grpc(tools: Tools, content: str, folder: Path, kept: ExitStack) -> Case:
    service = kept.enter_context(TraceService())
    module = load_adapter(SINKS["otlp"])
    config = module.Config(type="otlp", protocol="grpc", endpoint=f"http://{service.target}", content=content)
    return Case(module.build(config, tools), lambda: [each.SerializeToString() for each in service.requests])


def file(tools: Tools, content: str, folder: Path, kept: ExitStack, **more: Any) -> Case:
    module = load_adapter(SINKS["file"])
    path = folder / "out" / "lines.jsonl"
    sink = module.build(module.Config(type="file", path=str(path), content=content, **more), tools)
    return Case(sink, lambda: [each.read_bytes() for each in path.parent.iterdir()])


def elasticsearch(tools: Tools, content: str, folder: Path, kept: ExitStack) -> Case:
    server = kept.enter_context(FakeElasticsearch())
    module = load_adapter(SINKS["elasticsearch"])
    config = module.Config(type="elasticsearch", nodes=(server.url,), content=content)
    server.install(*resources(config))
    return Case(module.build(config, tools), lambda: of_requests(server.requests))


def sentry(tools: Tools, content: str, folder: Path, kept: ExitStack) -> Case:
    server = kept.enter_context(LocalServer())
    module = load_adapter(SINKS["sentry"])
    dsn = server.url.replace("://", "://3b1c5e0f9a7d4e6f8b2a1c0d9e8f7a6b@") + "/1"
    config = module.Config(type="sentry", dsn=dsn, what=("failures", "transactions", "alerts"), content=content)
    return Case(module.build(config, tools), lambda: of_requests(server.requests))


def words_of(sink: str, setting: str) -> tuple[str, ...]:
    """What may be chosen for a setting of the sink that changes what is sent."""
    field = load_adapter(SINKS[sink]).Config.model_fields.get(setting)
    found = get_args(field.annotation) if field is not None else ()
    return tuple(word for word in found if isinstance(word, str))


CASES: dict[str, tuple[Callable[..., Case], dict[str, str]]] = {
    "elasticsearch": (elasticsearch, {}),
    "otlp over gRPC": (otlp_grpc, {}),
    "sentry": (sentry, {}),
    **{f"file as {word}": (file, {"format": word}) for word in words_of("file", "format")},
    **{f"otlp as {word}": (otlp_http, {"profile": word}) for word in words_of("otlp", "profile")},
}


@pytest.fixture(params=CASES)
def build(request, tmp_path) -> Iterator[Callable[[ContentPolicy], Case]]:
    make, more = CASES[request.param]
    pseudonym = pseudonyms(_secret("a key for these tests"))
    with ExitStack() as kept:

        def built(content: ContentPolicy) -> Case:
            tools = Tools(HandClock(samples.BASE_NS), WordKeeper(), pseudonym, redaction=OWN)
            case = make(tools, content, tmp_path, kept, **more)
            kept.callback(case.sink.close)
            return case

        yield built


def _secret(text: str) -> Any:
    from pydantic import SecretStr  # noqa: PLC0415

    return SecretStr(text)


def told_by(case: Case, facts: list[Recorded]) -> list[bytes]:
    """Everything that left when the sink was given the facts that it wants."""
    case.sink.resume("")
    wanted = [fact for fact in facts if kind_of(fact.event.body) in case.sink.kinds]
    parts = [case.sink.encode(fact) for fact in wanted]
    case.sink.send(parts, list(range(len(parts))))
    case.sink.check()
    return case.told()


def test_every_sink_has_a_case():
    assert {name.split()[0] for name in CASES} == set(SINKS)


def test_every_kind_of_fact_with_content_is_sent():
    has_content = {name for name, kind in BODIES.items() if "Content:" in (kind.__doc__ or "")}
    assert has_content <= {kind_of(fact.event.body) for fact in every_fact()}


@pytest.mark.parametrize("policy", ["none", "redacted"])
def test_nothing_planted_leaves_by_a_sink(build, policy):
    told = told_by(build(policy), every_fact())
    assert any(len(part) > 100 for part in told), "something was sent"
    assert seen(told, SECRETS) == set()


def test_full_shows_it_all_so_that_the_scan_sees(build):
    """But for the user, of whom no sink ever says more than the pseudonym."""
    told = told_by(build("full"), every_fact())
    assert seen(told, SECRETS) == set(PLANTED.values())


def test_a_user_has_the_same_pseudonym_in_every_sink(tmp_path):
    """`TurnRef.user` is made by the source with the one key; each sink passes it on as it is."""
    pseudonym = pseudonyms(_secret("a key for these tests"))(USER)
    turn = samples.turn_ref(user=pseudonym)
    step = StepEnded(turn, samples.tool_step(turn, status="failed"))
    ended = samples.turn_ended(turn, status="failed")
    facts = [samples.recorded(TurnStarted(turn)), samples.recorded(step, seq=1), samples.recorded(ended, seq=2)]
    for name, (make, more) in CASES.items():
        with ExitStack() as kept:
            tools = Tools(HandClock(samples.BASE_NS), WordKeeper(), str)
            case = make(tools, "none", tmp_path / name.replace(" ", "-"), kept, **more)
            kept.callback(case.sink.close)
            assert seen(told_by(case, facts), {pseudonym}) == {pseudonym}, name


# -- the whole process

_TEXTS = {
    "messages": ("query", "answer"),
    "message_agent_thoughts": ("thought", "answer", "observation"),
    "message_feedbacks": ("content",),
    "message_annotations": ("content", "question"),
}
_ERRORS = {"messages": "error", "workflow_runs": "error", "workflow_node_executions": "error"}
_JSON = {
    "messages": ("inputs", "message"),
    "message_agent_thoughts": ("tool_input",),
    "workflow_runs": ("inputs", "outputs"),
    "workflow_node_executions": ("inputs", "outputs", "process_data"),
    "conversations": ("inputs",),
}
_LEAVES = {"text", "content", "query", "answer", "input", "error", "message", "result", "body", "order_id", "output"}


def plant(connection: Any) -> None:
    """What people and programs wrote now also says what nobody may see; the rest of the rows stays as it was."""
    for table, columns in _TEXTS.items():
        for column in columns:
            update = f"UPDATE {table} SET {column} = {column} || %s WHERE {column} <> ''"
            connection.execute(update, [f" {planted_text()}"])
    for table, column in _ERRORS.items():
        connection.execute(
            f"UPDATE {table} SET {column} = {column} || %s WHERE {column} <> ''", [f": {planted_text()}"]
        )
    for table, columns in _JSON.items():
        for column in columns:
            rows = connection.execute(f"SELECT id, {column}::text FROM {table} WHERE {column} IS NOT NULL").fetchall()
            for row, text in rows:
                if (changed := in_json(text)) is not None:
                    connection.execute(f"UPDATE {table} SET {column} = %s WHERE id = %s", [changed, row])
    connection.execute("UPDATE end_users SET session_id = %s || id::text, name = %s", [USER, USER])


def in_json(text: str) -> str | None:
    """The JSON with the planted text in a field of its own and behind texts; None where it is no object."""
    try:
        value = json.loads(text)
    except ValueError:
        return None
    if not isinstance(value, dict):
        return None
    return json.dumps(_with_text(value) | {"planted": planted_text()})


def _with_text(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _with_text(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_text(item, name) for item in value]
    return f"{value} {planted_text()}" if isinstance(value, str) and name in _LEAVES else value


@pytest.mark.backend("postgres")
def test_nothing_planted_leaves_the_process(fresh_database: Callable[..., Any], tmp_path: Path) -> None:
    """All sinks and notifiers at once over a recorded database: what they sent, the files, the logs, the metrics."""
    database = fresh_database("1.9")
    with database.connection() as connection:
        plant(connection)
        bring_to_now(connection)
    with ExitStack() as kept:
        otlp, es, hub, hook, open_one = (kept.enter_context(kind()) for kind in _SERVERS)
        es.install(*resources(load_adapter(SINKS["elasticsearch"]).Config(type="elasticsearch", nodes=(es.url,))))
        dsn = hub.url.replace("://", "://3b1c5e0f9a7d4e6f8b2a1c0d9e8f7a6b@") + "/1"
        kinds: dict[str, dict[str, Any]] = {
            "otlp": {"endpoint": otlp.url},
            "elasticsearch": {"nodes": [es.url]},
            "sentry": {"dsn": dsn, "what": ["failures", "transactions", "alerts"]},
            "file": {},
        }
        assert set(kinds) == set(SINKS)
        sinks = [
            {"type": kind, "name": f"{kind}-{policy}", "content": policy, **given}
            | ({"path": f"./{policy}.jsonl"} if kind == "file" else {})
            for policy in ("none", "redacted")
            for kind, given in kinds.items()
        ]
        sinks.append({"type": "otlp", "name": "open", "endpoint": open_one.url, "content": "full"})
        notifiers = [{"type": "webhook", "url": hook.url}, {"type": "console"}]
        assert {each["type"] for each in notifiers} == set(NOTIFIERS)
        patterns = [{"pattern": each.pattern, "mask": each.mask} for each in OWN.patterns]
        redaction = {"patterns": patterns, "words": list(OWN.words)}
        sidecar = Sidecar(tmp_path, database.url, sinks=sinks, notifiers=notifiers, redaction=redaction)
        done = sidecar.once(timeout=300)
        metrics, status = sidecar.command("metrics"), sidecar.command("status", "--json")
        said = [text.encode() for each in (done, metrics, status) for text in (each.stdout, each.stderr)]
        files = [(tmp_path / f"{policy}.jsonl").read_bytes() for policy in ("none", "redacted")]
        sent = [part for server in (otlp, es, hub, hook) for part in of_requests(server.requests)]
        assert all(server.requests for server in (otlp, es, hub, hook)), "each of them was told something"
        assert seen([*said, *files, *sent], SECRETS) == set()
        shown = seen(of_requests(open_one.requests), SECRETS)
    assert shown >= set(PLANTED.values()) - {PLANTED["key"]}, "the scan sees"
    assert USER not in shown


_SERVERS = (LocalServer, FakeElasticsearch, LocalServer, LocalServer, LocalServer)
