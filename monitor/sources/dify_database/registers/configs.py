"""Configurations: every row of `app_model_configs` and every published `workflow`, told once with what it came after.

What is in force is looked for first, so that a change is told soon however many old rows there are; then the table is
gone through, so that a replay of an old turn finds what it ran under. Texts are read only of rows that are new, or
rewritten since (`updated_at`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from monitor.model import AppRef
from monitor.normalise.config_hash import APP_CONFIG_COLUMNS, WORKFLOW_COLUMNS, config_hash
from monitor.normalise.note_configs import config_changed
from monitor.normalise.note_rows import ConfigRow
from monitor.normalise.rows import AppRow
from monitor.sources.dify_database.registers.reading import Reading
from monitor.sources.dify_database.registers.slices import SLICE_ROWS, Slice, fitting, slice_due
from monitor.sources.dify_database.registers.told import ConfigTold, unpack

__all__ = ["read_app_configs", "read_workflows"]

_MODES = {"chat": "advanced-chat"}
"""A workflow's type as its app's mode, where that is another word."""
_MAX_ROWS = 100
"""So many texts at one reading, each with that of the row before."""


class _Kind(msgspec.Struct, frozen=True):
    """One of the two tables."""

    name: str
    table: str
    slices: str
    states: str
    rows: str
    row: Callable[[tuple[Any, ...]], ConfigRow]
    in_force: Callable[[AppRow], str]


def _app_config(row: tuple[Any, ...]) -> ConfigRow:
    return ConfigRow(
        id=row[0],
        app_id=row[1],
        created_us=row[2] or 0,
        updated_us=row[3],
        created_by=row[4],
        provider=row[5],
        model_id=row[6],
        before_id=row[7],
        columns=dict(zip(APP_CONFIG_COLUMNS, row[8:], strict=True)),
    )


def _workflow(row: tuple[Any, ...]) -> ConfigRow:
    return ConfigRow(
        id=row[0],
        tenant_id=row[1],
        app_id=row[2],
        type=row[3],
        version=row[4],
        created_us=row[5] or 0,
        updated_us=row[6],
        created_by=row[7],
        marked_name=row[8],
        marked_comment=row[9],
        before_id=row[10],
        columns=dict(zip(WORKFLOW_COLUMNS, row[11:], strict=True)),
    )


_APP_CONFIGS = _Kind(
    name="config",
    table="app_model_configs",
    slices="app_config_slice",
    states="app_config_states",
    rows="app_configs",
    row=_app_config,
    in_force=lambda app: app.config_id,
)
_WORKFLOWS = _Kind(
    name="workflow",
    table="workflows",
    slices="workflow_slice",
    states="workflow_states",
    rows="workflow_versions",
    row=_workflow,
    in_force=lambda app: app.workflow_id,
)


def read_app_configs(reading: Reading) -> None:
    """How EasyUI apps are set up: what is in force, and one slice of the rest."""
    _read(reading, _APP_CONFIGS)


def read_workflows(reading: Reading) -> None:
    """Published workflows: what is in force, and one slice of the rest. Drafts are passed over."""
    _read(reading, _WORKFLOWS)


def _read(reading: Reading, kind: _Kind) -> None:
    found = slice_due(reading, kind.name, kind.slices)
    if found is None:
        return
    _in_force(reading, kind)
    if not _tell(reading, kind, found):
        reading.read_on()
    for row_id in found.gone():
        reading.drop(kind.name, row_id)
    if found.end:
        reading.go_on(kind.name, found.end)
    else:
        reading.pass_over(kind.name)


def _in_force(reading: Reading, kind: _Kind) -> None:
    """Those that apps name and that were not told yet."""
    named = sorted({row_id for app in reading.apps.values() if (row_id := kind.in_force(app))})
    known = reading.kept(kind.name, named)
    new = [row_id for row_id in named if row_id not in known][:SLICE_ROWS]
    lines = {row[0]: row for row in reading.rows(kind.states, new)}
    _tell(reading, kind, Slice(lines=lines, told={}, end=""))


def _tell(reading: Reading, kind: _Kind, found: Slice) -> bool:
    """Tell what is new within bounds, cut the slice behind it; whether that was all."""
    known = reading.kept(kind.name, found.lines)
    told = {row_id: unpack(known.get(row_id), ConfigTold) for row_id in found.lines}
    news = [
        (row_id, line[2])
        for row_id, line in sorted(found.lines.items())
        if line[1] is not None and not _is_known(told[row_id], line[1])
    ]
    chosen, whole = fitting(news[:_MAX_ROWS])
    whole = whole and len(chosen) == len(news)
    if not whole:
        found.cut(chosen[-1])
    rows = _rows(reading, kind, chosen)
    before = _rows(reading, kind, (row.before_id for row in rows.values() if told[row.id] is None))
    for row in rows.values():
        _one(reading, kind, row, before.get(row.before_id or ""), told[row.id])
    return whole


def _is_known(told: ConfigTold | None, updated_us: int) -> bool:
    return told is not None and told.updated_us == updated_us


def _rows(reading: Reading, kind: _Kind, ids: Iterable[str | None]) -> dict[str, ConfigRow]:
    return {row[0]: kind.row(row) for row in reading.rows(kind.rows, ids)}


def _one(reading: Reading, kind: _Kind, row: ConfigRow, before: ConfigRow | None, told: ConfigTold | None) -> None:
    number, was = (told.number, told.hash) if told is not None else (0, "")
    new_hash = was
    try:
        new_hash = config_hash(row.columns)
        if told is None or new_hash != was:
            at_us = row.created_us if told is None else row.updated_us
            app = _app(reading, row)
            reading.tell(config_changed(app, row, before, reading.pseudonym, was=was, at_us=at_us, number=number))
            number += 1
    except Exception as exc:  # noqa: BLE001 - one row that nobody foresaw must never stop the rest
        reading.gap(kind.table, row.id, exc, number=number)
        number += 1
    reading.keep(kind.name, row.id, ConfigTold(updated_us=row.updated_us or 0, number=number, hash=new_hash))


def _app(reading: Reading, row: ConfigRow) -> AppRef:
    """A pipeline's workflow belongs to no app: its type is then the mode."""
    app = reading.app_ref(row.app_id, row.tenant_id)
    return app if app.mode else msgspec.structs.replace(app, mode=_MODES.get(row.type, row.type))
