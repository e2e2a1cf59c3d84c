"""Lines on a terminal: hanging indents, labels, foreign texts in blocks. Knows widths and colours, not timelines.

Everything is written as `rich.text.Text`, so that no text is ever read as markup. Only the sixteen colours that every
terminal theme sets are used, and never for what is not also said in words. Called by terminal.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo

import msgspec
from rich.console import Console
from rich.text import Text

from monitor.replay.plain import isolated, readable_json, shortened, visible, width_of, wrapped
from monitor.replay.words import clock_text, plural

__all__ = ["ASCII_SIGNS", "SIGNS", "Pen", "Signs"]

_NARROWEST = 24
"""Cells that a text is given even where indents have used up the line."""
_LABEL_CELLS = 14
_CLOCK_CELLS = 15
"""`~08:00:00.000` with a space on both sides."""


class Signs(msgspec.Struct, frozen=True):
    """The characters that are drawn with."""

    rule: str
    bar: str
    succeeded: str
    failed: str
    stopped: str
    unknown: str
    alert: str


SIGNS = Signs(rule="─", bar="│ ", succeeded="✓", failed="✗", stopped="-", unknown="?", alert="!")
"""For terminals that show Unicode."""
ASCII_SIGNS = Signs(rule="-", bar="| ", succeeded="+", failed="x", stopped="-", unknown="?", alert="!")
"""For the others."""


class Pen:
    """Writes on a console, and counts what it leaves out."""

    def __init__(self, console: Console, zone: tzinfo | None, longest: int | None) -> None:
        self.console, self.zone, self.longest = console, zone, longest
        self.signs = SIGNS if console.encoding.lower().startswith("utf") else ASCII_SIGNS
        self.in_colour = console.color_system is not None and not console.no_color
        self.left_out_chars = 0
        self.left_out_texts = 0

    def blank(self) -> None:
        """An empty line."""
        self._put(Text())

    def rule(self, title: Text) -> None:
        """A line across the page with a title in it."""
        sign = self.signs.rule
        rest = max(3, self.console.width - title.cell_len - 4)
        self._put(Text.assemble(sign * 2, " ", title, " ", sign * rest))

    def hanging(self, first: str, rest: str, text: Text) -> None:
        """A text behind `first`, its further lines behind `rest`; both are as wide as they are to look."""
        wide = max(width_of(first), width_of(rest)) if width_of(first) + text.cell_len > self.console.width else 0
        lines = text.wrap(self.console, self._room(wide), overflow="fold")
        for number, line in enumerate(lines or [Text()]):
            line.rstrip()
            self._put(Text.assemble(rest if number else first, line))

    def packed(self, first: str, rest: str, head: Text, facts: Sequence[Text]) -> None:
        """A head and facts behind it, separated by commas; a fact that does not fit begins the next line."""
        line = head
        for number, fact in enumerate(facts):
            comma = "," if number else ""
            behind = Text.assemble(line, (comma or " ") + " " if line else "", fact)
            if width_of(first) + behind.cell_len < self.console.width:  # one cell is left for a comma
                line = behind
                continue
            self.hanging(first, rest, Text.assemble(line, comma))
            first, line = rest, fact
        self.hanging(first, rest, line)

    def fact(self, label: str, value: Text) -> None:
        """A line of a header: a label and what it stands for."""
        lines = value.wrap(self.console, self._room(2 + _LABEL_CELLS), overflow="fold")
        for number, line in enumerate(lines or [Text()]):
            line.rstrip()
            self._put(Text.assemble("  ", (("" if number else label).ljust(_LABEL_CELLS), "cyan"), line))

    def block(self, indent: str, label: Text, text: str, style: str = "") -> None:
        """A foreign text: on one line with its label where it fits, else in lines below it."""
        inner = indent + ("  " if label else "")
        room = self._room(width_of(inner))
        shown, left_out = self._readable(text, room)
        lines = wrapped(visible(shown), room)
        if len(lines) == 1 and width_of(lines[0]) + label.cell_len <= room and not left_out:
            self._put(Text.assemble(indent, label, "  " if label else "", (isolated(lines[0]), style)))
            return
        if label:
            self._put(Text.assemble(indent, label))
        for line in lines:
            self._put(Text.assemble(inner if line else inner.rstrip(), (isolated(line), style)))
        if left_out:
            self._put(Text.assemble(inner, (f"[{plural(left_out, 'more character')}]", "magenta")))

    def gutter(self, at: datetime | None = None, *, estimated: bool = False) -> str:
        """The column of times; without one, as much room."""
        if at is None:
            return " " * _CLOCK_CELLS
        return f" {'~' if estimated else ' '}{clock_text(at, self.zone)} "

    def list_ids(self, indent: str, ids: Sequence[str]) -> None:
        """Ids, one a line."""
        for one in ids:
            self.block(indent, Text(), one)

    def _readable(self, text: str, width: int) -> tuple[str, int]:
        """The text as it is to be read, and how many of its characters that leaves out."""
        readable = readable_json(text, width, self.longest)
        shown, left_out = shortened(readable, self.longest)
        self.left_out_chars += left_out
        self.left_out_texts += bool(left_out)
        return shown, left_out

    def _room(self, taken: int) -> int:
        return max(_NARROWEST, self.console.width - taken)

    def _put(self, line: Text) -> None:
        self.console.print(line, soft_wrap=True, no_wrap=True, overflow="ignore", crop=False, highlight=False)
