"""A timeline on a terminal: for each turn who, when and how it went, then all that happened, then what is missing.

Draws what timeline.py has decided, with words.py's words. Foreign texts are data: plain.py makes what could steer a
terminal visible, and `Pen` writes text that is never read as markup. Called by `monitor replay`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import tzinfo
from typing import TypeVar

from rich.console import Console
from rich.text import Text

from monitor.replay import words
from monitor.replay.folding import QuietRounds, first_of, without_quiet_rounds
from monitor.replay.header import config_facts, header_facts
from monitor.replay.note_parts import note_parts
from monitor.replay.notes import Beside
from monitor.replay.nouns import (
    Alert,
    Configuration,
    Gap,
    Moment,
    Passage,
    Round,
    Step,
    Timeline,
    Turn,
)
from monitor.replay.pen import Pen
from monitor.replay.plain import one_line
from monitor.replay.words import bracketed

__all__ = ["LONGEST", "draw"]

_T = TypeVar("_T")

LONGEST = 2_000
"""Characters of a text that are shown, unless all of it is asked for."""

_STATUS_STYLES = {"succeeded": "green", "failed": "bold red", "stopped": "bold magenta", "unknown": "bold magenta"}
_TURN_STYLES = {"succeeded": "green", "failed": "bold red"}
_ALERT_STYLES = {"firing": "black on yellow", "resolved": "black on green"}
_OTHERWISE = "bold magenta"
_USUAL_STATUS = frozenset({"", "succeeded", "failed", "stopped"})
_WORTH_A_REFERENCE = 160
"""Characters from which on a text that is told elsewhere is only referred to."""
_BY_PATTERN = "soft_failure"
_UNTITLED = frozenset({"said"})
"""Passages that need no label."""


def draw(timeline: Timeline, console: Console, *, zone: tzinfo | None, longest: int | None = LONGEST) -> None:
    """Write all of it. `zone`: the times' zone, None for the local one; `longest`: None shows texts in full."""
    page = _Page(Pen(console, zone, longest), timeline)
    page.title()
    for number, turn in enumerate(timeline.turns):
        page.time_gaps(number)
        page.turn(turn, timeline.turns[number - 1] if number else None)
    page.time_gaps(len(timeline.turns))
    page.end()


class _Page:
    """One timeline on its way to the console."""

    def __init__(self, pen: Pen, timeline: Timeline) -> None:
        self._pen, self._timeline = pen, timeline
        self._full = pen.longest is None
        self._details = 0
        self._folded = 0
        self._configs = {config.seq: config for config in timeline.configs}
        self._shown_configs: set[int] = set()
        self._told: dict[str, str] = {}
        """Long texts that frame the turn, and where they are told: steps need not repeat them."""

    # -- before and after the turns

    def title(self) -> None:
        """What is shown, and how to read its times."""
        timeline, pen = self._timeline, self._pen
        whole = timeline.matched == "conversation"
        title = Text.assemble((f"{timeline.matched.capitalize()} ", "bold"), (one_line(timeline.id), "bold"))
        pen.hanging("", "  ", title)
        if whole:
            several = timeline.totals.turns > 1
            facts = [words.plural(timeline.totals.turns, "turn"), *words.totals_words(timeline.totals)]
            pen.packed("", "  ", Text(""), [Text(fact) for fact in facts[: None if several else 1]])
        elif timeline.conversation_id:
            number = timeline.turns[0].number if timeline.turns else 0
            place = f"turn {number:,} of {timeline.conversation_turns:,} of the conversation "
            pen.hanging("", "  ", Text.assemble(place, one_line(timeline.conversation_id)))
        if timeline.turns:
            zone = words.zone_text(timeline.turns[0].outcome.started_at, pen.zone)
            note = f"Times: {zone}; ~ marks what was worked out, as Dify kept no time."
            pen.hanging("", "  ", Text(note))

    def end(self) -> None:
        """What was left out, if anything."""
        pen = self._pen
        said = []
        if pen.left_out_texts:
            said.append(f"{words.plural(pen.left_out_chars, 'character')} of long texts")
        if self._folded:
            said.append(f"{words.plural(self._folded, 'entry', 'entries')} of long lists")
        if self._details and not self._full:
            said.append(f"{words.plural(self._details, 'text')} in the form that Dify kept")
        if said:
            pen.blank()
            pen.hanging("", "  ", Text(f"Left out: {_enumerated(said)}. --full shows all."))
        if not self._timeline.content:
            pen.blank()
            pen.hanging("", "  ", Text("Texts were left out, as --no-content asks."))

    def time_gaps(self, turns_before: int) -> None:
        """Where turns may be missing behind so many of those that are shown."""
        for gap in self._timeline.time_gaps:
            if gap.turns_before == turns_before:
                self._pen.blank()
                self._pen.hanging("? ", "  ", Text(words.time_gap_words(gap, self._pen.zone), "magenta"))

    # -- one turn

    def turn(self, turn: Turn, before: Turn | None) -> None:
        """A turn from its header to its totals; `before` is the one that is shown before it."""
        self._told = {} if self._full else _told_around(turn)
        config = self._configs.get(turn.config_seq) if turn.config_seq is not None else None
        self._header(turn, config, before)
        if config is not None and config.seq not in self._shown_configs:
            self._shown_configs.add(config.seq)
            self._config(turn, config)
        self._said("Question" if turn.whose.message_id else "Inputs", turn.question, "")
        self._passages(f"  {self._pen.signs.bar}", turn.prompts if self._full else ())
        self._details += 0 if self._full else len(turn.prompts)
        self._moments(turn.moments, turn)
        self._said("Answer" if turn.whose.message_id else "Outputs", turn.answer, "")
        self._said("Error", turn.error, "red")
        if turn.afterwards:
            self._heading("Afterwards")
            self._moments(turn.afterwards, turn, first=False)
        self._gaps(turn.gaps)
        self._totals(turn)

    def _header(self, turn: Turn, config: Configuration | None, before: Turn | None) -> None:
        pen, outcome, whose = self._pen, turn.outcome, turn.whose
        place = f"Turn {turn.number:,} of {self._timeline.conversation_turns:,}"
        title = place if whose.conversation_id else "Workflow run" if whose.run_id else "Turn"
        pen.blank()
        pen.rule(Text(f"{title}, debug run" if whose.debug else title, "bold"))
        source = f", through {one_line(whose.invoke_from)}" if whose.invoke_from else ""
        app = (one_line(whose.app_name or whose.app_id), "bold")
        pen.fact("App", Text.assemble(app, f" ({one_line(whose.mode)}){source}"))
        style = _TURN_STYLES.get(outcome.status, _OTHERWISE)
        pen.fact("Status", Text(words.status_words(outcome, turn.totals), style))
        for label, text in header_facts(turn, config, before, pen.zone):
            pen.fact(label, Text(text))

    def _config(self, turn: Turn, config: Configuration) -> None:
        """What the configuration says; all of it where all is asked for."""
        within = f"  {self._pen.signs.bar}"
        facts = list(config_facts(turn, config))
        passages = [each for each in (config.note, config.prompt, config.config) if each is not None]
        if facts or any(each.state != "withheld" and (self._full or not each.detail) for each in passages):
            self._heading("Configuration")
        for fact in facts:
            self._pen.hanging(within, f"{within}  ", Text(fact))
        self._passages(within, passages)

    def _said(self, label: str, passage: Passage | None, style: str) -> None:
        """One of the texts that frame the turn."""
        if passage is None or passage.state == "withheld":
            return
        self._heading(label)
        self._text(f"  {self._pen.signs.bar}", Text(), passage, style)

    def _heading(self, label: str) -> None:
        self._pen.blank()
        self._pen.hanging("  ", "  ", Text(label, "bold"))

    def _totals(self, turn: Turn) -> None:
        said = words.totals_words(turn.totals)
        if said:
            self._pen.blank()
            facts = [Text(fact) for fact in said]
            self._pen.packed("  ", "          ", Text("Totals", "bold"), facts)

    def _gaps(self, gaps: Sequence[Gap]) -> None:
        if gaps:
            self._heading("Not known")
        for gap in gaps:
            at = words.date_text(gap.at, self._pen.zone) if gap.at is not None else ""
            self._pen.hanging("  ? ", "    ", Text(words.gap_words(gap, at), "magenta"))
            if gap.what or gap.reason:
                self._pen.hanging("      ", "      ", Text(f"{one_line(gap.what)}: {one_line(gap.reason)}"))
            if gap.since is not None or gap.until is not None:
                self._pen.hanging("      ", "      ", Text(words.between_words(gap.since, gap.until, self._pen.zone)))
            self._pen.list_ids("      ", self._fold(gap.steps))
            self._say_folded("      ", gap.steps, "step")

    # -- what happened

    def _moments(self, moments: Sequence[Moment], turn: Turn, *, first: bool = True) -> None:
        if moments and first:
            self._heading("What happened")
        day = words.day_text(turn.outcome.started_at, self._pen.zone)
        for moment in moments:
            at = moment.started_at if isinstance(moment, Step) else None if isinstance(moment, Round) else moment.at
            begins = words.day_text(at, self._pen.zone) if at is not None else day
            if begins != day:
                self._pen.hanging("  ", "  ", Text(f"on {begins}", "cyan"))
                day = begins
            self._moment(moment, "", turn.outcome.model_provider)

    def _moment(self, moment: Moment, guide: str, provider: str) -> None:
        """`provider`: that of the models around it, which need not be said again."""
        if isinstance(moment, Step):
            self._step(moment, guide, provider)
        elif isinstance(moment, Round):
            self._pen.hanging(f"{self._pen.gutter()}{guide}", "", Text(f"round {moment.index}", "cyan"))
            self._inside(moment.moments, guide + self._pen.signs.bar, provider)
        elif isinstance(moment, Alert):
            self._alert(moment, guide)
        else:
            self._note(moment, guide)

    def _inside(self, moments: Sequence[Moment], guide: str, provider: str) -> None:
        """What happened inside of something."""
        for moment in moments if self._full else without_quiet_rounds(moments):
            if not isinstance(moment, QuietRounds):
                self._moment(moment, guide, provider)
                continue
            self._folded += moment.rounds
            within = f"{self._pen.gutter()}{guide}"
            rounds, steps = words.plural(moment.rounds, "more round"), words.plural(moment.steps, "step")
            said = f"[{rounds}, up to round {moment.last}: {steps}, all succeeded]"
            self._pen.hanging(within, within, Text(said, "magenta"))

    def _step(self, step: Step, guide: str, provider: str) -> None:
        pen = self._pen
        within = f"{pen.gutter()}{guide}{pen.signs.bar}"
        first = f"{pen.gutter(step.started_at, estimated=step.estimated)}{guide}"
        pen.packed(first, f"{within}  ", self._head(step), _facts(step))
        for note in self._notes(step, provider):
            pen.hanging(within, f"{within}  ", Text(note))
        self._passages(within, step.passages)
        self._documents(within, step)
        self._inside(step.moments, guide + pen.signs.bar, step.model_provider or provider)

    def _head(self, step: Step) -> Text:
        """How it ended, as a sign; kind and name."""
        sign = Text(getattr(self._pen.signs, step.status), _STATUS_STYLES[step.status])
        name = _dataset(step) or step.name
        title = bracketed(step.title) if step.title != name else ""
        return Text.assemble(sign, f" {words.kind_words(step)} ", (one_line(name), "bold"), title)

    def _notes(self, step: Step, provider: str) -> Iterator[str]:
        """What else is to be said of a step."""
        tool, clock = step.tool, self._pen.zone
        if tool is not None and (tool.provider or tool.provider_type):
            yield f"provider {one_line(tool.provider)}{bracketed(tool.provider_type)}"
        if tool is not None and not tool.known:
            yield "the app has no such tool: the model made the name up"
        if tool is not None and tool.calls > 1:
            yield f"called {tool.calls} times in this step, of which Dify keeps one result"
        if step.model_provider not in {"", provider}:
            yield f"provider {one_line(step.model_provider)}"
        if step.dataset_id and (step.dataset_id != step.name or _dataset(step)):
            yield f"knowledge base {one_line(step.dataset_id)}"
        if step.first_token_s is not None:
            yield f"first token after {words.duration_text(step.first_token_s)}"
        for number, attempt in enumerate(self._fold(step.attempts), 1):
            outcome = one_line(attempt.error_type) or "how it ended is not known"
            yield f"attempt {number} ({words.clock_text(attempt.at, clock)}): {outcome}"
        if len(step.attempts) > len(self._fold(step.attempts)):
            yield self._folding(step.attempts, "attempt")
        yield from _record_notes(step)

    def _passages(self, indent: str, passages: Sequence[Passage]) -> None:
        for passage in passages:
            if passage.detail and not self._full:
                self._details += passage.state == "kept"
                continue
            if passage.text in self._told:
                self._bracket(indent, _label(passage), self._told[passage.text])
                continue
            style = "red" if passage.name == "error" else ""
            self._text(indent, _label(passage), passage, style)

    def _text(self, indent: str, label: Text, passage: Passage, style: str) -> None:
        if passage.state == "kept":
            self._pen.block(indent, label, passage.text, style)
        elif passage.state == "erased":
            self._bracket(indent, label, "erased from the journal")

    def _bracket(self, indent: str, label: Text, said: str) -> None:
        """Something of ours in the place of a text."""
        self._pen.hanging(indent, indent, Text.assemble(label, "  " if label else "", (f"[{said}]", "magenta")))

    def _documents(self, indent: str, step: Step) -> None:
        said = _dataset(step) or step.name
        for document in self._fold(step.documents):
            facts = words.document_words(document, said, ids=self._full)
            label = Text.assemble((f"{document.rank}.", "cyan"), " " if facts else "", ", ".join(facts))
            self._pen.block(indent, label, document.text)
        self._say_folded(indent, step.documents, "document")

    def _fold(self, items: Sequence[_T]) -> Sequence[_T]:
        """Those of a list that are shown."""
        return items if self._full else first_of(items)

    def _folding(self, items: Sequence[object], one: str) -> str:
        left_out = len(items) - len(self._fold(items))
        self._folded += left_out
        return f"[{words.plural(left_out, f'more {one}')}]"

    def _say_folded(self, indent: str, items: Sequence[object], one: str) -> None:
        if len(items) > len(self._fold(items)):
            self._pen.hanging(indent, indent, Text(self._folding(items, one), "magenta"))

    # -- what is beside the turn

    def _note(self, note: Beside, guide: str) -> None:
        pen, parts = self._pen, note_parts(note, self._pen.zone)
        within = f"{pen.gutter()}{guide}{pen.signs.bar}"
        head = Text.assemble((pen.signs.note, _OTHERWISE), f" {parts.kind}  ", (parts.said, parts.style))
        first = f"{pen.gutter(note.at, estimated=parts.estimated)}{guide}"
        pen.packed(first, f"{within}  ", head, [Text(fact) for fact in parts.facts])
        self._passages(within, parts.passages)

    def _alert(self, alert: Alert, guide: str) -> None:
        pen = self._pen
        within = f"{pen.gutter()}{guide}{pen.signs.bar}"
        padding = " " if pen.in_colour else ""
        badge = Text(f"{padding}ALERT {one_line(alert.now)}{padding}", _ALERT_STYLES.get(alert.now, _OTHERWISE))
        head = Text.assemble((pen.signs.alert, _OTHERWISE), " ", badge)
        rule = Text.assemble((one_line(alert.rule), "bold"), bracketed(alert.severity))
        pen.packed(f"{pen.gutter(alert.at)}{guide}", f"{within}  ", head, [rule])
        pen.block(within, Text(), alert.summary)
        pen.hanging(within, f"{within}  ", Text(", ".join(words.alert_words(alert))))


def _told_around(turn: Turn) -> dict[str, str]:
    told = {}
    chat = bool(turn.whose.message_id)
    if turn.answer is not None:
        told[turn.answer.text] = f"the same as the {'answer' if chat else 'outputs'} below"
    if turn.question is not None:
        told[turn.question.text] = f"the same as the {'question' if chat else 'inputs'} above"
    return {text: where for text, where in told.items() if len(text) > _WORTH_A_REFERENCE}


def _facts(step: Step) -> list[Text]:
    """How it ended where that needs saying, how long it took, what it found and used."""
    ended = words.step_words(step)
    found = step.documents_found
    facts = [Text(f"{'~' if step.estimated else ''}{words.duration_text(step.duration_s)}")]
    facts += [] if step.http_status is None else [Text(f"HTTP {step.http_status}")]
    facts += [] if found is None else [Text(words.plural(found, "document"))]
    facts += [Text(fact) for fact in words.used_briefly(step.used)] if step.used else []
    return [*([Text(ended, _STATUS_STYLES[step.status])] if ended else []), *facts]


def _label(passage: Passage) -> Text:
    if passage.name in _UNTITLED and passage.state == "kept":
        return Text()
    note = f" {one_line(passage.note)}" if passage.note else ""
    return Text(f"{passage.name}{note}", "cyan")


def _record_notes(step: Step) -> Iterator[str]:
    """What is to be said of a step's record."""
    if step.soft:
        by = "a pattern of the configuration" if step.error_type == _BY_PATTERN else "its answer"
        yield f"Dify called it a success; {by} says that it failed"
    yield from words.cut_words(step)
    if step.dify_status not in _USUAL_STATUS:
        yield f"Dify's status: {one_line(step.dify_status)}"
    if step.provisional:
        yield "recorded while the turn ran: its times may still change"
    if step.revisions:
        yield words.revised(step.revisions)


def _dataset(step: Step) -> str:
    """The knowledge base's name, where the search itself is known by an id only."""
    names = {document.dataset for document in step.documents} if step.name == step.dataset_id else set()
    return names.pop() if len(names) == 1 else ""


def _enumerated(parts: Sequence[str]) -> str:
    """Such as `a, b and c`."""
    return " and ".join(part for part in (", ".join(parts[:-1]), parts[-1]) if part)
