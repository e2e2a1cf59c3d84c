"""Whose content leaves by which sink."""

from __future__ import annotations

import subprocess
import sys

import pytest

from monitor.model import AppPolicy, ContentPolicy, IndexingChanged, MaskPattern, Redaction, StepEnded, TurnStarted
from monitor.normalise.redact import Leaving
from monitor.testing import samples

FACT = samples.recorded(
    StepEnded(samples.turn_ref(), samples.tool_step()), content={"input": "mail bob@example.com", "user": "bob"}
)
APP_ID, APP_NAME = samples.turn_ref().app_id, samples.turn_ref().app_name


def leaving(content: ContentPolicy, *apps: AppPolicy, sink: str = "otlp") -> Leaving:
    return Leaving(sink, content, Redaction(apps=apps))


@pytest.mark.parametrize("app", [APP_ID, APP_ID.upper(), APP_NAME, APP_NAME.lower(), APP_NAME[:2] + "*", "客服?Agent"])
def test_an_app_can_be_named_by_id_or_name(app):
    assert leaving("full", AppPolicy(app, "none")).of(FACT.event) == {}
    assert leaving("none", AppPolicy(app, "redacted")).of(FACT.event) == {"input": "mail [email]"}


def test_other_apps_follow_the_sink():
    assert leaving("none", AppPolicy("another", "full")).of(FACT.event) == {}
    assert leaving("full", AppPolicy("another", "none")).of(FACT.event) == FACT.event.content


def test_the_first_entry_that_fits_decides():
    apps = AppPolicy(APP_ID, "redacted"), AppPolicy("*", "none")
    assert leaving("full", *apps).of(FACT.event) == {"input": "mail [email]"}


def test_an_entry_can_be_about_some_sinks_alone():
    policy = AppPolicy("*", "full", sinks=("elasticsearch",))
    assert leaving("none", policy, sink="elasticsearch").of(FACT.event) == FACT.event.content
    assert leaving("none", policy, sink="otlp").of(FACT.event) == {}


def test_content_is_asked_for_where_any_may_leave():
    assert not leaving("none").wants_content
    assert not leaving("none", AppPolicy("*", "none")).wants_content
    assert not leaving("full", AppPolicy("*", "none")).wants_content
    assert not leaving("none", AppPolicy("*", "none"), AppPolicy("one", "full")).wants_content
    assert leaving("none", AppPolicy("one", "redacted")).wants_content
    assert leaving("none", AppPolicy("one", "full"), AppPolicy("*", "none")).wants_content
    assert leaving("redacted").wants_content


@pytest.mark.parametrize(
    ("app", "fits"), [("[prod] *", True), ("[PROD] b?t", True), ("[p]rod* bot", False), ("*]*", True)]
)
def test_only_stars_and_question_marks_stand_for_something(app, fits):
    """Apps are called `[prod] bot`; as in a shell that would be a set of letters, and the rule would fit nothing."""
    body = StepEnded(samples.turn_ref(app_name="[prod] bot"), samples.tool_step())
    event = samples.recorded(body, content={"input": "x"}).event
    assert (leaving("full", AppPolicy(app, "none")).of(event) == {}) == fits


def test_a_rule_for_all_apps_is_about_facts_of_none_too():
    """A document that can't be indexed is of no app, and its error may quote it."""
    body = IndexingChanged("tenant", "dataset", "document", "failed")
    event = samples.recorded(body, content={"error": "x"}).event
    assert leaving("full", AppPolicy("*", "none")).of(event) == {}
    assert leaving("full", AppPolicy("?*", "none")).of(event) == {"error": "x"}
    assert leaving("full", AppPolicy(APP_ID, "none")).of(event) == {"error": "x"}


def test_an_app_that_is_renamed_is_followed_by_its_id_alone():
    before, after = (
        samples.recorded(TurnStarted(samples.turn_ref(app_name=name)), content={"input": "x"}).event
        for name in ("old name", "new name")
    )
    by_id, by_name = (leaving("full", AppPolicy(app, "none")) for app in (APP_ID, "old *"))
    assert [by_id.of(before), by_id.of(after)] == [{}, {}]
    assert [by_name.of(before), by_name.of(after)] == [{}, {"input": "x"}]


def test_what_is_remembered_of_apps_has_a_bound():
    """The same answers for the ten-thousandth app and for the first one again."""
    rules = leaving("full", AppPolicy("app 7*", "none"))
    for number in (*range(10_000), *range(10)):
        turn = samples.turn_ref(app_name=f"app {number}")
        event = samples.recorded(TurnStarted(turn), content={"input": "x"}).event
        assert (rules.of(event) == {}) == f"{number}".startswith("7")
    assert len(rules._known) < 5000


def test_the_configuration_s_own_masks_are_in_force():
    redaction = Redaction(patterns=(MaskPattern("bob@[a-z.]+", "[colleague]"),), words=("mail",))
    assert Leaving("otlp", "redacted", redaction).of(FACT.event) == {"input": "[name] [colleague]"}


def test_the_content_of_the_fact_is_never_changed():
    leaving("redacted").of(FACT.event)
    assert FACT.event.content == {"input": "mail bob@example.com", "user": "bob"}


def test_libraries_come_only_with_masking():
    """They cost time and memory at a start that a sink without content need not pay."""
    code = (
        "import sys\n"
        "from monitor.model import AppPolicy, Redaction\n"
        "from monitor.normalise.redact import Leaving\n"
        "known = lambda: sorted({'phonenumbers', 're2', 'stdnum'} & set(sys.modules))\n"
        "Leaving('x', 'full', Redaction()), print(known())\n"
        "Leaving('x', 'none', Redaction(apps=(AppPolicy('a', 'redacted'),))), print(known())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "['phonenumbers', 'stdnum']"]
