"""The facts that the journal holds: immutable, past tense, each under its own key.

An Event is what a source or the evaluator hands over; a Recorded is the same with the journal's own words on it.
Personal or confidential text never stands in a body: it is `content`, stored beside the fact and committed to by a
salted hash, so that it can be erased and the proof stays whole.
"""

from __future__ import annotations

import msgspec

from monitor.model.alerts import Alert
from monitor.model.trace import AppRef, Step, TurnRef, TurnStatus, Usage

__all__ = [
    "AlertChanged",
    "AnnotationMade",
    "AnnotationRemoved",
    "Body",
    "ConfigChanged",
    "ContentDeleted",
    "CoverageChanged",
    "Event",
    "FeedbackGiven",
    "FeedbackWithdrawn",
    "FormChanged",
    "IndexingChanged",
    "Note",
    "Recorded",
    "SourceGap",
    "StepEnded",
    "TriggerLogged",
    "TurnEnded",
    "TurnStarted",
    "kind_of",
]


class TurnStarted(msgspec.Struct, frozen=True, omit_defaults=True, tag="turn_started"):
    """A turn was seen for the first time. Content: `user` (the true id), `user_name`, `input`."""

    turn: TurnRef


class StepEnded(msgspec.Struct, frozen=True, omit_defaults=True, tag="step_ended"):
    """A step became terminal. Content: `input`, `output`, `process`, `error` (each where Dify kept it)."""

    turn: TurnRef
    step: Step


class TurnEnded(msgspec.Struct, frozen=True, omit_defaults=True, tag="turn_ended"):
    """A turn ended, or was given up. Content: `input`, `output`, `error`."""

    turn: TurnRef
    started_at: int
    """The root's start: no later than its steps'."""
    ended_at: int
    """The root's end: no earlier than its steps'."""
    status: TurnStatus
    duration_ns: int | None = None
    """What Dify measured; None where it did not, and then the turn stays out of the duration histogram."""
    estimated: bool = False
    error_type: str = ""
    usage: Usage | None = None
    """Dify's totals for the turn."""
    counts_usage: bool = False
    """The turn itself is the model call: its usage is counted here because no step carries it."""
    model_provider: str = ""
    model_name: str = ""
    time_to_first_token_ns: int | None = None
    steps: tuple[str, ...] = ()
    """Ids of the turn's steps, so that a reader can tell when one is missing."""
    failed_steps: int = 0
    annotation_id: str = ""
    """The annotation that answered in the model's place."""
    moderated: bool = False
    """A moderation of Dify's answered in the model's place, or replaced its answer."""
    tokens_disagree: bool = False
    """Dify's totals for the turn are not what its steps add up to."""


class FeedbackGiven(msgspec.Struct, frozen=True, omit_defaults=True, tag="feedback_given"):
    """Somebody rated an answer, or changed a rating. Content: `comment`, `user` (the true id)."""

    turn: TurnRef
    feedback_id: str
    rating: str
    """Dify's own word: like, dislike."""
    given_by: str
    """Dify's own word: user (the end user), admin (a person of the workspace)."""
    user: str = ""
    """Keyed pseudonym of who rated."""
    was: str = ""
    """The rating before this one; empty: the first."""


class FeedbackWithdrawn(msgspec.Struct, frozen=True, omit_defaults=True, tag="feedback_withdrawn"):
    """A rating was taken back."""

    turn: TurnRef
    feedback_id: str
    rating: str
    """What it was."""
    given_by: str


class AnnotationMade(msgspec.Struct, frozen=True, omit_defaults=True, tag="annotation_made"):
    """Somebody wrote down how a question is to be answered, or changed that. Content: `question`, `answer`, `user`."""

    app: AppRef
    annotation_id: str
    message_id: str = ""
    turn_id: str = ""
    """The turn that it was made of; empty: it was written or imported without one."""
    user: str = ""
    """Keyed pseudonym of the author."""
    changed: bool = False


class AnnotationRemoved(msgspec.Struct, frozen=True, omit_defaults=True, tag="annotation_removed"):
    """An annotation is no longer in Dify."""

    app: AppRef
    annotation_id: str
    turn_id: str = ""


class ConfigChanged(msgspec.Struct, frozen=True, omit_defaults=True, tag="config_changed"):
    """An app's configuration or published workflow was seen for the first time, or changed.

    Content: `prompt` (an EasyUI app's own), `config` (canonical JSON of all that the hash covers, credentials
    scrubbed), `note` (what the author said of it), `user` (who published it).
    """

    app: AppRef
    config_id: str
    """The row of `app_model_configs` or `workflows`."""
    hash: str
    """The `config_hash` of every turn that ran under it."""
    was: str = ""
    """The hash before; empty: the first that was seen."""
    what: tuple[str, ...] = ()
    """What differs: prompt, model, tools, datasets, workflow, features, settings; empty: the first that was seen."""
    version: str = ""
    """Dify's own name of a published workflow."""
    model_provider: str = ""
    model_name: str = ""
    user: str = ""
    """Keyed pseudonym of who published it."""


class ContentDeleted(msgspec.Struct, frozen=True, omit_defaults=True, tag="content_deleted"):
    """A turn's conversation or rows were deleted in Dify. What was recorded of it stays unless configured otherwise."""

    turn_id: str
    tenant_id: str
    app_id: str
    conversation_id: str = ""
    how: str = "gone"
    """`hidden`: marked as deleted, the rows are still there (Dify up to 1.7); `gone`; `aged`: before all that Dify
    still holds, so its clean-up took it."""


class TriggerLogged(msgspec.Struct, frozen=True, omit_defaults=True, tag="trigger_logged"):
    """A trigger was to start a workflow (Dify 1.10 and later). Content: `input` (what triggered it), `error`."""

    app: AppRef
    trigger_id: str
    trigger_type: str
    """Dify's own word: trigger-webhook, trigger-schedule, trigger-plugin."""
    status: str
    """Dify's own word: succeeded, failed, rate_limited, ...; `rate_limited` never became a run."""
    turn_id: str = ""
    """The run that it started; empty: none."""
    workflow_id: str = ""
    error_type: str = ""
    retries: int = 0


class FormChanged(msgspec.Struct, frozen=True, omit_defaults=True, tag="form_changed"):
    """A workflow asked a person, or was answered, or waited in vain (Dify 1.13 and later).

    Content: `form` (what was asked), `answer` (what was submitted), `user` (who submitted). Never an access token.
    """

    app: AppRef
    form_id: str
    turn_id: str
    node_id: str
    status: str
    """Dify's own word: waiting, submitted, timeout, expired."""
    action: str = ""
    """The id of the action that was chosen."""
    user: str = ""
    """Keyed pseudonym of who submitted."""
    expires_at: int = 0
    """ns; 0: unknown."""


class IndexingChanged(msgspec.Struct, frozen=True, omit_defaults=True, tag="indexing_changed"):
    """A knowledge document could not be indexed, is stuck, or came through or was deleted after that.

    Content: `name`, `error`.
    """

    tenant_id: str
    dataset_id: str
    document_id: str
    status: str
    """failed, stuck, paused or completed; deleted: it, or its knowledge base, is no longer in Dify."""
    stage: str = ""
    """Dify's own word: waiting, parsing, cleaning, splitting, indexing, error, completed."""
    since: int = 0
    """When that stage began (ns); 0: unknown."""
    error_type: str = ""
    tenant_name: str = ""
    dataset_name: str = ""


class CoverageChanged(msgspec.Struct, frozen=True, omit_defaults=True, tag="coverage_changed"):
    """How safe what Dify still holds is from its own clean-up, seen from a source."""

    source: str
    state: str
    """safe; at_risk: the clean-up will soon delete what was not read; overtaken: it has."""
    purge_safe_at: int
    """Up to this moment Dify's rows may be deleted without loss (ns)."""
    oldest_at: int = 0
    """The oldest row that Dify still holds (ns); 0: none."""
    retention_ns: int = 0
    """What the clean-up keeps, as configured or as seen; 0: unknown."""


class AlertChanged(msgspec.Struct, frozen=True, omit_defaults=True, tag="alert_changed"):
    """An alert changed its state."""

    alert: Alert
    was: str
    now: str
    reason: str
    """A bounded word: condition_met, held_for, condition_cleared, ..."""
    late: bool = False
    """The fact that caused it belongs before one that was already judged."""
    history: bool = False
    """It ended longer than `rules.max_age` before we read it: recorded, never notified."""


class SourceGap(msgspec.Struct, frozen=True, omit_defaults=True, tag="source_gap"):
    """Something that the source holds could not be read. Honesty: a hole is an event."""

    what: str
    """Table and row, or turn."""
    reason: str
    turn_id: str = ""
    app_id: str = ""
    since: int = 0
    until: int = 0
    """Between which moments the hole lies (ns); 0: a single row, or unknown."""


Note = (
    FeedbackGiven
    | FeedbackWithdrawn
    | AnnotationMade
    | AnnotationRemoved
    | ConfigChanged
    | ContentDeleted
    | TriggerLogged
    | FormChanged
    | IndexingChanged
    | CoverageChanged
)
"""Facts beside the turns: each is an event of its own, never a revision of a turn."""

Body = TurnStarted | StepEnded | TurnEnded | AlertChanged | SourceGap | Note


class Event(msgspec.Struct, frozen=True):
    """A fact on its way into the journal."""

    key: str
    """Same key, same fact: a second event under it is at most a revision."""
    rank: int
    """How good the way in is, and whether the end was observed; a poorer one never hides a better one."""
    changed_at: int
    """When it last changed in Dify (ns); orders revisions of equal rank."""
    occurred_at: int
    """When it happened in Dify (ns)."""
    body: Body
    content: dict[str, str] = {}
    """Field to text. Never a None, a NUL or a lone surrogate: sources clean what they read."""


class Recorded(msgspec.Struct, frozen=True):
    """An event that the journal has accepted."""

    seq: int
    """Dense position in the journal from 0, and leaf index of the Merkle log."""
    revision: int
    source: str
    recorded_at: int
    event: Event
    erased: tuple[str, ...] = ()
    """Content fields that were committed to and are no longer kept."""


def kind_of(body: Body) -> str:
    """The kind's stored word, such as `step_ended`."""
    return str(body.__struct_config__.tag)
