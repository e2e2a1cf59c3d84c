"""What the `sentry` sink sends, beside what Sentry's own client sends: its reader reads it, and its names are ours.

Real servers that store transactions can't be had here, so Sentry's own code says what they look like.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from sentry_sdk.envelope import Envelope as TheirEnvelope
from sentry_sdk.tracing import Span, Transaction
from sentry_sdk.utils import Dsn as TheirDsn

from monitor.sinks.sentry.envelope import Envelope
from monitor.sinks.sentry.settings import dsn_of
from monitor.testing import samples
from tests.unit.sinks.test_sentry import built, send

KEY = "3b1c5e0f9a7d4e6f8b2a1c0d9e8f7a6b"


@pytest.fixture
def sent() -> dict[str, TheirEnvelope]:
    """A failure and the transaction of its turn, as Sentry's reader reads them."""
    sink, wire = built(what=("failures", "transactions"))
    send(sink, samples.agent_turn(failed=True))
    read = [TheirEnvelope.deserialize(each.to_bytes()) for each in wire.sent]
    return {envelope.items[0].type: envelope for envelope in read}


def test_envelopes_are_read(sent):
    for envelope, found in ((sent["event"], sent["event"].get_event()),
                            (sent["transaction"], sent["transaction"].get_transaction_event())):  # fmt: skip
        assert len(envelope.items) == 1
        assert envelope.headers["event_id"] == found["event_id"]
    assert {kind: envelope.items[0].data_category for kind, envelope in sent.items()} == {
        "event": "error", "transaction": "transaction",
    }  # fmt: skip


def test_a_text_with_line_breaks_stays_whole():
    told = {"a": "one\ntwo\u2028\x00客"}
    payload = json.dumps(told, ensure_ascii=False).encode()
    read = TheirEnvelope.deserialize(Envelope(1, "error", "ab" * 16, "event", payload).to_bytes())
    assert read.items[0].payload.json == told


def test_spans_have_the_names_that_sentrys_client_writes(sent):
    with Transaction(name="turn", op="gen_ai.invoke_agent", sampled=True) as theirs:
        child: dict[str, Any] = Span(
            op="gen_ai.chat", name="chat", trace_id=theirs.trace_id, parent_span_id="ab"
        ).to_json()
        trace = theirs.get_trace_context()
    ours = sent["transaction"].get_transaction_event()
    assert set(ours["spans"][0]) <= set(child) | {"status"}
    assert set(ours["contexts"]["trace"]) <= set(trace) | {"status"}
    assert len(ours["contexts"]["trace"]["span_id"]) == len(trace["span_id"])
    assert len(ours["contexts"]["trace"]["trace_id"]) == len(trace["trace_id"])


@pytest.mark.parametrize("dsn", [f"https://{KEY}@o1.ingest.sentry.io/4507", f"http://{KEY}:pw@10.0.0.7:9000/under/7"])
def test_a_dsn_leads_where_sentrys_client_goes(dsn):
    theirs = TheirDsn(dsn).to_auth("x/1")
    assert dsn_of(dsn).url == theirs.get_api_url()
    assert words(dsn_of(dsn).header) == words(theirs.to_header())


def words(header: str) -> set[str]:
    """The members of an `X-Sentry-Auth`, but for the client's name."""
    found = {word.strip() for word in header.removeprefix("Sentry ").split(",")}
    return {word for word in found if not word.startswith("sentry_client=")}
