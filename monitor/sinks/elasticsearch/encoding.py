"""Documents to the lines of a bulk request: an action, which says where it goes, and the document itself. Pure.

Many documents have the same fields, and making a tree of each would be half the work of sending it. So the tree of a
set of fields is laid out once, as text with a gap for each value, and a document's values are put into the gaps.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from operator import itemgetter
from typing import Any

import msgspec

from monitor.normalise.document_fields import nested
from monitor.normalise.documents import Document

__all__ = ["encoded", "index_of"]

_json = msgspec.json.Encoder().encode
_BEGIN = b'{"index":{"_index":"'
_ACTION = _BEGIN + b'%b","_id":%b,"version":%d,"version_type":"external_gte"}}\n%b\n'


_Layout = tuple[bytes, Callable[[list[bytes]], Any]]
"""A tree as text, with a gap for each value, and what brings values into the order of the gaps."""


def encoded(prefix: str, document: Document) -> bytes:
    """Action and document, a line each."""
    fields = document.fields
    text, in_order = _layout(tuple(fields))
    source = text % in_order(list(map(_json, fields.values())))
    index = f"{prefix}-{document.stream}-{document.month}".encode()  # letters, digits, - _ and . alone
    return _ACTION % (index, _json(document.id), document.version, source)


def index_of(part: bytes) -> str:
    """The name of the index that an encoded document is for."""
    return part[len(_BEGIN) : part.index(b'"', len(_BEGIN))].decode()


@lru_cache(maxsize=1024)
def _layout(names: tuple[str, ...]) -> _Layout:
    """Every document has the fields that it always has and some that it may have, so there are some dozens of sets."""
    tree = nested({name: (place,) for place, name in enumerate(names)})
    order: list[int] = []
    text = _text_of(tree, order)
    chosen = itemgetter(*order)
    return text, chosen if len(order) > 1 else lambda values: (chosen(values),)


def _text_of(node: Any, order: list[int]) -> bytes:
    """The node's JSON; a leaf's place is noted, and its value left to be filled in."""
    if isinstance(node, tuple):
        order.append(node[0])
        return b"%b"
    members = (_key(name) + b":" + _text_of(below, order) for name, below in node.items())
    return b"{" + b",".join(members) + b"}"


def _key(name: str) -> bytes:
    return json.dumps(name, ensure_ascii=False).encode().replace(b"%", b"%%")
