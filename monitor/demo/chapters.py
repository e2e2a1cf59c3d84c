"""What the demo shows besides the turns: an opening, metrics, spans, a replay, an end.

Every figure and every id is read from the pipeline's outputs; only what they mean is written here.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from prometheus_client import Metric
from prometheus_client.samples import Sample
from rich.console import Console
from rich.table import Table
from rich.text import Text

from monitor.demo import paper
from monitor.demo.house import Place
from monitor.demo.outcome import AlertStory, Span, families
from monitor.demo.recording import Recording
from monitor.demo.truth import Truth, What
from monitor.journal import SqliteJournal
from monitor.model import Evidence
from monitor.replay import Found, look_up, timeline_of
from monitor.replay.plain import one_line
from monitor.replay.terminal import draw
from monitor.replay.words import plural

__all__ = ["ending", "metrics", "opening", "replay", "spans"]

_EXAMPLE_LINES = 5
_SHOWN = {
    "dify_turns_total": ("invoke_from", "status"),
    "dify_tool_calls_total": ("tool", "status"),
    "dify_failures_total": ("component", "error_type"),
    "dify_tokens_total": ("direction", "model_name"),
    "dify_cost_total": ("currency", "model_name"),
}
"""Metrics and those of their labels that are shown."""


def opening(console: Console, recording: Recording, place: Place) -> None:
    """What is about to happen."""
    paper.chapter(console, "monitor demo")
    paper.prose(
        console,
        f"A small Dify in memory plays turns that were recorded from a real Dify {recording.version}. They go through"
        " the real pipeline: source, journal, rules, metrics, spans. No network is used.",
    )
    paper.uncut(console, ("Files: ", "dim"), str(place.folder))


def metrics(console: Console, text: str) -> None:
    """An excerpt of `/metrics`."""
    by_name = families(text)
    samples = [line for line in text.splitlines() if line and not line.startswith("#")]
    about = f"From the {plural(len(samples), 'sample')} that Prometheus gets from /metrics, without ids and zeros."
    paper.chapter(console, "Metrics", about)
    named = by_name["dify_app_info"].samples if "dify_app_info" in by_name else ()
    apps = {sample.labels["app_id"]: sample.labels["app_name"] for sample in named}
    for name, labels in _SHOWN.items():
        if name in by_name:
            paper.uncut(console, (name, "bold"))
            console.print(_table(by_name[name], labels, apps))


def _table(family: Metric, labels: Sequence[str], apps: dict[str, str]) -> Table:
    table = Table.grid(padding=(0, 2), pad_edge=False)
    table.add_column(width=1)
    table.add_column(max_width=28, no_wrap=True)
    table.add_column(overflow="fold")
    table.add_column(justify="right", no_wrap=True)
    for sample in _counted(family):
        shown = " ".join(f'{name}="{one_line(sample.labels[name])}"' for name in labels if sample.labels[name])
        style = "red" if "failed" in sample.labels.values() else ""
        app = one_line(apps.get(sample.labels["app_id"], sample.labels["app_id"]))
        table.add_row("", Text(app), Text(shown, style), Text(f"{sample.value:.10g}", f"bold {style}".strip()))
    return table


def _counted(family: Metric) -> Iterator[Sample]:
    return (sample for sample in family.samples if sample.value)


def spans(console: Console, written: Sequence[Span], place: Place) -> None:
    """The file of spans, and one of them."""
    traces = plural(len({span.trace_id for span in written}), "trace")
    about = f"{plural(len(written), 'span')} of {traces} as OTLP/JSON lines in {place.spans}"
    paper.chapter(console, "Spans", about)
    example = next((span for span in written if span.failed), None) or next(iter(written), None)
    if example is not None:
        line = example.line[example.line.index('{"traceId"') :]
        paper.excerpt(console, line, _EXAMPLE_LINES)


def replay(console: Console, journal: SqliteJournal, cause: Evidence, place: Place) -> None:
    """The turn in which the alert fired, as `monitor replay` shows it."""
    found = look_up(journal, cause.turn_id)
    paper.chapter(console, "Replay", "The turn in which the alert fired, from the journal.")
    paper.uncut(console, ("$ ", "dim"), (_replay(cause.turn_id, place.journal), "bold"))
    if isinstance(found, Found):
        draw(timeline_of(journal, found), console, zone=None)


def ending(console: Console, truth: Truth, alert: AlertStory, place: Place) -> None:
    """That all is as it was played, and what to do next."""
    paper.chapter(console, "Checked")
    paper.prose(
        console,
        f"Metrics, spans and alert are what Dify's rows come to: {plural(_sum(truth, 'turns'), 'turn')}, "
        f"{plural(_sum(truth, 'tool calls'), 'tool call')} of which {_sum(truth, 'failed tool calls')} failed, "
        f"{plural(_sum(truth, 'tokens'), 'token')}, {plural(truth.spans, 'span')}; the alert fired and resolved.",
    )
    paper.chapter(console, "Next")
    if alert.cause is not None and alert.cause.conversation_id:
        paper.item(console, "the whole conversation", _replay(alert.cause.conversation_id, place.journal))
    paper.item(console, "all metrics", f"monitor metrics --journal {shlex.quote(str(place.journal))}")
    paper.item(console, "turns without end, for Prometheus", "monitor demo --serve")
    paper.item(console, "your own Dify", "DIFY_DB_URL=postgresql://USER:PASSWORD@HOST:5432/dify monitor run")
    paper.item(console, "the files of this demo", str(place.folder))
    paper.item(console, "more", "monitor --help, README.md, docs/quickstart.md")


def _sum(truth: Truth, what: What) -> int:
    return int(sum(amount for (_, each), amount in truth.tally.items() if each == what))


def _replay(term: str, journal: Path) -> str:
    return f"monitor replay {term} --journal {shlex.quote(str(journal))}"
