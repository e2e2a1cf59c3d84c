"""A timeline's facts in plain English: how something ended, how long it took, what is missing. Pure.

The words are the same in every view. What in them comes from records (error types, currencies, kinds of node) is made
fit to be shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, tzinfo

from monitor.replay.nouns import Alert, Document, Gap, Money, Outcome, Step, TimeGap, Totals, Used
from monitor.replay.plain import one_line

__all__ = [
    "alert_words",
    "between_words",
    "bracketed",
    "clock_text",
    "cut_words",
    "date_text",
    "day_text",
    "document_words",
    "duration_text",
    "error_words",
    "gap_words",
    "kind_words",
    "money_text",
    "plural",
    "revised",
    "status_words",
    "step_words",
    "time_gap_words",
    "totals_words",
    "used_briefly",
    "used_words",
    "zone_text",
]

_MINUTE_S, _HOUR_S, _DAY_S = 60, 3_600, 86_400
_KINDS = {"llm": "Model", "tool": "Tool", "retrieval": "Search", "agent": "Agent", "http": "HTTP", "node": "Node"}
_STATUS = {
    "succeeded": "succeeded",
    "failed": "FAILED",
    "partial": "succeeded in part",
    "stopped": "stopped before its end",
    "abandoned": "abandoned: it showed no end for so long that it was given up",
    "open": "no end is recorded",
}
_REASONS = {
    "condition_met": "the condition was met",
    "held_for": "the condition had held long enough",
    "still_holds": "the condition still holds",
    "condition_cleared": "the condition cleared",
    "keep_elapsed": "the condition had been clear long enough",
    "rule_changed": "the rule was changed",
    "rule_removed": "the rule was removed",
}
_CALLS = "calls"
"""In a step's `truncated`: more calls are known of it than are told."""
_GAPS = {
    "no_start": "The record of the turn's start is missing: what is shown comes from its other records.",
    "no_records": "Nothing of the turn itself is recorded: its rows were gone before they could be read.",
    "steps_not_told": "The turn is one model call. Dify keeps its searches only where the app shows its sources.",
    "no_steps": "Dify kept no steps of this turn.",
}


def plural(count: int, one: str, many: str = "") -> str:
    """Such as `1 turn`, `2,048 turns`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def duration_text(seconds: float) -> str:
    """Such as `148 ms`, `3.64 s`, `2 min 5 s`, `1 h 2 min`, `3 d 4 h`."""
    if seconds < 1:
        return f"{seconds * 1000:.3g} ms" if 0 < seconds < 0.01 else f"{round(seconds * 1000)} ms"  # noqa: PLR2004
    if seconds < _MINUTE_S:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"  # noqa: PLR2004
    whole = round(seconds)
    for unit, length, lesser, part in (("d", _DAY_S, "h", _HOUR_S), ("h", _HOUR_S, "min", _MINUTE_S)):
        if whole >= length:
            return f"{whole // length} {unit} {whole % length // part} {lesser}"
    return f"{whole // _MINUTE_S} min {whole % _MINUTE_S} s"


def date_text(at: datetime, zone: tzinfo | None) -> str:
    """Date, time to the millisecond and offset, such as `2025-09-24 16:00:00.000 UTC+08:00`. No zone: the local one."""
    local = at.astimezone(zone)
    return f"{local:%Y-%m-%d} {clock_text(at, zone)} {_offset(local)}"


def between_words(since: datetime | None, until: datetime | None, zone: tzinfo | None) -> str:
    """From when to when."""
    ends = (("from", since), ("to", until))
    return " ".join(f"{word} {date_text(at, zone)}" for word, at in ends if at is not None)


def document_words(document: Document, said: str, *, ids: bool) -> list[str]:
    """Name, knowledge base unless that is `said` already, score; ids where they are wanted or nothing else names it."""
    score = "" if document.score is None else f"score {document.score:.3g}"
    dataset = document.dataset if document.dataset != said else ""
    named = [one_line(part) for part in (document.title, dataset) if part]
    parts = (("document", document.document_id), ("segment", document.segment_id)) if ids or not document.title else ()
    return [*named, *([score] if score else []), *(f"{what} {one_line(part)}" for what, part in parts if part)]


def day_text(at: datetime, zone: tzinfo | None) -> str:
    """The date, such as `2025-09-24`."""
    return f"{at.astimezone(zone):%Y-%m-%d}"


def clock_text(at: datetime, zone: tzinfo | None) -> str:
    """The time of day to the millisecond."""
    local = at.astimezone(zone)
    return f"{local:%H:%M:%S}.{local.microsecond // 1000:03}"


def zone_text(at: datetime, zone: tzinfo | None) -> str:
    """The zone's name, such as `Asia/Shanghai` or `CET (local time)`."""
    named = getattr(zone, "key", None)
    if named:
        return str(named)
    name = at.astimezone(zone).tzname() or "unnamed"
    return name if zone is not None else f"{name} (local time)"


def _offset(local: datetime) -> str:
    offset = local.strftime("%z")
    return "UTC" if offset in {"+0000", ""} else f"UTC{offset[:3]}:{offset[3:5]}"


def money_text(cost: tuple[Money, ...]) -> str:
    """Such as `0.0098025 USD`, amounts of several currencies joined by `+`."""
    return " + ".join(one_line(f"{money.amount} {money.currency}") for money in cost)


def used_words(used: Used) -> list[str]:
    """Tokens and cost, each where there is any."""
    split = used.input_tokens is not None and used.output_tokens is not None
    detail = f" ({used.input_tokens:,} in, {used.output_tokens:,} out)" if split else ""
    tokens = [f"{plural(used.total_tokens, 'token')}{detail}"] if used.total_tokens else []
    return [*tokens, *([money_text(used.cost)] if used.cost else [])]


def used_briefly(used: Used) -> list[str]:
    """The same in fewer words."""
    if used.input_tokens is None or used.output_tokens is None or not used.total_tokens:
        return used_words(used)
    tokens = f"{used.input_tokens:,} in + {used.output_tokens:,} out tokens"
    return [tokens, *([money_text(used.cost)] if used.cost else [])]


def status_words(outcome: Outcome, totals: Totals) -> str:
    """How a turn ended."""
    said = _STATUS[outcome.status]
    if outcome.error_type:
        said += f": {error_words(outcome.error_type)}"
    if totals.failed and outcome.status != "failed":
        said += f", with {_failed(totals)}"
    return said


def totals_words(totals: Totals) -> list[str]:
    """What a turn, or several, consisted of."""
    counts = (
        (totals.steps, "step", ""),
        (totals.model_calls, "model call", ""),
        (totals.tool_calls, "tool call", ""),
        (totals.retrievals, "search", "searches"),
    )
    said = [plural(count, one, many) for count, one, many in counts if count]
    return [*said, *([_failed(totals)] if totals.failed else []), *used_words(totals.used)]


def _failed(totals: Totals) -> str:
    failed = plural(totals.failed, "failed step")
    if not totals.handled:
        return failed
    handled = "all handled" if totals.handled == totals.failed and totals.failed > 1 else f"{totals.handled:,} handled"
    return f"{failed} ({'handled' if totals.failed == 1 else handled})"


def kind_words(step: Step) -> str:
    """What kind of step it is: our word, or Dify's for a node that we have none for."""
    if step.kind == "llm" and step.node_type not in {"", "llm"}:
        return f"Model ({one_line(step.node_type)})"
    return _KINDS[step.kind] if step.kind != "node" else one_line(step.node_type) or "Node"


def step_words(step: Step) -> str:
    """How a step ended; empty where it simply succeeded."""
    if step.status == "failed":
        handled = ", handled" if step.handled else ""
        return f"FAILED{': ' + error_words(step.error_type) if step.error_type else ''}{handled}"
    if step.status == "stopped":
        return "stopped before its end"
    return "how it ended is not known" if step.status == "unknown" else ""


def cut_words(step: Step) -> Iterator[str]:
    """What of a step is not there whole."""
    texts = [one_line(each) for each in step.truncated if each != _CALLS]
    if texts:
        yield f"cut short by Dify before it was read: {', '.join(texts)}"
    if _CALLS in step.truncated:
        told = sum(isinstance(each, Step) for each in step.moments)
        yield f"of its log, only {plural(told, 'call')} can be shown as steps; look for the others in its output"


def error_words(error_type: str) -> str:
    """What went wrong, by its type."""
    return "unclassified error" if error_type == "_OTHER" else one_line(error_type)


def bracketed(text: str) -> str:
    """Such as ` (api)`; nothing where there is nothing to say."""
    return f" ({one_line(text)})" if text else ""


def revised(times: int) -> str:
    """That a record was replaced by better ones."""
    return f"revised {plural(times, 'time')}"


def alert_words(alert: Alert) -> list[str]:
    """What is to be said of an alert's change beside rule and summary."""
    said = [_REASONS.get(alert.reason, one_line(alert.reason.replace("_", " ")))]
    here, rest = len(alert.steps), alert.steps_elsewhere
    if here:
        said.append(f"rests on {plural(here + rest, 'step')}, {'all' if not rest else f'{here:,}'} of this turn")
    if alert.late:
        said.append("came to be known late")
    if alert.history:
        said.append("found in old records, so nobody was notified")
    return said


def gap_words(gap: Gap, at: str) -> str:
    """What is missing, as a sentence; `at` is the gap's time as the view writes it. Ids are for the view to add."""
    steps = plural(len(gap.steps), "step")
    if gap.kind == "no_end":
        return f"No end is recorded: as of {at}, the turn was still running or never ended."
    if gap.kind == "missing_steps":
        return f"The turn's end lists {steps} that the journal does not have:"
    if gap.kind == "late_steps":
        return f"{steps} came after the turn's end was recorded, which does not list {_them(gap)}:"
    if gap.kind == "lost_parent":
        return f"{steps} ran inside of a step that the journal does not have, and so {_stand(gap)} at the top:"
    if gap.kind == "unreadable":
        return f"Dify's records could not be read at {at}:"
    return _GAPS[gap.kind]


def time_gap_words(gap: TimeGap, zone: tzinfo | None) -> str:
    """What may be missing between turns, as a sentence."""
    since = date_text(gap.since, zone) if gap.since is not None else "the beginning"
    until = date_text(gap.until, zone) if gap.until is not None else "a moment that is not known"
    what, reason = one_line(gap.what), one_line(gap.reason)
    return f"Between {since} and {until}, in Dify's {what}: {reason}. Turns may be missing here."


def _them(gap: Gap) -> str:
    return "it" if len(gap.steps) == 1 else "them"


def _stand(gap: Gap) -> str:
    return "stands" if len(gap.steps) == 1 else "stand"
