"""The stored bytes: stable, whole, and checkable by anyone who has them."""

from __future__ import annotations

import hashlib
import json
import zlib

import msgspec
import pytest

from monitor.errors import JournalDamaged
from monitor.journal.codec import Leaf, decode_leaves, encode_leaf, leaf_hash, new_leaf
from monitor.journal.commitments import commitment, value_bytes
from monitor.model import Alert, AlertChanged, Event, TurnStarted
from monitor.testing import samples

LEAF = (
    '{"alg":"sha256","schema":1,"key":"00000002-0000-4000-8002-000000000001:turn:started","revision":0,'
    '"kind":"turn_started","source":"dify","rank":40,"changed_at":1758700801000000000,'
    '"occurred_at":1758700801000000000,"recorded_at":5,"body":{"type":"turn_started","turn":{'
    '"turn_id":"00000002-0000-4000-8002-000000000001","tenant_id":"0000000a-0000-4000-800a-000000000001",'
    '"app_id":"0000000b-0000-4000-800b-000000000001","app_name":"客服 Agent","mode":"agent-chat",'
    '"started_at":1758700801000000000,"invoke_from":"service-api",'
    '"conversation_id":"00000004-0000-4000-8004-000000000000",'
    '"message_id":"00000002-0000-4000-8002-000000000001","user":"u_5f1d7c0a9b3e"}},"commitments":{"input":"ab"}}'
)


def leaf_of(event: Event, **changes) -> Leaf:
    return msgspec.structs.replace(new_leaf(event, 0, "dify", 5, commitments={}, erased=()), **changes)


def test_the_stored_form_is_pinned():
    """A change of these bytes changes every hash to come: it needs a new `schema` number."""
    event = samples.event(TurnStarted(samples.turn_ref()))
    assert encode_leaf(leaf_of(event, commitments={"input": "ab"})).decode() == LEAF


def test_fields_of_later_versions_are_read_over():
    (leaf,) = decode_leaves(LEAF.replace('"rank":40', '"rank":40,"new":{"a":1}').encode())
    assert leaf.rank == 40


def test_the_order_in_which_maps_were_filled_does_not_show():
    alerts = [
        Alert("f", "r", labels, "page", "s", "firing", 0, 1) for labels in ({"a": "1", "b": "2"}, {"b": "2", "a": "1"})
    ]
    events = [Event("k", 1, 0, 0, AlertChanged(alert, "", "", "")) for alert in alerts]
    assert encode_leaf(leaf_of(events[0])) == encode_leaf(leaf_of(events[1]))


def test_leaves_come_back_as_they_went_in():
    leaves = [leaf_of(recorded.event, erased=("input",), revision=3) for recorded in samples.agent_turn()]
    assert decode_leaves(b",".join(map(encode_leaf, leaves))) == leaves


@pytest.mark.parametrize("data", [b"x", b"{}", b'{"alg":', b"\xff"])
def test_what_is_no_leaf_is_damage(data):
    with pytest.raises(JournalDamaged):
        decode_leaves(data)


def test_the_leafs_hash_is_that_of_rfc_6962():
    assert leaf_hash(b"") == bytes.fromhex("6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d")


@pytest.mark.parametrize("size", [0, 1, 2047, 2048, 5000, 100_000])
def test_a_commitment_is_one_sha256_whatever_the_size(size):
    value = b"v" * size
    assert commitment(b"s" * 16, "input", value) == hashlib.sha256(b"s" * 16 + b"input\x00" + value).hexdigest()


def test_a_commitment_depends_on_salt_field_and_value():
    made = {commitment(salt * 16, field, value) for salt in (b"a", b"b") for field in "xy" for value in (b"1", b"2")}
    assert len(made) == 8


def test_what_is_stored_can_be_checked_against_the_leaf_from_outside(disk):
    """With nothing but the rows and this description: an auditor's check."""
    long = samples.event(TurnStarted(samples.turn_ref(2)), content={"input": "退款？" * 1000})
    disk.append("dify", [*(recorded.event for recorded in samples.agent_turn()), long], None)
    with disk._readers.connection() as connection:
        events = connection.execute("SELECT seq, leaf, leaf_hash FROM events ORDER BY seq").fetchall()
        content = connection.execute("SELECT id, field, salt, value, packed FROM content").fetchall()
    commitments = {}
    for seq, leaf, digest in events:
        assert hashlib.sha256(b"\x00" + leaf).digest() == digest
        commitments[seq] = json.loads(leaf).get("commitments", {})
    assert len(content) == sum(map(len, commitments.values())) > 0
    assert len({row[2] for row in content}) == len(content)
    assert {row[4] for row in content} == {0, 1}
    for content_id, field, salt, stored, packed in content:
        value = zlib.decompress(stored) if packed else stored
        made = hashlib.sha256(salt + field.encode() + b"\x00" + value).hexdigest()
        assert commitments[content_id >> 8][field] == made


def test_no_content_stands_in_a_leaf(disk):
    disk.append("dify", [samples.event(TurnStarted(samples.turn_ref()), content={"user": "alice@example.com"})], None)
    with disk._readers.connection() as connection:
        assert b"alice" not in connection.execute("SELECT leaf FROM events").fetchone()[0]


def test_value_bytes_hold_any_text():
    assert value_bytes("é\x00\udcff") == b"\xc3\xa9\x00?"
