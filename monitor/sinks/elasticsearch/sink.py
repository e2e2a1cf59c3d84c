"""What the `elasticsearch` sink does with events: encode each once, have its index ready, send, read verdicts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from monitor.errors import Retryable
from monitor.model import Diagnosis, Recorded
from monitor.normalise.documents import KINDS, common_fields, document_of
from monitor.normalise.redact import Leaving
from monitor.ports import RejectedEvent, Report, Tools
from monitor.sinks.elasticsearch.bulk import Bulk, Item, Verdict
from monitor.sinks.elasticsearch.connection import Connection
from monitor.sinks.elasticsearch.encoding import encoded, index_of
from monitor.sinks.elasticsearch.ready import Indices
from monitor.sinks.elasticsearch.settings import Config, in_clear

__all__ = ["ElasticsearchSink", "build"]


class ElasticsearchSink:
    """Implements `monitor.ports.Sink`."""

    kinds: Collection[str] = KINDS

    def __init__(self, config: Config, connection: Connection, indices: Indices, leaving: Leaving) -> None:
        self.name = config.label
        self.wants_content = leaving.wants_content
        self.max_events = config.max_documents * config.max_requests
        self.max_bytes = config.max_bytes
        self._config = config
        self._leaving = leaving
        self._common = common_fields(config.service_name, config.deployment_environment, config.labels)
        self._connection, self._indices = connection, indices
        requests = config.max_requests
        self._bulk = Bulk(
            connection,
            config.max_documents,
            max(1, config.max_bytes // requests),
            requests,
            with_content=leaving.wants_content,
        )
        self._settled: dict[int, RejectedEvent | None] = {}
        """What became of events of a payload that has to be sent again, so that only its rest is."""

    def resume(self, state: str) -> str:  # noqa: ARG002 - the port's signature
        """There is no state: what is sent again is the same document."""
        return ""

    def encode(self, recorded: Recorded) -> bytes:
        """The event's action and document, a line each; nothing for events that have no document.

        A provisional step has one: the final one has a higher version, and replaces it.
        """
        document = document_of(recorded, self._leaving.of(recorded.event), self._common)
        return b"" if document is None else encoded(self._config.prefix, document)

    def send(self, parts: Sequence[bytes], seqs: Sequence[int]) -> Report:
        """Deliver the documents that are not delivered yet."""
        items = [Item(seq, part) for seq, part in zip(seqs, parts, strict=True) if part]
        left = [item for item in items if item.seq not in self._settled]
        self._indices.make_ready({index_of(item.part) for item in left})
        waiting = self._settle(self._bulk.send(left))
        if waiting:
            busy = any(each.reason == "rate_limited" for each in waiting)
            raise Retryable(
                f"{sum(item.seq not in self._settled for item in items)} of {len(items)} documents have to be sent "
                f"again ({waiting[0].detail})",
                reason="rate_limited" if busy else "server_error",
            )
        rejected = tuple(found for item in items if (found := self._settled.get(item.seq)) is not None)
        last = max(seqs, default=0)
        self._settled = {seq: found for seq, found in self._settled.items() if seq > last}
        detail = rejected[0].detail if rejected else ""
        return Report(accepted=len(seqs) - len(rejected), rejected=rejected, detail=detail)

    def check(self) -> None:
        """See that the templates are there, and that this user may write; writes nothing."""
        self._indices.check()

    def diagnose(self) -> Sequence[Diagnosis]:
        """What `monitor doctor` can say of the cluster; raises as `check` does where it can't be reached."""
        return self._indices.diagnose()

    def close(self) -> None:
        """Let go of the connections; the templates are looked at again before the next send."""
        self._connection.close()
        self._indices.forget()

    def _settle(self, verdicts: Iterable[Verdict]) -> list[Verdict]:
        """Remember what is done and refused; what is to be sent again."""
        waiting: list[Verdict] = []
        for each in verdicts:
            if each.what == "again":
                waiting.append(each)
            else:
                refused = RejectedEvent(seq=each.seq, reason=each.reason, detail=each.detail)
                self._settled[each.seq] = refused if each.what == "refused" else None
        return waiting


def build(config: Config, tools: Tools) -> ElasticsearchSink:
    """The sink over a connection of its own. Raises ConfigError."""
    if in_clear(config):
        tools.logger.warning(
            "elasticsearch_credentials_unencrypted",
            action="use https: whoever is on the way can read the credentials",
        )
    connection = Connection(config, tools.clock)
    leaving = Leaving(config.label, config.content, tools.redaction)
    return ElasticsearchSink(config, connection, Indices(config, connection, tools.logger), leaving)
