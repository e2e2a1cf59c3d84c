"""A dashboard: panels in rows on Kibana's grid of 48 columns, and controls by which a reader chooses. Pure data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from monitor.sinks.elasticsearch.kibana.panels import Panel
from monitor.sinks.elasticsearch.kibana.place import Place, Reference, View, as_text, reference, saved_object

__all__ = ["COLUMNS", "Board", "Control", "Row", "dashboard"]

COLUMNS = 48
_CONTROL = "optionsListDataView"


class Row(NamedTuple):
    """Panels beside each other, as wide as each other unless `widths` says so."""

    height: int
    """In rows of the grid, of about 20 pixels."""
    panels: Sequence[Panel]
    widths: Sequence[int] = ()


class Control(NamedTuple):
    """A list from which one value of a field is chosen; the lists after it show only what is left."""

    field: str
    title: str
    view: View = "turns"


class Board(NamedTuple):
    """A dashboard, wherever it stands."""

    name: str
    title: str
    description: str
    rows: Sequence[Row]
    controls: Sequence[Control] = ()
    since: str = "now-24h"
    """What of the past it shows when it is opened."""


def dashboard(board: Board, place: Place) -> dict[str, Any]:
    """The saved object."""
    placed = list(_placed(board.rows))
    references = [each for panel, _ in placed for each in panel.references(place)]
    attributes: dict[str, Any] = {
        "title": place.title(board.title),
        "description": board.description,
        "panelsJSON": as_text([panel.saved(place, grid) for panel, grid in placed]),
        "optionsJSON": as_text(
            {
                "useMargins": True,
                "hidePanelTitles": False,
                "syncColors": True,
                "syncCursor": True,
                "syncTooltips": False,
            }
        ),
        "kibanaSavedObjectMeta": {
            "searchSourceJSON": as_text({"query": {"language": "kuery", "query": ""}, "filter": []})
        },
        "timeRestore": True,
        "timeFrom": board.since,
        "timeTo": "now",
        "version": 1,
    }
    if board.controls:
        attributes["controlGroupInput"] = _controls(board.controls, place)
        references += _of_controls(board.controls, place)
    return saved_object("dashboard", place.id(board.name), attributes, references)


def _placed(rows: Sequence[Row]) -> Iterator[tuple[Panel, dict[str, Any]]]:
    below = 0
    for row in rows:
        beside = 0
        widths = row.widths or [COLUMNS // len(row.panels)] * len(row.panels)
        for panel, width in zip(row.panels, widths, strict=True):
            yield panel, {"x": beside, "y": below, "w": width, "h": row.height}
            beside += width
        below += row.height


def _controls(controls: Sequence[Control], place: Place) -> dict[str, Any]:
    kept = {
        _name(control): {
            "type": "optionsListControl",
            "order": number,
            "width": "medium",
            "grow": True,
            "explicitInput": {
                "id": _name(control),
                "dataViewId": place.id(control.view),
                "fieldName": control.field,
                "title": control.title,
                "selectedOptions": [],
                "singleSelect": True,
                "searchTechnique": "prefix",
                "sort": {"by": "_count", "direction": "desc"},
                "runPastTimeout": False,
            },
        }
        for number, control in enumerate(controls)
    }
    nothing_ignored = dict.fromkeys(("ignoreFilters", "ignoreQuery", "ignoreTimerange", "ignoreValidations"), False)
    return {
        "chainingSystem": "HIERARCHICAL",
        "controlStyle": "oneLine",
        "ignoreParentSettingsJSON": as_text(nothing_ignored),
        "panelsJSON": as_text(kept),
    }


def _of_controls(controls: Sequence[Control], place: Place) -> list[Reference]:
    return [
        reference(f"controlGroup_{_name(control)}:{_CONTROL}", "index-pattern", place.id(control.view))
        for control in controls
    ]


def _name(control: Control) -> str:
    return control.field.replace(".", "-")
