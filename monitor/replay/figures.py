"""Times as datetimes, tokens and money added up. Pure; called by turns.py and timeline.py."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation

from monitor.model import Usage
from monitor.replay.nouns import Moment, Money, Round, Step, Totals, Used

__all__ = ["NOTHING", "moment_at", "seconds", "steps_in", "sum_of_totals", "sum_of_used", "totals_of", "used_of"]

NOTHING = Used(None, None, 0, ())
"""No tokens and no money."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_US = (datetime(9999, 12, 30, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
_EARLIEST_US = timedelta(days=1) // timedelta(microseconds=1)
"""A day within what datetimes can hold, so that every time zone can show it."""
_US = 1_000
_NS = 1_000_000_000


def moment_at(ns: int) -> datetime:
    """The time in UTC; what a calendar lacks becomes its nearest."""
    return _EPOCH + timedelta(microseconds=min(max(ns // _US, -_EARLIEST_US), _LAST_US))


def seconds(ns: int) -> float:
    """A duration in seconds."""
    return ns / _NS


def used_of(usage: Usage | None) -> Used | None:
    """Tokens and money as Dify kept them."""
    if usage is None:
        return None
    return Used(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        total_tokens=usage.total_tokens,
        cost=_cost([Money(usage.price, usage.currency)]),
    )


def sum_of_used(parts: Iterable[Used]) -> Used:
    """All of it together; the directions are only known where every part knows them."""
    used = [part for part in parts if part != NOTHING]
    return Used(
        input_tokens=_sum([part.input_tokens for part in used]),
        output_tokens=_sum([part.output_tokens for part in used]),
        total_tokens=sum(part.total_tokens for part in used),
        cost=_cost([money for part in used for money in part.cost]),
    )


def steps_in(moments: Iterable[Moment]) -> Iterator[Step]:
    """All steps, inner ones included, in the order of the tree."""
    for moment in moments:
        if isinstance(moment, Step):
            yield moment
        if isinstance(moment, Step | Round):
            yield from steps_in(moment.moments)


def totals_of(steps: Sequence[Step], used: Used | None, *, is_model_call: bool) -> Totals:
    """A turn's counts; `used` are Dify's own sums, None where it has none."""
    failed = [step for step in steps if step.status == "failed"]
    return Totals(
        turns=1,
        steps=len(steps),
        model_calls=sum(step.kind == "llm" for step in steps) + is_model_call,
        tool_calls=sum(step.kind == "tool" for step in steps),
        retrievals=sum(step.kind == "retrieval" for step in steps),
        failed=len(failed),
        handled=sum(step.handled for step in failed),
        used=used or sum_of_used(step.used for step in steps if step.used is not None),
    )


def sum_of_totals(totals: Sequence[Totals]) -> Totals:
    """Several turns together."""
    return Totals(
        turns=sum(one.turns for one in totals),
        steps=sum(one.steps for one in totals),
        model_calls=sum(one.model_calls for one in totals),
        tool_calls=sum(one.tool_calls for one in totals),
        retrievals=sum(one.retrievals for one in totals),
        failed=sum(one.failed for one in totals),
        handled=sum(one.handled for one in totals),
        used=sum_of_used(one.used for one in totals),
    )


def _sum(numbers: Sequence[int | None]) -> int | None:
    known = [number for number in numbers if number is not None]
    return sum(known) if known and len(known) == len(numbers) else None


def _cost(amounts: Iterable[Money]) -> tuple[Money, ...]:
    """One entry a currency, in the order in which they first occur."""
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for money in amounts:
        sums[money.currency] += _decimal(money.amount)
    return tuple(Money(format(amount, "f"), currency) for currency, amount in sums.items() if amount)


def _decimal(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        return Decimal(0)
    return amount if amount.is_finite() else Decimal(0)
