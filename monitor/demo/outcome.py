"""What the pipeline made of the play, read from its outputs alone: the metrics' text, the file of spans, the journal.

And the comparison with what was played. The demo's exit code rests on it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path

import msgspec
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from monitor.demo.truth import Tally, Truth, What, summed
from monitor.journal import SqliteJournal
from monitor.metrics.exposition import Exposition
from monitor.model import AlertChanged, Evidence, Recorded
from monitor.model.ids import trace_id
from monitor.runtime.crew import Crew

__all__ = [
    "AlertStory",
    "Outcome",
    "Span",
    "alert_story",
    "complaints",
    "counts",
    "families",
    "notified",
    "scrape",
    "spans_of",
]

_NONE = Decimal(0)
_COUNTERS: dict[str, What] = {
    "dify_turns_total": "turns",
    "dify_tool_calls_total": "tool calls",
    "dify_tokens_total": "tokens",
    "dify_cost_total": "cost",
}


class AlertStory(msgspec.Struct, frozen=True):
    """What became of the alert."""

    fired: bool
    resolved: bool
    cause: Evidence | None
    """The call at which it fired."""
    changes: int
    """How many changes people had to be told."""


class Span(msgspec.Struct, frozen=True):
    """One line of the file."""

    line: str
    trace_id: str
    name: str
    failed: bool


class Outcome(msgspec.Struct, frozen=True):
    """All of it."""

    metrics: str
    """What `/metrics` says."""
    counted_before: Tally
    """What it said before the play, where the journal has earlier ones."""
    spans: Sequence[Span]
    alert: AlertStory


def scrape(crew: Crew) -> str:
    """What `/metrics` says now."""
    return Exposition(crew.own.registry, crew.projector.shown).render().body.decode()


def families(text: str) -> dict[str, Metric]:
    """The text's metrics by the names that they have in it."""
    return {
        family.name + ("_total" if family.type == "counter" else ""): family
        for family in text_string_to_metric_families(text)
    }


def counts(text: str) -> Tally:
    """What the metrics' text says of each app."""
    return summed(_counted(families(text)))


def _counted(by_name: Mapping[str, Metric]) -> Iterator[tuple[str, What, Decimal]]:
    for name, what in _COUNTERS.items():
        for sample in by_name[name].samples if name in by_name else ():
            amount = Decimal(repr(sample.value))
            yield sample.labels["app_id"], what, amount
            if what == "tool calls" and sample.labels["status"] == "failed":
                yield sample.labels["app_id"], "failed tool calls", amount


def notified(text: str) -> int:
    """How many notifications were said, by the metrics' text."""
    found = families(text).get("dify_monitor_notifications_total")
    return int(sum(sample.value for sample in found.samples if sample.labels["outcome"] == "said")) if found else 0


def spans_of(files: Iterable[Path], turn_ids: Iterable[str]) -> list[Span]:
    """The spans of these turns, in the order in which they were written."""
    wanted = {trace_id(turn_id) for turn_id in turn_ids}
    found = (span for file in files for line in file.read_bytes().splitlines() for span in _spans(line))
    return [span for span in found if span.trace_id in wanted]


def _spans(line: bytes) -> Iterator[Span]:
    """A line holds one span, or a fact that is none: how an app was set up is a log record."""
    for resource in json.loads(line).get("resourceSpans", ()):
        span = resource["scopeSpans"][0]["spans"][0]
        yield Span(line.decode(), span["traceId"], span["name"], "code" in span["status"])


def alert_story(journal: SqliteJournal, turn_ids: Iterable[str]) -> AlertStory:
    """What the journal has of alerts about these turns, as far as people were told."""
    by_seq = {one.seq: one for turn_id in turn_ids for one in journal.alerts_of(turn_id)}
    changes = [(one, one.event.body) for _, one in sorted(by_seq.items())]
    told = [(one, body) for one, body in changes if isinstance(body, AlertChanged) and not body.history]
    fired = next((place for place, (_, body) in enumerate(told) if body.now == "firing"), None)
    if fired is None:
        return AlertStory(fired=False, resolved=False, cause=None, changes=len(told))
    resolved = any(body.now == "resolved" for _, body in told[fired:])
    return AlertStory(fired=True, resolved=resolved, cause=_cause(*told[fired]), changes=len(told))


def _cause(recorded: Recorded, change: AlertChanged) -> Evidence | None:
    at = recorded.event.occurred_at
    return next((proof for proof in reversed(change.alert.evidence) if proof.at == at), None)


def complaints(made: Outcome, truth: Truth) -> Iterator[str]:
    """What differs from what was played; nothing when all is right."""
    counted = counts(made.metrics)
    for key, played in truth.tally.items():
        found = counted.get(key, _NONE) - made.counted_before.get(key, _NONE)
        if found != played:
            yield f"{key[1]} of the app {key[0]}: {played.normalize():f} were played, the metrics count {found:f}"
    if len(made.spans) != truth.spans:
        yield f"{truth.spans} spans were to be written, {len(made.spans)} were"
    if not made.alert.fired:
        yield "the alert did not fire"
    elif not made.alert.resolved:
        yield "the alert did not resolve"
    if notified(made.metrics) < made.alert.changes:
        yield f"the alert changed {made.alert.changes} times, but {notified(made.metrics)} notifications were said"
