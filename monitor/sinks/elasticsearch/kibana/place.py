"""Where the objects stand: for which prefix and in which space, and what they are called there."""

from __future__ import annotations

import json
from typing import Any, Literal, NamedTuple, get_args

from monitor.normalise.documents import Stream

__all__ = ["Place", "Reference", "View", "as_text", "reference", "saved_object"]

View = Stream | Literal["turns_steps"]
"""A data view: of one alias, or of turns and steps together, where sums need both."""

Reference = dict[str, str]
"""One object's mention of another, as Kibana keeps it: name, type and id."""

_STREAMS: tuple[Stream, ...] = get_args(Stream)
# The newest form that Kibana 8.10 knows of each type; later ones bring it up to date when they import it.
_FORMS = {"dashboard": "8.9.0", "index-pattern": "8.0.0", "search": "8.0.0"}
_CORE_FORM = "8.8.0"


class Place(NamedTuple):
    """One prefix in one space. Ids are the same each time, and no two places share one."""

    prefix: str = "dify"
    space: str = ""
    """Kibana's id of the space; empty: the default one."""

    def id(self, name: str) -> str:
        """The id of an object. No prefix and no space holds a dot, so neither can be taken for the other."""
        return ".".join(filter(None, (self.prefix, name, self.space)))

    def alias(self, view: View) -> str:
        """What a data view looks at."""
        streams = _STREAMS[:2] if view == "turns_steps" else (view,)
        return ",".join(f"{self.prefix}-{stream}" for stream in streams)

    def title(self, text: str) -> str:
        """A title by which this prefix' objects are found in Kibana's lists."""
        return f"[{self.prefix}] {text}"


def reference(name: str, kind: str, target: str) -> Reference:
    """The mention of an object under a name."""
    return {"name": name, "type": kind, "id": target}


def saved_object(kind: str, target: str, attributes: dict[str, Any], references: list[Reference]) -> dict[str, Any]:
    """An object as a line of Kibana's export holds it."""
    return {
        "type": kind,
        "id": target,
        "attributes": attributes,
        "references": references,
        "coreMigrationVersion": _CORE_FORM,
        "typeMigrationVersion": _FORMS[kind],
    }


def as_text(value: Any) -> str:
    """JSON in which the same is always the same text; Kibana keeps much of an object so."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
