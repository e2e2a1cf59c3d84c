"""The demo's second sink, `screen`: turns as lines for people, while they happen.

An adapter like any other, fed by a real shipper from the real journal. Alerts are not its business: the console
notifier says those. `monitor.demo.house` registers it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Literal

import msgspec
from rich.console import Console

from monitor.demo import paper
from monitor.model import Recorded, Step, StepEnded, TurnEnded, TurnRef, TurnStarted, Usage
from monitor.normalise.text import parse_object
from monitor.ports import AdapterConfig, Report, Sink, Tools
from monitor.replay.figures import moment_at, used_of
from monitor.replay.plain import one_line
from monitor.replay.words import clock_text, duration_text, money_text, plural

__all__ = ["Config", "build"]

_NS = 1_000_000_000
_LONGEST = 300
_INDENT = 10
_TOLD = frozenset({"tool", "retrieval", "agent", "http"})
_KINDS = {"llm": "Model", "tool": "Tool", "retrieval": "Search", "agent": "Agent", "http": "HTTP", "node": "Node"}
_STYLES = {"succeeded": "green", "failed": "bold red"}
_OTHERWISE = "magenta"


class Config(AdapterConfig):
    """Turns as lines on standard output."""

    type: Literal["screen"] = "screen"


class Line(msgspec.Struct, frozen=True, array_like=True):
    """One line on the screen."""

    parts: tuple[tuple[str, str], ...]
    """Texts and their styles."""
    indent: int = _INDENT


class Screen:
    """Implements `monitor.ports.Sink`."""

    kinds: Collection[str] = frozenset({"turn_started", "step_ended", "turn_ended"})
    wants_content = True
    max_events = 100
    max_bytes = 8 * 1024 * 1024

    def __init__(self, name: str, console: Console) -> None:
        self.name, self._console = name, console
        self._decode = msgspec.msgpack.Decoder(list[Line]).decode

    def resume(self, state: str) -> str:  # noqa: ARG002 - the port's signature
        """There is no state: what was on the screen before is gone."""
        return ""

    def encode(self, recorded: Recorded) -> bytes:
        """The event's lines; nothing for revisions, nor for steps that are not worth a line."""
        lines = [] if recorded.revision else list(self._lines(recorded))
        return msgspec.msgpack.encode(lines) if lines else b""

    def send(self, parts: Sequence[bytes], seqs: Sequence[int]) -> Report:
        """Print them in their order."""
        for line in (line for part in parts for line in self._decode(part)):
            paper.line(self._console, *line.parts, indent=line.indent)
        return Report(accepted=len(seqs))

    def check(self) -> None:
        """A screen is always there."""

    def close(self) -> None:
        """Standard output belongs to the process."""

    def _lines(self, recorded: Recorded) -> Iterable[Line]:
        content = recorded.event.content
        match recorded.event.body:
            case TurnStarted(turn=turn):
                return _started(turn, content.get("input", ""))
            case StepEnded(step=step) if _worth_telling(step):
                return [self._step(step)]
            case TurnEnded() as body:
                return self._ended(body, content.get("output", ""))
            case _:
                return ()

    def _step(self, step: Step) -> Line:
        facts = [_outcome(step.status, step.error_type), duration_text((step.ended_at - step.started_at) / _NS)]
        facts += _used(step.usage)
        if step.documents is not None:
            facts.append(plural(step.documents, "document"))
        style = _STYLES.get(step.status, _OTHERWISE)
        name = f"{_KINDS[step.kind]} {one_line(step.name)}"
        return Line(
            ((f"{self._sign(step.status)} ", style), (name, ""), ("  " + ", ".join(filter(None, facts)), style))
        )

    def _ended(self, body: TurnEnded, answered: str) -> Iterator[Line]:
        if answered:
            yield Line(((_words_of(answered), "cyan"),))
        lasted_ns = body.ended_at - body.started_at if body.duration_ns is None else body.duration_ns
        steps = f"{plural(len(body.steps), 'step')}{f' ({body.failed_steps} failed)' if body.failed_steps else ''}"
        facts = [duration_text(lasted_ns / _NS), steps, *_used(body.usage)]
        style = _STYLES.get(body.status, _OTHERWISE)
        yield Line(((f"{self._sign(body.status)} {body.status}", style), (f", {', '.join(facts)}", "")))

    def _sign(self, status: str) -> str:
        plain = {"succeeded": ("✓", "+"), "failed": ("✗", "x")}
        return paper.signs(self._console, *plain.get(status, ("•", "*")))


def build(config: Config, tools: Tools) -> Sink:  # noqa: ARG001 - every adapter's signature
    """The screen that standard output is now."""
    return Screen(config.label, paper.console_on())


def _started(turn: TurnRef, asked: str) -> Iterator[Line]:
    clock = clock_text(moment_at(turn.started_at), None).partition(".")[0]
    yield Line(())
    app, mode = one_line(turn.app_name), one_line(turn.mode)
    yield Line(((clock, "dim"), ("  ", ""), (app, "bold"), (f"  {mode}", "dim")), indent=0)
    yield Line(((_words_of(asked), ""),))


def _worth_telling(step: Step) -> bool:
    """An agent's model calls stand in its turn's sums, and a workflow's small nodes are many."""
    return step.kind in _TOLD or step.status == "failed" or (step.kind == "llm" and step.node is not None)


def _outcome(status: str, error_type: str) -> str:
    return "" if status == "succeeded" else f"{status}: {error_type}" if error_type else status


def _used(usage: Usage | None) -> list[str]:
    """Tokens and money, each where there is any."""
    used = used_of(usage)
    if used is None:
        return []
    tokens = [plural(used.total_tokens, "token")] if used.total_tokens else []
    return [*tokens, *([money_text(used.cost)] if used.cost else [])]


def _words_of(text: str) -> str:
    """A question or an answer on one line; of a workflow's JSON what its user or author named."""
    value = parse_object(text)
    if not value:
        return one_line(text, _LONGEST)
    named = [
        f"{name}: {each}" for name, each in value.items() if each not in ("", None) and not name.startswith("sys.")
    ]
    return one_line("; ".join(named), _LONGEST)
