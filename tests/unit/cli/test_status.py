"""`monitor status`: what it counts as a problem, what it shows, and its exit code."""

from __future__ import annotations

import json
import threading

import msgspec
import pytest
from click.testing import CliRunner

from monitor.cli import cli
from monitor.cli.status_facts import BEHIND_NS, Limits, Names, take_status
from monitor.clock import SystemClock
from monitor.journal import SqliteJournal
from monitor.journal.survey import Survey
from monitor.model import COVERAGE_KEY, Coverage, SourceGap, TurnStarted
from monitor.ports import Projection, RejectedEvent
from monitor.runtime.alert_rows import CONSUMER as RULES
from monitor.testing import samples
from monitor.testing.clock import HandClock
from tests.unit.journal.conftest import KINDS
from tests.unit.runtime.alert_world import FakeClock, World

URL = "postgresql://u:hunter2-hunter2@127.0.0.1:1/dify"
HOUR = 3600 * samples.SECOND
ROOM = Limits(None, 0)


def now_ns():
    return SystemClock().now_ns()


@pytest.fixture
def clock():
    """Stands at the machine's time, as the lock's file has that of the machine."""
    return HandClock(now_ns())


@pytest.fixture
def journal(tmp_path, clock):
    """A journal that is held, with two turns; metrics and rules have seen them."""
    with SqliteJournal.open(tmp_path / "journal", clock, min_free_bytes=0) as opened:
        opened.append("dify_database", [recorded.event for recorded in samples.stream(2)], b"p")
        for consumer in ("metrics", "rules", "sink:otlp"):
            opened.advance(consumer, 10)
        yield opened


def status_at(tmp_path, later_ns=0, names=None, limits=ROOM):
    """The status as somebody sees it who looks so much later."""
    with Survey.open(tmp_path / "journal") as survey:
        return take_status(survey, names, limits, now_ns() + later_ns)


def problems(*asked, **more):
    return [each.problem for each in status_at(*asked, **more).problems]


def invoke(*args, **env):
    return CliRunner().invoke(cli, ["status", *map(str, args)], env=env)


# -- problems


def test_a_journal_that_is_up_to_date_has_none(journal, tmp_path):
    assert problems(tmp_path) == []


def test_every_problem_has_a_remedy(journal, tmp_path):
    journal.advance("sink:otlp", 10, rejected=[RejectedEvent(1, "refused", "")])
    journal.append("dify_database", [samples.event(SourceGap("turn t", "ValueError", "t"))], b"q")
    found = status_at(tmp_path, BEHIND_NS * 2, limits=Limits(1, 0)).problems
    assert len(found) == 7
    assert all(each.problem.endswith((".", "meanwhile")) and each.remedy for each in found)


def test_a_consumer_may_be_behind_for_ten_minutes(journal, tmp_path):
    journal.append("dify_database", [samples.event(TurnStarted(turn=samples.turn_ref(9)))], b"q")
    assert problems(tmp_path, BEHIND_NS // 2) == []
    behind = [each for each in problems(tmp_path, BEHIND_NS * 2) if "behind" in each]
    assert len(behind) == 3
    assert "sink:otlp is behind by 1 event, 20 min 0 s." in behind


def test_one_that_is_behind_without_a_sidecar_only_waits(journal, tmp_path):
    journal.append("dify_database", [samples.event(TurnStarted(turn=samples.turn_ref(9)))], b"q")
    journal.close()
    assert problems(tmp_path, BEHIND_NS * 2) == []


def test_a_sidecar_that_has_just_started_is_given_its_ten_minutes(tmp_path):
    """What waited while none ran is not this one's fault."""
    old = HandClock(now_ns() - 48 * HOUR)
    with SqliteJournal.open(tmp_path / "journal", old, min_free_bytes=0) as journal:
        journal.append("dify_database", [recorded.event for recorded in samples.stream(2)], b"p")
    with SqliteJournal.open(tmp_path / "journal", SystemClock(), min_free_bytes=0):
        assert problems(tmp_path) == []
        assert len(problems(tmp_path, BEHIND_NS * 2)) == 3


def test_the_eraser_of_a_configured_source_is_configured(journal, tmp_path):
    status = status_at(tmp_path, names=Names(sources=frozenset({"dify"}), consumers=frozenset()))
    assert status.is_configured("erase:dify")
    assert not status.is_configured("erase:another")


def test_a_sink_that_is_configured_and_never_took_anything_is_missed(journal, tmp_path):
    names = Names(sources=["dify_database"], consumers=["metrics", "rules", "sink:otlp", "sink:dead"])
    status = status_at(tmp_path, names=names)
    assert [each.events for each in status.consumers if each.consumer == "sink:dead"] == [10]
    assert [each for each in problems(tmp_path, BEHIND_NS * 2, names) if "sink:dead" in each]


def test_one_that_is_no_longer_configured_is_nobodys_problem(journal, tmp_path):
    journal.append("dify_database", [samples.event(TurnStarted(turn=samples.turn_ref(9)))], b"q")
    names = Names(sources=["dify_database"], consumers=["metrics", "rules"])
    assert not [each for each in problems(tmp_path, BEHIND_NS * 2, names) if "sink:otlp" in each]


def test_a_source_that_the_sidecar_does_not_read(journal, tmp_path):
    assert problems(tmp_path, BEHIND_NS // 2) == []
    assert problems(tmp_path, BEHIND_NS * 2) == [
        "source dify_database was not read for 20 min 0 s, though the sidecar runs."
    ]


def test_a_source_that_was_never_read_though_a_sidecar_runs(journal, tmp_path):
    names = Names(sources=["dify_database", "new"], consumers=["metrics", "rules", "sink:otlp"])
    assert problems(tmp_path, names=names) == []
    assert [each for each in problems(tmp_path, BEHIND_NS * 2, names) if "source new" in each]


def test_without_a_sidecar_a_source_may_rest_for_a_day(journal, tmp_path):
    journal.close()
    assert problems(tmp_path, 23 * HOUR) == []
    (problem,) = problems(tmp_path, 25 * HOUR)
    assert problem.startswith("source dify_database was not read for 1 d 1 h, and no sidecar runs")


def test_parked_events_are_one_until_they_are_marked_or_dropped(journal, tmp_path):
    journal.advance("sink:otlp", 10, rejected=[RejectedEvent(seq, "too_large", "") for seq in (1, 2, 3)])
    assert problems(tmp_path) == ["sink:otlp gave up 3 events as too_large."]
    journal.mark([("sink:otlp", 1)])
    assert problems(tmp_path) == ["sink:otlp gave up 2 events as too_large."]
    journal.mark([("sink:otlp", 2)])
    journal.drop([("sink:otlp", 3)])
    assert problems(tmp_path) == []


def test_a_gap_is_news_for_a_day(journal, tmp_path):
    journal.append("dify_database", [samples.event(SourceGap("turn t", "ValueError", "t"))], b"q")
    journal.close()
    assert problems(tmp_path, HOUR) == ["turn t could not be read (ValueError), 1 h 0 min ago."]
    assert not [each for each in problems(tmp_path, 25 * HOUR) if "could not be read" in each]
    assert status_at(tmp_path, 25 * HOUR).gaps.total == 1


def test_a_full_journal(journal, tmp_path):
    (problem,) = problems(tmp_path, limits=Limits(1, 0))
    assert "journal.max_bytes is 1" in problem
    assert len(problems(tmp_path, limits=Limits(None, 2**62))) == 1


# -- coverage


def cover(journal, source="dify_database", **said):
    """Let the source say that of its coverage."""
    at = now_ns()
    coverage = Coverage(**{"at": at, "purge_safe_at": at - 60 * samples.SECOND, "checked_at": at, **said})
    remembered = {COVERAGE_KEY: msgspec.json.encode(coverage)}
    journal.append(source, [], msgspec.json.encode(said), remember=remembered)


def test_a_coverage_that_is_safe_is_no_problem(journal, tmp_path):
    cover(journal, checked_since=1, checked_until=2, compared=5, repaired=1, deleted=7, left_out=3, gaps=1)
    assert problems(tmp_path) == []


@pytest.mark.parametrize(("state", "said"), [("at_risk", "will soon delete"), ("overtaken", "has deleted rows")])
def test_dify_s_clean_up_ahead_of_us_is_a_problem(journal, tmp_path, state, said):
    cover(journal, state=state)
    (problem,) = status_at(tmp_path).problems
    assert said in problem.problem
    assert "Rows are safe to delete up to 20" in problem.problem
    assert problem.remedy
    assert invoke().exit_code == 1


def test_missing_rows_are_a_problem_once_they_had_time_to_be_read(journal, tmp_path):
    cover(journal, missing=2)
    assert problems(tmp_path, BEHIND_NS // 2) == []
    (problem,) = [each for each in problems(tmp_path, BEHIND_NS * 2) if "not recorded" in each]
    assert (
        problem == "source dify_database: 2 rows that Dify holds are not recorded, as of a comparison 20 min 0 s ago."
    )


def test_the_coverage_of_a_source_that_is_no_longer_configured_is_nobodys_problem(journal, tmp_path):
    cover(journal, state="overtaken")
    assert problems(tmp_path, names=Names(sources=["other"], consumers=[])) == []


def test_coverage_is_shown(journal):
    at = now_ns()
    cover(
        journal,
        purge_safe_at=at - 125 * samples.SECOND,
        oldest_at=1_758_000_000 * samples.SECOND,
        checked_since=1_758_000_000 * samples.SECOND,
        checked_until=1_758_003_600 * samples.SECOND,
        compared=1234,
        repaired=1,
        deleted=7,
        left_out=3,
        external_runs=True,
    )
    result = invoke()
    assert max(map(len, result.output.splitlines())) <= 80
    told = " ".join(result.output.split())
    assert "Coverage dify_database Purge-safe up to 20" in told
    assert "UTC, 2 min 5" in told
    assert "Oldest in Dify 2025-09-16 05:20:00 UTC, " in told
    assert "Compared 2025-09-16 05:20:00 UTC to 2025-09-16 06:20:00 UTC, " in told
    assert "1,234 rows in all" in told
    assert "Repaired 1 turn that" in told
    assert "Missing 0 rows Gaps 0 Deleted 7 recorded turns" in told
    assert "Left out 3 rows" in told
    assert "Dify keeps its workflow runs outside of this database" in told


def test_coverage_that_is_not_known_yet_says_so(journal):
    cover(journal, purge_safe_at=0, checked_at=0)
    told = " ".join(invoke().output.split())
    assert "Purge-safe up to not known yet" in told
    assert "Compared not yet" in told


def test_coverage_as_json(journal):
    cover(journal, state="at_risk", purge_safe_at=1_758_000_000 * samples.SECOND, missing=2, left_out=4)
    (told,) = json.loads(invoke("--json").stdout)["coverage"]
    assert told["source"] == "dify_database"
    assert told["state"] == "at_risk"
    assert told["purge_safe_at"] == "2025-09-16T05:20:00.000Z"
    assert told["oldest_at"] is None
    assert (told["missing"], told["left_out"], told["external_runs"]) == (2, 4, False)


# -- what is shown


def test_all_of_it_in_eighty_columns(journal, tmp_path):
    journal.advance("sink:otlp", 10, rejected=[RejectedEvent(1, "refused", "")])
    result = invoke()
    assert (result.exit_code, result.stderr) == (1, "")
    lines = result.output.splitlines()
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in result.output
    told = [" ".join(line.split()) for line in lines]
    assert told[0].startswith("Journal /")
    assert "Events 10 of 2 turns" in told
    assert any(line.startswith("Sidecar process ") for line in told)
    assert "Open turns none" in told
    assert any(line.startswith("dify_database ") and " ago (" in line for line in told)
    assert "sink:otlp 0 –" in told
    assert "sink:otlp refused 1 0" in told
    assert "! sink:otlp gave up 1 event as refused." in told


def test_nothing_to_do(journal, tmp_path):
    result = invoke("--journal", tmp_path / "journal")
    assert result.exit_code == 0
    assert result.output.endswith("Nothing needs a person.\n")


def test_without_a_sidecar(journal):
    journal.close()
    result = invoke()
    assert result.exit_code == 0
    assert "none holds the journal now" in result.output


def test_json(journal, tmp_path):
    journal.advance("sink:otlp", 10, rejected=[RejectedEvent(1, "refused", "")])
    journal.advance("sink:otlp", 10, rejected=[RejectedEvent(2, "refused", "")])
    journal.drop([("sink:otlp", 2)])
    result = invoke("--json")
    told = json.loads(result.stdout)
    assert result.exit_code == 1
    assert told["version"] == 1
    assert told["journal"]["path"] == str(tmp_path / "journal")
    assert told["journal"]["events"] == 10
    assert told["journal"]["bytes_per_turn"] == round(told["journal"]["bytes"] / 2)
    assert told["turns"] == {"begun": 2, "open": 0, "oldest_open_started_at": None}
    assert told["sidecar"]["pid"] > 0
    assert [source["name"] for source in told["sources"]] == ["dify_database"]
    assert {each["name"]: each["waiting_events"] for each in told["consumers"]} == {
        "metrics": 0,
        "rules": 0,
        "sink:otlp": 0,
    }
    assert told["rejected"] == [{"consumer": "sink:otlp", "reason": "refused", "events": 1, "marked": 0}]
    assert told["dropped"] == [{"consumer": "sink:otlp", "reason": "refused", "events": 1}]
    assert told["problems"][0]["remedy"].startswith("See `monitor rejected list`")


def test_the_configuration_says_who_should_be_there(journal, tmp_path):
    """Without a secret of it."""
    (tmp_path / "monitor.yaml").write_text(
        "sources: [{type: dify_database, url: '${NOT_SET}'}]\n"
        "sinks: [{type: file, name: archive, path: x}]\nnotifiers: [{type: webhook, url: '${NOT_SET_EITHER}'}]\n"
    )
    result = invoke("--json")
    assert result.stderr == ""
    configured = {each["name"]: each["configured"] for each in json.loads(result.stdout)["consumers"]}
    assert configured == {
        "metrics": True,
        "rules": True,
        "sink:otlp": False,
        "sink:archive": True,
        "notify:webhook": True,
    }
    assert "sink:otlp (no longer configured)" in invoke().output


def test_the_environment_alone_does_too(journal):
    told = json.loads(invoke("--json", DIFY_DB_URL=URL, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1").stdout)
    assert {each["name"] for each in told["consumers"]} == {"metrics", "rules", "sink:otlp", "notify:console"}


def test_alerts_that_fire_are_shown_and_are_no_problem(tmp_path):
    with SqliteJournal.open(tmp_path / "journal", SystemClock(), min_free_bytes=0) as journal:
        world = World(journal, FakeClock())
        world.feed("FFFFF")
        world.settle()
        assert len(json.loads(invoke("--json").stdout)["alerts"]) == 1
        result = invoke()
        assert "tool_failed" in result.output
        assert "page" in result.output
        assert result.exit_code == 0
        world.feed("S")
        world.settle()
        assert json.loads(invoke("--json").stdout)["alerts"] == []


def test_alerts_that_are_history_stand_apart(tmp_path):
    """Their facts were old when they were read: they fire for good, and nobody was notified."""
    clock = FakeClock()
    with SqliteJournal.open(tmp_path / "journal", clock, min_free_bytes=0) as journal:
        world = World(journal, clock, max_age_ns=3_600 * samples.SECOND)
        world.feed("FFFFF", age_s=86_400)
        world.settle()
        result = invoke()
        assert "History, nobody was told" in " ".join(result.output.split())
        assert "Firing" not in result.output
        assert [each["history"] for each in json.loads(invoke("--json").stdout)["alerts"]] == [True]
        world.told += 2 * 86_400
        world.feed("F")
        world.settle()
        assert "Firing" in invoke().output
        assert [each["history"] for each in json.loads(invoke("--json").stdout)["alerts"]] == [False]


def test_an_alerts_row_that_cannot_be_read_is_damage(journal, tmp_path):
    journal.project(
        RULES, limit=1, kinds=KINDS, content=False, apply=lambda _: Projection(puts={"alert/x": b"\xff\x00"})
    )
    result = invoke()
    assert result.exit_code == 4
    assert "can't be read" in result.stderr


def test_foreign_names_cannot_act_on_the_terminal(tmp_path):
    with SqliteJournal.open(tmp_path / "journal", SystemClock(), min_free_bytes=0) as journal:
        gap = SourceGap("turn \x1b[31mt", "Value\u202eError", "t")
        journal.append("dify\x1b[31m", [samples.event(gap)], b"q")
        journal.advance("sink:\x1b[0m", 0)
        plain, as_json = invoke(), invoke("--json")
    assert "\x1b" not in plain.output + as_json.output
    assert "\u202e" not in plain.output + as_json.output
    assert json.loads(as_json.stdout)["gaps"]["newest_reason"] == "Value\u202eError"


def test_no_journal(tmp_path):
    result = invoke("--journal", tmp_path / "none")
    assert result.exit_code == 2
    assert "there is no journal" in result.stderr


def test_beside_one_that_writes_all_the_time(journal):
    """Whatever moment it meets, its numbers agree with each other."""
    stop = threading.Event()

    def write():
        number = 100
        while not stop.is_set():
            number += 1
            journal.append("dify_database", [recorded.event for recorded in samples.agent_turn(number)], b"%d" % number)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        documents = [json.loads(invoke("--json").stdout) for _ in range(5)]
    finally:
        stop.set()
        thread.join(10)
    for told in documents:
        assert told["journal"]["events"] == told["turns"]["begun"] * 5
        waiting = {each["name"]: each["waiting_events"] for each in told["consumers"]}
        assert waiting["metrics"] == told["journal"]["events"] - 10
