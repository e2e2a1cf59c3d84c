"""A server that speaks as much Elasticsearch as the sink and its setup ask for, in the test's hands."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from monitor.testing.servers import Answer, LocalServer, Request

__all__ = ["FakeElasticsearch", "Items", "documents_of"]

_PRODUCT = {"x-elastic-product": "Elasticsearch", "content-type": "application/json"}
_WRAPPED = {
    "/_component_template/": ("component_templates", "component_template"),
    "/_index_template/": ("index_templates", "index_template"),
}


@dataclass(frozen=True)
class Items(Answer):
    """An answer to a bulk request, item by item: these statuses and errors first, success for the rest."""

    told: tuple[tuple[int, str, str], ...] = ()
    """Status, and the error's type and reason."""


class FakeElasticsearch(LocalServer):
    """Accepts everything until told otherwise; keeps what is put under a path."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[str, Any] = {}
        self.stubborn: dict[str, tuple[int, str, str]] = {}
        """Ids of documents that are answered so in every bulk request."""

    @property
    def bulks(self) -> list[Request]:
        """The bulk requests so far."""
        return [seen for seen in self.requests if seen.path.startswith("/_bulk")]

    def install(self, *resources: Any) -> None:
        """Have these resources, as if they had been set up."""
        self.kept |= {each.path: each.body for each in resources}

    def _take(self, request: Request) -> Answer:
        is_bulk = request.path.startswith("/_bulk")
        with self._changed:
            told = self._answers[0]
        if isinstance(told, Items) and not is_bulk:
            with self._changed:
                self._requests.append(request)
            return self._spoken(request, told)
        answer = super()._take(request)
        plain = answer.status == 200 and not (answer.body or answer.echo or answer.cut or answer.hold)
        return self._spoken(request, answer) if plain else answer

    def _spoken(self, request: Request, answer: Answer) -> Answer:
        if request.path.startswith("/_bulk"):
            return _json(200, self._items(request, answer.told if isinstance(answer, Items) else ()))
        if request.path.startswith("/_security"):
            return _json(200, {"has_all_requested": True})
        path = request.path.partition("?")[0]
        if request.method == "PUT":
            self.kept[path] = json.loads(request.decoded or b"{}")
            return _json(200, {"acknowledged": True})
        if path == "/":
            return _json(200, {"version": {"number": "8.19.3"}})
        return self._found(path.replace("%2A", "*"))

    def _items(self, request: Request, told: tuple[tuple[int, str, str], ...]) -> dict[str, Any]:
        items: list[dict[str, Any]] = []
        for number, (action, _) in enumerate(documents_of(request.decoded)):
            said = told[number] if number < len(told) else self.stubborn.get(action["_id"])
            items.append({"index": {"status": 201} if said is None else _refused(*said)})
        return {"errors": True, "items": items}

    def _found(self, path: str) -> Answer:
        for start, (outer, inner) in _WRAPPED.items():
            if path.startswith(start):
                names = [name for name in self.kept if name.startswith(path.rstrip("*"))]
                exact = names if path.endswith("*") else [name for name in names if name == path]
                if not exact:
                    missing = {"error": {"type": "resource_not_found_exception"}, "status": 404}
                    return _json(404, {outer: []} if path.endswith("*") else missing)
                return _json(
                    200, {outer: [{"name": each.removeprefix(start), inner: self.kept[each]} for each in exact]}
                )
        if path in self.kept:
            return _json(200, {path.rpartition("/")[2]: self.kept[path]})
        return _json(404, {"error": {"type": "resource_not_found_exception"}, "status": 404})


def documents_of(payload: bytes) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Action and document of each entry of a bulk request."""
    lines = [json.loads(line) for line in payload.split(b"\n") if line]
    return [(action["index"], document) for action, document in zip(lines[::2], lines[1::2], strict=True)]


def _refused(status: int, kind: str, reason: str) -> dict[str, Any]:
    return {"status": status, "error": {"type": kind, "reason": reason}}


def _json(status: int, body: Any) -> Answer:
    return Answer(status, json.dumps(body).encode(), _PRODUCT)
