"""What a replay shows, as plain frozen data: a timeline of turns, each with its moments in the order they happened.

Every judgement is already made here (order, nesting, gaps, what a text is); renderers only draw, and nothing is
shortened. Times are aware datetimes in UTC and durations seconds, because this is where facts meet people. The JSON
of `monitor replay --json` is these structs as they stand, so a field's docstring is its text in the published schema.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypeAlias

import msgspec

from monitor.model import Status, StepKind, TurnStatus
from monitor.model.answers import Matched
from monitor.replay.beside import Alert, Annotation, Configuration, Deletion, Feedback, Form, Person, Trigger
from monitor.replay.texts import Document, Passage, PassageName

__all__ = [
    "Alert",
    "Annotation",
    "Attempt",
    "Configuration",
    "Deletion",
    "Document",
    "Feedback",
    "Form",
    "Gap",
    "GapKind",
    "Moment",
    "Money",
    "Outcome",
    "Passage",
    "PassageName",
    "Person",
    "Provenance",
    "Round",
    "Step",
    "TimeGap",
    "Timeline",
    "ToolCalled",
    "Totals",
    "Trigger",
    "Turn",
    "Used",
    "Whose",
]

GapKind = Literal[
    "no_start", "no_end", "no_records", "missing_steps", "unreadable", "steps_not_told", "no_steps", "lost_parent",
    "late_steps",
]  # fmt: skip


class Money(msgspec.Struct, frozen=True):
    """An amount in one currency."""

    amount: str
    """Decimal text."""
    currency: str
    """As Dify names it."""


class Used(msgspec.Struct, frozen=True):
    """Tokens and money."""

    input_tokens: int | None
    """null where Dify kept only the sum."""
    output_tokens: int | None
    """null where Dify kept only the sum."""
    total_tokens: int
    """The sum."""
    cost: tuple[Money, ...]
    """One entry a currency; empty where nothing was charged."""


class Attempt(msgspec.Struct, frozen=True):
    """An earlier try of a node that Dify retried."""

    at: datetime
    """When it began."""
    error_type: str
    """What went wrong, one of a few words; empty where Dify did not keep it."""


class ToolCalled(msgspec.Struct, frozen=True):
    """Which tool a step called."""

    name: str
    """The tool's name."""
    provider: str
    """The provider's id in Dify."""
    provider_type: str
    """Dify's word: builtin, api, workflow, mcp, ..."""
    known: bool
    """false: the app's configuration has no such tool, the model made it up."""
    calls: int
    """How often it was called in this step; Dify keeps one result for all."""


class Step(msgspec.Struct, frozen=True, tag="step", tag_field="moment"):
    """A model call, tool call, retrieval or workflow node."""

    id: str
    """The id of its row in Dify, or `{message}/{position}/{tool}` for a tool call of an agent."""
    kind: StepKind
    """What it is."""
    name: str
    """Model, tool, dataset or node title."""
    title: str
    """The workflow node's title; empty outside of workflows."""
    node_id: str
    """The workflow node's id in the graph; empty outside of workflows."""
    node_type: str
    """Dify's own word for the node; empty outside of workflows."""
    dify_status: str
    """Dify's own word for how the node ended; empty outside of workflows."""
    started_at: datetime
    """When it began."""
    ended_at: datetime
    """When it ended."""
    duration_s: float
    """Seconds in between."""
    estimated: bool
    """A time was worked out because Dify stored none."""
    provisional: bool
    """Recorded while the turn ran; a record with better times was still to come."""
    status: Status
    """How it ended; `unknown` where Dify's records do not say."""
    error_type: str
    """What went wrong, one of a few words."""
    handled: bool
    """The failure was caught by a fail branch, a default value or the agent."""
    used: Used | None
    """Tokens and money of the model call."""
    model_provider: str
    """The model's provider."""
    model_name: str
    """The model."""
    first_token_s: float | None
    """Seconds until the model's first token."""
    tool: ToolCalled | None
    """Which tool was called."""
    dataset_id: str
    """Which knowledge base was searched; several are separated by commas."""
    documents_found: int | None
    """How many documents were found; null where Dify did not keep it."""
    documents: tuple[Document, ...]
    """The documents found, the best first, as far as Dify kept them."""
    http_status: int | None
    """What an HTTP node was answered; null for others, and where nothing was."""
    soft: bool
    """Dify called it a success; a pattern of the configuration, or the call's own text, says that it failed."""
    truncated: tuple[str, ...]
    """Which of `input`, `process` and `output` Dify had cut short before they were read.

    And `calls`, where an Agent node's log has more calls than are told as steps; the others stand in its output.
    """
    attempts: tuple[Attempt, ...]
    """Earlier tries, the first one first."""
    passages: tuple[Passage, ...]
    """Its texts in the order of reading."""
    parent_id: str
    """The step it ran in, as Dify says; it stands among that step's moments unless a gap says otherwise."""
    moments: tuple[Moment, ...]
    """What happened inside of it."""
    seq: int
    """The record's position in the journal."""
    revisions: int
    """How often the record was replaced by a better one."""


class Round(msgspec.Struct, frozen=True, tag="round", tag_field="moment"):
    """One round of an iteration or a loop."""

    index: int
    """Dify's number of the round; the first one is 0."""
    moments: tuple[Moment, ...]
    """What happened in it."""


Moment: TypeAlias = Step | Round | Alert | Feedback | Annotation | Form | Trigger | Deletion
"""Something that happened."""


class Gap(msgspec.Struct, frozen=True):
    """Something that is not known of the turn, or was not known in time."""

    kind: GapKind
    """`no_start`, `no_end`: that record is missing; `no_records`: all are, and only something beside the turn is known;
    `missing_steps`: the turn's end lists steps that the journal lacks;
    `late_steps`: the journal has steps that the turn's end does not list; `lost_parent`: a step ran inside of one that
    the journal lacks; `unreadable`: Dify's rows could not be read; `steps_not_told`: the turn is one model call, and
    searches inside of it are only kept where the app shows its sources; `no_steps`: Dify kept none."""
    at: datetime | None
    """For `no_end`, when anything was recorded last; for `unreadable`, when it was tried."""
    what: str
    """For `unreadable`, table and row."""
    reason: str
    """For `unreadable`, why."""
    since: datetime | None
    """For `unreadable`, where the hole in Dify's time begins; null where it is not a stretch of time."""
    until: datetime | None
    """For `unreadable`, where it ends."""
    steps: tuple[str, ...]
    """Ids of the steps concerned."""


class TimeGap(msgspec.Struct, frozen=True):
    """A stretch of time that touches the shown turns, and of which rows could not be read: turns may be missing."""

    since: datetime | None
    """Where it begins in Dify's time; null: from the beginning."""
    until: datetime | None
    """Where it ends; null: it is not known."""
    what: str
    """The table in Dify."""
    reason: str
    """Why its rows could not be read."""
    turns_before: int
    """How many of the shown turns began before it; the gap stands behind the last of them."""
    seq: int
    """The record's position in the journal."""


class Totals(msgspec.Struct, frozen=True):
    """Counts and sums."""

    turns: int
    """Turns."""
    steps: int
    """Steps of all kinds, inner ones included."""
    model_calls: int
    """Model calls; in chat and completion apps the turn itself is one."""
    tool_calls: int
    """Steps that called a tool."""
    retrievals: int
    """Searches in knowledge bases."""
    failed: int
    """Steps that failed, handled or not."""
    handled: int
    """Failed steps whose failure was caught."""
    used: Used
    """Tokens and money, as Dify sums them up for a turn; the steps' sum where it does not."""


class Whose(msgspec.Struct, frozen=True):
    """Whose turn it is. Ids are empty where Dify has none."""

    turn_id: str
    """The run's id where there is a run, else the message's."""
    trace_id: str
    """Its trace in OpenTelemetry backends."""
    conversation_id: str
    """Empty for runs of workflows."""
    message_id: str
    """Empty for runs of workflows."""
    run_id: str
    """Empty for chat, agent and completion apps."""
    tenant_id: str
    """The workspace."""
    app_id: str
    """The app."""
    app_name: str
    """The app's name at that time."""
    mode: str
    """Dify's own word for the kind of app."""
    invoke_from: str
    """Dify's own word for the way in: service-api, web-app, debugger, ..."""
    workflow_id: str
    """The workflow that ran."""
    workflow_version: str
    """The version of the workflow that ran."""
    user: str
    """Keyed pseudonym of the user."""
    tenant_name: str
    """The workspace's name."""
    config_hash: str
    """Which configuration was live; empty where it could not be told."""
    debug: bool
    """Somebody tried it out in Dify's editor."""


class Outcome(msgspec.Struct, frozen=True):
    """When a turn was, and how it ended."""

    status: TurnStatus | Literal["open"]
    """`open`: no end is recorded."""
    error_type: str
    """What went wrong, one of a few words."""
    started_at: datetime
    """When it began."""
    ended_at: datetime | None
    """When it ended; null where no end is recorded."""
    duration_s: float | None
    """Seconds, as Dify measured them; see `estimated`."""
    estimated: bool
    """Its end and duration were worked out because Dify measured none."""
    first_token_s: float | None
    """Seconds until the answer's first token."""
    model_provider: str
    """Provider of the app's model; empty for workflows."""
    model_name: str
    """The app's model; empty for workflows."""
    is_model_call: bool
    """The turn itself is the model call, with no step of its own for it."""
    annotation_id: str
    """The annotation that answered in the model's place; empty where none did."""
    moderated: bool
    """A moderation of Dify's answered in the model's place, or replaced its answer."""
    tokens_disagree: bool
    """Dify's totals are not what the steps add up to."""
    revisions: int
    """How often the record of its end was replaced by a better one."""


class Provenance(msgspec.Struct, frozen=True):
    """Where in the journal a turn's records stand."""

    sources: tuple[str, ...]
    """Which sources they came from."""
    seqs: tuple[int, ...]
    """Their positions, those of all that is told beside it included."""
    recorded_at: datetime
    """When anything of the turn was recorded last."""


class Turn(msgspec.Struct, frozen=True):
    """A question and all that it set off: one message, or one workflow run."""

    number: int
    """Its place in the conversation, from 1 on."""
    whose: Whose
    """Whose turn it is."""
    user_id: Passage | None
    """The user's true id, as the caller gave it to Dify."""
    user_name: Passage | None
    """The user's name, where Dify has one."""
    config_seq: int | None
    """Which of the timeline's `configs` was live, by its `seq`; null where it is not recorded."""
    outcome: Outcome
    """When it was, and how it ended."""
    question: Passage | None
    """What the user asked, or the inputs of the run."""
    prompts: tuple[Passage, ...]
    """What the model was given, for turns that are a model call themselves."""
    moments: tuple[Moment, ...]
    """What happened, in order."""
    answer: Passage | None
    """What the user got."""
    error: Passage | None
    """Why it failed, in Dify's words."""
    afterwards: tuple[Moment, ...]
    """What came of it after its end: changes of alerts that rest on it, ratings, annotations, deletion."""
    gaps: tuple[Gap, ...]
    """What is not known of it."""
    totals: Totals
    """Counts and sums."""
    provenance: Provenance
    """Where its records stand."""


class Timeline(msgspec.Struct, frozen=True):
    """What a journal knows of a conversation, or of one turn."""

    version: str
    """Of this form. Under one version fields and kinds of moments may be added; none goes or changes its meaning."""
    term: str
    """What was asked for."""
    matched: Matched
    """Which id it is, or begins."""
    id: str
    """The whole id."""
    conversation_id: str
    """The conversation that the turns belong to; empty where there is none."""
    conversation_turns: int
    """How many turns of the conversation the journal has, shown or not."""
    content: bool
    """Whether texts were to be shown."""
    turns: tuple[Turn, ...]
    """The turns in the order in which they began."""
    configs: tuple[Configuration, ...]
    """What the turns ran under, each once, in the order of the turns."""
    totals: Totals
    """Counts and sums over these turns."""
    time_gaps: tuple[TimeGap, ...]
    """Where turns may be missing from the start of the first shown turn to the end of the last one, by time."""
