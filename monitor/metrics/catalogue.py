"""The one table of every metric: what it is called, what it means, how it is cut.

The collector, the sidecar's own metrics, docs/reference/metrics.md and the check of dashboards and alerts are all made
from it. `monitor.normalise.measures` says what a fact adds to which metric; a test holds the two together. Nothing is
measured here.

A stored series keeps the shape it began with. So a metric whose labels, scale or buckets must change gets a new name.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Literal, get_args

import msgspec

from monitor.model import Status, TurnStatus
from monitor.normalise.measures import (
    CONFIG_PARTS,
    INDEXING,
    OTHER,
    PRICE_DECIMALS,
    RATINGS,
    TRIGGER_ENDS,
)

__all__ = [
    "APP_LABELS",
    "CATALOGUE",
    "OWN_CATALOGUE",
    "Definition",
    "MetricType",
    "reference_markdown",
]

MetricType = Literal["counter", "gauge", "histogram", "info"]
"""`info`: a gauge of 1 whose labels say something; of several label sets of one app (or of one workspace, where the
metric has no `app_id`) only the newest is shown."""

APP_LABELS = ("tenant_id", "app_id")
"""On every metric about an app; what belongs to a workspace has `tenant_id` alone. Names come by join from
`dify_app_info` and `dify_workspace_info`."""

_NS = 1_000_000_000
_COARSE_NS = tuple(100_000_000 << power for power in range(13))
_FINE_NS = tuple(10_000_000 << power for power in range(14))
_OWN_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_STATUS = get_args(Status)
_COMPONENTS = ("tool", "llm", "retrieval", "node", "turn")
_MODEL = ("model_provider", "model_name")
_TOOL = ("tool_provider", "tool")


class Definition(msgspec.Struct, frozen=True):
    """One metric."""

    name: str
    type: MetricType
    help: str
    labels: tuple[str, ...] = ()
    """Every label, in the order in which series are stored and shown."""
    closed: Mapping[str, tuple[str, ...]] = {}
    """Labels whose values are known beforehand. They do not count towards the cap and are never folded."""
    zeros: bool = False
    """Whether every value of the closed labels is there, as 0, as soon as one of them is."""
    scale: int = 1
    """Stored units in one shown unit: series are whole numbers, so that no order of adding can change a sum."""
    buckets: tuple[float, ...] = ()
    """A histogram's upper bounds in stored units; the last one, +Inf, is understood."""

    def group(self, labels: Sequence[str]) -> tuple[str, ...]:
        """A label set without its closed labels: what the cap counts."""
        return tuple(value for name, value in zip(self.labels, labels, strict=True) if name not in self.closed)

    def fold(self, labels: Sequence[str], *, keep: Sequence[str]) -> tuple[str, ...]:
        """The label set with `other` for every open label that is not in `keep`."""
        kept = {*keep, *self.closed}
        pairs = zip(self.labels, labels, strict=True)
        return tuple(value if name in kept else OTHER for name, value in pairs)

    def siblings(self, labels: Sequence[str]) -> Iterator[tuple[str, ...]]:
        """The label sets that differ in closed labels only, the given one among them."""
        pairs = zip(self.labels, labels, strict=True)
        return product(*(self.closed.get(name, (value,)) for name, value in pairs))

    @property
    def owner(self) -> int:
        """How many labels, from the first one on, say whose series it is: workspace, or workspace and app."""
        return sum(name in APP_LABELS for name in self.labels)

    def upper_bounds(self) -> tuple[float, ...]:
        """The buckets in shown units, +Inf included."""
        return (*(bound / self.scale for bound in self.buckets), math.inf)


def _dify(
    name: str,
    kind: MetricType,
    labels: tuple[str, ...],
    help_text: str,
    *,
    closed: Mapping[str, tuple[str, ...]] | None = None,
    zeros: bool = False,
    scale: int = 1,
    buckets: tuple[float, ...] = (),
) -> Definition:
    """A metric about Dify: the labels beside tenant and app."""
    every = (*APP_LABELS, *labels)
    return Definition(name, kind, help_text, every, closed or {}, zeros, scale, buckets)


def _seconds(name: str, labels: tuple[str, ...], buckets: tuple[float, ...], help_text: str) -> Definition:
    return _dify(name, "histogram", labels, help_text, scale=_NS, buckets=buckets)


def _by_status(name: str, labels: tuple[str, ...], statuses: tuple[str, ...], help_text: str) -> Definition:
    closed = {"status": statuses}
    return _dify(name, "counter", (*labels, "status"), help_text, closed=closed, zeros=True)


def _ratings(name: str, help_text: str) -> Definition:
    return _dify(name, "counter", ("rating", "source"), help_text, closed={"rating": RATINGS}, zeros=True)


CATALOGUE: tuple[Definition, ...] = (
    _dify("dify_app_info", "info", ("app_name", "mode"), "Names of an app, to join with by tenant_id and app_id."),
    _by_status(
        "dify_turns_total", ("mode", "invoke_from"), get_args(TurnStatus),
        "Turns, counted once by how they were first told to have ended: one given up as abandoned that ends after all "
        "stays counted so, while its spans and its replay show the truth.",
    ),
    _seconds(
        "dify_turn_duration_seconds", ("mode",), _COARSE_NS,
        "How long turns took, by Dify's own clock; turns that Dify did not time are left out.",
    ),
    _seconds(
        "dify_time_to_first_token_seconds", _MODEL, _FINE_NS,
        "From a model call's start to its first token, where Dify kept it.",
    ),
    _dify("dify_turns_in_flight", "gauge", ("mode",), "Turns that began and have not ended."),
    _by_status("dify_llm_calls_total", _MODEL, _STATUS, "Model calls that ended."),
    _seconds("dify_llm_call_duration_seconds", _MODEL, _FINE_NS, "How long model calls took."),
    _dify(
        "dify_tokens_total", "counter", ("direction", *_MODEL),
        "Tokens, each counted once at its model call; `unsplit` where Dify kept only the sum.",
        closed={"direction": ("input", "output", "unsplit")},
    ),
    _dify(
        "dify_cost_total", "counter", ("currency", *_MODEL),
        "Money as Dify priced it, each model call once. Never sum over currencies.",
        scale=10**PRICE_DECIMALS,
    ),
    _dify(
        "dify_cost_unreadable_total", "counter", (),
        "Model calls whose price was no amount of money, so that dify_cost_total is short of them.",
    ),
    _by_status(
        "dify_tool_calls_total", _TOOL, _STATUS,
        "Tool calls that ended; a name that a model made up is `other`.",
    ),
    _seconds("dify_tool_call_duration_seconds", _TOOL, _FINE_NS, "How long tool calls took."),
    _by_status("dify_nodes_total", ("node_type",), _STATUS, "Workflow nodes that ended, containers included."),
    _seconds("dify_node_duration_seconds", ("node_type",), _COARSE_NS, "How long workflow nodes took."),
    _dify(
        "dify_retrievals_total", "counter", ("dataset_id",),
        "Searches in knowledge bases that ended; `several` for one in more than one of them, which its span names.",
    ),
    _dify(
        "dify_retrieval_documents", "histogram", ("dataset_id",),
        "How many documents a search found, where Dify kept it.",
        buckets=(0, 1, 2, 4, 8, 16, 32),
    ),
    _dify(
        "dify_failures_total", "counter", ("component", "error_type"),
        "Failures, handled ones included: a step's once, a turn's only where no step of it failed.",
        closed={"component": _COMPONENTS},
    ),
    _dify(
        "dify_token_mismatch_total", "counter", (),
        "Turns of which Dify's own totals are not what the steps add up to.",
    ),
    _dify("dify_annotation_replies_total", "counter", (), "Turns that an annotation answered in the model's place."),
    _dify(
        "dify_moderated_turns_total", "counter", (),
        "Turns that a moderation answered, or of which it replaced the answer.",
    ),
    _ratings(
        "dify_feedback_total",
        "Ratings given, a changed one once more; `source` is who gave it: an end user, or an admin in Dify's console.",
    ),
    _ratings("dify_feedback_withdrawn_total", "Ratings taken back, by what they were."),
    _dify(
        "dify_config_changes_total", "counter", ("what",),
        "What changes of an app's configuration or published workflow touched; one that touches two parts is in both.",
        closed={"what": CONFIG_PARTS}, zeros=True,
    ),
    _by_status(
        "dify_triggers_total", ("trigger_type",), TRIGGER_ENDS,
        "Triggers that are over; `rate_limited` never became a run.",
    ),
    Definition(
        "dify_workspace_info", "info", "Name of a workspace, to join with by tenant_id.", ("tenant_id", "tenant_name")
    ),
    Definition(
        "dify_indexing_changes_total", "counter",
        "Documents whose indexing failed, got stuck or was paused; `completed`, `deleted`: what became of them after "
        "that.",
        ("tenant_id", "dataset_id", "status"), {"status": INDEXING}, zeros=True,
    ),
)  # fmt: skip
"""What facts of Dify become, exact over restarts: counted from the journal, never reset."""

OWN_CATALOGUE: tuple[Definition, ...] = (
    Definition("dify_monitor_build_info", "info", "The running version.", ("version",)),
    Definition("dify_monitor_source_events_total", "counter", "Events read and committed.", ("source",)),
    Definition(
        "dify_monitor_source_poll_seconds", "histogram", "How long one reading of a source took.",
        ("source",), buckets=_OWN_SECONDS,
    ),
    Definition(
        "dify_monitor_source_errors_total", "counter", "Readings of a source that failed.", ("source", "reason")
    ),
    Definition(
        "dify_monitor_source_cursor_age_seconds", "gauge", "How far a source's reading is behind now.", ("source",)
    ),
    Definition(
        "dify_monitor_source_purge_safe_timestamp_seconds", "gauge",
        "Up to this moment Dify's rows may be deleted without loss (Unix time).", ("source",),
    ),
    Definition(
        "dify_monitor_source_oldest_row_timestamp_seconds", "gauge",
        "When the oldest row that Dify still holds was created (Unix time).", ("source",),
    ),
    Definition(
        "dify_monitor_source_state", "gauge",
        "1 for how safe what Dify holds is from its own clean-up (safe, at_risk, overtaken), else 0.",
        ("source", "state"),
    ),
    Definition(
        "dify_monitor_source_checked_timestamp_seconds", "gauge",
        "When all that Dify holds was last compared with what is recorded (Unix time).", ("source",),
    ),
    Definition(
        "dify_monitor_source_missing_rows", "gauge", "Rows that Dify holds and the journal lacks now.", ("source",)
    ),
    Definition(
        "dify_monitor_source_external_runs", "gauge",
        "1 where messages name workflow runs that the database does not hold.", ("source",),
    ),
    Definition(
        "dify_monitor_source_compared_rows_total", "counter",
        "Rows that were compared by digest; kept in the journal, so a restart does not reset it.", ("source",),
    ),
    Definition(
        "dify_monitor_source_repaired_total", "counter",
        "Turns that a comparison found missing or changed, and that were read then; kept in the journal, too.",
        ("source",),
    ),
    Definition(
        "dify_monitor_source_gaps_total", "counter",
        "Rows and spans of time that could not be read; kept in the journal, too.", ("source",),
    ),
    Definition(
        "dify_monitor_source_deleted_total", "counter",
        "Recorded turns that Dify no longer holds; kept in the journal, too.", ("source",),
    ),
    Definition(
        "dify_monitor_source_left_out_total", "counter",
        "Rows that the configuration leaves out; kept in the journal, too.", ("source",),
    ),
    Definition(
        "dify_monitor_sink_events_total", "counter",
        "Events by what became of them at a sink: accepted, rejected, left_out.", ("sink", "outcome"),
    ),
    Definition(
        "dify_monitor_sink_left_out_total", "counter",
        "What a sink did not send because of its configuration or of the other side's quota, by why.",
        ("sink", "reason"),
    ),
    Definition(
        "dify_monitor_sink_write_seconds", "histogram", "How long one delivery to a sink took.",
        ("sink",), buckets=_OWN_SECONDS,
    ),
    Definition("dify_monitor_sink_retries_total", "counter", "Deliveries to be tried again.", ("sink", "reason")),
    Definition("dify_monitor_sink_lag_events", "gauge", "Events that wait for a consumer.", ("sink",)),
    Definition(
        "dify_monitor_sink_lag_seconds", "gauge", "How long the oldest of them has waited.", ("sink",)
    ),
    Definition(
        "dify_monitor_rejected_total", "counter", "Events that a consumer will never take.", ("consumer", "reason")
    ),
    Definition(
        "dify_monitor_dropped_total", "counter",
        "Parked events that a person dropped; kept in the journal, so a restart does not reset it.",
        ("consumer", "reason"),
    ),
    Definition(
        "dify_monitor_notifications_total", "counter", "Notifications by what became of them.",
        ("notifier", "outcome", "reason"),
    ),
    Definition(
        "dify_monitor_rule_evaluation_seconds", "histogram", "How long judging a rule once took.",
        ("rule",), buckets=_OWN_SECONDS,
    ),
    Definition("dify_monitor_rule_errors_total", "counter", "Evaluations of a rule that failed.", ("rule",)),
    Definition("dify_monitor_worker_restarts_total", "counter", "Workers started again after a crash.", ("worker",)),
    Definition("dify_monitor_journal_bytes", "gauge", "Size of the journal on disk."),
    Definition("dify_monitor_journal_oldest_seconds", "gauge", "Age of the oldest event that the journal keeps."),
    Definition(
        "dify_monitor_content_erased_total", "counter",
        "Texts erased because their turn was deleted in Dify (`on_source_delete: erase_content`).", ("source",),
    ),
    Definition(
        "dify_monitor_series_folded_total", "counter",
        "Measures that went into an `other` series because their metric was full.", ("metric",),
    ),
)  # fmt: skip
"""The sidecar's own health. These begin at 0 with each start: here a reset is the truth. Exceptions: what was dropped,
as people drop while no sidecar runs, too; and what a source says of its coverage, which the journal keeps for it."""


def reference_markdown() -> str:
    """The tables of docs/reference/metrics.md."""
    return "\n".join(
        (
            "## Dify\n",
            "Counted from the journal: a restart resets nothing. All have the label `tenant_id`.",
            f"All but {_without_app()} have `app_id`.\n",
            *_table(CATALOGUE, hidden=APP_LABELS),
            "\n## The sidecar itself\n",
            "Counted since the start of the process, but for what says otherwise.\n",
            *_table(OWN_CATALOGUE),
            "\n## Closed labels\n",
            *_closed_labels(),
            "\n## Buckets\n",
            *_buckets(),
            "",
        )
    )


def _without_app() -> str:
    return " and ".join(f"`{each.name}`" for each in CATALOGUE if each.owner < len(APP_LABELS))


def _table(definitions: Iterable[Definition], hidden: Sequence[str] = ()) -> Iterator[str]:
    yield "| metric | type | labels | meaning |"
    yield "|---|---|---|---|"
    for each in definitions:
        labels = ", ".join(f"`{name}`" for name in each.labels if name not in hidden)
        yield f"| `{each.name}` | {each.type} | {labels} | {each.help} |"


def _closed_labels() -> Iterator[str]:
    for each in CATALOGUE:
        for name, values in each.closed.items():
            shown = ", ".join(f"`{value}`" for value in values)
            start = " Each is there, as 0, from the first one on." if each.zeros else ""
            yield f"- `{each.name}`: `{name}` is one of {shown}.{start}"


def _buckets() -> Iterator[str]:
    for each in (*CATALOGUE, *OWN_CATALOGUE):
        if each.buckets:
            bounds = ", ".join(f"{bound:g}" for bound in each.upper_bounds()[:-1])
            yield f"- `{each.name}`: {bounds}"
