from __future__ import annotations

import threading

import msgspec
import pytest

from monitor.errors import ConfigError, JournalError
from monitor.journal import SqliteJournal
from monitor.model import Tool
from monitor.rules import fingerprint
from monitor.rules.definition import LoadedRule
from monitor.testing.journal import MemoryJournal
from monitor.testing.rules import story, told
from monitor.testing.samples import BASE_NS, SECOND, uuid
from tests.unit.runtime.alert_world import RULE, FakeClock, World, moved, rules

LABELS = {"app_id": uuid(1, 11), "tool": "query_order_status"}
MARK = fingerprint("tool_failed", LABELS)
HOUR = 3600


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def journal(clock):
    return MemoryJournal(clock)


@pytest.fixture
def world(journal, clock):
    return World(journal, clock)


def test_the_fifth_failure_fires_with_its_evidence(world):
    world.feed("S FFFFF")
    world.settle()
    (fired,) = world.recorded()
    change = fired.event.body
    assert (change.was, change.now, change.reason) == ("inactive", "firing", "condition_met")
    assert not change.history
    assert not change.late
    alert = change.alert
    assert alert.fingerprint == MARK
    assert alert.labels == LABELS
    assert alert.summary == "query_order_status failed 5 times in 客服 Agent"
    assert alert.description == "last error tool_invoke_error"
    assert (alert.severity, alert.runbook, alert.state) == ("page", "https://wiki.example/tools", "firing")
    assert (alert.value, alert.changes) == (5, 1)
    assert [one.step_id for one in alert.evidence] == [recorded.event.body.step.id for recorded in story("SFFFFF")[1:]]
    assert fired.event.key == f"alert:{MARK}:1"
    assert fired.event.occurred_at == alert.since == alert.evidence[-1].at


def test_four_failures_and_a_success_say_nothing(world):
    world.feed("FFFF S FFFF")
    world.settle()
    assert world.changes() == []
    assert world.evaluator.firing() == ()


def test_the_first_success_resolves(world):
    """The end tells how long the streak was, and happened when the success did."""
    world.feed("FFFFFFF S F")
    world.settle()
    assert world.story() == ["firing condition_met 5", "resolved condition_cleared 7"]
    fired, resolved = world.recorded()
    assert resolved.event.occurred_at == BASE_NS + 7 * SECOND
    assert resolved.event.body.alert.since == fired.event.body.alert.since
    assert len(resolved.event.body.alert.evidence) == 7
    assert resolved.event.body.alert.summary == "query_order_status failed 7 times in 客服 Agent"
    assert resolved.event.key == f"alert:{MARK}:2"


def test_it_fires_again_under_a_new_number(world):
    world.feed("FFFFF S FFFFF S")
    world.settle()
    assert [change.alert.changes for change in world.changes()] == [1, 2, 3, 4]


def test_firing_lists_what_fires_now(world):
    world.feed("FFFFF")
    world.settle()
    (alert,) = world.evaluator.firing()
    assert alert.value == 5
    world.feed("FF")
    world.settle()
    (alert,) = world.evaluator.firing()
    assert (alert.value, alert.summary) == (7, "query_order_status failed 7 times in 客服 Agent")
    assert world.restarted().firing() == (alert,)
    world.feed("S")
    world.settle()
    assert world.evaluator.firing() == ()


def test_a_restart_neither_forgets_nor_repeats(world):
    """Stopped after every single fact, the story is the same as without a stop."""
    for letter in "FFFFFFSFFFFFXS":
        world.feed(letter)
        world.restarted()
        world.settle()
    assert world.story() == [
        "firing condition_met 5",
        "resolved condition_cleared 6",
        "firing condition_met 5",
        "resolved condition_cleared 5",
    ]


def test_batches_do_not_matter(clock):
    stories = []
    for limit in (1, 2, 3, 500):
        world = World(MemoryJournal(clock), clock, limit=limit)
        world.feed("FFFFF S F FFFFFF S FFFFF")
        world.settle()
        stories.append([msgspec.json.encode(recorded.event) for recorded in world.recorded()])
    assert stories == [stories[0]] * 4


def test_a_failed_commit_changes_nothing(world, monkeypatch):
    """Memory follows the journal: what was not committed is worked out again, once."""
    commit = world.journal.project
    broken = threading.Event()
    broken.set()

    def project(*args, apply, **settings):
        def judged(events):
            change = apply(events)
            if events and broken.is_set():
                broken.clear()
                raise JournalError("the disk went away")
            return change

        return commit(*args, apply=judged, **settings)

    monkeypatch.setattr(world.journal, "project", project)
    world.feed("FFFFF")
    outcome = world.evaluator.step()
    assert not outcome.progressed
    assert outcome.retry_in_s == 5
    assert isinstance(outcome.error, JournalError)
    assert world.evaluator.firing() == ()
    world.settle()
    assert world.story() == ["firing condition_met 5"]
    (alert,) = world.evaluator.firing()
    assert alert.value == 5


def test_a_revision_is_not_counted_again(world):
    """Better times for a step that was folded change no streak."""
    world.feed("FFFF", provisional=True)
    world.settle()
    for recorded in story("FFFF"):
        assert world.journal.append("dify", [msgspec.structs.replace(recorded.event, rank=60)], None).revised == 1
    world.settle()
    assert world.changes() == []
    world.feed("F")
    world.settle()
    assert world.story() == ["firing condition_met 5"]


def test_old_failures_are_history(world):
    """Read more than an hour after they ended: recorded, and so is their end, though it is news."""
    world.feed("FFFFF", age_s=HOUR + 1)
    world.feed("S", age_s=HOUR + 1)
    world.settle()
    assert world.story() == ["firing condition_met 5 history", "resolved condition_cleared 5 history"]


def test_an_hour_is_not_old(world):
    world.feed("FFFFF", age_s=HOUR - 10)
    world.settle()
    assert world.story() == ["firing condition_met 5"]


def test_a_streak_from_history_pages_with_its_first_new_failure(world):
    world.feed("FFFFFF", age_s=HOUR + 10)
    world.settle()
    world.told += HOUR + 20
    world.feed("X")
    world.feed("F")
    world.feed("F")
    world.feed("S")
    world.settle()
    assert world.story() == [
        "firing condition_met 5 history",
        "firing still_holds 7",
        "resolved condition_cleared 8",
    ]


def test_people_who_were_told_hear_of_the_end(world):
    """Even when the success was read hours late."""
    world.feed("FFFFF")
    world.feed("S", age_s=5 * HOUR)
    world.settle()
    assert world.story() == ["firing condition_met 5", "resolved condition_cleared 5"]


def test_max_age_is_a_setting(journal, clock):
    world = World(journal, clock, max_age_ns=10 * SECOND)
    world.feed("FFFFF", age_s=11)
    world.settle()
    assert world.story() == ["firing condition_met 5 history"]


def test_a_late_fact_counts_when_it_comes(world):
    """It ended before one that was judged: the change that it causes says so."""
    world.feed("SFFFF")
    late = [moved(recorded, -33) for recorded in story("F", first=30)]
    world.append(late)
    world.settle()
    (change,) = world.changes()
    assert change.late
    world.feed("S")
    world.settle()
    assert world.story()[1] == "resolved condition_cleared 5"


def test_for_waits_and_tells_when_it_is_due(journal, clock):
    world = World(journal, clock, rules(RULE + "    for: 30s\n"))
    world.feed("FFFFF")
    world.settle()
    assert world.story() == ["pending condition_met 5"]
    assert world.evaluator.step().due_in_s == 28
    clock.time_ns += 28 * SECOND
    world.settle()
    assert world.story()[1:] == ["firing held_for 5"]
    assert world.recorded()[1].event.occurred_at == BASE_NS + (4 + 30) * SECOND
    assert world.evaluator.step().due_in_s is None


@pytest.mark.parametrize("limit", [1, 2, 500])
def test_for_in_history_goes_by_the_facts_own_time(journal, clock, limit):
    """A calm after ten seconds is one after ten seconds, though all of it is read hours later, in whatever batches."""
    world = World(journal, clock, rules(RULE + "    for: 30s\n"), limit=limit)
    world.feed("FFFFF FFFFF S" + "F" * 5 + "F" * 31 + "S", age_s=2 * HOUR)
    world.settle()
    assert world.story() == [
        "pending condition_met 5 history",
        "inactive condition_cleared 10 history",
        "pending condition_met 5 history",
        "firing held_for 34 history",
        "resolved condition_cleared 36 history",
    ]


def test_kept_firing_over_a_short_calm(journal, clock):
    world = World(journal, clock, rules(RULE + "    keep_firing_for: 1m\n"))
    world.feed("FFFFF S FFFFF S")
    world.settle()
    assert world.story() == ["firing condition_met 5"]
    assert world.evaluator.step().due_in_s == 58
    clock.time_ns += 58 * SECOND
    world.settle()
    assert world.story()[1:] == ["resolved keep_elapsed 5"]


def test_groups_and_rules_are_apart(journal, clock):
    world = World(journal, clock, rules(RULE, RULE.replace("tool_failed", "twice").replace("count: 5", "count: 2")))
    world.feed("FF")
    world.feed("FFF", tool=Tool(name="other_tool"))
    world.feed("FFF")
    world.settle()
    assert [(change.alert.rule, change.alert.labels["tool"]) for change in world.changes()] == [
        ("twice", "query_order_status"),
        ("twice", "other_tool"),
        ("tool_failed", "query_order_status"),
    ]


def test_own_labels_are_part_of_the_alert(journal, clock):
    world = World(journal, clock, rules(RULE + "    labels: {team: search}\n"))
    world.feed("FFFFF")
    world.settle()
    (change,) = world.changes()
    assert change.alert.labels == LABELS | {"team": "search"}
    assert change.alert.fingerprint == fingerprint("tool_failed", change.alert.labels) != MARK


def test_two_rules_of_one_name_are_refused(journal, clock):
    with pytest.raises(ConfigError, match="two rules"):
        World(journal, clock, [*rules(), *rules()])


class Broken:
    """A rule that fails at one of its facts."""

    kind, name, needs = "broken", "broken", ("step_ended",)

    def group(self, recorded):
        return {}

    def start(self):
        return b""

    def fold(self, state, recorded):
        raise ZeroDivisionError

    def judge(self, state, now_ns):
        raise AssertionError


def test_a_broken_rule_stops_nobody(journal, clock):
    """Neither the other rules nor the cursor; each fact that it failed at is told."""
    (other,) = rules(RULE.replace("tool_failed", "broken"))
    world = World(journal, clock, [LoadedRule(other.definition, Broken()), *rules()])
    world.feed("FFFFF")
    world.settle()
    assert world.story() == ["firing condition_met 5"]
    assert [(name, type(exc)) for name, exc in world.errors] == [("broken", ZeroDivisionError)] * 5


def test_a_removed_rule_ends_its_alerts(world, clock):
    world.feed("FFFFF")
    world.settle()
    clock.time_ns += 7 * SECOND
    world.rules = ()
    world.restarted()
    assert len(world.evaluator.firing()) == 1
    world.settle()
    assert world.story()[1:] == ["resolved rule_removed 5"]
    assert world.recorded()[1].event.occurred_at == clock.time_ns
    assert world.evaluator.firing() == ()
    assert list(world.journal.projected("rules")) == [f"alert/{MARK}"]


def test_a_changed_rule_begins_anew(world):
    """What fired under the old definition ends; the numbers of its changes go on, so that no id is used twice."""
    world.feed("FFFFF")
    world.settle()
    world.rules = rules(RULE.replace("count: 5", "count: 3"))
    world.restarted()
    world.feed("FF")
    world.settle()
    assert world.story()[1:] == ["resolved rule_changed 5"]
    world.feed("F")
    world.settle()
    assert world.story()[2:] == ["firing condition_met 3"]
    assert [change.alert.changes for change in world.changes()] == [1, 2, 3]
    assert len([key for key in world.journal.projected("rules") if key.startswith("group/")]) == 1


def test_history_under_a_removed_rule_ends_as_history(world):
    world.feed("FFFFF", age_s=HOUR + 1)
    world.settle()
    world.rules = ()
    world.restarted()
    world.settle()
    assert world.story()[1:] == ["resolved rule_removed 5 history"]


def test_a_reworded_rule_goes_on(world):
    world.feed("FFFF")
    world.settle()
    world.rules = rules(RULE.replace("failed {value} times", "is broken").replace("page", "warning"))
    world.restarted()
    world.feed("F")
    world.settle()
    (change,) = world.changes()
    assert change.alert.summary == "query_order_status is broken in 客服 Agent"
    assert change.alert.severity == "warning"


def test_the_number_of_groups_is_bounded(journal, clock):
    """Those that were quiet longest are forgotten, and it is said; a group with an alert never is."""
    world = World(journal, clock, max_groups=10, limit=7)
    world.feed("FFFFF")
    world.settle()
    for number in range(40):
        world.feed("F", tool=Tool(name=f"tool_{number}"))
    world.settle()
    groups = [key for key in journal.projected("rules") if key.startswith("group/")]
    assert len(groups) <= 10
    assert world.errors
    assert all("more than 10 groups" in str(exc) for _, exc in world.errors)
    world.feed("S")
    world.settle()
    assert world.story() == ["firing condition_met 5", "resolved condition_cleared 5"]


def test_nothing_is_written_when_nothing_happens(world):
    """An idle evaluator leaves the journal alone."""
    world.feed("FFFFF")
    world.settle()
    before = (world.journal.head(), world.journal.cursor("rules"), world.journal.projected("rules"))
    outcome = world.evaluator.step()
    assert not outcome.progressed
    assert (world.journal.head(), world.journal.cursor("rules"), world.journal.projected("rules")) == before


def test_tells_how_long_each_rule_took(journal, clock):
    took = []
    world = World(journal, clock, on_judged=lambda rule, seconds: took.append((rule, seconds)))
    world.feed("F")
    world.evaluator.step()
    assert took == [("tool_failed", 0.0)]


def test_every_kind_of_step_can_be_judged(journal, clock):
    """Without `where`, the failures of models and tools of one group are one streak."""
    world = World(
        journal, clock, rules(RULE.replace("where: {kind: tool}", "where: []").replace("[app_id, tool]", "[app_id]"))
    )
    world.append(
        [told("failed", at, kind=kind).event for at, kind in enumerate(["llm", "tool", "tool", "http", "llm"])]
    )
    world.settle()
    assert [change.now for change in world.changes()] == ["firing"]


def test_on_disk_as_in_memory(tmp_path, clock):
    """Over a real journal that is closed and opened again between any two facts."""
    for letter in "FFFFFFSFF":
        with SqliteJournal.open(tmp_path / "journal", clock, min_free_bytes=0) as journal:
            world = World(journal, clock)
            world.told = journal.head() - len(world.changes())
            world.feed(letter)
            world.settle()
            told = world.story()
    assert told == ["firing condition_met 5", "resolved condition_cleared 6"]
