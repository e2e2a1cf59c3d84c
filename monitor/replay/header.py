"""What stands above a turn: whose it is, when it was, how it ended, what it ran under, as labels and lines. Pure.

Called by terminal.py, which draws them.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import tzinfo

from monitor.replay import words
from monitor.replay.figures import steps_in, sum_of_used
from monitor.replay.note_words import deletion_briefly, person_words
from monitor.replay.nouns import Configuration, Deletion, Trigger, Turn, Used
from monitor.replay.plain import one_line
from monitor.replay.words import bracketed

__all__ = ["config_facts", "header_facts"]

_LIVE_UNKNOWN = "what it was is not recorded"


def header_facts(
    turn: Turn, config: Configuration | None, before: Turn | None, zone: tzinfo | None
) -> Iterator[tuple[str, str]]:
    """Labels and lines, without those that have nothing to say.

    `config`: what the turn ran under, where that is recorded; `before`: the turn that is shown before this one.
    """
    whose, outcome = turn.whose, turn.outcome
    version = f"version {whose.workflow_version}" if whose.workflow_version else ""
    facts = (
        ("Started", words.date_text(outcome.started_at, zone)),
        ("Last sign" if outcome.status == "abandoned" else "Ended", _ended(turn, zone)),
        ("Started by", _started_by(turn)),
        ("Answered by", _answered_by(turn)),
        ("In Dify", _in_dify(turn)),
        ("Used", _used(turn)),
        ("Model", _named(outcome.model_name, outcome.model_provider)),
        ("Workflow", _named(whose.workflow_id, version)),
        ("Config", _config(turn, config, before, zone)),
        ("User", _user(turn)),
        ("Workspace", _named(whose.tenant_name, whose.tenant_id)),
        ("Conversation", one_line(whose.conversation_id)),
        ("Message", one_line(whose.message_id)),
        ("Run", one_line(whose.run_id)),
        ("Trace", whose.trace_id),
        ("Record", f"its end was {words.revised(outcome.revisions)}" if outcome.revisions else ""),
    )
    return ((label, text) for label, text in facts if text)


def _ended(turn: Turn, zone: tzinfo | None) -> str:
    outcome = turn.outcome
    if outcome.ended_at is None or outcome.duration_s is None:
        return ""
    sign = "~" if outcome.estimated else ""
    said = f"{sign}{words.date_text(outcome.ended_at, zone)}"
    if outcome.status == "abandoned":
        return said
    said += f", after {sign}{words.duration_text(outcome.duration_s)}"
    if outcome.first_token_s is not None:
        said += f", first token after {words.duration_text(outcome.first_token_s)}"
    return said


def _started_by(turn: Turn) -> str:
    """The trigger, with the last that is known of it."""
    triggers = [moment for moment in turn.moments if isinstance(moment, Trigger)]
    return f"{one_line(triggers[-1].trigger_type)}, log {one_line(triggers[-1].trigger_id)}" if triggers else ""


def _answered_by(turn: Turn) -> str:
    said = []
    if turn.outcome.annotation_id:
        said.append(f"annotation {one_line(turn.outcome.annotation_id)}, so that no model was asked")
    if turn.outcome.moderated:
        said.append("a moderation, in the model's place or over its answer")
    return "; ".join(said)


def _in_dify(turn: Turn) -> str:
    """Nothing while it is there."""
    deletions = [moment for moment in turn.afterwards if isinstance(moment, Deletion)]
    return deletion_briefly(deletions[-1]) if deletions else ""


def _used(turn: Turn) -> str:
    said = words.used_words(turn.totals.used)
    if turn.outcome.tokens_disagree:
        said.append(_disagree(turn.totals.used, sum_of_used(step.used for step in steps_in(turn.moments) if step.used)))
    return ", ".join(said)


def _disagree(told: Used, counted: Used) -> str:
    """Dify's own total stands above for some kinds of turn, what the steps come to for others."""
    if told.total_tokens == counted.total_tokens:
        return "by its steps; Dify's own total is another"
    return f"by Dify's own total; its steps come to {words.plural(counted.total_tokens, 'token')}"


def _config(turn: Turn, config: Configuration | None, before: Turn | None, zone: tzinfo | None) -> str:
    """What was live, since when, and whether the turn before ran under another."""
    known = turn.whose.config_hash
    if not known:
        return ""
    parts = [one_line(known), _since(config, turn, zone) if config is not None else _LIVE_UNKNOWN]
    if before is not None and _runs_under_another(before, turn):
        parts.append("the turn before ran under another")
    return ", ".join(parts)


def _runs_under_another(before: Turn, turn: Turn) -> bool:
    same_app = before.whose.app_id == turn.whose.app_id
    return same_app and before.whose.config_hash not in {"", turn.whose.config_hash}


def _since(config: Configuration, turn: Turn, zone: tzinfo | None) -> str:
    at = words.date_text(config.at, zone)
    return f"in force since {at}" if config.at <= turn.outcome.started_at else f"first seen {at}"


def config_facts(turn: Turn, config: Configuration) -> Iterator[str]:
    """Who set it up, what that changed, what it names beside its texts."""
    who = person_words(config.who)
    if who:
        yield f"set up by {who}"
    if config.what:
        yield f"changed then: {', '.join(one_line(each) for each in config.what)}"
    if config.version not in {"", turn.whose.workflow_version}:
        yield f"version {one_line(config.version)}"
    if config.model_name not in {"", turn.outcome.model_name}:
        yield f"model {_named(config.model_name, config.model_provider)}"


def _named(name: str, more: str) -> str:
    return f"{one_line(name)}{bracketed(more)}" if name else ""


def _user(turn: Turn) -> str:
    """The pseudonym, and the true id and the name where they are still there and may be shown."""
    known = [passage for passage in (turn.user_id, turn.user_name) if passage is not None]
    said = [one_line(passage.text) for passage in known if passage.state == "kept"]
    if turn.user_id is not None and turn.user_id.state == "erased":
        said.append("true id erased from the journal")
    shown = ", ".join(dict.fromkeys(said))
    return f"{one_line(turn.whose.user)}{f' ({shown})' if shown else ''}"
