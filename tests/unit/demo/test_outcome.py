"""What the demo's exit code rests on: it is right when all is right, and each thing that is wrong is noticed."""

from __future__ import annotations

import json
import re
from decimal import Decimal

import msgspec
import pytest

from monitor.demo import outcome, story
from monitor.demo.house import Place, place_of
from monitor.demo.outcome import AlertStory, Outcome, Span
from monitor.demo.paper import console_on
from monitor.demo.recording import load
from monitor.demo.truth import truth_of
from monitor.errors import ConfigError, MonitorError
from monitor.journal import SqliteJournal
from tests.unit.demo.clock import HandClock

TRUTH = truth_of(load())
ALERT = AlertStory(fired=True, resolved=True, cause=None, changes=2)
APP = next(app for app, _ in TRUTH.tally)


def metrics(change=None):
    """A text of `/metrics` that says what is true; `change` takes a key of the tally and says by how much it lies."""
    lines = ['dify_monitor_notifications_total{notifier="console",outcome="said",reason=""} 2.0']
    names = {"turns": "dify_turns_total", "tokens": "dify_tokens_total", "cost": "dify_cost_total"}
    for (app, what), true in TRUTH.tally.items():
        amount = true + (change or {}).get((app, what), 0)
        if what in names:
            lines.append(f'{names[what]}{{app_id="{app}"}} {amount}')
        elif what == "failed tool calls":
            rest = TRUTH.tally[app, "tool calls"] + (change or {}).get((app, "tool calls"), 0) - amount
            lines.append(f'dify_tool_calls_total{{app_id="{app}",status="failed"}} {amount}')
            lines.append(f'dify_tool_calls_total{{app_id="{app}",status="succeeded"}} {rest}')
    typed = sorted({line.partition("{")[0] for line in lines})
    return "".join(
        f"# TYPE {name} counter\n" + "".join(f"{line}\n" for line in lines if line.startswith(name + "{"))
        for name in typed
    )


def made(**changes):
    right = Outcome(metrics(), {}, [Span("{}", "t", "s", failed=False)] * TRUTH.spans, ALERT)
    return msgspec.structs.replace(right, **changes)


def complaints(**changes):
    return "\n".join(outcome.complaints(made(**changes), TRUTH))


def test_nothing_is_to_be_complained_of_when_all_is_right():
    assert complaints() == ""


@pytest.mark.parametrize("what", ["turns", "tool calls", "failed tool calls", "tokens", "cost"])
@pytest.mark.parametrize("by", [Decimal("-0.5"), Decimal("0.0000001"), Decimal(1)])
def test_a_count_that_is_off_is_noticed(what, by):
    assert f"{what} of the app {APP}" in complaints(metrics=metrics({(APP, what): by}))


def test_metrics_that_are_missing_are_noticed():
    assert "the metrics count 0" in complaints(metrics="")


def test_what_was_counted_before_is_not_counted_again():
    before = {key: Decimal(3) for key in TRUTH.tally}
    assert complaints(metrics=metrics(before), counted_before=before) == ""
    assert complaints(counted_before=before) != ""


def test_spans_that_are_missing_or_twice_there_are_noticed():
    spans = made().spans
    assert "spans were to be written" in complaints(spans=spans[1:])
    assert "spans were to be written" in complaints(spans=[*spans, spans[0]])


@pytest.mark.parametrize(
    ("alert", "complaint"),
    [
        (AlertStory(fired=False, resolved=False, cause=None, changes=0), "the alert did not fire"),
        (AlertStory(fired=True, resolved=False, cause=None, changes=1), "the alert did not resolve"),
        (AlertStory(fired=True, resolved=True, cause=None, changes=3), "2 notifications were said"),
    ],
)
def test_an_alert_that_went_wrong_is_noticed(alert, complaint):
    assert complaint in complaints(alert=alert)


# -- the whole story, on a clock that needs no time


def tell(place, clock=None, pace=story.AT_ONCE):
    story.tell(place, clock or HandClock(), console_on(), pace)


def test_a_story_that_goes_wrong_is_told_to_its_end_and_fails(tmp_path, monkeypatch):
    monkeypatch.setattr(story, "truth_of", lambda recording: truth_of(recording)._replace(spans=1))
    with pytest.raises(MonitorError, match="1 spans were to be written, 65 were"):
        tell(Place(tmp_path))


def test_the_same_story_is_told_at_any_pace(tmp_path, capsys):
    """Only times, pseudonyms and folders differ."""
    shown = []
    for pace in (story.AT_ONCE, story.IN_TIME):
        tell(Place(tmp_path / str(pace.speed)), pace=pace)
        lines = capsys.readouterr().out.splitlines()
        shown.append([line for line in lines if not re.search(r"\d\d:\d\d:\d\d|UnixNano|User|/", line)])
    assert shown[0] == shown[1]
    assert len(shown[0]) > 100


def test_in_time_it_takes_as_long_as_people_like_to_watch(tmp_path):
    clock = HandClock()
    began_ns = clock.now_ns()
    tell(Place(tmp_path), clock, story.IN_TIME)
    assert 8e9 < clock.now_ns() - began_ns < 12e9


def test_it_all_happens_now(tmp_path):
    """So that the alert is news: the last turn ends within the last seconds, and none in the future."""
    clock = HandClock()
    tell(Place(tmp_path), clock)
    told = map(json.loads, (tmp_path / "spans.jsonl").read_text().splitlines())
    spans = [line["resourceSpans"][0]["scopeSpans"][0]["spans"][0] for line in told if "resourceSpans" in line]
    ends = [int(span["endTimeUnixNano"]) for span in spans]
    assert 0 <= clock.now_ns() - max(ends) < 5e9


def test_a_folder_can_be_used_again(tmp_path):
    """The journal goes on under other ids, and what is checked is what this play added.

    The apps are the same ones: how they are set up is no news.
    """
    clock = HandClock()
    heads = []
    for _ in range(3):
        tell(place_of(tmp_path, clock), clock)
        with SqliteJournal.open(tmp_path / "journal", clock, read_only=True) as journal:
            heads.append(journal.head())
    set_up = sum(len(load().lookups[table]) for table in ("app_model_configs", "workflows"))
    assert heads[1] - heads[0] == heads[2] - heads[1] == heads[0] - set_up


# -- where files lie


def test_a_journal_of_something_else_is_left_alone(tmp_path):
    with SqliteJournal.open(tmp_path / "journal", HandClock()) as journal:
        journal.append("dify_database", [], b"somewhere")
        journal.advance("x", 0)
    place_of(tmp_path, HandClock())  # nothing happened in it yet
    from monitor.testing import samples  # noqa: PLC0415

    with SqliteJournal.open(tmp_path / "journal", HandClock()) as journal:
        journal.append("dify_database", [samples.event(samples.turn_started())], b"further")
    with pytest.raises(ConfigError, match="must not mix"):
        place_of(tmp_path, HandClock())


def test_without_a_name_there_is_a_fresh_folder_that_can_be_discarded(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    one, other = place_of(None, HandClock()), place_of(None, HandClock())
    assert one.folder != other.folder
    assert one.folder.parent == tmp_path
    one.discard()
    assert not one.folder.exists()
    assert other.folder.exists()


def test_a_folder_that_was_named_is_never_discarded(tmp_path):
    place = place_of(tmp_path / "new", HandClock())
    place.discard()
    assert (tmp_path / "new").is_dir()


def test_a_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="--dir"):
        place_of(tmp_path / "file", HandClock())
