"""The golden files of the profiles: a few turns of every kind of app, and what each profile makes of them.

`facts.jsonl` holds the facts: chosen turns of the recorded Dify 1.9, and samples of what was not recorded. After a
change that is meant, write the spans anew and read the difference:

    python -m tests.unit.normalise.profiles.golden

With the address of a PostgreSQL that holds the recording of 1.9, the facts are chosen anew before.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from monitor.model import AnnotationMade, Attempt, Event, Recorded, StepEnded, TurnStarted
from monitor.normalise.profiles import PROFILES, ProfileName
from monitor.normalise.spans import spans_of
from monitor.testing import notes, samples

__all__ = ["FOLDER", "facts", "lines"]

FOLDER = Path(__file__).parents[3] / "golden" / "profiles"

_CHOSEN = {
    "84da57e0": "an agent's conversation of four turns: a tool, a knowledge base, neither",
    "1b4e4a3c": "an agent whose tool fails, and that was rated",
    "04aabb5b": "an agent whose model fails",
    "520b987f": "a chat with citations",
    "cdfc065b": "a completion, rated",
    "6d2f047c": "a chatflow with tool and knowledge, rated",
    "651abf26": "a chatflow with an Agent node",
    "2089ec7f": "a workflow with an iteration in which a tool fails",
    "5cb11080": "a workflow whose HTTP node fails",
    "1f96112a": "a node debugged alone",
}
"""Where the conversation's id, or the run's, begins."""

_encode = msgspec.json.Encoder(order="deterministic").encode
_sorted = msgspec.json.Encoder(order="sorted").encode


def facts() -> list[Recorded]:
    """The facts, in order."""
    return [msgspec.json.decode(line, type=Recorded) for line in (FOLDER / "facts.jsonl").read_bytes().splitlines()]


def lines(profile: ProfileName) -> list[str]:
    """The spans of the facts in this profile, all content let through, one a line."""
    found = []
    for recorded in facts():
        span = spans_of(recorded, recorded.event.content)
        if span is not None:
            found.append(_sorted(PROFILES[profile].span(span, recorded.event.body)).decode())
    return found


def _samples() -> Iterator[Recorded]:
    """What the recording has none of."""
    turn = samples.chatflow_ref()
    retried = samples.llm_step(turn, 1, attempts=(Attempt(at=turn.started_at, error="rate_limit"),))
    yield samples.recorded(StepEnded(turn=turn, step=retried), content=samples.llm_content())
    yield samples.recorded(
        samples.turn_ended(turn, status="failed", error_type="timeout"), content={"error": "timed out"}
    )
    for event in (notes.feedback_withdrawn(), notes.form(), notes.trigger(status="rate_limited", turn_id="")):
        yield _recorded(event)


def _recorded(event: Event) -> Recorded:
    return Recorded(seq=0, revision=0, source="dify", recorded_at=event.occurred_at, event=event)


def _choose(url: str) -> Iterator[Recorded]:
    from tests.support.facts import facts_of  # noqa: PLC0415 - only this needs a database

    for event in facts_of(url).values():
        turn = getattr(event.body, "turn", None)
        named = "" if turn is None else turn.conversation_id or turn.turn_id
        if (named[:8] in _CHOSEN and not isinstance(event.body, TurnStarted)) or isinstance(event.body, AnnotationMade):
            yield _recorded(event)


def _write(name: str, found: list[str]) -> None:
    (FOLDER / f"{name}.jsonl").write_text("".join(f"{line}\n" for line in found), encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:]:
        _write("facts", [_encode(each).decode() for each in (*_choose(sys.argv[1]), *_samples())])
    for each in PROFILES:
        _write(each, lines(each))
