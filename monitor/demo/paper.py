"""What the demo writes on: one console on standard output, with colours only where a terminal wants them.

Knows widths, headings and quotations; nothing of turns or metrics. Foreign texts are written as `rich.text.Text`, so
that none is ever read as markup.
"""

from __future__ import annotations

import io
import os
import sys
from typing import TextIO

from rich.cells import chop_cells
from rich.console import Console
from rich.text import Text

from monitor.replay.plain import visible, wrapped

__all__ = ["chapter", "console_on", "excerpt", "item", "line", "notification", "prose", "signs", "uncut"]

_BAR, _PLAIN_BAR = "┃ ", "| "
_LIST_INDENT = 4


def console_on(stream: TextIO | None = None) -> Console:
    """A console on the stream (standard output). What its encoding lacks is shown as escapes."""
    out = stream or sys.stdout
    if isinstance(out, io.TextIOWrapper):
        out.reconfigure(errors="backslashreplace")
    in_colour = out.isatty() and not os.environ.get("NO_COLOR")
    return Console(
        file=out,
        force_terminal=out.isatty(),
        color_system="auto" if in_colour else None,
        markup=False,
        highlight=False,
        emoji=False,
    )


def signs(console: Console, unicode_: str, plain: str) -> str:
    """The first where the console shows Unicode, else the second."""
    return unicode_ if console.encoding.lower().startswith("utf") else plain


def line(console: Console, *parts: str | tuple[str, str], indent: int = 0) -> None:
    """One line, cut where the console ends. A part is a text, or a text and its style."""
    text = Text.assemble(" " * indent, *parts)
    text.truncate(console.width, overflow="ellipsis")
    console.print(text, soft_wrap=True)


def prose(console: Console, text: str, style: str = "") -> None:
    """A paragraph."""
    for each in wrapped(text, console.width):
        console.print(Text(each, style), soft_wrap=True)


def chapter(console: Console, title: str, about: str = "") -> None:
    """A heading, and what there is to say of it."""
    rule = signs(console, "━", "=")
    head = Text.assemble(rule * 2, " ", (title, "bold cyan"), " ")
    head.append(rule * max(0, console.width - head.cell_len))
    console.print()
    console.print(head, soft_wrap=True)
    if about:
        prose(console, about, "dim")


def excerpt(console: Console, text: str, most: int) -> None:
    """The first lines of a text that is a single long one."""
    lines = chop_cells(visible(text), console.width - 1)
    shown = lines[:most]
    if len(lines) > most:
        shown[-1] += "…"
    for each in shown:
        console.print(Text(each, "dim"), soft_wrap=True)


def uncut(console: Console, *parts: str | tuple[str, str]) -> None:
    """One line that can be copied, such as a command or a path: as long as it is."""
    console.print(Text.assemble(*parts), soft_wrap=True)


def item(console: Console, what: str, how: str) -> None:
    """Something that can be done, and how."""
    uncut(console, what)
    uncut(console, "    ", (how, "bold"))


def notification(console: Console, said: str) -> None:
    """A notifier's words behind a bar; only lists, which are far in, are cut where the console ends."""
    style = "bold green" if said.startswith("RESOLVED") else "bold red"
    bar = signs(console, _BAR, _PLAIN_BAR)
    console.print()
    for number, paragraph in enumerate(visible(said).rstrip().split("\n")):
        body = paragraph.lstrip(" ")
        indent = " " * (len(paragraph) - len(body))
        far_in = len(indent) >= _LIST_INDENT
        for each in [body] if far_in else wrapped(body, console.width - len(bar) - len(indent)):
            line(console, (bar, style), (indent + each, "" if number else style))
