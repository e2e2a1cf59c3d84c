"""Bulk requests: encoded documents in, one verdict for each out. How many fit into one request is learned.

Some are on their way at the same time, as Elasticsearch works on them at the same time; which comes first does not
matter, as a document's version decides. All are answered when `send` ends.

Called by `sink.py`. An item that Elasticsearch is too busy for is to be sent again, one that lost against a newer
version is done, one that it can't index is refused with the field's name, and one that the sink may not write holds
everything: rights and missing indices are nobody's poison.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from monitor.errors import Auth, MonitorError, Retryable, TooLarge
from monitor.normalise.document_fields import FIELDS
from monitor.sinks.elasticsearch.connection import Connection

__all__ = ["Bulk", "Item", "Verdict"]

T = TypeVar("T")
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
_NAME = re.compile(r"[a-z_]{1,60}")
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

    def __init__(
        self, connection: Connection, max_items: int, max_bytes: int, max_requests: int = 1, *, with_content: bool
    ) -> None:
        """`max_items` and `max_bytes` bound one request, `max_requests` how many are on their way together.

        `with_content`: whether documents can hold content, which an answer could quote.
        """
        self._connection, self._with_content = connection, with_content
        self._most_items, self._most_bytes, self._most_requests = max_items, max_bytes, max_requests
        self._items, self._bytes, self._requests = max_items, max_bytes, max_requests

    @property
    def limits(self) -> tuple[int, int, int]:
        """Items and bytes of one request, and requests at the same time, as learned so far."""
        return self._items, self._bytes, self._requests

    def send(self, items: Sequence[Item]) -> Iterator[Verdict]:
        """The verdicts, request by request, so that what is settled is known should one fail.

        Nothing more is sent once the other side is too busy or a request failed: what has no verdict is to be sent
        again like what says so. Raises, when the others are answered, Retryable or Auth; Permanent for a request that
        can't be read.
        """
        left, failed = deque(items), list[MonitorError]()
        with self._executor(items) as executor:
            running: dict[Future[list[Verdict]], list[Item]] = {}
            going = True
            while running or (left and going):
                while left and going and len(running) < self._requests:
                    taken = self._take(left)
                    running[executor.submit(self._request, taken)] = taken
                for each in wait(running, return_when=FIRST_COMPLETED).done:
                    verdicts = self._answered(each, running.pop(each), left, failed)
                    yield from verdicts
                    going = going and self._adapt(verdicts, failed)
        if failed:
            raise failed[0]

    def _executor(self, items: Sequence[Item]) -> Executor:
        """Threads for this call alone, where one request is not all."""
        if self._requests == 1 or self._fitting(items) == len(items):
            return _Here()
        return ThreadPoolExecutor(self._requests, thread_name_prefix="elasticsearch-bulk")

    def _take(self, left: deque[Item]) -> list[Item]:
        """As many of the first as go into one request; at least one."""
        return [left.popleft() for _ in range(self._fitting(left))]

    def _fitting(self, items: Sequence[Item]) -> int:
        total = 0
        for count, item in enumerate(islice(items, self._items)):
            total += len(item.part)
            if total > self._bytes and count:
                return count
        return min(len(items), self._items)

    def _answered(
        self, answer: Future[list[Verdict]], sent: list[Item], left: deque[Item], failed: list[MonitorError]
    ) -> list[Verdict]:
        """The verdicts of a request; none where it was too large and goes back in parts, or where it failed."""
        try:
            return answer.result()
        except TooLarge as exc:
            if len(sent) == 1:
                return [Verdict(sent[0].seq, "refused", "too_large", str(exc))]
            self._bytes = max(1, min(self._bytes, sum(len(item.part) for item in sent) // 2))
            left.extendleft(reversed(sent))
        except MonitorError as exc:
            failed.append(exc)
        return []

    def _request(self, items: Sequence[Item]) -> list[Verdict]:
        encoded: list[Any] = [b"".join(item.part for item in items)]  # the client passes bytes on as they are
        answer = self._connection.run(
            lambda client: client.bulk(operations=encoded, filter_path=_ANSWER_PATHS), with_content=self._with_content
        )
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
        if self._with_content:
            return self._guarded(kind, said)
        if field := _FIELD.search(said):
            named = f"field [{field[1]}]" + (f" of type [{field[2]}]" if field[2] else "")
            return self._connection.shown(f"{kind}: {named}", after_content=False)
        return self._connection.shown(f"{kind}: {_PREVIEW.sub('', said)}", after_content=False)

    def _guarded(self, kind: str, said: str) -> str:
        """What was said, in our own words: a field of ours, and Elasticsearch's names for types and errors."""
        kind = kind if _NAME.fullmatch(kind) else "error"
        field = _FIELD.search(said)
        if field is None or field[1] not in FIELDS:
            return f"{kind}: {self._connection.shown(said, after_content=True)}"
        is_named = field[2] is not None and _NAME.fullmatch(field[2])
        return f"{kind}: field [{field[1]}]" + (f" of type [{field[2]}]" if is_named else "")

    def _adapt(self, verdicts: Sequence[Verdict], failed: Sequence[MonitorError]) -> bool:
        """Smaller and fewer requests while the other side is busy, slowly more when it is not; whether to go on."""
        busy = any(each.reason == "rate_limited" for each in verdicts) or any(map(_is_busy, failed))
        if busy:
            self._items, self._requests = max(1, self._items // 2), max(1, self._requests // 2)
        elif verdicts:
            self._items = min(self._most_items, self._items + max(1, self._items // 4))
            self._bytes = min(self._most_bytes, self._bytes + max(1, self._bytes // 16))
            self._requests = min(self._most_requests, self._requests + 1)
        return not busy and not failed


def _is_busy(error: MonitorError) -> bool:
    return isinstance(error, Retryable) and error.reason == "rate_limited"


class _Here(Executor):
    """Does at once, and in this thread, what it is given."""

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """What became of the call, which is over. Passes on what is no error of ours."""
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except MonitorError as exc:
            future.set_exception(exc)
        return future
