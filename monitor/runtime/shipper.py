"""Brings the journal's events to one sink: read, encode, send, and only then move the cursor.

The only place that retries. A dead sink is a cursor that stands still. An event that the sink will never take is found
by halving the window until it stands alone, parked in the rejected table, and the rest goes on. Credentials that are
refused are nobody's poison: the cursor holds and the log shouts. Parked events that a person marked go first, one by
one, on the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from monitor.errors import Auth, JournalError, MonitorError, Permanent, Retryable, TooLarge
from monitor.metrics.own import SelfMetrics
from monitor.model import Recorded
from monitor.model.answers import UNNAMED
from monitor.ports import Batch, Clock, Journal, RejectedEvent, Report, Sink
from monitor.runtime.backoff import AUTH_RETRY_S, delay_s
from monitor.runtime.redelivery import LONGEST_DETAIL, POISON_AFTER, Answer, Redelivery, refusal
from monitor.runtime.worker import Outcome

__all__ = ["Shipper"]

_JOURNAL_RETRY_S = 5.0
_SUSPECT_AFTER = 5
"""So many equal failures of one window, while the sink says that it lives, and it is halved."""
_LISTED = "parked; the rest goes on. `monitor rejected list` shows it, `monitor rejected retry` tries again"


class Shipper:
    """Implements `monitor.runtime.worker.Worker` for one sink."""

    def __init__(
        self,
        journal: Journal,
        sink: Sink,
        clock: Clock,
        own: SelfMetrics,
        *,
        random: Callable[[], float],
        logger: Any,
    ) -> None:
        self.name = f"sink:{sink.name}"
        self._journal, self._sink, self._clock, self._own = journal, sink, clock, own
        self._random, self._logger = random, logger
        self._resumed = False
        self._failures = 0
        self._window = sink.max_events
        self._redelivery = Redelivery(
            journal,
            self.name,
            clock,
            content=sink.wants_content,
            deliver=self._redeliver,
            alive=self._alive,
            refused=self._count_rejected,
            random=random,
            logger=logger,
        )

    def step(self) -> Outcome:
        """Deliver one window of events, or one that was marked for another delivery."""
        try:
            self._resume()
            if self._redelivery.step():
                return Outcome(progressed=True)
            batch = self._journal.read(
                self.name,
                limit=self._window,
                kinds=self._sink.kinds,
                content=self._sink.wants_content,
                max_bytes=self._sink.max_bytes,
            )
            return self._redelivery.then(self._deliver(batch))
        except Retryable as exc:
            return self._again(exc)
        except Auth as exc:
            return self._hold(exc)
        except JournalError as exc:
            return Outcome(retry_in_s=_JOURNAL_RETRY_S, error=exc)

    def _resume(self) -> None:
        """Hand the sink where it stood, and commit where it stands: a crash in its first send is then no riddle."""
        if self._resumed:
            return
        position, state = self._journal.cursor(self.name)
        stands = self._sink.resume(state)
        if stands and stands != state:
            self._journal.advance(self.name, position, state=stands)
        self._resumed = True

    def _deliver(self, batch: Batch) -> Outcome:
        position, state = self._journal.cursor(self.name)
        encoded = [(recorded.seq, self._sink.encode(recorded)) for recorded in batch.events]
        kept = [(seq, part) for seq, part in encoded if part]
        if not kept:
            if batch.position > position:
                self._journal.advance(self.name, batch.position, state=state)
            return Outcome(progressed=batch.behind)
        # Until the commit is through, what the sink did is a guess: it is asked to resume from what was committed.
        self._resumed = False
        try:
            report = self._send([part for _, part in kept], [seq for seq, _ in kept])
        except (TooLarge, Permanent) as exc:
            return self._refused(kept, exc, state)
        except Retryable as exc:
            return self._suspect(kept, exc, state)
        self._done(batch, report, [seq for seq, _ in kept], state)
        return Outcome(progressed=True)

    def _send(self, parts: Sequence[bytes], seqs: Sequence[int]) -> Report:
        started = self._clock.monotonic()
        try:
            return self._sink.send(parts, seqs)
        finally:
            self._own.sink_write_seconds.labels(self._sink.name).observe(self._clock.monotonic() - started)

    def _done(self, batch: Batch, report: Report, seqs: Sequence[int], state: str) -> None:
        rejected = _refusals(report, seqs)
        self._journal.advance(self.name, batch.position, rejected=rejected, state=report.state or state)
        self._resumed = True
        self._count_refusals(rejected, report)
        if self._failures:
            self._logger.info("sink_recovered", action="delivering again", failures=self._failures)
        self._own.sink_events.labels(self._sink.name, "accepted").inc(report.accepted)
        if report.left_out:
            self._own.sink_events.labels(self._sink.name, "left_out").inc(report.left_out)
        for why, count in report.left_out_by.items():
            self._own.sink_left_out.labels(self._sink.name, why).inc(count)
        self._failures = 0
        self._window = min(self._sink.max_events, self._window * 2)

    def _count_refusals(self, rejected: Sequence[RejectedEvent], report: Report) -> None:
        for each in rejected:
            count = report.rejected_unknown if each.reason == UNNAMED else 1
            self._own.rejected.labels(self.name, each.reason).inc(count)
        if report.rejected_unknown:
            self._logger.error("sink_refused_some", action="see `monitor rejected list`", error=rejected[-1].detail)

    def _redeliver(self, recorded: Recorded) -> Answer:
        """Deliver a parked event as if it were a window of one."""
        _, state = self._journal.cursor(self.name)
        part = self._sink.encode(recorded)
        if not part:
            return Answer(state)
        self._resumed = False
        try:
            report = self._send([part], [recorded.seq])
        except Retryable as exc:
            self._own.sink_retries.labels(self._sink.name, exc.reason).inc()
            raise
        self._own.sink_events.labels(self._sink.name, "accepted").inc(report.accepted)
        refused = _refusals(report, [recorded.seq])
        return Answer(report.state or state, refused[0] if refused else None)

    def _refused(self, kept: list[tuple[int, bytes]], error: TooLarge | Permanent, state: str) -> Outcome:
        """Halve until the one that is refused stands alone, and park that."""
        self._failures = 0
        if len(kept) > 1:
            self._window = max(1, min(self._window, len(kept)) // 2)
            return Outcome(progressed=True)
        self._park(refusal(kept[0][0], error), state)
        return Outcome(progressed=True)

    def _park(self, rejected: RejectedEvent, state: str) -> None:
        self._journal.advance(self.name, rejected.seq + 1, rejected=[rejected], state=state)
        self._count_rejected(rejected)
        self._failures = 0
        self._window = min(self._sink.max_events, self._window * 2)

    def _count_rejected(self, rejected: RejectedEvent) -> None:
        self._own.rejected.labels(self.name, rejected.reason).inc()
        self._own.sink_events.labels(self._sink.name, "rejected").inc()
        self._logger.error(
            "event_rejected", reason=rejected.reason, seq=rejected.seq, error=rejected.detail, action=_LISTED
        )

    def _suspect(self, kept: list[tuple[int, bytes]], error: Retryable, state: str) -> Outcome:
        """A failure that looks passing but that only these events provoke, in a sink that lives, is poison too."""
        outcome = self._again(error)
        lone = len(kept) == 1
        if error.reason == "rate_limited" or self._failures < (POISON_AFTER if lone else _SUSPECT_AFTER):
            return outcome
        if not self._alive():
            return outcome
        if lone:
            detail = str(error)[:LONGEST_DETAIL]
            self._park(RejectedEvent(seq=kept[0][0], reason="poison", detail=detail), state)
        else:
            self._window = max(1, min(self._window, len(kept)) // 2)
            self._failures = 0
        return Outcome(progressed=True)

    def _alive(self) -> bool:
        try:
            self._sink.check()
        except MonitorError:
            return False
        return True

    def _again(self, error: Retryable) -> Outcome:
        self._failures += 1
        wait_s = delay_s(self._failures, self._random, error.after_s)
        self._own.sink_retries.labels(self._sink.name, error.reason).inc()
        self._logger.warning(
            "sink_unavailable",
            reason=error.reason,
            error=str(error),
            failures=self._failures,
            retry_in_s=round(wait_s, 1),
        )
        return Outcome(retry_in_s=wait_s, error=error)

    def _hold(self, error: Auth) -> Outcome:
        self._failures += 1
        self._own.sink_retries.labels(self._sink.name, "auth").inc()
        action = "correct the sink's address and credentials; events wait until then"
        self._logger.error("sink_refused_credentials", error=str(error), action=action)
        return Outcome(retry_in_s=AUTH_RETRY_S, error=error)


def _refusals(report: Report, seqs: Sequence[int]) -> list[RejectedEvent]:
    """What of these events is to be parked. Where one stood alone, it is known which was meant."""
    if not report.rejected_unknown:
        return list(report.rejected)
    reason, detail = "refused", report.detail
    if len(seqs) > 1:
        reason, detail = UNNAMED, f"{report.rejected_unknown} of the events from here on were refused: {detail}"
    return [*report.rejected, RejectedEvent(seq=seqs[0], reason=reason, detail=detail[:LONGEST_DETAIL])]
