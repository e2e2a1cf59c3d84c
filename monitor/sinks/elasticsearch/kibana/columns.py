"""Columns of Lens: what is counted, summed or measured, and by what it is split. Pure data.

A formula is kept as its text and, as Kibana keeps it, as the columns that it is made of.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from monitor.sinks.elasticsearch.kibana.kql import ALL

__all__ = [
    "Column",
    "Columns",
    "Part",
    "Ratio",
    "by",
    "count",
    "expanded",
    "last",
    "over_time",
    "percentile",
    "total",
    "unique",
]

Column = dict[str, Any]
_RECORDS = "___records___"
_PERCENT = {"id": "percent", "params": {"decimals": 1}}


class Part(NamedTuple):
    """One side of a ratio: how many documents, or the sum of a field."""

    kql: str = ALL
    field: str = ""

    @property
    def text(self) -> str:
        """As it stands in a formula."""
        name = "sum" if self.field else "count"
        arguments = filter(None, (self.field, f"kql='{self.kql}'" if self.kql else ""))
        return f"{name}({', '.join(arguments)})"


class Ratio(NamedTuple):
    """A formula: one part divided by another."""

    label: str
    above: Part
    below: Part
    percent: bool = True

    @property
    def text(self) -> str:
        """As people see it in Lens."""
        return f"{self.above.text} / {self.below.text}"


Columns = Mapping[str, Column | Ratio]
"""By the names that they have in their panel."""


def count(label: str, kql: str = ALL) -> Column:
    """How many documents."""
    return _number(label, "count", _RECORDS, kql, {"emptyAsNull": False})


def total(label: str, field: str, kql: str = ALL) -> Column:
    """The sum of a field."""
    return _number(label, "sum", field, kql, {"emptyAsNull": True})


def unique(label: str, field: str, kql: str = ALL) -> Column:
    """How many different values, about."""
    return _number(label, "unique_count", field, kql, {"emptyAsNull": False})


def percentile(label: str, field: str, percent: int, kql: str = ALL) -> Column:
    """What so many percent of the documents stay below."""
    return _number(label, "percentile", field, kql, {"percentile": percent})


def last(label: str) -> Column:
    """When the latest was."""
    return _number(label, "max", "@timestamp", ALL, {"emptyAsNull": True}) | {"dataType": "date"}


def by(label: str, field: str, order: str, size: int = 10, *, number: bool = False) -> Column:
    """One row or series for each value of a field; those with the most of the column `order` first."""
    return {
        "label": label,
        "customLabel": True,
        "dataType": "number" if number else "string",
        "operationType": "terms",
        "isBucketed": True,
        "scale": "ordinal",
        "sourceField": field,
        "params": {
            "size": size,
            "orderBy": {"type": "column", "columnId": order},
            "orderDirection": "desc",
            "otherBucket": False,
            "missingBucket": False,
            "parentFormat": {"id": "terms"},
            "include": [],
            "exclude": [],
            "includeIsRegex": False,
            "excludeIsRegex": False,
        },
    }


def over_time() -> Column:
    """The horizontal axis of most charts."""
    return {
        "label": "@timestamp",
        "customLabel": False,
        "dataType": "date",
        "operationType": "date_histogram",
        "isBucketed": True,
        "scale": "interval",
        "sourceField": "@timestamp",
        "params": {"interval": "auto", "includeEmptyRows": True, "dropPartials": False},
    }


def expanded(columns: Columns) -> dict[str, Column]:
    """The columns as Kibana keeps them: a formula is followed by its parts."""
    found: dict[str, Column] = {}
    for name, column in columns.items():
        found |= _formula(name, column) if isinstance(column, Ratio) else {name: column}
    return found


def _number(label: str, operation: str, field: str, kql: str, params: dict[str, Any]) -> Column:
    found: Column = {
        "label": label,
        "customLabel": True,
        "dataType": "number",
        "operationType": operation,
        "isBucketed": False,
        "scale": "ratio",
        "sourceField": field,
        "params": params,
    }
    return found | {"filter": {"language": "kuery", "query": kql}} if kql else found


def _formula(name: str, ratio: Ratio) -> dict[str, Column]:
    text = ratio.text
    above, below, divided = f"{name}X0", f"{name}X1", f"{name}X2"
    shared: Column = {"customLabel": True, "dataType": "number", "isBucketed": False, "scale": "ratio"}
    params: dict[str, Any] = {"formula": text, "isFormulaBroken": False}
    if ratio.percent:
        params["format"] = _PERCENT
    division = {
        "type": "function",
        "name": "divide",
        "args": [above, below],
        "location": {"min": 0, "max": len(text)},
        "text": text,
    }
    return {
        name: {
            **shared,
            "label": ratio.label,
            "operationType": "formula",
            "params": params,
            "references": [divided],
        },
        above: _part(ratio.above, text),
        below: _part(ratio.below, text),
        divided: {
            **shared,
            "label": f"Part of {text}",
            "operationType": "math",
            "params": {"tinymathAst": division},
            "references": [above, below],
        },
    }


def _part(part: Part, formula: str) -> Column:
    found = total("", part.field, part.kql) if part.field else count("", part.kql)
    return found | {"label": f"Part of {formula}", "params": {"emptyAsNull": False}}
