"""Puts the objects into a Kibana by its documented import API. Called by `monitor setup kibana`.

`POST /api/saved_objects/_import?overwrite=true`, in a space under `/s/<id>`: what is there under the same ids is
replaced, so that a repeat changes nothing. An answer names each object that was not taken, and that is an error here.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from monitor.errors import Permanent
from monitor.http import Tls, client, excerpt, exchange, outcome, redact_url
from monitor.ports import Clock

__all__ = ["Kibana", "imported"]

_BOUNDARY = "dify-monitor-saved-objects"
"""Stands in no object: all of a line is JSON, which has no such line."""
_MOST_ANSWER_BYTES = 4 * 1024 * 1024
_MOST_NAMED = 5


class Kibana(NamedTuple):
    """Where Kibana is, and who asks."""

    url: str
    space: str = ""
    api_key: str = ""
    user: str = ""
    password: str = ""
    tls: Tls = Tls()
    timeout_s: float = 60.0

    def __repr__(self) -> str:
        return f"Kibana({redact_url(self.url)})"

    @property
    def address(self) -> str:
        """Where objects are imported."""
        space = f"/s/{quote(self.space, safe='')}" if self.space else ""
        return f"{self.url.rstrip('/')}{space}/api/saved_objects/_import?overwrite=true"

    @property
    def authorization(self) -> str:
        """The header's value; empty where nobody is named."""
        if self.api_key:
            return f"ApiKey {self.api_key}"
        return f"Basic {self._encoded}" if self.user else ""

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be shown."""
        return tuple(filter(None, (self.api_key, self._encoded if self.user else "", self.password)))

    @property
    def _encoded(self) -> str:
        return b64encode(f"{self.user}:{self.password}".encode()).decode()


def imported(kibana: Kibana, text: str, clock: Clock) -> int:
    """Import the file; how many objects Kibana took, which is all of them.

    Raises Retryable, TooLarge, Permanent or Auth; Permanent for objects that were not taken.
    """
    headers = {"kbn-xsrf": "true", "content-type": f"multipart/form-data; boundary={_BOUNDARY}"}
    if kibana.authorization:
        headers["authorization"] = kibana.authorization
    with client(timeout_s=kibana.timeout_s, tls=kibana.tls) as http:
        answer = exchange(
            http,
            "POST",
            kibana.address,
            clock=clock,
            deadline_s=kibana.timeout_s,
            content=_form(text),
            headers=headers,
            limit_bytes=_MOST_ANSWER_BYTES,
        )
    where, said = redact_url(kibana.address), excerpt(answer.body, kibana.secrets, after_content=False)
    error = outcome(answer.status, answer.headers, now_ns=clock.now_ns(), where=where, said=said)
    if error is not None:
        raise error
    return _taken(answer.body, where, text.count("\n"), kibana.secrets)


def _form(text: str) -> bytes:
    head = (
        f"--{_BOUNDARY}\r\n"
        'content-disposition: form-data; name="file"; filename="dify.ndjson"\r\n'
        "content-type: application/ndjson\r\n\r\n"
    )
    return f"{head}{text}\r\n--{_BOUNDARY}--\r\n".encode()


def _taken(body: bytes, where: str, sent: int, secrets: tuple[str, ...]) -> int:
    try:
        told = json.loads(body)
    except ValueError as exc:
        raise Permanent(f"{where}: an answer that is no JSON: is this Kibana?", reason="protocol") from exc
    if not isinstance(told, Mapping) or "success" not in told:
        raise Permanent(f"{where}: an answer that does not say what became of the objects", reason="protocol")
    taken = int(told.get("successCount") or 0)
    if told["success"] is True and taken == sent:
        return taken
    refused = [each for each in told.get("errors") or () if isinstance(each, Mapping)]
    named = [excerpt(_refusal(each).encode(), secrets, after_content=False) for each in refused[:_MOST_NAMED]]
    if len(refused) > _MOST_NAMED:
        named.append(f"and {len(refused) - _MOST_NAMED} more")
    why = "; ".join(named) or "it does not say which were not, and why"
    raise Permanent(f"{where}: {taken} of {sent} objects were imported: {why}", reason="refused")


def _refusal(told: Mapping[str, Any]) -> str:
    """One object, and why: the kind of the error, and what is missing where that is it."""
    error = told.get("error")
    error = error if isinstance(error, Mapping) else {}
    missing = [str(each.get("id")) for each in error.get("references") or () if isinstance(each, Mapping)]
    why = " ".join([str(error.get("type", "unknown")), *missing, str(error.get("message", ""))]).strip()
    return f"{told.get('type')} {told.get('id')} ({why})"
