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

__all__ = [
    "Alert",
    "Attempt",
    "Document",
    "Gap",
    "GapKind",
    "Moment",
    "Money",
    "Outcome",
    "Passage",
    "PassageName",
    "Provenance",
    "Round",
    "Step",
    "Timeline",
    "ToolCalled",
    "Totals",
    "Turn",
    "Used",
    "Whose",
]

PassageName = Literal[
    "question", "answer", "user", "prompt", "said", "reasoning", "arguments", "result", "query", "found", "request",
    "response", "input", "process", "output", "error",
]  # fmt: skip

GapKind = Literal[
    "no_start", "no_end", "missing_steps", "unreadable", "steps_not_told", "no_steps", "lost_parent", "late_steps"
]


class Passage(msgspec.Struct, frozen=True):
    """A text that a person wrote or a machine gave back. It is data, never markup, and may hold any character."""

    name: PassageName
    """What the text is."""
    note: str
    """A prompt's role, a response's status code; else empty."""
    state: Literal["kept", "erased", "withheld"]
    """`erased`: it was deleted from the journal on purpose; `withheld`: this replay was asked to leave content out."""
    text: str
    """The whole text; empty unless it is kept."""
    detail: bool
    """The text as Dify kept it, where other passages or documents already say what matters of it."""


class Document(msgspec.Struct, frozen=True):
    """Something that a retrieval found."""

    dataset: str
    """The knowledge base's name; empty where Dify did not keep it."""
    title: str
    """The document's name."""
    score: float | None
    """How well it fits the query, as Dify's retrieval rated it."""
    text: str
    """The part that was found."""


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
    """The documents found, where their text is kept and can be read."""
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


Moment: TypeAlias = Step | Round | Alert
"""Something that happened."""


class Gap(msgspec.Struct, frozen=True):
    """Something that is not known of the turn, or was not known in time."""

    kind: GapKind
    """`no_start`, `no_end`: that record is missing; `missing_steps`: the turn's end lists steps that the journal lacks;
    `late_steps`: the journal has steps that the turn's end does not list; `lost_parent`: a step ran inside of one that
    the journal lacks; `unreadable`: Dify's rows could not be read; `steps_not_told`: the turn is one model call, and
    what is looked up inside of it is not recorded; `no_steps`: Dify kept none."""
    at: datetime | None
    """For `no_end`, when anything was recorded last; for `unreadable`, when it was tried."""
    what: str
    """For `unreadable`, table and row."""
    reason: str
    """For `unreadable`, why."""
    steps: tuple[str, ...]
    """Ids of the steps concerned."""


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
    revisions: int
    """How often the record of its end was replaced by a better one."""


class Provenance(msgspec.Struct, frozen=True):
    """Where in the journal a turn's records stand."""

    sources: tuple[str, ...]
    """Which sources they came from."""
    seqs: tuple[int, ...]
    """Their positions, those of alert changes and gaps included."""
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
    afterwards: tuple[Alert, ...]
    """Changes of alerts after its end that rest on it."""
    gaps: tuple[Gap, ...]
    """What is not known of it."""
    totals: Totals
    """Counts and sums."""
    provenance: Provenance
    """Where its records stand."""


class Timeline(msgspec.Struct, frozen=True):
    """What a journal knows of a conversation, or of one turn."""

    version: str
    """Of this form: fields may be added under the same version, none goes or changes its meaning."""
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
    totals: Totals
    """Counts and sums over these turns."""
