"""What a replay shows of a turn beside the turn itself: alerts, ratings, forms, triggers, what was live.

As plain frozen data, part of the nouns of nouns.py, which says what holds for all of them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from monitor.replay.texts import Passage

__all__ = ["Alert", "Annotation", "Configuration", "Deletion", "Feedback", "Form", "Person", "Trigger"]


class Person(msgspec.Struct, frozen=True):
    """Somebody who did something."""

    user: str
    """Keyed pseudonym; empty where Dify does not say who."""
    user_id: Passage | None
    """The true id."""


class Alert(msgspec.Struct, frozen=True, tag="alert", tag_field="moment"):
    """A change of an alert that rests, at least in part, on this turn."""

    at: datetime
    """When the alert changed, by Dify's time."""
    rule: str
    """The rule's name."""
    severity: str
    """The rule's severity."""
    summary: str
    """The alert in one line."""
    was: str
    """The alert's state before."""
    now: str
    """The alert's state from then on: pending, firing, resolved or inactive."""
    reason: str
    """Why it changed: condition_met, held_for, condition_cleared, ..."""
    since: datetime
    """When the condition began to hold."""
    value: float
    """The value that the rule judged."""
    labels: dict[str, str]
    """Which group of steps the alert is about."""
    fingerprint: str
    """The alert's identity."""
    caused_here: bool
    """A step of this turn brought the change about."""
    steps: tuple[str, ...]
    """Ids of this turn's steps that the alert rests on."""
    steps_elsewhere: int
    """How many steps of other turns it rests on as well."""
    late: bool
    """The fact that caused it came to be known after later ones had been judged."""
    history: bool
    """It was found when the facts were already old: recorded, and nobody was notified."""
    seq: int
    """The record's position in the journal."""


class Feedback(msgspec.Struct, frozen=True, tag="feedback", tag_field="moment"):
    """Somebody rated the answer, rated it otherwise, or took the rating back."""

    at: datetime
    """When it was; for one that was withdrawn, when it was found to be gone."""
    what: Literal["given", "changed", "withdrawn"]
    """What became of the rating."""
    rating: str
    """Dify's own word: like, dislike. Of a withdrawn one, what it was."""
    was: str
    """The rating before a change; else empty."""
    given_by: str
    """Dify's own word: user (the end user), admin (a person of the workspace)."""
    who: Person
    """Who rated."""
    comment: Passage | None
    """What they said to it."""
    feedback_id: str
    """The rating's id in Dify."""
    seq: int
    """The record's position in the journal."""


class Annotation(msgspec.Struct, frozen=True, tag="annotation", tag_field="moment"):
    """Somebody wrote down, of this turn, how its question is to be answered from then on; or that was removed."""

    at: datetime
    """When it was; for one that was removed, when it was found to be gone."""
    what: Literal["made", "changed", "removed"]
    """What became of it."""
    who: Person
    """The author."""
    question: Passage | None
    """Which question is to be answered."""
    answer: Passage | None
    """What the answer is to be."""
    annotation_id: str
    """Its id in Dify."""
    seq: int
    """The record's position in the journal."""


class Form(msgspec.Struct, frozen=True, tag="form", tag_field="moment"):
    """The workflow asked a person, or that came to an end."""

    at: datetime
    """When it was."""
    status: str
    """Dify's own word: waiting, submitted, timeout, expired."""
    action: str
    """The id of the action that was chosen."""
    who: Person
    """Who submitted."""
    asked: Passage | None
    """What was asked."""
    submitted: Passage | None
    """What was submitted."""
    expires_at: datetime | None
    """Until when an answer was waited for; null where Dify does not say."""
    node_id: str
    """The workflow node that asked."""
    node_title: str
    """The node's title; empty where the journal does not have it."""
    form_id: str
    """Its id in Dify."""
    seq: int
    """The record's position in the journal."""


class Trigger(msgspec.Struct, frozen=True, tag="trigger", tag_field="moment"):
    """How it stood with the trigger that started the run."""

    at: datetime
    """When it was."""
    trigger_type: str
    """Dify's own word: trigger-webhook, trigger-schedule, trigger-plugin."""
    status: str
    """Dify's own word: queued, running, succeeded, failed, ..."""
    retries: int
    """How often it was tried again."""
    error_type: str
    """What went wrong, one of a few words."""
    input: Passage | None
    """What triggered it."""
    error: Passage | None
    """What went wrong, in Dify's words."""
    workflow_id: str
    """The workflow that it was to start."""
    trigger_id: str
    """Its id in Dify."""
    seq: int
    """The record's position in the journal."""


class Deletion(msgspec.Struct, frozen=True, tag="deletion", tag_field="moment"):
    """The turn's conversation or rows were deleted in Dify."""

    at: datetime
    """When it was found out; for `hidden`, the nearest time before that Dify kept."""
    how: str
    """`hidden`: marked as deleted, the rows were still there; `gone`; `aged`: Dify's clean-up took rows as old."""
    seq: int
    """The record's position in the journal."""


class Configuration(msgspec.Struct, frozen=True):
    """The app's configuration, or the published workflow, under which the turn ran."""

    hash: str
    """What it is known by; equal where all that it covers is equal."""
    at: datetime
    """Since when it was in force."""
    was: str
    """The hash before it; empty: it is the first that was seen."""
    what: tuple[str, ...]
    """What was different from the one before: prompt, model, tools, datasets, workflow, features, settings."""
    version: str
    """Dify's own name of a published workflow's version."""
    model_provider: str
    """Provider of the app's model; empty for workflows."""
    model_name: str
    """The app's model; empty for workflows."""
    who: Person
    """Who set it up."""
    prompt: Passage | None
    """The app's own prompt; null for workflows, whose nodes have theirs."""
    note: Passage | None
    """What its author said of it."""
    config: Passage | None
    """All of it, as JSON; a detail."""
    config_id: str
    """Its row in Dify."""
    seq: int
    """The record's position in the journal."""
