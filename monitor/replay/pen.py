"""Lines on a terminal: hanging indents, labels, foreign texts in blocks. Knows widths and colours, not timelines.

Everything is written as `rich.text.Text`, so that no text is ever read as markup. Only the sixteen colours that every
terminal theme sets are used, and never for what is not also said in words. Called by terminal.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo

import msgspec
from rich.console import Console
from rich.segment import Segment, Segments
from rich.text import Text

from monitor.replay.plain import (
    FIRST_ISOLATE,
    POP_ISOLATE,
    isolated,
    readable_json,
    shortened,
    visible,
    width_of,
    wrapped,
)
from monitor.replay.words import clock_text, plural

__all__ = ["ASCII_SIGNS", "SIGNS", "Pen", "Signs"]

_NARROWEST, _NARROWEST_PART = 24, 3
"""Cells that a text is given however deep it stands, and which part of the line where that is less."""
_LABEL_CELLS = 14
_SPACED = "  "
"""Between a label and its text."""
_CLOCK_CELLS = 15
"""`~08:00:00.000` with a space on both sides."""

_LINES_AT_ONCE = 1_000


class Signs(msgspec.Struct, frozen=True):
    """The characters that are drawn with."""

    rule: str
    bar: str
    succeeded: str
    failed: str
    stopped: str
    unknown: str
    alert: str
    note: str


SIGNS = Signs(rule="─", bar="│ ", succeeded="✓", failed="✗", stopped="-", unknown="?", alert="!", note="•")
"""For terminals that show Unicode."""
ASCII_SIGNS = Signs(rule="-", bar="| ", succeeded="+", failed="x", stopped="-", unknown="?", alert="!", note="*")
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
        first, rest = self._indented(first), self._indented(rest)
        wide = max(width_of(first), width_of(rest)) if width_of(first) + text.cell_len > self.console.width else 0
        for number, line in enumerate(self._lines(text, self._room(wide))):
            self._put(Text.assemble(rest if number else first, line))

    def packed(self, first: str, rest: str, head: Text, facts: Sequence[Text]) -> None:
        """A head and facts behind it, separated by commas; a fact that does not fit begins the next line."""
        first, line = self._indented(first), head
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
        for number, line in enumerate(self._lines(value, self._room(2 + _LABEL_CELLS))):
            self._put(Text.assemble("  ", (("" if number else label).ljust(_LABEL_CELLS), "cyan"), line))

    def block(self, indent: str, label: Text, text: str, style: str = "") -> None:
        """A foreign text: on one line with its label where it fits, else in lines below it."""
        indent, inner = self._indented(indent), self._indented(indent + ("  " if label else ""))
        room = self._room(width_of(inner))
        shown, left_out = self._readable(text, room)
        lines = wrapped(visible(shown).rstrip(), room)
        beside = width_of(indent) + label.cell_len + (len(_SPACED) if label else 0) + width_of(lines[0])
        if len(lines) == 1 and beside <= self.console.width and not left_out:
            self._put(Text.assemble(indent, label, _SPACED if label and lines[0] else "", (isolated(lines[0]), style)))
            return
        if label:
            self.hanging(indent, inner, label)
        self._put_all(inner, lines, style)
        if left_out:
            self.hanging(inner, inner, Text(f"[{plural(left_out, 'more character')}]", "magenta"))

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

    def _lines(self, text: Text, width: int) -> list[Text]:
        """The text in lines; what is isolated stays isolated where it is broken. At least one line."""
        lines = list(text.wrap(self.console, width, overflow="fold")) or [Text()]
        open_ = 0
        for line in lines:
            line.rstrip()
            reopened, open_ = open_, open_ + line.plain.count(FIRST_ISOLATE) - line.plain.count(POP_ISOLATE)
            line.append(POP_ISOLATE * open_)
            if reopened:
                line.pad_left(reopened, FIRST_ISOLATE)
        return lines

    def _indented(self, indent: str) -> str:
        """An indent of ours, whose characters take a cell each, as far as a text still has room behind it."""
        return indent[: max(0, self.console.width - self._room(self.console.width))]

    def _room(self, taken: int) -> int:
        """How many cells are left for a text."""
        width = self.console.width
        return max(min(_NARROWEST, width // _NARROWEST_PART), width - taken)

    def _put_all(self, indent: str, lines: Sequence[str], style: str) -> None:
        """Lines behind an indent, many at a time: a text can have a million."""
        look = self.console.get_style(style) if style else None
        for at in range(0, len(lines), _LINES_AT_ONCE):
            parts: list[Segment] = []
            for line in lines[at : at + _LINES_AT_ONCE]:
                parts += (Segment(indent if line else indent.rstrip()), Segment(isolated(line), look), Segment("\n"))
            self.console.print(Segments(parts), soft_wrap=True, no_wrap=True, overflow="ignore", crop=False)

    def _put(self, line: Text) -> None:
        self.console.print(line, soft_wrap=True, no_wrap=True, overflow="ignore", crop=False, highlight=False)
