"""All objects, and the file in which Kibana imports them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from monitor.sinks.elasticsearch.kibana.app import board as app
from monitor.sinks.elasticsearch.kibana.boards import dashboard
from monitor.sinks.elasticsearch.kibana.cost import board as cost
from monitor.sinks.elasticsearch.kibana.overview import board as overview
from monitor.sinks.elasticsearch.kibana.place import Place, as_text
from monitor.sinks.elasticsearch.kibana.searches import SEARCHES, saved_search
from monitor.sinks.elasticsearch.kibana.story import board as story
from monitor.sinks.elasticsearch.kibana.tools import board as tools
from monitor.sinks.elasticsearch.kibana.views import VIEWS, data_view

__all__ = ["BOARDS", "ndjson", "objects"]

BOARDS = (overview, app, tools, cost, story)
"""Each takes the place, as text on a dashboard links to others."""


def objects(place: Place) -> list[dict[str, Any]]:
    """Data views, saved searches and dashboards: each after what it mentions, dashboards in no order."""
    return [
        *(data_view(view, place) for view in VIEWS),
        *(saved_search(search, place) for search in SEARCHES),
        *(dashboard(board(place), place) for board in BOARDS),
    ]


def ndjson(objects: Iterable[dict[str, Any]]) -> str:
    """The file: an object a line. The same objects are always the same text."""
    return "".join(f"{as_text(each)}\n" for each in objects)
