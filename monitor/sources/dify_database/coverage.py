"""How safe what Dify holds is from Dify's own clean-up: the purge-safe mark, and what is said about it.

Up to the purge-safe mark every row was read, told and settled: rows before may be deleted in Dify without loss. Called
by the reader: `look_at_oldest` before a reading moves its marks, `tell_coverage` after it did.
"""

from __future__ import annotations

import contextlib

import msgspec

from monitor.model import COVERAGE_KEY, Coverage, CoverageChanged, SourceGap
from monitor.model.ids import note_key
from monitor.sources.dify_database.sheet import Sheet
from monitor.sources.dify_database.state import Place, State
from monitor.sources.dify_database.tables import Table

__all__ = ["look_at_oldest", "purge_safe_us", "tell_coverage"]

_S = 1_000_000
_HOUR_US = 3_600 * _S
_DAY_US = 86_400 * _S
_LOOK_EVERY_US = 60 * _S
_EXTERNAL_EVERY_US = 600 * _S
_CATCHING_UP_US = 600 * _S
"""Who reads on for so long is behind, and not just starting."""
_A_MINUTE_NS = 60_000_000_000
_TIMES = ("at", "purge_safe_at", "oldest_at", "checked_since", "checked_until", "checked_at")
_TABLES: tuple[Table, ...] = ("messages", "workflow_runs")
_OVERTAKEN = "rows were deleted before they were read"


def look_at_oldest(sheet: Sheet, *, scan_runs: bool, whole: bool) -> None:
    """Once a minute: what Dify's oldest row says about its clean-up, and whether that has overtaken us.

    Before every scan of a table that is not read to its end lately, too: the scan moves the mark over what was deleted,
    and then nobody could tell.
    """
    state, now_us = sheet.state, sheet.now_us
    is_due = whole or now_us >= state.oldest_next_us
    oldest: dict[Table, int] = {}
    for table in _TABLES:
        place = _place(state, table)
        scanned = scan_runs or table == "messages"
        if not is_due and not (scanned and _is_catching_up(sheet, place)):
            continue
        us = sheet.tables.oldest_us(table)
        _look_for_a_hole(sheet, table, place, us if us is not None or not scanned else _first_us(sheet, table, place))
        if us is not None:
            oldest[table] = us
    if is_due:
        _look_at_the_clean_up(sheet, oldest)


def _look_at_the_clean_up(sheet: Sheet, oldest: dict[Table, int]) -> None:
    state, now_us = sheet.state, sheet.now_us
    state.oldest_next_us = now_us + _LOOK_EVERY_US
    for table, us in oldest.items():
        _observe(sheet, table, us)
    state.oldest = {str(table): us for table, us in oldest.items()}
    if now_us >= state.external_next_us:
        state.external_next_us = now_us + _EXTERNAL_EVERY_US
        state.external_runs = sheet.tables.external_runs()


def _place(state: State, table: Table) -> Place:
    return state.messages if table == "messages" else state.runs


def _is_catching_up(sheet: Sheet, place: Place) -> bool:
    """Whether there is more to read than what was written lately."""
    return place.seen_a_row and (place.behind or sheet.now_us - place.reached_us > sheet.limits.sweep_us)


def _first_us(sheet: Sheet, table: Table, place: Place) -> int | None:
    """Creation of the first row, where no index says which that is, or where there is none though some were unread.

    It may cost a look at all of them, so only where the row at the mark is gone.
    """
    mark, tables = place.mark, sheet.tables
    if mark is None or not _is_catching_up(sheet, place):
        return None
    states, keys = (
        (tables.message_states, tables.message_keys) if table == "messages" else (tables.run_states, tables.run_keys)
    )
    if states([mark.id]):
        return None
    first = [key.us for key in keys(None, 1)]
    return first[0] if first else sheet.now_us if place.behind else None


def _look_for_a_hole(sheet: Sheet, table: Table, place: Place, oldest_us: int | None) -> None:
    """A gap, where all up to beyond our mark is gone, and more of it than was safe to go."""
    state, limits = sheet.state, sheet.limits
    reached_us = place.reached_us
    if not place.seen_a_row or place.mark is None or place.mark.us <= 0 or oldest_us is None:
        return
    if oldest_us <= reached_us + (0 if place.behind else limits.sweep_us):
        return
    unsafe_row_is_gone = place.behind or place.mark.us > _safe_us(place, limits.sweep_us)
    retention_us = limits.dify_retention_us
    by_age = sheet.now_us - retention_us > reached_us if retention_us else sheet.now_us - oldest_us >= _DAY_US
    if not unsafe_row_is_gone and not by_age:
        return  # as far as anybody can tell, only what was safe went
    _say(sheet, "overtaken", purge_safe_us(sheet.state, limits.sweep_us))
    state.lost += 1
    until_us = max(reached_us, min(oldest_us, sheet.now_us))
    body = SourceGap(what=table, reason=_OVERTAKEN, since=max(0, reached_us) * 1000, until=max(0, until_us) * 1000)
    sheet.tell(note_key(f"source:{sheet.source_name}", "gap", f"{table} {reached_us}"), body)


def _observe(sheet: Sheet, table: Table, oldest_us: int) -> None:
    """How long Dify keeps rows: seen when one that we know goes and nothing older is left. Its settings are in days."""
    state, age_us = sheet.state, sheet.now_us - oldest_us
    before_us, kept_us = state.oldest.get(table, 0), state.retention.get(table, 0)
    if 0 < before_us < oldest_us - _HOUR_US:
        if age_us >= _DAY_US and sheet.held_between(table, before_us, before_us + 1, 1):
            state.retention = {**state.retention, table: age_us}
    elif kept_us and age_us > kept_us + 2 * _DAY_US:  # whatever it was that deleted, it does not go on
        state.retention = {name: us for name, us in state.retention.items() if name != table}


def _safe_us(place: Place, sweep_us: int) -> int:
    """Up to here every row of the table was seen, also those that came late."""
    return max(0, place.reached_us - sweep_us)


def purge_safe_us(state: State, sweep_us: int, untold_us: int | None = None) -> int:
    """Up to here every row was read, told and settled. `untold_us`: the first row that this reading had no room for."""
    begun = [entry.since_us for entry in state.watched.values() if entry.phase != "abandoned"]
    marks = [_safe_us(state.messages, sweep_us), _safe_us(state.runs, sweep_us)]
    return max(0, min([*marks, *begun, *([untold_us] if untold_us is not None else [])]))


def tell_coverage(sheet: Sheet, untold_us: int | None, *, registers: bool) -> None:
    """Say it when the state changes, and remember the rest for `monitor status`."""
    state, limits = sheet.state, sheet.limits
    safe_us = purge_safe_us(state, limits.sweep_us, untold_us)
    if registers and not state.registered:
        safe_us = 0  # what lies beside the turns, such as ratings, would go with them
    safe_us = min(safe_us, sheet.now_us - limits.sweep_us)
    is_known = _is_known_by_now(sheet)
    is_at_risk = _is_at_risk(sheet, safe_us) and (is_known or state.coverage == "at_risk")
    if state.coverage != "overtaken" or not sheet.more:
        _say(sheet, "at_risk" if is_at_risk else "safe", safe_us)
    _remember(sheet, safe_us)


def _is_known_by_now(sheet: Sheet) -> bool:
    """Whether reading has come to its end, or could have: at the first start all of a history is not safe yet."""
    state = sheet.state
    if sheet.more or state.messages.behind or state.runs.behind:
        state.catching_up_us = state.catching_up_us or sheet.now_us
        return sheet.now_us - state.catching_up_us > _CATCHING_UP_US
    state.catching_up_us = 0
    return True


def _is_at_risk(sheet: Sheet, safe_us: int) -> bool:
    """Whether Dify's clean-up will reach within a day (of a short retention: half of it) what is not safe to go."""
    for table in _TABLES:
        kept_us, oldest_us = _retention_us(sheet, table), sheet.state.oldest.get(table, 0)
        reaches_us = sheet.now_us - kept_us + min(_DAY_US, kept_us // 2)
        is_old = 0 < oldest_us < reaches_us or (not oldest_us and safe_us > 0)
        if kept_us and safe_us < reaches_us and is_old:
            return True
    return False


def _retention_us(sheet: Sheet, table: Table) -> int:
    return sheet.limits.dify_retention_us or sheet.state.retention.get(table, 0)


def _say(sheet: Sheet, coverage: str, safe_us: int) -> None:
    state = sheet.state
    if coverage == state.coverage:
        return
    body = CoverageChanged(
        source=sheet.source_name,
        state=coverage,
        purge_safe_at=max(0, safe_us) * 1000,
        oldest_at=state.oldest_us * 1000,
        retention_ns=min((us for table in _TABLES if (us := _retention_us(sheet, table))), default=0) * 1000,
    )
    sheet.tell(note_key(f"source:{sheet.source_name}", "coverage", "-", state.coverage_told), body)
    state.coverage, state.coverage_told = coverage, state.coverage_told + 1


def _remember(sheet: Sheet, safe_us: int) -> None:
    """As JSON, for `monitor status` and the metrics; not for the sake of seconds."""
    state = sheet.state
    coverage = Coverage(
        at=sheet.now_us * 1000,
        purge_safe_at=max(0, safe_us) * 1000,
        oldest_at=state.oldest_us * 1000,
        state=state.coverage,
        checked_since=state.checked_since_us * 1000,
        checked_until=state.checked_until_us * 1000,
        checked_at=state.checked_at_us * 1000,
        compared=state.compared,
        repaired=state.repaired,
        missing=state.missing + state.unread,
        gaps=state.unread + state.lost,
        deleted=state.deleted,
        left_out=state.left_out,
        external_runs=state.external_runs,
    )
    known = sheet.entries([COVERAGE_KEY]).get(COVERAGE_KEY)
    if known is None or _differs(known, coverage):
        sheet.put(COVERAGE_KEY, msgspec.json.encode(coverage))


def _differs(known: bytes, coverage: Coverage) -> bool:
    with contextlib.suppress(msgspec.DecodeError):
        said = msgspec.json.decode(known, type=Coverage)
        moved = max(abs(getattr(said, name) - getattr(coverage, name)) for name in _TIMES)
        same = {name: getattr(coverage, name) for name in _TIMES}
        return moved > _A_MINUTE_NS or msgspec.structs.replace(said, **same) != coverage
    return True
