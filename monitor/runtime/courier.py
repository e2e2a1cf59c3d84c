"""Brings alerts to one channel: a worker with a cursor of its own, so that a dead channel holds nobody up.

It reads AlertChanged events and says firing and resolved; what is pending and what is history stays unsaid. Said,
then committed: after a crash in between a notification is said twice, under the same id. It waits for no answer but
the channel's; grouping, silences and escalation are not its work.

A channel that is new to a journal hears of what happens from then on, never of what the journal held before: the
supervisor calls `start` on every courier before the first source is read. What could not be said while the channel
was down is said when it is back, however long that was. Parked alerts that a person marked are said before new ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from monitor.errors import Auth, JournalError, MonitorError, Permanent, Retryable, TooLarge
from monitor.model import AlertChanged, Notification, Recorded
from monitor.ports import Clock, Journal, Notifier, RejectedEvent
from monitor.runtime.backoff import AUTH_RETRY_S, delay_s
from monitor.runtime.redelivery import Answer, Redelivery, refusal
from monitor.runtime.worker import Outcome

__all__ = ["Courier"]

_KINDS = ("alert_changed",)
_SAID = {"firing", "resolved"}
_STARTED = "started"
_JOURNAL_RETRY_S = 5.0


class Courier:
    """Implements `monitor.runtime.worker.Worker` for one notifier."""

    def __init__(
        self,
        journal: Journal,
        notifier: Notifier,
        clock: Clock,
        *,
        random: Callable[[], float],
        logger: Any,
        on_outcome: Callable[[str, str], None] = lambda _outcome, _reason: None,
        limit: int = 50,
    ) -> None:
        """`random` gives numbers from 0 up to 1; `logger` is a structlog logger, bound to the notifier's name.

        `on_outcome` is told what became of each attempt: `said`, `retry`, `rejected` or `held`, and a bounded reason.
        """
        self.name = f"notify:{notifier.name}"
        self._journal, self._notifier = journal, notifier
        self._random, self._logger, self._on_outcome = random, logger, on_outcome
        self._limit = limit
        self._started = False
        self._failures = 0
        self._redelivery = Redelivery(
            journal,
            self.name,
            clock,
            content=False,
            deliver=self._redeliver,
            alive=self._alive,
            refused=self._tell_rejected,
            random=random,
            logger=logger,
        )

    def start(self) -> None:
        """Begin at the journal's end where this channel was never heard of; else nothing. Raises JournalError."""
        if self._started:
            return
        if not self._journal.cursor(self.name)[1]:
            self._journal.advance(self.name, self._journal.head(), state=_STARTED)
        self._started = True

    def step(self) -> Outcome:
        """Say what is waiting, up to the first that can't be said now."""
        try:
            self.start()
            if self._redelivery.step():
                return Outcome(progressed=True)
            return self._redelivery.then(self._deliver())
        except Auth as exc:  # from a parked alert: those of new ones are answered where they arise
            return self._hold(exc)
        except (JournalError, Retryable) as exc:  # the journal's: the channel's are answered where they arise
            return Outcome(retry_in_s=_JOURNAL_RETRY_S, error=exc)

    def _deliver(self) -> Outcome:
        batch = self._journal.read(self.name, limit=self._limit, kinds=_KINDS, content=False)
        for recorded in batch.events:
            held = self._one(recorded)
            if held is not None:
                return held
        if batch.position > self._journal.cursor(self.name)[0]:
            self._advance(batch.position)
        return Outcome(progressed=bool(batch.events) or batch.behind)

    def _one(self, recorded: Recorded) -> Outcome | None:
        """Say one change and move on; when it can't be said now, what follows from that."""
        notification = _notification(recorded)
        if notification is None:
            return None
        try:
            self._say(notification)
        except Retryable as exc:
            return self._again(exc)
        except Auth as exc:
            return self._hold(exc)
        except (Permanent, TooLarge) as exc:
            self._reject(recorded, exc)
            return None
        self._failures = 0
        self._advance(recorded.seq + 1)
        return None

    def _redeliver(self, recorded: Recorded) -> Answer:
        """Say a parked alert as if it were new."""
        notification = _notification(recorded)
        if notification is not None:
            self._say(notification)
        return Answer(_STARTED)

    def _say(self, notification: Notification) -> None:
        try:
            self._notifier.notify(notification)
        except Retryable as exc:
            self._on_outcome("retry", exc.reason)
            raise
        self._on_outcome("said", "")

    def _alive(self) -> bool:
        try:
            self._notifier.check()
        except MonitorError:
            return False
        return True

    def _again(self, error: Retryable) -> Outcome:
        self._failures += 1
        wait_s = delay_s(self._failures, self._random, error.after_s)
        self._logger.warning(
            "notifier_unavailable", reason=error.reason, error=str(error), failures=self._failures, retry_in_s=wait_s
        )
        return Outcome(retry_in_s=wait_s, error=error)

    def _hold(self, error: Auth) -> Outcome:
        self._failures += 1
        self._on_outcome("held", "auth")
        action = "correct the channel's address and credentials; alerts wait until then"
        self._logger.error("notifier_refused_credentials", error=str(error), action=action)
        return Outcome(retry_in_s=AUTH_RETRY_S, error=error)

    def _reject(self, recorded: Recorded, error: Permanent | TooLarge) -> None:
        rejected = refusal(recorded.seq, error)
        self._failures = 0
        self._tell_rejected(rejected)
        self._advance(recorded.seq + 1, rejected)

    def _tell_rejected(self, rejected: RejectedEvent) -> None:
        self._on_outcome("rejected", rejected.reason)
        self._logger.error(
            "notification_rejected",
            reason=rejected.reason,
            error=rejected.detail,
            seq=rejected.seq,
            action="parked; `monitor rejected list` shows it, `monitor rejected retry` tries again",
        )

    def _advance(self, position: int, *rejected: RejectedEvent) -> None:
        self._journal.advance(self.name, position, rejected=rejected, state=_STARTED)


def _notification(recorded: Recorded) -> Notification | None:
    """What is to be said of an event; None for what stays unsaid."""
    body = recorded.event.body
    if not isinstance(body, AlertChanged) or body.history or body.now not in _SAID:
        return None
    return Notification(
        id=f"{body.alert.fingerprint}-{body.alert.changes}",
        alert=body.alert,
        was=body.was,
        now=body.now,
        reason=body.reason,
        at=recorded.event.occurred_at,
        late=body.late,
    )
