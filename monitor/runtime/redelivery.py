"""Delivers parked events again that a person marked (`monitor rejected retry`): one by one, in the journal's order.

The worker whose events they are calls it before it reads on, and lends its own way of delivering, so that nothing goes
another way than the first time. Taken: the entry goes. Refused: it stays parked with one attempt more, and the mark
goes. Not now: it stays marked and is tried again later, while new events go on. The sink's state commits with either.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from monitor.errors import MonitorError, Permanent, Retryable, TooLarge
from monitor.model import Recorded
from monitor.ports import Clock, Journal, RejectedEvent
from monitor.runtime.backoff import delay_s
from monitor.runtime.worker import Outcome

__all__ = ["LONGEST_DETAIL", "POISON_AFTER", "Answer", "Redelivery", "refusal"]

POISON_AFTER = 8
"""So many failures of a lone event on a living other side, and it is rejected."""
LONGEST_DETAIL = 500


class Answer(msgspec.Struct, frozen=True):
    """What became of one event on the other side."""

    state: str
    """The consumer's state from here on."""
    rejected: RejectedEvent | None = None


class Redelivery:
    """What one consumer does about its marked events."""

    def __init__(
        self,
        journal: Journal,
        consumer: str,
        clock: Clock,
        *,
        content: bool,
        deliver: Callable[[Recorded], Answer],
        alive: Callable[[], bool],
        refused: Callable[[RejectedEvent], None],
        random: Callable[[], float],
        logger: Any,
    ) -> None:
        """`deliver` raises as a sink's `send` does; `alive` says whether the other side answers at all.

        `refused` is told of an event that is parked again, once that is committed.
        """
        self._journal, self._consumer, self._clock, self._content = journal, consumer, clock, content
        self._deliver, self._alive, self._refused = deliver, alive, refused
        self._random, self._logger = random, logger
        self._tried, self._failures = -1, 0
        self._due = 0.0
        self._error: MonitorError | None = None

    def step(self) -> bool:
        """Whether a marked event was settled. False: none is there, or it is not its time: read on.

        Raises Auth, and what the journal raises.
        """
        if self._clock.monotonic() < self._due:
            return False
        self._error = None
        recorded = self._journal.marked(self._consumer, content=self._content)
        if recorded is None:
            return False
        try:
            answer = self._deliver(recorded)
        except (TooLarge, Permanent) as exc:
            answer = self._given_up(refusal(recorded.seq, exc))
        except Retryable as exc:
            poison = self._later(recorded.seq, exc)
            if poison is None:
                return False
            answer = self._given_up(poison)
        self._settle(recorded.seq, answer)
        return True

    def then(self, outcome: Outcome) -> Outcome:
        """The worker's outcome; where it has nothing to do but a marked event waits for its time, that."""
        if outcome.progressed or outcome.error is not None or self._error is None:
            return outcome
        wait_s = max(0.0, self._due - self._clock.monotonic())
        due_s = wait_s if outcome.due_in_s is None else min(wait_s, outcome.due_in_s)
        return Outcome(due_in_s=due_s, error=self._error)

    def _given_up(self, rejected: RejectedEvent) -> Answer:
        return Answer(self._journal.cursor(self._consumer)[1], rejected)

    def _later(self, seq: int, error: Retryable) -> RejectedEvent | None:
        """When to try again; or, for what fails again and again on a living other side, what it is parked with."""
        self._failures = self._failures + 1 if seq == self._tried else 1
        self._tried = seq
        if self._failures >= POISON_AFTER and error.reason != "rate_limited" and self._alive():
            return RejectedEvent(seq=seq, reason="poison", detail=str(error)[:LONGEST_DETAIL])
        wait_s = delay_s(self._failures, self._random, error.after_s)
        self._due, self._error = self._clock.monotonic() + wait_s, error
        self._logger.warning(
            "retry_put_off",
            reason=error.reason,
            error=str(error),
            seq=seq,
            retry_in_s=round(wait_s, 1),
            action="the event stays marked; new ones go on",
        )
        return None

    def _settle(self, seq: int, answer: Answer) -> None:
        """Commit what became of it; the cursor stays where it is."""
        self._failures = 0
        position, _ = self._journal.cursor(self._consumer)
        if answer.rejected is None:
            self._journal.advance(self._consumer, position, delivered=[seq], state=answer.state)
            self._logger.info("event_delivered_again", seq=seq, action="it is no longer parked")
            return
        self._journal.advance(self._consumer, position, rejected=[answer.rejected], state=answer.state)
        self._refused(answer.rejected)


def refusal(seq: int, error: TooLarge | Permanent) -> RejectedEvent:
    """What an event is parked with that was refused alone."""
    reason = error.reason if isinstance(error, Permanent) else "too_large"
    return RejectedEvent(seq=seq, reason=reason, detail=str(error)[:LONGEST_DETAIL])
