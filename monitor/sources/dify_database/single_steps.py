"""Nodes tried out alone in Dify's editor: few rows, looked at for as long as one can run. Called by the reader."""

from __future__ import annotations

from monitor.model import TurnRef
from monitor.normalise.rows import Definition, NodeRow
from monitor.normalise.text import clean
from monitor.normalise.values import ns_of_us
from monitor.sources.dify_database.sheet import Sheet
from monitor.sources.dify_database.telling import Teller

__all__ = ["tell_single_steps"]

_S = 1_000_000
_WINDOW_US = 1_800 * _S
_EVERY_US = 30 * _S
"""Looking for them costs a look at every draft."""
_INVOKE_FROM = "debugger"


def tell_single_steps(sheet: Sheet, teller: Teller) -> None:
    """Tell those that are over and were not told, if it is time to look for them."""
    state, tables = sheet.state, sheet.tables
    if sheet.now_us < state.steps_next_us:
        return
    since = max(state.since_us, state.steps_us - _WINDOW_US)
    asked = sheet.limit + len(state.recent_steps)
    keys = tables.single_step_keys(since, asked)
    full = len(keys) >= asked
    sheet.more = sheet.more or full
    fresh = [key for key in keys if key.id not in state.recent_steps]
    state.steps_next_us = 0 if full else sheet.now_us + _EVERY_US
    if not fresh:
        return
    state.steps_us = max(state.steps_us, min(max(key.us for key in fresh), sheet.now_us))
    floor = state.steps_us - _WINDOW_US
    seen = state.recent_steps | {key.id: key.us for key in fresh}
    state.recent_steps = {row_id: us for row_id, us in seen.items() if us >= floor}
    rows = tables.single_steps([key.id for key in fresh])
    definitions, apps = tables.definitions({row.workflow_id for row in rows}), tables.apps()
    for row in rows:
        if teller.admits(apps.get(row.app_id), _INVOKE_FROM):
            definition = definitions.get(row.workflow_id, Definition())
            teller.single_step(sheet, _ref(row, definition), row, definition.nodes)
        else:
            state.left_out += 1


def _ref(row: NodeRow, definition: Definition) -> TurnRef:
    """A turn of its own, named by its node."""
    return TurnRef(
        turn_id=row.id,
        tenant_id=row.tenant_id,
        app_id=row.app_id,
        app_name=clean(row.app_name),
        mode=clean(row.mode) or "workflow",
        started_at=ns_of_us(row.created_us),
        invoke_from=_INVOKE_FROM,
        workflow_id=row.workflow_id,
        tenant_name=clean(row.tenant_name),
        config_hash=definition.hash,
    )
