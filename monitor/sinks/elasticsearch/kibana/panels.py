"""Panels of a dashboard: numbers, charts, tables, saved searches, text. Pure data; `boards.py` gives them a place."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from monitor.sinks.elasticsearch.kibana.columns import Column, Columns, Ratio, expanded
from monitor.sinks.elasticsearch.kibana.kql import ALL
from monitor.sinks.elasticsearch.kibana.place import Place, Reference, View, reference

__all__ = ["Panel", "chart", "figure", "found", "table", "text"]

_LAYER = "main"
_LAYER_NAME = f"indexpattern-datasource-layer-{_LAYER}"
Series = Literal["bar_stacked", "bar_horizontal", "line"]


class Panel(NamedTuple):
    """What a dashboard shows in one place."""

    id: str
    """Unique in its dashboard."""
    title: str
    type: str
    config: dict[str, Any]
    view: View | None = None
    """The data view that it asks, of a chart."""
    search: str = ""
    """The saved search that it shows."""
    leads_to: tuple[str, str] = ("", "")
    """The dashboard that a value of it opens, and what the menu calls that."""

    def references(self, place: Place) -> list[Reference]:
        """What the panel mentions, under the names that its dashboard has for them."""
        named: list[Reference] = []
        if self.view is not None:
            named.append(reference(_LAYER_NAME, "index-pattern", place.id(self.view)))
        if self.search:
            named.append(reference(f"panel_{self.id}", "search", place.id(self.search)))
        if self.leads_to[0]:
            name = f"drilldown:DASHBOARD_TO_DASHBOARD_DRILLDOWN:{self.id}:dashboardId"
            named.append(reference(name, "dashboard", place.id(self.leads_to[0])))
        return [each | {"name": f"{self.id}:{each['name']}"} for each in named]

    def saved(self, place: Place, grid: dict[str, Any]) -> dict[str, Any]:
        """The panel as its dashboard keeps it."""
        # Kibana up to 8.15 reads the title beside the panel's settings, later ones among them too.
        config = {**self.config, "title": self.title}
        if self.view is not None:
            own = [reference(_LAYER_NAME, "index-pattern", place.id(self.view))]
            config["attributes"] = {**config["attributes"], "references": own}
        config["enhancements"] = {"dynamicActions": {"events": [self._opening()]}} if self.leads_to[0] else {}
        panel = {
            "type": self.type,
            "panelIndex": self.id,
            "gridData": {**grid, "i": self.id},
            "title": self.title,
            "embeddableConfig": config,
        }
        return panel | ({"panelRefName": f"panel_{self.id}"} if self.search else {})

    def _opening(self) -> dict[str, Any]:
        return {
            "eventId": self.id,
            "triggers": ["FILTER_TRIGGER"],
            "action": {
                "factoryId": "DASHBOARD_TO_DASHBOARD_DRILLDOWN",
                "name": self.leads_to[1],
                "config": {"openInNewTab": False, "useCurrentDateRange": True, "useCurrentFilters": True},
            },
        }


def figure(
    name: str, title: str, view: View, column: Column | Ratio, *, split: Column | None = None, kql: str = ALL
) -> Panel:
    """One number, or one for each value of `split`, whose order must name the column `value`."""
    columns: Columns = {"split": split, "value": column} if split else {"value": column}
    visual: dict[str, Any] = {"layerId": _LAYER, "layerType": "data", "metricAccessor": "value"}
    if split:
        visual |= {"breakdownByAccessor": "split", "maxCols": 3}
    return _lens(name, title, view, kind="lnsMetric", columns=columns, visual=visual, kql=kql)


def chart(
    name: str,
    title: str,
    view: View,
    columns: Columns,
    *,
    series: Series = "line",
    kql: str = ALL,
) -> Panel:
    """A chart: the column `x` along the axis, `split` a series for each of its values, all others measured."""
    measured = [each for each in columns if each not in {"x", "split"}]
    layer: dict[str, Any] = {
        "layerId": _LAYER,
        "layerType": "data",
        "seriesType": series,
        "xAccessor": "x",
        "accessors": measured,
        "position": "top",
        "showGridlines": False,
    }
    if "split" in columns:
        layer["splitAccessor"] = "split"
    visual = {
        "layers": [layer],
        "preferredSeriesType": series,
        "legend": {"isVisible": "split" in columns or len(measured) > 1, "position": "bottom"},
        "valueLabels": "hide",
        "fittingFunction": "None",
        "axisTitlesVisibilitySettings": {"x": False, "yLeft": False, "yRight": False},
        "tickLabelsVisibilitySettings": {"x": True, "yLeft": True, "yRight": True},
        "gridlinesVisibilitySettings": {"x": False, "yLeft": True, "yRight": False},
    }
    return _lens(name, title, view, kind="lnsXY", columns=columns, visual=visual, kql=kql)


def table(
    name: str,
    title: str,
    view: View,
    columns: Columns,
    *,
    kql: str = ALL,
    leads_to: tuple[str, str] = ("", ""),
) -> Panel:
    """A table: a row for each value of the columns that split, in the order in which the columns stand."""
    shown = [
        {"columnId": each, "isTransposed": False, "isMetric": isinstance(column, Ratio) or not column["isBucketed"]}
        for each, column in columns.items()
    ]
    visual = {
        "layerId": _LAYER,
        "layerType": "data",
        "columns": shown,
        "paging": {"enabled": True, "size": 10},
        "rowHeight": "single",
        "headerRowHeight": "single",
    }
    return _lens(name, title, view, kind="lnsDatatable", columns=columns, visual=visual, kql=kql)._replace(
        leads_to=leads_to
    )


def found(name: str, title: str, search: str) -> Panel:
    """The documents that a saved search finds."""
    return Panel(name, title, "search", {}, search=search)


def text(name: str, title: str, markdown: str) -> Panel:
    """Words of ours."""
    visual = {
        "id": "",
        "title": "",
        "description": "",
        "type": "markdown",
        "params": {"fontSize": 12, "markdown": markdown, "openLinksInNewTab": False},
        "uiState": {},
        "data": {"aggs": [], "searchSource": {"query": _query(ALL), "filter": []}},
    }
    return Panel(name, title, "visualization", {"savedVis": visual})


def _lens(name: str, title: str, view: View, *, kind: str, columns: Columns, visual: dict[str, Any], kql: str) -> Panel:
    all_columns = expanded(columns)
    # What splits stands first, and in the order given; parts of formulas after all that is shown.
    order = sorted(all_columns, key=lambda each: (not all_columns[each]["isBucketed"], each not in columns))
    layer = {"columnOrder": order, "columns": all_columns, "incompleteColumns": {}, "sampling": 1}
    attributes = {
        "title": title,
        "description": "",
        "type": "lens",
        "visualizationType": kind,
        "state": {
            "adHocDataViews": {},
            "internalReferences": [],
            "datasourceStates": {
                "formBased": {"layers": {_LAYER: layer}},
                "indexpattern": {"layers": {}},
                "textBased": {"layers": {}},
            },
            "filters": [],
            "query": _query(kql),
            "visualization": visual,
        },
    }
    return Panel(name, title, "lens", {"attributes": attributes, "hidePanelTitles": False}, view)


def _query(kql: str) -> dict[str, str]:
    return {"language": "kuery", "query": kql}
