"""Reads the file that Kibana imports, and asks Elasticsearch what its panels ask.

Only as much of Lens as our panels use. Kibana's own requests are larger; what they count, sum and measure is this.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.support import kql

__all__ = [
    "Chart",
    "Formula",
    "Search",
    "charts",
    "controls",
    "formula",
    "markdown",
    "panels",
    "read",
    "searches",
    "views",
]

Object = dict[str, Any]
_LAYER = "indexpattern-datasource-layer-"
_PART = re.compile(r"\s*(count|sum)\(\s*([\w.@]*?)\s*,?\s*(?:kql='([^']*)')?\s*\)\s*")


def read(text: str) -> list[Object]:
    """Every object of the file."""
    return [json.loads(line) for line in text.splitlines()]


def views(objects: list[Object]) -> dict[str, Object]:
    """The data views' attributes, by id."""
    return {each["id"]: each["attributes"] for each in objects if each["type"] == "index-pattern"}


def panels(dashboard: Object) -> list[Object]:
    """The panels of a dashboard."""
    return json.loads(dashboard["attributes"]["panelsJSON"])


def controls(dashboard: Object) -> list[Object]:
    """What its controls are, in the order in which they stand."""
    group = dashboard["attributes"].get("controlGroupInput", {"panelsJSON": "{}"})
    return [
        each["explicitInput"] for each in sorted(json.loads(group["panelsJSON"]).values(), key=lambda x: x["order"])
    ]


def markdown(panel: Object) -> str:
    """The text of a panel of words; empty for others."""
    return panel["embeddableConfig"].get("savedVis", {}).get("params", {}).get("markdown", "")


@dataclass(frozen=True)
class Formula:
    """A ratio: operation, field and condition of what is above and below."""

    above: tuple[str, str, str]
    below: tuple[str, str, str]


def formula(text: str) -> Formula:
    """What the text of a formula says. Raises ValueError."""
    first = _PART.match(text)
    second = first and _PART.fullmatch(text, first.end() + 1)
    if not first or not second or text[first.end()] != "/":
        raise ValueError(f"no ratio: {text}")
    return Formula((first[1], first[2], first[3] or ""), (second[1], second[2], second[3] or ""))


@dataclass(frozen=True)
class Search:
    """A saved search."""

    id: str
    view: str
    kql: str
    columns: tuple[str, ...]
    sort: tuple[tuple[str, str], ...]

    def request(self) -> dict[str, Any]:
        """The documents as Discover asks for them."""
        return {
            "size": 500,
            "query": kql.query(self.kql),
            "fields": [{"field": each} for each in self.columns],
            "sort": [{field: {"order": order, "unmapped_type": "boolean"}} for field, order in self.sort],
            "_source": False,
        }


def searches(objects: list[Object]) -> list[Search]:
    """The saved searches."""
    found = []
    for each in objects:
        if each["type"] == "search":
            source = json.loads(each["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"])
            (view,) = [ref["id"] for ref in each["references"] if ref["name"] == source["indexRefName"]]
            shown = each["attributes"]
            sort = tuple((field, order) for field, order in shown["sort"])
            found.append(Search(each["id"], view, source["query"]["query"], tuple(shown["columns"]), sort))
    return found


@dataclass(frozen=True)
class Chart:
    """A Lens panel: the data view that it asks, its condition and its columns."""

    board: str
    id: str
    title: str
    kind: str
    view: str
    kql: str
    columns: dict[str, Object]
    order: tuple[str, ...]
    visual: dict[str, Any]

    @property
    def buckets(self) -> list[str]:
        """The columns that split, outermost first."""
        return [each for each in self.order if self.columns[each]["isBucketed"]]

    @property
    def measured(self) -> list[str]:
        """The columns that Elasticsearch computes; formulas and what holds them together are worked out after."""
        computed = {"formula", "math"}
        return [
            each
            for each in self.order
            if not self.columns[each]["isBucketed"] and self.columns[each]["operationType"] not in computed
        ]

    @property
    def shown(self) -> list[str]:
        """The columns that people see."""
        hidden = re.compile(r"\w+X\d+")
        return [each for each in self.order if not hidden.fullmatch(each)]

    def conditions(self) -> list[str]:
        """Every condition in it."""
        return [self.kql, *(column["filter"]["query"] for column in self.columns.values() if "filter" in column)]

    def request(self) -> dict[str, Any]:
        """What Elasticsearch is asked."""
        measures = {name: self._measure(self.columns[name]) for name in self.measured}
        aggregations: dict[str, Any] = {}
        for name in reversed(self.buckets):  # measured at every level, as each is ordered by what is measured there
            aggregations = {name: self._bucket(self.columns[name]) | {"aggs": measures | aggregations}}
        aggregations = aggregations or measures
        return {"size": 0, "track_total_hits": True, "query": kql.query(self.kql), "aggs": aggregations}

    def rows(self, answer: dict[str, Any]) -> list[dict[str, Any]]:
        """What Kibana shows of the answer: a value for each column that people see."""
        return list(self._rows({"doc_count": answer["hits"]["total"]["value"], **answer["aggregations"]}, self.buckets))

    def _rows(self, node: dict[str, Any], left: list[str]) -> Iterator[dict[str, Any]]:
        if left:
            for bucket in node[left[0]]["buckets"]:
                for row in self._rows(bucket, left[1:]):
                    yield {left[0]: bucket["key"], **row}
            return
        values = {name: _value(node[name]) for name in self.measured}
        for name, column in self.columns.items():
            if column["operationType"] == "formula":
                above, below = (values[each] for each in self.columns[column["references"][0]]["references"])
                values[name] = above / below if below else None
        yield {name: values[name] for name in self.shown if name in values}

    def _bucket(self, column: Object) -> dict[str, Any]:
        if column["operationType"] == "date_histogram":
            return {"date_histogram": {"field": column["sourceField"], "fixed_interval": "1h"}}
        params = column["params"]
        order = self.columns[params["orderBy"]["columnId"]]
        by = {f"{params['orderBy']['columnId']}{'.doc_count' if _counts(order) else ''}": params["orderDirection"]}
        return {"terms": {"field": column["sourceField"], "size": params["size"], "order": by}}

    def _measure(self, column: Object) -> dict[str, Any]:
        condition = kql.query(column.get("filter", {}).get("query", ""))
        if _counts(column):
            return {"filter": condition}
        field = {"field": column["sourceField"]}
        made = {
            "sum": {"sum": field},
            "max": {"max": field},
            "unique_count": {"cardinality": field},
            "percentile": {"percentiles": field | {"percents": [column["params"].get("percentile")]}},
        }[column["operationType"]]
        return {"filter": condition, "aggs": {"inner": made}} if "filter" in column else made


def _counts(column: Object) -> bool:
    return column["operationType"] == "count"


def _value(node: dict[str, Any]) -> Any:
    if "inner" in node:
        return _value(node["inner"])
    if "values" in node:
        return next(iter(node["values"].values()))
    return node["value"] if "value" in node else node["doc_count"]


def charts(objects: list[Object]) -> list[Chart]:
    """Every Lens panel of every dashboard."""
    return [
        _chart(each, panel)
        for each in objects
        if each["type"] == "dashboard"
        for panel in panels(each)
        if panel["type"] == "lens"
    ]


def _chart(dashboard: Object, panel: Object) -> Chart:
    attributes = panel["embeddableConfig"]["attributes"]
    state = attributes["state"]
    ((layer_id, layer),) = state["datasourceStates"]["formBased"]["layers"].items()
    named = f"{panel['panelIndex']}:{_LAYER}{layer_id}"
    (view,) = [each["id"] for each in dashboard["references"] if each["name"] == named]
    return Chart(
        dashboard["id"],
        panel["panelIndex"],
        panel["title"],
        attributes["visualizationType"],
        view,
        state["query"]["query"],
        layer["columns"],
        tuple(layer["columnOrder"]),
        state["visualization"],
    )
