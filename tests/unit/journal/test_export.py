"""Exported lines: the stored form byte for byte, provable, in order, and no more than was asked for."""

from __future__ import annotations

import hashlib
import json

import pytest

from monitor.errors import ConfigError, JournalDamaged
from monitor.journal import SqliteJournal, export
from monitor.journal.codec import decode_leaves, leaf_hash
from monitor.journal.export import Selection
from monitor.model import SourceGap
from monitor.testing import samples
from tests.unit.journal.test_append import step_event
from tests.unit.replay.world import alert_event

TURN = samples.turn_ref(1)


def lines(folder, *, content=False, **asked):
    return [json.loads(line.text) for line in export.export(folder, Selection(**asked), content=content) if line.text]


@pytest.fixture
def folder(disk, tmp_path):
    disk.append("dify", [recorded.event for recorded in samples.stream(4)], b"p")
    return tmp_path / "journal"


def test_every_event_is_a_line_in_the_journals_order(folder):
    found = lines(folder)
    assert [line["seq"] for line in found] == list(range(20))
    assert [line["leaf"]["kind"] for line in found][:5] == [
        "turn_started",
        "step_ended",
        "step_ended",
        "step_ended",
        "turn_ended",
    ]
    assert found[0]["leaf"]["body"]["turn"]["turn_id"] == TURN.turn_id


def test_the_leaf_is_the_stored_one_and_its_hash_proves_it(folder):
    for line in export.export(folder, Selection(), content=False):
        text = line.text.decode()
        leaf = text[text.index('"leaf":') + 7 : -2].encode()
        told = json.loads(text)
        assert leaf_hash(leaf).hex() == told["leaf_hash"]
        assert decode_leaves(leaf)[0].key == told["leaf"]["key"]


def test_content_comes_only_where_it_is_asked_for(folder):
    without = b"".join(line.text for line in export.export(folder, Selection(), content=False)).decode()
    assert samples.QUESTION not in without
    assert "alice@example.com" not in without
    assert "content" not in lines(folder)[0]
    first = lines(folder, content=True)[0]
    assert first["content"]["input"]["value"] == samples.QUESTION


def test_content_can_be_checked_against_the_leaf(folder):
    for line in lines(folder, content=True):
        assert line["content"].keys() == line["leaf"].get("commitments", {}).keys()
        for field, kept in line["content"].items():
            data = bytes.fromhex(kept["salt"]) + field.encode() + b"\x00" + kept["value"].encode()
            assert hashlib.sha256(data).hexdigest() == line["leaf"]["commitments"][field]


def test_erased_content_is_gone_and_its_hash_stays(folder, disk):
    key = lines(folder)[0]["leaf"]["key"]
    disk.erase(key, ["input"])
    first = lines(folder, content=True)[0]
    assert first["content"].keys() == {"user"}
    assert first["leaf"]["commitments"].keys() == {"user", "input"}


def test_by_time_from_the_first_up_to_but_without_the_last(folder):
    every = lines(folder)
    at = sorted({line["leaf"]["occurred_at"] for line in every})
    found = lines(folder, since_ns=at[1], until_ns=at[-1])
    assert found == [line for line in every if at[1] <= line["leaf"]["occurred_at"] < at[-1]]
    assert 0 < len(found) < len(every)
    assert lines(folder, since_ns=at[-1] + 1) == []


def test_a_conversation_with_the_alerts_and_gaps_that_name_it(folder, disk):
    refs = [samples.turn_ref(number) for number in range(1, 5)]
    own = {ref.turn_id for ref in refs if ref.conversation_id == TURN.conversation_id}
    others = {ref.turn_id for ref in refs} - own
    disk.append(
        "dify",
        [
            alert_event((TURN.turn_id, "s", 1), at=samples.BASE_NS),
            samples.event(SourceGap("turn", "ValueError", TURN.turn_id), key=f"{TURN.turn_id}:gap"),
            samples.event(SourceGap("turn", "ValueError", "other"), key="other:gap"),
            step_event(status="unknown", changed_at=2**62),
        ],
        None,
    )
    found = lines(folder, conversation=TURN.conversation_id)
    assert [line["seq"] for line in found] == sorted(line["seq"] for line in found)
    turns = {line["leaf"]["body"]["turn"]["turn_id"] for line in found if "turn" in line["leaf"]["body"]}
    assert turns == own
    assert not turns & others
    kinds = [line["leaf"]["kind"] for line in found]
    assert (kinds.count("alert_changed"), kinds.count("source_gap")) == (1, 1)
    assert lines(folder, conversation="nobody") == []
    both = lines(folder, conversation=TURN.conversation_id, until_ns=samples.BASE_NS)
    assert len(both) < len(found)


def test_every_revision_is_a_line(disk, tmp_path):
    disk.append("dify", [step_event(changed_at=1)], None)
    disk.append("dify", [step_event(status="failed", changed_at=2)], None)
    assert [line["leaf"]["revision"] for line in lines(tmp_path / "journal")] == [0, 1]


@pytest.mark.parametrize("asked", [{}, {"conversation": TURN.conversation_id}, {"since_ns": 2**62}])
def test_it_says_how_far_it_is(folder, asked):
    told = [(line.done, line.total) for line in export.export(folder, Selection(**asked), content=False)]
    assert told[-1][0] == told[-1][1]
    assert [done for done, _ in told] == list(range(1, len(told) + 1))


def test_more_than_is_read_at_once(folder, monkeypatch):
    monkeypatch.setattr(export, "_AT_ONCE", 3)
    assert [line["seq"] for line in lines(folder)] == list(range(20))
    assert len(lines(folder, conversation=TURN.conversation_id)) % 5 == 0


def test_what_is_appended_meanwhile_is_not_waited_for(folder, disk):
    read = export.export(folder, Selection(), content=False)
    first = next(read)
    disk.append("dify", [step_event(key="later")], None)
    assert [first.done, *(line.done for line in read)] == list(range(1, 21))


def test_an_export_that_is_broken_off_lets_go(folder, clock):
    read = export.export(folder, Selection(), content=False)
    next(read)
    read.close()
    SqliteJournal.open(folder, clock, read_only=True).close()


def test_an_empty_journal_and_none(tmp_path, clock):
    SqliteJournal.open(tmp_path / "j", clock, min_free_bytes=0).close()
    assert lines(tmp_path / "j") == []
    with pytest.raises(ConfigError, match="there is no journal"):
        lines(tmp_path / "none")


def test_an_event_that_cannot_be_read_is_damage_where_its_time_is_asked_for(folder, disk):
    with disk._writer.transaction() as connection:
        connection.execute("UPDATE events SET leaf = x'7b' WHERE seq = 3")
    with pytest.raises(JournalDamaged, match="event 3 can't be read"):
        lines(folder, since_ns=0)
