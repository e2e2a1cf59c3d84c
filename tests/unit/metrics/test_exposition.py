from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from monitor.metrics.catalogue import CATALOGUE
from monitor.metrics.exposition import Exposition
from monitor.metrics.own import SelfMetrics
from monitor.metrics.projection import MetricsProjection, Snapshot
from monitor.model import Body, Node, StepEnded, Tool
from monitor.model.ids import trace_id
from monitor.testing.samples import (
    SECOND,
    agent_turn,
    chatflow_ref,
    http_step,
    llm_step,
    node_step,
    recorded,
    retrieval_step,
    tool_step,
    turn_ended,
    turn_ref,
    turn_started,
    usage,
)
from tests.unit.noted import NOTES

GOLDEN = Path(__file__).parents[2] / "golden" / "metrics"
OPENMETRICS = "application/openmetrics-text; version=1.0.0"
CHAT = turn_ref(3, mode="chat", app_id="chat", tenant_id="t", app_name='Say "hi"\\\n', invoke_from="web-app")
FLOW = chatflow_ref(4, app_id="flow", tenant_id="t", app_name="流程")


def every_kind_of_fact() -> list[Body]:
    """At least one series of every metric."""
    node = Node(node_id="n", node_type="llm", title="回答")
    steps = [
        llm_step(FLOW, 1, node=node, time_to_first_token_ns=SECOND // 4),
        tool_step(FLOW, 2, status="failed"),
        tool_step(FLOW, 3, tool=Tool(name="made_up", known=False)),
        retrieval_step(FLOW, 4),
        node_step(FLOW, 5, "iteration"),
        http_step(FLOW, 6, status="failed", error_type="http_5xx"),
        llm_step(FLOW, 7, usage=usage(None, None, total_tokens=12, price="free")),
    ]
    return [
        turn_started(CHAT),
        turn_ended(CHAT, status="failed", error_type="quota", counts_usage=True, model_name="gpt", usage=usage()),
        turn_started(FLOW),
        *(StepEnded(FLOW, step) for step in steps),
        turn_ended(FLOW, duration_ns=500 * SECOND),
        turn_started(turn_ref(5)),
        *NOTES,
    ]


def series_of(*bodies: Body) -> MetricsProjection:
    series = MetricsProjection()
    series.apply([recorded(body) for body in bodies])
    series.adopt()
    return series


def shown(series: MetricsProjection, accept: str = "") -> str:
    return Exposition(CollectorRegistry(), series.snapshot).render(accept).body.decode()


def everything(accept: str) -> str:
    series = series_of(*every_kind_of_fact())
    return Exposition(SelfMetrics(version="1.2.3").registry, series.snapshot).render(accept).body.decode()


class FamiliesOf:
    """A snapshot as prometheus_client's own objects: the plain way to show it, slow and right."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        for each in CATALOGUE:
            kind = {"counter": CounterMetricFamily, "histogram": HistogramMetricFamily}.get(
                each.type, GaugeMetricFamily
            )
            family = kind(each.name, each.help, labels=each.labels)
            for labels, (first, *counts) in self.snapshot.series[each.name].items():
                bounds = [*(bound / each.scale for bound in each.buckets), "+Inf"]
                if counts:
                    buckets = [(str(bound), sum(counts[: at + 1])) for at, bound in enumerate(bounds)]
                    family.add_metric(labels, buckets, first / each.scale)
                else:
                    family.add_metric(labels, 1 if each.type == "info" else first / each.scale)
            yield family


def readings(text: str, parse) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in parse(text)
        for sample in family.samples
    }


class TestText:
    @pytest.mark.parametrize(("accept", "parse"), [("", parse_text), (OPENMETRICS, parse_openmetrics)])
    def test_reads_as_what_prometheus_client_would_write(self, accept, parse):
        series = series_of(*every_kind_of_fact(), turn_started(turn_ref(app_id='"\\', app_name="n\\n", mode="{}=,")))
        encode, _ = choose_encoder(accept)
        plain = encode(FamiliesOf(series.snapshot())).decode()
        assert readings(shown(series, accept), parse) == readings(plain, parse)

    @pytest.mark.parametrize(("accept", "name"), [("", "metrics.txt"), (OPENMETRICS, "metrics.openmetrics.txt")])
    def test_is_what_it_was(self, accept, name):
        """The files are the expectation: read a change of them as a change of what users' dashboards see."""
        assert shown(series_of(*every_kind_of_fact()), accept) == (GOLDEN / name).read_text(encoding="utf-8")

    @pytest.mark.parametrize(("accept", "parse"), [("", parse_text), (OPENMETRICS, parse_openmetrics)])
    def test_can_be_parsed_and_has_every_metric(self, accept, parse):
        families = {family.name for family in parse(everything(accept))}
        assert {each.name.removesuffix("_total") for each in CATALOGUE} <= families

    def test_has_no_created_samples_and_no_timestamps(self):
        for accept in ("", OPENMETRICS):
            assert "_created" not in everything(accept)
        assert all(len(line.rsplit("} ", 1)[-1].split()) == 1 for line in everything("").splitlines() if "}" in line)

    def test_openmetrics_ends_once(self):
        text = everything(OPENMETRICS)
        assert text.count("# EOF") == 1
        assert text.endswith("# EOF\n")

    @pytest.mark.backend("promtool")
    def test_promtool_finds_nothing_to_say(self, promtool):
        checked = promtool("check", "metrics", stdin=everything(""))
        assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


class TestNumbers:
    def test_money_is_shown_in_its_currency(self):
        text = shown(series_of(*(StepEnded(CHAT, llm_step(usage=usage(price="0.1"))) for _ in range(3))))
        [line] = [line for line in text.splitlines() if line.startswith("dify_cost_total{")]
        assert 'currency="USD"' in line
        assert line.endswith(" 0.3")

    def test_buckets_are_cumulative_and_the_last_is_the_count(self):
        text = shown(series_of(*(turn_ended(CHAT, duration_ns=ns * SECOND) for ns in (0, 1, 3, 1_000))))
        lines = [line for line in text.splitlines() if line.startswith("dify_turn_duration_seconds")]
        counts = [float(line.split()[-1]) for line in lines if "_bucket" in line]
        assert counts == sorted(counts)
        assert counts[-1] == 4
        assert float(next(line for line in lines if "_count" in line).split()[-1]) == 4
        assert float(next(line for line in lines if "_sum" in line).split()[-1]) == 1_004

    def test_a_renamed_app_has_one_name(self):
        """Two would make every join by app ambiguous; a late fact of an old turn does not bring the old name back."""
        names = [("Old", 1), ("New", 5), ("Old", 2)]
        text = shown(series_of(*(turn_started(turn_ref(at, app_name=name)) for name, at in names)))
        [line] = [line for line in text.splitlines() if line.startswith("dify_app_info{")]
        assert 'app_name="New"' in line

    def test_a_renamed_workspace_has_one_name(self):
        names = [("Old", 1), ("New", 5), ("Old", 2)]
        text = shown(series_of(*(turn_started(turn_ref(at, tenant_name=name)) for name, at in names)))
        [line] = [line for line in text.splitlines() if line.startswith("dify_workspace_info{")]
        assert line == f'dify_workspace_info{{tenant_id="{turn_ref().tenant_id}",tenant_name="New"}} 1'

    def test_hostile_labels_break_no_line(self):
        turn = turn_ref(app_name='x"} 1\ndify_fake_total 9\n', app_id='\\"\n')
        lines = shown(series_of(turn_started(turn))).splitlines()
        assert not any(line.startswith("dify_fake_total") for line in lines)
        assert [family.name for family in parse_text("\n".join(lines) + "\n")]


class TestExemplars:
    def test_stand_in_openmetrics_with_the_turns_trace(self):
        families = parse_openmetrics(shown(series_of(turn_ended(CHAT)), OPENMETRICS))
        [exemplar] = [sample.exemplar for family in families for sample in family.samples if sample.exemplar]
        assert exemplar.labels == {"trace_id": trace_id(CHAT.turn_id)}
        assert exemplar.value == 2.0
        assert float(exemplar.timestamp) == (CHAT.started_at + 2 * SECOND) / SECOND

    def test_stand_in_no_plain_text(self):
        assert "trace_id" not in shown(series_of(turn_ended(CHAT)))

    def test_the_text_is_otherwise_the_same_without_them(self):
        """After a restart there are none, and that changes no number."""
        series = MetricsProjection()
        puts = series.apply(agent_turn()).puts
        series.adopt()
        again = MetricsProjection()
        again.load(puts)
        bare = [line.split(" # {")[0] for line in shown(series, OPENMETRICS).splitlines()]
        assert bare == shown(again, OPENMETRICS).splitlines()


class TestScrape:
    @staticmethod
    def exposition(snapshot) -> Exposition:
        return Exposition(SelfMetrics(version="1.2.3").registry, snapshot)

    def test_only_own_metrics_until_caught_up(self):
        series = series_of(turn_ended(CHAT))
        behind = self.exposition(lambda: None).render().body
        assert b"dify_monitor_build_info" in behind
        assert b"dify_turns_total" not in behind
        assert b"dify_turns_total" in self.exposition(series.snapshot).render().body

    @pytest.mark.parametrize(
        ("accept", "content_type"),
        [
            ("", "text/plain"),
            ("*/*", "text/plain"),
            (OPENMETRICS + ";q=0.9, text/plain;q=0.1", "application/openmetrics-text"),
            ("text/html", "text/plain"),
            (";;;,=,q=", "text/plain"),
        ],
    )
    def test_the_format_follows_the_accept_header(self, accept, content_type):
        headers = self.exposition(lambda: None).render(accept).headers
        assert headers["Content-Type"].startswith(content_type)

    def test_is_compressed_where_that_is_accepted(self):
        exposition = self.exposition(lambda: None)
        scrape = exposition.render(accept_encoding="br, gzip;q=0.5")
        assert scrape.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(scrape.body) == exposition.render().body
        assert "Content-Encoding" not in exposition.render().headers

    def test_metrics_without_series_are_left_out(self):
        text = self.exposition(MetricsProjection().snapshot).render().body.decode()
        assert "dify_turns_total" not in text
