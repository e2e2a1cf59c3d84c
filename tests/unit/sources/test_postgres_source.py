"""The source's settings, and how often runs without an index are looked at."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from monitor.ports import Page
from monitor.sources.dify_database import Config, DatabaseSource
from monitor.sources.dify_database.entries import Entry, entry_nodes
from monitor.testing.clock import HandClock
from monitor.testing.memory import DictMemory

URL = "postgresql://user:secret@db:5432/dify"


# -- settings


def test_what_may_be_left_out():
    config = Config(url=URL)
    assert (config.on_source_delete, config.soft_failures, config.dify_retention) == ("keep", (), None)
    assert config.reconcile_every == 60_000_000_000


def test_all_of_it():
    config = Config.model_validate(
        {
            "type": "dify_database",
            "url": URL,
            "include": {"apps": ["Shop*"], "modes": ["agent-chat"]},
            "exclude": {"invoke_from": ["debugger"]},
            "soft_failures": [{"tool": "order_status", "pattern": '"ok": ?false'}, {"pattern": "no such order"}],
            "on_source_delete": "erase_content",
            "dify_retention": "30d",
            "reconcile_every": "5m",
        }
    )
    assert config.include.apps == ("Shop*",)
    assert config.exclude.invoke_from == ("debugger",)
    assert config.dify_retention == 30 * 86_400 * 10**9
    assert "secret" not in repr(config)


@pytest.mark.parametrize(
    "wrong",
    [
        {"reconcile_every": 0},
        {"dify_retention": "0s"},
        {"dify_retention": "a while"},
        {"on_source_delete": "forget"},
        {"include": {"app": ["x"]}},
        {"exclude": {"apps": [""]}},
        {"soft_failures": [{"pattern": ""}]},
        {"url": "mysql://db/dify"},
    ],
)
def test_what_is_refused(wrong):
    with pytest.raises(ValidationError):
        Config.model_validate({"type": "dify_database", "url": URL, **wrong})


# -- pace


class _Tables:
    runs_indexed = False

    def __init__(self):
        self.closed = False

    def snapshot(self):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None


class _Reader:
    """Says what is still to come, takes its time, and notes when it was told to look at all runs."""

    def __init__(self, clock, pages, cost_s=1.0):
        self.clock, self.pages, self.cost_s = clock, list(pages), cost_s
        self.scans = []
        self.wholes = []

    def read(self, _tables, _position, _limit, _memory, *, scan_runs, runs_indexed, whole):
        self.scans.append(scan_runs)
        self.wholes.append(whole)
        self.clock.move(self.cost_s if scan_runs and not runs_indexed else 0.0)
        return Page(events=(), position=b"p", more=self.pages.pop(0) if self.pages else False)


def _reading(pages, *, indexed=False, cost_s=1.0):
    clock = HandClock()
    tables, reader = _Tables(), _Reader(clock, pages, cost_s)
    tables.runs_indexed = indexed
    return clock, reader, DatabaseSource("dify", tables, reader, clock)


def _read(source):
    return source.read(b"p", 10, DictMemory())


@pytest.mark.parametrize(("cost_s", "looks"), [(0.01, 17), (1.0, 17), (10.0, 5)])
def test_a_look_at_all_runs_takes_a_twentieth_of_the_time_at_most_and_comes_once_a_minute(cost_s, looks):
    clock, reader, source = _reading([], cost_s=cost_s)
    begun = clock.monotonic()
    while clock.monotonic() < begun + 1_000:
        _read(source)
        clock.move(0.5)
    assert sum(reader.scans) == looks


def test_the_first_page_after_a_start_looks_at_everything():
    """So a single run misses nothing that is only looked at now and then."""
    _, reader, source = _reading([True], indexed=True)
    for _ in range(3):
        _read(source)
    assert reader.wholes == [True, False, False]


def test_with_an_index_every_reading_looks():
    clock, reader, source = _reading([], indexed=True)
    for _ in range(10):
        _read(source)
        clock.move(0.5)
    assert all(reader.scans)


def test_pages_of_a_backlog_come_between_two_looks_but_the_last_page_looked():
    """Else a first start would end without the runs that lie behind."""
    _, reader, source = _reading([True, True, True, False, False])
    more = [_read(source).more for _ in range(5)]
    assert reader.scans == [True, False, False, False, True]
    assert more == [True, True, True, True, False]


@given(st.lists(st.booleans(), max_size=12), st.floats(0.01, 5))
def test_a_reading_that_says_that_there_is_no_more_has_looked_since_the_last_backlog(pages, cost_s):
    _, reader, source = _reading([True, *pages, False, False], cost_s=cost_s)
    while _read(source).more:
        pass
    assert reader.scans[-1]


# -- where runs begin


def test_a_workflow_begins_with_the_nodes_that_nothing_leads_to():
    graph = {
        "nodes": [{"id": "start"}, {"id": "hook"}, {"id": "loop"}, {"id": "inner", "parentId": "loop"}, {"id": "end"}],
        "edges": [{"source": "start", "target": "loop"}, {"source": "loop", "target": "end"}],
    }
    assert entry_nodes(json.dumps(graph)) == ("start", "hook")


@pytest.mark.parametrize("graph", [None, "", "{", "[]", '{"nodes": 7}', '{"nodes": [7, {"id": 3}], "edges": [null]}'])
def test_any_graph_will_do(graph):
    assert isinstance(entry_nodes(graph), tuple)


@given(st.text())
def test_a_node_s_name_can_always_be_asked_for(name):
    assert all("\x00" not in node for node in entry_nodes(json.dumps({"nodes": [{"id": name}]})))


def test_what_was_read_of_a_draft_is_right_until_it_is_saved_again():
    known = Entry("w", "t", "a", "monday", ("start",))
    assert Entry("w", "t", "a", "monday").nodes_of(known) == ("start",)
    assert Entry("w", "t", "a", "tuesday").nodes_of(known) is None
    assert Entry("w", "t", "a", None).nodes_of(Entry("w", "t", "a", None, ("start",))) is None
    assert Entry("w", "t", "a", "monday").nodes_of(None) is None
