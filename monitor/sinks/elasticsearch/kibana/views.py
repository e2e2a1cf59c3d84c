"""Data views: what Kibana knows of the aliases, with a format for each number that needs one. Pure data.

They hold no list of fields: Kibana asks Elasticsearch for it. They may be there before their indices are.
"""

from __future__ import annotations

from typing import Any, get_args

from monitor.model import semconv as s
from monitor.normalise.documents import Stream
from monitor.sinks.elasticsearch.kibana.place import Place, View, as_text, saved_object

__all__ = ["FORMATS", "VIEWS", "data_view"]

VIEWS: tuple[View, ...] = (*get_args(Stream), "turns_steps")


def _duration(unit: str) -> dict[str, Any]:
    """A length of time in the unit that reads best, such as `2.41 s`."""
    return {
        "id": "duration",
        "params": {
            "inputFormat": unit,
            "outputFormat": "humanizePrecise",
            "outputPrecision": 2,
            "includeSpaceWithSuffix": True,
            "useShortSuffix": True,
        },
    }


def _number(pattern: str) -> dict[str, Any]:
    return {"id": "number", "params": {"pattern": pattern}}


FORMATS: dict[str, dict[str, Any]] = {
    "event.duration": _duration("nanoseconds"),
    **dict.fromkeys(
        (s.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK, s.DIFY_TURN_TIME_TO_FIRST_TOKEN, s.DIFY_NODE_ELAPSED_TIME),
        _duration("seconds"),
    ),
    s.DIFY_COVERAGE_RETENTION_NS: _duration("nanoseconds"),
    **dict.fromkeys(
        (
            s.GEN_AI_USAGE_INPUT_TOKENS,
            s.GEN_AI_USAGE_OUTPUT_TOKENS,
            s.GEN_AI_USAGE_TOTAL_TOKENS,
            s.DIFY_TURN_USAGE_INPUT_TOKENS,
            s.DIFY_TURN_USAGE_OUTPUT_TOKENS,
            s.DIFY_TURN_USAGE_TOTAL_TOKENS,
        ),
        _number("0,0"),
    ),
    **dict.fromkeys((s.DIFY_USAGE_COST, s.DIFY_TURN_USAGE_COST), _number("0,0.00[0000]")),
    s.HTTP_RESPONSE_STATUS_CODE: _number("0"),
}
"""How fields are shown, in charts and tables. Money has no sign: its currency stands in a field of its own."""


def data_view(view: View, place: Place) -> dict[str, Any]:
    """The saved object of a data view."""
    attributes = {
        "title": place.alias(view),
        "name": place.alias(view).replace(",", " and "),
        "timeFieldName": "@timestamp",
        "allowNoIndex": True,
        "fieldFormatMap": as_text(FORMATS),
        "fieldAttrs": "{}",
        "fields": "[]",
        "runtimeFieldMap": "{}",
        "sourceFilters": "[]",
        "typeMeta": "{}",
    }
    return saved_object("index-pattern", place.id(view), attributes, [])
