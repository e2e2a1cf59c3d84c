"""Bulk requests: encoded documents in, one verdict for each out. How many fit into one request is learned.

Called by `sink.py`. An item that Elasticsearch is too busy for is to be sent again, one that lost against a newer
version is done, one that it can't index is refused with the field's name, and one that the sink may not write holds
everything: rights and missing indices are nobody's poison.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from monitor.errors import Auth, Retryable, TooLarge
from monitor.sinks.elasticsearch.connection import Connection

__all__ = ["Bulk", "Item", "Verdict"]

_OK = range(200, 300)
_CONFLICT, _BUSY, _SERVER_ERROR = 409, 429, 500
_NO_RIGHT = frozenset({401, 403, 404})
# Refusals of the index or the cluster, whatever the document: nothing may be dropped for them.
_NOT_ITS_FAULT = frozenset(
    {
        "cluster_block_exception",
        "index_closed_exception",
        "index_not_found_exception",
        "invalid_index_name_exception",
        "security_exception",
        "validation_exception",
    }
)
_FIELD = re.compile(r"field \[([^\]]{1,200})\](?: of type \[([^\]]{1,40})\])?")
_PREVIEW = re.compile(r"\.? ?Preview of field's value.*", re.DOTALL)
_ANSWER_PATHS = ("errors", "items.*.status", "items.*.error.type", "items.*.error.reason")
"""What is read of an answer; all of it would be as long as the request."""


class Item(NamedTuple):
    """One document on its way."""

    seq: int
    part: bytes


class Verdict(NamedTuple):
    """What became of one document: `done`, `again` (worth another try) or `refused`."""

    seq: int
    what: str
    reason: str = ""
    detail: str = ""


class Bulk:
    """Sends items in requests of a size that the other side takes."""

    def __init__(self, connection: Connection, max_items: int, max_bytes: int) -> None:
        self._connection = connection
        self._most_items, self._most_bytes = max_items, max_bytes
        self._items, self._bytes = max_items, max_bytes

    @property
    def limits(self) -> tuple[int, int]:
        """Items and bytes of one request, as learned so far."""
        return self._items, self._bytes

    def send(self, items: Sequence[Item]) -> Iterator[Verdict]:
        """The verdicts, request by request, so that what is settled is known should a later one fail.

        It ends early where the other side is too busy: what has no verdict is to be sent again like what says so.
        Raises Retryable or Auth; Permanent for a request that can't be read.
        """
        left = list(items)
        while left:
            count = self._fitting(left)
            try:
                verdicts = self._request(left[:count])
            except TooLarge as exc:
                if count > 1:
                    self._bytes = max(1, sum(len(item.part) for item in left[:count]) // 2)
                    continue
                verdicts = [Verdict(left[0].seq, "refused", "too_large", str(exc))]
            yield from verdicts
            if self._adapt(verdicts):
                return
            left = left[count:]

    def _fitting(self, items: Sequence[Item]) -> int:
        """How many of the first go into one request; at least one."""
        total = 0
        for count, item in enumerate(items[: self._items]):
            total += len(item.part)
            if total > self._bytes and count:
                return count
        return min(len(items), self._items)

    def _request(self, items: Sequence[Item]) -> list[Verdict]:
        encoded: list[Any] = [b"".join(item.part for item in items)]  # the client passes bytes on as they are
        try:
            answer = self._connection.run(lambda client: client.bulk(operations=encoded, filter_path=_ANSWER_PATHS))
        except Retryable as exc:
            if exc.reason == "rate_limited":
                self._slow_down()
            raise
        return self._read(answer.body, items)

    def _read(self, answer: Any, items: Sequence[Item]) -> list[Verdict]:
        told = answer.get("items") if isinstance(answer, Mapping) else None
        if not isinstance(told, list) or len(told) != len(items):
            raise Retryable("a bulk answer that does not name each document", reason="protocol")
        return [self._verdict(item.seq, next(iter(each.values()), {})) for item, each in zip(items, told, strict=True)]

    def _verdict(self, seq: int, told: Mapping[str, Any]) -> Verdict:
        status = int(told.get("status", 0))
        if status in _OK or status == _CONFLICT:
            return Verdict(seq, "done")
        error = told.get("error") or {}
        kind, detail = str(error.get("type", "")), self._detail(error)
        if status == _BUSY or status >= _SERVER_ERROR or not status:
            return Verdict(seq, "again", "rate_limited" if status == _BUSY else "server_error", detail)
        if status in _NO_RIGHT or kind in _NOT_ITS_FAULT:
            raise Auth(f"documents are refused with {status} ({detail})")
        return Verdict(seq, "refused", "mapping" if "pars" in kind or "mapp" in kind else "refused", detail)

    def _detail(self, error: Mapping[str, Any]) -> str:
        """What was said: the field and its type where one is named, never the value that did not fit."""
        kind, said = str(error.get("type", "")), str(error.get("reason", ""))
        if field := _FIELD.search(said):
            named = f"field [{field[1]}]" + (f" of type [{field[2]}]" if field[2] else "")
            return self._connection.shown(f"{kind}: {named}")
        return self._connection.shown(f"{kind}: {_PREVIEW.sub('', said)}")

    def _slow_down(self) -> None:
        self._items = max(1, self._items // 2)

    def _adapt(self, verdicts: Sequence[Verdict]) -> bool:
        """Smaller requests while the other side is busy, slowly larger ones when it is not; whether it is."""
        if any(each.reason == "rate_limited" for each in verdicts):
            self._slow_down()
            return True
        self._items = min(self._most_items, self._items + max(1, self._items // 4))
        self._bytes = min(self._most_bytes, self._bytes + max(1, self._bytes // 16))
        return False
