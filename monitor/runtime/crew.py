"""A house's workers around its open journal: made here, run by the supervisor or to their end by `once`."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import msgspec
import structlog

from monitor.journal import SqliteJournal
from monitor.metrics.own import SelfMetrics
from monitor.ports import AdapterConfig, Clock, Notifier, Sink, Source
from monitor.runtime.courier import Courier
from monitor.runtime.eraser import Eraser
from monitor.runtime.evaluator import Evaluator
from monitor.runtime.poller import Poller
from monitor.runtime.projector import Projector
from monitor.runtime.shipper import Shipper
from monitor.runtime.wiring import House
from monitor.runtime.worker import Worker

__all__ = ["Crew", "crew_of"]

_POLL_NS = 5_000_000_000
_PAGE_TURNS = 500


class Crew(msgspec.Struct, frozen=True):
    """Everybody who works on one journal."""

    clock: Clock
    journal: SqliteJournal
    own: SelfMetrics
    pollers: tuple[Poller, ...]
    poll_every_s: tuple[float, ...]
    projector: Projector
    evaluator: Evaluator
    shippers: tuple[Shipper, ...]
    couriers: tuple[Courier, ...]
    erasers: tuple[Eraser, ...] = ()

    def folding(self) -> tuple[Worker, ...]:
        """Those who fold events, the one who makes new ones of them first; all come before those who deliver."""
        return (self.evaluator, self.projector)

    def delivering(self) -> tuple[Worker, ...]:
        """Those who bring events to somebody."""
        return (*self.shippers, *self.couriers)

    def erasing(self) -> tuple[Worker, ...]:
        """Those who erase what was deleted in Dify. With `--once` they come last, so that it repeats the same."""
        return self.erasers


@contextmanager
def crew_of(house: House) -> Iterator[Crew]:
    """Open the journal and make the workers; at the end adapters and journal are closed, whatever happened."""
    with ExitStack() as closing:
        adapters: tuple[Source | Sink | Notifier, ...] = (*house.sources, *house.sinks, *house.notifiers)
        for adapter in adapters:
            closing.callback(adapter.close)
        settings = house.settings.journal
        journal = closing.enter_context(
            SqliteJournal.open(
                house.journal_path, house.clock, max_bytes=settings.max_bytes, min_free_bytes=settings.min_free_bytes
            )
        )
        yield _Hiring(house, journal).crew()


class _Hiring:
    """Makes each worker with what it needs."""

    def __init__(self, house: House, journal: SqliteJournal) -> None:
        self._house, self._journal = house, journal
        self._own = SelfMetrics()

    def crew(self) -> Crew:
        pollers = self._pollers()
        couriers = self._couriers()
        for courier in couriers:
            courier.start()  # before the first page, so that a channel hears of all that follows and of nothing before
        crew = Crew(
            clock=self._house.clock,
            journal=self._journal,
            own=self._own,
            pollers=pollers,
            poll_every_s=tuple(_seconds(config, "poll_interval") for config in self._house.configs["sources"]),
            projector=self._projector(pollers),
            evaluator=self._evaluator(),
            shippers=self._shippers(),
            couriers=couriers,
            erasers=self._erasers(),
        )
        consumers = [worker.name for worker in (*crew.folding(), *crew.delivering(), *crew.erasing())]
        self._own.watch_journal(self._journal, consumers, self._house.clock)
        self._own.watch_sources(lambda: _ages_s(pollers))
        self._own.watch_coverage(self._journal.coverages, [source.name for source in self._house.sources])
        return crew

    def _pollers(self) -> tuple[Poller, ...]:
        return tuple(
            Poller(
                self._journal,
                source,
                self._house.clock,
                self._own,
                random=random.random,
                logger=structlog.get_logger().bind(source=source.name),
                page_turns=int(getattr(config, "page_turns", _PAGE_TURNS)),
            )
            for source, config in zip(self._house.sources, self._house.configs["sources"], strict=True)
        )

    def _erasers(self) -> tuple[Eraser, ...]:
        """One for each source that wants it."""
        return tuple(
            Eraser(self._journal, source.name, self._own, structlog.get_logger().bind(source=source.name))
            for source, config in zip(self._house.sources, self._house.configs["sources"], strict=True)
            if getattr(config, "on_source_delete", "keep") == "erase_content"
        )

    def _projector(self, pollers: tuple[Poller, ...]) -> Projector:
        return Projector(
            self._journal,
            self._own,
            max_series=self._house.settings.metrics.max_series_per_metric,
            sources_read=lambda: all(poller.read_to_end for poller in pollers),
        )

    def _evaluator(self) -> Evaluator:
        logger = structlog.get_logger()

        def failed(rule: str, exc: Exception) -> None:
            self._own.rule_errors.labels(rule).inc()
            logger.error("rule_failed", rule=rule, error=repr(exc), action="this event is passed over by this rule")

        return Evaluator(
            self._journal,
            self._house.rules,
            self._house.clock,
            on_error=failed,
            on_judged=lambda rule, seconds: self._own.rule_evaluation_seconds.labels(rule).observe(seconds),
            max_age_ns=self._house.settings.rules.max_age_ns,
        )

    def _shippers(self) -> tuple[Shipper, ...]:
        return tuple(
            Shipper(
                self._journal,
                sink,
                self._house.clock,
                self._own,
                random=random.random,
                logger=structlog.get_logger().bind(sink=sink.name),
            )
            for sink in self._house.sinks
        )

    def _couriers(self) -> tuple[Courier, ...]:
        return tuple(
            Courier(
                self._journal,
                notifier,
                self._house.clock,
                random=random.random,
                logger=structlog.get_logger().bind(notifier=notifier.name),
                on_outcome=lambda outcome, reason, name=notifier.name: self._own.notifications.labels(  # type: ignore[misc]
                    name, outcome, reason
                ).inc(),
            )
            for notifier in self._house.notifiers
        )


def _ages_s(pollers: tuple[Poller, ...]) -> dict[str, float]:
    ages = {poller.name.removeprefix("source:"): poller.behind_s() for poller in pollers}
    return {name: age_s for name, age_s in ages.items() if age_s is not None}


def _seconds(config: AdapterConfig, name: str) -> float:
    return int(getattr(config, name, _POLL_NS)) / 1e9
