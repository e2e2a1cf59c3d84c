"""Whose content leaves by which sink."""

from __future__ import annotations

import pytest

from monitor.model import AppPolicy, ContentPolicy, Redaction, StepEnded
from monitor.normalise.redact import Leaving
from monitor.testing import samples

FACT = samples.recorded(
    StepEnded(samples.turn_ref(), samples.tool_step()), content={"input": "mail bob@example.com", "user": "bob"}
)
APP_ID, APP_NAME = samples.turn_ref().app_id, samples.turn_ref().app_name


def leaving(content: ContentPolicy, *apps: AppPolicy, sink: str = "otlp") -> Leaving:
    return Leaving(sink, content, Redaction(apps=apps))


@pytest.mark.parametrize("app", [APP_ID, APP_NAME, APP_NAME[:2] + "*"])
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
    assert leaving("none", AppPolicy("one", "redacted")).wants_content
    assert leaving("redacted").wants_content
