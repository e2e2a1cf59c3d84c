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
from monitor.normalise.document_fields import CONTENT, nested
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
        line = self._line(document, document.fields)
        return line if len(line) <= self._max_line_bytes else self._cut(document)

    def _line(self, document: Document, fields: dict[str, Any], **more: Any) -> bytes:
        where = {
            "_id": document.id,
            "raw_index": f"{self._prefix}-{document.stream}-{document.month}",
            "op_type": "index",
            "_version": document.version,
            **more,
        }
        return _json({"@timestamp": fields["@timestamp"], "@metadata": where, **nested(fields)}) + b"\n"

    def _cut(self, document: Document) -> bytes:
        """The line with its texts cut."""
        texts = {name: text for name in CONTENT if isinstance(text := document.fields.get(name), str)}
        bare = self._line(document, _told(document, dict.fromkeys(texts, "")), truncated=True)
        share = _share([_length(text) for text in texts.values()], self._max_line_bytes - len(bare))
        cut = {name: short for name, text in texts.items() if (short := _shortened(text, share)) != text}
        return self._line(document, _told(document, cut), truncated=True)


def is_cut(line: bytes) -> bool:
    """Whether the line's content was cut."""
    return _FLAG in line[:_FLAG_WITHIN_BYTES]


def _told(document: Document, cut: dict[str, str]) -> dict[str, Any]:
    """The fields with cut texts, and which they are, beside those that Dify cut."""
    cut_in_dify = document.fields.get(semconv.DIFY_CONTENT_TRUNCATED)
    names = ",".join([*([cut_in_dify] if cut_in_dify else []), *cut])
    return document.fields | cut | {semconv.DIFY_CONTENT_TRUNCATED: names}


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
