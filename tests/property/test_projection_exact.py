"""Counters are exact: whatever the batches, whatever crashes, the series are those of one quiet pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from random import Random

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from monitor.errors import JournalError
from monitor.metrics.own import SelfMetrics
from monitor.metrics.projection import MetricsProjection
from monitor.model import Body, Node, Recorded, StepEnded, Tool, TurnEnded, TurnRef, Usage
from monitor.ports import Batch, Projection
from monitor.runtime.projector import Projector
from monitor.testing.samples import (
    SECOND,
    llm_step,
    node_step,
    recorded,
    retrieval_step,
    tool_step,
    turn_ended,
    turn_ref,
    turn_started,
)

WORDS = st.sampled_from(["a", "b", "c", "d", "e", "other", "\n", ""])
NS = st.integers(0, 700 * SECOND)
USAGES = st.none() | st.builds(
    Usage,
    input_tokens=st.none() | st.integers(0, 10**6),
    output_tokens=st.none() | st.integers(0, 10**6),
    total_tokens=st.integers(0, 2 * 10**6),
    price=st.sampled_from(["0", "0.1", "0.2", "0.0000001", "1e17", "NaN", "-1"]),
    currency=st.sampled_from(["USD", "RMB", ""]),
)


@st.composite
def turns(draw: st.DrawFn) -> TurnRef:
    number = draw(st.integers(1, 6))
    app = number % 4
    # A turn's own labels are fixed; an app's name is not.
    return turn_ref(
        number,
        app_id=f"app{app}",
        tenant_id=f"tenant{app % 2}",
        mode=("chat", "agent-chat", "workflow")[number % 3],
        app_name=draw(WORDS),
    )


@st.composite
def bodies(draw: st.DrawFn) -> Body:
    turn = draw(turns())
    what = draw(st.sampled_from(["start", "end", "end", "tool", "tool", "llm", "node", "search"]))
    status = draw(st.sampled_from(["succeeded", "failed", "stopped"]))
    if what == "start":
        return turn_started(turn)
    if what == "end":
        return turn_ended(
            turn,
            status=status,
            duration_ns=draw(st.none() | NS),
            usage=draw(USAGES),
            counts_usage=draw(st.booleans()),
            model_name=draw(WORDS),
        )
    position = draw(st.integers(1, 3))
    common = {"status": status, "started_at": 0, "ended_at": draw(NS), "error_type": draw(WORDS)}
    if what == "tool":
        tool = Tool(name=draw(WORDS), provider=draw(WORDS), known=draw(st.booleans()))
        return StepEnded(turn, tool_step(turn, position, tool=tool, **common))
    if what == "llm":
        node = draw(st.none() | st.just(Node(node_id="n", node_type="llm", title="")))
        return StepEnded(
            turn, llm_step(turn, position, model_name=draw(WORDS), usage=draw(USAGES), node=node, **common)
        )
    if what == "search":
        documents = draw(st.none() | st.integers(0, 40))
        return StepEnded(turn, retrieval_step(turn, position, dataset_id=draw(WORDS), documents=documents, **common))
    return StepEnded(turn, node_step(turn, position, node_type=draw(WORDS) or "code", **common))


def journalled(facts: Sequence[Body]) -> list[Recorded]:
    """The facts as a journal holds them: dense positions, later ones of a key as revisions."""
    times: Counter[str] = Counter()
    events = []
    for seq, body in enumerate(facts):
        event = recorded(body, seq=seq)
        events.append(msgspec.structs.replace(event, revision=times[event.event.key]))
        times[event.event.key] += 1
    return events


HISTORIES = st.lists(bodies(), max_size=30).map(journalled)
STEPS = st.lists(st.sampled_from(["commit", "before", "after", "bug", "twice", "reopen"]), max_size=40)


class CrashingJournal:
    """Holds events, a cursor and what was put; fails as it is told, before or after it has committed."""

    def __init__(self, events: Sequence[Recorded]) -> None:
        self.events = events
        self.cursor = 0
        self.stored: dict[str, bytes] = {}
        self.mishap = ""

    def projected(self, consumer: str) -> dict[str, bytes]:
        assert consumer == "metrics"
        return dict(self.stored)

    def project(
        self,
        consumer: str,
        *,
        limit: int,
        kinds: Collection[str],
        content: bool,
        apply: Callable[[Sequence[Recorded]], Projection],
    ) -> Batch:
        events = self.events[self.cursor : self.cursor + limit]
        projection = apply(events)
        if self.mishap == "twice":
            projection = apply(events)
        if self.mishap == "before":
            raise JournalError("nothing was committed")
        if self.mishap == "bug":
            raise ZeroDivisionError
        self.stored.update(projection.puts)
        self.cursor += len(events)
        if self.mishap == "after":
            raise JournalError("it was committed, but nobody was told")
        return Batch(events, self.cursor, behind=self.cursor < len(self.events))


def one_pass(events: Sequence[Recorded], max_series: int) -> dict[str, bytes]:
    return dict(MetricsProjection(max_series=max_series).apply(events).puts)


def series_of(stored: dict[str, bytes], max_series: int) -> object:
    series = MetricsProjection(max_series=max_series)
    series.load(stored)
    return series.snapshot().series


def run(
    events: Sequence[Recorded], mishaps: Sequence[str], limit: int, max_series: int
) -> tuple[CrashingJournal, Projector]:
    """Project all events in batches, with those mishaps on the way."""
    journal, own = CrashingJournal(events), SelfMetrics()

    def open_projector() -> Projector:
        return Projector(journal, own, limit=limit, max_series=max_series)

    projector = open_projector()
    for mishap in mishaps:
        if mishap == "reopen":
            projector = open_projector()
            continue
        journal.mishap = mishap
        try:
            projector.step()
        except ZeroDivisionError:
            assert mishap == "bug"
    journal.mishap = ""
    while projector.step().progressed:
        pass
    return journal, projector


@given(HISTORIES, STEPS, st.integers(1, 5), st.sampled_from([1, 2, 3, 10, 2_000]))
@example(journalled([turn_started(), turn_ended()]), ["commit", "after", "before", "reopen"], 1, 2_000)
@example(journalled([turn_started(turn_ref(number)) for number in (1, 2)]), ["commit", "twice"], 1, 2_000)
def test_series_are_those_of_one_pass(events, mishaps, limit, max_series):
    journal, projector = run(events, mishaps, limit, max_series)
    assert journal.stored == one_pass(events, max_series)
    assert projector.shown().series == series_of(journal.stored, max_series)


@given(HISTORIES, st.randoms(use_true_random=False))
def test_the_order_of_facts_changes_no_sum(events: list[Recorded], random: Random):
    """As long as nothing is folded: whole numbers are added, and names go by time, not by order."""
    shuffled = random.sample(events, len(events))
    assert one_pass(events, 2_000) == one_pass(shuffled, 2_000)


@given(HISTORIES, st.lists(st.integers(0, 30), max_size=6))
def test_no_counter_ever_goes_back(events, cuts):
    """Scrapes between batches see every counter and bucket grow or stand still."""
    series = MetricsProjection(max_series=3)
    before: dict[tuple[str, tuple[str, ...]], list[int]] = {}
    at = 0
    for cut in [*sorted(cuts), len(events)]:
        series.apply(events[at:cut])
        series.adopt()
        at = max(at, cut)
        now = {
            (name, labels): list(numbers)
            for name, held in series.snapshot().series.items()
            if name != "dify_turns_in_flight"
            for labels, numbers in held.items()
        }
        assert before.keys() <= now.keys()
        assert all(old <= new for key in before for old, new in zip(before[key], now[key], strict=True))
        before = now


@given(HISTORIES, st.sampled_from([1, 2, 7, 2_000]))
def test_folding_moves_counts_and_loses_none(events, max_series):
    totals = []
    for cap in (max_series, 10_000):
        held = series_of(one_pass(events, cap), cap)
        totals.append(
            {
                name: [sum(column) for column in zip(*series.values(), strict=True)]
                for name, series in held.items()
                if name != "dify_app_info"
            }
        )
    assert totals[0] == totals[1]


@given(HISTORIES, st.sampled_from([1, 2, 7, 20]))
def test_the_cap_holds(events, max_series):
    """Label sets, closed labels aside, never outnumber the cap by more than the one that takes the rest."""
    held = series_of(one_pass(events, max_series), max_series)
    definitions = MetricsProjection()._definitions
    for name, series in held.items():
        assert len({definitions[name].group(labels) for labels in series}) <= max_series + 1


@given(HISTORIES)
def test_what_is_counted_is_what_happened(events):
    """Against a second, plainer way of counting."""
    held = series_of(one_pass(events, 2_000), 2_000)
    firsts = [each.event.body for each in events if not each.revision]
    started = sum(1 for each in firsts if type(each).__name__ == "TurnStarted")
    ended = [each for each in firsts if isinstance(each, TurnEnded)]
    steps = [each.step for each in firsts if isinstance(each, StepEnded)]

    def total(name: str) -> int:
        return sum(numbers[0] for numbers in held[name].values())

    assert total("dify_turns_in_flight") == started - len(ended)
    assert total("dify_turns_total") == len(ended)
    assert total("dify_tool_calls_total") == sum(step.kind == "tool" for step in steps)
    assert total("dify_nodes_total") == sum(step.node is not None for step in steps)
    assert total("dify_turn_duration_seconds") == sum(each.duration_ns or 0 for each in ended)
    alone = sum(each.status == "failed" and not each.failed_steps for each in ended)
    assert total("dify_failures_total") == sum(step.status == "failed" for step in steps) + alone
