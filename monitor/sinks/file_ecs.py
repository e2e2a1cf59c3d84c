"""Facts to lines for log shippers: the document that the `elasticsearch` sink would send, and where it belongs.

`@timestamp` comes first, as in ECS logging. `@metadata` says under which id and version a document is to stand in which
index: Logstash and Filebeat take that name as their own and never index it, rsyslog takes it off. No line is longer
than it may be: what people, models and tools wrote is cut to fit, the longest texts first. Pure, and never raises.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import msgspec

from monitor.model import Recorded, semconv
from monitor.normalise.document_fields import CONTENT
from monitor.normalise.documents import KINDS, Document, document_of

__all__ = ["MARK", "EcsLines", "is_cut"]

MARK: Final = "…[cut]"
"""What a text ends with that was cut."""
_FLAG = b'"truncated":true'
"""A quote within a text is escaped, and nothing else has this key with a truth: it can only be that of `@metadata`."""
_FLAG_WITHIN_BYTES = 4096
_QUOTES = 2

_json = msgspec.json.Encoder().encode


class EcsLines:
    """Encodes facts; `common` are the fields that every document has."""

    kinds: Collection[str] = KINDS

    def __init__(self, prefix: str, common: Mapping[str, Any], max_line_bytes: int) -> None:
        self._prefix, self._common, self._max_line_bytes = prefix, common, max_line_bytes

    def encode(self, recorded: Recorded, content: dict[str, str]) -> bytes:
        """The fact's line; nothing where it has no document. `content` is what may leave of its content.

        It is longer than `max_line_bytes` only where it is so without any content.
        """
        document = document_of(recorded, content, self._common)
        if document is None:
            return b""
        line = self._line(document)
        return line if len(line) <= self._max_line_bytes else self._cut(document)

    def _line(self, document: Document, **more: Any) -> bytes:
        source = document.source
        where = {
            "_id": document.id,
            "raw_index": f"{self._prefix}-{document.stream}-{document.month}",
            "op_type": "index",
            "_version": document.version,
            **more,
        }
        return _json({"@timestamp": source["@timestamp"], "@metadata": where, **source}) + b"\n"

    def _cut(self, document: Document) -> bytes:
        """The line with its texts cut. The document is ours: it was made for this line."""
        places = {name: place for name in CONTENT if (place := _place(document.source, name)) is not None}
        texts = {name: place[_last(name)] for name, place in places.items()}
        cut_in_dify = _named(document.source)
        _fill(places, dict.fromkeys(texts, ""))
        _name(document.source, [*cut_in_dify, *texts])
        share = _share(
            [_length(text) for text in texts.values()],
            self._max_line_bytes - len(self._line(document, truncated=True)),
        )
        shortened = {name: _shortened(text, share) for name, text in texts.items()}
        _fill(places, shortened)
        _name(document.source, [*cut_in_dify, *(name for name in texts if shortened[name] != texts[name])])
        return self._line(document, truncated=True)


def is_cut(line: bytes) -> bool:
    """Whether the line's content was cut."""
    return _FLAG in line[:_FLAG_WITHIN_BYTES]


def _place(source: dict[str, Any], name: str) -> dict[str, Any] | None:
    """What holds the field; None where the document has no such text."""
    *parents, last = name.split(".")
    place: Any = source
    for parent in parents:
        place = place.get(parent)
        if not isinstance(place, dict):
            return None
    return place if isinstance(place.get(last), str) else None


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _fill(places: Mapping[str, dict[str, Any]], texts: Mapping[str, str]) -> None:
    for name, place in places.items():
        place[_last(name)] = texts[name]


def _named(source: dict[str, Any]) -> list[str]:
    """What the document itself says was cut, by Dify."""
    place = _place(source, semconv.DIFY_CONTENT_TRUNCATED)
    return [] if place is None else [place[_last(semconv.DIFY_CONTENT_TRUNCATED)]]


def _name(source: dict[str, Any], names: Sequence[str]) -> None:
    """Have the document say what was cut."""
    *parents, last = semconv.DIFY_CONTENT_TRUNCATED.split(".")
    place = source
    for parent in parents:
        place = place.setdefault(parent, {})
    place[last] = ",".join(names)


def _share(lengths: Sequence[int], room: int) -> int:
    """The most bytes that each may have so that all together have room: the short ones leave theirs to the long."""
    left = max(0, room)
    for number, length in enumerate(sorted(lengths)):
        share = left // (len(lengths) - number)
        if length > share:
            return share
        left -= length
    return max(lengths, default=0)


def _shortened(text: str, most_bytes: int) -> str:
    """The text, or its beginning and the mark, in at most so many bytes of JSON."""
    if _length(text) <= most_bytes:
        return text
    room = most_bytes - _length(MARK)
    if room < 0:
        return ""
    begin = text[:room]  # no letter is shorter than a byte
    return begin[: bisect_right(range(len(begin) + 1), room, key=lambda end: _length(begin[:end])) - 1] + MARK


def _length(text: str) -> int:
    """Its bytes in JSON, between the quotes."""
    return len(_json(text)) - _QUOTES
