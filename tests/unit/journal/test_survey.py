"""One look at a journal as a whole: as of one moment, beside a writer or without one, and it changes nothing."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys

import pytest

from monitor.errors import ConfigError, JournalDamaged, JournalFull
from monitor.journal.packing import pack
from monitor.journal.survey import Survey
from monitor.model import SourceGap, TurnEnded, TurnStarted
from monitor.model.answers import Backlog, Gaps, Parked, Reading, Turns, Weight
from monitor.ports import Projection, RejectedEvent
from monitor.testing import samples
from tests.unit.journal.conftest import KINDS
from tests.unit.journal.test_append import step_event

LARGE = "".join(hashlib.sha256(bytes([number])).hexdigest() for number in range(250)) + "ü" * 2000
"""20,000 bytes that can't be packed much."""
MINUTE = 60 * samples.SECOND


def gap(turn_id: str, reason: str = "ValueError"):
    body = SourceGap(what=f"turn {turn_id}", reason=reason, turn_id=turn_id)
    return samples.event(body, key=f"{turn_id}:gap")


def started(number: int, **changes):
    return samples.event(TurnStarted(turn=samples.turn_ref(number, **changes)))


def ended(number: int):
    ref = samples.turn_ref(number)
    return samples.event(TurnEnded(ref, ref.started_at, ref.started_at, "succeeded"))


@pytest.fixture
def folder(disk, tmp_path):
    return tmp_path / "journal"


def test_an_empty_journal(disk, folder):
    with Survey.open(folder) as survey:
        assert (survey.events(), survey.recorded_at(), survey.readings(), survey.consumers()) == (0, None, [], [])
        assert survey.turns() == Turns(0, 0, None)
        assert survey.gaps() == Gaps(0, None)
        assert survey.backlog("c") == Backlog("c", 0, None)
        assert (survey.parked(), survey.dropped(), survey.projected("c")) == ([], {}, {})
        assert survey.path == folder
        weighed = survey.weigh(5, lambda *_: None)
    assert (weighed.kinds, weighed.days, weighed.largest, weighed.leaf_bytes, weighed.content_bytes) == (
        (),
        (),
        (),
        0,
        0,
    )


def test_its_size_and_age(disk, folder, clock):
    first = clock.ns
    disk.append("dify", [step_event(key="a")], b"p")
    clock.ns += MINUTE
    disk.append("dify", [step_event(key="b")], b"q")
    with Survey.open(folder) as survey:
        assert (survey.events(), survey.recorded_at()) == (2, (first, clock.ns))
        assert survey.size_bytes() == disk.stats().bytes > 0


def test_a_source_was_read_when_its_position_was_said(disk, folder, clock):
    disk.append("dify", [step_event(key="a")], b"p")
    first = clock.ns
    disk.append("push", [], b"x")
    clock.ns += MINUTE // 2
    disk.append("dify", [], b"p")
    disk.append("push", [], b"y")
    with Survey.open(folder) as survey:
        assert sorted(survey.readings()) == [Reading("dify", first), Reading("push", clock.ns)]


def test_a_source_that_finds_nothing_is_known_to_have_been_read_to_the_minute(disk, folder, clock):
    disk.append("dify", [], b"p")
    clock.ns += MINUTE
    disk.append("dify", [], b"p")
    with Survey.open(folder) as survey:
        assert survey.readings() == [Reading("dify", clock.ns)]


def test_a_clock_set_back_is_written_down_too(disk, folder, clock):
    disk.append("dify", [], b"p")
    clock.ns -= 1000 * MINUTE
    disk.append("dify", [], b"p")
    with Survey.open(folder) as survey:
        assert survey.readings() == [Reading("dify", clock.ns)]


def test_what_waits_for_a_consumer_and_since_when(disk, folder, clock):
    disk.append("dify", [step_event(key="a")], None)
    clock.ns += MINUTE
    second = clock.ns
    disk.append("dify", [step_event(key="b"), step_event(key="c")], None)
    disk.advance("sink:a", 1)
    disk.advance("sink:b", 3)
    with Survey.open(folder) as survey:
        assert survey.consumers() == ["sink:a", "sink:b"]
        assert survey.backlog("sink:a") == Backlog("sink:a", 2, second)
        assert survey.backlog("sink:b") == Backlog("sink:b", 0, None)
        assert survey.backlog("never seen").events == 3


def test_turns_that_began_and_did_not_end(disk, folder):
    disk.append("dify", [started(3), started(1), started(2), ended(3), step_event()], None)
    disk.append("dify", [started(1, app_name="renamed")], None)
    with Survey.open(folder) as survey:
        assert survey.turns() == Turns(3, 2, samples.turn_ref(1).started_at)
    disk.append("dify", [ended(1), ended(2), ended(9)], None)
    with Survey.open(folder) as survey:
        assert survey.turns() == Turns(3, 0, None)


def test_gaps_are_counted_and_the_newest_is_named(disk, folder, clock):
    disk.append("dify", [gap("t1"), step_event(), gap("t2", "KeyError")], None)
    disk.append("dify", [gap("t2", "KeyError")], None)
    with Survey.open(folder) as survey:
        assert survey.gaps() == Gaps(2, clock.ns, "turn t2", "KeyError")


def test_what_is_parked_marked_and_dropped(disk, folder):
    disk.append("dify", [recorded.event for recorded in samples.stream(2)], None)
    disk.advance("a", 5, rejected=[RejectedEvent(seq, "refused", "") for seq in range(4)])
    disk.advance("b", 5, rejected=[RejectedEvent(1, "too_large", "")])
    disk.mark([("a", 1), ("a", 2)])
    disk.drop([("a", 3)])
    with Survey.open(folder) as survey:
        assert survey.parked() == [Parked("a", "refused", 3, 2), Parked("b", "too_large", 1, 0)]
        assert survey.dropped() == {("a", "refused"): 1}


def test_projections_can_be_read(disk, folder):
    disk.project("p", limit=1, kinds=KINDS, content=False, apply=lambda _: Projection(puts={"a": b"1"}))
    with Survey.open(folder) as survey:
        assert survey.projected("p") == {"a": b"1"}


def test_all_answers_are_as_of_one_moment(disk, folder):
    disk.append("dify", [started(1)], b"p")
    with Survey.open(folder) as survey:
        assert survey.events() == 1
        disk.append("dify", [started(2), gap("t")], b"q")
        disk.advance("c", 3, rejected=[RejectedEvent(0, "refused", "")])
        assert (survey.events(), survey.turns().begun, survey.gaps().total) == (1, 1, 0)
        assert (survey.parked(), survey.consumers()) == ([], [])
    with Survey.open(folder) as survey:
        assert survey.events() == 3


def test_who_holds_it(disk, folder):
    with Survey.open(folder) as survey:
        holder = survey.holder()
        assert (holder.pid, holder.host) == (os.getpid(), platform.node())
        assert holder.since == (folder / "lock").stat().st_mtime_ns
        disk.close()
        assert survey.holder() is None


def test_a_process_that_was_killed_holds_it_no_longer(tmp_path):
    code = (
        "import sys; from monitor.clock import SystemClock; from monitor.journal import SqliteJournal\n"
        f"journal = SqliteJournal.open({str(tmp_path / 'j')!r}, SystemClock(), min_free_bytes=0)\n"
        "print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"open\n"
        with Survey.open(tmp_path / "j") as survey:
            assert survey.holder().pid == other.pid
            other.kill()
            other.wait()
            assert survey.holder() is None


def test_a_copy_has_no_lock_and_no_holder(disk, folder, tmp_path):
    disk.close()
    (folder / "lock").unlink()
    with Survey.open(folder) as survey:
        assert survey.holder() is None


def test_whether_there_is_room(disk, folder):
    with Survey.open(folder) as survey:
        survey.check_room(None, 0)
        with pytest.raises(JournalFull, match="max_bytes is 1"):
            survey.check_room(1, 0)


def test_what_is_no_journal_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="there is no journal"):
        Survey.open(tmp_path / "none").__enter__()
    (tmp_path / "j").mkdir()
    (tmp_path / "j" / "journal.db").write_bytes(b"not a database" * 1000)
    with pytest.raises(JournalDamaged):
        Survey.open(tmp_path / "j").__enter__()


# -- weights


@pytest.fixture
def weighed(disk, folder, clock, monkeypatch):
    monkeypatch.setattr("monitor.journal.weights._STEP", 3)
    clock.ns = samples.BASE_NS
    disk.append("dify", [recorded.event for recorded in samples.agent_turn(1)], None)
    clock.ns += 24 * 60 * MINUTE
    disk.append("dify", [step_event(key="large", content={"output": LARGE})], None)
    disk.append("dify", [step_event(key="small")], None)
    told = []
    with Survey.open(folder) as survey:
        answer = survey.weigh(2, lambda *how: told.append(how))
    assert told == [(3, 7), (6, 7), (7, 7)]
    return answer


def test_weights_by_kind_and_day_are_of_the_same_events(weighed, disk):
    with disk._readers.connection() as connection:
        leaves, events = connection.execute("SELECT sum(length(leaf)), count(*) FROM events").fetchone()
    for weights in (weighed.kinds, weighed.days):
        assert sum(each.events for each in weights) == events == 7
        assert sum(each.leaf_bytes for each in weights) == weighed.leaf_bytes == leaves
    assert [day.name for day in weighed.days] == ["2025-09-24", "2025-09-25"]
    assert [kind.name for kind in weighed.kinds] == ["step_ended", "turn_ended", "turn_started"]
    assert isinstance(weighed.kinds[0], Weight)


def test_the_largest_events_come_first(weighed):
    assert [each.key for each in weighed.largest][:1] == ["large"]
    assert (weighed.largest[0].content_bytes, weighed.largest[0].seq) == (20_000, 5)
    assert len(weighed.largest) == 2


def test_erased_content_weighs_nothing(weighed, disk, folder):
    disk.erase("large")
    with Survey.open(folder) as survey:
        after = survey.weigh(0, lambda *_: None)
    assert after.content_bytes == weighed.content_bytes - len(pack(LARGE.encode())[0]) - 16
    assert after.largest == ()
    assert after.free_bytes > 0


def test_the_parts_are_the_whole(weighed):
    parts = weighed.leaf_bytes + weighed.content_bytes + weighed.free_bytes + weighed.other_bytes
    assert parts == weighed.file_bytes


def test_an_event_that_cannot_be_read_is_damage(disk, folder):
    disk.append("dify", [step_event()], None)
    with disk._writer.transaction() as connection:
        connection.execute("UPDATE events SET leaf = x'7b'")
    with Survey.open(folder) as survey, pytest.raises(JournalDamaged, match="event 0 can't be read"):
        survey.weigh(1, lambda *_: None)
