from __future__ import annotations

from prometheus_client import Metric

from monitor import __version__
from monitor.errors import JournalError
from monitor.metrics.catalogue import OWN_CATALOGUE
from monitor.metrics.own import SelfMetrics
from monitor.model import Coverage
from monitor.model.answers import Lag, Stats
from monitor.testing.samples import BASE_NS, SECOND


class FixedClock:
    def now_ns(self) -> int:
        return BASE_NS

    def monotonic(self) -> float:
        return 0.0

    def wait(self, stop, seconds) -> bool:
        return stop.is_set()


class FakeJournal:
    def __init__(self) -> None:
        self.error: JournalError | None = None
        self.oldest: int | None = BASE_NS - 90 * SECOND

    def lag(self, consumer: str) -> Lag:
        if self.error:
            raise self.error
        return Lag(events=len(consumer), age_ns=2 * SECOND)

    def stats(self) -> Stats:
        return Stats(bytes=4096, events=1, oldest_recorded_at=self.oldest)

    def dropped_counts(self) -> dict[tuple[str, str], int]:
        return {("sink:otlp", "refused"): 3}


def families(own: SelfMetrics) -> dict[str, Metric]:
    return {family.name: family for family in own.registry.collect()}


def watched(journal: FakeJournal) -> SelfMetrics:
    own = SelfMetrics()
    own.watch_journal(journal, ["otlp", "metrics"], FixedClock())
    return own


def value(own: SelfMetrics, name: str, **labels: str) -> float | None:
    return own.registry.get_sample_value(f"dify_monitor_{name}", labels)


def test_every_name_of_the_catalogue_is_made_and_no_other():
    own = watched(FakeJournal())
    own.watch_sources(dict)
    own.watch_coverage(dict, [])
    made = {name.removesuffix("_total") for name in families(own)}
    assert made == {each.name.removesuffix("_total") for each in OWN_CATALOGUE}


def test_labels_and_help_are_the_catalogues():
    own = SelfMetrics()
    for each in OWN_CATALOGUE:
        metric = getattr(own, each.name.removeprefix("dify_monitor_").removesuffix("_total"), None)
        if metric is not None:
            assert (metric._labelnames, metric._documentation) == (each.labels, each.help)


def test_the_running_version():
    assert value(SelfMetrics(), "build_info", version=__version__) == 1


def test_two_sets_share_nothing():
    first, second = SelfMetrics(), SelfMetrics()
    first.sink_events.labels("otlp", "accepted").inc(3)
    assert value(first, "sink_events_total", sink="otlp", outcome="accepted") == 3
    assert value(second, "sink_events_total", sink="otlp", outcome="accepted") is None


def test_the_journal_is_asked_at_each_scrape():
    journal = FakeJournal()
    own = watched(journal)
    assert value(own, "sink_lag_events", sink="metrics") == 7
    assert value(own, "sink_lag_seconds", sink="otlp") == 2
    assert value(own, "journal_bytes") == 4096
    assert value(own, "journal_oldest_seconds") == 90
    journal.oldest = None
    assert value(own, "journal_oldest_seconds") == 0


def test_what_was_dropped_is_the_journals_count():
    """A command may have dropped it while this process did not run."""
    assert value(watched(FakeJournal()), "dropped_total", consumer="sink:otlp", reason="refused") == 3


def test_a_clock_set_back_makes_no_age_below_zero():
    journal = FakeJournal()
    journal.oldest = BASE_NS + SECOND
    assert value(watched(journal), "journal_oldest_seconds") == 0


def test_a_journal_that_cannot_answer_costs_its_gauges_only():
    journal = FakeJournal()
    own = watched(journal)
    journal.error = JournalError("the disk is gone")
    assert value(own, "build_info", version=__version__) == 1
    assert value(own, "journal_bytes") is None


def test_sources_are_asked_at_each_scrape():
    ages = {"dify": 3.5}
    own = SelfMetrics()
    own.watch_sources(lambda: ages)
    assert value(own, "source_cursor_age_seconds", source="dify") == 3.5
    ages["dify"] = 0.5
    assert value(own, "source_cursor_age_seconds", source="dify") == 0.5


SAID = Coverage(
    at=BASE_NS,
    purge_safe_at=BASE_NS - 60 * SECOND,
    oldest_at=BASE_NS - 3600 * SECOND,
    state="at_risk",
    checked_at=BASE_NS - 5 * SECOND,
    compared=900,
    repaired=3,
    missing=2,
    gaps=1,
    deleted=7,
    left_out=11,
    external_runs=True,
)


def covered(said: dict[str, Coverage], *sources: str) -> SelfMetrics:
    own = SelfMetrics()
    own.watch_coverage(lambda: said, sources)
    return own


def test_what_a_source_covers_is_asked_at_each_scrape():
    said: dict[str, Coverage] = {}
    own = covered(said, "dify")
    assert value(own, "source_missing_rows", source="dify") is None
    said["dify"] = SAID
    moments = {
        name: value(own, f"source_{name}_timestamp_seconds", source="dify")
        for name in ("purge_safe", "oldest_row", "checked")
    }
    base_s = BASE_NS / SECOND
    assert moments == {"purge_safe": base_s - 60, "oldest_row": base_s - 3600, "checked": base_s - 5}
    assert value(own, "source_missing_rows", source="dify") == 2
    assert value(own, "source_external_runs", source="dify") == 1
    counts = {
        name: value(own, f"source_{name}_total", source="dify")
        for name in ("compared_rows", "repaired", "gaps", "deleted", "left_out")
    }
    assert counts == {"compared_rows": 900, "repaired": 3, "gaps": 1, "deleted": 7, "left_out": 11}


def test_the_state_of_a_source_is_one_of_all():
    own = covered({"dify": SAID}, "dify")
    states = {
        state: value(own, "source_state", source="dify", state=state) for state in ("safe", "at_risk", "overtaken")
    }
    assert states == {"safe": 0, "at_risk": 1, "overtaken": 0}


def test_a_state_of_a_newer_source_is_shown_too():
    own = covered({"dify": Coverage(state="unheard_of")}, "dify")
    assert value(own, "source_state", source="dify", state="unheard_of") == 1
    assert value(own, "source_state", source="dify", state="safe") == 0


def test_a_moment_that_is_not_known_is_left_out():
    own = covered({"dify": Coverage()}, "dify")
    assert value(own, "source_purge_safe_timestamp_seconds", source="dify") is None
    assert value(own, "source_oldest_row_timestamp_seconds", source="dify") is None
    assert value(own, "source_missing_rows", source="dify") == 0


def test_a_source_that_is_no_longer_configured_is_not_shown():
    own = covered({"dify": SAID, "gone": SAID}, "dify")
    assert value(own, "source_missing_rows", source="gone") is None


def test_coverage_that_cannot_be_asked_costs_itself_only():
    def broken() -> dict[str, Coverage]:
        raise JournalError("the disk is gone")

    own = SelfMetrics()
    own.watch_coverage(broken, ["dify"])
    assert value(own, "build_info", version=__version__) == 1
    assert value(own, "source_missing_rows", source="dify") is None
